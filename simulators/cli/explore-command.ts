/** `sundial sim explore`: every interleaving of the real step functions in a small configuration. */
import { spawnSync } from 'node:child_process';
import type { Command } from 'commander';
import { SundialError } from '../../protocol/errors.ts';
import { type Config, CONFIGS, configNamed, SMALL } from '../explore/config.ts';
import { exploreClearances } from '../explore/clearance/clearance.ts';
import {
  CLEARANCE_CONFIGS,
  type ClearanceConfig,
  clearanceConfigNamed,
} from '../explore/clearance/config.ts';
import { CLEARANCE_DROPS } from '../explore/clearance/drops.ts';
import { type Drop, DROPS } from '../explore/drops.ts';
import { type Exploration, explore } from '../explore/explore.ts';
import { KEY_CONFIGS, type KeyConfig, keyConfigNamed } from '../explore/keys/config.ts';
import { KEY_DROPS } from '../explore/keys/drops.ts';
import { exploreKeys } from '../explore/keys/keys.ts';
import { RELEASE_CONFIGS, type ReleaseConfig, releaseConfigNamed } from '../explore/released/config.ts';
import { RELEASE_DROPS } from '../explore/released/drops.ts';
import { exploreReleased } from '../explore/released/released.ts';
import { VOID_CONFIGS, type VoidConfig, voidConfigNamed } from '../explore/voids/config.ts';
import { VOID_DROPS } from '../explore/voids/drops.ts';
import { exploreVoids } from '../explore/voids/voids.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

interface Flags {
  readonly config?: string;
  readonly all: boolean;
  readonly drop?: string;
  readonly maxStates?: string;
  readonly apart?: boolean;
  readonly json: boolean;
}

const nameOf = ({ name }: { readonly name: string }): string => name.split(' ')[0]!;
const names = [
  ...SMALL,
  ...CONFIGS,
  ...KEY_CONFIGS,
  ...VOID_CONFIGS,
  ...CLEARANCE_CONFIGS,
  ...RELEASE_CONFIGS,
]
  .map(nameOf)
  .join(', ');
const dropNames = [DROPS, KEY_DROPS, VOID_DROPS, CLEARANCE_DROPS, RELEASE_DROPS]
  .flatMap((drops) => Object.keys(drops))
  .join(', ');
/** Those of the money rules' reference model. */
const REFERENCE = CONFIGS.slice(0, 8).map(nameOf);

function named<T>(what: string, known: string, find: () => T | undefined): T {
  let found: T | undefined;
  try {
    found = find();
  } catch {
    // The explorer's own message names the configurations as well; here the flag is named too.
    found = undefined;
  }
  if (found !== undefined) return found;
  throw new SundialError('unknown_name', `no ${what} of that name`, {
    severity: 'call',
    remedy: `Name one of: ${known}.`,
  });
}

const figure = (value: number): string => value.toLocaleString('en');
/** The most memory that this process ever held, MB. */
const peakMb = (): number => Math.ceil(process.resourceUsage().maxRSS / 1024);

type AnyConfig = Config | KeyConfig | VoidConfig | ClearanceConfig | ReleaseConfig;

/** What all walks say of themselves. */
type Found = Pick<
  Exploration,
  'ok' | 'states' | 'ledgers' | 'transitions' | 'broke' | 'seconds' | 'capped' | 'fault' | 'trace'
>;
/** A dropped rule, of whichever walk. */
type AnyDrop = Pick<Drop, 'rule' | 'shownBy'>;

const now = (): number => performance.now();

