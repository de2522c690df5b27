/**
 * Payments as people ask for them: one row a voucher, found by amount, day, till, merchant, channel or any id, with how
 * far each is on its way; and a merchant's statement, which adds up by construction and is compared with L2 by whoever
 * asks. Read from the durable books: what is listed as acknowledged is in the ledger. What a till has not handed in yet
 * is not here, and can not be.
 */
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { ChannelId } from '../../protocol/integers.ts';
import type { Desk } from '../desk/desk.ts';
import { channelBook, entryMessage, topOf } from '../intake/books.ts';
import { positionOf } from '../intake/positions.ts';
import type { Entry } from '../intake/state.ts';
import { trieEntries, trieGet } from '../intake/trie.ts';
import { amountText } from './amounts.ts';
import type { Parts } from './parts.ts';

/** What is looked for; all that is given must fit. */
export interface PaymentFilter {
  /** Units. */
  readonly amount?: number | undefined;
  /** Seconds of L2 time at which the request was made, from (inclusive) and to (exclusive). */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Name or address of a terminal. */
  readonly terminal?: string | undefined;
  /** Address of a payee. */
  readonly payee?: string | undefined;
  readonly channel?: number | undefined;
  /** Digest of a voucher, or its first digits. */
  readonly id?: string | undefined;
  readonly state?: PaymentState | undefined;
}

/** `acknowledged`: in the ledger. `settled`: on L2, at finality. `void`: never counted, given back. */
export type PaymentState = 'acknowledged' | 'settled' | 'void';

/** What was paid in all: a tap's amount, or a stream's ticks. Units. */
const paidBy = (entry: Entry): number => topOf(entry) - (entry.paid - entry.amount);

interface Names {
  readonly merchants: ReadonlyMap<string, string>;
  readonly devices: ReadonlyMap<string, string>;
}

const namesOf = (desk: Desk): Names => ({
  merchants: new Map(desk.merchants.map(({ address, name }) => [address, name])),
  devices: new Map(desk.devices.map(({ address, name }) => [address, name])),
});

/** How far it is, and the transaction that settled its lane as far as this or further. */
function stateOf({ registry }: Parts, entry: Entry): { state: PaymentState; transaction?: string } {
  if (entry.voided) return { state: 'void' };
  const lane = registry.state.heads[String(entry.channel)]?.settled[toHex(entry.payee)];
  if (lane === undefined || lane.paid < topOf(entry)) return { state: 'acknowledged' };
  return { state: 'settled', transaction: lane.transaction };
}

/** One row. */
function rowOf(parts: Parts, names: Names, entry: Entry) {
  const terminal = toHex(entryMessage(entry).terminal);
  const payee = toHex(entry.payee);
  const { state } = parts.intake;
  return {
    id: `0x${entry.key}`,
    at: entry.at,
    amount: paidBy(entry),
    kind: entry.kind,
    ...stateOf(parts, entry),
    credited: entry.credited,
    channel: entry.channel,
    seq: entry.seq,
    terminal,
    terminalName: names.devices.get(terminal),
    payee,
    merchant: names.merchants.get(payee),
    ticks: entry.stream?.k ?? 0,
    position: positionOf(state, trieGet(state.books.known, entry.key)!.token),
  };
}
export type PaymentRow = ReturnType<typeof rowOf>;

/** All entries, or those of one channel. The books are never changed in place: this goes on over the ones it began with. */
function* entriesOf({ intake }: Parts, channel?: number): Generator<Entry> {
  if (channel !== undefined) {
    yield* channelBook(intake.durableBooks, channel as ChannelId).entries;
    return;
  }
  for (const [, book] of trieEntries(intake.durableBooks.channels)) yield* book.entries;
}

/** Entries that are looked at in one go: some milliseconds. Then vouchers that arrive have their turn. */
const SLICE = 1_000;

