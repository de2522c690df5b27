/**
 * How a payee's settled money leaves the vault: `sundial withdraw` takes it out, or signs a withdrawal that somebody else
 * carries (`sundial carry`) for a fee; `sundial payout` fixes where it goes for ever, to an account or to a split, and what
 * whoever settles for the payee may keep.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Address } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { formatMoney, parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { createDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Share } from '../l2/mandates.ts';
import { Vault } from '../l2/vault.ts';
import { readAddresses } from './deploy-command.ts';
import { readKeyFile } from './hub-folder.ts';
import { addressOf } from './l2-address.ts';
import { namedForL2 } from './l2-errors.ts';
import { type Office, ofPayee, officeOf, type PayeeFlags } from './payee-office.ts';

interface WithdrawFlags extends PayeeFlags {
  readonly amount?: string;
  readonly to?: string;
  readonly fee: string;
  readonly sign?: string;
  readonly hours: string;
}

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

function print(json: boolean, facts: object, words: string): void {
  process.stdout.write(json ? `${JSON.stringify(facts)}\n` : `${words}\n`);
}

/** A payee in its vault. */
async function accountOf(office: Office) {
  const vault = await Vault.connect(office.rpcUrl, office.vault);
  const payee = privateKeyToAccount(office.secret);
  const own = fromHex(payee.address.toLowerCase(), 20);
  const id = await vault.payeeId(own);
  const balance = id === undefined ? 0 : await vault.readPayeeBalance(own);
  return { vault, payee, id, balance };
}

const notThere = (address: Address): SundialError =>
  refused(
    'payee_funds',
    `the vault knows no payee ${address}`,
    "Its first settlement gives it an id: wait for the hub's next batch.",
  );

/** Takes settled money out of the vault, or signs that. Throws `payee_funds` when there is less, or nothing. */
async function withdraw(flags: WithdrawFlags): Promise<void> {
  const { vault, payee, id, balance } = await accountOf(officeOf(flags));
  const hours = hoursOf(flags.hours);
  const units = flags.amount === undefined ? balance : parseMoney(flags.amount);
  if (id === undefined || units > balance || units === 0)
    throw refused(
      'payee_funds',
      `the vault holds ${formatMoney(balance)} TIME for ${payee.address.toLowerCase()}`,
      `Give an --amount of at most ${formatMoney(balance)}; what is not settled yet comes with the hub's next batch.`,
    );
  const fixed = await vault.mandates.payoutOf(id);
  const to = addressOf(flags.to ?? fixed ?? payee.address, '--to');
  if (flags.sign !== undefined) {
    const fee = parseMoney(flags.fee);
    if (fee > units) throw refused('bad_fee', 'the fee is more than the amount', 'Give a smaller --fee.');
    const { timestamp } = await vault.client.getBlock();
    const deadline = Number(timestamp) + 3600 * hours;
    const signed = await vault.mandates.signWithdrawal(payee, {
      payee: id,
      to,
      amount: units,
      fee,
      deadline,
    });
    const file = resolve(flags.sign);
    if (existsSync(file))
      throw refused('file_exists', `${file} is there already`, 'Name a new file after --sign.');
    const word = { vault: vault.address, chainId: vault.chainId, ...signed };
    createDurably(file, `${JSON.stringify(word, undefined, 2)}\n`);
    return print(
      flags.json,
      signed,
      `signed for ${formatMoney(units)} TIME; anybody carries it: sundial carry ${file}`,
    );
  }
  if (fixed !== undefined) {
    if (to !== fixed || units !== balance)
      throw refused('payout_fixed', `all of it goes to ${fixed}`, 'Leave out --to and --amount.');
    const { transactionHash } = await vault.mandates.payOut(payee, id);
    return printWithdrawn(flags, payee.address, to, units, 0, transactionHash);
  }
  const { transactionHash } = await vault.withdraw(payee, units, to);
  printWithdrawn(flags, payee.address, to, units, balance - units, transactionHash);
}

function printWithdrawn(
  { json }: WithdrawFlags,
  payee: Address,
  to: Address,
  withdrawn: number,
  left: number,
  transaction: string,
): void {
  const facts = { payee: payee.toLowerCase(), to, withdrawn, left, transaction };
  print(json, facts, `${formatMoney(withdrawn)} TIME to ${to}, ${formatMoney(left)} left`);
}

