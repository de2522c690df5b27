/**
 * `sundial hub-key`: the root of a hub and the keys that it certifies. Run `new`, `certify` and `revoke` on the machine
 * that holds the root, which needs no network; carry what they print to the hub (`install`, or `keys.words` of its
 * configuration). Anybody may carry it: it proves itself.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { certifiable, certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { askHub } from './ask-hub.ts';
import { keyText, readKeyFile, secretIn } from './hub-folder.ts';
import { addCarryCommand } from './registry-commands.ts';
import { causeText } from '../errors.ts';
import { watchLagMax } from '../limits.ts';
import { parseRootWord } from '../crypto/hub-keys.ts';

const DAY = 86_400;

interface DomainFlags {
  readonly root: string;
  readonly key: string;
  readonly vault: string;
  readonly chainId: string;
  readonly json: boolean;
}

interface CertifyFlags extends DomainFlags {
  readonly in: string;
  readonly days: string;
  readonly epoch: string;
  readonly watchLag: string;
}

function wrong(what: string, remedy: string): SundialError {
  return new SundialError('hub_key_flag', what, { severity: 'process', remedy });
}

function bytesOf(text: string, length: number, flag: string): Uint8Array {
  if (!new RegExp(`^0x[0-9a-fA-F]{${2 * length}}$`).test(text))
    throw wrong(`${flag}: ${text}`, `Give ${flag} as 0x and ${2 * length} hex digits.`);
  return fromHex(text.toLowerCase(), length);
}

function numberOf(text: string, min: number, max: number, flag: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw wrong(`${flag}: ${text}`, `Give ${flag} as a whole number from ${min} to ${max}.`);
  return value;
}

/** The secret in a file that only its owner can read. */
function readSecret(path: string): Uint8Array {
  let text: string;
  let mode: number;
  try {
    mode = statSync(path).mode;
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw wrong(`${path}: ${causeText(cause)}`, 'Make one with `sundial hub-key new --out FILE`.');
  }
  if ((mode & 0o077) !== 0) throw wrong(`${path} can be read by others`, `Run \`chmod 600 ${path}\` first.`);
  return bytesOf(secretIn(text, path), 32, path);
}

interface NewFlags {
  readonly out: string;
  readonly lock: boolean;
  readonly json: boolean;
}

function makeKey({ out, lock, json }: NewFlags): void {
  const secret = new Uint8Array(randomBytes(32));
  const text = keyText(toHex(secret), lock);
  try {
    writeFileSync(out, text, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    throw wrong(
      `${out}: ${causeText(cause)}`,
      'Name a file that is not there yet: a key is never overwritten.',
    );
  }
  const address = toHex(nobleKey(secret).address);
  process.stdout.write(json ? `${JSON.stringify({ address, file: out })}\n` : `${address}\n`);
}

/** The same key, behind a passphrase or not; whichever stands there at any moment is whole. */
function setLock(file: string, isLocked: boolean, json: boolean): void {
  const secret = readKeyFile(file);
  writeDurably(file, keyText(secret, isLocked));
  const address = toHex(nobleKey(fromHex(secret, 32)).address);
  process.stdout.write(
    json
      ? `${JSON.stringify({ address, file, locked: isLocked })}\n`
      : `${address} is ${isLocked ? 'behind its passphrase' : 'open to whoever reads the file'}\n`,
  );
}

const domainOf = ({ vault, chainId }: DomainFlags): Signing =>
  makeSigning(nobleSuite, {
    chainId: numberOf(chainId, 1, 2 ** 48 - 1, '--chain-id'),
    vault: bytesOf(vault, 20, '--vault'),
  });

function print(word: Message, facts: Record<string, unknown>, json: boolean): void {
  const text = toHex(encodeMessage(word));
  process.stdout.write(json ? `${JSON.stringify({ ...facts, word: text })}\n` : `${text}\n`);
}

async function certify(flags: CertifyFlags): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  // The hub's time is that of its newest block, which may be so old: a key that begins now counts at once.
  const watchLag = numberOf(flags.watchLag, 1, watchLagMax, '--watch-lag');
  const from = seconds(now - watchLag + numberOf(flags.in, 0, 10, '--in') * DAY);
  const until = seconds(from + numberOf(flags.days, 1, 30, '--days') * DAY);
  const epoch = numberOf(flags.epoch, 0, 2 ** 32 - 1, '--epoch');
  const times = { from, until, epoch, signedAt: seconds(now) };
  if (!certifiable(times)) throw wrong('a certificate out of bounds', 'Certify for fewer days.');
  const root = nobleKey(readSecret(flags.root));
  const address = bytesOf(flags.key, 20, '--key');
  const word = await certifyHubKey(domainOf(flags), root, { address, ...times });
  print(word, { key: toHex(address), root: toHex(root.address), ...times }, flags.json);
}

