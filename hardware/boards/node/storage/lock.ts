/**
 * One process a folder. The lock is an abstract unix socket named after the folder's device and inode: the kernel
 * takes it back when the process dies in any way, so there is no stale lock to break and no race in breaking it.
 * Beside it lies a file that names the owner, for people. Linux only, like the hub itself.
 */
import { statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { SundialError } from '../../../../protocol/errors.ts';

/** Held until `release` is called or the process ends. */
export interface FolderLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of `folder` for `purpose` (a short word), creating the folder when it is missing.
 * Throws SundialError `folder_locked` when another process (or this one) holds it.
 */
export async function lockFolder(folder: string, purpose: string): Promise<FolderLock> {
  if (process.platform !== 'linux') {
    throw new SundialError('lock_unsupported', 'The hub locks its folders with Linux abstract sockets.', {
      severity: 'process',
      facts: { platform: process.platform },
      remedy: 'Run the hub on Linux (a container will do).',
    });
  }
  await mkdir(folder, { recursive: true });
  const { dev, ino } = statSync(folder);
  const server = await listen(`\0sundial/${purpose}/${dev}/${ino}`, folder, purpose);
  // Only the lock's holder writes this file, and nobody decides anything by it.
  writeFileSync(join(folder, `${purpose}.owner`), `${process.pid}\n`);
  return {
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function listen(name: string, folder: string, purpose: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (cause) =>
      reject(
        new SundialError('folder_locked', `Another process uses ${folder}.`, {
          severity: 'process',
          facts: { folder, purpose },
          remedy: `Stop the process whose id stands in ${join(folder, `${purpose}.owner`)}, or use another folder.`,
          cause,
        }),
      ),
    );
    server.listen(name, () => {
      server.unref();
      resolve(server);
    });
  });
}
