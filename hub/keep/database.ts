/**
 * Backup, restore and recovery of a hub whose ledger and registry are in a database. A copy has the same form as that of a
 * hub in a folder, so it is verified the same way and can be put back as either. The database's own backups are not
 * replaced by it: those bring back the last second, and this tells whether what they brought back is all of it.
 *
 * Whoever puts something into the database takes the hub over first: workers that still run write nothing more.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SundialError } from '../../protocol/errors.ts';
import { seconds } from '../../protocol/integers.ts';
import { checkpoint, type Keccak256, MerkleTree } from '../ledger/merkle.ts';
import { decodeRecord, encodeRecord } from '../ledger/records.ts';
import { lostRecordsMax, recoverMargin, sharedReadRecords } from '../limits.ts';
import { nodeDisk } from '../node/disk.ts';
import { openFileLedger } from '../node/open.ts';
import type { LogName, SharedStore } from '../ports.ts';
import { PatchLog } from '../registry/patch-log.ts';
import { Registry } from '../registry/registry.ts';
import { lostRecord } from '../shared/ledger.ts';
import { encodeLine, SharedPatchLog } from '../shared/registry-log.ts';
import { type Backup, checkedBackup, endBackup, readBackup } from './backup.ts';
import { copyDesk } from './desk-files.ts';
import { type Held, heldError } from './hold.ts';
import type { Recovered, RecoverWishes } from './recover.ts';
import { type Progress, type Verified, verifyLedger } from './verify.ts';

/** A lease that nobody takes: its word says why the database is held. */
const HELD = 'held';

/** Holds the database, and ends what its workers write; durable when it resolves. */
export async function holdStore(store: SharedStore, held: Held): Promise<void> {
  await store.hold(HELD, HELD, 0, JSON.stringify(held));
  await store.takeOver();
}

const releaseStore = (store: SharedStore): Promise<unknown> => store.hold(HELD, HELD, 0, '');

/** Why the database is held; undefined when it is not. */
export async function readHeldStore(store: SharedStore): Promise<Held | undefined> {
  const { word } = await store.look(HELD);
  return word === undefined || word === '' ? undefined : (JSON.parse(word) as Held);
}

/** Throws what holds the database, if anything does. */
export async function refuseHeldStore(store: SharedStore): Promise<void> {
  const held = await readHeldStore(store);
  if (held !== undefined) throw heldError(held);
}

/** What the registry's log says, checked. Throws `registry_invalid`. */
async function registryOf(store: SharedStore): Promise<Registry> {
  const log = new SharedPatchLog(store, 'keep', () => undefined);
  return Registry.over(await log.readAll(), log);
}

/** The records from a position on, group by group. Throws `ledger_corrupt` where one is missing. */
async function* recordsOf(store: SharedStore, from: number, size: number): AsyncGenerator<Uint8Array[]> {
  for (let at = from; at < size; ) {
    const records = await store.read('ledger', at);
    const group: Uint8Array[] = [];
    for (const { position, bytes } of records) {
      if (position !== at || at >= size) break;
      group.push(bytes);
      at += 1;
    }
    if (group.length === 0) throw lostRecord(at);
    yield group;
  }
}

/** What `verifyDatabase` found. */
export interface VerifiedDatabase extends Pick<Verified, 'records' | 'bytes' | 'checkpoint'> {
  readonly held: Held | undefined;
}

/**
 * Reads the whole ledger in the database, while workers may be running: every position, every record, and that no fewer
 * are there than were published. Throws `ledger_corrupt`, `record_newer`, `record_damaged`, `registry_invalid`.
 */
export async function verifyDatabase(
  store: SharedStore,
  keccak256: Keccak256,
  progress: Progress,
): Promise<VerifiedDatabase> {
  // First, since the ledger may be newer than its registry and never older.
  const { ledgerSize } = (await registryOf(store)).state;
  const { sizes } = await store.look(HELD);
  if (sizes.ledger < ledgerSize) throw lostRecord(sizes.ledger);
  const tree = new MerkleTree(keccak256);
  let bytes = 0;
  for await (const group of recordsOf(store, 0, sizes.ledger)) {
    for (const record of group) {
      decodeRecord(record, tree.size);
      tree.append(record);
      bytes += record.length;
    }
    progress(tree.size, sizes.ledger);
  }
  const held = await readHeldStore(store);
  return { records: tree.size, bytes, checkpoint: checkpoint(keccak256, tree.size, tree.root()), held };
}

/**
 * Copies the hub in the database, and the desk of the worker in `folder`, to `target`; a second copy there adds what is new.
 * Workers may be running. Throws `database_rolled_back` when the copy has more than the database, `backup_other`.
 */
export async function backupDatabase(
  store: SharedStore,
  folder: string,
  target: string,
  keccak256: Keccak256,
  progress: Progress,
): Promise<Backup & Pick<Verified, 'segments' | 'bytes'>> {
  const { state } = await registryOf(store);
  const { sizes } = await store.look(HELD);
  const path = join(target, 'ledger');
  const about = await readBackup(target).catch(() => undefined);
  const copy = await openFileLedger(path, { sizeKnown: about?.records ?? 0 });
  try {
    await refuseOther(store, copy, sizes.ledger);
    for await (const group of recordsOf(store, copy.size, sizes.ledger)) {
      await Promise.all(group.map((bytes) => copy.append(bytes)));
      progress(copy.size / 2, sizes.ledger);
    }
  } finally {
    await copy.close();
  }
  // Whose it is: nobody's, until it is put back.
  await rm(join(path, 'writer.json'), { force: true });
  const root = await nodeDisk(target);
  const text = JSON.stringify({ ...state, generation: 0 });
  await root.replace('registry.json', new TextEncoder().encode(text));
  // A worker that never had a desk has no folder either.
  if (existsSync(folder)) await copyDesk(folder, target);
  return endBackup(target, await verifyLedger(await nodeDisk(path), keccak256, { progress: half(progress) }));
}