async function revoke(flags: DomainFlags): Promise<void> {
  const root = nobleKey(readSecret(flags.root));
  const fields = { key: bytesOf(flags.key, 20, '--key'), at: seconds(Math.floor(Date.now() / 1000)) };
  const signature = await root.sign(domainOf(flags).digest('HubKeyRevoked', fields));
  const facts = { key: toHex(fields.key), root: toHex(root.address), at: fields.at };
  print({ type: 'hubKeyRevoked', ...fields, signature }, facts, flags.json);
}

async function install(
  word: string,
  { hub, json }: { readonly hub: string; readonly json: boolean },
): Promise<void> {
  parseRootWord(word);
  const body = await askHub({ url: hub }, '/v1/hub-keys', 'POST', { word });
  process.stdout.write(json ? `${JSON.stringify(body)}\n` : 'the hub took it\n');
}

/** Adds `sundial hub-key`. */
export function addHubKeyCommand(program: Command): void {
  const command = program
    .command('hub-key')
    .description("a hub's root, kept offline, and the keys that it certifies and revokes");
  command
    .command('new')
    .description('makes a key, for a root or for a hub; its address is printed')
    .requiredOption('--out <file>', 'where the secret goes, readable by you alone')
    .option('--json', 'one JSON line', false)
    .option('--lock', 'behind a passphrase (SUNDIAL_PASSPHRASE_FILE, or asked for)', false)
    .action((flags: NewFlags) => {
      try {
        makeKey(flags);
      } catch (error) {
        fail(error);
      }
    });
  const relock = (name: string, isLocked: boolean, description: string): Command =>
    command
      .command(name)
      .description(description)
      .argument('<file>', 'a key file, of any kind')
      .option('--json', 'one JSON line', false)
      .action((file: string, { json }: { json: boolean }) => {
        try {
          setLock(file, isLocked, json);
        } catch (error) {
          fail(error);
        }
      });
  relock('lock', true, 'puts a passphrase on a key file that is there');
  relock('unlock', false, 'takes the passphrase off again: the file is then all that it takes');
  const signed = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .requiredOption('--root <file>', 'the secret of the root')
      .requiredOption('--key <address>', 'address of the key that it is about')
      .requiredOption('--vault <address>', 'the vault that the hub settles in')
      .requiredOption('--chain-id <number>', 'the chain of that vault')
      .option('--json', 'one JSON line', false);
  signed('certify', 'lets a key sign for a hub, for 30 days at most')
    .option('--in <days>', 'days until it begins, 10 at most: overlap keys by a third', '0')
    .option('--days <days>', 'days that it is good for', '30')
    .option('--epoch <number>', 'raise it only after a theft or a defect that moved time', '0')
    .option(
      '--watch-lag <seconds>',
      "timing.watchLag of the hub's hub.json, when it is another than the default",
      String(DEFAULT_TIMING.watchLag),
    )
    .action((flags: CertifyFlags) => certify(flags).catch(fail));
  signed('revoke', 'takes a key back, for ever').action((flags: DomainFlags) => revoke(flags).catch(fail));
  command
    .command('install')
    .description('hands what certify or revoke printed to a running hub')
    .argument('<word>', 'what was printed')
    .requiredOption('--hub <url>', "the hub's status address")
    .option('--json', 'one JSON line', false)
    .action((word: string, flags: { hub: string; json: boolean }) => install(word, flags).catch(fail));
  addCarryCommand(command);
}
