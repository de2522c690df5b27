/**
 * The bytes of a segment file. A segment is a header and groups; a group is the records of one fdatasync under one
 * CRC-32, so a cut leaves whole groups and at most one damaged one at the end. All integers are big-endian.
 *
 *   header  "SUNDIAL\n" 8 | version u16 | minReader u16 | first position u48 | salt u32
 *           | epoch u48 | index before u32 | bytes before u32 | crc32 u32                                       = 40 B
 *   group   "SGRP" 4 | body length u32 | first position u48 | count u16 | crc32 u32 | body                  = 20 B + body
 *   body    count times: length u32 | bytes
 *
 * The CRC-32 of a group starts from the segment's random salt and covers length, position, count and body. The salt
 * keeps whoever sends records from hiding bytes in one that look like a group when the hub searches damaged files.
 *
 * The epoch is that of the writer (writer.ts): a segment of a lower one than a segment before it is of a writer that had
 * lost its folder and did not know. Index and bytes before are of the segment that it continues, 0 for the first: so a
 * file that is missing or too short is seen by the headers alone. Version 1 ended after the salt, with two zero bytes
 * and the CRC-32, 28 bytes.
 */
import { crc32 } from 'node:zlib';
import { groupBytesMax, groupRecordsMax, recordBytesMax } from '../limits.ts';
import type { LedgerRecord } from './ledger.ts';

export const headerBytes = 40;
const headerBytesV1 = 28;
export const groupHeaderBytes = 20;
const magic = Buffer.from('SUNDIAL\n', 'latin1');
const groupMagic = Buffer.from('SGRP', 'latin1');
const version = 2;
/** The oldest reader that understands a segment written today. */
const minReader = 2;

/** What a segment's header says. */
export interface HeaderFields {
  /** Position of its first record. */
  readonly first: number;
  /** 32 random bits. */
  readonly salt: number;
  /** Of its writer. */
  readonly epoch: number;
  /** The segment that it continues and how many bytes of that file are records; index 0: none. */
  readonly before: { readonly index: number; readonly bytes: number };
}

/** The header of a segment. */
export function encodeHeader({ first, salt, epoch, before }: HeaderFields): Buffer {
  const header = Buffer.alloc(headerBytes);
  magic.copy(header, 0);
  header.writeUInt16BE(version, 8);
  header.writeUInt16BE(minReader, 10);
  header.writeUIntBE(first, 12, 6);
  header.writeUInt32BE(salt, 18);
  header.writeUIntBE(epoch, 22, 6);
  header.writeUInt32BE(before.index, 28);
  header.writeUInt32BE(before.bytes, 32);
  header.writeUInt32BE(crc32(header.subarray(0, 36)), 36);
  return header;
}

export type Header =
  /** `bytes`: where the groups begin. `before` is undefined where the version did not say. */
  | ({ kind: 'header'; bytes: number; before: HeaderFields['before'] | undefined } & Omit<
      HeaderFields,
      'before'
    >)
  | { kind: 'damaged' }
  | { kind: 'newer'; minReader: number };

/** Reads a segment's header. `newer` means that this program is too old for the file. */
export function decodeHeader(bytes: Uint8Array): Header {
  const buffer = asBuffer(bytes);
  if (buffer.length < headerBytesV1 || !buffer.subarray(0, 8).equals(magic)) return { kind: 'damaged' };
  const written = buffer.readUInt16BE(8);
  const end = written === 1 ? headerBytesV1 : headerBytes;
  const reader = buffer.readUInt16BE(10);
  // How long a newer header is nobody knows here; that its sum is not checked can only refuse.
  if (written > version && reader > version) return { kind: 'newer', minReader: reader };
  if (buffer.length < end || buffer.readUInt32BE(end - 4) !== crc32(buffer.subarray(0, end - 4)))
    return { kind: 'damaged' };
  const first = buffer.readUIntBE(12, 6);
  const salt = buffer.readUInt32BE(18);
  if (written === 1) return { kind: 'header', bytes: end, first, salt, epoch: 0, before: undefined };
  const before = { index: buffer.readUInt32BE(28), bytes: buffer.readUInt32BE(32) };
  return { kind: 'header', bytes: end, first, salt, epoch: buffer.readUIntBE(22, 6), before };
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
