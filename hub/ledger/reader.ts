/**
 * Reading segments back: the start after a crash, and replay. What decides between a torn end (cut off and gone on)
 * and damage (severity process) is whether a record that was durable would be missing: a group is only written after the group
 * before it was synced, so anything intact behind a damaged place proves that the damaged place was durable once.
 */
import { SundialError } from '../../protocol/errors.ts';
import { groupBytesMax } from '../limits.ts';
import type { DiskFile, Disk } from '../ports.ts';
import { readWhole } from './files.ts';
import { decodeGroup, decodeHeader, findGroup, groupHeaderBytes, headerBytes } from './frame.ts';
import type { LedgerRecord, TornTail } from './ledger.ts';
import { readSeal, type Seal } from './seal.ts';

/** A segment file with an intact header. Segments form a chain in the order of `index`. */
export interface Segment {
  readonly name: string;
  readonly index: number;
  readonly first: number;
  readonly salt: number;
  /** Of its writer. */
  readonly epoch: number;
  /** Offset of its first group. */
  readonly start: number;
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
 * Earlier segments are only checked by their headers here: replay reads them in full. `sizeKnown`: records that somebody
 * was told are durable.
 */
export async function openSegments(files: Disk, sizeKnown = 0): Promise<Opened> {
  const seal = await readSeal(files);
  const { segments, torn } = await findChain(files);
  if (torn !== undefined) {
    await files.remove(torn.file);
    await files.syncFolder();
  }
  const last = segments.at(-1);
  checkSeal(seal, last);
  const known = Math.max(seal?.size ?? 0, sizeKnown);
  if (last === undefined) {
    if (known > 0) throw corrupt(segmentName(1), 0, 0, `${known} records were durable, and there is no file`);
    return { segments, size: 0, end: 0, tornTail: torn };
  }
  const tail = await openLast(files, last, known);
  return { segments, size: tail.size, end: tail.end, tornTail: tail.tornTail ?? torn };
}

function checkSeal(seal: Seal | undefined, last: Segment | undefined): void {
  if (seal === undefined || seal.segment <= (last?.index ?? 0)) return;
  throw corrupt(segmentName(seal.segment), 0, seal.size, 'the file is missing');
}

/**
 * The segments that follow each other, by their headers alone. `torn`: a file that the power did not let be begun.
 * Throws as openSegments does, with the name of the file that is missing, too short or damaged.
 */
export async function findChain(
  files: Disk,
): Promise<{ readonly segments: Segment[]; readonly torn: TornTail | undefined }> {
  const segments: Segment[] = [];
  let torn: TornTail | undefined;
  const sizes = new Map<Segment, number>();
  for (const index of await segmentIndices(files)) {
    const name = segmentName(index);
    const { size, header } = await readHeader(files, name);
    let before = segments.at(-1);
    let position = before?.first ?? 0;
    if (header.kind === 'newer') {
      throw new SundialError('ledger_newer', `The ledger file ${name} was written by a newer version.`, {
        severity: 'process',
        facts: { file: name, minReader: header.minReader },
        remedy: 'Start the version that wrote it, or a later one.',
      });
    }
    if (header.kind === 'damaged') {
      // A header is synced before the first group is written, so a file this short never held a record.
      if (size > headerBytes) throw corrupt(name, 0, position, 'the header is damaged');
      torn = { file: name, offset: 0, bytes: size };
      continue;
    }
    // Of a writer that had lost the folder: nothing in it was acknowledged.
    if (before !== undefined && header.epoch < before.epoch) continue;
    const named = header.before;
    if (named !== undefined) {
      // Files behind the one that it continues were begun in vain: their writer's disk failed before a record was
      // durable there, and would not let them be removed.
      while (before !== undefined && before.index > named.index) {
        segments.pop();
        before = segments.at(-1);
      }
      position = before?.first ?? 0;
      if (named.index !== (before?.index ?? 0))
        throw corrupt(segmentName(named.index), 0, position, `${name} continues it, and it is missing`);
      if (before !== undefined && sizes.get(before)! < named.bytes)
        throw corrupt(
          before.name,
          sizes.get(before)!,
          position,
          `it had ${named.bytes} bytes, and is cut short`,
        );
    }
    if (header.first < position || (before === undefined && header.first !== 0))
      throw corrupt(name, 0, position, 'an earlier file is missing or the files are out of order');
    const { first, salt, epoch, bytes: start } = header;
    const segment = { name, index, first, salt, epoch, start };
    segments.push(segment);
    sizes.set(segment, size);
  }
  return { segments, torn };
}

async function readHeader(files: Disk, name: string) {
  const file = await files.open(name);
  try {
    return { size: await file.size(), header: decodeHeader(await file.read(0, headerBytes)) };
  } finally {
    await file.close();
  }
}

async function openLast(
  files: Disk,
  segment: Segment,
  known: number,
): Promise<{ size: number; end: number; tornTail: TornTail | undefined }> {
  const file = await files.open(segment.name);
  try {
    const bytes = await file.read(0, await file.size());
    const { size, end, lastGroup } = scan(segment, bytes);
    if (size < known) throw corrupt(segment.name, end, size, `${known} records were durable`);
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
    await file.write(0, bytes.subarray(0, segment.start));
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
  let end = segment.start;
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
    const bytes = await readWhole(files, segment.name);
    if (bytes === undefined) throw corrupt(segment.name, 0, segment.first, 'the file is missing');
    let offset = segment.start;
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

/** True when `file` still holds intact groups for all positions from the segment's first up to `size`. */
export async function verifySegment(file: DiskFile, segment: Segment, size: number): Promise<boolean> {
  return scan(segment, await file.read(0, await file.size())).size >= size;
}

/** Damage, with where it is and the way forward. */
export function corrupt(file: string, offset: number, position: number, what: string): SundialError {
  return new SundialError(
    'ledger_corrupt',
    `The ledger is damaged at position ${position} (${file}, byte ${offset}): ${what}.`,
    {
      severity: 'process',
      facts: { file, offset, position },
      remedy:
        `Keep the folder as it is and restore ${file} from a copy. Every record before position ${position} is ` +
        'intact. Terminals still hold what was not acknowledged; what was must come from the copy. Without a copy: ' +
        '`sundial hub recover`.',
    },
  );
}
