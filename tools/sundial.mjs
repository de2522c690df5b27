#!/usr/bin/env node
// The `sundial` command: installs what is missing, bundles the CLI when a source is newer, and runs it.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();

const SOURCES = ['protocol', 'device', 'hardware', 'hub', 'simulators', 'contracts', 'tools'];
const target = join(root, 'build', 'cli', 'sundial.mjs');

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

const built = existsSync(target) ? statSync(target).mtimeMs : 0;
if (SOURCES.some((folder) => newest(join(root, folder)) > built)) {
  const { bundle } = await import('./bundle.mjs');
  // Several commands may start at once: each builds aside, and the finished file takes its place in one step.
  const aside = `build/cli-${process.pid}`;
  await bundle({ sundial: 'tools/sundial.ts' }, aside);
  mkdirSync(join(root, 'build', 'cli'), { recursive: true });
  renameSync(join(root, aside, 'sundial.mjs'), target);
  rmSync(join(root, aside), { recursive: true });
}
process.env.SUNDIAL_ROOT = root;
await import(target);
