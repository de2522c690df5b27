/** `sundial sim explore`: every interleaving of the real step functions in a small configuration. */
import type { Command } from 'commander';
import { SundialError } from '../../protocol/errors.ts';
import { type Config, CONFIGS, configNamed, SMALL } from '../explore/config.ts';
import { type Drop, DROPS } from '../explore/drops.ts';
import { explore } from '../explore/explore.ts';
import { fail } from './output.ts';

interface Flags {
  readonly config: string;
  readonly drop?: string;
  readonly maxStates?: string;
  readonly full: boolean;
  readonly json: boolean;
}

const names = [...SMALL, ...CONFIGS].map((config) => config.name.split(' ')[0]).join(', ');

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

function run(flags: Flags): void {
  const config: Config = named('configuration', names, () => configNamed(flags.config));
  const drop: Drop | undefined =
    flags.drop === undefined
      ? undefined
      : named('dropped rule', Object.keys(DROPS).join(', '), () => DROPS[flags.drop!]);
  const { ok, states, ledgers, transitions, seconds, fault, trace, capped } = explore({
    config,
    now: () => performance.now(),
    full: flags.full,
    ...(drop && { drop }),
    ...(flags.maxStates !== undefined && { maxStates: Number(flags.maxStates) }),
    onProgress: ({ states: seen, waiting }) => {
      process.stderr.write(
        `\r${config.name}: ${seen.toLocaleString('en')} states, ${waiting.toLocaleString('en')} to go `,
      );
    },
  });
  process.stderr.write('\n');
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ ok, states, ledgers, seconds, transitions, capped, fault, trace })}\n`,
    );
  } else {
    process.stdout.write(
      `${config.name}: ${states.toLocaleString('en')} states, ${transitions.toLocaleString('en')} transitions, ${seconds.toFixed(1)} s: ${fault ?? (capped ? 'not all states were seen' : 'all properties hold')}\n`,
    );
    if (trace !== undefined) process.stdout.write(`  ${trace.join('\n  ')}\n`);
  }
  // A violation prints its shortest trace; it is a failure even where a rule was dropped on purpose.
  process.exitCode = ok ? 0 : 1;
}

/** Below `sim`, whose --json it shares. */
export function addExploreCommand(sim: Command): void {
  sim
    .command('explore')
    .description('walk all interleavings of payer, terminals and hub in a small configuration')
    .requiredOption('--config <name>', `one of ${names}`)
    .option('--drop <rule>', `break one rule on purpose: ${Object.keys(DROPS).join(', ')}`)
    .option('--full', 'let hub and L2 take part in every interleaving, also where no device can tell', false)
    .option('--max-states <n>', 'stop after so many states')
    .action((_flags: unknown, command: Command) => {
      try {
        run(command.optsWithGlobals<Flags>());
      } catch (error) {
        fail(error);
      }
    });
}
