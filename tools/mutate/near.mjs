// Which tests stand nearest to a source, by who imports whom: they are tried on a break at once, before it is known what
// the others run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../ensure.mjs';
import { judgingTests } from './tests.mjs';

/** What each test takes, seconds, as `npm test -- --seconds` wrote it down: a hint, good for an order. */
const SECONDS = JSON.parse(readFileSync(join(root, 'test', 'seconds.json'), 'utf8'));
/** What one takes that is not in there. */
const UNKNOWN_SECONDS = 60;
/** Tests that take longer are not tried before it is known that they run the line. */
const QUICK_SECONDS = 30;

/** So many are tried at once on a break. */
const NEAR_MAX = 6;

/** Who imports whom among the tests and all that they hold. */
export async function importsOfTests() {
  const { build } = await import('esbuild');
  const tests = judgingTests();
  const fileOf = (test) => `test/${test}.test.ts`;
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: tests.map(fileOf),
    outdir: join(root, 'build', 'mutate', 'graph'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const { inputs } = metafile;
  const importers = new Map();
  for (const [from, { imports }] of Object.entries(inputs))
    for (const { path } of imports) {
      if (!importers.has(path)) importers.set(path, new Set());
      importers.get(path).add(from);
    }
  return { tests, inputs, importers, fileOf };
}

/** Imports on the shortest way from each importer to a file, itself at 0. */
function distancesTo({ importers }, file) {
  const found = new Map([[file, 0]]);
  for (const [at, distance] of found)
    for (const from of importers.get(at) ?? []) if (!found.has(from)) found.set(from, distance + 1);
  return found;
}

/** The tests to try at once on a break of a file, the nearest first. */
export function nearestTests(graph, file) {
  const distances = distancesTo(graph, file);
  /** A step further away is worth a quarter of the time. */
  const cost = ({ distance, seconds }) => 2 * distance + Math.log2(1 + seconds);
  return graph.tests
    .map((test) => ({ test, distance: distances.get(graph.fileOf(test)) ?? Number.POSITIVE_INFINITY }))
    .map((one) => ({ ...one, seconds: SECONDS[one.test] ?? UNKNOWN_SECONDS }))
    .filter(({ distance, seconds }) => Number.isFinite(distance) && seconds <= QUICK_SECONDS)
    .sort((a, b) => cost(a) - cost(b))
    .slice(0, NEAR_MAX)
    .map(({ test }) => test);
}

/** Does a test hold one of these files, or start programs that may? */
export function mayReach(graph, test, files) {
  const seen = new Set([graph.fileOf(test)]);
  for (const at of seen)
    for (const { path } of graph.inputs[at]?.imports ?? []) {
      if (path === 'node:child_process' || files.has(path)) return true;
      seen.add(path);
    }
  return false;
}
