/**
 * What a terminal remembers: a lane a channel, the outbox, and what the hub told it. The books are the fold of the
 * records. Start with TerminalBooks, then `applyRecord`.
 */
import type { CryptoSuite } from '../../../hardware/interfaces/index.ts';
import { type Address, type Bytes32, equalBytes, type Signature } from '../../bytes.ts';
import { unreachable } from '../../errors.ts';
import {
  type Amount,
  addAmounts,
  amount,
  type ChannelId,
  channelId,
  multiplyAmount,
  type Position,
  type Seconds,
  type Seq,
  ZERO_AMOUNT,
} from '../../integers.ts';
import { REVOCATIONS_MAX } from '../../limits.ts';
import { hashChain, type StreamVoucher } from '../../vouchers.ts';
import { flag, recordTable, voucherField } from '../../wire/records.ts';
import {
  addressField,
  amountField,
  bytes32Field,
  channelField,
  list,
  positionField,
  secondsField,
  seqField,
  signatureField,
  struct,
  type TaggedOf,
  u16,
  u32,
} from '../../wire/schema.ts';
import { type Collected, collectedFields } from '../collected.ts';
import {
  type HubTrust,
  hubKeyFields,
  NO_TRUST,
  revokedKeyFields,
  withHubKey,
  withoutHubKey,
} from '../hub-keys.ts';

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
};

const RECORDS = {
  // ---- what happens ----
  /** A voucher and its answer, in one record: lane, outbox and answer stand or fall together. */
  answered: { number: 1, codec: struct({ digest: bytes32Field, payer: addressField, ...collectedFields }) },
  tick: {
    number: 2,
    codec: struct({ channel: channelField, k: u16, preimage: bytes32Field, late: flag }),
  },
  credited: {
    number: 3,
    codec: struct({
      channel: channelField,
      entry: bytes32Field,
      voucher: bytes32Field,
      credited: amountField,
      signature: signatureField,
    }),
  },
  acknowledged: { number: 4, codec: struct({ entry: bytes32Field, position: positionField }) },
  tickAcknowledged: { number: 5, codec: struct({ stream: bytes32Field, k: u16 }) },
  evicted: { number: 6, codec: struct({ channel: channelField }) },
  hubKey: { number: 7, codec: hubKeyFields },
  hubKeyRevoked: { number: 12, codec: revokedKeyFields },
  /** As `answered`, of a sale that the hub cleared: it holds the money for it, so nothing is at risk here. */
  cleared: { number: 14, codec: struct({ digest: bytes32Field, payer: addressField, ...collectedFields }) },
  registering: { number: 13, codec: struct({ counter: u32 }) },
  member: { number: 8, codec: struct({ scope: bytes32Field, expiresAt: secondsField }) },
  revoked: { number: 9, codec: struct({ at: secondsField, channels: list(u32, REVOCATIONS_MAX) }) },
  time: { number: 10, codec: struct({ at: secondsField }) },
  settled: { number: 11, codec: struct({ channel: channelField, paid: amountField }) },
  // ---- only in snapshots; a waiting credit also where its voucher no longer stands on its lane ----
  head: {
    number: 20,
    codec: struct({
      time: secondsField,
      evictedAt: secondsField,
      evictedPosition: positionField,
      accepted: u32,
      ticks: u32,
      voided: u32,
      acknowledged: u32,
      counter: u32,
      epoch: u32,
    }),
  },
  lane: {
    number: 21,
    codec: struct({
      channel: channelField,
      payer: addressField,
      base: amountField,
      seq: seqField,
      at: secondsField,
      digest: bytes32Field,
      amount: amountField,
      receipt: flag,
      signature: signatureField,
      credited: amountField,
      owed: amountField,
      settled: amountField,
      position: positionField,
    }),
  },
  laneStream: {
    number: 22,
    codec: struct({
      channel: channelField,
      voucher: voucherField,
      k: u16,
      late: u16,
      preimage: bytes32Field,
    }),
  },
  waitingVoucher: {
    number: 23,
    codec: struct({ channel: channelField, entry: bytes32Field, exposure: amountField, ...collectedFields }),
  },
  waitingTick: {
    number: 24,
    codec: struct({
      channel: channelField,
      stream: bytes32Field,
      seq: seqField,
      exposure: amountField,
      tickValue: amountField,
      k: u16,
      preimage: bytes32Field,
    }),
  },
  waitingCredit: {
    number: 25,
    codec: struct({
      channel: channelField,
      seq: seqField,
      entry: bytes32Field,
      voucher: bytes32Field,
      credited: amountField,
      signature: signatureField,
    }),
  },
} as const;

