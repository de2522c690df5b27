/**
 * Bytes of the journal in flash. The region is split into banks of whole blocks; one bank is active. Numbers are
 * little-endian; a unit is the flash's word, at least 4 bytes.
 *
 *   bank    head (16 bytes: "SUN1", generation u32, version u16, minReader u16, CRC-32 of those 12), padded to units
 *           ready mark (1 unit: all zero once the bank's snapshot is complete)
 *           superseded mark (1 unit: all zero once a later bank is ready)
 *           records until the end
 *   record  commit mark (1 unit: all zero, written last)
 *           length u16, ~length u16, CRC-32 of length and payload u32, payload, padded to units with 0xff
 */
import { crc32 } from '../crc32.ts';

export const MAGIC = 0x314e5553;
export const HEAD_BYTES = 16;
/** Length, its complement, and the checksum. */
export const RECORD_HEAD_BYTES = 8;

export interface BankHead {
  readonly generation: number;
  readonly version: number;
  readonly minReader: number;
}

/** Rounds up to whole units. */
export function padded(bytes: number, unit: number): number {
  const over = bytes % unit;
  return over === 0 ? bytes : bytes + unit - over;
}

export function encodeHead({ generation, version, minReader }: BankHead, unit: number): Uint8Array {
  const bytes = new Uint8Array(padded(HEAD_BYTES, unit)).fill(0xff);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, generation, true);
  view.setUint16(8, version, true);
  view.setUint16(10, minReader, true);
  view.setUint32(12, crc32(bytes.subarray(0, 12)), true);
  return bytes;
}

/** Undefined when the bank holds no whole head: never used, or an erase or a start of it was cut. */
export function decodeHead(bytes: Uint8Array): BankHead | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== MAGIC) return undefined;
  if (view.getUint32(12, true) !== crc32(bytes.subarray(0, 12))) return undefined;
  return {
    generation: view.getUint32(4, true),
    version: view.getUint16(8, true),
    minReader: view.getUint16(10, true),
  };
}

/** Everything of a record but its commit mark. Runs before every answer, so byte by byte instead of by a DataView. */
export function encodeBody(payload: Uint8Array, unit: number): Uint8Array {
  const { length } = payload;
  const bytes = new Uint8Array(padded(RECORD_HEAD_BYTES + length, unit)).fill(0xff);
  bytes.set(payload, RECORD_HEAD_BYTES);
  bytes[0] = length & 255;
  bytes[1] = length >> 8;
  bytes[2] = ~length & 255;
  bytes[3] = (~length >> 8) & 255;
  const sum = bodySum(bytes, payload) | 0;
  for (let i = 0; i < 4; i++) bytes[4 + i] = (sum >> (8 * i)) & 255;
  return bytes;
}

/** Covers the length, the first two bytes of the head, too: so a record is never cut short by a flipped bit. */
export function bodySum(head: Uint8Array, payload: Uint8Array): number {
  return crc32(payload, crc32(head.subarray(0, 2)));
}

export const isErased = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0xff);
