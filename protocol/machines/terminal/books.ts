/**
 * The records of a terminal, and what each does to its books (lanes.ts). The books are the fold of the records. Start with
 * `applyRecord`.
 */
import type { CryptoSuite } from '../../../hardware/interfaces/index.ts';
import { type Bytes32, equalBytes } from '../../bytes.ts';
import { unreachable } from '../../errors.ts';
import {
  type Amount,
  addAmounts,
  amount,
  type ChannelId,
  channelId,
  multiplyAmount,
  type Position,
  ZERO_AMOUNT,
} from '../../integers.ts';
import { REVOCATIONS_MAX } from '../../limits.ts';
import { hashChain } from '../../vouchers.ts';
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
import { collectedFields } from '../collected.ts';
import { hubKeyFields, NO_TRUST, revokedKeyFields, withHubKey, withoutHubKey } from '../hub-keys.ts';
import { asideOf, broughtBack, keptOf, withKept, withoutOldestKept } from './kept.ts';
import {
  changeLane,
  counted,
  exposed,
  findLane,
  higher,
  type OutboxEntry,
  type TerminalBooks,
  type TerminalLane,
  withLane,
} from './lanes.ts';

export type { LaneStream, OutboxEntry, TerminalBooks, TerminalLane } from './lanes.ts';
export { clearedWaiting, EMPTY_TERMINAL, findLane, voidsWaiting } from './lanes.ts';

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
  /** The oldest of what is kept goes, so many entries: its place is needed. */
  keptGone: { number: 15, codec: struct({ count: u16 }) },
  /** What waits about this voucher is only kept: the hub has none, nor has the terminal (strays.ts). */
  setAside: { number: 16, codec: struct({ voucher: bytes32Field }) },
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
  /** What waits so far is only kept. */
  keptSoFar: { number: 26, codec: struct({}) },
} as const;

export type TerminalRecord = TaggedOf<typeof RECORDS>;
export const terminalRecords = recordTable(RECORDS);

/** What waits on a channel whose lane was forgotten: it was acknowledged by then, and waits again. */
function waitingOn({ outbox }: TerminalBooks, channel: ChannelId): Amount {
  let sum = 0;
  for (const entry of outbox) if (entry.channel === channel) sum += entry.exposure;
  return amount(sum);
}

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
    exposure: old?.exposure ?? waitingOn(books, voucher.channel),
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
  const kept = withKept(books.kept, found);
  const cleared = { ...books, counts: counted(books, 'acknowledged'), outbox, kept };
  const after = exposed(cleared, found.channel, -found.exposure);
  // What was kept came back, and its lane is forgotten.
  if (findLane(after, found.channel) === undefined)
    return { ...after, evictedPosition: higher(position, after.evictedPosition) };
  return changeLane(after, found.channel, (lane) => ({ position: higher(position, lane.position) }));
}

function applyTickAcknowledged(books: TerminalBooks, stream: Bytes32, k: number): TerminalBooks {
  const outbox: OutboxEntry[] = [];
  let { kept } = books;
  let after = books;
  for (const entry of books.outbox) {
    if (entry.kind !== 'tick' || !equalBytes(entry.stream, stream)) {
      outbox.push(entry);
      continue;
    }
    const open = entry.k > k ? multiplyAmount(entry.tickValue, entry.k - k) : ZERO_AMOUNT;
    const exposure = amount(Math.min(open, entry.exposure));
    if (entry.k > k) outbox.push({ ...entry, exposure });
    else kept = withKept(kept, entry);
    after = exposed(books, entry.channel, exposure - entry.exposure);
  }
  return { ...after, outbox, kept };
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
      const known = withHubKey(books, key);
      return known.hub.epoch > books.hub.epoch ? broughtBack(known) : known;
    }
    case 'hubKeyRevoked': {
      const left = withoutHubKey(books, { address: record.address, at: record.at });
      return left === books ? books : broughtBack(left);
    }
    case 'keptGone':
      return { ...books, kept: withoutOldestKept(books.kept, record.count) };
    case 'setAside':
      return asideOf(books, record.voucher);
    case 'keptSoFar':
      return keptOf(books);
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
  for (const entry of books.kept) yield waitingRecord(entry);
  if (books.kept.length > 0) yield { type: 'keptSoFar' };
  for (const entry of books.outbox) yield waitingRecord(entry);
}

/** The same as a list. */
export const snapshot = (books: TerminalBooks): TerminalRecord[] => [...eachRecord(books)];
