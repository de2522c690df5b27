/**
 * `sundial payee watch`: a payee's office that runs beside its tills and needs no hub. It keeps the newest payment of each
 * customer, looks at L2, and takes its money there by itself when somebody's announcement would take from the same channel, or
 * when nobody settled for too long. It never ends by itself: what is away is said once and tried again.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { privateKeyToAccount } from 'viem/accounts';
import { lockFolder } from '../../hardware/boards/node/storage/lock.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import { errorLine, fail } from '../../hardware/boards/node/cli/output.ts';
import { readDevice } from '../../hardware/boards/node/cli/device-folder.ts';
import { namedForMachine } from '../../hardware/boards/node/cli/machine-errors.ts';
import { type Claim, claimsFile, claimsOf } from '../../hardware/boards/node/till/claims.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { causeText } from '../errors.ts';
import { Vault } from '../l2/vault.ts';
import { readKeyFile } from './hub-folder.ts';
import { namedForL2 } from './l2-errors.ts';
import { OfficeBook } from './office/book.ts';
import { type OfficeRound, officeRound, type ReleasedWord, type RoundResult } from './office/round.ts';
import { type Office, ofPayee, officeOf, officeUplink, type PayeeFlags } from './payee-office.ts';

interface WatchFlags extends PayeeFlags {
  readonly office: string;
  readonly till: readonly string[];
  readonly claims?: string;
  readonly key?: string;
  readonly every: string;
  readonly after: string;
  readonly once: boolean;
}

/** How long the hub may take to have them, and between two questions whether it has. */
const TAKEN_MS = 20_000;
const ASK_MS = 250;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

function wholeNumber(text: string, flag: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new SundialError('usage', `${flag}: ${text}`, {
    severity: 'call',
    remedy: `Give a whole number from ${min} to ${max}.`,
  });
}

/** What the tills hold: of folders on this machine, and of files that `sundial claim --to` wrote on theirs. */
function readTills({ till, claims: folder, as, payee }: WatchFlags): ReturnType<OfficeRound['tills']> {
  const claims: Claim[] = [];
  const troubles: string[] = [];
  const attempt = (name: string, read: () => readonly Claim[]): void => {
    try {
      claims.push(...read());
    } catch (error) {
      troubles.push(`${name}: ${causeText(error)}`);
    }
  };
  const role = payee === undefined && as === 'operator' ? 'charger' : 'pos';
  for (const state of till) attempt(state, () => claimsOf(readDevice(resolve(state), role)).claims);
  if (folder !== undefined)
    attempt(folder, () => {
      for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.json')))
        attempt(join(folder, name), () => {
          const how = { severity: 'call', remedy: 'Write it again with `sundial claim --to`.' } as const;
          return claimsFile.parse(readJson(join(folder, name), 'bad_claims', how)).claims;
        });
      return [];
    });
  return { claims, troubles };
}

/** Sends what the payee signed, again with every connection, until the hub has it. */
async function sendWords(
  office: Office,
  words: readonly ReleasedWord[],
  isTaken: () => Promise<boolean>,
): Promise<void> {
  if (words.length === 0 || office.mqttUrl === undefined) return;
  const uplink = officeUplink(office, office.mqttUrl);
  try {
    uplink.receive(
      () => undefined,
      (connected) => {
        if (!connected) return;
        for (const word of words) uplink.send(encodeMessage({ type: 'released', ...word } as never));
      },
    );
    for (const end = Date.now() + TAKEN_MS; Date.now() < end; await pause(ASK_MS))
      if (await isTaken()) return;
  } finally {
    uplink.close();
  }
  throw new SundialError('released_not_taken', 'the hub did not take what was signed', {
    severity: 'call',
    remedy: 'It is signed again with the next round; see the log of the hub.',
  });
}

