// The simulator's long runs: `ci` (fixed seeds and every seed that ever failed), `hunt` (new seeds), `plants` (known
// bugs put into the bundle one at a time, each to be found). Workers are processes, so that both cores are used.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from './ensure.mjs';

const help = `npm run sim:ci | npm run sim:hunt -- [--minutes n] [--from seed] [--seeds n] | npm run sim:plants -- [--only name]
  --minutes n   stop after this long (default 30)
  --from seed   first seed (default: from the clock, printed)
  --seeds n     stop after this many seeds
  --only name   only this planted bug
`;
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '30' },
    from: { type: 'string' },
    seeds: { type: 'string' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const [mode = 'ci'] = positionals;
if (options.help || !['ci', 'hunt', 'plants'].includes(mode)) {
  process.stdout.write(help);
  process.exit(options.help ? 0 : 2);
}
ensureInstalled();
const { bundle } = await import('./bundle.mjs');
const WORKERS = Math.min(2, availableParallelism());
const WORKER = 'simulators/cli/hunt-worker.ts';
/** Seeds within which each planted bug must be found. */
const PLANT_SEEDS = 150;
/** Seeds of CI beside those of test/seeds.txt. */
const CI_SEEDS = 60;
const CI_MINUTES = 3;

/** Runs seeds in one process; calls `onSeed` with each result. Resolves with the exit code. */
function work(file, args, onSeed) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--enable-source-maps', join(root, file), ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
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

async function hunt(from, until, minutes, workerMode = 'all') {
  const found = [];
  let seeds = 0;
  let events = 0;
  const startedMs = Date.now();
  const codes = await Promise.all(
    Array.from({ length: WORKERS }, (_, index) =>
      work('build/sim/hunt.mjs', [from + index, WORKERS, until, minutes * 60_000, workerMode], (result) => {
        seeds += 1;
        events += result.events;
        if (result.violation === undefined) return;
        found.push(result);
        process.stdout.write(`seed ${result.seed}: ${result.violation}\n  again with: ${result.command}\n`);
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

async function runHunt() {
  await bundle({ hunt: WORKER }, 'build/sim');
  const from = Number(options.from ?? Math.floor(Date.now() / 1000));
  const until = options.seeds === undefined ? Number.MAX_SAFE_INTEGER : from + Number(options.seeds) - 1;
  process.stdout.write(`hunting from seed ${from} with ${WORKERS} workers\n`);
  const { seeds, events, found, seconds, ok } = await hunt(from, until, Number(options.minutes));
  const rate = Math.floor(events / Math.max(seconds, 1));
  process.stdout.write(
    `${seeds} seeds, ${found.length} violations, ${rate} events/s, ${seconds.toFixed(0)} s\n`,
  );
  return ok && found.length === 0;
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

/** Puts one planted bug into the bundle: exactly one place of one file is changed, or the plant is out of date. */
async function bundlePlant(plant) {
  const { build } = await import('esbuild');
  let planted = 0;
  await build({
    absWorkingDir: root,
    entryPoints: { [plant.name]: WORKER },
    outdir: join(root, 'build', 'plants'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
    plugins: [
      {
        name: 'plant',
        setup(setup) {
          setup.onLoad({ filter: /\.ts$/ }, ({ path }) => {
            if (path !== join(root, plant.file)) return undefined;
            const source = readFileSync(path, 'utf8');
            const places = source.split(plant.find).length - 1;
            if (places !== 1) throw new Error(`${plant.name}: ${places} places in ${plant.file}, want 1`);
            planted += 1;
            return { contents: source.replace(plant.find, () => plant.replace), loader: 'ts' };
          });
        },
      },
    ],
  });
  if (planted !== 1) throw new Error(`${plant.name}: ${plant.file} is not in the bundle`);
}

async function runPlants() {
  mkdirSync(join(root, 'build', 'plants'), { recursive: true });
  const plants = JSON.parse(readFileSync(join(root, 'simulators', 'plants', 'plants.json'), 'utf8')).filter(
    ({ name }) => options.only === undefined || name === options.only,
  );
  const rows = new Map();
  const queue = [...plants];
  const worker = async () => {
    for (let plant = queue.shift(); plant !== undefined; plant = queue.shift()) {
      await bundlePlant(plant);
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
