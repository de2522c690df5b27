/**
 * How many bytes of a bank a terminal's books may come to take: what stands, and everything that can still come without
 * being asked for (ticks, their credit, the closing voucher of a session). Nothing new is accepted unless that fits.
 */
import { HUB_KEYS_MAX, REVOKED_KEYS_MAX, TERMINAL_LANES_MAX, TERMINAL_OUTBOX_MAX } from '../../limits.ts';
import { keyField, signatureField } from '../../wire/schema.ts';
import { VOUCHER_BYTES } from '../../wire/records.ts';
import { checkRoom, type Room, slackOf } from '../room.ts';
import { equalBytes } from '../../bytes.ts';
import {
  findLane,
  type OutboxEntry,
  type TerminalBooks,
  type TerminalLane,
  terminalRecords,
} from './books.ts';

/** What a new voucher will be. `keyed`: its payer has a P-256 key, which travels with it. */
export interface Coming {
  readonly kind: 'voucher' | 'stream';
  readonly keyed: boolean;
}

/** Bytes of a bank, by what takes them. */
export interface TerminalSizes {
  /** Everything that there is one of, or a bounded list of; and the slack. */
  readonly fixed: number;
  readonly lane: number;
  readonly laneStream: number;
  readonly tick: number;
  readonly credit: number;
  /** The voucher that ends a session. */
  readonly closing: number;
  /** A voucher that waits in the outbox. */
  waiting(coming: Coming): number;
}

/** The most bytes that each part of the books takes in such a bank. */
export function terminalSizes(room: Room): TerminalSizes {
  const of = (type: Parameters<typeof terminalRecords.sizeMax>[0]): number =>
    room.cost(terminalRecords.sizeMax(type));
  // Never both answers; a field that is absent takes a byte.
  const answered = terminalRecords.sizeMax('waitingVoucher') - (signatureField.sizeMax - 1);
  const waiting = ({ kind, keyed }: Coming): number =>
    room.cost(answered - VOUCHER_BYTES.stream + VOUCHER_BYTES[kind] - (keyed ? 0 : keyField.sizeMax - 1));
  return {
    fixed:
      of('head') +
      HUB_KEYS_MAX * of('hubKey') +
      REVOKED_KEYS_MAX * of('hubKeyRevoked') +
      of('member') +
      of('revoked') +
      of('keptSoFar') +
      slackOf(room, terminalRecords.sizeMax('revoked')),
    lane: of('lane'),
    laneStream: of('laneStream'),
    tick: of('waitingTick'),
    credit: of('waitingCredit'),
    closing: waiting({ kind: 'voucher', keyed: true }),
    waiting,
  };
}

/** May a tick still come on this lane? */
export const mayGetTick = ({ stream }: TerminalLane): boolean =>
  stream !== undefined && stream.k < stream.voucher.ticks;

/** What a stream may still bring: its ticks wait as one entry, late ones are credited, and a voucher closes it. */
const streamReserve = (sizes: TerminalSizes): number => sizes.tick + sizes.credit + sizes.closing;

function laneBytes(sizes: TerminalSizes, lane: TerminalLane): number {
  const standing = sizes.lane + (lane.stream === undefined ? 0 : sizes.laneStream);
  if (mayGetTick(lane)) return standing + streamReserve(sizes);
  return lane.owed > lane.credited ? standing + sizes.credit : standing;
}

function entryBytes(sizes: TerminalSizes, books: TerminalBooks, entry: OutboxEntry): number {
  if (entry.kind === 'voucher') return keptBytes(sizes, entry);
  // What the stream of a lane brings is in the lane's reserve.
  const lane = findLane(books, entry.channel);
  const of = entry.kind === 'tick' ? entry.stream : entry.voucher;
  if (lane !== undefined && mayGetTick(lane) && equalBytes(lane.digest, of)) return 0;
  return entry.kind === 'tick' ? sizes.tick : sizes.credit;
}

