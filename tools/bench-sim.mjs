// npm run bench:sim: what one event of the fleet simulator costs, from small fleets to large ones. Every size runs in a
// process of its own, one after the other. Processor time is compared, not time on the wall: it is what the same work
// costs on a machine that others use too. With --count the work itself is compared: how much of the program an event runs,
// wherever its memory lies.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from './ensure.mjs';

const help = `npm run bench:sim -- [options]
  --sizes a,b,c   devices of each fleet (default 100,1000,10000)
  --hours n       hours in which payments are made (default 24)
  --seed n        which run (default 7)
  --scenario name (default city)
  --count         instead of time: how many blocks of the program an event runs, whatever else the machine does
  --json          one JSON object instead of the table
`;
const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100,1000,10000' },
    hours: { type: 'string', default: '24' },
    seed: { type: 'string', default: '7' },
    scenario: { type: 'string', default: 'city' },
    count: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const sizes = options.sizes.split(',').map(Number);
if (options.help || !sizes.every((size) => Number.isInteger(size) && size >= 2)) {
  process.stdout.write(help);
  process.exit(options.help ? 0 : 2);
}
ensureInstalled();
const { bundle } = await import('./bundle.mjs');
await bundle({ sim: 'test/bench/sim.ts', 'large-fleet': 'simulators/cli/large-fleet.ts' }, 'build/bench');
const { largeFleet } = await import('../build/bench/large-fleet.mjs');

/** Ten thousand devices must fit into this. */
const MEMORY_MB = 24 * 1024;

const cell = (value, digits) =>
  value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });
const columns = [
  ['devices', (run) => cell(run.devices, 0)],
  ['taps a device-day', (run) => cell(run.tapsPerDeviceDay, 1)],
  ['events', (run) => cell(run.events, 0)],
  ['events a device-day', (run) => cell(run.eventsPerDeviceDay, 0)],
  ...(options.count
    ? [['blocks an event', (run) => cell(run.blocksPerEvent, 1)]]
    : [
        ['s', (run) => cell(run.seconds, 0)],
        ['events/s', (run) => cell(run.eventsPerSecond, 0)],
        ['processor s', (run) => cell(run.cpuSeconds, 0)],
        ['µs an event', (run) => cell(run.microsecondsPerEvent, 2)],
      ]),
  ['ratio', (run) => cell(run.ratio, 2)],
  ['MB', (run) => cell(run.memoryMb, 0)],
  ['violations', (run) => String(run.violations)],
];
const row = (cells) => {
  if (!options.json) process.stdout.write(`| ${cells.join(' | ')} |\n`);
};

/** What an event costs: blocks of the program run, or processor time. */
const costOf = (run) => (options.count ? run.blocksPerEvent : run.microsecondsPerEvent);

function measure(devices) {
  const { flags, env } = largeFleet(MEMORY_MB);
  const program = ['--enable-source-maps', 'build/bench/sim.mjs'];
  const what = options.count ? ['count'] : [];
  const { stdout, status } = spawnSync(
    process.execPath,
    [...flags, ...program, devices, options.hours, options.seed, options.scenario, ...what].map(String),
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      env,
    },
  );
  if (status === null || stdout === '')
    throw new Error(`the run of ${devices} devices ended without a result`);
  const run = JSON.parse(stdout);
  const days = (run.devices * run.hours) / 24;
  return {
    ...run,
    tapsPerDeviceDay: run.taps / days,
    eventsPerDeviceDay: run.events / days,
    microsecondsPerEvent: (1e6 * run.cpuSeconds) / run.events,
    ...(options.count && { blocksPerEvent: run.blocks / run.events }),
    eventsPerSecond: run.events / run.seconds,
  };
}

row(columns.map(([name]) => name));
row(columns.map(() => '---'));
const runs = [];
for (const devices of sizes) {
  const run = measure(devices);
  runs.push({ ...run, ratio: costOf(run) / costOf(runs[0] ?? run) });
  row(columns.map(([, text]) => text(runs.at(-1))));
}
const ok = runs.every(({ violations, memoryMb }) => violations === 0 && memoryMb <= MEMORY_MB);
if (options.json) process.stdout.write(`${JSON.stringify({ ok, runs })}\n`);
process.exit(ok ? 0 : 1);
