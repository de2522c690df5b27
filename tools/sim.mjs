// The simulator's long runs: `ci` (fixed seeds and every seed that ever failed), `hunt` (new seeds), `plants` (known
// bugs put into the bundle one at a time, each to be found). Workers are processes, so that both cores are used.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve as absolute } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from './ensure.mjs';

const help = `npm run sim:ci | npm run sim:hunt -- [options] | npm run sim:plants -- [--only name]
  --minutes n   stop after this long (default 30, and no bound when --seeds is given)
  --from seed   first seed (default: behind the last one that was hunted in this checkout, or else from the clock)
  --seeds n     stop after this many seeds
  --workers n   processes (default 2)
  --record file where what was hunted is written down (default build/sim/hunted.json)
  --totals      hunt nothing, print what was hunted in this checkout
  --only names  only these planted bugs, with commas between
  --worker file hunt with this bundle of simulators/cli/hunt-worker.ts instead of a new one
  --json        hunt: one line {"seeds","violations","events"} on stdout, with "found" when there are any; the rest on stderr
`;
/** The command line, or its mistake in one line. */
function readArguments() {
  try {
    return parseArgs(COMMAND_LINE);
  } catch (error) {
    process.stderr.write(`${error.message.split('\n')[0]}\n${help}`);
    process.exit(2);
  }
}
const COMMAND_LINE = {
  allowPositionals: true,
  options: {
    minutes: { type: 'string' },
    from: { type: 'string' },
    seeds: { type: 'string' },
    workers: { type: 'string' },
    record: { type: 'string' },
    totals: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    worker: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
};
const { values: options, positionals } = readArguments();
const [mode = 'ci'] = positionals;
if (options.help || !['ci', 'hunt', 'plants'].includes(mode)) {
  process.stdout.write(help);
  process.exit(options.help ? 0 : 2);
}
for (const name of ['minutes', 'from', 'seeds', 'workers'])
  if (options[name] !== undefined && !/^\d{1,12}$/.test(options[name])) {
    process.stderr.write(`--${name} is a whole number, and not "${options[name]}"\n${help}`);
    process.exit(2);
  }
ensureInstalled();
const { bundle, bundleChanged } = await import('./bundle.mjs');
const WORKERS = Number(options.workers ?? Math.min(2, availableParallelism()));
const WORKER = 'simulators/cli/hunt-worker.ts';
const HUNTER = options.worker ?? 'build/sim/hunt.mjs';
/** Seeds within which each planted bug must be found. */
const PLANT_SEEDS = 300;
/** Seeds of CI beside those of test/seeds.txt. */
const CI_SEEDS = 60;
const CI_MINUTES = 3;

/** What people read of a hunt: beside the one line of JSON it goes to stderr. */
const say = (text) => (options.json ? process.stderr : process.stdout).write(text);

/** Runs seeds in one process; calls `onSeed` with each result. Resolves with the exit code. */
function work(file, args, onSeed) {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', absolute(root, file), ...args.map(String)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let rest = '';
    child.stdout.on('data', (data) => {
      rest += data;
      const lines = rest.split('\n');
      rest = lines.pop();
      for (const line of lines) onSeed(JSON.parse(line));
    });
    child.on('close', resolve);
  });
}

/** `onSeed` is called with each result as it comes. */
async function hunt(from, until, minutes, onSeed = () => undefined) {
  const found = [];
  let seeds = 0;
  let events = 0;
  const startedMs = Date.now();
  const codes = await Promise.all(
    Array.from({ length: WORKERS }, (_, index) =>
      work(HUNTER, [from + index, WORKERS, until, minutes * 60_000, 'all'], (result) => {
        seeds += 1;
        events += result.events;
        onSeed(result);
        if (result.violation === undefined) return;
        found.push(result);
        say(`seed ${result.seed}: ${result.violation}\n  again with: ${result.command}\n`);
      }),
    ),
  );
  const seconds = (Date.now() - startedMs) / 1000;
  return { seeds, events, found, seconds, ok: codes.every((code) => code === 0) };
}

