// What can be checked of the Moddable SDK build without the SDK: the providers against its types, the bundle, and that
// the manifest names what exists.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export default {
  async run({ root, execute }) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const check = (what, holds) => {
      counts[holds ? 'passed' : 'failed'] += 1;
      if (!holds) process.stdout.write(`FAILED: ${what}\n`);
    };
    const tsc = ['--noEmit', '-p', 'hardware/boards/esp32/tsconfig.json', '--listFiles'];
    const types = await execute('node_modules/.bin/tsc', tsc, { quiet: true });
    check('the providers fit @moddable/typings', types.code === 0);
    check('every provider was looked at', (types.output.match(/boards\/esp32\/\w+\.ts/g) ?? []).length >= 6);

    const { bundleForSdk, sdkModules } = await import('../../tools/bundle-sdk.mjs');
    const { metafile } = await bundleForSdk();
    const [output] = Object.values(metafile.outputs);
    const outside = output.imports.filter(({ external }) => external).map(({ path }) => path);
    check(
      `the bundle imports only the SDK's modules: ${outside}`,
      outside.every((path) => sdkModules.includes(path)),
    );
    check('the bundle has one default export, as the SDK calls it', output.exports.includes('default'));

    const manifest = JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8'));
    const path = (name) => join(root, name.replace('$(SUNDIAL)', manifest.build.SUNDIAL));
    for (const [module, file] of Object.entries(manifest.modules))
      check(`manifest.json: ${module} exists`, existsSync(`${path(file)}.js`));
    for (const file of manifest.ble['*'])
      check(`manifest.json: ${file} exists`, existsSync(`${path(file)}.json`));
    check('nothing is preloaded, as noble holds BigInts', manifest.preload.length === 0);
    return counts;
  },
};
