/**
 * What the operator and anybody else carry to the registry on L2 by hand: the root of the hub's log (`hub anchor`), the words of
 * the hub's root about keys (`hub-key carry`), and the accounts whose batches settle at once (`hub settler`). Each is one
 * transaction of some 55,000 to 70,000 gas. A hub that has its operator's key carries the first two by itself.
 */
import type { Command } from 'commander';
import type { Address } from 'viem';
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { parseRootWord } from '../crypto/hub-keys.ts';
import { registryAbi } from '../l2/registry-abi.ts';
import { Vault } from '../l2/vault.ts';
import { askHub } from './ask-hub.ts';
import { addressOf } from './l2-address.ts';
import { keyFile, openHubFolder, readKeyFile } from './hub-folder.ts';
import { namedForL2, refusalOf } from './l2-errors.ts';

interface Flags {
  readonly folder: string;
  readonly key?: string;
  readonly every?: string;
  readonly json: boolean;
}

const proofPage = z.object({ size: z.int().min(1), root: z.templateLiteral(['0x', z.string().length(64)]) });
const statusPage = z.object({ ledger: z.object({ size: z.int().min(0) }) });
/** The longest between two anchors of `--every`, hours. */
const EVERY_MAX = 24 * 365;
/** Seconds that a certificate's date may be ahead of the chain: a few blocks, and two clocks that differ a little. */
const AHEAD_MAX = 30;

/** What is in the folder, with the account that pays: one of its keys, or the one that --key names. */
async function placeOf({ folder, key }: Flags, own: 'operator' | 'settlement') {
  const { path, config, hub } = openHubFolder(folder);
  const account = privateKeyToAccount(readKeyFile(key ?? keyFile(path, own)));
  const vault = await Vault.connect(config.chain.rpcUrl[0]!, config.chain.vault);
  return { hub, account, vault };
}

/** Fixes the root of the hub's log on L2, when it has grown since the last time. */
async function anchorOnce(flags: Flags): Promise<void> {
  const { hub, account, vault } = await placeOf(flags, 'operator');
  const read = { address: vault.registry, abi: registryAbi } as const;
  const { ledger } = statusPage.parse(await askHub(hub, '/status'));
  const known = await vault.client.readContract({ ...read, functionName: 'anchoredSize' });
  if (ledger.size <= known)
    return say(flags, { size: known, anchored: false }, `${known} records are anchored already`);
  const { size, root } = proofPage.parse(await askHub(hub, `/proof?position=${ledger.size - 1}`));
  const { transactionHash } = await vault.anchor(account, size, fromHex(root, 32));
  say(
    flags,
    { size, root, anchored: true, transaction: transactionHash },
    `${size} records are anchored: ${root}`,
  );
}

const say = ({ json }: Flags, line: object, words: string): void =>
  void process.stdout.write(json ? `${JSON.stringify(line)}\n` : `${words}\n`);

async function anchor(flags: Flags): Promise<void> {
  if (flags.every === undefined) return anchorOnce(flags);
  const hours = Number(flags.every);
  if (!Number.isInteger(hours) || hours < 1 || hours > EVERY_MAX)
    throw new SundialError('usage', `--every ${flags.every}`, {
      severity: 'call',
      remedy: `Give whole hours, 1 to ${EVERY_MAX}.`,
    });
  for (;;) {
    await anchorOnce(flags).catch((error: unknown) => {
      const named = namedForL2(error) as Error;
      process.stderr.write(`${named.message}\n`);
    });
    await new Promise((done) => setTimeout(done, hours * 3_600_000));
  }
}

type Certificate = Parameters<Vault['addHubKey']>[1];

/**
 * Adds a hub key. L2 takes no certificate that is dated ahead of its newest block, and one that was signed this second may be:
 * it is brought again until it is `AHEAD_MAX` old. Throws SundialError `certificate_ahead` for a later date.
 */
async function addInItsTime(vault: Vault, account: PrivateKeyAccount, certificate: Certificate) {
  for (;;)
    try {
      return await vault.addHubKey(account, certificate);
    } catch (error) {
      const age = Date.now() / 1000 - certificate.signedAt;
      if (refusalOf(error) !== 'WrongTerm' || age > AHEAD_MAX) throw error;
      if (age < -AHEAD_MAX)
        throw new SundialError('certificate_ahead', `it is dated ${Math.ceil(-age)} s ahead`, {
          severity: 'call',
          remedy: "Wait until then, or set the clock of the root's machine and certify again.",
          cause: error,
        });
      await new Promise((done) => setTimeout(done, 500));
    }
}

async function carry(text: string, flags: Flags): Promise<void> {
  const word = parseRootWord(text);
  const { account, vault } = await placeOf(flags, 'settlement');
  const key = toHex(word.key);
  const { transactionHash } =
    word.type === 'hubKey'
      ? await addInItsTime(vault, account, { ...word, key })
      : await vault.revokeHubKey(account, { ...word, key });
  const [from, until, countsFrom, , good] = await vault.client.readContract({
    address: vault.registry,
    abi: registryAbi,
    functionName: 'hubKey',
    args: [key],
  });
  const facts = { key, from, until, countsFrom, good, transaction: transactionHash };
  say(
    flags,
    facts,
    good
      ? `L2 knows ${key}; it counts from ${countsFrom} of the vault's clock`
      : `${key} counts no more on L2`,
  );
}

