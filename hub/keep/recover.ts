/**
 * Goes on with what is left of a ledger. Records behind a damaged place are kept where they can still be read; positions
 * that may have been signed and whose records are gone are taken by `lost` records, so that no position is ever signed for
 * two different entries. Nothing is thrown away: damaged files are moved aside.
 *
 * What terminals hold they hand in by themselves as soon as the hub is up. What was acknowledged and is gone comes back
 * only where it was settled: there L2 has it.
 */
import { copyFile, mkdir, readdir, readFile, rename, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { SundialError } from '../../protocol/errors.ts';
import { seconds } from '../../protocol/integers.ts';
import { readWhole } from '../ledger/files.ts';
import type { FileLedger } from '../ledger/file-ledger.ts';
import { decodeGroup, decodeHeader, findGroup, type Group } from '../ledger/frame.ts';
import { segmentIndices, segmentName } from '../ledger/reader.ts';
import { encodeRecord } from '../ledger/records.ts';
import { lostRecordsMax, recoverMargin } from '../limits.ts';
import { nodeDisk } from '../node/disk.ts';
import { openFileLedger, openRegistry } from '../node/open.ts';
import type { Disk } from '../ports.ts';
import { readHeld, release } from './hold.ts';
import type { Progress } from './verify.ts';

/** What was done. */
export interface Recovered {
  /** Records that were found in place. */
  readonly kept: number;
  /** Positions without a record. */
  readonly lost: number;
  /** Records from behind a damaged place, appended again. */
  readonly salvaged: number;
  /** The next position. */
  readonly size: number;
  /** Where files were moved that are not read any more; undefined: none. */
  readonly aside: string | undefined;
}

export interface RecoverWishes {
  /** Positions that may have been signed; absent: what is known, and a margin when the folder is held. */
  readonly positions?: number | undefined;
  /** Positions that are passed over beyond what is known; absent: recoverMargin. */
  readonly margin?: number | undefined;
  readonly progress: Progress;
}

/** Recovers the hub in `folder`, which must not run. Throws `folder_locked`, `recover_range`, or what the disk throws. */
export async function recover(
  folder: string,
  { positions, margin = recoverMargin, progress }: RecoverWishes,
): Promise<Recovered> {
  const root = await nodeDisk(folder);
  const registry = await openRegistry(folder);
  try {
    const held = await readHeld(root);
    const path = join(folder, 'ledger');
    const disk = await nodeDisk(path);
    const { kept, salvage, aside, seen } = await repairChain(path, disk);
    const known = Math.max(kept, seen, registry.state.ledgerSize, await sealed(disk));
    const target = positions ?? known + (held === undefined ? 0 : margin);
    if (target < known || target - kept > lostRecordsMax)
      throw new SundialError('recover_range', `${target} positions can't be`, {
        severity: 'call',
        remedy: `Give --positions from ${known} (which are known) to ${kept + lostRecordsMax}.`,
        facts: { known, target },
      });
    await disk.remove('seal.json').catch(() => undefined);
    const ledger = await openFileLedger(path);
    let salvaged = 0;
    try {
      await fill(ledger, target, progress);
      salvaged = await append(ledger, salvage);
      // What L2 and a broker show of before is known from here on.
      await registry.update({ ledgerSize: ledger.size, recoveredAt: Math.floor(Date.now() / 1000) });
    } finally {
      await ledger.close();
    }
    await release(root);
    return { kept, lost: Math.max(0, target - kept), salvaged, size: ledger.size, aside };
  } finally {
    await registry.close();
  }
}

async function sealed(disk: Disk): Promise<number> {
  const bytes = await readWhole(disk, 'seal.json');
  try {
    return bytes === undefined ? 0 : (JSON.parse(new TextDecoder().decode(bytes)) as { size: number }).size;
  } catch {
    return 0;
  }
}

async function fill(ledger: FileLedger, target: number, progress: Progress): Promise<void> {
  const record = encodeRecord({ type: 'lost', at: seconds(Math.floor(Date.now() / 1000)) });
  const from = ledger.size;
  while (ledger.size < target) {
    const count = Math.min(FILL_AT_ONCE, target - ledger.size);
    await Promise.all(Array.from({ length: count }, () => ledger.append(record)));
    progress(ledger.size - from, target - from);
  }
}
const FILL_AT_ONCE = 8_192;

/**
 * Keeps the segments that follow each other without damage; takes all that can still be read of the others, and moves
 * these aside. `seen`: one above the highest position met anywhere.
 */
async function repairChain(path: string, disk: Disk) {
  let kept = 0;
  let seen = 0;
  let isBroken = false;
  let epoch = 0;
  const chain = new Set([0]);
  const salvage: Salvage[] = [];
  let aside: string | undefined;
  const asideFolder = async (): Promise<string> => {
    aside ??= join(
      path,
      `aside-${(await readdir(path)).filter((name) => name.startsWith('aside-')).length + 1}`,
    );
    await mkdir(aside, { recursive: true });
    return aside;
  };
  for (const index of await segmentIndices(disk)) {
    const name = segmentName(index);
    const bytes = (await readWhole(disk, name))!;
    const header = decodeHeader(bytes);
    if (header.kind === 'newer') throw newer(name);
    if (header.kind === 'header' && header.epoch < epoch) continue;
    const named = header.kind === 'header' ? header.before?.index : undefined;
    const follows =
      header.kind === 'header' &&
      !isBroken &&
      header.first <= kept &&
      (named === undefined || chain.has(named));
    if (!follows) {
      isBroken = true;
      // Without its header nobody knows the salt of its groups.
      const moved = join(await asideFolder(), name);
      if (header.kind === 'header') {
        salvage.push({ path: moved, salt: header.salt, from: kept });
        for (const { first, records } of groupsOf(bytes, header.salt))
          seen = Math.max(seen, first + records.length);
      }
      await rename(join(path, name), moved);
      continue;
    }
    let offset = header.bytes;
    let position = header.first;
    for (;;) {
      const group = decodeGroup(header.salt, bytes, offset);
      if (group === undefined || group.first !== position) break;
      position += group.records.length;
      offset = group.end;
    }
    kept = position;
    seen = Math.max(seen, kept);
    epoch = header.epoch;
    // What lies between it and the one that it continues was begun in vain (reader.ts).
    if (named !== undefined) for (const earlier of chain) if (earlier > named) chain.delete(earlier);
    chain.add(index);
    if (offset === bytes.length) continue;
    const rest = findGroup(header.salt, bytes, offset);
    if (rest !== undefined) {
      isBroken = true;
      const copied = join(await asideFolder(), name);
      salvage.push({ path: copied, salt: header.salt, from: kept });
      for (const { first, records } of groupsOf(bytes.subarray(rest), header.salt))
        seen = Math.max(seen, first + records.length);
      await copyFile(join(path, name), copied);
    }
    await truncate(join(path, name), offset);
  }
  return { kept, salvage, aside, seen };
}

/** A file with records that are not where they belong. */
interface Salvage {
  readonly path: string;
  readonly salt: number;
  /** Below this position they are in the ledger. */
  readonly from: number;
}

/** Every intact group, wherever it begins. */
function* groupsOf(bytes: Uint8Array, salt: number): Generator<Group> {
  for (let at = findGroup(salt, bytes, 0); at !== undefined; ) {
    const group = decodeGroup(salt, bytes, at)!;
    yield group;
    at = findGroup(salt, bytes, group.end);
  }
}

/** Appends what can be read of the files again; answers how many records. */
async function append(ledger: FileLedger, salvage: readonly Salvage[]): Promise<number> {
  let count = 0;
  for (const { path, salt, from } of salvage) {
    const bytes = await readFile(path);
    for (const { records } of groupsOf(bytes, salt)) {
      const left = records.filter(({ position }) => position >= from);
      await Promise.all(left.map((record) => ledger.append(record.bytes)));
      count += left.length;
    }
  }
  return count;
}

const newer = (name: string): SundialError =>
  new SundialError('ledger_newer', `The ledger file ${name} was written by a newer version.`, {
    severity: 'process',
    facts: { file: name },
    remedy: 'Recover with the version that wrote it, or a later one.',
  });
