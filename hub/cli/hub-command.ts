/** `sundial hub`: collects vouchers, acknowledges them when they are durable, settles them in batches. */
import type { Command } from 'commander';
import { parseConfig } from '../config.ts';
import { startHub } from '../hub.ts';
import { createLogger, type LogLevel } from '../log.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

interface Flags {
  readonly config: string;
  readonly json: boolean;
  readonly log: string;
}

async function run(flags: Flags): Promise<void> {
  const config = parseConfig(
    readJson(flags.config, 'config', {
      severity: 'process',
      remedy: 'Name a JSON file with --config; `npm start` writes one to state/demo/hub.json.',
    }),
  );
  const hub = await startHub(config, { log: createLogger(flags.log as LogLevel), onFatal: fail });
  const facts = { event: 'ready', address: hub.address, mqttUrl: hub.mqttUrl, statusUrl: hub.statusUrl };
  if (flags.json) process.stdout.write(`${JSON.stringify(facts)}\n`);
  else
    process.stdout.write(
      `hub ${hub.address}\n  devices: ${hub.mqttUrl}\n  status:  ${hub.statusUrl}/status\n`,
    );
  const stop = (): void => void hub.stop().then(() => process.exit(0), fail);
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

/** Adds `sundial hub`. */
export function addHubCommand(program: Command): void {
  program
    .command('hub')
    .description('collects vouchers, acknowledges them when they are durable, settles them in batches')
    .requiredOption('--config <file>', 'JSON configuration; an error names the field and the fix')
    .option('--json', 'one JSON line on stdout when it is ready', false)
    .option('--log <level>', 'trace, debug, info, warn or error; the log goes to stderr', 'warn')
    .action((flags: Flags) => run(flags).catch(fail));
}
