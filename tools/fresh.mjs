// A bundle of a program that is as new as its sources.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './ensure.mjs';

const SOURCES = ['protocol', 'device', 'hardware', 'hub', 'simulators', 'contracts', 'tools'];

/** Newest change of any source file, milliseconds. */
function newest(folder) {
  let latest = 0;
  if (!existsSync(folder)) return latest;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) latest = Math.max(latest, newest(path));
    else if (/\.(ts|json|mjs)$/.test(entry.name)) latest = Math.max(latest, statSync(path).mtimeMs);
  }
  return latest;
}

/**
 * Path of the bundle of `source` in build/`folder`, made anew when a source is newer.
 * @param {string} name of the bundle, without ending
 */
export async function freshBundle(folder, name, source) {
  const target = join(root, 'build', folder, `${name}.mjs`);
  const built = existsSync(target) ? statSync(target).mtimeMs : 0;
  if (!SOURCES.some((one) => newest(join(root, one)) > built)) return target;
  const { bundle } = await import('./bundle.mjs');
  // Several may start at once: each builds aside, and the finished file takes its place in one step.
  const aside = `build/${folder}-${process.pid}`;
  await bundle({ [name]: source }, aside);
  mkdirSync(join(root, 'build', folder), { recursive: true });
  renameSync(join(root, aside, `${name}.mjs`), target);
  rmSync(join(root, aside), { recursive: true });
  return target;
}
