/**
 * Where a new voucher or credit goes: at once, where what is only kept or lanes that nothing waits for are forgotten, or
 * nowhere.
 */
import type { ChannelId } from '../../integers.ts';
import { UINT40_MAX } from '../../integers.ts';
import type { RefusalName } from '../../refusals.ts';
import type { TerminalLane } from './books.ts';
import {
  type Coming,
  comingBytes,
  evictedBytes,
  keptGone,
  keptPlaces,
  mayGetTick,
  reservedBytes,
  type TerminalSizes,
  terminalSizes,
} from './room.ts';
import type { TerminalTurn } from './state.ts';

/** What goes first, of what is kept and of the lanes, or why there is no place. */
export type Place =
  | { readonly kept: number; readonly evicted: readonly TerminalLane[] }
  | { readonly refusal: Extract<RefusalName, 'outbox_full' | 'lanes_full'> };

/**
 * The place of a voucher. `channel` undefined: of a customer who is not known yet, on a new lane. `open`: the request
 * that is open keeps its own place beside it.
 */
export function placeOfVoucher(
  turn: TerminalTurn,
  channel: ChannelId | undefined,
  coming: Coming,
  open = false,
): Place {
  const lane = channel === undefined ? undefined : turn.lane(channel);
  const needsLane = channel !== undefined && lane === undefined;
  return place(turn, channel, needsLane, (sizes) => {
    const kept = open ? comingBytes(sizes, customerOf(turn, turn.volatile.open!.message.type), undefined) : 0;
    return comingBytes(sizes, coming, lane) + kept;
  });
}

/** The most that a customer who is not known yet may bring. */
export const customerOf = (turn: TerminalTurn, type: 'request' | 'streamRequest'): Coming => ({
  kind: type === 'request' ? 'voucher' : 'stream',
  keyed: turn.context.signing.suite.p256,
});

/** The place of a credit that nobody has to give: a refund. */
export const placeOfCredit = (turn: TerminalTurn, channel: ChannelId): Place =>
  place(turn, channel, false, (sizes) => sizes.credit);

function place(
  turn: TerminalTurn,
  channel: ChannelId | undefined,
  needsLane: boolean,
  bytesOf: (sizes: TerminalSizes) => number,
): Place {
  const { room } = turn.context;
  const sizes = room && terminalSizes(room);
  let bytes =
    room === undefined || sizes === undefined
      ? 0
      : room.bytes - reservedBytes(sizes, turn.books) - bytesOf(sizes);
  const gone = keptGone(sizes, turn.books.kept, -bytes, keptPlaces(turn.books, turn.settings.outboxMax));
  bytes += gone.bytes;
  let lanes = needsLane ? turn.settings.lanesMax - turn.books.lanes.length - 1 : 0;
  const evicted: TerminalLane[] = [];
  while (bytes < 0 || lanes < 0) {
    const next = oldestQuiet(turn, channel, evicted);
    if (next === undefined) return { refusal: bytes < 0 ? 'outbox_full' : 'lanes_full' };
    evicted.push(next);
    lanes += 1;
    if (sizes !== undefined) bytes += evictedBytes(sizes, next);
  }
  return { kept: gone.count, evicted };
}

/** Forgets what goes for it. */
export function makePlace(
  turn: TerminalTurn,
  { kept, evicted }: Exclude<Place, { refusal: RefusalName }>,
): void {
  if (kept > 0) turn.persist({ type: 'keptGone', count: kept });
  for (const lane of evicted) turn.persist({ type: 'evicted', channel: lane.channel });
}

/** Forgets what of that which is kept takes the room of what may still come without being asked for. */
export function trimKept(turn: TerminalTurn): void {
  const { room } = turn.context;
  if (room === undefined || turn.books.kept.length === 0) return;
  const sizes = terminalSizes(room);
  const missing = reservedBytes(sizes, turn.books) - room.bytes;
  const { count } = keptGone(sizes, turn.books.kept, missing, turn.books.kept.length);
  if (count > 0) turn.persist({ type: 'keptGone', count });
}

/**
 * The oldest lane whose entries the hub has all acknowledged and that owes nothing. A lane whose stream may still get a
 * tick goes only when there is no other; one that is delivered on never.
 */
function oldestQuiet(
  turn: TerminalTurn,
  channel: ChannelId | undefined,
  gone: readonly TerminalLane[],
): TerminalLane | undefined {
  let first: TerminalLane | undefined;
  let least = Number.MAX_SAFE_INTEGER;
  for (const lane of turn.books.lanes) {
    const rank = lane.at + (mayGetTick(lane) ? UINT40_MAX : 0);
    if (rank >= least || lane.owed > lane.credited || lane.channel === channel || gone.includes(lane))
      continue;
    if (waits(turn, lane.channel) || turn.isSession(lane.channel, lane.digest)) continue;
    first = lane;
    least = rank;
  }
  return first;
}

function waits(turn: TerminalTurn, channel: ChannelId): boolean {
  for (const entry of turn.books.outbox) if (entry.channel === channel) return true;
  return false;
}
