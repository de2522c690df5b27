/**
 * Bytes of the journal in flash, second layout. The region is split into banks of whole blocks; one bank is active.
 * Numbers are little-endian; a unit is the flash's word, at least 4 bytes.
 *
 *   bank    head (20 bytes: "SUN2", generation u32, version u16, minReader u16, number of this bank u16, number of banks
 *           u16, CRC-32 of those 16), padded to units with 0xff
 *           superseded mark (1 unit: all zero once a later bank is ready)
 *           records, one behind the other
 *           erased space, never less than the guard
 *           commit marks (1 unit each, all zero); the first record's stands last, so that they grow towards the records
 *           superseded mark and head once more
 *   record  length u16, ~length u16, sum u32, payload, padded to units with 0xff. The sum is the CRC-32 of length and
 *           payload that goes on from the sum of the record before, the first record's from the head's CRC-32: so each
 *           holds what stood before it, in which bank and of which generation
 *
 * A bank is ready when it has a head: heads are written last. decisions/0018 says why all of it is so.
 */
import { crc32 } from '../crc32.ts';

/** "SUN2"; the first layout, of releases that nobody has in the field, began with "SUN1". */
export const MAGIC = 0x324e5553;
export const FIRST_MAGIC = 0x314e5553;
export const HEAD_BYTES = 20;
/** Length, its complement, and the sum. */
export const RECORD_HEAD_BYTES = 8;
/** Most bytes between records and marks that stay erased: a page that is lost never takes a record with its mark. */
const GUARD_BYTES_MAX = 256;

export interface BankHead {
  readonly generation: number;
  readonly version: number;
  readonly minReader: number;
  /** Which bank this is, from 0, and of how many. */
  readonly bank: number;
  readonly banks: number;
}

/** Rounds up to whole units. */
export function padded(bytes: number, unit: number): number {
  const over = bytes % unit;
  return over === 0 ? bytes : bytes + unit - over;
}

/** Bytes that the journal writes as one: the flash's word, at least 4. */
export const unitOf = (flash: { readonly wordSize: number }): number => Math.max(4, flash.wordSize);

/** Bytes of a bank. `size`, `blockSize`: of the flash. */
export const bankBytesOf = (
  flash: { readonly size: number; readonly blockSize: number },
  banks: number,
): number => Math.floor(flash.size / flash.blockSize / banks) * flash.blockSize;

/** Bytes that stay erased between the records and the marks of a bank. */
export const guardOf = (bankBytes: number, unit: number): number =>
  padded(Math.min(GUARD_BYTES_MAX, bankBytes >> 5), unit);

/** Bytes at each end of a bank that are no records: the head and the superseded mark. */
export const edgeOf = (unit: number): number => padded(HEAD_BYTES, unit) + unit;

/** Bytes of a bank that a record of `length` bytes takes, its mark among them. */
export const recordCost = (length: number, unit: number): number =>
  padded(RECORD_HEAD_BYTES + length, unit) + unit;

/** The head's bytes, and the sum that the first record goes on from. */
export function encodeHead(
  head: BankHead,
  unit: number,
): { readonly bytes: Uint8Array; readonly sum: number } {
  const bytes = new Uint8Array(padded(HEAD_BYTES, unit)).fill(0xff);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, head.generation, true);
  view.setUint16(8, head.version, true);
  view.setUint16(10, head.minReader, true);
  view.setUint16(12, head.bank, true);
  view.setUint16(14, head.banks, true);
  const sum = crc32(bytes.subarray(0, 16));
  view.setUint32(16, sum, true);
  return { bytes, sum };
}

/** Undefined when the bytes are no head. */
export function decodeHead(bytes: Uint8Array): BankHead | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== MAGIC) return undefined;
  if (view.getUint32(16, true) !== crc32(bytes.subarray(0, 16))) return undefined;
  return {
    generation: view.getUint32(4, true),
    version: view.getUint16(8, true),
    minReader: view.getUint16(10, true),
    bank: view.getUint16(12, true),
    banks: view.getUint16(14, true),
  };
}

/**
 * Writes everything of a record but its commit mark into `body`, and returns its sum; `before` is the sum of the record
 * before. Runs before every answer, so byte by byte instead of by a DataView.
 */
export function sealBody(payload: Uint8Array, body: Uint8Array, before: number): number {
  const { length } = payload;
  body.fill(0xff, RECORD_HEAD_BYTES + length);
  body.set(payload, RECORD_HEAD_BYTES);
  body[0] = length & 255;
  body[1] = length >> 8;
  body[2] = ~length & 255;
  body[3] = (~length >> 8) & 255;
  const sum = bodySum(body, payload, before);
  for (let i = 0; i < 4; i++) body[4 + i] = (sum >> (8 * i)) & 255;
  return sum;
}

/** Covers the length, the first two bytes of the head, too: so a record is never cut short by a flipped bit. */
export function bodySum(head: Uint8Array, payload: Uint8Array, before: number): number {
  return crc32(payload, crc32(head.subarray(0, 2), before));
}

/** The length that a record's head gives, or undefined when it does not agree with its complement. */
export function bodyLength(head: Uint8Array): number | undefined {
  const length = head[0]! | (head[1]! << 8);
  return (head[2]! | (head[3]! << 8)) === (~length & 0xffff) ? length : undefined;
}

/** Is this mark written? Three quarters of its bits decide, so that neither a few flipped ones nor a torn write do. */
export function isMark(bytes: Uint8Array): boolean {
  let ones = 0;
  for (let i = 0; i < bytes.length; i++) for (let byte = bytes[i]!; byte !== 0; byte &= byte - 1) ones += 1;
  return ones <= 2 * bytes.length;
}
