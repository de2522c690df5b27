/**
 * The bytes of a segment file. A segment is a header and groups; a group is the records of one fdatasync under one
 * CRC-32, so a cut leaves whole groups and at most one damaged one at the end. All integers are big-endian.
 *
 *   header  "SUNDIAL\n" 8 | version u16 | minReader u16 | first position u48 | salt u32 | 2 zero | crc32 u32     = 28 B
 *   group   "SGRP" 4 | body length u32 | first position u48 | count u16 | crc32 u32 | body                  = 20 B + body
 *   body    count times: length u32 | bytes
 *
 * The CRC-32 of a group starts from the segment's random salt and covers length, position, count and body. The salt
 * keeps whoever sends records from hiding bytes in one that look like a group when the hub searches damaged files.
 */
import { crc32 } from 'node:zlib';
import { groupBytesMax, groupRecordsMax, recordBytesMax } from '../limits.ts';
import type { LedgerRecord } from './ledger.ts';

export const headerBytes = 28;
export const groupHeaderBytes = 20;
const magic = Buffer.from('SUNDIAL\n', 'latin1');
const groupMagic = Buffer.from('SGRP', 'latin1');
const version = 1;
/** The oldest reader that understands a segment written today. */
const minReader = 1;

/** The header of a segment whose first record has position `first`; `salt` is 32 random bits. */
export function encodeHeader(first: number, salt: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  magic.copy(header, 0);
  header.writeUInt16BE(version, 8);
  header.writeUInt16BE(minReader, 10);
  header.writeUIntBE(first, 12, 6);
  header.writeUInt32BE(salt, 18);
  header.writeUInt32BE(crc32(header.subarray(0, 24)), 24);
  return header;
}

export type Header =
  | { kind: 'header'; first: number; salt: number }
  | { kind: 'damaged' }
  | { kind: 'newer'; minReader: number };

/** Reads a segment's header. `newer` means that this program is too old for the file. */
export function decodeHeader(bytes: Uint8Array): Header {
  const buffer = asBuffer(bytes);
  if (buffer.length < headerBytes || !buffer.subarray(0, 8).equals(magic)) return { kind: 'damaged' };
  if (buffer.readUInt32BE(24) !== crc32(buffer.subarray(0, 24))) return { kind: 'damaged' };
  const reader = buffer.readUInt16BE(10);
  if (reader > version) return { kind: 'newer', minReader: reader };
  return { kind: 'header', first: buffer.readUIntBE(12, 6), salt: buffer.readUInt32BE(18) };
}

/** Bytes that a record of `length` bytes takes in a group's body. */
export const recordOverheadBytes = 4;

/** One group of 1 to groupRecordsMax records with positions from `first` on. */
export function encodeGroup(salt: number, first: number, records: readonly Uint8Array[]): Buffer {
  let body = 0;
  for (const record of records) body += recordOverheadBytes + record.length;
  const group = Buffer.allocUnsafe(groupHeaderBytes + body);
  groupMagic.copy(group, 0);
  group.writeUInt32BE(body, 4);
  group.writeUIntBE(first, 8, 6);
  group.writeUInt16BE(records.length, 14);
  let offset = groupHeaderBytes;
  for (const record of records) {
    group.writeUInt32BE(record.length, offset);
    group.set(record, offset + recordOverheadBytes);
    offset += recordOverheadBytes + record.length;
  }
  group.writeUInt32BE(groupCrc(salt, group), 16);
  return group;
}

function groupCrc(salt: number, group: Buffer): number {
  return crc32(group.subarray(groupHeaderBytes), crc32(group.subarray(4, 16), salt));
}

/** The records of one sync. */
export interface Group {
  readonly first: number;
  readonly records: LedgerRecord[];
  /** Offset of the byte after the group. */
  readonly end: number;
}

/** The group at `offset`, or undefined when there is no intact one. The records are views into `bytes`. */
export function decodeGroup(salt: number, bytes: Uint8Array, offset: number): Group | undefined {
  const buffer = asBuffer(bytes);
  if (buffer.length - offset < groupHeaderBytes) return undefined;
  if (buffer.compare(groupMagic, 0, 4, offset, offset + 4) !== 0) return undefined;
  const bodyLength = buffer.readUInt32BE(offset + 4);
  const end = offset + groupHeaderBytes + bodyLength;
  if (bodyLength > groupBytesMax || end > buffer.length) return undefined;
  const first = buffer.readUIntBE(offset + 8, 6);
  const count = buffer.readUInt16BE(offset + 14);
  if (count === 0 || count > groupRecordsMax) return undefined;
  if (buffer.readUInt32BE(offset + 16) !== groupCrc(salt, buffer.subarray(offset, end))) return undefined;
  const records: LedgerRecord[] = [];
  let at = offset + groupHeaderBytes;
  for (let index = 0; index < count; index += 1) {
    if (end - at < recordOverheadBytes) return undefined;
    const length = buffer.readUInt32BE(at);
    if (length === 0 || length > recordBytesMax || length > end - at - recordOverheadBytes) return undefined;
    at += recordOverheadBytes;
    records.push({ position: first + index, bytes: buffer.subarray(at, at + length) });
    at += length;
  }
  return at === end ? { first, records, end } : undefined;
}

/** The offset of the next intact group after `offset`, or undefined: how damage is told from a torn end. */
export function findGroup(salt: number, bytes: Uint8Array, offset: number): number | undefined {
  const buffer = asBuffer(bytes);
  let at = buffer.indexOf(groupMagic, offset);
  while (at !== -1) {
    if (decodeGroup(salt, buffer, at) !== undefined) return at;
    at = buffer.indexOf(groupMagic, at + 1);
  }
  return undefined;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
