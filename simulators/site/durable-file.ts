/** Small files that must be whole after a cut: a key, a device's settings, what a site consists of. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes `text` for the owner's eyes only; at any moment the file is the old or the new one. Durable when it returns. */
export function writeDurably(path: string, text: string): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true });
  const aside = `${path}.new`;
  writeFileSync(aside, text, { mode: 0o600, flush: true });
  renameSync(aside, path);
  syncFolder(folder);
}

/** Makes names in a folder durable that were created, renamed or removed. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  fsyncSync(handle);
  closeSync(handle);
}
