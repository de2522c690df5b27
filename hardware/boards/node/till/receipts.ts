/**
 * Receipts of sales: as text, as HTML, and as bytes for ESC/POS printers. A code on each holds what the till signed, so
 * that anybody can check it with no network and without asking the till (`sundial receipt`).
 */
import { renderSVG } from 'uqr';
import { z } from 'zod';
import { escaped } from '../html.ts';
import {
  type Address,
  concatBytes,
  equalBytes,
  fromHex,
  toHex,
  uintBytes,
} from '../../../../protocol/bytes.ts';
import { nobleSuite } from '../../../../protocol/crypto/noble.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { amount, channelId, seconds, seq } from '../../../../protocol/integers.ts';
import { makeSigning, type Signing } from '../../../../protocol/signing/digests.ts';
import { detailHash, requestHash, voucherDigest } from '../../../../protocol/vouchers.ts';
import { dateText } from '../cli/date.ts';
import { formatMoney } from '../cli/money.ts';
import { creditedOn } from './books.ts';
import { checkQuote, priceText, quoteHash, quoteSigner, stands, unitsOf } from './quotes.ts';
import { type Priced, type Quote, quote as quoteSchema, type Sale, type Status } from './schema.ts';

export const RECEIPT_FORMS = ['text', 'html', 'escpos', 'code'] as const;
export type ReceiptForm = (typeof RECEIPT_FORMS)[number];

/** Characters of a line: what an 80 mm printer holds, and a 58 mm one in its small font. */
const WIDTH = 42;

type Row = readonly [name: string, value: string];

const time = (at: number): string => `${dateText(at)} UTC`;

/** What stands on the receipt, name by name. */
function rowsOf(sale: Sale, { name, address, currency }: Status): Row[] {
  const money = (units: number): string => `${formatMoney(units)} ${currency}`;
  const { payment } = sale;
  const back = creditedOn(sale);
  const asked = sale.amount + sale.tip;
  return [
    ['Sale', sale.id],
    ['Time', time(payment?.at ?? sale.endedAt ?? sale.openedAt)],
    ['Till', name],
    ['Till id', address],
    ...(sale.reference === undefined ? [] : [['Order', sale.reference] as const]),
    ...(sale.tip > 0
      ? ([
          ['Amount', money(sale.amount)],
          ['Tip', money(sale.tip)],
        ] as const)
      : []),
    ...(sale.total < asked
      ? ([
          ['Asked', money(asked)],
          ['Not paid here', money(asked - sale.total)],
        ] as const)
      : []),
    [sale.hold && sale.captured === undefined ? 'HELD' : 'TOTAL', money(sale.total)],
    ...(sale.price === undefined ? [] : rowsOfPrice(sale.price, currency)),
    ...sale.credits
      .filter(({ state, amount }) => state === 'done' && amount > 0)
      .map(
        ({ kind, amount, at }): Row => [
          `${kind === 'refund' ? 'Refunded' : 'Released'} ${time(at).slice(0, 10)}`,
          `-${money(amount)}`,
        ],
      ),
    ...(back > 0 ? [['Left', money(sale.total - back)] as const] : []),
    ...(payment === undefined ? [] : [['Payment', payment.voucher] as const]),
    ...(payment?.cleared ? [['Cleared', 'by the hub'] as const] : []),
  ];
}

/** A price in another currency, and by which word of whom it came to what is paid. */
function rowsOfPrice({ amount: own, tip, quote }: Priced, currency: string): Row[] {
  return [
    ['Price', priceText(quote, own)],
    ...(tip === 0 ? [] : [['Price of the tip', priceText(quote, tip)] as const]),
    ['Rate', `1 ${quote.currency} = ${quote.rate} ${currency}`],
    ['Rate by', quote.source],
    ['Rate good until', time(quote.until)],
  ];
}

