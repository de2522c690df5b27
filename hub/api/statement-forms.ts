/**
 * A merchant's statement in the forms that people and accounting programs take: CSV, a page to print, and the bank's
 * messages camt.053 (statement) and camt.054 (single payments).
 *
 * What those two can't say is mapped: a currency has three letters, so TIME is `XTS` (ISO 4217's code for testing, which no
 * program takes for money of a country); an account has at most 34 characters, so an address is written in base64url, and in
 * full beside it; an amount has five decimals and TIME six, so each is rounded, and what the sums lose by it is an entry of its
 * own.
 */
import { amountText } from './amounts.ts';
import type { PaymentRow, Statement } from './payments.ts';

const MONEY = ['opening', 'sales', 'refunds', 'fees', 'closing', 'earned', 'settled', 'inFlight'] as const;

/** One line a field, amounts written out. */
export function statementCsv(statement: Statement): string {
  const money: readonly string[] = MONEY;
  const lines = Object.entries(statement).map(([name, value]) => {
    const text = money.includes(name) ? amountText(value as number) : String(value ?? '');
    // A spreadsheet would take a name that begins so for a formula.
    const safe = /^[=+\-@\t]/.test(text) && !/^-?\d/.test(text) ? `'${text}` : text;
    return `${name},"${safe.replaceAll('"', '""')}"`;
  });
  return `field,value\r\n${lines.join('\r\n')}\r\n`;
}

/** Text as it stands in a page. */
export const escaped = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[letter]!,
  );

/** Seconds as a date and time in UTC; a statement without an end says so in `open`. */
export const dateTime = (at: number): string => new Date(at * 1000).toISOString().slice(0, 19);
const OPEN_END = 2 ** 39;
/** The period in words. */
export const periodOf = ({ from, to }: Statement): string =>
  `${from === 0 ? 'the beginning' : dateTime(from).replace('T', ' ')} to ${to >= OPEN_END ? 'now' : dateTime(to).replace('T', ' ')} (UTC)`;

/** What stands in a statement of a period, and what is taken off. */
export const ROWS: readonly (readonly [words: string, field: (typeof MONEY)[number], sign: number])[] = [
  ['Opening balance', 'opening', 1],
  ['Sales', 'sales', 1],
  ['Refunds', 'refunds', -1],
  ['Fees', 'fees', -1],
  ['Closing balance', 'closing', 1],
];
/** What stands in it as of now. */
export const NOW_ROWS: readonly (readonly [words: string, field: (typeof MONEY)[number]])[] = [
  ['Earned in all', 'earned'],
  ['Settled on L2', 'settled'],
  ['On its way to L2', 'inFlight'],
];

