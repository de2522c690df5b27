/**
 * A charge session: the terminal's side of a stream. A tick is persisted, then delivered, then answered; what comes
 * when nothing is delivered any more is persisted too and credited.
 */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import { type Amount, type ChannelId, multiplyAmount } from '../../integers.ts';
import { SESSION_LOST_SECONDS } from '../../limits.ts';
import type { RefusalName } from '../../refusals.ts';
import { creditEntry } from '../../vouchers.ts';
import type { MessageOf } from '../../wire/messages.ts';
import { nextTickRefusal } from './acceptance.ts';
import { findLane, type LaneStream, type TerminalLane } from './books.ts';
import { makePlace, placeOfCredit } from './place.ts';
import { openRequest } from './request.ts';
import type { Sold, TerminalTurn } from './state.ts';

type StreamLane = TerminalLane & { readonly stream: LaneStream };

function answer(turn: TerminalTurn, lane: StreamLane): void {
  turn.send({ type: 'tickAnswer', channel: lane.channel, seq: lane.seq, k: lane.stream.k });
}

/**
 * Nothing is delivered on this stream any more, which goes out before the answer: the answer alone would have the payer
 * reveal the next tick, and pay one after the other for nothing until each is given back.
 */
function answerOver(turn: TerminalTurn, lane: StreamLane): void {
  turn.refuse('no_session', lane.digest);
  answer(turn, lane);
}

/** A preimage from the payer. */
export function onTick(turn: TerminalTurn, message: MessageOf<'tick'>): void {
  const channel = message.channel;
  const k = message.k;
  const preimage = message.preimage;
  const lane = findLane(turn.books, channel);
  const stream = lane?.stream;
  // The stream must be the newest voucher of the lane.
  if (stream === undefined || lane!.seq !== message.seq) {
    const forgotten = lane === undefined && turn.books.evictedAt > 0;
    return turn.refuse(forgotten ? 'ask_hub' : 'no_session');
  }
  const digest = lane!.digest;
  const session = turn.volatile.session;
  const live = session !== undefined && session.channel === channel && equalBytes(session.stream, digest);
  if (k >= 1 && k <= stream.k) {
    // Seen before. While its worth is still being delivered the answer waits for that.
    const delivering = live && session.delivering === stream.k;
    if (delivering) return;
    // Once one came too late nothing is delivered on the stream any more; a session that ended well says no such thing.
    return (stream.late > 0 ? answerOver : answer)(turn, lane as StreamLane);
  }
  if (k !== stream.k + 1 || k > stream.voucher.ticks) return turn.refuse('tick_order', digest);
  if (!equalBytes(turn.context.signing.suite.keccak256(preimage), stream.preimage))
    return turn.refuse('tick_preimage', digest);
  if (live && nextTickRefusal(turn, lane!, stream) === undefined) {
    turn.persist({ type: 'tick', channel, k, preimage, late: false });
    turn.set({ session: { channel, stream: digest, delivering: k } });
    return turn.notify({ type: 'deliver', channel, k, value: stream.voucher.tickValue });
  }
  turn.persist({ type: 'tick', channel, k, preimage, late: true });
  answerOver(turn, findLane(turn.books, channel) as StreamLane);
  creditLate(turn, channel);
}

/** Asks for the signature over what late ticks are owed back, unless it was given already. */
export function creditLate(turn: TerminalTurn, channel: ChannelId): void {
  const lane = turn.lane(channel);
  if (lane === undefined || turn.volatile.pendingCredit !== undefined) return;
  if (lane.owed > lane.credited) askCredit(turn, lane, lane.owed);
}

/**
 * A credit: a refund, or the rest of a hold. It grows, never shrinks. Without `sold` on the newest voucher of the lane, with
 * it on that one, which may be of another day: what it was worth is then the host's word.
 */