/** A title above the rows: what the paper is worth. */
function titleOf(sale: Sale, copy: 'customer' | 'merchant'): string {
  if (sale.training) return 'TRAINING - NO MONEY MOVED';
  if (sale.state === 'open') return 'NOT PAID YET';
  if (sale.state === 'failed') return `NOT PAID (${sale.code ?? sale.reason})`;
  return copy === 'customer' ? 'RECEIPT' : "MERCHANT'S COPY";
}

/** With a price in another currency a sixth part follows. */
const CODE_START = { plain: 'sundial-receipt:1.', priced: 'sundial-receipt:2.' } as const;

/**
 * The text of the code: chain, vault, and 167 bytes in base64url of what the voucher and its request hold, with the till's
 * signature; of a price in another currency also what it was, and its quote. Undefined where nothing was paid.
 */
export function codeOf({ payment, total, challenge, price }: Sale, status: Status): string | undefined {
  if (payment === undefined) return undefined;
  const bytes = concatBytes(
    fromHex(status.address, 20),
    fromHex(status.payee, 20),
    uintBytes(payment.channel, 4),
    uintBytes(payment.seq, 4),
    uintBytes(payment.spent, 6),
    uintBytes(payment.paid, 6),
    fromHex(payment.lanes, 16),
    uintBytes(total, 6),
    uintBytes(payment.at, 5),
    fromHex(challenge, 16),
    fromHex(payment.receipt, 64),
  );
  const body = Buffer.from(bytes).toString('base64url');
  const text = `${status.chainId}.${status.vault.slice(2)}.${status.currency}.${body}`;
  if (price === undefined) return `${CODE_START.plain}${text}`;
  const { currency, digits, rate, source, from, until, signature } = price.quote;
  const quoted = [price.amount + price.tip, currency, digits, rate, source, from, until, signature];
  return `${CODE_START.priced}${text}.${Buffer.from(JSON.stringify(quoted)).toString('base64url')}`;
}

const CODE_BYTES = 20 + 20 + 4 + 4 + 6 + 6 + 16 + 6 + 5 + 16 + 64;

/** What a code says, once its signature was found good. Amounts in units, times in seconds. */
export interface CheckedReceipt {
  readonly terminal: string;
  readonly payee: string;
  readonly amount: number;
  readonly at: number;
  readonly channel: number;
  readonly voucher: string;
  readonly chainId: number;
  readonly vault: string;
  /** Where it was asked for in another currency: the price, by which quote, and whose word that is. */
  readonly price?: {
    /** In the smallest unit of the currency, tip included. */
    readonly amount: number;
    readonly quote: Quote;
    /** Who signed the quote: whether to believe it is for the reader to say. */
    readonly signer: string;
    /** A part of the price was paid. */
    readonly part: boolean;
  };
}

/** The price on a code. Throws a SyntaxError or ZodError for what is none. */
function quotedIn(text: string): { readonly amount: number; readonly quote: Quote } {
  const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
  const [amount, currency, digits, rate, source, from, until, signature] = z
    .array(z.unknown())
    .length(8)
    .parse(value);
  return {
    amount: z.int().min(1).parse(amount),
    quote: quoteSchema.parse({ currency, digits, rate, source, from, until, signature }),
  };
}

