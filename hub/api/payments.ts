/**
 * Payments as people ask for them: one row a voucher, found by amount, day, till, merchant, channel or any id, with how
 * far each is on its way; and a merchant's statement, which adds up by construction and is compared with L2 by whoever
 * asks. Read from the durable books: what is listed as acknowledged is in the ledger. What a till has not handed in yet
 * is not here, and can not be.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { ChannelId, Seconds } from '../../protocol/integers.ts';
import type { Desk } from '../desk/desk.ts';
import {
  channelBook,
  channelsOf,
  entryMessage,
  findEntry,
  isNewer,
  knownFrom,
  newestFirst,
  topOf,
} from '../intake/books.ts';
import { layersEntries, layersGet } from '../intake/layers.ts';
import { positionOf } from '../intake/positions.ts';
import type { Books, Entry, Moment } from '../intake/state.ts';
import { bytesKey, keyBytes, keyNumber } from '../intake/trie.ts';
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
  /** Number of the payment in its channel. */
  readonly seq?: number | undefined;
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
    position: positionOf(state, entry.token),
  };
}
export type PaymentRow = ReturnType<typeof rowOf>;

/** Entries that are looked at in one go: some milliseconds. Then vouchers that arrive have their turn. */
const SLICE = 1_000;
/** Entries that one question looks at in all, the newest first: a second or two of turns. */
export const LOOKED_MAX = 100_000;