/** Whole hours between 1 and a year. */
function hoursOf(text: string): number {
  const hours = Number(text);
  if (Number.isInteger(hours) && hours >= 1 && hours <= 8_760) return hours;
  throw refused('bad_hours', `"${text}" is no number of hours`, 'Give --hours 1 to 8760.');
}

const signedSchema = z.object({
  vault: z.string().regex(/^0x[0-9a-fA-F]{40}$/) as unknown as z.ZodType<Address>,
  chainId: z.number(),
  payee: z.number().int(),
  to: z.string().regex(/^0x[0-9a-fA-F]{40}$/) as unknown as z.ZodType<Address>,
  amount: z.number().int(),
  fee: z.number().int(),
  nonce: z.number().int(),
  deadline: z.number().int(),
  signature: z.string().regex(/^0x[0-9a-fA-F]*$/) as unknown as z.ZodType<`0x${string}`>,
});

/** Carries what a payee signed; the fee is the carrier's. */
async function carry(file: string, flags: { rpc: string; keyFile: string; json: boolean }): Promise<void> {
  const remedy = 'Give the file that `sundial withdraw --sign` wrote.';
  const parsed = signedSchema.safeParse(
    readJson(resolve(file), 'bad_withdrawal', { severity: 'call', remedy }),
  );
  if (!parsed.success) throw refused('bad_withdrawal', `${file} is no signed withdrawal`, remedy);
  const { vault: at, chainId, ...signed } = parsed.data;
  const carrier = privateKeyToAccount(readKeyFile(resolve(flags.keyFile)));
  const vault = await Vault.connect(flags.rpc, at);
  if (vault.chainId !== chainId)
    throw refused(
      'other_chain',
      `it is for chain ${chainId}, and the node is of chain ${vault.chainId}`,
      'Give --rpc of that chain.',
    );
  const { transactionHash } = await vault.mandates.carry(carrier, signed);
  const facts = { ...signed, carrier: carrier.address, transaction: transactionHash };
  print(
    flags.json,
    facts,
    `${formatMoney(signed.amount - signed.fee)} TIME to ${signed.to}, ${formatMoney(signed.fee)} to the carrier`,
  );
}

interface PayoutFlags extends PayeeFlags {
  readonly to?: string;
  readonly split?: readonly string[];
  readonly addresses?: string;
}

/** `0x…=70` as a share of 70 %. */
function shareOf(text: string): Share {
  const match = /^(0x[0-9a-fA-F]{40})=(\d{1,3}(?:\.\d{1,2})?)$/.exec(text);
  if (match === null)
    throw refused('bad_share', `"${text}" is no share`, 'Write account=percent, for example 0x12…ef=70.');
  return { account: addressOf(match[1]!, '--split'), parts: Math.round(Number(match[2]) * 100) };
}

/** Fixes where a payee's money goes, or sends a split everybody's part. */
async function payout(flags: PayoutFlags): Promise<void> {
  const { vault, payee, id } = await accountOf(officeOf(flags));
  if (id === undefined) throw notThere(payee.address);
  const to = await splitOrAccount(vault, payee, flags);
  const { transactionHash } = await vault.mandates.fixPayout(payee, id, to);
  const facts = { payee: payee.address.toLowerCase(), to, transaction: transactionHash };
  print(flags.json, facts, `from now on all money of ${payee.address} goes to ${to}, for ever`);
}

async function splitOrAccount(
  vault: Vault,
  payee: ReturnType<typeof privateKeyToAccount>,
  flags: PayoutFlags,
): Promise<Address> {
  if (flags.to !== undefined) return addressOf(flags.to, '--to');
  const shares = (flags.split ?? []).map(shareOf);
  if (shares.reduce((sum, { parts }) => sum + parts, 0) !== 10_000)
    throw refused(
      'bad_share',
      'the shares are not 100 % together',
      'Give --to, or each --split account=percent.',
    );
  if (flags.addresses === undefined)
    throw refused(
      'missing_flag',
      '--addresses is missing',
      'Give the file that `sundial deploy --out` wrote.',
    );
  const { splits } = readAddresses(resolve(flags.addresses));
  return vault.mandates.makeSplit(payee, splits as Address, shares);
}