/** Seeds that ever failed: a number a line, the symptom behind it. */
function knownSeeds() {
  return readFileSync(join(root, 'test', 'seeds.txt'), 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map(Number);
}

/** What was hunted in this checkout: a range of seeds a hunt, with the code that ran it. */
const recordFile = options.record ?? join(root, 'build', 'sim', 'hunted.json');
const readRecord = () => (existsSync(recordFile) ? JSON.parse(readFileSync(recordFile, 'utf8')) : []);
/** How often a running hunt is written down: what a killed one loses is run again. */
const RECORD_MS = 10_000;

function writeRecord(ranges) {
  const aside = `${recordFile}.${process.pid}`;
  writeFileSync(aside, `${JSON.stringify(ranges, undefined, 1)}\n`);
  renameSync(aside, recordFile);
}

/** One hunt as it goes on: `next` is the first seed that was not run. */
class Range {
  constructor(from, code) {
    this.range = { code, from, next: from, seeds: 0, events: 0, seconds: 0, violations: [] };
    this.before = readRecord();
    this.ahead = new Set();
    this.startedMs = Date.now();
    this.writtenMs = this.startedMs;
  }

  /** Workers take turns, so seeds come a little out of order; those behind a gap count when it is closed. */
  add({ seed, events, violation }) {
    this.ahead.add(seed);
    while (this.ahead.delete(this.range.next)) this.range.next += 1;
    this.range.seeds = this.range.next - this.range.from;
    this.range.events += events;
    if (violation !== undefined) this.range.violations.push({ seed, violation });
    if (Date.now() - this.writtenMs > RECORD_MS) this.write();
  }

  write() {
    this.writtenMs = Date.now();
    this.range.seconds = Math.round((this.writtenMs - this.startedMs) / 1000);
    if (this.range.seeds > 0) writeRecord([...this.before, this.range]);
  }
}

function printTotals(ranges) {
  const sum = (field) => ranges.reduce((total, range) => total + field(range), 0);
  const codes = new Set(ranges.map(({ code }) => code)).size;
  const [seeds, seconds] = [sum((range) => range.seeds), sum((range) => range.seconds)];
  say(
    `in all: ${seeds} seeds in ${ranges.length} ranges of ${codes} builds, ` +
      `${sum((range) => range.violations.length)} violations, ${sum((range) => range.events)} events, ${seconds} s\n`,
  );
}

/** A hunt as one object. */
function lineOf(seeds, events, found) {
  const line = { seeds, violations: found.length, events };
  if (found.length === 0) return line;
  return { ...line, found: found.map(({ seed, violation, command }) => ({ seed, violation, command })) };
}

/** How long a hunt may take: a number of seeds that was asked for is run to its end. */
const huntMinutes = () =>
  Number(options.minutes ?? (options.seeds === undefined ? 30 : Number.MAX_SAFE_INTEGER / 60_000));

async function runHunt() {
  if (options.totals) {
    printTotals(readRecord());
    return true;
  }
  if (options.worker === undefined) await bundle({ hunt: WORKER }, 'build/sim');
  const code = createHash('sha256')
    .update(readFileSync(absolute(root, HUNTER)))
    .digest('hex');
  const last = readRecord().at(-1)?.next ?? Math.floor(Date.now() / 1000);
  const from = Number(options.from ?? last);
  const until = options.seeds === undefined ? Number.MAX_SAFE_INTEGER : from + Number(options.seeds) - 1;
  say(`hunting from seed ${from} with ${WORKERS} workers\n`);
  const range = new Range(from, code.slice(0, 12));
  const { seeds, events, found, seconds, ok } = await hunt(from, until, huntMinutes(), (result) =>
    range.add(result),
  );
  range.write();
  const perSecond = (count, digits) => (count / Math.max(seconds, 1)).toFixed(digits);
  say(
    `${seeds} seeds, ${found.length} violations, ${perSecond(seeds, 1)} seeds/s, ${perSecond(events, 0)} events/s, ` +
      `${seconds.toFixed(0)} s\n`,
  );
  printTotals(readRecord());
  if (options.json) process.stdout.write(`${JSON.stringify(lineOf(seeds, events, found))}\n`);
  // A hunt that was to run so many seeds and ran fewer found nothing in those that it did not run.
  const isWhole =
    options.seeds === undefined || options.minutes !== undefined || seeds === Number(options.seeds);
  return ok && isWhole && seeds > 0 && found.length === 0;
}

async function runCi() {
  await bundle({ hunt: WORKER }, 'build/sim');
  const fixed = await hunt(1, CI_SEEDS, CI_MINUTES);
  let again = 0;
  let failed = fixed.found.length;
  for (const seed of knownSeeds()) {
    const result = await hunt(seed, seed, CI_MINUTES);
    again += result.seeds;
    failed += result.found.length;
  }
  process.stdout.write(`${fixed.seeds} seeds and ${again} that failed once: ${failed} violations\n`);
  return fixed.ok && failed === 0 && fixed.seeds === CI_SEEDS;
}

async function runPlants() {
  const plants = JSON.parse(readFileSync(join(root, 'simulators', 'checkers', 'plants.json'), 'utf8')).filter(
    ({ name }) => options.only === undefined || options.only.split(',').includes(name),
  );
  const rows = new Map();
  const queue = [...plants];
  const worker = async () => {
    for (let plant = queue.shift(); plant !== undefined; plant = queue.shift()) {
      await bundleChanged({ [plant.name]: WORKER }, 'build/plants', plant);
      let seeds = 0;
      let by = '';
      await work(`build/plants/${plant.name}.mjs`, [1, 1, PLANT_SEEDS, 30 * 60_000, 'stop'], (result) => {
        seeds += 1;
        if (result.violation !== undefined) by = result.violation.split(':')[0];
      });
      rows.set(plant.name, { plant, seeds, by });
      process.stderr.write(`${plant.name}: ${by === '' ? 'NOT FOUND' : `${by}, ${seeds} seeds`}\n`);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  const table = plants.map(({ name, what }) => {
    const { seeds, by } = rows.get(name);
    return `| ${name} | ${what} | ${by || 'not found'} | ${by === '' ? `none of ${seeds}` : seeds} |`;
  });
  process.stdout.write(
    `| planted bug | what it breaks | found by | seeds |\n|---|---|---|---|\n${table.join('\n')}\n`,
  );
  return [...rows.values()].every(({ by }) => by !== '');
}

const ok = await { ci: runCi, hunt: runHunt, plants: runPlants }[mode]();
process.exit(ok ? 0 : 1);
