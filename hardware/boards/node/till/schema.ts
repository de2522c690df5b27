/**
 * What a till tells: sales, credits, reports and events, each as one schema. The same objects stand in the till's file, go
 * out as events (over HTTP and as JSON lines) and are described in its OpenAPI. Amounts are units of 10^-6 TIME, times
 * seconds since 1970.
 */
import { z } from 'zod';
import { UINT32_MAX, UINT40_MAX, UINT48_MAX } from '../../../../protocol/integers.ts';

const units = z.int().min(0).max(UINT48_MAX);
const moment = z.int().min(0).max(UINT40_MAX);
const hex = (bytes: number) => z.string().regex(new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`));
/** Printable ASCII, so that it is the same on every receipt and printer. */
const word = (most: number) => z.string().regex(new RegExp(`^[ -~]{1,${most}}$`), 'want printable ASCII');

/** What an integrator calls the order: goes to the books, events and receipts, never to the customer's device. */
export const referenceText = word(64);
/** What makes an act happen once: any text that is used for one act only. */
export const keyText = word(64);
/** Names a question through logs and events. */
export const requestIdText = z.string().regex(/^[\w.:-]{1,64}$/, 'want letters, digits, and . : _ -');

/** A currency other than TIME, as ISO 4217 names it. */
export const currencyText = z.string().regex(/^[A-Z]{3}$/, 'want three capital letters, such as EUR');

/** A source's signed word of what one unit of a currency comes to in TIME (quotes.ts). */
export const quote = z.strictObject({
  currency: currencyText,
  /** Decimals of the currency: 2 where its smallest unit is a hundredth. */
  digits: z.int().min(0).max(4),
  /** TIME for one whole unit of the currency. */
  rate: z
    .string()
    .regex(/^(?=.*[1-9])\d{1,9}(\.\d{1,12})?$/, 'want a number such as 1.0875, with 12 decimals at most'),
  /** Where the rate is from, in words. */
  source: word(40),
  /** First second in which it counts. */
  from: moment,
  /** The second from which on it counts no more. */
  until: moment,
  signature: hex(64),
});
export type Quote = z.output<typeof quote>;

/** A price in another currency: amount and tip in its smallest unit, and the quote that says what they come to. */
export const priced = z.strictObject({ amount: units, tip: units, quote });
export type Priced = z.output<typeof priced>;

/** What is asked for a sale. */
export const saleAsk = z.strictObject({
  /** Without the tip; above 0. */
  amount: units.min(1),
  tip: units.default(0),
  /** Amount and tip are in the smallest unit of this currency, a cent for instance; a quote says what they come to. */
  currency: currencyText.optional(),
  reference: referenceText.optional(),
  /** The amount is the most: what is captured later may be less. */
  hold: z.boolean().default(false),
});
export type SaleAsk = z.output<typeof saleAsk>;

/** The part that is asked for instead, tip included. */
export const partAsk = z.strictObject({ total: units.min(1) });
/** What is asked for a refund; without an amount all that is left. With the currency of the sale: by the rate of the sale. */
export const refundAsk = z.strictObject({
  amount: units.min(1).optional(),
  currency: currencyText.optional(),
});
/** What a hold comes to. 0 gives all of it back. */
export const captureAsk = z.strictObject({ amount: units, currency: currencyText.optional() });

/** What ended a sale that was not approved. */
export const FAILURES = ['cancelled', 'expired', 'interrupted', 'refused'] as const;

/** The customer's payment, as both sides hold it. */
export const payment = z.strictObject({
  /** The voucher's digest: the payment's id everywhere. */
  voucher: hex(32),
  channel: z.int().min(0).max(UINT32_MAX),
  seq: z.int().min(0).max(UINT32_MAX),
  /** Of the voucher, for whoever checks the receipt: its totals, and its list of other lanes. */
  spent: units,
  paid: units,
  lanes: hex(16),
  /** When the request was made, by the till's time. */
  at: moment,
  /** The till's signature over the voucher: what the customer's device got. */
  receipt: hex(64),
  /** It was above the offline limits, and the hub said yes. */
  cleared: z.boolean(),
  /** The collected voucher (protocol/README.md) in base64url: with it anybody can carry the payment to L2. */
  proof: z.base64url(),
});
export type Payment = z.output<typeof payment>;

/** The hub's signed word that a payment is in its ledger: with it a payment settles at once, whoever carries it to L2. */
export const acknowledgement = z.strictObject({
  position: z.int().min(0).max(UINT48_MAX),
  at: moment,
  signature: hex(64),
});

const creditState = z.enum(['open', 'done', 'failed']);

/** Money that goes back: a refund, or what a capture leaves of a hold. */
export const credit = z.strictObject({
  /** Of this till: the sale's number, a dash, and a count. */
  id: z.string(),
  key: keyText,
  kind: z.enum(['refund', 'capture']),
  /** What goes back. */
  amount: units,
  state: creditState,
  code: z.string().optional(),
  at: moment,
  /** The business day that it counts for. */
  day: z.int(),
});
export type Credit = z.output<typeof credit>;

export const sale = z.strictObject({
  /** Its number at this till, as text. */
  id: z.string(),
  key: keyText,
  reference: referenceText.optional(),
  amount: units,
  tip: units,
  /** Where the price is in another currency: amount and tip are what it comes to. */
  price: priced.optional(),
  /** What the customer is asked for: amount and tip, or the part of them that was asked for in the end. */
  total: units,
  hold: z.boolean(),
  /** What a hold came to, once that is known. */
  captured: units.optional(),
  training: z.boolean(),
  state: z.enum(['open', 'approved', 'failed']),
  reason: z.enum(FAILURES).optional(),
  /** The named refusal (protocol/README.md), where one ended it. */
  code: z.string().optional(),
  requestId: requestIdText,
  openedAt: moment,
  endedAt: moment.optional(),
  /** The business day that it counts for. */
  day: z.int(),
  payment: payment.optional(),
  acknowledgement: acknowledgement.optional(),
  credits: z.array(credit),
  /** The random part of its request: by it the till finds the payment again after a crash. */
  challenge: hex(16),
  /** How often devices or the hub said no while it was open. */
  refusals: z.int(),
  /** What the last device that said no would pay instead: a part of it may be asked for. */
  most: units.optional(),
});
export type Sale = z.output<typeof sale>;

const sum = z.strictObject({ count: z.int(), sum: units });
const signed = z.int();

/** What a day came to: the X report while it is open, the Z report when it is closed. */
export const report = z.strictObject({
  day: z.int(),
  openedAt: moment,
  closedAt: moment.optional(),
  /** Approved sales with their tips, holds at their most. */
  sales: sum,
  tips: units,
  /** Of them cleared by the hub. */
  cleared: sum,
  /** Given back in this day, also on sales of earlier ones. */
  refunds: sum,
  /** What captures left of holds. */
  released: sum,
  /** Sales less refunds less what was released; below 0 when more was given back than sold. */
  net: signed,
  /** Of the sales those with a price in another currency: how many, what they come to there in all, and in TIME. */
  priced: z
    .record(currencyText, z.strictObject({ count: z.int(), digits: z.int(), sum: units, units }))
    .default({}),
  /** Holds whose amount is not known yet. */
  held: sum,
  failed: z.record(z.string(), z.int()),
  /** How often devices, the till and the hub said no, by name. */
  refusals: z.record(z.string(), z.int()),
  /** Played in training: not in any sum above. */
  training: sum,
  /** What the hub has not acknowledged at that moment. */
  waiting: sum,
});
export type Report = z.output<typeof report>;

const told = { id: z.int(), at: moment, requestId: requestIdText };
const about = { sale: z.string(), reference: referenceText.optional(), total: units };

/** What happens at a till, one after the other; `id` only grows. Of a sale exactly one of approved and failed is told. */
export const event = z.discriminatedUnion('type', [
  z.strictObject({
    ...told,
    type: z.literal('sale.opened'),
    ...about,
    key: keyText,
    amount: units,
    tip: units,
    price: priced.optional(),
    hold: z.boolean(),
    training: z.boolean(),
    challenge: hex(16),
  }),
  z.strictObject({
    ...told,
    type: z.literal('sale.refused'),
    ...about,
    code: z.string(),
    by: z.enum(['us', 'peer', 'hub']),
    most: units.optional(),
  }),
  /** Less is asked for, in place of what stood: `total`. */
  z.strictObject({ ...told, type: z.literal('sale.reduced'), ...about, challenge: hex(16) }),
  z.strictObject({ ...told, type: z.literal('sale.approved'), ...about, payment: payment.optional() }),
  z.strictObject({ ...told, type: z.literal('sale.acknowledged'), ...about, acknowledgement }),
  z.strictObject({
    ...told,
    type: z.literal('sale.failed'),
    ...about,
    reason: z.enum(FAILURES),
    code: z.string().optional(),
  }),
  z.strictObject({
    ...told,
    type: z.literal('credit.opened'),
    ...about,
    credit: z.string(),
    key: keyText,
    kind: z.enum(['refund', 'capture']),
    amount: units,
  }),
  z.strictObject({ ...told, type: z.literal('credit.done'), ...about, credit: z.string(), amount: units }),
  z.strictObject({
    ...told,
    type: z.literal('credit.failed'),
    ...about,
    credit: z.string(),
    amount: units,
    code: z.string(),
  }),
  z.strictObject({ ...told, type: z.literal('training'), on: z.boolean() }),
  z.strictObject({ ...told, type: z.literal('day.closed'), report }),
]);
export type TillEvent = z.output<typeof event>;
type Untold<E> = E extends TillEvent ? Omit<E, 'id' | 'at' | 'requestId'> : never;
/** An event before it is numbered and dated. */
export type TillFact = Untold<TillEvent>;

/** What a till remembers: the fold of its events. */
export const standing = z.strictObject({
  version: z.literal(1),
  /** Of the newest event. */
  lastId: z.int(),
  day: z.int().min(1),
  dayOpenedAt: moment,
  training: z.boolean(),
  /** Of the open day. */
  refusals: z.record(z.string(), z.int()),
  nextSale: z.int().min(1),
  sales: z.array(sale),
  reports: z.array(report),
});
export type Standing = z.output<typeof standing>;

/** What the till is doing, for its page and for whoever integrates it. */
export const status = z.strictObject({
  name: z.string(),
  address: hex(20),
  payee: hex(20),
  currency: z.string(),
  /** Where its vouchers are paid: chain and vault. */
  chainId: z.int(),
  vault: hex(20),
  /** First lines of every receipt: who sells, tax number, address. */
  head: z.array(z.string()),
  /** False when its journal can't be trusted: it signs nothing more. */
  works: z.boolean(),
  /** Is the hub at hand? */
  online: z.boolean(),
  /** Does it know what time it is? Without, it takes nothing with no network. */
  timeKnown: z.boolean(),
  training: z.boolean(),
  day: z.int(),
  /** What may still be taken with no network, over all customers. */
  offlineLeft: units,
  waiting: sum,
  /** Quotes that count now: currencies in which it can sell. */
  quotes: z.array(quote),
  /** Why its file of quotes can't be read. */
  quoteTrouble: z.string().optional(),
  open: sale.optional(),
  lastEvent: z.int(),
});
export type Status = z.output<typeof status>;