export type TerminalRecord = TaggedOf<typeof RECORDS>;
export const terminalRecords = recordTable(RECORDS);

const higher = <N extends number>(a: N, b: N): N => (a > b ? a : b);

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

function withLane(books: TerminalBooks, lane: TerminalLane): readonly TerminalLane[] {
  const lanes = books.lanes;
  const next = lanes.slice();
  let at = 0;
  while (at < lanes.length && lanes[at]!.channel !== lane.channel) at += 1;
  next[at] = lane;
  return next;
}

function changeLane(
  books: TerminalBooks,
  channel: ChannelId,
  change: (lane: TerminalLane) => Partial<TerminalLane>,
): TerminalBooks {
  const lane = findLane(books, channel);
  return lane === undefined ? books : { ...books, lanes: withLane(books, { ...lane, ...change(lane) }) };
}

/** The counts with some of them moved on. */
function counted(books: TerminalBooks, key: keyof TerminalCounts, by = 1): TerminalCounts {
  return { ...books.counts, [key]: books.counts[key] + by };
}

/** The books with what waits on a channel moved up or down, on the whole and on its lane. */
function exposed(books: TerminalBooks, channel: ChannelId, by: number): TerminalBooks {
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

function applyAnswered(
  books: TerminalBooks,
  record: TerminalRecord & { type: 'answered' | 'cleared' },
): TerminalBooks {
  const { type, digest, payer, ...collected } = record;
  const { voucher, request, receipt, credit } = collected;
  const accepted = receipt !== undefined;
  const old = findLane(books, voucher.channel);
  const lane: TerminalLane = {
    channel: voucher.channel,
    stream:
      voucher.kind === 'stream' && accepted
        ? { voucher, k: 0, late: 0, preimage: voucher.anchor }
        : undefined,
    digest,
    seq: voucher.seq,
    base: voucher.paid,
    owed: accepted ? ZERO_AMOUNT : request.amount,
    payer,
    // A payer may invent an old closed request: what this lane answered before must stay covered when it is evicted.
    at: old === undefined ? request.at : higher(old.at, request.at),
    amount: request.amount,
    answer: accepted ? 'receipt' : 'credit',
    signature: (receipt ?? credit)!,
    credited: accepted ? ZERO_AMOUNT : request.amount,
    exposure: old?.exposure ?? ZERO_AMOUNT,
    settled: old?.settled ?? ZERO_AMOUNT,
    position: old?.position ?? (0 as Position),
  };
  const waiting: OutboxEntry = {
    kind: 'voucher',
    channel: voucher.channel,
    entry: digest,
    exposure: accepted && type === 'answered' ? request.amount : ZERO_AMOUNT,
    collected,
  };
  const answered = {
    ...books,
    counts: counted(books, accepted ? 'accepted' : 'voided'),
    lanes: withLane(books, lane),
    outbox: [...books.outbox, waiting],
  };
  return exposed(answered, voucher.channel, waiting.exposure);
}

function applyTick(books: TerminalBooks, record: TerminalRecord & { type: 'tick' }): TerminalBooks {
  const channel = record.channel;
  const k = record.k;
  const preimage = record.preimage;
  const lane = findLane(books, channel);
  const stream = lane?.stream;
  if (lane === undefined || stream === undefined) return books;
  const digest = lane.digest;
  const voucher = stream.voucher;
  const tickValue = voucher.tickValue;
  // One entry a stream stands for all of its ticks: the newest of the outbox, unless somebody else paid meanwhile.
  const outbox = books.outbox.slice();
  let at = outbox.length - 1;
  let exposure = ZERO_AMOUNT;
  for (; at >= 0; at--) {
    const entry = outbox[at]!;
    if (entry.kind !== 'tick' || !equalBytes(entry.stream, digest)) continue;
    exposure = entry.exposure;
    break;
  }
  // What comes late is given back: it was not delivered. Sums stay within capTotal, far below what an amount holds.
  const delivered = record.late ? ZERO_AMOUNT : tickValue;
  exposure = (exposure + delivered) as Amount;
  if (at >= 0 && at < outbox.length - 1) {
    outbox.splice(at, 1);
    at = -1;
  }
  if (at < 0) at = outbox.length;
  outbox[at] = { kind: 'tick', channel, stream: digest, seq: voucher.seq, exposure, tickValue, k, preimage };
  const changed = {
    ...lane,
    base: addAmounts(voucher.paid, multiplyAmount(tickValue, k)),
    owed: record.late ? addAmounts(lane.owed, tickValue) : lane.owed,
    exposure: (lane.exposure + delivered) as Amount,
    stream: { voucher, k, late: record.late ? stream.late + 1 : stream.late, preimage },
  };
  const counts = { ...books.counts, ticks: books.counts.ticks + 1 };
  const all = (books.exposure + delivered) as Amount;
  return { ...books, counts, lanes: withLane(books, changed), outbox, exposure: all };
}

function applyAcknowledged(books: TerminalBooks, entry: Bytes32, position: Position): TerminalBooks {
  const found = books.outbox.find((waiting) => waiting.kind !== 'tick' && equalBytes(waiting.entry, entry));
  if (found === undefined) return books;
  const outbox = books.outbox.filter((waiting) => waiting !== found);
  const cleared = { ...books, counts: counted(books, 'acknowledged'), outbox };
  return changeLane(exposed(cleared, found.channel, -found.exposure), found.channel, (lane) => ({
    position: higher(position, lane.position),
  }));
}

function applyTickAcknowledged(books: TerminalBooks, stream: Bytes32, k: number): TerminalBooks {
  const outbox: OutboxEntry[] = [];
  let after = books;
  for (const entry of books.outbox) {
    if (entry.kind !== 'tick' || !equalBytes(entry.stream, stream)) {
      outbox.push(entry);
      continue;
    }
    const open = entry.k > k ? multiplyAmount(entry.tickValue, entry.k - k) : ZERO_AMOUNT;
    const exposure = amount(Math.min(open, entry.exposure));
    if (entry.k > k) outbox.push({ ...entry, exposure });
    after = exposed(books, entry.channel, exposure - entry.exposure);
  }
  return { ...after, outbox };
}

/** The books with a credit that waits. One on one voucher only grows, so the newest replaces the earlier one. */
function withCredit(books: TerminalBooks, waiting: OutboxEntry & { kind: 'credit' }): TerminalBooks {
  const others = books.outbox.filter(
    (entry) => entry.kind !== 'credit' || !equalBytes(entry.voucher, waiting.voucher),
  );
  return { ...books, outbox: [...others, waiting] };
}

function applyCredited(books: TerminalBooks, record: TerminalRecord & { type: 'credited' }): TerminalBooks {
  const { type: _, ...fields } = record;
  const lane = findLane(books, record.channel);
  if (lane === undefined) return books;
  const after = withCredit(books, { kind: 'credit', exposure: ZERO_AMOUNT, seq: lane.seq, ...fields });
  return changeLane(after, record.channel, (lane) =>
    equalBytes(lane.digest, record.voucher)
      ? { credited: record.credited, owed: higher(record.credited, lane.owed) }
      : {},
  );
}

/** The books after a record. Total: a record that no longer applies changes nothing. */
export function applyRecord(books: TerminalBooks, record: TerminalRecord): TerminalBooks {
  switch (record.type) {
    case 'tick':
      return applyTick(books, record);
    case 'answered':
    case 'cleared':
      return applyAnswered(books, record);
    case 'credited':
      return applyCredited(books, record);
    case 'acknowledged':
      return applyAcknowledged(books, record.entry, record.position);
    case 'tickAcknowledged':
      return applyTickAcknowledged(books, record.stream, record.k);
    case 'evicted': {
      const lane = findLane(books, record.channel);
      if (lane === undefined) return books;
      return {
        ...books,
        lanes: books.lanes.filter((other) => other !== lane),
        evictedAt: higher(lane.at, books.evictedAt),
        evictedPosition: higher(lane.position, books.evictedPosition),
      };
    }
    case 'hubKey': {
      const { type: _, ...key } = record;
      return withHubKey(books, key);
    }
    case 'hubKeyRevoked':
      return withoutHubKey(books, { address: record.address, at: record.at });
    case 'registering':
      return { ...books, counter: record.counter };
    case 'member':
      return { ...books, member: { scope: record.scope, expiresAt: record.expiresAt } };
    case 'revoked':
      return { ...books, revoked: record.channels.map(channelId), revokedAt: record.at };
    case 'time':
      return { ...books, time: higher(record.at, books.time) };
    case 'settled':
      return changeLane(books, record.channel, (lane) => ({
        settled: higher(record.paid, lane.settled),
      }));
    case 'head': {
      const { time, evictedAt, evictedPosition, accepted, ticks, voided, acknowledged } = record;
      return {
        ...books,
        hub: { ...NO_TRUST, epoch: record.epoch },
        counter: record.counter,
        time,
        evictedAt,
        evictedPosition,
        counts: { accepted, ticks, voided, acknowledged },
      };
    }
    case 'lane': {
      const { type: _, receipt, ...fields } = record;
      const lane: TerminalLane = {
        ...fields,
        answer: receipt ? 'receipt' : 'credit',
        stream: undefined,
        exposure: ZERO_AMOUNT,
      };
      return { ...books, lanes: withLane(books, lane) };
    }
    case 'laneStream': {
      const { voucher, k, late, preimage } = record;
      if (voucher.kind !== 'stream') return books;
      return changeLane(books, record.channel, () => ({ stream: { voucher, k, late, preimage } }));
    }
    case 'waitingVoucher': {
      const { type: _, channel, entry, exposure, ...collected } = record;
      const outbox: OutboxEntry[] = [
        ...books.outbox,
        { kind: 'voucher', channel, entry, exposure, collected },
      ];
      return exposed({ ...books, outbox }, channel, exposure);
    }
    case 'waitingTick': {
      const { type: _, ...fields } = record;
      const outbox: OutboxEntry[] = [...books.outbox, { kind: 'tick', ...fields }];
      return exposed({ ...books, outbox }, fields.channel, fields.exposure);
    }
    case 'waitingCredit': {
      const { type: _, ...fields } = record;
      return withCredit(books, { kind: 'credit', exposure: ZERO_AMOUNT, ...fields });
    }
    default:
      return unreachable(record);
  }
}

/**
 * Whether a record goes on from books that may lack others: a tick names no stream, and the one that it belongs to may be
 * what is gone. All else says itself what it is about.
 */
export function follows(suite: CryptoSuite, books: TerminalBooks, record: TerminalRecord): boolean {
  const stream = record.type === 'tick' ? findLane(books, record.channel)?.stream : undefined;
  if (record.type !== 'tick' || stream === undefined) return true;
  const { k, preimage } = record;
  return k > stream.k && equalBytes(hashChain(suite, preimage, k - stream.k), stream.preimage);
}

function* laneRecords(lane: TerminalLane): Generator<TerminalRecord, void> {
  const { stream, answer, exposure: _, ...fields } = lane;
  yield { type: 'lane', ...fields, receipt: answer === 'receipt' };
  if (stream !== undefined) yield { type: 'laneStream', channel: lane.channel, ...stream };
}

function waitingRecord(entry: OutboxEntry): TerminalRecord {
  if (entry.kind === 'voucher') {
    const { channel, entry: digest, exposure, collected } = entry;
    return { type: 'waitingVoucher', channel, entry: digest, exposure, ...collected };
  }
  if (entry.kind === 'tick') {
    const { kind: _, ...fields } = entry;
    return { type: 'waitingTick', ...fields };
  }
  const { kind: _, exposure: __, ...fields } = entry;
  return { type: 'waitingCredit', ...fields };
}

/** Records that rebuild the books from EMPTY_TERMINAL, made one by one: all at once would not fit a chip beside full books. */
export function* eachRecord(books: TerminalBooks): Generator<TerminalRecord, void> {
  yield {
    type: 'head',
    time: books.time,
    evictedAt: books.evictedAt,
    evictedPosition: books.evictedPosition,
    ...books.counts,
    counter: books.counter,
    epoch: books.hub.epoch,
  };
  for (const key of books.hub.certified) yield { ...key, type: 'hubKey' };
  for (const key of books.hub.revoked) yield { ...key, type: 'hubKeyRevoked' };
  if (books.member !== undefined) yield { ...books.member, type: 'member' };
  if (books.revokedAt > 0) yield { type: 'revoked', at: books.revokedAt, channels: books.revoked };
  for (const lane of books.lanes) yield* laneRecords(lane);
  for (const entry of books.outbox) yield waitingRecord(entry);
}

/** The same as a list. */
export const snapshot = (books: TerminalBooks): TerminalRecord[] => [...eachRecord(books)];
