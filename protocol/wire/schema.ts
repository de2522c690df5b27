/**
 * Building blocks of the message and record tables: one schema gives the TypeScript type, the encoder, the strict
 * decoder and the largest size. Structs are positional arrays.
 */
import type { Address, Bytes16, Bytes32, Signature } from '../bytes.ts';
import { SundialError } from '../errors.ts';
import {
  type Amount,
  type ChannelId,
  checkUint,
  type Height,
  type Position,
  type Seconds,
  type Seq,
} from '../integers.ts';
import { DecodeError, headSize } from './cbor.ts';
import type { Codec, Infer, StructCodec } from './codec.ts';

export type { Codec, Infer, Item, StructCodec } from './codec.ts';
export { type StructOf, struct } from './struct.ts';

/** The largest value of each width. Written out: no device's image has the C library's powers. */
const MAX_UINT = { 8: 0xff, 16: 0xffff, 32: 0xffff_ffff, 40: 0xff_ffff_ffff, 48: 0xffff_ffff_ffff };

function uint<T extends number>(bits: keyof typeof MAX_UINT, field = `uint${bits}`): Codec<T> {
  const max = MAX_UINT[bits];
  return {
    name: `uint${bits}`,
    sizeMax: headSize(max),
    item: { kind: 'uint', bits },
    write: (writer, value) => writer.uint(checkUint(value, max, field)),
    read: (reader) => reader.uint(max) as T,
  };
}

export const u8: Codec<number> = uint(8);
export const u16: Codec<number> = uint(16);
export const u32: Codec<number> = uint(32);
export const channelField: Codec<ChannelId> = uint(32, 'channel');
export const seqField: Codec<Seq> = uint(32, 'seq');
export const amountField: Codec<Amount> = uint(48, 'amount');
export const heightField: Codec<Height> = uint(48, 'height');
export const positionField: Codec<Position> = uint(48, 'position');
export const secondsField: Codec<Seconds> = uint(40, 'seconds');
export const u48: Codec<number> = uint(48);

function wrongLength(length: number, min: number, max: number): never {
  throw new SundialError('wrong_length', `${length} bytes, want ${min} to ${max}`, {
    severity: 'call',
    remedy: 'Give the field in its fixed size.',
  });
}

/** Byte string of a length between the two bounds. */
export function bytesBetween(min: number, max: number): Codec<Uint8Array> {
  return {
    name: min === max ? `bytes${min}` : `bytes${min}..${max}`,
    sizeMax: headSize(max) + max,
    ...(min === max && { item: { kind: 'bytes', length: max } as const }),
    write(writer, value) {
      if (value.length < min || value.length > max) wrongLength(value.length, min, max);
      writer.bytes(value);
    },
    read: (reader) => reader.bytes(min, max),
  };
}

export const addressField: Codec<Address> = bytesBetween(20, 20);
export const bytes16Field: Codec<Bytes16> = bytesBetween(16, 16);
export const bytes32Field: Codec<Bytes32> = bytesBetween(32, 32);
export const signatureField: Codec<Signature> = bytesBetween(64, 64);
/** 64 bytes x, y of a P-256 key. */
export const keyField: Codec<Uint8Array> = bytesBetween(64, 64);

/** Printable ASCII text (currency names); anything else is refused, so that two texts never look alike. */
export function asciiText(lengthMax: number): Codec<string> {
  return {
    name: `text..${lengthMax}`,
    sizeMax: headSize(lengthMax) + lengthMax,
    write(writer, value) {
      const bytes = new Uint8Array(value.length);
      for (let i = 0; i < value.length; i++) {
        const code = value.charCodeAt(i);
        if (code < 0x21 || code > 0x7e) {
          throw new SundialError('bad_text', 'a text holds a character outside printable ASCII', {
            severity: 'call',
            remedy: 'Use letters, digits and signs from ! to ~.',
          });
        }
        bytes[i] = code;
      }
      if (bytes.length > lengthMax) wrongLength(bytes.length, 0, lengthMax);
      writer.text(bytes);
    },
    read(reader) {
      const bytes = reader.text(lengthMax);
      let text = '';
      for (const code of bytes) {
        if (code < 0x21 || code > 0x7e)
          throw new DecodeError('field_range', 'text is not printable ASCII', 0);
        text += String.fromCharCode(code);
      }
      return text;
    },
  };
}

/** null stands for undefined. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    name: `${codec.name} or null`,
    sizeMax: codec.sizeMax,
    ...(codec.item && { item: { ...codec.item, optional: true } }),
    write: (writer, value) => (value === undefined ? writer.null() : codec.write(writer, value)),
    read: (reader) => (reader.null() ? undefined : codec.read(reader)),
  };
}

/** An array of at most `lengthMax` items. A longer one is refused, written or read. */
export function list<T>(codec: Codec<T>, lengthMax: number): Codec<readonly T[]> {
  return {
    name: `list..${lengthMax} of ${codec.name}`,
    sizeMax: headSize(lengthMax) + lengthMax * codec.sizeMax,
    write(writer, value) {
      if (value.length > lengthMax) wrongLength(value.length, 0, lengthMax);
      writer.array(value.length);
      for (const item of value) codec.write(writer, item);
    },
    read(reader) {
      const length = reader.array(lengthMax);
      const items: T[] = [];
      for (let i = 0; i < length; i++) items.push(codec.read(reader));
      return items;
    },
  };
}

/** One row of a table of tagged structs. */
export interface Variant {
  readonly number: number;
  readonly codec: StructCodec<unknown>;
}

/** The encoded start of an array of `length` items: its head and its first items, integers below 256. */
export function arrayStart(length: number, ...first: readonly number[]): Uint8Array {
  const bytes = [0x80 + length];
  for (const value of first) {
    if (value >= 24) bytes.push(24);
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}

/** `{ type: name, ...fields }` for each row of a table: what `tagged` reads and writes. */
export type TaggedOf<T extends Record<string, Variant>> = {
  [K in keyof T & string]: { readonly type: K } & Infer<T[K]['codec']>;
}[keyof T & string];
