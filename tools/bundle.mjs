// Bundles TypeScript for Node with esbuild. One place for the options that all programs and tests share.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root } from './ensure.mjs';

const DAY_MS = 86_400_000;

/**
 * Removes parts of bundles in `folder` that were not `made` now and are more than a day old: a program that was started
 * from what stood there before may still ask for a newer one.
 */
export function dropOldParts(folder, made) {
  for (const file of readdirSync(folder)) {
    if (!file.startsWith('part-') || made.includes(file)) continue;
    const path = join(folder, file);
    const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (changed < Date.now() - DAY_MS) rmSync(path, { force: true });
  }
}

/**
 * Bundles entry points into ESM files that Node runs; packages stay imports. What several entry points share, and what
 * is imported when it is needed, stands in files of its own beside them (`part-*.mjs`).
 * @param {Record<string, string>} entryPoints output path without ending -> source path, both relative to the root
 * @param {string} outdir relative to the root
 * @param {import('esbuild').Plugin[]} plugins
 */
export async function bundle(entryPoints, outdir, plugins = []) {
  const { build } = await import('esbuild');
  const { metafile } = await build({
    metafile: true,
    absWorkingDir: root,
    entryPoints,
    outdir: join(root, outdir),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    splitting: true,
    chunkNames: 'part-[hash]',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'error',
    plugins,
  });
  dropOldParts(
    join(root, outdir),
    Object.keys(metafile.outputs).map((path) => basename(path)),
  );
}

/**
 * A plugin for esbuild that changes one place of one source, to see that its test or checker notices. The build throws
 * when `find` doesn't stand exactly once in the file, or the file isn't in the bundle: the change is then out of date.
 * @param {{ name: string, file: string, find: string, replace: string }} change `file` relative to the root
 */
export function oneChange({ name, file, find, replace }) {
  return {
    name: 'one change',
    setup(setup) {
      let changed = false;
      setup.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path !== join(root, file)) return undefined;
        const source = readFileSync(path, 'utf8');
        const places = source.split(find).length - 1;
        if (places !== 1) throw new Error(`${name}: ${places} places in ${file}, want 1`);
        changed = true;
        return { contents: source.replace(find, () => replace), loader: 'ts' };
      });
      setup.onEnd(() => {
        if (!changed) throw new Error(`${name}: ${file} is not in the bundle`);
      });
    },
  };
}

/** Bundles with that one change. */
export const bundleChanged = (entryPoints, outdir, change) =>
  bundle(entryPoints, outdir, [oneChange(change)]);