function wordsOf(result: RoundResult): string {
  const { settled, executed, announced, open, acknowledged, alarms, dueAt, released, executableAt } = result;
  const parts = [`${open} payments not settled (${acknowledged} acknowledged)`];
  if (alarms > 0) parts.push(`${alarms} announcements take from them, the first due ${dateOf(dueAt!)}`);
  if (settled + executed > 0) parts.push(`took ${formatMoney(settled + executed)} to the vault`);
  if (announced > 0) parts.push(`announced ${announced}`);
  if (executableAt !== undefined) parts.push(`own announcements due ${dateOf(executableAt)}`);
  if (released.length > 0) parts.push(`signed away ended leases of ${released.length} channels`);
  if (result.reasons.length > 0) parts.push(`not all: ${result.reasons.join(', ')}`);
  return parts.join('; ');
}

const dateOf = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 16)}Z`;

async function run(flags: WatchFlags): Promise<void> {
  const everyMs = 1000 * wholeNumber(flags.every, '--every', 1, 86_400);
  const afterSeconds = 3600 * wholeNumber(flags.after, '--after', 0, 8_760);
  const office = officeOf(flags);
  const payee = toHex(nobleKey(fromHex(office.secret)).address);
  const signing = makeSigning(nobleSuite, { chainId: office.chainId, vault: fromHex(office.vault) });
  const folder = resolve(flags.office);
  mkdirSync(folder, { recursive: true });
  const lock = await lockFolder(folder, 'office');
  const { chainId, vault: vaultAddress } = office;
  const book = new OfficeBook(folder, signing, { chainId, vault: vaultAddress.toLowerCase(), payee });
  const account = privateKeyToAccount(
    flags.key === undefined ? office.secret : readKeyFile(resolve(flags.key)),
  );
  const say = (line: object, words: string): void =>
    void process.stdout.write(flags.json ? `${JSON.stringify(line)}\n` : `${words}\n`);
  let isEnding = false;
  let wake = (): void => undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      isEnding = true;
      wake();
    });
  say(
    { event: 'watching', payee, office: folder, gas: account.address },
    `${payee} watches; gas is paid by ${account.address}`,
  );
  let vault: Vault | undefined;
  /** What was said last, so that a quiet night prints nothing. */
  let last = '';
  const round = async (): Promise<void> => {
    vault ??= await Vault.connect(office.rpcUrl, office.vault);
    // Where the hub is may change with each of its starts.
    const here = officeOf(flags);
    const result = await officeRound({
      office: here,
      payee,
      signing,
      vault,
      book,
      account,
      tills: () => readTills(flags),
      send: (words, isTaken) => sendWords(here, words, isTaken),
      afterSeconds,
      nowSeconds: () => Math.floor(Date.now() / 1000),
    });
    const words = [wordsOf(result), ...result.troubles].join('\n  ');
    if (words !== last || flags.once) say({ event: 'round', ...result }, words);
    last = words;
  };
  while (!isEnding) {
    try {
      await round();
    } catch (error) {
      const named = namedForL2(error);
      if (flags.once) throw named;
      vault = undefined;
      const { code, message, remedy } = namedForMachine(named);
      if (last !== message)
        process.stderr.write(
          flags.json ? errorLine(code, message, remedy) : `${code}: ${message}\n  ${remedy}\n`,
        );
      last = message;
    }
    if (flags.once || isEnding) break;
    await new Promise<void>((done) => {
      const timer = setTimeout(done, everyMs);
      wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
  await lock.release();
}

/** Adds `payee watch`. */
export function addPayeeWatchCommand(payee: Command): void {
  ofPayee(
    payee,
    'watch',
    "keeps its tills' newest payments, and takes its money to L2 by itself when it must",
  )
    .option('--office <folder>', 'where it keeps what it must not lose', 'office')
    .option('--till <folder...>', 'folders of its tills on this machine; their programs may run', [])
    .option('--claims <folder>', 'files that `sundial claim --to` writes on tills elsewhere')
    .option('--key <file>', "key of an account with gas money; the payee's own when absent")
    .option('--every <seconds>', 'between two looks at L2', '300')
    .option('--after <hours>', 'takes what nobody settled for so long', '48')
    .option('--once', 'looks once and ends', false)
    .action((_: WatchFlags, command: Command) =>
      run(command.optsWithGlobals() as WatchFlags).then(() => process.exit(0), fail),
    );
}
