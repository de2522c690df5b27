// Makes what manifest.json names and no source holds, below build: one ES module a platform, and libsecp256k1's table.
// Then, with the Moddable SDK installed: mcconfig -m -p x-cli-lin, or -p esp32
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled, root } from './ensure.mjs';

/** The platforms of manifest.json, and the program of each. */
export const sdkPrograms = {
  'x-cli-lin': 'hardware/boards/sdk-lin/main.ts',
  esp32: 'hardware/boards/esp32/main.ts',
};

/** Modules that the SDK or manifest.json provides; all else is in the bundle. */
export const sdkModules = [
  'embedded:io/bluetoothle/peripheral',
  'embedded:io/digital',
  'embedded:io/serial',
  'embedded:io/socket/tcp',
  'embedded:network/mqtt/client',
  'embedded:storage/flash',
  'embedded:storage/key-value',
  'sundial/linux',
  'sundial/natives',
  'time',
  'timer',
];

/** Bundles the program of one platform; returns esbuild's result. */
export async function bundleForSdk(platform) {
  const { build } = await import('esbuild');
  const { nativeModules } = await import('../hardware/native/modules.mjs');
  return build({
    absWorkingDir: root,
    entryPoints: [sdkPrograms[platform]],
    outfile: join(root, `build/sdk/${platform}.js`),
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'default'],
    target: 'es2021',
    inject: [join(root, 'hardware/boards/sdk/prelude.ts')],
    plugins: [nativeModules],
    external: sdkModules,
    metafile: true,
    logLevel: 'silent',
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureInstalled();
  const { curveTable } = await import('../hardware/native/build.mjs');
  await curveTable(4);
  for (const platform of Object.keys(sdkPrograms)) {
    await bundleForSdk(platform);
    process.stdout.write(`build/sdk/${platform}.js\n`);
  }
}
