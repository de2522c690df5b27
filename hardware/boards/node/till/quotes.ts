/**
 * Prices in another currency. A quote is somebody's signed word of what one unit of a currency comes to in TIME, from when,
 * until when, and by which source. Its hash stands in the request that the customer pays, so that a receipt proves by which
 * rate it was asked for. What is asked for, signed and settled is TIME alone: whoever takes a quote bears its error.
 *
 * A quote counts from `from` until `until`, by the till's own time, with a network or without: behind it nothing is sold in that
 * currency until a newer one is there, on a stick if need be.
 */
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import {
  type Address,
  type Bytes32,
  concatBytes,
  equalBytes,
  fromHex,
  uintBytes,
  utf8,
} from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { UINT48_MAX } from '../../../../protocol/integers.ts';
import type { Signing } from '../../../../protocol/signing/digests.ts';
import { type Priced, type Quote, quote as quoteSchema } from './schema.ts';

/** Quotes of one file, and bytes of it. */
const QUOTES_MAX = 16;
const FILE_BYTES_MAX = 64 * 1024;
/** The longest that a quote may count, seconds: a week with no network. */
export const QUOTE_LIFE_MAX = 7 * 86_400;
/** Decimals of a rate, at most. */
const RATE_DECIMALS = 12;
const UNIT_DECIMALS = 6;

const QUOTE_TYPE = 'Quote(string currency,uint8 digits,string rate,string source,uint40 from,uint40 until)';

/** What is signed. */
export type QuoteFields = Omit<Quote, 'signature'>;

const word = (value: number): Uint8Array => concatBytes(new Uint8Array(24), uintBytes(value, 8));

/** hashStruct of EIP-712: 32 bytes, what the request holds. */
export function quoteHash(
  { suite }: Signing,
  { currency, digits, rate, source, from, until }: QuoteFields,
): Bytes32 {
  const text = (value: string): Uint8Array => suite.keccak256(utf8(value));
  return suite.keccak256(
    concatBytes(
      text(QUOTE_TYPE),
      text(currency),
      word(digits),
      text(rate),
      text(source),
      word(from),
      word(until),
    ),
  );
}

/** What its source signs, in the domain of the vault: any wallet can. */
export const quoteDigest = (signing: Signing, fields: QuoteFields): Bytes32 =>
  signing.suite.keccak256(
    concatBytes(Uint8Array.of(0x19, 0x01), signing.separator, quoteHash(signing, fields)),
  );

/** Who signed a quote; undefined when nobody did. */
export const quoteSigner = (signing: Signing, { signature, ...fields }: Quote): Address | undefined =>
  signing.suite.recover(quoteDigest(signing, fields), fromHex(signature, 64));

/** Units of 10^-12 TIME that one whole unit of the currency comes to. */
function rateOf({ rate }: QuoteFields): bigint {
  const [whole = '0', fraction = ''] = rate.split('.');
  return BigInt(whole + fraction.padEnd(RATE_DECIMALS, '0'));
}

/**
 * Units of 10^-6 TIME that an amount of the currency's smallest unit comes to, rounded once: half a unit up, or down where
 * `rounding` says so. Throws `price_out_of_range` for nothing and for more than 48 bits.
 */
export function unitsOf(quote: QuoteFields, smallest: number, rounding: 'half' | 'down' = 'half'): number {
  const parts = BigInt(smallest) * rateOf(quote);
  const part = 10n ** BigInt(quote.digits + RATE_DECIMALS - UNIT_DECIMALS);
  const units = rounding === 'half' ? (2n * parts + part) / (2n * part) : parts / part;
  if (units > 0n && units <= BigInt(UINT48_MAX)) return Number(units);
  throw new SundialError(
    'price_out_of_range',
    `${priceText(quote, smallest)} comes to ${units} units of 10^-6 TIME`,
    {
      severity: 'call',
      remedy: 'Give another amount, or look whether the rate is right.',
    },
  );
}

