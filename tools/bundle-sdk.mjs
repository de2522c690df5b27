// Bundles the device code and the SDK providers into build/sdk/main.js, the one ES module that manifest.json names.
// Then, with the Moddable SDK installed: mcconfig -d -m -p esp32
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled, root } from './ensure.mjs';

/** Modules that the SDK provides; all else is in the bundle. */
export const sdkModules = [
  'bleserver',
  'embedded:io/serial',
  'embedded:network/mqtt/client',
  'flash',
  'preference',
  'sundial/entropy',
  'time',
  'timer',
];

export async function bundleForSdk() {
  const { build } = await import('esbuild');
  return build({
    absWorkingDir: root,
    entryPoints: ['hardware/boards/esp32/main.ts'],
    outfile: join(root, 'build/sdk/main.js'),
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'default'],
    target: 'es2021',
    external: sdkModules,
    metafile: true,
    logLevel: 'silent',
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureInstalled();
  await bundleForSdk();
  process.stdout.write('build/sdk/main.js\n');
}