/** Settlers as the registry has them, in the order in which they were named. */
async function settlers(flags: Flags): Promise<void> {
  const { config } = openHubFolder(flags.folder);
  const vault = await Vault.connect(config.chain.rpcUrl[0]!, config.chain.vault);
  const named = new Set<Address>();
  for (const { eventName, args } of await vault.events(BigInt(config.chain.startBlock)))
    if (eventName === 'SettlerAdded') named.add(args.settler);
  const now = await vault.readClock();
  const found: { settler: Address; countsFrom: number; counts: boolean }[] = [];
  for (const settler of named) {
    const countsFrom = await vault.settlerFrom(settler);
    if (countsFrom !== 0) found.push({ settler, countsFrom, counts: countsFrom <= now });
  }
  const words = found.map(({ settler, countsFrom, counts }) =>
    counts
      ? `${settler}  settles at once`
      : `${settler}  from ${countsFrom} of the vault's clock, now ${now}`,
  );
  say(flags, { settlers: found, clock: now }, words.join('\n') || 'nobody settles at once');
}

async function addSettler(text: string, flags: Flags): Promise<void> {
  const settler = addressOf(text, 'ADDRESS');
  const { account, vault } = await placeOf(flags, 'operator');
  const { transactionHash } = await vault.addSettler(account, settler);
  const countsFrom = await vault.settlerFrom(settler);
  const facts = { settler, countsFrom, transaction: transactionHash };
  say(flags, facts, `batches of ${settler} settle at once from ${countsFrom} of the vault's clock`);
}

/** At once by operator or guardian; with the proposer's key in two steps, the second after the timelock's notice. */
async function dropSettler(text: string, flags: Flags & { readonly timelock: boolean }): Promise<void> {
  const settler = addressOf(text, 'ADDRESS');
  const { account, vault } = await placeOf(flags, 'operator');
  if (flags.timelock) {
    const done = await vault.byTimelock(account, vault.dropSettlerCall(settler));
    if ('readyAt' in done) {
      const when = new Date(done.readyAt * 1000).toISOString();
      return say(
        flags,
        { settler, dropped: false, ...done },
        `the timelock does it from ${when} on: repeat this then`,
      );
    }
    return say(flags, { settler, dropped: true, ...done }, `${settler} settles at once no more`);
  }
  const { transactionHash: transaction } = await vault.dropSettler(account, settler);
  say(flags, { settler, dropped: true, transaction }, `${settler} settles at once no more`);
}

const inFolder = (under: Command, name: string, words: string): Command =>
  under
    .command(name)
    .description(words)
    .option('--folder <path>', 'folder that `sundial init` made', '.')
    .option('--json', 'one JSON object on stdout', false);

const run =
  (act: (flags: Flags) => Promise<void>) =>
  (...given: unknown[]): Promise<void> =>
    act((given.at(-1) as Command).optsWithGlobals<Flags>()).then(
      () => process.exit(0),
      (error: unknown) => fail(namedForL2(error)),
    );

/** Adds `hub anchor`. */
export function addAnchorCommand(hub: Command): void {
  inFolder(hub, 'anchor', "fixes the root of the hub's log on L2, so that nobody can tell another one later")
    .option('--key <file>', "the operator's key; keys/operator.key of the folder when absent")
    .option('--every <hours>', 'goes on, and does it so often: one transaction each time')
    .action(run(anchor));
}

/** Adds `hub settler`. */
export function addSettlerCommand(hub: Command): void {
  const settler = hub
    .command('settler')
    .description(
      'the accounts whose batches settle at once: dropping one is instant, a new one waits for days',
    );
  inFolder(settler, 'list', 'who they are, and from when on they count').action(run(settlers));
  inFolder(settler, 'add', 'names an account; it counts a day after the slow lane has passed')
    .argument('<address>', 'the account')
    .option('--key <file>', "the operator's key; keys/operator.key of the folder when absent")
    .action((text: string, _: unknown, command: Command) => run((flags) => addSettler(text, flags))(command));
  inFolder(settler, 'drop', 'ends the fast lane of an account at once')
    .argument('<address>', 'the account')
    .option(
      '--key <file>',
      "the operator's or the guardian's key; keys/operator.key of the folder when absent",
    )
    .option(
      '--timelock',
      "with the proposer's key: the timelock does it, after its notice, when the other two are lost",
      false,
    )
    .action((text: string, _: unknown, command: Command) =>
      run((flags) => dropSettler(text, flags as Flags & { timelock: boolean }))(command),
    );
}

/** Adds `hub-key carry`. */
export function addCarryCommand(hubKey: Command): void {
  inFolder(hubKey, 'carry', 'brings what certify or revoke printed to L2; anybody may')
    .argument('<word>', 'what was printed')
    .option('--key <file>', 'key of an account with gas money; keys/settlement.key of the folder when absent')
    .action((word: string, _: unknown, command: Command) => run((flags) => carry(word, flags))(command));
}
