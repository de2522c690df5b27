/**
 * Rule 5: when a terminal may accept a voucher with no network. Each function lists its checks in the order of the
 * refusal table; the first that applies is the answer.
 */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import { type Amount, UINT48_MAX } from '../../integers.ts';
import { CHANNEL_CAP_TAPS, TICK_VALUE_DIVISOR, VOIDS_WAITING_MAX } from '../../limits.ts';
import type { RefusalName } from '../../refusals.ts';
import type { Request, Voucher } from '../../vouchers.ts';
import type { MessageOf } from '../../wire/messages.ts';
import { signedNow } from '../trusting.ts';
import { timeNow } from '../time.ts';
import { numbersRefusal } from '../collected.ts';
import { type LaneStream, type TerminalLane, voidsWaiting } from './books.ts';
import { mayGetTick } from './room.ts';
import type { HeldLease, TerminalSettings, TerminalTurn } from './state.ts';
import { isOfNow } from './strays.ts';

type Lease = MessageOf<'lease'>;

/** A voucher that the terminal judges, with everything it is judged by. */
export interface Candidate {
  readonly voucher: Voucher;
  readonly request: Request;
  readonly signature: Uint8Array;
  readonly digest: Bytes32;
  readonly held: HeldLease;
  readonly lane: TerminalLane | undefined;
}

/**
 * Offline acceptance ends with the lease; the clock may be off by clockError at its beginning. Before a tick (`begun`) that
 * needs no second look: time only grows.
 */
function leaseRefusal(turn: TerminalTurn, held: HeldLease, begun: boolean): RefusalName | undefined {
  const now = timeNow(turn.volatile.time, turn.nowMs);
  const lease = held.lease;
  // One for any terminal is taken only where the merchant chose to: nothing covers it.
  if (held.isWide) {
    if (turn.settings.wideMax === undefined) return 'lease_scope';
  } else {
    const member = turn.books.member;
    const inScope = member !== undefined && equalBytes(lease.scope, member.scope) && now <= member.expiresAt;
    if (!inScope) return 'lease_scope';
  }
  if (!begun && lease.issuedAt > now + turn.settings.timing.clockError) return 'lease_future';
  if (now > held.until) return 'lease_expired';
  return turn.books.revoked.includes(lease.channel) ? 'revoked' : undefined;
}

/** Is it judged by the hub's clearance of this very request? */
export const isCleared = ({ held, voucher }: Candidate): boolean =>
  held.cap === 0 && equalBytes(held.lease.scope, voucher.request);

/** A clearance is good for one terminal anyway; what is left is its end, and the channel. */
function clearanceRefusal(turn: TerminalTurn, { until, lease }: HeldLease): RefusalName | undefined {
  if (turn.now > until) return 'lease_expired';
  return turn.books.revoked.includes(lease.channel) ? 'revoked' : undefined;
}

/** Did the lease's payer sign these very bytes? Costs one recovery. */
function notSigned(turn: TerminalTurn, { digest, signature, held }: Candidate): boolean {
  const key = turn.volatile.greeted?.key;
  const signer = turn.context.signing.suite.recover(digest, signature, key);
  return signer === undefined || !equalBytes(signer, held.lease.payer);
}

const sumWrong = ({ voucher, request }: Candidate): boolean =>
  voucher.spent < voucher.paid || voucher.paid < request.amount;

const seqStale = ({ voucher, lane }: Candidate): boolean => lane !== undefined && voucher.seq <= lane.seq;

/** Another terminal of the same payee may have moved the lane up meanwhile, never down. */
const baseStale = ({ voucher, request, lane }: Candidate): boolean =>
  lane !== undefined && voucher.paid - request.amount < lane.base;

/**
 * Spent with k ticks. Unlike spentTop it takes numbers from outside that no amount can hold: it is compared with
 * limits only, and far above them a lost low digit changes nothing.
 */
const spentWith = (voucher: Voucher, k: number): number =>
  voucher.spent + (voucher.kind === 'stream' ? voucher.tickValue * k : 0);

/** A dearer tick would lift the loss bound (rule 10) above what the bond covers. */
const tickTooDear = (voucher: Voucher, lease: Lease): boolean =>
  voucher.kind === 'stream' && voucher.tickValue > Math.floor(lease.tapLimit / TICK_VALUE_DIVISOR);

/** No chain may lead where no amount can follow. */
const overflows = (voucher: Voucher): boolean =>
  voucher.kind === 'stream' && spentWith(voucher, voucher.ticks) > UINT48_MAX;

/** What a channel may owe at this terminal until the hub acknowledges; a new lease does not reset it. */
export function channelCap({ capChannel }: TerminalSettings, lease: Lease): number {
  // A hub may set no limit: the product may then be above any amount, but is still a safe integer.
  return Math.min(lease.cap, capChannel ?? lease.tapLimit * CHANNEL_CAP_TAPS);
}

