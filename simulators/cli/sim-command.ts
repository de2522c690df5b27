/** `sundial sim`: runs a fleet in virtual time. Only this file of the simulator touches the host: clock, files, screen. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { SundialError } from '../../protocol/errors.ts';
import { CHIP_PART, CHIPS, chipEngines, type ChipName, fitForChips } from '../fleet/chips/chips.ts';
import { playMagic } from '../adversary/magic.ts';
import { htmlReport } from '../report/html.ts';
import { sweepPage, sweepTable } from '../report/sweep.ts';
import { Sampler } from '../report/samples.ts';
import { nearest } from '../scenarios/fields.ts';
import { readScenario, SCENARIOS } from '../scenarios/index.ts';
import type { Scenario } from '../scenarios/schema.ts';
import {
  type Living,
  NodeEngine,
  type RecordedDevice,
  recordSome,
  type Replayed,
} from '../scenarios/replay.ts';
import { type Reproducer, shrink } from '../scenarios/shrink.ts';
import { Simulation, type SimulationOptions } from '../fleet/simulation.ts';
import { summarise } from '../report/summary.ts';
import { holds, sweepClones } from '../scenarios/sweep.ts';
import { explain } from '../report/explain.ts';
import type { TraceLine } from '../stage/world/trace.ts';
import { realSuite, standInSuite } from '../stage/world/suite.ts';
import { HOUR, MINUTE, SECOND } from '../stage/world/world.ts';
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { addExploreCommand } from './explore-command.ts';
import { runFound } from './found.ts';
import { largeFleet } from './large-fleet.ts';
import { type Pace, wordsOf } from './say.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

interface SimFlags {
  readonly devices?: number;
  readonly days?: number;
  readonly hours?: number;
  readonly seed: number;
  readonly scenario: string;
  readonly faults?: string;
  readonly keep?: string;
  readonly until?: number;
  readonly real: boolean;
  readonly json: boolean;
  readonly report?: string;
  readonly trace?: string;
  readonly realDevices: number;
  readonly on: 'node' | ChipName;
  readonly shrink: boolean;
  readonly from?: readonly string[];
  readonly fromLedger?: string;
}

const whole = (text: string): number => {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
};

/** A whole number that is not below `least`. */
const from =
  (least: number) =>
  (text: string): number => {
    const value = whole(text);
    if (value < least) throw new InvalidArgumentError(`Give ${least} or more.`);
    return value;
  };

/** A long run must not end with a report that can't be written. Throws `not_there`. */
function requireFolder(path: string | undefined): void {
  if (path === undefined) return;
  const folder = dirname(resolve(path));
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new SundialError('not_there', `${folder} is no folder`, {
    severity: 'call',
    remedy: `Make it first, or name another file: ${path} can't be written there.`,
  });
}

