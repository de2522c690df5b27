// Bundles TypeScript for Node with esbuild. One place for the options that all programs and tests share.
import { join } from 'node:path';
import { root } from './ensure.mjs';

/**
 * Bundles entry points into ESM files that Node runs; packages stay imports.
 * @param {Record<string, string>} entryPoints output path without ending -> source path, both relative to the root
 * @param {string} outdir relative to the root
 */
export async function bundle(entryPoints, outdir) {
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints,
    outdir: join(root, outdir),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'error',
  });
}