/** The same, with pauses: a search through many payments must not hold up their acknowledgements. */
async function* patiently(parts: Parts, channel?: number): AsyncGenerator<Iterable<Entry>> {
  let slice: Entry[] = [];
  for (const entry of entriesOf(parts, channel)) {
    slice.push(entry);
    if (slice.length < SLICE) continue;
    yield slice;
    slice = [];
    await new Promise((resolve) => setImmediate(resolve));
  }
  yield slice;
}

/** Payments that fit, newest first, from the one after `after` (an id) on. */
export async function findPayments(
  parts: Parts,
  desk: Desk,
  filter: PaymentFilter,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<{ payments: PaymentRow[]; total: number; sum: number; next: string | undefined }> {
  const names = namesOf(desk);
  const wanted = filter.id?.replace(/^0x/, '').toLowerCase();
  const terminal =
    filter.terminal === undefined
      ? undefined
      : (desk.devices.find(({ name }) => name === filter.terminal)?.address ?? filter.terminal.toLowerCase());
  const fits = (entry: Entry): boolean => {
    if (filter.amount !== undefined && paidBy(entry) !== filter.amount) return false;
    if (filter.from !== undefined && entry.at < filter.from) return false;
    if (filter.to !== undefined && entry.at >= filter.to) return false;
    if (wanted !== undefined && !entry.key.startsWith(wanted)) return false;
    if (filter.payee !== undefined && toHex(entry.payee) !== filter.payee) return false;
    if (terminal !== undefined && toHex(entryMessage(entry).terminal) !== terminal) return false;
    if (filter.state !== undefined && stateOf(parts, entry).state !== filter.state) return false;
    return true;
  };
  const found: Entry[] = [];
  for await (const slice of patiently(parts, filter.channel))
    for (const entry of slice) if (fits(entry)) found.push(entry);
  found.sort((a, b) => b.at - a.at || (a.key < b.key ? -1 : 1));
  const start = after === undefined ? 0 : found.findIndex(({ key }) => `0x${key}` === after) + 1;
  const page = found.slice(start, start + limit);
  return {
    payments: page.map((entry) => rowOf(parts, names, entry)),
    total: found.length,
    sum: found.reduce((sum, entry) => sum + (entry.voided ? 0 : paidBy(entry)), 0),
    next: start + limit < found.length ? `0x${page.at(-1)!.key}` : undefined,
  };
}

/** Hours that the rate is shown for. */
const HOURS = 24;

/** Money on its way as the ledger and L2 have it, units; payments by hour of L2 time, oldest first. One look at each entry. */
export function moneyNow(parts: Parts) {
  const sums = { acknowledged: 0, settled: 0, void: 0 };
  const counts = { acknowledged: 0, settled: 0, void: 0 };
  let oldestUnsettled: number | undefined;
  const now = parts.intake.state.block?.at ?? 0;
  const lastHour = Math.floor(now / 3600);
  const hours = Array.from({ length: HOURS }, (_, index) => ({
    at: (lastHour - HOURS + 1 + index) * 3600,
    payments: 0,
    amount: 0,
  }));
  for (const entry of entriesOf(parts)) {
    const { state } = stateOf(parts, entry);
    const amount = paidBy(entry);
    sums[state] += amount;
    counts[state] += 1;
    if (state === 'acknowledged' && (oldestUnsettled === undefined || entry.at < oldestUnsettled))
      oldestUnsettled = entry.at;
    const hour = hours[Math.floor(entry.at / 3600) - lastHour + HOURS - 1];
    if (hour === undefined || state === 'void') continue;
    hour.payments += 1;
    hour.amount += amount;
  }
  let [deposits, bonds] = [0, 0];
  for (const head of Object.values(parts.registry.state.heads)) {
    deposits += head.deposit;
    bonds += head.bond;
  }
  return { sums, counts, oldestUnsettled, hours, deposits, bonds, at: now };
}

const time = (at: number): string =>
  `${new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** One payment's life, with a sentence for whoever answers the phone. Throws `payment_unknown`. */
export async function paymentLife(parts: Parts, desk: Desk, id: string) {
  const { payments } = await findPayments(parts, desk, { id }, { limit: 2 });
  const [payment] = payments;
  if (payment === undefined)
    throw new SundialError('payment_unknown', `no payment ${id} is in the ledger`, {
      severity: 'call',
      remedy: 'Look when its till was last in contact: what a till has not handed in yet is only there.',
    });
  if (payments.length > 1)
    throw new SundialError('payment_ambiguous', `several payments begin with ${id}`, {
      severity: 'call',
      remedy: 'Give more of its digits.',
    });
  const where = payment.terminalName ?? payment.terminal;
  const money = amountText(payment.amount);
  const steps = [
    { step: 'paid', at: payment.at, words: `${money} at ${where}, with no network needed` },
    { step: 'acknowledged', words: `in the hub's ledger at position ${payment.position}` },
    ...(payment.state === 'settled' ? [{ step: 'settled', words: `on L2 in ${payment.transaction}` }] : []),
    ...(payment.credited > 0
      ? [{ step: 'credited', words: `${amountText(payment.credited)} promised back by the merchant` }]
      : []),
  ];
  const sentence = {
    settled: `Paid ${time(payment.at)}; the merchant has the ${money} on L2.`,
    acknowledged: `Paid ${time(payment.at)}; it is safe in the hub's ledger and goes to L2 with a next settlement.`,
    void: `Asked ${time(payment.at)}, and never accepted by ${where}: ${amountText(payment.credited)} go back to the payer.`,
  }[payment.state];
  return { payment, steps, sentence };
}