export function addSimCommand(program: Command): void {
  const sim = program
    .command('sim')
    .description('Run a fleet in virtual time: every failure, one seed')
    .option('--scenario <name>', `one of ${[...SCENARIOS.keys()].join(', ')}, or a JSON file`, 'tap-offline')
    .option('--devices <n>', 'size of the fleet (default: the scenario says)', from(2))
    .option('--days <n>', 'days in which payments are made', from(1))
    .option('--hours <n>', 'hours in which payments are made', from(1))
    .option('--seed <n>', 'the same seed gives the same run', whole, 1)
    .option(
      '--faults <levels>',
      'off, swarm, or kind=off|seldom|rare|frequent or kind=<times in 1,000 hours>, separated by commas',
    )
    .option('--keep <ids>', 'only these faults of the schedule, separated by commas; none for none')
    .option('--until <seconds>', 'virtual seconds after which payments and faults stop', whole)
    .option('--real', 'real signatures instead of the stand-in: the trace hash is the same', false)
    .option(
      '--real-devices <n>',
      'play the day of so many devices again on the runtime of real devices',
      whole,
      0,
    )
    .addOption(
      new Option(
        '--on <engine>',
        "what they run on: this process, XS processes with a chip's memory, or firmware images under QEMU " +
          "(both with real signatures and terminals of a chip's size)",
      )
        .choices(['node', ...CHIPS])
        .default('node'),
    )
    .option('--no-shrink', 'do not look for the smallest run that shows a violation')
    .option('--report <file>', 'write an HTML report')
    .option('--trace <file>', 'write every decision as a line of JSON, for `sundial sim explain`')
    .option(
      '--from <file>',
      'go on from the flash of a real device, flash.img or its folder, instead of a scenario; may be given several times',
      (file: string, before: readonly string[] = []) => [...before, file],
    )
    .option('--from-ledger <folder>', 'the same with what a real hub held; only a copy of it is used')
    .option('--json', 'one JSON object on stdout', false)
    .action(async (flags: SimFlags) => {
      try {
        if (flags.from !== undefined || flags.fromLedger !== undefined) await runFound(flags);
        else await run(flags);
      } catch (error) {
        fail(error);
      }
    });
  addExploreCommand(sim);
  sim
    .command('sweep')
    .description('what duplicated payers cost: copies x deposit x how often tills are online')
    .option('--seeds <n>', 'runs a row', whole, 3)
    .option('--first <seed>', 'first seed', whole, 1)
    .option('--page <file>', 'write the picture as an HTML page')
    .option('--rows', 'one JSON object on stdout', false)
    .action(async (flags: { seeds: number; first: number; page?: string; rows: boolean }) => {
      const rows = await sweepClones(standInSuite, flags.first, flags.seeds, () => undefined);
      if (flags.page !== undefined) writeFileSync(flags.page, sweepPage(rows));
      const ok = rows.every(holds);
      process.stdout.write(flags.rows ? `${JSON.stringify({ ok, rows })}\n` : `${sweepTable(rows)}\n`);
      if (!ok) process.exitCode = 1;
    });
  sim
    .command('magic')
    .description('virtual wearables that each do one thing wrong, and what the till is told')
    .option('--rows', 'one JSON object on stdout', false)
    .action(async (flags: { rows: boolean }) => {
      const rows = await playMagic();
      const lines = rows.map(
        ({ name, units, about, till }) =>
          `| ${name} | ${formatMoney(units)} | ${about} | ${till.join(', then ')} |`,
      );
      const table = [
        '| wearable | price | what it does | what the till is told |',
        '|---|---|---|---|',
        ...lines,
      ];
      process.stdout.write(flags.rows ? `${JSON.stringify({ rows })}\n` : `${table.join('\n')}\n`);
    });
  sim
    .command('explain <trace> [payment]')
    .description("print one payment's life from a trace; without a payment, the first one that had trouble")
    .action((file: string, payment?: string) => {
      const lines = readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as TraceLine);
      process.stdout.write(`${explain(lines, payment)}\n`);
    });
}