/** Checks the text of a code. Throws `bad_receipt` when it is none, or the till that it names did not sign it. */
export function checkReceipt(text: string): CheckedReceipt {
  const bad = (why: string): SundialError =>
    new SundialError('bad_receipt', why, {
      severity: 'call',
      remedy: 'Read the code again, all of it; if it stays so, the receipt is not one of a Sundial till.',
    });
  const match =
    /^sundial-receipt:(?:1|(2))\.(\d{1,15})\.([0-9a-f]{40})\.([A-Z]{1,8})\.([\w-]+)(?:\.([\w-]{1,1024}))?$/.exec(
      text.trim(),
    );
  if (match === null || (match[1] === undefined) !== (match[6] === undefined))
    throw bad('this is no code of a receipt');
  const [, , chain, vault, currency, body, quotedText] = match;
  let quoted: ReturnType<typeof quotedIn> | undefined;
  try {
    quoted = quotedText === undefined ? undefined : quotedIn(quotedText);
  } catch {
    throw bad('its price in another currency can not be read');
  }
  const bytes = new Uint8Array(Buffer.from(body!, 'base64url'));
  if (bytes.length !== CODE_BYTES) throw bad(`it holds ${bytes.length} bytes, want ${CODE_BYTES}`);
  let place = 0;
  const take = (length: number): Uint8Array => {
    place += length;
    return bytes.slice(place - length, place);
  };
  const number = (length: number): number => take(length).reduce((sum, byte) => sum * 256 + byte, 0);
  const terminal = take(20) as Address;
  const payee = take(20) as Address;
  const voucherFields = {
    channel: channelId(number(4)),
    seq: seq(number(4)),
    spent: amount(number(6)),
    payee,
    paid: amount(number(6)),
    lanes: take(16),
  };
  const asked = { amount: amount(number(6)), at: seconds(number(5)) };
  const challenge = take(16);
  const receipt = take(64);
  const chainId = Number(chain);
  const signing = makeSigning(nobleSuite, { chainId, vault: fromHex(`0x${vault}`, 20) });
  const quote = quoted === undefined ? undefined : quoteHash(signing, quoted.quote);
  const detail = detailHash(nobleSuite, { currency: currency!, challenge, quote });
  const request = requestHash(signing, { terminal, detail, ...asked });
  const digest = voucherDigest(signing, { kind: 'voucher', ...voucherFields, request });
  const signer = signing.suite.recover(signing.digest('Receipt', { voucher: digest }), receipt);
  if (signer === undefined || !equalBytes(signer, terminal))
    throw bad('its till did not sign this: something on it was changed');
  return {
    ...(quoted !== undefined && { price: checkedPrice(signing, quoted, asked, bad) }),
    terminal: toHex(terminal),
    payee: toHex(payee),
    ...asked,
    channel: voucherFields.channel,
    voucher: toHex(digest),
    chainId,
    vault: `0x${vault}`,
  };
}

/** The till signed by which quote it asked: did it count then, and was it asked for what it comes to? */
function checkedPrice(
  signing: Signing,
  { amount: price, quote }: ReturnType<typeof quotedIn>,
  asked: { readonly amount: number; readonly at: number },
  bad: (why: string) => SundialError,
): NonNullable<CheckedReceipt['price']> {
  try {
    checkQuote(signing, quote);
  } catch (error) {
    throw bad((error as Error).message);
  }
  if (!stands(quote, asked.at)) throw bad('its quote did not count at the time of the sale');
  const units = unitsOf(quote, price);
  if (asked.amount > units)
    throw bad(
      `${priceText(quote, price)} comes to ${units} units by its quote, and ${asked.amount} were asked for`,
    );
  return { amount: price, quote, signer: toHex(quoteSigner(signing, quote)!), part: asked.amount < units };
}

/** Lines of at most WIDTH characters: name left, value right, or below where both don't fit. */
function linesOf(rows: readonly Row[]): string[] {
  return rows.flatMap(([name, value]) => {
    if (name.length + 1 + value.length <= WIDTH) return [`${name}${value.padStart(WIDTH - name.length)}`];
    const parts: string[] = [];
    for (let at = 0; at < value.length; at += WIDTH) parts.push(value.slice(at, at + WIDTH));
    return [name, ...parts];
  });
}

const centered = (text: string): string => `${' '.repeat(Math.max(0, (WIDTH - text.length) >> 1))}${text}`;
/** Printers know ASCII alike, and little else. */
const printable = (text: string): string => text.replace(/[^ -~\n]/g, '?');

