/** `sundial hub`: collects vouchers, acknowledges them when they are durable, settles them in batches. */
import { dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import { type HubConfig, parseConfig } from '../config.ts';
import { startHub } from '../hub.ts';
import { SundialError } from '../../protocol/errors.ts';
import { createLogger, LOG_LEVELS, type LogLevel } from '../log.ts';
import { parseLink } from '../../hardware/boards/node/links/address.ts';
import { nearDevices, type RadioState } from './near.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { startDevChain } from './dev-chain.ts';
import { hubJson, readHubConfig, runningJson } from './hub-folder.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { addKeepCommands } from './hub-keep-command.ts';
import { addMosquittoCommand } from './mosquitto-command.ts';
import { addAnchorCommand, addSettlerCommand } from './registry-commands.ts';

interface Flags {
  readonly config?: string;
  readonly worker?: string;
  readonly ble?: string | true;
  readonly json: boolean;
  readonly log: LogLevel;
}

/** How soon it is said that a hub which had to wait is ready, milliseconds. */
const READY_POLL_MS = 100;

async function run(folder: string, flags: Flags): Promise<void> {
  const path = flags.config ?? hubJson(folder);
  const config = withBle(configOf(readHubConfig(path), flags.worker), flags.ble);
  const chain = await startDevChain(dirname(path));
  const sayRadio = (state: RadioState): void =>
    void process.stdout.write(
      flags.json
        ? `${JSON.stringify({ event: 'bluetooth', ...state })}\n`
        : `  Bluetooth: ${state.served ? 'devices nearby are served' : `${state.message}; it is looked for. ${state.remedy}`}\n`,
    );
  const hub = await startHub(config, {
    log: createLogger(flags.log),
    onFatal: fail,
    near: nearDevices(sayRadio),
  });
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

/** `--ble`, or `--ble hci1`: as `ble` of the configuration. */
function withBle(config: HubConfig, flag: string | true | undefined): HubConfig {
  if (flag === undefined) return config;
  const text = flag === true ? 'ble:' : flag.startsWith('ble:') ? flag : `ble:${flag}`;
  const address = parseLink(text);
  if (address.scheme !== 'ble' || address.address !== undefined)
    throw new SundialError('wrong_link', `--ble ${flag} names no adapter`, {
      severity: 'call',
      remedy: 'Give --ble alone for the first adapter, or --ble hci1.',
    });
  return parseConfig({
    ...config,
    ble: { ...(address.adapter !== undefined && { adapter: address.adapter }) },
  });
}

/** A worker has a folder of its own, for what the database need not hold: its index, its operator's token. */
function configOf(config: HubConfig, worker: string | undefined): HubConfig {
  if (worker === undefined) return config;
  if (!/^[a-z0-9-]{1,32}$/.test(worker))
    throw new SundialError('worker_name', '--worker wants a name of 1 to 32 of a-z, 0-9 and -', {
      severity: 'call',
      remedy: 'Give each worker on this machine a name of its own, such as --worker 2.',
    });
  if (config.database === undefined)
    throw new SundialError('worker_database', 'workers share a database, and the configuration names none', {
      severity: 'call',
      remedy: 'Put database.url and mqtt.url into the configuration, or start the hub without --worker.',
    });
  const folder = join(config.folder, 'workers', worker);
  return { ...config, folder, http: { ...config.http, port: 0 } };
}

/** Adds `sundial hub`. */
export function addHubCommand(program: Command): void {
  const hub = program
    .command('hub')
    .description('collects vouchers, acknowledges them when they are durable, settles them in batches')
    .argument('[folder]', 'folder that `sundial init` made', '.')
    .option('--config <file>', 'JSON configuration instead; an error names the field and the fix')
    .option('--worker <name>', 'one more worker of the hub, beside those that run: it needs a database')
    .option('--ble [adapter]', "serve devices over this machine's Bluetooth, too, as `ble` in hub.json")
    .option('--json', 'JSON lines on stdout: `waiting` with its reasons, and `ready`', false)
    .addOption(
      new Option('--log <level>', 'how much is logged, on stderr').choices(LOG_LEVELS).default('warn'),
    )
    .action((folder: string, flags: Flags) => run(folder, flags).catch(fail));
  addKeepCommands(hub);
  addMosquittoCommand(hub);
  addAnchorCommand(hub);
  addSettlerCommand(hub);
}
