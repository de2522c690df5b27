/**
 * A ledger read from end to end without changing anything, while its hub may be running: every sum, every position,
 * every record, and the root over all of them. What is still being written at the end is left out.
 */
import { SundialError } from '../../protocol/errors.ts';
import { readWhole } from '../ledger/files.ts';
import { decodeGroup } from '../ledger/frame.ts';
import { checkpoint, type Keccak256, MerkleTree } from '../ledger/merkle.ts';
import { corrupt, findChain, type Segment, segmentName } from '../ledger/reader.ts';
import { decodeRecord } from '../ledger/records.ts';
import { readSeal } from '../ledger/seal.ts';
import type { Disk } from '../ports.ts';

/** What was found. */
export interface Verified {
  readonly segments: number;
  /** Records, and bytes of their groups. */
  readonly records: number;
  readonly bytes: number;
  /** keccak256 over size and root, as beacons carry it. */
  readonly checkpoint: Uint8Array;
  /** The last segment and how many of its bytes are records; undefined for an empty ledger. */
  readonly last: { readonly name: string; readonly index: number; readonly bytes: number } | undefined;
}

/** How far: bytes done of so many. */
export type Progress = (done: number, of: number) => void;

/**
 * Reads it all. Throws `ledger_corrupt`, `ledger_newer`, `record_newer` or `record_damaged`, each with file or position.
 * `sizeKnown`: records that somebody was told are durable; `each` is given every group, in order.
 */
export async function verifyLedger(
  disk: Disk,
  keccak256: Keccak256,
  {
    sizeKnown = 0,
    progress = () => undefined,
    each,
  }: {
    sizeKnown?: number;
    progress?: Progress;
    each?: (records: readonly Uint8Array[]) => Promise<void>;
  } = {},
): Promise<Verified> {
  const seal = await readSeal(disk);
  const { segments } = await findChain(disk);
  if (seal !== undefined && seal.segment > (segments.at(-1)?.index ?? 0))
    throw corrupt(segmentName(seal.segment), 0, seal.size, 'the file is missing');
  const tree = new MerkleTree(keccak256);
  const sizes = await Promise.all(segments.map(({ name }) => sizeOf(disk, name)));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  let bytes = 0;
  let done = 0;
  let last: Verified['last'];
  for (const [order, segment] of segments.entries()) {
    const end = await readSegment(disk, segment, segments[order + 1]?.first, tree, each);
    last = { name: segment.name, index: segment.index, bytes: end };
    bytes += end;
    done += sizes[order]!;
    progress(done, all);
  }
  const known = Math.max(sizeKnown, seal?.size ?? 0);
  if (tree.size < known)
    throw corrupt(last?.name ?? segmentName(1), last?.bytes ?? 0, tree.size, `${known} records were durable`);
  return {
    segments: segments.length,
    records: tree.size,
    bytes,
    checkpoint: checkpoint(keccak256, tree.size, tree.root()),
    last,
  };
}

async function sizeOf(disk: Disk, name: string): Promise<number> {
  const file = await disk.open(name);
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}

/** Adds the segment's records up to position `next` (of the last one: all) and answers where its groups end. */
async function readSegment(
  disk: Disk,
  segment: Segment,
  next: number | undefined,
  tree: MerkleTree,
  each?: (records: readonly Uint8Array[]) => Promise<void>,
): Promise<number> {
  const bytes = await readWhole(disk, segment.name);
  if (bytes === undefined) throw corrupt(segment.name, 0, segment.first, 'the file is missing');
  let offset = segment.start;
  while (next === undefined || tree.size < next) {
    const group = decodeGroup(segment.salt, bytes, offset);
    if (group === undefined || group.first !== tree.size) {
      // The last group of the last segment may be on its way.
      if (next === undefined) return offset;
      throw corrupt(segment.name, offset, tree.size, 'the records there are damaged');
    }
    for (const { position, bytes: record } of group.records) {
      decodeRecord(record, position);
      tree.append(record);
    }
    await each?.(group.records.map((record) => record.bytes));
    offset = group.end;
  }
  return offset;
}

/** Refuses by name what is no folder of a hub. */
export const noLedger = (folder: string): SundialError =>
  new SundialError('no_ledger', `${folder} holds no ledger`, {
    severity: 'process',
    remedy: 'Name the folder of a hub with --folder, or its configuration with --config.',
    facts: { folder },
  });
