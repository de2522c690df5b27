/**
 * An operator's folder: `hub.json` (no secrets), `addresses.json` of the deployment, `keys/` (each readable by this user
 * alone), `data/` (ledger, registry, desk, tokens). Every command of an operator finds the chain, the vault and the
 * running hub by it.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { privateKeyToAccount } from 'viem/accounts';
import { createDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { type HubConfig, parseConfig } from '../config.ts';
import { isKeystore, lockSecret, unlockSecret } from '../crypto/keystore.ts';
import { operatorTokenPath } from '../desk/tokens.ts';
import type { HubAddress } from './ask-hub.ts';
import { newPassphrase, passphraseFor } from './passphrase.ts';

/** The configuration of a folder. */
export const hubJson = (folder: string): string => join(folder, 'hub.json');
/** What `sundial deploy --out` wrote. */
export const addressesJson = (folder: string): string => join(folder, 'addresses.json');
/** A key of the folder by its name. */
export const keyFile = (folder: string, name: string): string => join(folder, 'keys', `${name}.key`);
/** Where a hub that runs says how it is reached. */
export const runningJson = (data: string): string => join(data, 'running.json');

const bad = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'process', remedy });

/** Secrets of locked files by their text: opening one takes a moment, and a command reads some twice. */
const opened = new Map<string, `0x${string}`>();

/** The secret in the text of a key file: as it is, or behind a passphrase. Throws what unlocking throws. */
export function secretIn(text: string, path: string): string {
  if (!isKeystore(text)) return text.trim();
  const known = opened.get(text);
  if (known !== undefined) return known;
  const secret = unlockSecret(text, passphraseFor(path), path);
  opened.set(text, secret);
  return secret;
}

/** What a key file holds: `secret`, or that behind a passphrase. Throws `passphrase_missing`, `passphrase_short`. */
export function keyText(secret: `0x${string}`, isLocked: boolean): string {
  if (!isLocked) return `${secret}\n`;
  const text = `${lockSecret(secret, newPassphrase())}\n`;
  opened.set(text, secret);
  return text;
}

/**
 * A secret of 32 bytes from a file that only this user can read, behind a passphrase or not. Throws `bad_key_file`,
 * `passphrase_missing`, `passphrase_wrong`.
 */
export function readKeyFile(path: string): `0x${string}` {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile())
    throw bad(
      'bad_key_file',
      `${path} is not there`,
      'Restore it, or make one: `sundial hub-key new --out FILE`.',
    );
  if ((found.mode & 0o077) !== 0)
    throw bad('bad_key_file', `${path} can be read by others`, `Run \`chmod 600 ${path}\` first.`);
  const text = secretIn(readFileSync(path, 'utf8'), path);
  if (!/^0x[0-9a-fA-F]{64}$/.test(text))
    throw bad('bad_key_file', `${path} holds no key`, 'Want 0x and 64 hex digits in it.');
  try {
    privateKeyToAccount(text as `0x${string}`);
  } catch {
    throw bad('bad_key_file', `${path} holds no key of the curve`, 'Restore it, or make another.');
  }
  return text.toLowerCase() as `0x${string}`;
}

/** Makes a key where none is, locked or not, and returns the one that is there. Throws what `readKeyFile` throws. */
export function ensureKey(path: string, isLocked = false): `0x${string}` {
  if (!existsSync(path)) createDurably(path, keyText(toHex(new Uint8Array(randomBytes(32))), isLocked));
  return readKeyFile(path);
}

type Json = { [name: string]: unknown };

/**
 * `{ "file": "keys/hub.key" }` is the secret in that file, `{ "env": "HUB_KEY" }` that of the environment, and
 * `{ "url", "tokenFile" }` a signer's, with the token in that file. Throws `bad_key_file`.
 */
export function secretOf(value: unknown, folder: string): unknown {
  if (Array.isArray(value)) return value.map((one) => secretOf(one, folder));
  if (typeof value !== 'object' || value === null) return value;
  const { file, env, tokenFile, ...others } = value as Json;
  if (typeof file === 'string') return readKeyFile(resolve(folder, file));
  if (typeof tokenFile === 'string') return { ...others, token: textIn(resolve(folder, tokenFile)) };
  if (typeof env !== 'string') return value;
  const secret = process.env[env];
  if (secret === undefined)
    throw bad('bad_key_file', `the environment has no ${env}`, `Set ${env} to 0x and 64 hex digits.`);
  return secret;
}

/** The first line of a file with a secret. */
function textIn(path: string): string {
  if (!existsSync(path))
    throw bad('bad_key_file', `${path} is not there`, 'Name the file that was written with the other half.');
  return readFileSync(path, 'utf8').split('\n')[0]!;
}

/** `{ "file": "mosquitto/hub.password" }` is the first line of that file. Throws `bad_key_file`. */
function passwordOf(value: unknown, folder: string): unknown {
  if (typeof value !== 'object' || value === null || typeof (value as Json).file !== 'string') return value;
  return textIn(resolve(folder, (value as { file: string }).file));
}

/** A hub's configuration with what its files hold; paths in it are seen from where it lies. Throws `config`. */
export function readHubConfig(path: string): HubConfig {
  const raw = readJson(path, 'config', {
    severity: 'process',
    remedy: 'Make a folder for a hub with `sundial init`, or name a configuration with --config.',
  });
  if (typeof raw !== 'object' || raw === null) return parseConfig(raw);
  const folder = dirname(resolve(path));
  const { keys, mqtt, folder: data } = raw as { keys?: Json; mqtt?: Json; folder?: unknown };
  return parseConfig({
    ...raw,
    ...(typeof data === 'string' && data !== '' && !isAbsolute(data) && { folder: resolve(folder, data) }),
    ...(typeof mqtt === 'object' &&
      mqtt !== null && { mqtt: { ...mqtt, password: passwordOf(mqtt.password, folder) } }),
    ...(typeof keys === 'object' && {
      keys: {
        ...keys,
        signing: secretOf(keys.signing, folder),
        settlement: secretOf(keys.settlement, folder),
        ...(keys.operator !== undefined && { operator: secretOf(keys.operator, folder) }),
      },
    }),
  });
}

/** How the hub that was started last is reached; it may be gone. */
export function readRunning(
  data: string,
): { readonly statusUrl: string; readonly mqttUrl: string } | undefined {
  const path = runningJson(data);
  if (!existsSync(path)) return undefined;
  const how = { severity: 'process', remedy: 'Start the hub: `sundial hub`.' } as const;
  return readJson(path, 'hub_away', how) as { statusUrl: string; mqttUrl: string };
}

/** A folder that `sundial init` made. */
export interface HubFolder {
  readonly path: string;
  readonly config: HubConfig;
  readonly hub: HubAddress;
}

/** Opens it. Throws `no_hub_folder`, `config`. */
export function openHubFolder(path: string): HubFolder {
  const folder = resolve(path);
  if (!existsSync(hubJson(folder)))
    throw bad(
      'no_hub_folder',
      `${folder} holds no hub.json`,
      'Go into the folder that `sundial init` made, or name it with --folder.',
    );
  const config = readHubConfig(hubJson(folder));
  const url = readRunning(config.folder)?.statusUrl;
  return { path: folder, config, hub: { url, tokenFile: operatorTokenPath(config.folder) } };
}
