/** Small files that must be whole after a cut: a key, a device's settings, what a site consists of. */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** Writes `text` for the owner's eyes only; at any moment the file is the old or the new one. Durable when it returns. */
export function writeDurably(path: string, text: string): void {
  renameSync(writeAside(path, text), path);
  syncFolder(dirname(path));
}

/** The same for a file that is never replaced: of several processes the first one writes it, and all find that one. */
export function createDurably(path: string, text: string): void {
  const aside = writeAside(path, text);
  try {
    linkSync(aside, path);
    syncFolder(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside);
  }
}

function writeAside(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}`;
  writeFileSync(aside, text, { mode: 0o600, flush: true });
  return aside;
}

/** Makes names in a folder durable that were created, renamed or removed. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  fsyncSync(handle);
  closeSync(handle);
}
