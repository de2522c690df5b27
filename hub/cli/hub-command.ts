/** `sundial hub`: collects vouchers, acknowledges them when they are durable, settles them in batches. */
import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { startHub } from '../hub.ts';
import { createLogger, LOG_LEVELS, type LogLevel } from '../log.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { startDevChain } from './dev-chain.ts';
import { hubJson, readHubConfig, runningJson } from './hub-folder.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { addKeepCommands } from './hub-keep-command.ts';

interface Flags {
  readonly config?: string;
  readonly json: boolean;
  readonly log: LogLevel;
}

/** How soon it is said that a hub which had to wait is ready, milliseconds. */
const READY_POLL_MS = 100;

async function run(folder: string, flags: Flags): Promise<void> {
  const path = flags.config ?? hubJson(folder);
  const config = readHubConfig(path);
  const chain = await startDevChain(dirname(path));
  const hub = await startHub(config, { log: createLogger(flags.log), onFatal: fail });
  const facts = { address: hub.address, mqttUrl: hub.mqttUrl, statusUrl: hub.statusUrl };
  // By it the operator's other commands find this hub.
  writeDurably(runningJson(config.folder), `${JSON.stringify(facts)}\n`);
  const say = (event: object, text: string) =>
    process.stdout.write(flags.json ? `${JSON.stringify({ ...event, ...facts })}\n` : text);
  const { ready, reasons } = hub.health();
  if (!flags.json)
    say(
      {},
      `hub ${hub.address}\n  devices: ${hub.mqttUrl}\n  status:  ${hub.statusUrl}/status\n  console: ${hub.consoleLink()} (once, within ten minutes)\n`,
    );
  if (!ready) say({ event: 'waiting', reasons }, `  waiting: ${reasons.join('; ')}\n`);
  const stop = (): void =>
    void hub
      .stop()
      .then(() => chain?.stop())
      .then(() => process.exit(0), fail);
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
    .argument('[folder]', 'folder that `sundial init` made', '.')
    .option('--config <file>', 'JSON configuration instead; an error names the field and the fix')
    .option('--json', 'JSON lines on stdout: `waiting` with its reasons, and `ready`', false)
    .addOption(
      new Option('--log <level>', 'how much is logged, on stderr').choices(LOG_LEVELS).default('warn'),
    )
    .action((folder: string, flags: Flags) => run(folder, flags).catch(fail));
  addKeepCommands(hub);
}
