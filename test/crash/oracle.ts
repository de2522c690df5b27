/**
 * Reads a ledger's files by their layout as the documents have it, and by nothing of the hub: what is judged here is
 * judged by other code. Needs files that no hub is writing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { decode } from 'cbor-x';

/** Bytes of a segment's header and of a group's. */
const HEADER = 40;
const GROUP = 20;
/** Number of the record kind that holds a device's entry. */
const ENTRY = 1;

interface Segment {
  readonly bytes: Buffer;
  readonly first: number;
  readonly salt: number;
}

/** All records that count, in order. Throws where a sum or a position is wrong. */
function* recordsOf(folder: string): Generator<{ position: number; bytes: Buffer }> {
  const segments: Segment[] = [];
  let epoch = 0;
  for (const name of readdirSync(folder)
    .filter((file) => /^segment-\d{8}\.log$/.test(file))
    .sort()) {
    const bytes = readFileSync(join(folder, name));
    // Begun and never finished: no record can be in it.
    if (bytes.length < HEADER || bytes.readUInt32BE(36) !== crc32(bytes.subarray(0, 36))) continue;
    const own = bytes.readUIntBE(22, 6);
    if (own < epoch) continue;
    epoch = own;
    segments.push({ bytes, first: bytes.readUIntBE(12, 6), salt: bytes.readUInt32BE(18) });
  }
  for (const [order, { bytes, first, salt }] of segments.entries()) {
    const end = segments[order + 1]?.first ?? Number.POSITIVE_INFINITY;
    let position = first;
    let offset = HEADER;
    while (position < end && bytes.length - offset >= GROUP) {
      const body = bytes.readUInt32BE(offset + 4);
      const next = offset + GROUP + body;
      const sum = () =>
        crc32(bytes.subarray(offset + GROUP, next), crc32(bytes.subarray(offset + 4, offset + 16), salt));
      if (
        next > bytes.length ||
        bytes.readUIntBE(offset + 8, 6) !== position ||
        bytes.readUInt32BE(offset + 16) !== sum()
      )
        break;
      let at = offset + GROUP;
      for (let left = bytes.readUInt16BE(offset + 14); left > 0; left -= 1) {
        const length = bytes.readUInt32BE(at);
        yield { position, bytes: bytes.subarray(at + 4, at + 4 + length) };
        position += 1;
        at += 4 + length;
      }
      offset = next;
    }
    if (end !== Number.POSITIVE_INFINITY && position !== end)
      throw new Error(`a segment ends at position ${position}, the next begins at ${end}`);
  }
}

/** Positions of every device's entry in the ledger, by digest (hex). */
export function entriesIn(folder: string): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const { position, bytes } of recordsOf(folder)) {
    const id = entryIn(bytes);
    if (id === undefined) continue;
    found.set(id, [...(found.get(id) ?? []), position]);
  }
  return found;
}

/** Digest (hex) of the device's entry in a record's bytes; undefined: it holds something else. */
export function entryIn(bytes: Buffer): string | undefined {
  const [, , kind, fields] = decode(bytes) as [number, number, number, unknown];
  return kind === ENTRY ? Buffer.from(firstBytes32(fields)).toString('hex') : undefined;
}

/** The digest is the first field of 32 bytes, whether fields are a list or a map. */
function firstBytes32(fields: unknown): Uint8Array {
  const values = Array.isArray(fields)
    ? fields
    : fields instanceof Map
      ? [...fields.values()]
      : Object.values(fields as object);
  const found = values.find((value) => value instanceof Uint8Array && value.length === 32);
  if (found === undefined) throw new Error('an entry without its digest');
  return found as Uint8Array;
}
