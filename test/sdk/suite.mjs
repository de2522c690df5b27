// The Moddable SDK build. Without the SDK: the ESP32's radio program against a server that refuses what the SDK's does,
// the providers against its types, the bundles, and that the manifest names
// what exists. With it (MODDABLE set, its tools built, socat installed): the Linux program is built and pays.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Sources that manifest.json names, with the variables that need no SDK resolved. */
function namedSources(manifest, platform) {
  const sections = [manifest.modules, manifest.platforms[platform].modules ?? {}];
  const sources = sections.flatMap((modules) =>
    Object.entries(modules).flatMap(([module, files]) => (module === '~' ? [] : files)),
  );
  return sources
    .map((source) => source.replace('$(SUNDIAL)', manifest.build.SUNDIAL).replace('$(PLATFORM)', platform))
    .filter((source) => source.startsWith('./'));
}

export default {
  async run({ root, execute, runUvuFolder }) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const radio = await runUvuFolder(1);
    for (const key of Object.keys(counts)) counts[key] += radio[key];
    const check = (what, holds) => {
      counts[holds ? 'passed' : 'failed'] += 1;
      if (!holds) process.stdout.write(`FAILED: ${what}\n`);
    };
    const tsc = ['--noEmit', '-p', 'hardware/boards/sdk/tsconfig.json', '--listFiles'];
    const types = await execute('node_modules/.bin/tsc', tsc, { quiet: true });
    check('the providers fit @moddable/typings', types.code === 0);
    for (const [folder, files] of [
      ['sdk', 7],
      ['sdk-lin', 3],
      ['esp32', 2],
    ])
      check(
        `every provider of ${folder} was looked at`,
        (types.output.match(new RegExp(`boards/${folder}/\\w+\\.ts`, 'g')) ?? []).length >= files,
      );

    const { bundleForSdk, sdkModules, sdkPrograms } = await import('../../tools/bundle-sdk.mjs');
    const { curveTable } = await import('../../hardware/native/build.mjs');
    const compiler = spawnSync('cc', ['--version']).status === 0;
    if (compiler) await curveTable(4);
    const manifest = JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8'));
    for (const platform of Object.keys(sdkPrograms)) {
      const { metafile } = await bundleForSdk(platform);
      const [output] = Object.values(metafile.outputs);
      const outside = output.imports.filter(({ external }) => external).map(({ path }) => path);
      check(
        `${platform}: the bundle imports only the SDK's modules: ${outside}`,
        outside.every((path) => sdkModules.includes(path)),
      );
      check(`${platform}: one default export, as the SDK calls it`, output.exports.includes('default'));
      for (const source of namedSources(manifest, platform)) {
        // Without a compiler there is no table.
        if (!compiler && source.startsWith('./build/secp256k1')) continue;
        const exists = ['', '.js', '.c', '.h'].some((ending) => existsSync(join(root, `${source}${ending}`)));
        check(`manifest.json, ${platform}: ${source} exists`, exists);
      }
    }
    check('nothing is preloaded, as noble holds BigInts', manifest.preload.length === 0);

    const { checkEsp32, findSdk, runLinux } = await import('./linux.mjs');
    const found = findSdk();
    const socat = spawnSync('socat', ['-V']).status === 0;
    if (found.missing || !socat) {
      process.stdout.write(
        `skipped, the Linux program: needs ${found.missing ?? 'socat (apt-get install socat)'}\n`,
      );
      counts.skipped += 1;
    } else {
      await checkEsp32({ root, execute, check, ...found });
      await runLinux({ root, execute, check, ...found });
    }
    return counts;
  },
};
