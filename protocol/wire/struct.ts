/** Structs: positional arrays of fields, in the order of the table that names them. */
import { DecodeError, headSize, Reader, Writer } from './cbor.ts';
import type { Codec, Infer, StructCodec } from './codec.ts';

type OptionalKeys<F> = { [K in keyof F]: undefined extends Infer<F[K]> ? K : never }[keyof F];
/** The object type of a struct: fields whose codec is optional may be absent. */
export type StructOf<F> = { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: Infer<F[K]>;
};

type Fields = Readonly<Record<string, Codec<unknown>>>;

/** A positional array with the fields in the order of the table that names them. */
export class Struct<F extends Fields> implements StructCodec<StructOf<F>> {
  readonly fields: F;
  readonly sizeMax: number;
  private readonly names: readonly string[];

  constructor(fields: F) {
    this.fields = fields;
    this.names = Object.entries(fields).map(([name]) => name);
    let sizeMax = headSize(this.names.length);
    for (const name of this.names) sizeMax += fields[name]!.sizeMax;
    this.sizeMax = sizeMax;
  }

  get name(): string {
    return `(${this.names.map((name) => `${name} ${this.fields[name]!.name}`).join(', ')})`;
  }

  write(writer: Writer, value: StructOf<F>): void {
    const { fields, names } = this;
    const source = value as Record<string, unknown>;
    writer.array(names.length);
    for (let i = 0; i < names.length; i++) fields[names[i]!]!.write(writer, source[names[i]!]);
  }

  encode(start: Uint8Array, value: StructOf<F>): Uint8Array {
    const writer = new Writer();
    writer.encoded(start);
    this.write(writer, value);
    return writer.finish();
  }

  read(reader: Reader): StructOf<F> {
    return this.readInto({}, reader);
  }

  decode<N extends string>(bytes: Uint8Array, start: number, type: N): { readonly type: N } & StructOf<F> {
    const reader = new Reader(bytes, start);
    const value = this.readInto({ type }, reader);
    reader.finish();
    return value;
  }

  private readInto<T extends object>(start: T, reader: Reader): T & StructOf<F> {
    const { fields, names } = this;
    if (reader.array(names.length) !== names.length)
      throw new DecodeError('malformed', 'fields are missing', 0);
    const target = start as Record<string, unknown>;
    for (let i = 0; i < names.length; i++) {
      const item = fields[names[i]!]!.read(reader);
      if (item !== undefined) target[names[i]!] = item;
    }
    return target as T & StructOf<F>;
  }
}

/** A positional array of named fields, in the order of `fields`; the shape of every message and record. */
export function struct<const F extends Fields>(fields: F): StructCodec<StructOf<F>> {
  return new Struct(fields);
}