const textOf = (sale: Sale, status: Status, copy: 'customer' | 'merchant'): string =>
  [
    ...status.head.map(centered),
    ...(status.head.length > 0 ? [''] : []),
    centered(titleOf(sale, copy)),
    '-'.repeat(WIDTH),
    ...linesOf(rowsOf(sale, status)),
    '-'.repeat(WIDTH),
    '',
  ].join('\n');

/** On paper and on a screen; a file of its own, for mails and archives. */
const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#fff;color:#111}main{max-width:24rem;margin:auto;padding:1rem}' +
  'h1{font-size:1.1rem;text-align:center}.head{text-align:center;margin:0}table{width:100%;border-collapse:collapse}' +
  'th{text-align:left;font-weight:400;padding-right:1rem;vertical-align:top}td{text-align:right;overflow-wrap:anywhere}' +
  'figure{margin:1rem auto;max-width:14rem}.code{font:10px/1.3 monospace;overflow-wrap:anywhere}';

function htmlOf(sale: Sale, status: Status, copy: 'customer' | 'merchant'): string {
  const code = codeOf(sale, status);
  const rows = rowsOf(sale, status)
    .map(([name, value]) => `<tr><th scope="row">${escaped(name)}</th><td>${escaped(value)}</td></tr>`)
    .join('\n');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(titleOf(sale, copy))} ${sale.id}</title>
<style>${STYLE}</style></head>
<body><main>
${status.head.map((line) => `<p class="head">${escaped(line)}</p>`).join('\n')}
<h1>${escaped(titleOf(sale, copy))}</h1>
<table><tbody>
${rows}
</tbody></table>
${code === undefined ? '' : `<figure role="img" aria-label="Code of this receipt">${renderSVG(code)}</figure>\n<p class="code">${code}</p>`}
</main></body></html>
`;
}

const ESC = 0x1b;
const GS = 0x1d;

/** A QR code as a printer draws it: model 2, four dots a module, error correction M, then stored and printed. */
function printedCode(text: string): Uint8Array {
  const data = new TextEncoder().encode(text);
  const command = (cn: number, fn: number, ...rest: number[]): number[] => {
    const length = 2 + rest.length;
    return [GS, 0x28, 0x6b, length & 0xff, length >> 8, cn, fn, ...rest];
  };
  return new Uint8Array([
    ...command(0x31, 0x41, 0x32, 0),
    ...command(0x31, 0x43, 4),
    ...command(0x31, 0x45, 0x31),
    ...command(0x31, 0x50, 0x30, ...data),
    ...command(0x31, 0x51, 0x30),
  ]);
}

/** Starts the printer anew, prints, and cuts. */
function escposOf(sale: Sale, status: Status, copy: 'customer' | 'merchant'): Uint8Array {
  const code = codeOf(sale, status);
  const text = new TextEncoder().encode(printable(textOf(sale, status, copy)));
  return concatBytes(
    new Uint8Array([ESC, 0x40]),
    text,
    ...(code === undefined ? [] : [new Uint8Array([ESC, 0x61, 1]), printedCode(code)]),
    new Uint8Array([0x0a, 0x0a, 0x0a, GS, 0x56, 0x42, 0]),
  );
}

/** A sale's receipt in one of its forms. */
export function receiptOf(
  sale: Sale,
  status: Status,
  form: ReceiptForm,
  copy: 'customer' | 'merchant',
): { readonly type: string; readonly content: string | Uint8Array } {
  switch (form) {
    case 'text':
      return { type: 'text/plain; charset=utf-8', content: textOf(sale, status, copy) };
    case 'html':
      return { type: 'text/html; charset=utf-8', content: htmlOf(sale, status, copy) };
    case 'escpos':
      return { type: 'application/octet-stream', content: escposOf(sale, status, copy) };
    case 'code': {
      const code = codeOf(sale, status);
      if (code !== undefined) return { type: 'text/plain; charset=utf-8', content: `${code}\n` };
      throw new SundialError('sale_not_approved', `sale ${sale.id} was not paid`, {
        severity: 'call',
        remedy: 'Only a payment has a code.',
      });
    }
  }
}
