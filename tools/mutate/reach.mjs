// Which test runs which lines: V8 counts while each test runs once with nothing broken. Kept in build/mutate/reach, a
// file a test, and counted again only when the test's bundle, or for a test that starts programs any source, changed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../ensure.mjs';
import { bundleTest, hashOf, judgingTests, runTest } from './tests.mjs';

const FOLDER = 'build/mutate/reach';
/** How long an unbroken test may take. */
const LIMIT_SECONDS = 400;

/** For each character of a bundle, whether it ran. `functions`: what V8 counted, outer ranges before inner ones. */
function ranCharacters(length, functions) {
  const ran = new Uint8Array(length);
  const ranges = functions.flatMap((one) => one.ranges);
  ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  for (const { startOffset, endOffset, count } of ranges) ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  return ran;
}

const MAP_MARK = '\n//# sourceMappingURL=data:application/json;base64,';
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The numbers of one segment of a source map (base 64, five bits a digit, the lowest of a number is its sign). */
function numbersOf(segment) {
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return numbers;
}

/** Calls `onSegment(line, column, source, originalLine)` for each place of a bundle that came from a source. */
function eachSegment(mappings, onSegment) {
  let source = 0;
  let originalLine = 0;
  for (const [line, row] of mappings.split(';').entries()) {
    let column = 0;
    if (row === '') continue;
    for (const segment of row.split(',')) {
      const [columns, sources, lines] = numbersOf(segment);
      column += columns;
      if (sources === undefined) continue;
      source += sources;
      originalLine += lines;
      onSegment(line, column, source, originalLine);
    }
  }
}

/** Adds the lines of the sources that ran in one bundle to `lines`: a set of line numbers by file. */
function addRanLines(lines, bundleFile, functions) {
  const text = readFileSync(bundleFile, 'utf8');
  const mark = text.lastIndexOf(MAP_MARK);
  if (mark < 0) return;
  const { sources, mappings } = JSON.parse(
    Buffer.from(text.slice(mark + MAP_MARK.length), 'base64').toString(),
  );
  const files = sources.map((source) => relative(root, resolve(dirname(bundleFile), source)));
  const ran = ranCharacters(text.length, functions);
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  eachSegment(mappings, (line, column, source, originalLine) => {
    if (ran[starts[line] + column] !== 1) return;
    if (!lines.has(files[source])) lines.set(files[source], new Set());
    lines.get(files[source]).add(originalLine + 1);
  });
}

/** The lines that ran in all processes of one test, and whether there were others than its own. */
function readCounts(folder, own) {
  const lines = new Map();
  let children = false;
  for (const name of readdirSync(folder)) {
    for (const { url, functions } of JSON.parse(readFileSync(join(folder, name), 'utf8')).result) {
      if (!url.startsWith('file:')) continue;
      const file = fileURLToPath(url);
      if (!file.startsWith(join(root, 'build')) || !existsSync(file)) continue;
      if (file !== own) children = true;
      addRanLines(lines, file, functions);
    }
  }
  return { children, lines };
}

/** Sorted numbers as [first, last] pairs. */
function rangesOf(numbers) {
  const ranges = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

async function countTest(test, text, key, limitSeconds) {
  const file = join('build', 'mutate', 'bundles', `${test}.mjs`);
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
  const counts = join(root, 'build', 'mutate', 'counts', test);
  rmSync(counts, { recursive: true, force: true });
  const { passed, seconds, why } = await runTest(root, file, limitSeconds, { NODE_V8_COVERAGE: counts });
  const { children, lines } = existsSync(counts)
    ? readCounts(counts, join(root, file))
    : { children: false, lines: new Map() };
  rmSync(counts, { recursive: true, force: true });
  const ran = [...lines]
    .filter(([name]) => !name.startsWith('test/') && !name.startsWith('..'))
    .map(([name, numbers]) => [name, rangesOf(numbers)]);
  return { test, ...key, passed, seconds, why, children, files: Object.fromEntries(ran) };
}

/** A hash of every source that a test could start as a program of its own. */
function treeHash() {
  const listed = spawnSync(
    'git',
    ['ls-files', '-co', '--exclude-standard', '*.ts', '*.mjs', '*.sol', ':!tools/mutate*'],
    {
      cwd: root,
    },
  );
  const names = listed.stdout
    .toString()
    .split('\n')
    .filter((name) => name !== '' && !name.startsWith('test/'));
  return hashOf(
    names.map((name) => (existsSync(join(root, name)) ? readFileSync(join(root, name)) : '')).join('\0'),
  );
}

/** What a test that there was no time for is thought to take, seconds. */
const UNCOUNTED_SECONDS = 30;

/** A test that was not counted, by its bundle, if wanted: esbuild says above each part of it from which file it comes. */
export const uncounted = (test, text = '') => ({
  test,
  passed: true,
  seconds: UNCOUNTED_SECONDS,
  children: /from "node:child_process"/.test(text),
  files: {},
  holds: new Set([...text.matchAll(/^\/\/ (\S+\.ts)$/gm)].map(([, file]) => file)),
});

/**
 * What every test reaches: [{ test, passed, seconds, children, files: { file: [[first, last], ...] } }], the quickest
 * first. `say` is told the progress, `workers` tests run at a time. What is not counted by `untilMs` has no `files`, but
 * `holds`: the set of files of its bundle. `isWanted`: of which tests.
 */
export async function reachOfTests(say, workers, untilMs, isWanted) {
  mkdirSync(join(root, FOLDER), { recursive: true });
  const tree = treeHash();
  const found = [];
  const queue = judgingTests().filter(isWanted);
  const total = queue.length;
  let counted = 0;
  const worker = async () => {
    for (let test = queue.shift(); test !== undefined; test = queue.shift()) {
      const text = await bundleTest(root, test, `build/mutate/bundles/${test}.mjs`, true);
      const bundle = hashOf(text);
      const kept = join(root, FOLDER, `${test.replace('/', '-')}.json`);
      let reach = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : undefined;
      if (reach?.bundle !== bundle || (reach.children && reach.tree !== tree) || !reach.passed) {
        const seconds = (untilMs - Date.now()) / 1000;
        if (seconds <= 0) {
          found.push(uncounted(test, text));
          continue;
        }
        reach = await countTest(test, text, { bundle, tree }, Math.min(seconds, LIMIT_SECONDS));
        writeFileSync(kept, JSON.stringify(reach));
        say(
          `${found.length + 1} of ${total}: ${test} ${reach.passed ? '' : `FAILS (${reach.why}) `}${reach.seconds.toFixed(1)} s`,
        );
        counted += 1;
      }
      found.push(reach);
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  const left = found.filter(({ holds }) => holds !== undefined).length;
  say(`${found.length} tests, ${counted} counted anew${left > 0 ? `, ${left} not for lack of time` : ''}`);
  return found.sort((a, b) => a.seconds - b.seconds);
}

/** Whether a test runs one of these lines of a file. */
export const reaches = ({ files }, file, first, last) =>
  (files[file] ?? []).some(([from, to]) => from <= last && to >= first);