/** A page that stands by itself, for a screen, a phone and paper; no scripts, nothing from elsewhere. `at`: seconds. */
export function statementHtml(statement: Statement, at: number): string {
  const row = (words: string, text: string, kind = ''): string =>
    `<tr${kind && ` class="${kind}"`}><th scope="row">${words}</th><td>${text}</td></tr>`;
  const money = ROWS.map(([words, field, sign]) =>
    row(words, amountText(sign * statement[field]), field === 'closing' ? 'sum' : ''),
  );
  const now = NOW_ROWS.map(([words, field]) => row(words, amountText(statement[field])));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Statement ${escaped(statement.merchant ?? statement.payee)}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 38rem; margin: 2rem auto; padding: 0 1rem; color: #111; background: #fff; }
  h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
  p { margin: .25rem 0; color: #444; overflow-wrap: anywhere; }
  table { width: 100%; border-collapse: collapse; margin: 1.5rem 0; }
  caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
  th { text-align: left; font-weight: 400; padding: .35rem 0; }
  td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  tr { border-top: 1px solid #ddd; }
  .sum th, .sum td { font-weight: 600; border-top: 2px solid #111; }
  @media print { body { margin: 0; } }
</style>
<h1>Statement</h1>
<p>${escaped(statement.merchant ?? 'Merchant')}</p>
<p><code>${escaped(statement.payee)}</code></p>
<p>${escaped(periodOf(statement))}, ${statement.payments} payments, amounts in TIME</p>
<table><caption>The period</caption>${money.join('')}</table>
<table><caption>As of ${dateTime(at).replace('T', ' ')} UTC</caption>${now.join('')}</table>
</html>
`;
}

// ---- camt ----

const CURRENCY = 'XTS';
/** Units of TIME are 10^-6, a bank's smallest are 10^-5. */
const hundredThousandths = (units: number): number => Math.round(units / 10);

function decimal(value: number): string {
  const digits = String(Math.abs(value)).padStart(6, '0');
  return `${digits.slice(0, -5)}.${digits.slice(-5).replace(/0{1,3}$/, '')}`;
}

/** An element, with text or with others in it. */
const el = (name: string, ...inner: readonly string[]): string => `<${name}>${inner.join('')}</${name}>`;
const text = (name: string, value: string | number, most = 500): string =>
  `<${name}>${escaped(String(value).slice(0, most))}</${name}>`;
const money = (value: number): string => `<Amt Ccy="${CURRENCY}">${decimal(value)}</Amt>`;
const side = (value: number): string => text('CdtDbtInd', value < 0 ? 'DBIT' : 'CRDT');

/** At most 34 characters of an address, the same for the same one. */
const accountId = (payee: string): string => Buffer.from(payee.slice(2), 'hex').toString('base64url');
const account = ({ payee, merchant }: Statement): string =>
  el(
    'Acct',
    el('Id', el('Othr', text('Id', accountId(payee)), el('SchmeNm', text('Prtry', 'base64url address')))),
    text('Ccy', CURRENCY),
    ...(merchant === undefined ? [] : [text('Nm', merchant, 70)]),
  );

/** Where a statement that reaches to now ends. */
const endOf = ({ to }: Statement, at: number): number => Math.min(to, at);

const head = (root: string, statement: Statement, at: number, inner: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:${root}">${inner.replace(
    '{head}',
    el('GrpHdr', text('MsgId', idOf(statement, at)), text('CreDtTm', dateTime(at))),
  )}</Document>\n`;

/** At most 35 characters: whose, and which period. */
const idOf = ({ payee, from }: Statement, to: number): string =>
  `${payee.slice(2, 14)}-${from.toString(36)}-${to.toString(36)}`;

const balance = (kind: 'OPBD' | 'CLBD', value: number, at: number): string =>
  el(
    'Bal',
    el('Tp', el('CdOrPrtry', text('Cd', kind))),
    money(value),
    side(value),
    el('Dt', text('DtTm', dateTime(at))),
  );

interface Booking {
  readonly reference: string;
  readonly value: number;
  readonly at: number;
  readonly code: string;
  readonly words: string;
  readonly details: string;
}

const entry = ({ reference, value, at, code, words, details }: Booking): string =>
  el(
    'Ntry',
    text('NtryRef', reference, 35),
    money(value),
    side(value),
    el('Sts', text('Cd', 'BOOK')),
    el('BookgDt', text('DtTm', dateTime(at))),
    el('BkTxCd', el('Prtry', text('Cd', code, 35))),
    details,
    text('AddtlNtryInf', words),
  );

/** A bank's statement of the period: sales and refunds as one batch each. `at`: seconds, when it is made. */
export function camt053(statement: Statement, at: number): string {
  const end = endOf(statement, at);
  const [opening, sales, refunds, closing] = (['opening', 'sales', 'refunds', 'closing'] as const).map(
    (field) => hundredThousandths(statement[field]),
  ) as [number, number, number, number];
  const lost = closing - (opening + sales - refunds);
  const batch = el('NtryDtls', el('Btch', text('NbOfTxs', statement.payments)));
  const bookings: Booking[] = [];
  const book = (reference: string, value: number, code: string, words: string, details = ''): void => {
    if (value !== 0) bookings.push({ reference, value, at: end, code, words, details });
  };
  book('sales', sales, 'SALES', `sales: ${amountText(statement.sales)} TIME exactly`, batch);
  book('refunds', -refunds, 'REFUNDS', `refunds: ${amountText(statement.refunds)} TIME exactly`);
  book('rounding', lost, 'ROUNDING', 'what the sums above lose by their rounding to five decimals');
  return head(
    'camt.053.001.08',
    statement,
    end,
    el(
      'BkToCstmrStmt',
      '{head}',
      el(
        'Stmt',
        text('Id', idOf(statement, end)),
        text('CreDtTm', dateTime(at)),
        el('FrToDt', text('FrDtTm', dateTime(statement.from)), text('ToDtTm', dateTime(end))),
        account(statement),
        balance('OPBD', opening, statement.from),
        balance('CLBD', closing, end),
        ...bookings.map(entry),
        text(
          'AddtlStmtInf',
          `TIME of payee ${statement.payee}; opening ${amountText(statement.opening)}, closing ${amountText(statement.closing)}, on its way to L2 ${amountText(statement.inFlight)}, exactly`,
        ),
      ),
    ),
  );
}

/** A bank's notification of single payments, oldest last as they are given. `at`: seconds, when it is made. */
export function camt054(statement: Statement, payments: readonly PaymentRow[], at: number): string {
  const end = endOf(statement, at);
  const bookings = payments
    .filter(({ state, amount }) => state !== 'void' && amount > 0)
    .map((payment): Booking => {
      const refs = el(
        'Refs',
        text('AcctSvcrRef', payment.id.slice(2), 35),
        text('TxId', `${payment.channel}/${payment.seq}`, 35),
      );
      return {
        reference: payment.id.slice(2),
        value: hundredThousandths(payment.amount),
        at: payment.at,
        code: payment.kind === 'stream' ? 'CHARGE' : 'SALE',
        words: `${amountText(payment.amount)} TIME exactly at ${payment.terminalName ?? payment.terminal}, ${payment.state}; voucher ${payment.id}`,
        details: el('NtryDtls', el('TxDtls', refs)),
      };
    });
  return head(
    'camt.054.001.08',
    statement,
    end,
    el(
      'BkToCstmrDbtCdtNtfctn',
      '{head}',
      el(
        'Ntfctn',
        text('Id', idOf(statement, end)),
        text('CreDtTm', dateTime(at)),
        el('FrToDt', text('FrDtTm', dateTime(statement.from)), text('ToDtTm', dateTime(end))),
        account(statement),
        ...bookings.map(entry),
        text('AddtlNtfctnInf', `payments of payee ${statement.payee} in TIME`),
      ),
    ),
  );
}
