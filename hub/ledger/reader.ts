/**
 * Reading segments back: the start after a crash, and replay. What decides between a torn end (cut off and gone on)
 * and damage (severity process) is whether a record that was durable would be missing: a group is only written after the group
 * before it was synced, so anything intact behind a damaged place proves that the damaged place was durable once.
 */
import { SundialError } from '../../protocol/errors.ts';
import { groupBytesMax } from '../limits.ts';
import type { DiskFile, Disk } from '../ports.ts';
import { decodeGroup, decodeHeader, findGroup, groupHeaderBytes, headerBytes } from './frame.ts';
import type { LedgerRecord, TornTail } from './ledger.ts';

/** A segment file with an intact header. Segments form a chain in the order of `index`. */
export interface Segment {
  readonly name: string;
  readonly index: number;
  readonly first: number;
  readonly salt: number;
}

const namePattern = /^segment-(\d{8})\.log$/;
/** Eight digits: the name sorts, and at 32 MiB a segment the count outlasts any disk. */
export const segmentIndexMax = 99_999_999;

/** The file name of the segment with this index. */
export function segmentName(index: number): string {
  return `segment-${String(index).padStart(8, '0')}.log`;
}

/** The indices of all segment files in the folder, rising. Other files are not ours and are left alone. */
export async function segmentIndices(files: Disk): Promise<number[]> {
  const names = await files.list();
  return names
    .flatMap((name) => {
      const match = namePattern.exec(name);
      return match ? [Number(match[1])] : [];
    })
    .sort((a, b) => a - b);
}

/** What a start found. */
export interface Opened {
  readonly segments: Segment[];
  /** The next position: how many records are durable. */
  readonly size: number;
  /** Offset after the last group of the last segment, bytes. */
  readonly end: number;
  readonly tornTail: TornTail | undefined;
}

/**
 * Finds the chain of segments and its end; cuts a torn end off. Throws `ledger_corrupt` or `ledger_newer` (severity process).
 * Earlier segments are only checked by their headers here: replay reads them in full.
 */
export async function openSegments(files: Disk): Promise<Opened> {
  const segments: Segment[] = [];
  let tornTail: TornTail | undefined;
  for (const index of await segmentIndices(files)) {
    const name = segmentName(index);
    const file = await files.open(name);
    let size: number;
    let header: ReturnType<typeof decodeHeader>;
    try {
      size = await file.size();
      header = decodeHeader(await file.read(0, headerBytes));
    } finally {
      await file.close();
    }
    if (header.kind === 'newer') {
      throw new SundialError('ledger_newer', `The ledger file ${name} was written by a newer version.`, {
        severity: 'process',
        facts: { file: name, minReader: header.minReader },
        remedy: 'Start the version that wrote it, or a later one.',
      });
    }
    if (header.kind === 'damaged') {
      // A header is synced before the first group is written, so a file this short never held a record.
      if (size > headerBytes) throw corrupt(name, 0, segments.at(-1)?.first ?? 0, 'the header is damaged');
      tornTail = { file: name, offset: 0, bytes: size };
      await files.remove(name);
      await files.syncFolder();
      continue;
    }
    const before = segments.at(-1);
    if (header.first < (before?.first ?? 0) || (before === undefined && header.first !== 0)) {
      throw corrupt(name, 0, before?.first ?? 0, 'an earlier file is missing or the files are out of order');
    }
    segments.push({ name, index, first: header.first, salt: header.salt });
  }
  const last = segments.at(-1);
  if (last === undefined) return { segments, size: 0, end: 0, tornTail };
  const tail = await openLast(files, last);
  return { segments, size: tail.size, end: tail.end, tornTail: tail.tornTail ?? tornTail };
}

async function openLast(
  files: Disk,
  segment: Segment,
): Promise<{ size: number; end: number; tornTail: TornTail | undefined }> {
  const file = await files.open(segment.name);
  try {
    const bytes = await file.read(0, await file.size());
    const { size, end, lastGroup } = scan(segment, bytes);
    let tornTail: TornTail | undefined;
    if (end < bytes.length) {
      const torn = bytes.length - end;
      if (torn > groupHeaderBytes + groupBytesMax || findGroup(segment.salt, bytes, end + 1) !== undefined) {
        throw corrupt(segment.name, end, size, 'intact records follow a damaged place');
      }
      await file.truncate(end);
      tornTail = { file: segment.name, offset: end, bytes: torn };
    }
    // The last group counts as durable from here on, but a killed process may never have synced it, or have failed
    // to: after a failed fsync the kernel calls pages clean that are in memory only, and a further fsync writes
    // nothing. Written again they are dirty again. Earlier groups were synced before the last one was begun.
    await file.write(0, bytes.subarray(0, headerBytes));
    await file.write(lastGroup, bytes.subarray(lastGroup, end));
    await file.sync();
    // The same for the file's name: it may have died between creating the segment and syncing the folder.
    await files.syncFolder();
    return { size, end, tornTail };
  } finally {
    await file.close();
  }
}

function scan(segment: Segment, bytes: Uint8Array): { size: number; end: number; lastGroup: number } {
  let size = segment.first;
  let end = headerBytes;
  let lastGroup = end;
  for (;;) {
    const group = decodeGroup(segment.salt, bytes, end);
    if (group === undefined || group.first !== size) return { size, end, lastGroup };
    size += group.records.length;
    lastGroup = end;
    end = group.end;
  }
}

/**
 * The records with positions from `from` up to `size`, over the chain of segments. A segment counts only up to the
 * first position of the next: what a failed fsync left behind that is superseded. Throws `ledger_corrupt` (severity process).
 */
export async function* replaySegments(
  files: Disk,
  segments: readonly Segment[],
  from: number,
  size: number,
): AsyncGenerator<LedgerRecord> {
  for (const [order, segment] of segments.entries()) {
    const end = segments[order + 1]?.first ?? size;
    if (end <= from || end === segment.first) continue;
    const bytes = await readAll(files, segment.name);
    let offset = headerBytes;
    for (let position = segment.first; position < end; ) {
      const group = decodeGroup(segment.salt, bytes, offset);
      if (group === undefined || group.first !== position || position + group.records.length > end) {
        throw corrupt(segment.name, offset, position, 'the records there are damaged');
      }
      for (const record of group.records) if (record.position >= from) yield record;
      position += group.records.length;
      offset = group.end;
    }
  }
}

async function readAll(files: Disk, name: string): Promise<Uint8Array> {
  const file = await files.open(name);
  try {
    return await file.read(0, await file.size());
  } finally {
    await file.close();
  }
}

/** True when `file` still holds intact groups for all positions from the segment's first up to `size`. */
export async function verifySegment(file: DiskFile, segment: Segment, size: number): Promise<boolean> {
  return scan(segment, await file.read(0, await file.size())).size >= size;
}

function corrupt(file: string, offset: number, position: number, what: string): SundialError {
  return new SundialError(
    'ledger_corrupt',
    `The ledger is damaged at position ${position} (${file}, byte ${offset}): ${what}.`,
    {
      severity: 'process',
      facts: { file, offset, position },
      remedy:
        `Keep the folder as it is and restore ${file} from a copy. Every record before position ${position} is ` +
        'intact. Terminals still hold what was not acknowledged; what was must come from the copy.',
    },
  );
}
