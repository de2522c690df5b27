/**
 * One process a folder. The lock is the kernel's own on an open file of the folder (flock), so it holds between all that
 * share the volume on one machine, containers with networks of their own included, and the kernel takes it back when the
 * process dies in any way: there is no stale lock to break and no race in breaking it. The file names its owner, for
 * people. Linux only, like the hub itself.
 *
 * It does not hold on a network volume whose server takes no locks: there the ledger's writer epoch decides
 * (hub/ledger/writer.ts).
 */
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SundialError } from '../../../../protocol/errors.ts';

/** Held until `release` is called or the process ends. */
export interface FolderLock {
  release(): Promise<void>;
}

/** What flock(1) exits with when somebody else holds the lock. */
const HELD = 1;

/**
 * Takes the lock of `folder` for `purpose` (a short word), creating the folder when it is missing.
 * Throws SundialError `folder_locked` when another process (or this one) holds it, `lock_unsupported` where no file can be
 * locked.
 */
export async function lockFolder(folder: string, purpose: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${purpose}.owner`);
  const handle = openSync(path, 'a+');
  try {
    take(handle, folder, purpose, path);
  } catch (error) {
    closeSync(handle);
    throw error;
  }
  // Only the lock's holder writes this file, and nobody decides anything by it.
  ftruncateSync(handle, 0);
  writeSync(handle, `${process.pid} on ${hostname()}\n`);
  let isHeld = true;
  return {
    release: async () => {
      if (isHeld) closeSync(handle);
      isHeld = false;
    },
  };
}

/** Node has no flock of its own: a child locks the open file that it shares with this process, which keeps the lock. */
function take(handle: number, folder: string, purpose: string, path: string): void {
  const { status, error, stderr } = spawnSync('flock', ['-x', '-n', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', handle],
    encoding: 'utf8',
  });
  if (status === 0) return;
  if (status === HELD) {
    throw new SundialError('folder_locked', `Another process uses ${folder}.`, {
      severity: 'process',
      facts: { folder, purpose },
      remedy: `Stop the process whose id and machine stand in ${path}, or use another folder.`,
    });
  }
  throw new SundialError(
    'lock_unsupported',
    `${folder} can't be locked: ${error?.message ?? stderr.trim()}`,
    {
      severity: 'process',
      facts: { folder, platform: process.platform },
      remedy:
        'Run on Linux with the program `flock` (Debian: util-linux; part of BusyBox), on a volume that takes locks.',
    },
  );
}
