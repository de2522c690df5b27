/**
 * `sundial payee`: the payee's back office. It countersigns what its terminals promised as soon as nothing can
 * contradict it any more (rule 4); only then does the money move back to the channel on L2. `sundial withdraw` takes
 * what was settled out of the vault.
 */
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { isAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import { Vault } from '../l2/vault.ts';
import { mqttUplink } from '../../hardware/boards/node/mqtt.ts';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { amount, channelId, seconds, seq } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { type CountersignAnswer, countersign, syncedAt } from '../../protocol/machines/payee.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { creditEntry } from '../../protocol/vouchers.ts';
import { decodeMessage, encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { formatMoney, parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { STATE_ROOT } from '../../hardware/boards/node/cli/paths.ts';
import { openHubFolder, readKeyFile, readRunning } from './hub-folder.ts';
import { readSite } from './site.ts';
import { askHub } from './ask-hub.ts';
import { namedForL2 } from './l2-errors.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

interface Flags {
  readonly site: string;
  readonly as: 'merchant' | 'operator';
  readonly payee?: string;
  readonly folder: string;
  readonly json: boolean;
}

/** A payee that acts, and where its hub and its vault are. */
interface Office {
  readonly secret: `0x${string}`;
  readonly chainId: number;
  readonly vault: `0x${string}`;
  readonly rpcUrl: string;
  readonly hubName: string;
  readonly mqttUrl: string | undefined;
  readonly statusUrl: string | undefined;
}

/** Of the operator's folder when a payee is named, of the demonstration's site otherwise. */
async function officeOf(flags: Flags): Promise<Office> {
  if (flags.payee === undefined) {
    const { keys, mqttUrl, statusUrl, ...site } = readSite(flags.site);
    return { ...site, mqttUrl, statusUrl, secret: keys[flags.as] };
  }
  const { config, hub } = openHubFolder(flags.folder);
  const { payees } = (await askHub(hub, '/v1/payees')) as { payees: { name: string; address: string }[] };
  const found = payees.find(({ name, address: own }) => name === flags.payee || own === flags.payee);
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
    mqttUrl: readRunning(config.folder)?.mqttUrl,
    statusUrl: hub.url,
  };
}

const creditsSchema = z.object({
  now: z.number(),
  terminals: z.array(
    z.object({ terminal: z.string(), syncedAt: z.number(), signature: z.string().optional() }),
  ),
  credits: z.array(
    z.object({
      voucher: z.string(),
      channel: z.number(),
      seq: z.number(),
      requestAt: z.number(),
      promised: z.number(),
      countersigned: z.number(),
      proved: z.boolean(),
    }),
  ),
});

/** How long the hub may take to acknowledge a credit. */
const ACKNOWLEDGE_MS = 20_000;

/** Sends one message and waits until the hub acknowledges or refuses `entry`. */
function sendUntilAcknowledged(
  url: string,
  hub: string,
  device: string,
  message: Message,
  entry: Uint8Array,
) {
  return new Promise<void>((resolve, reject) => {
    const uplink = mqttUplink({ url, hub, device, reconnectMs: 500 });
    const done = (error?: SundialError): void => {
      clearTimeout(timer);
      uplink.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    const trouble = (what: string): SundialError =>
      new SundialError('credit_not_taken', what, {
        severity: 'call',
        remedy: 'Run it again when the hub is there; countersigning twice does no harm.',
      });
    const timer = setTimeout(() => done(trouble('the hub did not answer')), ACKNOWLEDGE_MS);
    uplink.receive(
      (bytes) => {
        const decoded = decodeMessage(bytes, 'sync');
        if (!decoded.ok || decoded.message === undefined) return;
        const answer = decoded.message;
        if (answer.type === 'acknowledgement' && equalBytes(answer.entry, entry)) done();
        if (answer.type === 'rejection' && equalBytes(answer.entry, entry))
          done(trouble(`the hub refused it with code ${answer.code}`));
      },
      (connected) => {
        if (connected) uplink.send(encodeMessage(message));
      },
    );
  });
}

async function run(flags: Flags): Promise<void> {
  const site = await officeOf(flags);
  const key = nobleKey(fromHex(site.secret));
  const payee = toHex(key.address);
  const signing = makeSigning(nobleSuite, { chainId: site.chainId, vault: fromHex(site.vault) });
  const answer = await askHub({ url: site.statusUrl }, `/credits?payee=${payee}`);
  const { now, terminals, credits } = creditsSchema.parse(answer);
  const terminalsSyncedAt = terminals.map(({ terminal, syncedAt: at, signature }) =>
    syncedAt(
      signing,
      fromHex(terminal, 20),
      seconds(at),
      signature === undefined ? undefined : fromHex(signature, 64),
    ),
  );
  const answers: { voucher: string; credited: number; answer: CountersignAnswer }[] = [];
  for (const credit of credits) {
    const promised = amount(credit.promised);
    const answer = countersign(
      {
        requestAt: seconds(credit.requestAt),
        promised,
        countersigned: amount(credit.countersigned),
        proved: credit.proved,
        terminalsSyncedAt,
      },
      seconds(now),
      DEFAULT_TIMING,
    );
    if (answer === 'sign') {
      const voucher = fromHex(credit.voucher, 32);
      const entry = creditEntry(signing, voucher, promised);
      const signature = await key.sign(entry);
      const message: Message = {
        type: 'collectedCredit',
        channel: channelId(credit.channel),
        seq: seq(credit.seq),
        voucher,
        credited: promised,
        signature,
        byPayee: 1,
      };
      await sendUntilAcknowledged(site.mqttUrl!, site.hubName, payee, message, entry);
    }
    answers.push({ voucher: credit.voucher, credited: credit.promised, answer });
    if (!flags.json)
      process.stdout.write(
        `${credit.voucher.slice(0, 14)}  ${formatMoney(credit.promised).padStart(10)}  ${answer}\n`,
      );
  }
  if (flags.json) process.stdout.write(`${JSON.stringify({ payee, credits: answers })}\n`);
  else if (answers.length === 0) process.stdout.write('no credit waits for a signature\n');
}

interface WithdrawFlags extends Flags {
  readonly amount?: string;
  readonly to?: string;
}

/** Takes settled money out of the vault. Throws `payee_funds` when there is less, or nothing. */
async function withdraw(flags: WithdrawFlags): Promise<void> {
  const site = await officeOf(flags);
  const vault = await Vault.connect(site.rpcUrl, site.vault);
  const account = privateKeyToAccount(site.secret);
  const payee = fromHex(account.address.toLowerCase(), 20);
  const balance = await vault.readPayeeBalance(payee);
  const units = flags.amount === undefined ? balance : parseMoney(flags.amount);
  if (units > balance || units === 0)
    throw new SundialError(
      'payee_funds',
      `the vault holds ${formatMoney(balance)} TIME for ${toHex(payee)}`,
      {
        severity: 'call',
        remedy: `Give an --amount of at most ${formatMoney(balance)}; what is not settled yet comes with the hub's next batch.`,
      },
    );
  const to = flags.to ?? account.address;
  if (!isAddress(to))
    throw new SundialError('address', `${to} is no address on L2`, {
      severity: 'call',
      remedy: 'Give --to 0x and 40 hex digits; a mixed-case one must have the right checksum.',
    });
  const { transactionHash } = await vault.withdraw(account, units, to);
  const facts = {
    payee: toHex(payee),
    to,
    withdrawn: units,
    left: balance - units,
    transaction: transactionHash,
  };
  if (flags.json) process.stdout.write(`${JSON.stringify(facts)}\n`);
  else process.stdout.write(`${formatMoney(units)} TIME to ${to}, ${formatMoney(balance - units)} left\n`);
}

const failL2 = (error: unknown): never => fail(namedForL2(error));

/** Adds `sundial payee` and `sundial withdraw`; returns the first. */
export function addPayeeCommands(program: Command): Command {
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--payee <name>', 'a merchant of the hub in --folder')
      .option('--folder <path>', 'folder that `sundial init` made', '.')
      .option('--site <folder>', 'of a trial: folder that `npm start` made', join(STATE_ROOT, 'demo'))
      .addOption(
        new Option('--as <payee>', 'merchant (the till) or operator (the charger)')
          .choices(['merchant', 'operator'])
          .default('merchant'),
      )
      .option('--json', 'one JSON object on stdout', false);
  const payee = command(
    'payee',
    "a payee's back office: countersigns the credits that its terminals promised",
  ).action((flags: Flags) => run(flags).then(() => process.exit(0), failL2));
  command('withdraw', "takes a payee's settled money out of the vault")
    .option('--amount <amount>', 'how much; all of it when absent')
    .option('--to <address>', "an account on L2; the payee's own when absent")
    .action((flags: WithdrawFlags) => withdraw(flags).then(() => process.exit(0), failL2));
  return payee;
}
