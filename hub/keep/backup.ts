/**
 * A copy of a hub's folder, taken while the hub runs, and put back. The registry is copied before the ledger, because a
 * ledger may be newer than its registry and never older. Segments that are complete never change, so a second backup into
 * the same folder copies only what came since.
 */
import { copyFile, mkdir, readFile, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { readWhole } from '../ledger/files.ts';
import { copyDesk } from './desk-files.ts';
import type { Keccak256 } from '../ledger/merkle.ts';
import { findChain } from '../ledger/reader.ts';
import { writeSeal } from '../ledger/seal.ts';
import { nodeDisk } from '../node/disk.ts';
import type { Disk } from '../ports.ts';
import { hold } from './hold.ts';
import { noLedger, type Progress, type Verified, verifyLedger } from './verify.ts';

const ABOUT = 'backup.json';
/** A snapshot may begin a new log between two reads: then both are read again. */
const REGISTRY_TRIES = 20;

/** What a backup says about itself. */
export interface Backup {
  /** When it was complete, ISO 8601. */
  readonly takenAt: string;
  readonly records: number;
  /** Of all its records, as beacons carry it. */
  readonly checkpoint: string;
}

/** Copies the hub in `folder` to `target`; resolves when the copy was read back whole. */
export async function backup(
  folder: string,
  target: string,
  keccak256: Keccak256,
  progress: Progress,
): Promise<Backup & Pick<Verified, 'segments' | 'bytes'>> {
  const from = await nodeDisk(join(folder, 'ledger'));
  const to = await nodeDisk(join(target, 'ledger'));
  const root = await nodeDisk(target);
  const old = await readdir(target);
  await copyRegistry(await nodeDisk(folder), root);
  await copyDesk(folder, target);
  const { segments } = await findChain(from);
  if (segments.length === 0 && !old.includes(ABOUT)) await refuseNothing(folder);
  let done = 0;
  const sizes = await Promise.all(
    segments.map(async ({ name }) => (await stat(join(folder, 'ledger', name))).size),
  );
  const all = sizes.reduce((sum, size) => sum + size, 0);
  for (const [order, { name }] of segments.entries()) {
    const isLast = order === segments.length - 1;
    const there = await stat(join(target, 'ledger', name)).catch(() => undefined);
    if (isLast || there?.size !== sizes[order])
      await copyFile(join(folder, 'ledger', name), join(target, 'ledger', name));
    done += sizes[order]!;
    progress(done / 2, all);
  }
  for (const name of await to.list())
    if (name !== 'seal.json' && !segments.some((segment) => segment.name === name)) await to.remove(name);
  await to.remove('seal.json').catch(() => undefined);
  const found = await verifyLedger(to, keccak256, { progress: (part) => progress(all / 2 + part / 2, all) });
  return endBackup(target, found);
}

/** What a copy says about itself, once it was read back: cut to its records, sealed, and described. */
export async function endBackup(
  target: string,
  found: Verified,
): Promise<Backup & Pick<Verified, 'segments' | 'bytes'>> {
  const to = await nodeDisk(join(target, 'ledger'));
  const root = await nodeDisk(target);
  if (found.last !== undefined) {
    // What was being written when it was copied is no part of it.
    await truncate(join(target, 'ledger', found.last.name), found.last.bytes);
    await writeSeal(to, { segment: found.last.index, size: found.records });
  }
  const about = {
    takenAt: new Date().toISOString(),
    records: found.records,
    checkpoint: toHex(found.checkpoint),
  };
  await root.replace(ABOUT, new TextEncoder().encode(`${JSON.stringify(about, undefined, 2)}\n`));
  return { ...about, segments: found.segments, bytes: found.bytes };
}

async function refuseNothing(folder: string): Promise<void> {
  if (!(await readdir(folder)).includes('registry.json')) throw noLedger(folder);
}

async function copyRegistry(from: Disk, to: Disk): Promise<void> {
  for (let tries = 0; tries < REGISTRY_TRIES; tries += 1) {
    const snapshot = await readWhole(from, 'registry.json');
    if (snapshot === undefined) return;
    const { generation } = JSON.parse(new TextDecoder().decode(snapshot)) as { generation?: number };
    const name = `registry-${generation ?? 0}.log`;
    const log = await readWhole(from, name);
    const again = await readWhole(from, 'registry.json');
    if (again === undefined || Buffer.compare(again, snapshot) !== 0) continue;
    for (const other of await to.list())
      if (other.startsWith('registry-') && other.endsWith('.log')) await to.remove(other);
    await to.replace('registry.json', snapshot);
    if (log !== undefined) await to.replace(name, log);
    return;
  }
  throw new SundialError('backup_busy', 'registry.json changed each time that it was read', {
    severity: 'call',
    remedy: 'Take the backup again when fewer devices register.',
  });
}

/** What a backup says about itself. Throws `no_backup`. */
export async function readBackup(folder: string): Promise<Backup> {
  try {
    return JSON.parse(await readFile(join(folder, ABOUT), 'utf8')) as Backup;
  } catch (cause) {
    throw new SundialError('no_backup', `${folder} holds no backup`, {
      severity: 'process',
      remedy: 'Name a folder that `sundial hub backup` finished.',
      facts: { folder },
      cause,
    });
  }
}

/** A backup that was read whole and is what it says. Throws `no_backup`, `backup_changed`, or what verifying throws. */
export async function checkedBackup(
  source: string,
  keccak256: Keccak256,
  progress: Progress,
): Promise<{ readonly about: Backup; readonly found: Verified }> {
  const about = await readBackup(source);
  const from = await nodeDisk(join(source, 'ledger'));
  const found = await verifyLedger(from, keccak256, {
    sizeKnown: about.records,
    progress: (done, of) => progress(done / 2, of),
  });
  if (toHex(found.checkpoint) !== about.checkpoint)
    throw new SundialError('backup_changed', 'the backup holds other records than when it was taken', {
      severity: 'process',
      remedy: 'Use another backup: every sum of this one is right, so it was changed on purpose.',
      facts: { folder: source, records: found.records },
    });
  return { about, found };
}

/**
 * Puts a backup into a folder that holds no hub. The hub there doesn't start before `recover`: what was acknowledged after
 * the backup is missing in it. Throws `folder_not_empty`, `no_backup`, or what verifying the backup throws.
 */
export async function restore(
  source: string,
  folder: string,
  keccak256: Keccak256,
  progress: Progress,
): Promise<Backup & Pick<Verified, 'segments' | 'bytes'>> {
  await mkdir(folder, { recursive: true });
  const there = (await readdir(folder)).filter((name) => !name.endsWith('.owner'));
  if (there.length > 0)
    throw new SundialError('folder_not_empty', `${folder} holds ${there.slice(0, 3).join(', ')}`, {
      severity: 'process',
      remedy: 'Move it away first, and keep it: it may hold what the backup does not.',
      facts: { folder },
    });
  const { about, found } = await checkedBackup(source, keccak256, progress);
  const from = await nodeDisk(join(source, 'ledger'));
  const root = await nodeDisk(folder);
  await hold(root, {
    code: 'ledger_restored',
    what: `this folder was restored from a backup of ${about.takenAt}, with ${about.records} records`,
  });
  await mkdir(join(folder, 'ledger'), { recursive: true });
  const names = await from.list();
  for (const [index, name] of names.entries()) {
    await copyFile(join(source, 'ledger', name), join(folder, 'ledger', name));
    progress(0.5 + (index + 1) / names.length / 2, 1);
  }
  for (const name of await readdir(source))
    if (name.startsWith('registry')) await copyFile(join(source, name), join(folder, name));
  await copyDesk(source, folder);
  await rm(join(folder, 'ledger', 'writer.json'), { force: true });
  const synced = await nodeDisk(join(folder, 'ledger'));
  for (const name of await synced.list()) await syncFile(synced, name);
  await synced.syncFolder();
  await root.syncFolder();
  return { ...about, segments: found.segments, bytes: found.bytes };
}

async function syncFile(disk: Disk, name: string): Promise<void> {
  const file = await disk.open(name);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