/** Bytes of a bank that the books may come to take, with nothing new accepted. */
export function reservedBytes(sizes: TerminalSizes, books: TerminalBooks): number {
  let sum = sizes.fixed;
  for (const lane of books.lanes) sum += laneBytes(sizes, lane);
  for (const entry of books.outbox) sum += entryBytes(sizes, books, entry);
  for (const entry of books.kept) sum += keptBytes(sizes, entry);
  return sum;
}

/** Bytes of an entry that is kept: it has no part in the reserve of a lane. */
function keptBytes(sizes: TerminalSizes, entry: OutboxEntry): number {
  if (entry.kind !== 'voucher') return sizes[entry.kind];
  const { voucher, key } = entry.collected;
  return sizes.waiting({ kind: voucher.kind, keyed: key !== undefined });
}

/** How many of what is kept go, and the bytes that come free. */
export interface KeptGone {
  readonly count: number;
  readonly bytes: number;
}

/** How much of what is kept goes, the oldest first, so that `missing` bytes come free and `places` entries are left at most. */
export function keptGone(
  sizes: TerminalSizes | undefined,
  kept: readonly OutboxEntry[],
  missing: number,
  places: number,
): KeptGone {
  let count = 0;
  let bytes = 0;
  while (count < kept.length && (bytes < missing || kept.length - count > places)) {
    if (sizes !== undefined) bytes += keptBytes(sizes, kept[count]!);
    count += 1;
  }
  return { count, bytes };
}

/**
 * Entries that may be kept while one more comes to the outbox. Half of the places at most, as a bank that is full of them is
 * written anew all the time; what is more goes some at a time, as each time takes a record.
 */
export function keptPlaces({ kept, outbox }: TerminalBooks, outboxMax: number): number {
  const half = Math.floor(outboxMax / 2);
  const most = kept.length > half ? half - Math.floor(outboxMax / 8) : half;
  return Math.max(0, Math.min(most, outboxMax - outbox.length - 1));
}

/** Bytes that a voucher adds, on the lane that stands there or on a new one. */
export function comingBytes(sizes: TerminalSizes, coming: Coming, lane: TerminalLane | undefined): number {
  const stream = coming.kind === 'stream' ? sizes.laneStream + streamReserve(sizes) : 0;
  const added = sizes.waiting(coming) + stream;
  if (lane === undefined) return added + sizes.lane;
  // The stream that stood there is over: its closing was reserved, what waits of it stays.
  const freed = (mayGetTick(lane) ? sizes.closing : 0) + (lane.stream === undefined ? 0 : sizes.laneStream);
  return added - freed;
}

/** Bytes that come free when a lane is evicted that nothing waits for. */
export const evictedBytes = laneBytes;

/** Limits that a bank can always keep: so many sales to as many customers, and lanes in all. */
export interface TerminalLimits {
  readonly outboxMax: number;
  readonly lanesMax: number;
}

const SALE: Coming = { kind: 'voucher', keyed: true };

/** Bytes that a terminal with these limits takes when all of them are reached, by sales. */
export function terminalBytes(room: Room, { outboxMax, lanesMax }: TerminalLimits): number {
  const sizes = terminalSizes(room);
  return sizes.fixed + lanesMax * sizes.lane + outboxMax * sizes.waiting(SALE);
}

/** The highest limits that a bank has room for: as many lanes as entries, none above those of the protocol. */
export function terminalLimits(room: Room): TerminalLimits {
  const sizes = terminalSizes(room);
  const places = Math.floor((room.bytes - sizes.fixed) / (sizes.lane + sizes.waiting(SALE)));
  return {
    outboxMax: Math.min(places, TERMINAL_OUTBOX_MAX),
    lanesMax: Math.min(places, TERMINAL_LANES_MAX),
  };
}

/** Throws `flash_too_small` when a bank does not hold what these limits promise. */
export function checkTerminalRoom(room: Room, limits: TerminalLimits): void {
  checkRoom(room, terminalBytes(room, limits), `${limits.outboxMax} sales and ${limits.lanesMax} lanes`);
}
