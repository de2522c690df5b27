/** `sundial hub`: collects vouchers, acknowledges them when they are durable, settles them in batches. */
import { type Command, Option } from 'commander';
import { parseConfig } from '../config.ts';
import { startHub } from '../hub.ts';
import { createLogger, LOG_LEVELS, type LogLevel } from '../log.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { SundialError } from '../../protocol/errors.ts';
import { addKeepCommands } from './hub-keep-command.ts';

interface Flags {
  readonly config?: string;
  readonly json: boolean;
  readonly log: LogLevel;
}

/** How soon it is said that a hub which had to wait is ready, milliseconds. */
const READY_POLL_MS = 100;

async function run(flags: Flags): Promise<void> {
  if (flags.config === undefined)
    throw new SundialError('config', 'no configuration is named', {
      severity: 'call',
      remedy: 'Name a JSON file with --config; `npm start` writes one to state/demo/hub.json.',
    });
  const config = parseConfig(
    readJson(flags.config, 'config', {
      severity: 'process',
      remedy: 'Name a JSON file with --config; `npm start` writes one to state/demo/hub.json.',
    }),
  );
  const hub = await startHub(config, { log: createLogger(flags.log), onFatal: fail });
  const facts = { address: hub.address, mqttUrl: hub.mqttUrl, statusUrl: hub.statusUrl };
  const say = (event: object, text: string) =>
    process.stdout.write(flags.json ? `${JSON.stringify({ ...event, ...facts })}\n` : text);
  const { ready, reasons } = hub.health();
  if (!flags.json)
    say({}, `hub ${hub.address}\n  devices: ${hub.mqttUrl}\n  status:  ${hub.statusUrl}/status\n`);
  if (!ready) say({ event: 'waiting', reasons }, `  waiting: ${reasons.join('; ')}\n`);
  const stop = (): void => void hub.stop().then(() => process.exit(0), fail);
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  while (!hub.health().ready) await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  say({ event: 'ready' }, '  ready\n');
}

/** Adds `sundial hub`. */
export function addHubCommand(program: Command): void {
  const hub = program
    .command('hub')
    .description('collects vouchers, acknowledges them when they are durable, settles them in batches')
    .option('--config <file>', 'JSON configuration; an error names the field and the fix')
    .option('--json', 'JSON lines on stdout: `waiting` with its reasons, and `ready`', false)
    .addOption(
      new Option('--log <level>', 'how much is logged, on stderr').choices(LOG_LEVELS).default('warn'),
    )
    .action((flags: Flags) => run(flags).catch(fail));
  addKeepCommands(hub);
}