/** What a price comes to: rounded once, on the sum; the tip is what is left above the amount. */
export function comesTo({ quote, amount, tip }: Priced): { readonly amount: number; readonly tip: number } {
  const total = unitsOf(quote, amount + tip);
  const own = tip === 0 ? total : Math.min(total, unitsOf(quote, amount));
  return { amount: own, tip: total - own };
}

/** Decimals of a currency as ISO 4217 has them; 2 for one that nobody knows. */
export const digitsOf = (currency: string): number =>
  new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;

/** `4.50 EUR`. */
export function priceText(
  { currency, digits }: Pick<Quote, 'currency' | 'digits'>,
  smallest: number,
): string {
  const text = String(smallest).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  return digits === 0 ? `${whole} ${currency}` : `${whole}.${text.slice(-digits)} ${currency}`;
}

const bad = (what: string, remedy = 'Make it with `sundial quote sign`.'): SundialError =>
  new SundialError('bad_quote', what, { severity: 'call', remedy });

/** Checks a quote but for its time. Throws `bad_quote`; `signer`: who must have signed it, anybody when absent. */
export function checkQuote(signing: Signing, quote: Quote, signer?: Uint8Array): void {
  const { currency, digits, from, until } = quote;
  if (digits !== digitsOf(currency))
    throw bad(`${currency} has ${digitsOf(currency)} decimals, not ${digits}`);
  if (until <= from || until - from > QUOTE_LIFE_MAX)
    throw bad(`the quote of ${currency} counts ${until - from} s, want 1 to ${QUOTE_LIFE_MAX}`);
  const found = quoteSigner(signing, quote);
  if (found === undefined) throw bad(`the quote of ${currency} is signed by nobody`);
  if (signer !== undefined && !equalBytes(found, signer))
    throw bad(
      `the quote of ${currency} is signed by somebody else, or for another vault`,
      'Take one of the source that --quote-signer names.',
    );
}

const fileSchema = z.array(quoteSchema).min(1).max(QUOTES_MAX);

/** Reads a file of quotes, and checks all but their times. Throws `bad_quote`, which names the field. */
export function readQuotes(path: string, signing: Signing, signer?: Uint8Array): readonly Quote[] {
  let value: unknown;
  try {
    if (statSync(path).size > FILE_BYTES_MAX) throw bad(`${path} is larger than ${FILE_BYTES_MAX} bytes`);
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SundialError) throw error;
    throw bad(`${path}: ${(error as Error).message}`);
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const { path: field, message } = parsed.error.issues[0]!;
    throw bad(`${path}: ${field.join('.') || 'the file'}: ${message}`);
  }
  for (const one of parsed.data) checkQuote(signing, one, signer);
  return parsed.data;
}

/** Quotes of a file, read anew when it was replaced: a newer one needs no new start of the till. */
export function quotesIn(path: string, signing: Signing, signer: Uint8Array): () => readonly Quote[] {
  let seen: string | undefined;
  let quotes: readonly Quote[] = [];
  return () => {
    const found = statSync(path, { throwIfNoEntry: false });
    const now = `${found?.ino} ${found?.mtimeMs} ${found?.size}`;
    if (now === seen) return quotes;
    quotes = readQuotes(path, signing, signer);
    seen = now;
    return quotes;
  };
}

/** Does it count at this time? */
export const stands = ({ from, until }: Quote, now: number): boolean => from <= now && now < until;

/** The newest quote of a currency that counts now. Throws `quote_missing`, and `quote_over` when none does any more. */
export function quoteFor(quotes: readonly Quote[], currency: string, now: number): Quote {
  const own = quotes.filter((one) => one.currency === currency);
  const best = own.filter((one) => stands(one, now)).sort((a, b) => b.from - a.from)[0];
  if (best !== undefined) return best;
  const remedy = 'Hand the till a newer file of quotes, or ask for TIME.';
  if (own.length === 0)
    throw new SundialError('quote_missing', `no quote says what ${currency} comes to`, {
      severity: 'call',
      remedy,
    });
  throw new SundialError('quote_over', `no quote of ${currency} counts now`, { severity: 'call', remedy });
}