/** Money of one merchant between two moments (L2 time of the taps), units. Opening and closing are what it had earned. */
export async function statementOf(parts: Parts, desk: Desk, payee: string, from: number, to: number) {
  let [opening, sales, refunds, count] = [0, 0, 0, 0];
  let all = 0;
  const add = (entry: Entry): void => {
    if (toHex(entry.payee) !== payee) return;
    const earned = entry.voided ? 0 : paidBy(entry);
    // A void's credit gives back what was never earned.
    const back = entry.voided ? 0 : (entry.payeeCredit?.credited ?? 0);
    all += earned - back;
    if (entry.at < from) opening += earned - back;
    else if (entry.at < to) {
      sales += earned;
      refunds += back;
      count += entry.voided ? 0 : 1;
    }
  };
  for await (const slice of patiently(parts)) for (const entry of slice) add(entry);
  let settled = 0;
  for (const head of Object.values(parts.registry.state.heads)) settled += head.settled[payee]?.paid ?? 0;
  return {
    payee,
    merchant: desk.merchants.find(({ address }) => address === payee)?.name,
    from,
    to,
    opening,
    sales,
    refunds,
    fees: 0,
    closing: opening + sales - refunds,
    payments: count,
    /** As of now, over all time. */
    earned: all,
    settled,
    inFlight: Math.max(0, all - settled),
  };
}
export type Statement = Awaited<ReturnType<typeof statementOf>>;

/** A statement as CSV: one line a field, amounts in the token's units of 10^-6 and written out. */
export function statementCsv(statement: Statement): string {
  const money = ['opening', 'sales', 'refunds', 'fees', 'closing', 'earned', 'settled', 'inFlight'];
  const lines = Object.entries(statement).map(([name, value]) => {
    const text = money.includes(name) ? amountText(value as number) : String(value ?? '');
    // A spreadsheet would take a name that begins so for a formula.
    const safe = /^[=+\-@\t]/.test(text) && !/^-?\d/.test(text) ? `'${text}` : text;
    return `${name},"${safe.replaceAll('"', '""')}"`;
  });
  return `field,value\r\n${lines.join('\r\n')}\r\n`;
}