function run(flags: Flags): void {
  const config: AnyConfig = named(
    'configuration',
    names,
    () =>
      keyConfigNamed(flags.config!) ??
      voidConfigNamed(flags.config!) ??
      clearanceConfigNamed(flags.config!) ??
      releaseConfigNamed(flags.config!) ??
      configNamed(flags.config!),
  );
  const drop: AnyDrop | undefined =
    flags.drop === undefined
      ? undefined
      : named(
          'dropped rule',
          dropNames,
          () =>
            DROPS[flags.drop!] ??
            KEY_DROPS[flags.drop!] ??
            VOID_DROPS[flags.drop!] ??
            CLEARANCE_DROPS[flags.drop!] ??
            RELEASE_DROPS[flags.drop!],
        );
  const found = walked(config, flags);
  const { ok, states, ledgers, transitions, seconds, fault, trace, capped } = found;
  const silence = drop && fault === undefined ? silenceOf(config, flags.drop!, drop, found) : undefined;
  if (flags.json) {
    const dropped = drop && { rule: flags.drop, broke: found.broke, shownBy: drop.shownBy, words: silence };
    const line = {
      ok,
      states,
      seconds,
      ledgers,
      transitions,
      peakMb: peakMb(),
      capped,
      dropped,
      fault,
      trace,
    };
    process.stdout.write(`${JSON.stringify({ config: nameOf(config), ...line })}\n`);
  } else {
    process.stdout.write(`${wordsOf(config, found)}\n`);
    if (trace !== undefined) process.stdout.write(`  ${trace.join('\n  ')}\n`);
    if (silence !== undefined) process.stdout.write(`  ${silence}\n`);
  }
  // A violation prints its shortest trace; it is a failure even where a rule was dropped on purpose. A walk that could show
  // nothing of the dropped rule is no answer either.
  process.exitCode = silence !== undefined ? SILENT : ok ? 0 : 1;
}

function walked(config: AnyConfig, flags: Flags): Found {
  if ('device' in config) return walkKeys(config, flags);
  if ('free' in config) return walkClearances(config, flags);
  if ('units' in config) return walkReleased(config, flags);
  return 'about' in config ? walkVoids(config, flags) : walkMoney(config, flags);
}

/** A rule that the other walk drops is broken in this one by nothing. */
function walkMoney(config: Config, flags: Flags): Found {
  const drop = flags.drop === undefined ? undefined : DROPS[flags.drop];
  const found = explore({
    config,
    now,
    ...(flags.apart !== undefined && { apart: flags.apart }),
    ...(drop && { drop }),
    ...(flags.maxStates !== undefined && { maxStates: Number(flags.maxStates) }),
    onProgress: ({ states: seen, waiting }) => {
      process.stderr.write(`\r${config.name}: ${figure(seen)} states, ${figure(waiting)} to go `);
    },
  });
  process.stderr.write('\n');
  return found;
}

/** The walk over keys and time; hub and L2 take no part. */
function walkKeys(config: KeyConfig, flags: Flags): Found {
  const drop = flags.drop === undefined ? undefined : KEY_DROPS[flags.drop];
  const maxStates = flags.maxStates === undefined ? {} : { maxStates: Number(flags.maxStates) };
  return { ...exploreKeys({ config, now, ...maxStates, ...(drop && { drop }) }), ledgers: 0 };
}

/** The walk over voids and write-offs. */
function walkVoids(config: VoidConfig, flags: Flags): Found {
  const drop = flags.drop === undefined ? undefined : VOID_DROPS[flags.drop];
  const maxStates = flags.maxStates === undefined ? {} : { maxStates: Number(flags.maxStates) };
  return { ...exploreVoids({ config, now, ...maxStates, ...(drop && { drop }) }), ledgers: 0 };
}

/** The walk of clearances; L2 takes no part. */
function walkClearances(config: ClearanceConfig, flags: Flags): Found {
  const drop = flags.drop === undefined ? undefined : CLEARANCE_DROPS[flags.drop];
  const maxStates = flags.maxStates === undefined ? {} : { maxStates: Number(flags.maxStates) };
  return { ...exploreClearances({ config, now, ...maxStates, ...(drop && { drop }) }), ledgers: 0 };
}

