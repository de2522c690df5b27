/**
 * `sundial quote`: signs what one unit of a currency comes to in TIME, for tills that take prices in it, and says what a file
 * of such quotes holds. Whose rates they are is for the operator, or for the merchant, to decide: a till is told whom to believe.
 */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { dateText } from '../../hardware/boards/node/cli/date.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import {
  checkQuote,
  digitsOf,
  QUOTE_LIFE_MAX,
  quoteDigest,
  quoteSigner,
  readQuotes,
  stands,
} from '../../hardware/boards/node/till/quotes.ts';
import { type Quote, quote as quoteSchema } from '../../hardware/boards/node/till/schema.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { readKeyFile } from './hub-folder.ts';
import { addressOf } from './l2-address.ts';

interface DomainFlags {
  readonly vault: string;
  readonly chainId: string;
  readonly json: boolean;
}

interface SignFlags extends DomainFlags {
  readonly key: string;
  readonly currency: string;
  readonly rate: string;
  readonly source: string;
  readonly hours: string;
  readonly into: string;
}

const wrong = (what: string, remedy: string): SundialError =>
  new SundialError('bad_quote', what, { severity: 'call', remedy });

function signingOf({ vault, chainId }: DomainFlags): Signing {
  const id = Number(chainId);
  if (!Number.isInteger(id) || id < 1 || id >= 2 ** 48)
    throw wrong(`--chain-id ${chainId}`, 'Give the number of the chain, as the address file has it.');
  const address = addressOf(vault, '--vault').toLowerCase() as `0x${string}`;
  return makeSigning(nobleSuite, { chainId: id, vault: fromHex(address, 20) });
}

const now = (): number => Math.floor(Date.now() / 1000);

/** Signs a quote into a file; it takes the place of the same currency's older ones. */
async function sign(flags: SignFlags): Promise<void> {
  const { currency, rate, source, into, json } = flags;
  const signing = signingOf(flags);
  const hours = Number(flags.hours);
  if (!Number.isFinite(hours) || hours <= 0 || hours * 3600 > QUOTE_LIFE_MAX)
    throw wrong(`--hours ${flags.hours}`, `Give more than 0 and at most ${QUOTE_LIFE_MAX / 3600}.`);
  const from = now();
  const until = from + Math.ceil(hours * 3600);
  const parsed = quoteSchema.omit({ signature: true }).safeParse({
    ...{ currency, rate, source, from, until },
    digits: /^[A-Z]{3}$/.test(currency) ? digitsOf(currency) : 0,
  });
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw wrong(`--${path.join('.')}: ${message}`, 'Correct it.');
  }
  const key = nobleKey(fromHex(readKeyFile(flags.key), 32));
  const signature = await key.sign(quoteDigest(signing, parsed.data));
  const quote: Quote = { ...parsed.data, signature: toHex(signature) };
  checkQuote(signing, quote, key.address);
  const others = existsSync(into) ? readQuotes(into, signing) : [];
  const quotes = [...others.filter((one) => one.currency !== currency), quote];
  writeDurably(into, `${JSON.stringify(quotes, null, 2)}\n`);
  const facts = { file: into, signer: toHex(key.address), ...quote };
  process.stdout.write(
    json
      ? `${JSON.stringify(facts)}\n`
      : `1 ${currency} = ${rate} TIME until ${dateText(until)} UTC, in ${into}; tills take it with --quotes ${into} --quote-signer ${facts.signer}\n`,
  );
}

/** Says what a file of quotes holds. */
function check(file: string, flags: DomainFlags): void {
  const signing = signingOf(flags);
  const quotes = readQuotes(file, signing).map((quote) => ({
    ...quote,
    signer: toHex(quoteSigner(signing, quote)!),
    counts: stands(quote, now()),
  }));
  if (flags.json) return void process.stdout.write(`${JSON.stringify({ quotes })}\n`);
  for (const { currency, rate, source, until, signer, counts } of quotes)
    process.stdout.write(
      `1 ${currency} = ${rate} TIME by ${source}, ${counts ? 'until' : 'not now; until'} ${dateText(until)} UTC, signed by ${signer}\n`,
    );
}

/** Adds `sundial quote`. */
export function addQuoteCommand(program: Command): void {
  const command = program
    .command('quote')
    .description('signed rates of other currencies, for tills that take prices in them');
  const inDomain = (one: Command): Command =>
    one
      .requiredOption('--vault <address>', 'the vault that the tills sell for')
      .requiredOption('--chain-id <number>', 'the chain of that vault')
      .option('--json', 'one JSON object', false);
  inDomain(
    command
      .command('sign')
      .description('signs what one unit of a currency comes to, into a file for `sundial pos --quotes`'),
  )
    .requiredOption('--key <file>', 'the secret of who vouches for the rate: `sundial hub-key new` makes one')
    .requiredOption('--currency <code>', 'three letters, such as EUR')
    .requiredOption('--rate <number>', 'TIME for one whole unit of the currency: 1.0875')
    .requiredOption('--source <text>', 'where the rate is from; it stands on receipts')
    .requiredOption('--into <file>', 'the file; quotes of other currencies in it stay')
    .option('--hours <n>', `how long it counts, ${QUOTE_LIFE_MAX / 3600} at most`, '24')
    .action((flags: SignFlags) => sign(flags).catch(fail));
  inDomain(
    command
      .command('check')
      .description('says what a file of quotes holds, and who signed it')
      .argument('<file>', 'the file'),
  ).action((file: string, flags: DomainFlags) => {
    try {
      check(file, flags);
    } catch (error) {
      fail(error);
    }
  });
}
