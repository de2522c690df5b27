/** A hunt goes on where the last one ended, and its totals are what was run. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const folder = mkdtempSync(join(tmpdir(), 'sundial-hunt-'));
const record = join(folder, 'hunted.json');
test.after(() => rmSync(folder, { recursive: true }));

const hunt = (...options: string[]): string =>
  execFileSync(process.execPath, ['tools/sim.mjs', 'hunt', '--record', record, ...options], {
    encoding: 'utf8',
  });

test('a hunt goes on behind the last seed, and the totals add up', () => {
  assert.match(hunt('--from', '4100', '--seeds', '3', '--workers', '2'), /^3 seeds, 0 violations/m);
  assert.match(hunt('--seeds', '2', '--workers', '1'), /hunting from seed 4103 with 1 workers/);
  const ranges = JSON.parse(readFileSync(record, 'utf8')) as { from: number; next: number; seeds: number }[];
  assert.equal(
    ranges.map(({ from, next, seeds }) => [from, next, seeds]),
    [
      [4100, 4103, 3],
      [4103, 4105, 2],
    ],
  );
  assert.match(hunt('--totals'), /^in all: 5 seeds in 2 ranges of 1 builds, 0 violations/);
});

interface Line {
  readonly seeds: number;
  readonly violations: number;
  readonly events: number;
  readonly found?: readonly { readonly seed: number; readonly violation: string; readonly command: string }[];
}

/** Of a process: exit code, and the lines that it wrote to stdout and stderr. */
function lines(program: string, ...args: string[]): { code: number | null; out: string[]; err: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { code: status, out: stdout.split('\n').slice(0, -1), err: stderr };
}

test('for programs a hunt prints one line of JSON, and what people read goes to stderr', () => {
  const args = ['--from', '4100', '--seeds', '3', '--json', '--record', join(folder, 'json.json')];
  const { code, out, err } = lines('npm', 'run', 'sim:hunt', '--', ...args);
  assert.is(code, 0);
  assert.is(out.length, 1, out.join('\n'));
  const line: Line = JSON.parse(out[0]!);
  assert.equal(Object.keys(line), ['seeds', 'violations', 'events']);
  assert.is(line.seeds, 3);
  assert.is(line.violations, 0);
  assert.ok(line.events > 1000);
  assert.match(err, /hunting from seed 4100/);
});

/** A worker whose every second seed finds something. */
const FINDER = `const [first, step, last] = process.argv.slice(2).map(Number);
for (let seed = first; seed <= last; seed += step)
  process.stdout.write(JSON.stringify({ seed, events: 10, command: 'again ' + seed, traceHash: '',
    ...(seed % 2 === 0 && { violation: 'drains: seed ' + seed }) }) + '\\n');`;

test('what a hunt finds stands in its line of JSON, with the command, and ends it with code 1', () => {
  const worker = join(folder, 'finder.mjs');
  writeFileSync(worker, FINDER);
  const args = ['hunt', '--from', '7', '--seeds', '4', '--json', '--worker', worker];
  const { code, out, err } = lines(
    process.execPath,
    'tools/sim.mjs',
    ...args,
    '--record',
    join(folder, 'bad'),
  );
  assert.is(code, 1);
  assert.is(out.length, 1, out.join('\n'));
  const line: Line = JSON.parse(out[0]!);
  assert.equal({ ...line, found: undefined }, { seeds: 4, violations: 2, events: 40, found: undefined });
  assert.equal(
    [...line.found!].sort((a, b) => a.seed - b.seed),
    [8, 10].map((seed) => ({ seed, violation: `drains: seed ${seed}`, command: `again ${seed}` })),
  );
  assert.match(err, /^seed 8: drains: seed 8$/m);
});

test('a hunt whose worker ended before the last seed is no good hunt', () => {
  const worker = join(folder, 'lazy.mjs');
  writeFileSync(worker, '');
  const args = ['hunt', '--from', '7', '--seeds', '4', '--json', '--worker', worker];
  const { code } = lines(process.execPath, 'tools/sim.mjs', ...args, '--record', join(folder, 'lazy'));
  assert.is(code, 1);
});

test('a hunt of no whole number of seeds, or of none, is no good hunt', () => {
  const wrong = lines(process.execPath, 'tools/sim.mjs', 'hunt', '--seeds', 'many', '--json');
  assert.is(wrong.code, 2);
  assert.match(wrong.err, /--seeds is a whole number, and not "many"/);
  const none = lines(
    process.execPath,
    'tools/sim.mjs',
    'hunt',
    '--from',
    '5',
    '--seeds',
    '0',
    '--json',
    '--record',
    record,
  );
  assert.is(none.code, 1);
  assert.match(none.out[0] ?? '', /^\{"seeds":0,/);
});

test.run();
