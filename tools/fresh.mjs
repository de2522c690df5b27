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
  const { bundle, dropOldParts } = await import('./bundle.mjs');
  // Several may start at once, and some may still run what was built before: each builds aside, the parts (named by what
  // is in them) move first, and the finished entry takes its place last, in one step.
  const aside = `build/${folder}-${process.pid}`;
  await bundle({ [name]: source }, aside);
  mkdirSync(join(root, 'build', folder), { recursive: true });
  const made = readdirSync(join(root, aside)).filter((file) => file !== `${name}.mjs`);
  for (const file of [...made, `${name}.mjs`])
    renameSync(join(root, aside, file), join(root, 'build', folder, file));
  rmSync(join(root, aside), { recursive: true });
  dropOldParts(join(root, 'build', folder), made);
  return target;
}
