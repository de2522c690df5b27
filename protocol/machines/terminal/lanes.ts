/**
 * What a terminal remembers: a lane a channel, the outbox, what of it is kept, and what the hub told it. Start with
 * TerminalBooks. What changes them is in books.ts.
 */
import type { Address, Bytes32, Signature } from '../../bytes.ts';
import {
  type Amount,
  amount,
  type ChannelId,
  type Position,
  type Seconds,
  type Seq,
  ZERO_AMOUNT,
} from '../../integers.ts';
import type { StreamVoucher } from '../../vouchers.ts';
import type { Collected } from '../collected.ts';
import { type HubTrust, NO_TRUST } from '../hub-keys.ts';

/** The stream that stands last on a lane. */
export interface LaneStream {
  readonly voucher: StreamVoucher;
  /** Ticks stored. */
  readonly k: number;
  /** Ticks that came when nothing was delivered any more. */
  readonly late: number;
  /** Preimage of tick k; the anchor while k is 0. */
  readonly preimage: Bytes32;
}

/** What a terminal knows of one channel: enough to say the same again and to refuse what is older. */
export interface TerminalLane {
  readonly channel: ChannelId;
  readonly payer: Address;
  readonly base: Amount;
  readonly seq: Seq;
  /** When the newest request that was answered here was issued. */
  readonly at: Seconds;
  readonly digest: Bytes32;
  /** Of the newest voucher. */
  readonly amount: Amount;
  readonly answer: 'receipt' | 'credit';
  readonly signature: Signature;
  /** Given back on the newest voucher. */
  readonly credited: Amount;
  /** What must be given back: everything refunded, and each late tick on top of it. */
  readonly owed: Amount;
  readonly stream: LaneStream | undefined;
  /** Sum of what this terminal delivered on the channel and the hub has not acknowledged. Follows from the outbox. */
  readonly exposure: Amount;
  /** What L2 has settled on the whole lane, as the hub told. */
  readonly settled: Amount;
  /** Highest place in the ledger at which the hub acknowledged a voucher of this lane. */
  readonly position: Position;
}

/** What waits for the hub's acknowledgement. `exposure` is what this terminal delivered on it. */
export type OutboxEntry =
  | {
      readonly kind: 'voucher';
      readonly channel: ChannelId;
      readonly entry: Bytes32;
      readonly exposure: Amount;
      readonly collected: Collected;
    }
  | {
      readonly kind: 'tick';
      readonly channel: ChannelId;
      readonly stream: Bytes32;
      readonly seq: Seq;
      readonly exposure: Amount;
      readonly tickValue: Amount;
      readonly k: number;
      readonly preimage: Bytes32;
    }
  | {
      readonly kind: 'credit';
      readonly channel: ChannelId;
      readonly seq: Seq;
      readonly entry: Bytes32;
      readonly exposure: Amount;
      readonly voucher: Bytes32;
      readonly credited: Amount;
      readonly signature: Signature;
    };

export interface Membership {
  readonly scope: Bytes32;
  readonly expiresAt: Seconds;
}

/** What this terminal did since it was new, for the day's report and the audit. */
export interface TerminalCounts {
  readonly accepted: number;
  readonly ticks: number;
  readonly voided: number;
  /** Vouchers and credits that the hub acknowledged. */
  readonly acknowledged: number;
}

export interface TerminalBooks {
  readonly counts: TerminalCounts;
  readonly lanes: readonly TerminalLane[];
  readonly outbox: readonly OutboxEntry[];
  /**
   * What left the outbox last, oldest first: the hub acknowledged it, or a thief of one of its keys did. It all waits again
   * when the root takes a key back or begins a new epoch (kept.ts).
   */
  readonly kept: readonly OutboxEntry[];
  /** Sum over the whole outbox: kept, so that a tick costs the same at any fill. */
  readonly exposure: Amount;
  readonly hub: HubTrust;
  /** Of the last registration: it only grows, so that no recorded one counts again. */
  readonly counter: number;
  readonly member: Membership | undefined;
  readonly revoked: readonly ChannelId[];
  /** When the hub signed the beacon that named this list: an older beacon brings no list back, restart or not. */
  readonly revokedAt: Seconds;
  readonly time: Seconds;
  /** Newest request of any lane that was evicted: older ones are the hub's to judge. */
  readonly evictedAt: Seconds;
  /** Highest place in the ledger of any voucher on them: a longer ledger holds all that was accepted on them. */
  readonly evictedPosition: Position;
}

/** What a tick needs comes first: XS searches the properties of an object in their order. */
export const EMPTY_TERMINAL: TerminalBooks = {
  lanes: [],
  outbox: [],
  exposure: ZERO_AMOUNT,
  member: undefined,
  revoked: [],
  counts: { accepted: 0, ticks: 0, voided: 0, acknowledged: 0 },
  hub: NO_TRUST,
  counter: 0,
  revokedAt: 0 as Seconds,
  time: 0 as Seconds,
  evictedAt: 0 as Seconds,
  evictedPosition: 0 as Position,
  kept: [],
};

/** The higher of two. */
export const higher = <N extends number>(a: N, b: N): N => (a > b ? a : b);

/**
 * The lane of a channel, or undefined. Here and in what applies a tick: loops by index and properties one by one. It runs
 * on a chip before every tick, where a callback or an iterator, and taking an object apart too, cost more than what they
 * do.
 */
export function findLane(books: TerminalBooks, channel: ChannelId): TerminalLane | undefined {
  const lanes = books.lanes;
  for (let i = 0; i < lanes.length; i++) {
    const lane = lanes[i]!;
    if (lane.channel === channel) return lane;
  }
  return undefined;
}

/** The lanes with this one in its place, or as a new one. */
export function withLane(books: TerminalBooks, lane: TerminalLane): readonly TerminalLane[] {
  const lanes = books.lanes;
  const next = lanes.slice();
  let at = 0;
  while (at < lanes.length && lanes[at]!.channel !== lane.channel) at += 1;
  next[at] = lane;
  return next;
}

/** The books with a lane changed, when it stands there. */
export function changeLane(
  books: TerminalBooks,
  channel: ChannelId,
  change: (lane: TerminalLane) => Partial<TerminalLane>,
): TerminalBooks {
  const lane = findLane(books, channel);
  return lane === undefined ? books : { ...books, lanes: withLane(books, { ...lane, ...change(lane) }) };
}

/** The counts with some of them moved on. */
export function counted(books: TerminalBooks, key: keyof TerminalCounts, by = 1): TerminalCounts {
  return { ...books.counts, [key]: books.counts[key] + by };
}

/** The books with what waits on a channel moved up or down, on the whole and on its lane. */
export function exposed(books: TerminalBooks, channel: ChannelId, by: number): TerminalBooks {
  const moved = { ...books, exposure: amount(books.exposure + by) };
  return changeLane(moved, channel, (lane) => ({ exposure: amount(lane.exposure + by) }));
}

/** Voids of a channel that the hub has not acknowledged (rule 15). */
export function voidsWaiting({ outbox }: TerminalBooks, channel: ChannelId): number {
  let count = 0;
  for (const entry of outbox)
    if (entry.kind === 'voucher' && entry.channel === channel && entry.collected.credit !== undefined)
      count += 1;
  return count;
}

/** A cleared sale that the hub has not acknowledged: it bought something, and nothing of it is exposed. */
export const clearedWaiting = ({ outbox }: TerminalBooks): boolean =>
  outbox.some(
    (entry) =>
      entry.kind === 'voucher' &&
      entry.exposure === 0 &&
      entry.collected.receipt !== undefined &&
      entry.collected.request.amount > 0,
  );
