// Runs the tests of protocol/ and device/ on XS, the engine that chips run: every *.test.ts under test/ that imports
// no part of Node, bundled one by one, on a machine with a chip's limits. What can't run there is listed with why.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { root as projectRoot } from '../../tools/ensure.mjs';

const asNoble = join(projectRoot, 'hardware/native/as-noble.ts');

/**
 * KiB of RAM that a test's machine gets: 512 is a Cortex-M4 with some external RAM, and most tests fit. The larger
 * one is for what the test itself holds, such as a model of every state it has visited; the list says who needs it.
 */
const ramSizes = [512, 8192];

/** Suites of what never runs on a chip, though nothing of Node is in them. */
const toolSuites = {
  hub: 'the hub is a program of servers',
  edges: 'it fills the flash of every board, megabytes of it, thousands of times',
  walk: 'the explorer of all interleavings keeps hundreds of thousands of states in memory',
  sim: 'the fleet simulator is a tool of workstations',
  proxy: 'the proxy between two devices is a tool of workstations',
  mutations: 'it edits sources',
};

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

async function bundleTest(root, path, outfile, { curves = true } = {}) {
  const { bundleForEngine } = await import('../../hardware/boards/xs-host/build.mjs');
  const { nativeModules } = await import('../../hardware/native/modules.mjs');
  const tables = `
    import { secp256k1 } from '@noble/curves/secp256k1.js';
    import { p256 } from '@noble/curves/nist.js';
    // Tables of 50 KB a curve when one is used at all. Without this noble would build ten times as much.
    secp256k1.Point.BASE.precompute(2, true);
    p256.Point.BASE.precompute(2, true);
  `;
  const contents = `
    ${curves ? tables : ''}
    import './hardware/native/uvu-start.ts';
    import ${JSON.stringify(`./${relative(root, path)}`)};
    import './hardware/native/uvu-run.ts';
  `;
  try {
    await bundleForEngine({ contents, resolveDir: root }, outfile, {
      logLevel: 'silent',
      // The tests of xs/ hold them against what they stand for.
      plugins: path.includes('/test/xs/') ? [nativeCrypto] : [nativeCrypto, nativeModules],
    });
    return [];
  } catch (error) {
    const missing = nodeImports(error.errors ?? []);
    if (missing.length === 0) throw error;
    return missing;
  }
}

/** Runs the host; resolves with what it printed and its exit code. */
function runHost(host, ram, bundle) {
  return new Promise((resolve) => {
    const child = spawn(host, ['--ram', String(ram), bundle], { stdio: ['ignore', 'pipe', 'pipe'] });
    const result = { stdout: '', stderr: '', status: 1 };
    for (const stream of ['stdout', 'stderr'])
      child[stream].on('data', (data) => {
        result[stream] += data;
      });
    child.on('close', (status) => resolve({ ...result, status }));
  });
}

/** Bundles and runs one file; returns what to print and count, or why it can't run here. */
async function runTest(root, host, path, outfile) {
  const missing = await bundleTest(root, path, outfile);
  if (missing.length > 0) return { unable: `needs ${missing[0]}` };
  let result;
  let ram;
  for (ram of ramSizes) {
    result = await runHost(host, ram, outfile);
    if (!result.stderr.includes('fault: memory_full')) break;
  }
  const figure = (label) => Number(new RegExp(`${label}:\\s+(\\d+)`).exec(result.stdout)?.[1] ?? 0);
  const total = figure('Total');
  const passed = figure('Passed');
  const skipped = figure('Skipped');
  const peak = Number(/arena (\d+)/.exec(result.stdout)?.[1]);
  if (result.status === 0 && total > 0 && passed === total) {
    const text = `${passed} passed on XS with ${ram} KiB (peak ${Math.ceil(peak / 2048)})`;
    return { passed, failed: 0, skipped, text };
  }
  const failed = Math.max(1, total - passed);
  return { passed, failed, skipped, text: `FAILED on XS\n${result.stdout}${result.stderr}` };
}

/** The functions that are done at once, on an engine that moves everything at each allocation. */
async function runStress(root, out, counts) {
  const { buildHost } = await import('../../hardware/boards/xs-host/build.mjs');
  const outfile = join(out, 'stress.js');
  await bundleTest(root, join(root, 'test/xs/shortcuts.test.ts'), outfile, { curves: false });
  const { stdout, stderr, status } = await runHost(await buildHost({ stress: true }), 2048, outfile);
  const good = status === 0 && /Passed:\s+[1-9]/.test(stdout);
  counts[good ? 'passed' : 'failed'] += 1;
  process.stdout.write(`  ${good ? 'ok' : `FAILED\n${stdout}${stderr}`}: a collection at every allocation\n`);
}

export default {
  needs: [{ program: 'cc', apt: 'gcc libc6-dev' }],
  async run({ root, deep, shard }) {
    const { buildHost } = await import('../../hardware/boards/xs-host/build.mjs');
    const host = await buildHost();
    const out = join(root, 'build/test/xs');
    mkdirSync(out, { recursive: true });
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const unable = [];
    process.stdout.write(
      "  KiB are a 32-bit chip's; this host reserves twice as much, as its pointers are twice as wide.\n",
    );
    const queue = testFiles(join(root, 'test')).sort();
    const worker = async () => {
      for (let path = queue.shift(); path; path = queue.shift()) {
        const name = relative(join(root, 'test'), path);
        const tool = toolSuites[name.split('/')[0]];
        if (tool !== undefined) {
          unable.push(`${name}: ${tool}`);
          continue;
        }
        const result = await runTest(root, host, path, join(out, `${name.replaceAll('/', '-')}.js`));
        if (result.unable) {
          unable.push(`${name}: ${result.unable}`);
          continue;
        }
        process.stdout.write(`  ${name}: ${result.text}\n`);
        for (const key of Object.keys(counts)) counts[key] += result[key];
      }
    };
    await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
    if (deep && shard === 1) await runStress(root, out, counts);
    process.stdout.write(`  can't run on XS:\n${unable.map((line) => `    ${line}\n`).join('')}`);
    return counts;
  },
};