const half =
  (progress: Progress): Progress =>
  (done, of) =>
    progress(of / 2 + done / 2, of);

/** Is what was copied before the beginning of what is there now? Its last records tell. */
async function refuseOther(
  store: SharedStore,
  copy: { readonly size: number; replay(from: number): AsyncIterable<{ readonly bytes: Uint8Array }> },
  size: number,
): Promise<void> {
  if (copy.size > size)
    throw new SundialError(
      'database_rolled_back',
      `the copy has ${copy.size} records, the database ${size}`,
      {
        severity: 'process',
        remedy:
          'An earlier state of the database stands in its place: bring the newest one back, or make a new database, `sundial hub restore` this copy into it, then `sundial hub recover`.',
        facts: { copied: copy.size, records: size },
      },
    );
  const from = Math.max(0, copy.size - sharedReadRecords);
  const there = from < copy.size ? await store.read('ledger', from) : [];
  let at = 0;
  for await (const { bytes } of copy.replay(from)) {
    const other = there[at];
    at += 1;
    if (other !== undefined && Buffer.compare(other.bytes, bytes) === 0) continue;
    throw new SundialError('backup_other', `the copy has another record at position ${from + at - 1}`, {
      severity: 'process',
      remedy:
        'Name an empty folder, and keep this copy: it is of another hub, or of another history of this one.',
    });
  }
}

/**
 * Puts a copy into a database that holds nothing, and the desk into `folder`. No worker starts on it before
 * `recoverDatabase`. Throws `database_not_empty`, and what `restore` throws.
 */
export async function restoreDatabase(
  source: string,
  store: SharedStore,
  folder: string,
  keccak256: Keccak256,
  progress: Progress,
): Promise<Backup & Pick<Verified, 'segments' | 'bytes'>> {
  const { about, found } = await checkedBackup(source, keccak256, progress);
  const { sizes } = await store.look(HELD);
  if (sizes.ledger > 0 || sizes.registry > 0)
    throw new SundialError('database_not_empty', `the database holds ${sizes.ledger} records`, {
      severity: 'process',
      remedy:
        'Make a new database and name it in database.url; keep this one: it may hold what the copy does not.',
      facts: sizes,
    });
  const stored = await registryIn(source);
  await holdStore(store, {
    code: 'ledger_restored',
    what: `this database was restored from a backup of ${about.takenAt}, with ${about.records} records`,
  });
  let size = 0;
  const add = async (log: LogName, records: readonly Uint8Array[], known: number): Promise<void> => {
    const verdict = await store.append(log, { records, subjects: [], size: known });
    if (typeof verdict === 'string' || verdict.first !== known) throw written();
  };
  await verifyLedger(await nodeDisk(join(source, 'ledger')), keccak256, {
    progress: half(progress),
    each: async (records) => {
      await add('ledger', records, size);
      size += records.length;
    },
  });
  const lines = Object.entries(stored).map(([key, value]) => encodeLine('restore', false, { [key]: value }));
  if (lines.length > 0) await add('registry', lines, 0);
  await mkdir(folder, { recursive: true });
  await copyDesk(source, folder);
  return { ...about, segments: found.segments, bytes: found.bytes };
}

/** The registry of a copy, checked. */
async function registryIn(source: string): Promise<Record<string, unknown>> {
  const { stored, log } = await PatchLog.open(await nodeDisk(source), 'registry', () => ({}));
  await log.abandon();
  if (stored === undefined) return {};
  const sink = { write: async () => undefined, close: async () => undefined };
  return { ...Registry.over(stored, sink).state };
}

const written = (): SundialError =>
  new SundialError('database_not_empty', 'somebody else writes to the database', {
    severity: 'process',
    remedy: 'Make a new database for this hub alone, and restore into it.',
  });

/**
 * Goes on with a database that is held, or is an earlier state: positions that may have been signed are taken by `lost`
 * records, so that none is ever signed for two different entries. Workers that run are put out; start them again
 * afterwards. Throws `recover_range`, `ledger_corrupt` when a record in between is missing.
 */
export async function recoverDatabase(
  store: SharedStore,
  keccak256: Keccak256,
  { positions, margin = recoverMargin, progress }: RecoverWishes,
): Promise<Recovered> {
  const { records: kept, held } = await verifyDatabase(store, keccak256, () => undefined);
  const target = positions ?? kept + (held === undefined ? 0 : margin);
  if (target < kept || target - kept > lostRecordsMax)
    throw new SundialError('recover_range', `${target} positions can't be`, {
      severity: 'call',
      remedy: `Give --positions from ${kept} (which are known) to ${kept + lostRecordsMax}.`,
      facts: { known: kept, target },
    });
  await store.takeOver();
  const now = Math.floor(Date.now() / 1000);
  const record = encodeRecord({ type: 'lost', at: seconds(now) });
  for (let size = kept; size < target; ) {
    const records = new Array<Uint8Array>(Math.min(sharedReadRecords, target - size)).fill(record);
    const verdict = await store.append('ledger', { records, subjects: [], size });
    if (typeof verdict === 'string' || verdict.first !== size) throw written();
    size += records.length;
    progress(size - kept, target - kept);
  }
  // What L2 and a broker show of before is known from here on.
  const { sizes } = await store.look(HELD);
  const line = encodeLine('recover', false, { ledgerSize: target, recoveredAt: now });
  await store.append('registry', { records: [line], subjects: [], size: sizes.registry });
  await releaseStore(store);
  return { kept, lost: target - kept, salvaged: 0, size: target, aside: undefined };
}
