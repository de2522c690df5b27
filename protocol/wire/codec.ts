/** What a codec is: the types that the building blocks and the structs share. */
import type { Reader, Writer } from './cbor.ts';

/** A codec's one plain item: an unsigned integer of so many bits, a byte string of so many bytes, or true and false. */
export type Item = (
  | { readonly kind: 'uint'; readonly bits: number }
  | { readonly kind: 'bytes'; readonly length: number }
  | { readonly kind: 'flag' }
) & { readonly optional?: boolean };

export interface Codec<T> {
  /** Name of the type in the documentation. */
  readonly name: string;
  /** Bytes of the largest encoding. */
  readonly sizeMax: number;
  /** What it stands for when that is one plain item. A struct of such fields alone can be read and written at once. */
  readonly item?: Item;
  /** Throws SundialError `out_of_range` or `wrong_length` when the value can't be sent. */
  write(writer: Writer, value: T): void;
  /** Throws DecodeError. */
  read(reader: Reader): T;
}

/** A codec of objects that can also name what it reads, and write a whole message. */
export interface StructCodec<T> extends Codec<T> {
  /** The bytes of `start`, then the value's. Throws as `write` does. */
  encode(start: Uint8Array, value: T): Uint8Array;
  /** What the bytes from `start` to their end hold, with `type` as the first property. Throws DecodeError. */
  decode<N extends string>(bytes: Uint8Array, start: number, type: N): { readonly type: N } & T;
}

export type Infer<C> = C extends Codec<infer T> ? T : never;