/** Fetches a payee's money into its split and sends everybody's part. Anybody may. */
async function release(flags: PayeeFlags): Promise<void> {
  const { vault, payee, id } = await accountOf(officeOf(flags));
  const split = id === undefined ? undefined : await vault.mandates.payoutOf(id);
  if (id === undefined || split === undefined)
    throw refused(
      'no_split',
      `the payout of ${payee.address} is not fixed`,
      'Fix it with `sundial payout fix`.',
    );
  const sent = await vault.mandates.releaseAll(payee, split, id);
  const words = sent.map((one) => `${formatMoney(one.amount)} TIME to ${one.account}`).join('\n');
  print(flags.json, { split, sent }, words || 'nothing was there');
}

interface FeeFlags extends PayeeFlags {
  readonly rate?: string;
}

/** Percent with at most two decimals as ten-thousandths, 1 to 100. */
function rateOf(text: string): number {
  const rate = /^\d(\.\d{1,2})?$/.test(text) ? Math.round(Number(text) * 100) : 0;
  if (rate >= 1 && rate <= 100) return rate;
  throw refused('bad_rate', `"${text}" is no rate`, 'Give --rate 0.01 to 1, in percent.');
}

/**
 * What of its settled money a payee leaves to whoever submits it: says it for ever, or shows what it said. The submitter must be a
 * payee as well, as the fee goes into its balance.
 */
async function fee(flags: FeeFlags): Promise<void> {
  const rate = flags.rate === undefined ? undefined : rateOf(flags.rate);
  const { vault, payee, id } = await accountOf(officeOf(flags));
  const { mandates } = vault;
  const transaction = rate && (await mandates.registerWithFee(payee, rate)).transactionHash;
  const agreed = rate ?? (id === undefined ? 0 : await mandates.feeRateOf(id));
  const facts = { payee: payee.address.toLowerCase(), rate: agreed, ...(transaction && { transaction }) };
  print(flags.json, facts, `whoever settles for ${payee.address} keeps ${agreed / 100} % of it`);
}

/** Adds `sundial withdraw`, `carry` and `payout`. */
export function addPayoutCommands(program: Command): void {
  const done =
    <F>(act: (flags: F) => Promise<void>) =>
    (flags: F): Promise<void> =>
      act(flags).then(
        () => process.exit(0),
        (error) => fail(namedForL2(error)),
      );
  ofPayee(program, 'withdraw', "takes a payee's settled money out of the vault")
    .option('--amount <amount>', 'how much; all of it when absent')
    .option('--to <address>', "an account on L2; the payee's own when absent")
    .option('--sign <file>', 'instead: sign it, for somebody else to carry, into a new file')
    .option('--fee <amount>', 'with --sign: what of the amount the carrier gets', '0')
    .option('--hours <n>', 'with --sign: how long it counts', '24')
    .action(done(withdraw));
  program
    .command('carry <file>')
    .description('carries a withdrawal that a payee signed, and takes its fee')
    .requiredOption('--rpc <url>', 'node of its chain')
    .requiredOption('--key-file <file>', 'key of the account that pays the gas')
    .option('--json', 'one JSON object on stdout', false)
    .action((file: string, flags: { rpc: string; keyFile: string; json: boolean }) =>
      done(() => carry(file, flags))(flags),
    );
  const payouts = program.command('payout').description("where a payee's money goes, for ever");
  ofPayee(
    payouts,
    'fix',
    'fixes it, to an account or to a split that is made for it; nobody can change it again',
  )
    .option('--to <address>', 'the only account that gets it')
    .option('--split <account=percent...>', 'instead: divide it, 100 % together')
    .option('--addresses <file>', 'with --split: what `sundial deploy --out` wrote')
    .action(done(payout));
  ofPayee(payouts, 'release', "fetches the money into its split and sends everybody's part").action(
    done(release),
  );
  ofPayee(payouts, 'fee', 'what of its settled money whoever submits it keeps: agreed to once, for ever')
    .option('--rate <percent>', 'agree to so much, 0.01 to 1; without it the rate of today is shown')
    .action(done(fee));
}