export function refund(turn: TerminalTurn, channel: ChannelId, credited: Amount, sold?: Sold): void {
  const lane = turn.lane(channel);
  if (sold !== undefined && !(lane !== undefined && equalBytes(lane.digest, sold.voucher)))
    return turn.settings.refundEarlier?.(turn, channel, credited, sold);
  if (lane === undefined || turn.volatile.pendingCredit !== undefined) return turn.refuse('busy');
  const value = lane.stream ? multiplyAmount(lane.stream.voucher.tickValue, lane.stream.k) : lane.amount;
  if (lane.answer === 'credit' || credited > value || credited <= lane.credited)
    return turn.refuse('credit_range', lane.digest);
  const place = placeOfCredit(turn, channel);
  if ('refusal' in place) return turn.refuse(place.refusal, lane.digest);
  makePlace(turn, place);
  askCredit(turn, lane, credited);
}

function askCredit(turn: TerminalTurn, lane: TerminalLane, credited: Amount): void {
  const entry = creditEntry(turn.context.signing, lane.digest, credited);
  turn.set({ pendingCredit: { channel: lane.channel, voucher: lane.digest, credited, entry } });
  turn.sign(entry);
}

/** The key answered: the credit is stored, then sent. */
export function onCreditSigned(turn: TerminalTurn, entry: Bytes32, signature: Uint8Array): void {
  const { channel, voucher, credited, seq } = turn.volatile.pendingCredit!;
  turn.set({ pendingCredit: undefined });
  const fields = { channel, entry, voucher, credited, signature };
  turn.persist(
    seq === undefined ? { type: 'credited', ...fields } : { type: 'waitingCredit', ...fields, seq },
  );
  turn.send({ type: 'credit', voucher, credited, signature });
}

/**
 * The worth of tick k is delivered. The payer reveals the next as soon as it hears so; when the next could not be
 * taken, the request that ends the session goes out first.
 */
export function onDelivered(turn: TerminalTurn, channel: ChannelId, k: number, challenge: Uint8Array): void {
  const { session } = turn.volatile;
  if (session === undefined || session.channel !== channel || session.delivering !== k) return;
  turn.set({ session: { ...session, delivering: 0 } });
  const lane = turn.lane(channel);
  // Whatever takes the stream's place on the lane is no stream, or begins a session of its own.
  if (lane?.stream === undefined) return;
  const { stream } = lane;
  if (k === stream.voucher.ticks) over(turn, channel, k, 'used_up');
  else {
    const refusal = nextTickRefusal(turn, lane, stream);
    if (refusal !== undefined) {
      over(turn, channel, k, refusal);
      askClosing(turn, challenge);
    }
  }
  answer(turn, lane as StreamLane);
}

function over(
  turn: TerminalTurn,
  channel: ChannelId,
  ticks: number,
  reason: RefusalName | 'used_up' | 'closed' | 'link_lost',
): void {
  // What comes from now on is late: nothing is delivered for it, so it is credited.
  turn.set({ session: undefined });
  turn.notify({ type: 'sessionOver', channel, ticks, reason });
}

/** The car is gone: nothing more is delivered, and a tick that comes later is credited. */
export function dropLostSession(turn: TerminalTurn): void {
  const { session, linkUp, linkLostAtMs } = turn.volatile;
  if (session === undefined || linkUp || turn.nowMs - linkLostAtMs < SESSION_LOST_SECONDS * 1000) return;
  over(turn, session.channel, turn.lane(session.channel)?.stream?.k ?? 0, 'link_lost');
}

/** A session ends with an ordinary voucher of amount 0: it carries all ticks and settles cheaper than a stream. */
export function askClosing(turn: TerminalTurn, challenge: Uint8Array): void {
  openRequest(turn, { amount: 0 as Amount, currency: 'TIME', challenge }, true);
}

/** The charger or the driver ends the session: ask for the closing voucher, then answer what was delivered. */
export function closeSession(turn: TerminalTurn, challenge: Uint8Array): void {
  const { session } = turn.volatile;
  if (session === undefined) return;
  const lane = turn.lane(session.channel);
  askClosing(turn, challenge);
  over(turn, session.channel, lane?.stream?.k ?? 0, 'closed');
  if (lane?.stream === undefined) return;
  if (lane.stream.k > 0) answer(turn, lane as StreamLane);
}
