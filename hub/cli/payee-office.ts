/** Which payee a command acts for, and where its hub and its vault are. */
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { STATE_ROOT } from '../../hardware/boards/node/cli/paths.ts';
import { privateKeyToAccount } from 'viem/accounts';
import { loginPassword } from '../../hardware/boards/node/login.ts';
import { mqttUplink } from '../../hardware/boards/node/mqtt.ts';
import type { Uplink } from '../../hardware/interfaces/index.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { hubPin } from '../../protocol/machines/hub-keys.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { Desk } from '../desk/desk.ts';
import { openHubFolder, readKeyFile, readRunning } from './hub-folder.ts';
import { readSite } from './site.ts';

/** Which payee a command is about. */
export interface PayeeFlags {
  readonly site: string;
  readonly as: 'merchant' | 'operator';
  readonly payee?: string;
  readonly folder: string;
  readonly json: boolean;
}

/** A payee that acts, and where its hub and its vault are. */
export interface Office {
  readonly secret: `0x${string}`;
  readonly chainId: number;
  readonly vault: `0x${string}`;
  readonly rpcUrl: string;
  readonly hubName: string;
  /** Address of the hub's root. */
  readonly root: `0x${string}`;
  readonly mqttUrl: string | undefined;
  readonly statusUrl: string | undefined;
  /** Addresses of all terminals that it ever certified, as this machine knows them, whatever the hub says. */
  readonly terminals: readonly string[];
}

/** Of the operator's folder when a payee is named, of the demonstration's site otherwise. */
export function officeOf(flags: PayeeFlags): Office {
  if (flags.payee === undefined) {
    const { keys, mqttUrl, statusUrl, devices, ...site } = readSite(flags.site);
    const secret = keys[flags.as];
    const own = privateKeyToAccount(secret).address.toLowerCase();
    const terminals = devices.filter(({ payee }) => payee === own).map(({ address }) => address);
    const root = toHex(nobleKey(fromHex(keys.hubRoot)).address);
    return { ...site, root, mqttUrl, statusUrl, secret, terminals };
  }
  const { config, hub } = openHubFolder(flags.folder);
  // Read here and not asked of the hub: it may be gone.
  const { merchants, devices } = new Desk(config.folder, () => 0);
  const found = merchants.find(({ name, address: own }) => name === flags.payee || own === flags.payee);
  if (found === undefined)
    throw new SundialError('merchant_unknown', `no merchant "${flags.payee}"`, {
      severity: 'call',
      remedy: 'See `sundial payee list`.',
    });
  return {
    secret: readKeyFile(join(config.folder, 'payees', `${found.address}.key`)),
    chainId: config.chain.chainId,
    vault: config.chain.vault,
    rpcUrl: config.chain.rpcUrl[0]!,
    hubName: config.name,
    root: config.keys.root,
    mqttUrl: readRunning(config.folder)?.mqttUrl,
    statusUrl: hub.url,
    terminals: devices.filter(({ payee }) => payee === found.address).map(({ address }) => address),
  };
}

/** Milliseconds between attempts to reach the broker. */
const RECONNECT_MS = 500;

/** The counter of this process's newest login. */
let lastLogin = 0;

/** The time in seconds, so nothing is to be kept between two commands, and always more than before. */
function nextLogin(): number {
  lastLogin = Math.max(lastLogin + 1, Math.floor(Date.now() / 1000));
  return lastLogin;
}

/** A payee's way to its hub's broker. It logs in with its key, where the broker asks for that. */
export function officeUplink(office: Office, url: string): Uplink {
  const key = nobleKey(fromHex(office.secret));
  const signing = makeSigning(nobleSuite, { chainId: office.chainId, vault: fromHex(office.vault) });
  const hub = hubPin(nobleSuite, office.hubName, fromHex(office.root, 20));
  return mqttUplink({
    url,
    hub: office.hubName,
    device: toHex(key.address),
    reconnectMs: RECONNECT_MS,
    login: () => loginPassword({ key, hub, signing }, nextLogin()),
  });
}

/** A command with the flags that name a payee. */
export const ofPayee = (under: Command, name: string, words: string): Command =>
  under
    .command(name)
    .description(words)
    .option('--payee <name>', 'a merchant of the hub in --folder')
    .option('--folder <path>', 'folder that `sundial init` made', '.')
    .option('--site <folder>', 'of a trial: folder that `npm start` made', join(STATE_ROOT, 'demo'))
    .addOption(
      new Option('--as <payee>', 'merchant (the till) or operator (the charger)')
        .choices(['merchant', 'operator'])
        .default('merchant'),
    )
    .option('--json', 'one JSON object on stdout', false);
