/** `sundial hub mosquitto`: the configuration of a mosquitto that is a hub's broker, with a user for each device. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { createDurably, writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { SundialError } from '../../protocol/errors.ts';
import { firstUsers } from '../ingest/broker-users.ts';
import { dynamicSecurityPlugin, mosquittoConf } from '../ingest/mosquitto-files.ts';

interface Flags {
  readonly name: string;
  readonly to: string;
  readonly certificate: string;
  readonly key: string;
  readonly clientCa?: string;
  readonly listen: string;
  readonly hubListen: string;
  readonly plugin?: string;
  readonly json: boolean;
}

const wrong = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

/** `host:port`, or a port alone. Throws `wrong_port`. */
function addressOf(text: string, flag: string): { readonly host?: string; readonly port: number } {
  const [, host, port] = /^(?:(.+):)?(\d+)$/.exec(text) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw wrong('wrong_port', `${flag} ${text} is no port`, 'Give a number from 1 to 65535, or host:port.');
  return { port: Number(port), ...(host !== undefined && { host }) };
}

/** Writes the folder. Throws `mosquitto_plugin`, `file_missing`, `wrong_port`, `wrong_name`. */
export function writeMosquitto(flags: Omit<Flags, 'json'>): {
  readonly folder: string;
  readonly mqtt: object;
} {
  if (!/^[a-z0-9-]{1,32}$/.test(flags.name))
    throw wrong('wrong_name', `--name ${flags.name} is no name of a hub`, 'Give `name` of its hub.json.');
  const plugin = flags.plugin ?? dynamicSecurityPlugin();
  if (plugin === undefined || !existsSync(plugin))
    throw wrong(
      'mosquitto_plugin',
      'the dynamic security plugin of mosquitto is not there',
      'apt-get install mosquitto, or name the file with --plugin.',
    );
  const files = { certificate: flags.certificate, key: flags.key, clientCa: flags.clientCa };
  for (const [flag, file] of Object.entries(files))
    if (file !== undefined && !existsSync(file))
      throw wrong('file_missing', `${file} is not there`, `Name a PEM file (${flag}).`);
  const folder = resolve(flags.to);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const own = addressOf(flags.hubListen, '--hub-listen');
  const { host } = own;
  if (host === undefined)
    throw wrong('wrong_port', `--hub-listen ${flags.hubListen} names no host`, 'Give host:port.');
  const devices = {
    ...addressOf(flags.listen, '--listen'),
    certificate: resolve(flags.certificate),
    key: resolve(flags.key),
    clientCa: flags.clientCa === undefined ? undefined : resolve(flags.clientCa),
  };
  const username = `hub-${flags.name}`;
  const users = join(folder, 'dynamic-security.json');
  // The users that were made are in it: written once, and the broker's from then on.
  if (!existsSync(users)) {
    const password = randomBytes(24).toString('base64url');
    writeDurably(join(folder, 'hub.password'), `${password}\n`);
    createDurably(users, `${JSON.stringify(firstUsers(flags.name, username, password), undefined, 2)}\n`);
  }
  writeDurably(
    join(folder, 'mosquitto.conf'),
    mosquittoConf({ hub: flags.name, folder, plugin: resolve(plugin), devices, own: { ...own, host } }),
  );
  const scheme = /^(127\.|::1$|localhost$)/.test(host) ? 'mqtt' : 'mqtts';
  return {
    folder,
    mqtt: {
      url: `${scheme}://${host}:${own.port}`,
      username,
      password: { file: join(folder, 'hub.password') },
      publicUrl: `mqtts://BROKER:${devices.port}`,
      users: 'dynamic-security',
    },
  };
}

/** Adds the command to `sundial hub`. */
export function addMosquittoCommand(hub: Command): void {
  hub
    .command('mosquitto')
    .description(
      'writes what a mosquitto needs to be the broker of a hub: listeners, bounds, a user for each device',
    )
    .requiredOption('--name <name>', "the hub's, as in its hub.json")
    .requiredOption('--to <folder>', "the broker's own folder")
    .requiredOption('--certificate <file>', 'of the broker for devices, PEM')
    .requiredOption('--key <file>', 'of that certificate, PEM')
    .option(
      '--client-ca <file>',
      "devices show certificates of this CA in place of passwords; CN is the device's address",
    )
    .option('--listen <[host:]port>', 'where devices connect; without a host at all addresses', '8883')
    .option('--hub-listen <host:port>', 'where the hub and its workers connect', '127.0.0.1:1884')
    .option('--plugin <file>', 'mosquitto_dynamic_security.so, where it is not found')
    .option('--json', 'the result as JSON', false)
    .action((_: unknown, command: Command) => {
      try {
        const flags = command.optsWithGlobals<Flags>();
        const made = writeMosquitto(flags);
        process.stdout.write(
          flags.json
            ? `${JSON.stringify(made)}\n`
            : `${made.folder} is ready\n  chown -R mosquitto: ${made.folder} && mosquitto -c ${join(made.folder, 'mosquitto.conf')}\n  in hub.json, with the name that devices know the broker by:\n  "mqtt": ${JSON.stringify(made.mqtt)}\n`,
        );
      } catch (error) {
        fail(error);
      }
    });
}
