// Runs the tests of protocol/ and device/ on XS, the engine that chips run: every *.test.ts under test/ that imports
// no part of Node, bundled one by one, on a machine with a chip's limits. What can't run there is listed with why.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root as projectRoot } from '../../tools/ensure.mjs';

const asNoble = join(projectRoot, 'hardware/native/as-noble.ts');

/**
 * KiB of RAM that a test's machine gets: 512 is a Cortex-M4 with some external RAM, and most tests fit. The larger
 * one is for what the test itself holds, such as a model of every state it has visited; the list says who needs it.
 */
const ramSizes = [512, 8192];

/** Tests that could run on XS but must not, each with its reason. */
const excluded = {};

/** Every test file below a folder. */
function testFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

/** The parts of Node that a bundle would need, found by the bundler itself, with who imports them. */
function nodeImports(errors) {
  return errors
    .map(({ text, location }) => /Could not resolve "([^"]+)"/.exec(text)?.[1] && { text, location })
    .filter(Boolean)
    .map(({ text, location }) => `${/"([^"]+)"/.exec(text)[1]} in ${location?.file ?? '?'}`);
}

/**
 * The tests compute with the board's native crypto, as firmware does; xs/native.test.ts holds that against noble on
 * the same engine. With noble alone they would take two minutes more and a megabyte of tables.
 */
const nativeCrypto = {
  name: 'native-crypto',
  setup(build) {
    build.onResolve({ filter: /crypto\/noble\.ts$/ }, ({ importer }) =>
      importer.endsWith('/as-noble.ts') || importer.endsWith('/xs/native.test.ts')
        ? undefined
        : { path: asNoble },
    );
  },
};

async function bundleTest(root, path, outfile) {
  const { bundleForEngine } = await import('../../hardware/boards/xs-host/build.mjs');
  const contents = `
    import { secp256k1 } from '@noble/curves/secp256k1.js';
    import { p256 } from '@noble/curves/nist.js';
    // Tables of 50 KB a curve when one is used at all. Without this noble would build ten times as much.
    secp256k1.Point.BASE.precompute(2, true);
    p256.Point.BASE.precompute(2, true);
    import './hardware/native/uvu-start.ts';
    import ${JSON.stringify(`./${relative(root, path)}`)};
    import './hardware/native/uvu-run.ts';
  `;
  try {
    await bundleForEngine({ contents, resolveDir: root }, outfile, {
      logLevel: 'silent',
      plugins: [nativeCrypto],
    });
    return [];
  } catch (error) {
    const missing = nodeImports(error.errors ?? []);
    if (missing.length === 0) throw error;
    return missing;
  }
}

export default {
  needs: [{ program: 'cc', apt: 'gcc libc6-dev' }],
  async run({ root, deep }) {
    const { buildHost } = await import('../../hardware/boards/xs-host/build.mjs');
    const host = await buildHost();
    const out = join(root, 'build/test/xs');
    mkdirSync(out, { recursive: true });
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const unable = [];
    process.stdout.write(
      '  KiB are as on a 32-bit chip; this host reserves twice as much, as its pointers are twice as wide.\n',
    );
    for (const path of testFiles(join(root, 'test')).sort()) {
      const name = relative(join(root, 'test'), path);
      const outfile = join(out, `${name.replaceAll('/', '-')}.js`);
      if (excluded[name]) {
        unable.push(`${name}: ${excluded[name]}`);
        continue;
      }
      const missing = await bundleTest(root, path, outfile);
      if (missing.length > 0) {
        unable.push(`${name}: needs ${missing[0]}`);
        continue;
      }
      let result;
      let ram;
      for (ram of ramSizes) {
        result = spawnSync(host, ['--ram', String(ram), outfile], {
          encoding: 'utf8',
          maxBuffer: 1 << 26,
          env: { ...process.env, SUNDIAL_DEEP: deep ? '1' : '' },
        });
        if (!result.stderr.includes('fault: memory_full')) break;
      }
      const figure = (label) => Number(new RegExp(`${label}:\\s+(\\d+)`).exec(result.stdout)?.[1] ?? 0);
      const total = figure('Total');
      const passed = figure('Passed');
      counts.passed += passed;
      counts.skipped += figure('Skipped');
      const peak = /arena (\d+)/.exec(result.stdout)?.[1];
      if (result.status === 0 && total > 0 && passed === total) {
        process.stdout.write(
          `  ${name}: ${passed} passed on XS with ${ram} KiB (peak ${Math.ceil(peak / 2048)})\n`,
        );
      } else {
        counts.failed += Math.max(1, total - passed);
        process.stdout.write(`  ${name}: FAILED on XS\n${result.stdout}${result.stderr}`);
      }
    }
    process.stdout.write(`  can't run on XS:\n${unable.map((line) => `    ${line}\n`).join('')}`);
    return counts;
  },
};