/** Why the channel may not owe so much more here until the hub acknowledges, or undefined. */
export function capRefusal(
  turn: TerminalTurn,
  lane: TerminalLane | undefined,
  held: HeldLease,
  more: Amount,
): RefusalName | undefined {
  // Sums that are compared with limits only: far above them a lost low digit changes nothing.
  const ofAll = more + turn.books.exposure;
  if ((lane === undefined ? more : more + lane.exposure) > held.cap) return 'cap_channel';
  if (ofAll > turn.settings.capTotal) return 'cap_total';
  return held.isWide && ofAll > (turn.settings.wideMax ?? 0) ? 'cap_uncovered' : undefined;
}

/** What the lane alone says against a voucher. */
function laneRefusal(candidate: Candidate): RefusalName | undefined {
  if (seqStale(candidate)) return 'seq_stale';
  return baseStale(candidate) ? 'base_stale' : undefined;
}

/** Does it end a stream? Its place was kept when the stream was opened. */
const closes = ({ voucher, request, lane }: Candidate): boolean =>
  voucher.kind === 'voucher' && request.amount === 0 && lane !== undefined && mayGetTick(lane);

/** Why a voucher for the open request is not accepted, or undefined when it is. */
export function acceptanceRefusal(turn: TerminalTurn, candidate: Candidate): RefusalName | undefined {
  const { voucher, request, held } = candidate;
  const { lease } = held;
  const { amount } = request;
  if (turn.books.outbox.length >= turn.settings.outboxMax && !closes(candidate)) return 'outbox_full';
  if (!turn.based) return 'no_time_basis';
  if (tickTooDear(voucher, lease)) return 'stream_terms';
  const cleared = isCleared(candidate);
  const ofLease = cleared ? clearanceRefusal(turn, held) : leaseRefusal(turn, held, false);
  if (ofLease !== undefined) return ofLease;
  if (notSigned(turn, candidate)) return 'signature';
  const ofLane = laneRefusal(candidate);
  if (ofLane !== undefined) return ofLane;
  if (sumWrong(candidate)) return 'sum_wrong';
  if (voucher.spent - amount < lease.spentFrom) return 'before_lease';
  if (amount > lease.tapLimit) return 'terminal_over_tap_limit';
  if (voucher.spent > lease.spendLimit || overflows(voucher)) return 'terminal_over_spend_limit';
  // The hub holds the money: nothing is at risk here.
  return cleared ? undefined : capRefusal(turn, candidate.lane, held, amount);
}

/** May it have been answered here on a lane that was evicted since? */
const forgotten = (turn: TerminalTurn, { request, lane }: Candidate): boolean =>
  lane === undefined && request.at <= turn.books.evictedAt;

/**
 * Does the hub say that it has no such voucher, in a ledger that holds everything of all evicted lanes? Then it was never
 * accepted here. An older statement, from before it was, names a shorter ledger. A thief of a hub key may have named any place
 * for what was evicted: a word of now is enough as well. A key that ran out proves nothing.
 */
function neverAccepted(turn: TerminalTurn, { digest }: Candidate): boolean {
  const { unknown } = turn.volatile;
  if (unknown === undefined || !equalBytes(unknown.entry, digest)) return false;
  if (unknown.size <= turn.books.evictedPosition && !isOfNow(turn, unknown.size)) return false;
  return signedNow(turn, 'Unknown', unknown, unknown.signature);
}

/**
 * Why a late voucher for a closed request is not voided, or undefined when it is (rules 4 and 15): nothing enters the outbox
 * that no hub ever takes, and of one channel only so much.
 */
export function voidRefusal(turn: TerminalTurn, candidate: Candidate): RefusalName | undefined {
  const { request, voucher } = candidate;
  // The payer says when the request was made. A terminal never asked in its own future; taking such a time would
  // push what it remembers of evicted lanes, and so refuse everybody's late vouchers.
  const future = request.at > turn.now + turn.settings.timing.clockError;
  if (turn.books.outbox.length >= turn.settings.outboxMax) return 'outbox_full';
  if (future) return turn.based ? 'not_mine' : 'no_time_basis';
  if (notSigned(turn, candidate)) return 'signature';
  if (forgotten(turn, candidate) && !neverAccepted(turn, candidate)) return 'ask_hub';
  const ofLane = laneRefusal(candidate) ?? numbersRefusal(voucher, request);
  if (ofLane !== undefined) return ofLane;
  return voidsWaiting(turn.books, voucher.channel) >= VOIDS_WAITING_MAX ? 'voids_waiting' : undefined;
}

/** Why the next tick of a stream would not be taken, or undefined when it would (rule 5, before every tick). */
export function nextTickRefusal(
  turn: TerminalTurn,
  lane: TerminalLane,
  stream: LaneStream,
): RefusalName | undefined {
  const held = turn.leaseOf(lane.channel);
  if (held === undefined) return 'lease_missing';
  const lease = held.lease;
  const voucher = stream.voucher;
  // As `turn.based`, without two calls: this runs on a chip before every tick.
  if (turn.nowMs > turn.volatile.time.basedUntilMs) return 'no_time_basis';
  const ofLease = leaseRefusal(turn, held, true);
  if (ofLease !== undefined) return ofLease;
  if (voucher.spent + voucher.tickValue * (stream.k + 1) > lease.spendLimit)
    return 'terminal_over_spend_limit';
  return capRefusal(turn, lane, held, voucher.tickValue);
}