/** The walk of leases that are signed away; of L2 only what it paid is seen. */
function walkReleased(config: ReleaseConfig, flags: Flags): Found {
  const drop = flags.drop === undefined ? undefined : RELEASE_DROPS[flags.drop];
  const maxStates = flags.maxStates === undefined ? {} : { maxStates: Number(flags.maxStates) };
  return { ...exploreReleased({ config, now, ...maxStates, ...(drop && { drop }) }), ledgers: 0 };
}

/** The exit code of a walk without a rule that shows nothing of that rule. */
const SILENT = 2;

/** Why a walk without a rule found nothing, and where it would. */
function silenceOf(
  config: { readonly name: string },
  rule: string,
  { shownBy }: AnyDrop,
  { broke, capped }: Found,
): string {
  const where = `sundial sim explore --config ${shownBy} --drop ${rule} shows what it is for`;
  const here = nameOf(config);
  const end = capped ? ', as far as it was walked' : '';
  return broke === 0
    ? `${here} never exercises ${rule}${end}: nothing was broken, and nothing is shown; ${where}`
    : `${rule} was broken ${figure(broke)} times, and ${here} has no harm in that${end}; ${where}`;
}

function wordsOf(
  config: { readonly name: string },
  { states, ledgers, transitions, seconds, fault, capped }: Found,
): string {
  const apart = ledgers > 0 ? ` and ${figure(ledgers)} of hub and L2` : '';
  const end = fault ?? (capped ? 'not all states were seen' : 'all properties hold');
  return `${config.name}: ${figure(states)} states${apart}, ${figure(transitions)} transitions, ${seconds.toFixed(1)} s: ${end}`;
}

/** All of the reference model's, each in a process of its own, so that the memory of each is its own. */
function runAll({ json }: Flags): void {
  if (!json)
    process.stdout.write(
      '| configuration | states | of hub and L2 apart | transitions | seconds | MB | |\n|---|---|---|---|---|---|---|\n',
    );
  for (const config of REFERENCE) {
    const more = ['sim', 'explore', '--config', config, '--json'];
    const flags = [...process.execArgv, process.argv[1]!, ...more];
    const { stdout, status } = spawnSync(process.execPath, flags, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (status !== 0) process.exitCode = 1;
    if (json) process.stdout.write(stdout);
    else process.stdout.write(`${tableRow(config, stdout)}\n`);
  }
}

/** One row of the table; a walk that ended with no answer says so. */
function tableRow(config: string, answer: string): string {
  if (answer === '') return `| ${config} | | | | | | ended with no answer |`;
  const { ok, states, ledgers, transitions, seconds, peakMb: mb, fault } = JSON.parse(answer);
  const figures = [states, ledgers, transitions, Math.ceil(seconds), mb].map(figure);
  return `| ${[config, ...figures, ok ? 'holds' : fault].join(' | ')} |`;
}

/** Below `sim`, whose --json it shares. */
export function addExploreCommand(sim: Command): void {
  sim
    .command('explore')
    .description(
      'walk all interleavings of payer, terminals and hub, of keys and time, of voids, clearances or leases that are signed away, in a small configuration',
    )
    .option('--config <name>', `one of ${names}`)
    .option('--all', `${REFERENCE[0]} to ${REFERENCE.at(-1)}, one after the other, as a table`, false)
    .option('--drop <rule>', `break one rule on purpose: ${dropNames}`)
    .option('--apart', 'walk hub and L2 apart from the devices, if no device can tell what they do')
    .option('--no-apart', 'let hub and L2 take part in every interleaving')
    .option('--max-states <n>', 'stop after so many states')
    .action((_flags: unknown, command: Command) => {
      try {
        const flags = command.optsWithGlobals<Flags>();
        if (flags.all) runAll(flags);
        else if (flags.config === undefined)
          throw new SundialError('missing_flag', 'no configuration was named', {
            severity: 'call',
            remedy: `Name one with --config (${names}), or walk c1 to c8 with --all.`,
          });
        else run(flags);
      } catch (error) {
        fail(error);
      }
    });
}