/** A search must not hold up acknowledgements: pauses after each slice. */
async function* patiently(entries: Iterable<Entry>): AsyncGenerator<Entry> {
  let seen = 0;
  for (const entry of entries) {
    yield entry;
    seen += 1;
    if (seen % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Entries among which those that fit a filter are, newest first, those before a moment when one is given. */
function candidates(parts: Parts, { id, channel, to }: PaymentFilter, before?: Moment): Iterable<Entry> {
  const books = parts.intake.durableBooks;
  const end = to === undefined ? undefined : { at: to as Seconds, token: -1 };
  const from = end !== undefined && (before === undefined || isNewer(before, end)) ? end : before;
  if (id === undefined && channel === undefined) return newestFirst(books, from);
  const found = id === undefined ? ofChannel(books, channel as ChannelId) : named(books, digitsOf(id));
  const some = first(found, LOOKED_MAX).filter((entry) => from === undefined || isNewer(from, entry));
  return some.sort((one, other) => (isNewer(one, other) ? -1 : 1));
}

const ofChannel = (books: Books, channel: ChannelId): Iterable<Entry> =>
  channelBook(books, channel).entries.before(Number.POSITIVE_INFINITY);

const digitsOf = (id: string): string => id.replace(/^0x/, '').toLowerCase();

/** Entries whose digests begin with these digits. */
function* named(books: Books, digits: string): Generator<Entry> {
  for (const [key, { channel }] of knownFrom(books, digits)) {
    const entry = channel === undefined ? undefined : findEntry(books, keyBytes(key));
    if (entry !== undefined) yield entry;
  }
}

function first<T>(items: Iterable<T>, count: number): T[] {
  const found: T[] = [];
  for (const item of items) if (found.push(item) >= count) break;
  return found;
}

/** One page of payments. */
export interface PaymentPage {
  readonly payments: PaymentRow[];
  /** Payments that fit, and their units: of all, or, when not `complete`, of the newest LOOKED_MAX that were looked at. */
  readonly total: number;
  readonly sum: number;
  readonly complete: boolean;
  /** Where the next page begins; undefined: this is the last one. */
  readonly next: string | undefined;
}

/** Payments that fit, newest first, from the one after `after` (an id) on. */
export async function findPayments(
  parts: Parts,
  desk: Desk,
  filter: PaymentFilter,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<PaymentPage> {
  const names = namesOf(desk);
  const fits = fitting(parts, desk, filter);
  const isOver = ({ at }: Entry): boolean => filter.from !== undefined && at < filter.from;
  const last = after === undefined ? undefined : entryOf(parts, after);
  const page: Entry[] = [];
  let [total, sum, seen] = [0, 0, 0];
  let looked: Entry | undefined;
  for await (const entry of patiently(candidates(parts, filter))) {
    if (isOver(entry) || seen >= LOOKED_MAX) break;
    seen += 1;
    looked = entry;
    if (!fits(entry)) continue;
    total += 1;
    sum += entry.voided ? 0 : paidBy(entry);
    if (page.length <= limit && (last === undefined || isNewer(last, entry))) page.push(entry);
  }
  const complete = seen < LOOKED_MAX;
  if (!complete && page.length <= limit) {
    // The page begins, or goes on, behind what was counted.
    const before = last !== undefined && isNewer(looked!, last) ? last : looked!;
    seen = 0;
    for await (const entry of patiently(candidates(parts, filter, before))) {
      if (isOver(entry) || page.length > limit || seen >= LOOKED_MAX) break;
      seen += 1;
      looked = entry;
      if (fits(entry)) page.push(entry);
    }
  }
  const isFull = page.length > limit;
  const shown = page.slice(0, limit);
  // What fits may lie far back: whoever asks goes on from what was looked at.
  const next = isFull ? shown.at(-1) : complete || seen < LOOKED_MAX ? undefined : looked;
  return {
    payments: shown.map((entry) => rowOf(parts, names, entry)),
    total,
    sum,
    complete,
    next: next && `0x${next.key}`,
  };
}

/** Whether an entry fits a filter. */
function fitting(parts: Parts, desk: Desk, filter: PaymentFilter): (entry: Entry) => boolean {
  const terminal =
    filter.terminal === undefined
      ? undefined
      : (desk.devices.find(({ name }) => name === filter.terminal)?.address ?? filter.terminal.toLowerCase());
  return (entry) => {
    if (filter.amount !== undefined && paidBy(entry) !== filter.amount) return false;
    if (filter.channel !== undefined && entry.channel !== filter.channel) return false;
    if (filter.seq !== undefined && entry.seq !== filter.seq) return false;
    if (filter.from !== undefined && entry.at < filter.from) return false;
    if (filter.to !== undefined && entry.at >= filter.to) return false;
    if (filter.payee !== undefined && toHex(entry.payee) !== filter.payee) return false;
    if (terminal !== undefined && toHex(entryMessage(entry).terminal) !== terminal) return false;
    return filter.state === undefined || stateOf(parts, entry).state === filter.state;
  };
}

/** The entry with this digest. */
function entryOf({ intake }: Parts, id: string): Entry | undefined {
  return /^0x[0-9a-f]{64}$/.test(id)
    ? findEntry(intake.durableBooks, fromHex(id as `0x${string}`, 32))
    : undefined;
}

/** Hours that the rate is shown for. */
const HOURS = 24;

/** Vouchers that are looked at for what is not settled: some 200 ms. A site that settles has far fewer. */
const UNSETTLED_MAX = 50_000;

/** What L2 has not settled yet. Of more than UNSETTLED_MAX vouchers the number and the oldest of those that were seen. */
function waitingMoney(parts: Parts) {
  const { intake, settle } = parts;
  const books = intake.durableBooks;
  let [sum, count, seen] = [0, 0, 0];
  let oldest: number | undefined;
  for (const key of settle.lanes.open(books)) {
    const book = channelBook(books, keyNumber(key) as ChannelId);
    if (settle.lanes.isWhole(keyNumber(key), book)) continue;
    const open = new Set<string>();
    for (const [payee, claim] of layersEntries(book.claims)) {
      const rise = topOf(claim) - settle.lanes.settled(claim.channel, payee);
      if (rise > 0) open.add(payee);
      if (rise > 0 && seen >= UNSETTLED_MAX) sum += rise;
    }
    // An older voucher of a lane than one that is settled is settled as well.
    for (const entry of book.entries.before(Number.POSITIVE_INFINITY)) {
      if (open.size === 0 || seen >= UNSETTLED_MAX) break;
      seen += 1;
      if (entry.voided || !open.has(bytesKey(entry.payee))) continue;
      if (stateOf(parts, entry).state === 'settled') {
        open.delete(bytesKey(entry.payee));
        continue;
      }
      sum += paidBy(entry);
      count += 1;
      if (oldest === undefined || entry.at < oldest) oldest = entry.at;
    }
  }
  return { sum, count, oldest };
}

/** Money on its way as the ledger and L2 have it, units; payments by hour of L2 time, oldest first. */
export function moneyNow(parts: Parts) {
  const { vouchers, takings } = parts.intake.durableBooks;
  const waiting = waitingMoney(parts);
  const now = parts.intake.state.block?.at ?? 0;
  const lastHour = Math.floor(now / 3600);
  const hours = Array.from({ length: HOURS }, (_, index) => {
    const at = (lastHour - HOURS + 1 + index) * 3600;
    return takings.hours.find((hour) => hour.at === at) ?? { at, payments: 0, amount: 0 };
  });
  const sums = { acknowledged: waiting.sum, settled: takings.paid - waiting.sum, void: takings.void };
  const counts = {
    acknowledged: waiting.count,
    settled: vouchers - takings.voids - waiting.count,
    void: takings.voids,
  };
  const { oldest: oldestUnsettled } = waiting;
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

/** Entries of the channels that have a lane of the payee. */
function* ofPayee({ intake }: Parts, payee: string): Generator<Entry> {
  for (const [, { entries, lanes }] of channelsOf(intake.durableBooks))
    if (layersGet(lanes, payee.slice(2)) !== undefined) yield* entries;
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
  for await (const entry of patiently(ofPayee(parts, payee))) add(entry);
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

/** Payments of one notification; more are told to ask for shorter periods. */
const NOTIFIED_MAX = 10_000;

/** All payments that fit, newest first. Throws `period_too_long` beyond NOTIFIED_MAX. */
export async function allPayments(parts: Parts, desk: Desk, filter: PaymentFilter): Promise<PaymentRow[]> {
  const { payments, next } = await findPayments(parts, desk, filter, { limit: NOTIFIED_MAX });
  if (next === undefined) return payments;
  throw new SundialError('period_too_long', `there are more than ${NOTIFIED_MAX} payments in this period`, {
    severity: 'call',
    remedy: 'Ask for a shorter period, for example a day.',
  });
}