function scenarioOf(flags: SimFlags): Scenario {
  const builtIn = SCENARIOS.get(flags.scenario);
  const base = builtIn ?? readScenario(readJson(flags.scenario), flags.scenario);
  const hours = flags.hours ?? (flags.days === undefined ? base.hours : flags.days * 24);
  const scenario = readScenario({ ...base, hours, ...replacedFaults(base, flags.faults) }, flags.scenario);
  return flags.on === 'node' ? scenario : fitForChips(scenario);
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const names = [...SCENARIOS.keys()];
    const near = nearest(file, names);
    throw new SundialError('scenario', `"${file}" is neither a scenario nor a file that can be read`, {
      severity: 'call',
      remedy: `${near === undefined ? '' : `Did you mean ${near}? `}Name one of ${names.join(', ')}, or a file.`,
      cause,
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SundialError('scenario', `${file} is no JSON: ${(cause as Error).message}`, {
      severity: 'call',
      remedy: 'simulators/README.md has an example, and a table of all fields.',
      cause,
    });
  }
}

/** Faults that the command names stand instead of all that the scenario has: its own, its groups' and its script. */
function replacedFaults({ groups }: Scenario, text: string | undefined): object {
  if (text === undefined) return {};
  return {
    faults: parseFaults(text),
    script: undefined,
    groups: groups?.map((group) => ({ ...group, faults: undefined })),
  };
}

/** Levels or rates by kind, as the command has them; the schema checks both. */
function parseFaults(text: string): unknown {
  if (text === 'swarm') return 'swarm';
  if (text === 'off') return {};
  return Object.fromEntries(
    text.split(',').map((part) => {
      const [kind = '', level = 'rare'] = part.split('=');
      return [kind, /^\d+$/.test(level) ? { per1000Hours: Number(level) } : level];
    }),
  );
}

/** From this size on a fleet gets a heap of its own measure. */
const LARGE_FLEET = 500;
/** Heap that a device takes in a day of the city, with room: see the table of `npm run bench:sim`. */
const HEAP_MB_PER_DEVICE = 1.5;
const HEAP_MB = { least: 4096, most: 24 * 1024 };

/** Runs the same command of a large fleet with the heap that it needs. False for a small one, or when it has it. */
function ranWithMoreHeap(devices: number): boolean {
  const isGiven = process.execArgv.some((flag) => flag.startsWith('--max-old-space-size'));
  if (isGiven || devices < LARGE_FLEET) return false;
  const heap = Math.ceil(Math.min(HEAP_MB.most, Math.max(HEAP_MB.least, devices * HEAP_MB_PER_DEVICE)));
  const { flags, env } = largeFleet(heap);
  const command = [...flags, ...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync(process.execPath, command, { stdio: 'inherit', env });
  process.exitCode = status ?? 1;
  return true;
}

async function run(flags: SimFlags): Promise<void> {
  if (flags.on !== 'node' && flags.realDevices === 0) {
    throw new SundialError('no_devices', `nothing is to run on ${flags.on}`, {
      severity: 'call',
      remedy: 'Say how many devices with --real-devices.',
    });
  }
  requireFolder(flags.report);
  requireFolder(flags.trace);
  const scenario = scenarioOf(flags);
  if (ranWithMoreHeap(flags.devices ?? scenario.devices)) return;
  const options: SimulationOptions = {
    scenario,
    devices: flags.devices ?? scenario.devices,
    seed: flags.seed,
    suite: flags.real || flags.on !== 'node' ? realSuite(loadCrypto().suite) : standInSuite(),
    keepTrace: flags.trace !== undefined,
    ...(flags.on !== 'node' && { part: CHIP_PART }),
    ...(flags.keep !== undefined && {
      keepFaults: new Set(flags.keep === 'none' ? [] : flags.keep.split(',').map(whole)),
    }),
    ...(flags.until !== undefined && { untilMs: flags.until * SECOND }),
  };
  const startedMs = Date.now();
  const simulation = new Simulation(options);
  const recorded = recordSome(simulation.fleet, simulation.signing.domain, flags.realDevices);
  const sampler = new Sampler(simulation);
  const progress = makeProgress(simulation, flags.json, startedMs);
  for (let at = 10 * MINUTE; await simulation.runTo(at); at += 10 * MINUTE) {
    sampler.sample();
    progress();
  }
  sampler.sample();
  const seconds = (Date.now() - startedMs) / 1000;
  const replayed = await replayAll(recorded, flags);
  const summary = summarise(simulation);
  const reproducer =
    summary.violations === 0 || !flags.shrink || simulation.fleet.devices.length > SHRINK_DEVICES_MAX
      ? undefined
      : await shrink({ ...options, suite: standInSuite(), keepTrace: false });
  const command = commandOf(flags, simulation, reproducer);
  if (flags.report !== undefined)
    writeFileSync(flags.report, htmlReport(simulation, summary, sampler.samples, command));
  if (flags.trace !== undefined)
    writeFileSync(flags.trace, simulation.trace.lines!.map((line) => JSON.stringify(line)).join('\n'));
  const ok = summary.ok && replayed.every(({ difference }) => difference === undefined);
  const pace: Pace = {
    seconds,
    tapsPerDeviceDay: tapsPerDeviceDay(simulation),
    eventsPerSecond: rateOf(simulation, seconds),
  };
  if (flags.json) {
    const found = simulation.violations;
    const real = replayed.length > 0 ? { realDevices: replayed, onChip: onChip(replayed, flags.on) } : {};
    const more = found.length === 0 ? {} : { found, reproducer: { ...reproducer, command } };
    process.stdout.write(`${JSON.stringify({ ...summary, ok, ...pace, ...real, ...more })}\n`);
  } else {
    process.stdout.write(`${wordsOf(simulation, summary, pace, command)}\n`);
    for (const { device, events, effects, difference } of replayed)
      process.stdout.write(
        `  ${device} on the device runtime (${flags.on}): ${events} events, ${effects} effects, ` +
          `${difference ?? 'the same'}\n`,
      );
  }
  if (!ok) process.exitCode = 1;
}

/** Lets each recorded device live its day again, one after the other. */
async function replayAll(recorded: readonly RecordedDevice[], flags: SimFlags): Promise<Replayed[]> {
  const replayed: Replayed[] = [];
  if (recorded.length === 0) return replayed;
  const { on } = flags;
  const engineFor =
    on === 'node' ? (living: Living) => new NodeEngine(living) : await chipEngines(on, projectRoot());
  for (const device of recorded) {
    const { name } = device.living;
    const progress = (played: number): void => {
      if (flags.json || !process.stderr.isTTY) return;
      process.stderr.write(`\r${name} on ${on}: ${played} of ${device.events} events `);
      if (played === device.events) process.stderr.write('\n');
    };
    const engine = engineFor(device.living);
    try {
      replayed.push(await device.replay(engine, progress));
    } finally {
      await engine.close();
    }
  }
  return replayed;
}

/** The sums of devices that lived their day on chips; undefined when they did so on Node. */
function onChip(replayed: readonly Replayed[], engine: SimFlags['on']): object | undefined {
  if (engine === 'node') return undefined;
  const sum = (of: (one: Replayed) => number): number => replayed.reduce((total, one) => total + of(one), 0);
  return {
    engine,
    devices: replayed.length,
    events: sum(({ events }) => events),
    effects: sum(({ effects }) => effects),
    cuts: sum(({ cuts }) => cuts),
    differences: sum(({ difference }) => (difference === undefined ? 0 : 1)),
  };
}

/** Above this a run is too long to be repeated dozens of times without being asked. */
const SHRINK_DEVICES_MAX = 60;

/** The command that shows the violation again. */
function commandOf(flags: SimFlags, simulation: Simulation, found: Reproducer | undefined): string {
  const { scenario, devices, seed } = simulation.options;
  const parts = ['sundial sim', `--scenario ${flags.scenario}`, `--seed ${seed}`, `--devices ${devices}`];
  if (flags.days !== undefined || flags.hours !== undefined) parts.push(`--hours ${scenario.hours}`);
  if (flags.faults !== undefined) parts.push(`--faults ${flags.faults}`);
  if (found !== undefined) {
    parts.push(`--until ${Math.ceil(found.untilMs / SECOND)}`);
    parts.push(`--keep ${found.faults.join(',') || 'none'}`);
  }
  return parts.join(' ');
}

/** A line that is written over on a terminal, nothing elsewhere. */
function makeProgress(simulation: Simulation, json: boolean, startedMs: number): () => void {
  if (json || !process.stderr.isTTY) return () => undefined;
  return () => {
    const share = Math.floor((100 * simulation.world.nowMs) / simulation.endMs);
    const rate = Math.floor((simulation.world.events * 1000) / Math.max(1, Date.now() - startedMs));
    const hours = Math.floor(simulation.world.nowMs / HOUR);
    const bar = '#'.repeat(Math.floor(share / 4)).padEnd(25, '.');
    process.stderr.write(`\r[${bar}] ${share} %  ${hours} h of virtual time  ${rate} events/s `);
    if (simulation.world.nowMs >= simulation.endMs) process.stderr.write('\n');
  };
}

const rateOf = ({ world }: Simulation, seconds: number): number =>
  Math.floor(world.events / Math.max(seconds, 0.001));

/** Taps, each counted once, by devices and days. */
const tapsPerDeviceDay = ({ accounts, fleet, options }: Simulation): number =>
  Math.round((accounts.taps * 24 * 10) / (fleet.devices.length * options.scenario.hours)) / 10;
