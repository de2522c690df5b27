/**
 * One connector of a charge point, as a pure machine between the charge point (OCPP) and the terminal that payers tap:
 * step(context, state, event, now) gives the next state and what is to be done, in that order. Energy flows while ticks are
 * paid: a tick is said to be delivered when what is due by the tariff has used it up, and when ticks stop, the charge point
 * is asked to stop. What the payer paid beyond the final price is credited on the newest stream.
 *
 * `session` is durable: it is stored (`save`) before anything that follows from it is done. The rest is forgotten at a
 * restart and found again: the charge point reports, and a car that is still there greets.
 */
import type { Tariff } from '../../../../device/tariff/tariff.ts';
import { unreachable } from '../../../../protocol/errors.ts';
import {
  dueOf,
  newSession,
  paidOf,
  type Session,
  type SignedRecord,
  ticksUsed,
  tokenOf,
  type Transaction,
  withLast,
  withReading,
  withSigned,
  withTransaction,
} from './session.ts';

/** What a connector is doing, in the words of all versions of OCPP that matter here. */
export type PlugStatus = 'unknown' | 'available' | 'plugged' | 'reserved' | 'unavailable';

export type PlugEvent =
  // ---- of the terminal ----
  | { readonly type: 'payerHere' }
  | { readonly type: 'payerGone' }
  /** The terminal's request is out; its hash. */
  | { readonly type: 'requested'; readonly request: string }
  | { readonly type: 'streamOpened'; readonly voucher: string; readonly channel: number }
  /** Where the terminal's books stand for the stream that is last. */
  | { readonly type: 'books'; readonly k: number; readonly credited: number; readonly upTo?: number }
  /** A tick was paid and waits to be used up. */
  | { readonly type: 'tick'; readonly k: number }
  | { readonly type: 'sessionOver'; readonly reason: string }
  /** The closing voucher is here. */
  | { readonly type: 'streamClosed' }
  | { readonly type: 'endWanted' }
  /** Nothing came of the request, or of the credit. */
  | { readonly type: 'refused'; readonly code: string }
  | { readonly type: 'creditFailed'; readonly forGood: boolean }
  // ---- of the charge point ----
  | { readonly type: 'online' }
  | { readonly type: 'offline' }
  | { readonly type: 'status'; readonly status: PlugStatus }
  /** Somebody showed a token: a payer that is here is asked. */
  | { readonly type: 'authorize' }
  | {
      readonly type: 'started';
      readonly transaction: Transaction;
      readonly flowing: boolean;
      /** Somebody was called to pay: what flows until they are here, or nobody comes, is theirs to pay. */
      readonly awaited: boolean;
    }
  /** Whoever was called to pay did not come. */
  | { readonly type: 'nobodyCame' }
  | {
      readonly type: 'reading';
      readonly at: number;
      readonly wh?: number;
      /** The vehicle takes no more (true), takes energy (false), or it was not said. */
      readonly idle?: boolean;
      readonly flowing?: boolean;
      readonly signed?: readonly SignedRecord[];
    }
  | {
      readonly type: 'ended';
      readonly at: number;
      readonly wh?: number;
      readonly reason: string;
      readonly signed?: readonly SignedRecord[];
    }
  // ----
  | { readonly type: 'clock' };

export type PlugEffect =
  /** The session, or that there is none any more: durable before the next effect. */
  | { readonly type: 'save'; readonly session: Session }
  /** Whoever is plugged in here has had a session; or nobody is any more. Durable before the next effect. */
  | { readonly type: 'served'; readonly served: boolean }
  /** The session is closed: it goes to the records. */
  | { readonly type: 'close'; readonly session: Session }
  /** Asks whoever is at the terminal for a stream. */
  | { readonly type: 'offer'; readonly tickValue: number }
  | { readonly type: 'delivered'; readonly channel: number; readonly k: number }
  /** Gives so much of the stream back, all in all. */
  | { readonly type: 'credit'; readonly channel: number; readonly voucher: string; readonly credited: number }
  /** Nobody is asked any more. */
  | { readonly type: 'cancelOffer' }
  /** Ends the stream with its closing voucher. */
  | { readonly type: 'closeStream' }
  | { readonly type: 'start'; readonly token: string }
  | { readonly type: 'stop'; readonly transaction: string; readonly reason: string };

export interface PlugContext {
  readonly chargePoint: string;
  readonly connector: number;
  readonly protocol: string;
  /** For sessions that begin from now on. */
  readonly tariff: Tariff;
  /** Units of a tick. */
  readonly tickValue: number;
  /** Seconds that local time is ahead of UTC at a moment. */
  readonly zone: (at: number) => number;
  /** A charge point that is tried with nobody to pay: whatever it starts goes on, and is recorded as unpaid. */
  readonly unpaid: boolean;
}

export interface PlugState {
  /** Unix seconds. */
  readonly startedAt: number;
  readonly session: Session | undefined;
  readonly online: boolean;
  readonly status: PlugStatus;
  /** A payer is on the terminal's link. */
  readonly here: boolean;
  /** The terminal delivers on the last stream. */
  readonly live: boolean;
  /** Tick that was paid and is not used up; 0: none. */
  readonly open: number;
  /** Until when an answer to the last offer is waited for; 0: nothing was offered. */
  readonly offeredUntil: number;
  /** One stream a visit: whoever stays after a session is asked again when they come anew, plug in or show a token. */
  readonly mayOffer: boolean;
  /** Who is plugged in had a session, as far as is known: after a restart nothing begins by itself for them. */
  readonly served: boolean;
  /** How often this visitor was asked. */
  readonly tries: number;
  readonly flowing: boolean;
  /** Until when somebody who was called may still come to pay; 0: nobody is on the way. */
  readonly awaitedUntil: number;
  /** When a token was shown at the charge point, which then starts by itself. */
  readonly shownAt: number;
  /** When the charge point was asked last, and when the payer paid last. */
  readonly askedAt: number;
  readonly paidAt: number;
  /** When the connector was said to be free while a transaction ran. */
  readonly freeSince: number;
  readonly crediting: boolean;
  /** What was left of the stream before was given back, before another is asked for. */
  readonly returned: boolean;
}

/** Seconds. */
export const OFFER_WAIT = 30;
/** A payer that refuses may have no lease yet: it is asked so often, with such pauses. */
export const TRIES_MAX = 3;
export const TRY_AGAIN = 5;
/** How long the tick after an answered one is waited for at the end. */
export const TICK_WAIT = 3;
/** How long a closing voucher is waited for before the next stream is asked for: one request at a time. */
export const CLOSE_WAIT = 5;
export const ASK_AGAIN = 30;
/** How long a payer that is here may leave what is due unpaid. */
export const ARREARS_WAIT = 30;
/** How long a charge point that was shown a token is left to start by itself. */
export const SHOWN_WAIT = 20;
/** Whoever comes so soon after a start may have been there before, with a session that is over: nothing begins by itself. */
export const START_QUIET = 20;
/** How long whoever is called to pay may take, if it is never said whether they came. */
export const AWAITED_MAX = 60;
/** How long a paid start may take: the driver walks to the plug. */
export const START_WAIT = 180;
/** A connector that is free this long has no transaction any more, whatever was not said. */
export const FREE_WAIT = 300;

export const plugAtStart = (session: Session | undefined, served: boolean, now: number): PlugState => ({
  startedAt: now,
  session,
  online: false,
  status: 'unknown',
  here: false,
  live: false,
  open: 0,
  offeredUntil: 0,
  mayOffer: false,
  served,
  tries: 0,
  flowing: false,
  awaitedUntil: 0,
  shownAt: 0,
  askedAt: 0,
  paidAt: 0,
  freeSince: 0,
  crediting: false,
  returned: false,
});

/** Is there a payer whose stream is open, so that energy may flow? */
export const isPaid = ({ live, session }: PlugState): boolean => live && session?.stopWanted === undefined;

class Turn {
  readonly effects: PlugEffect[] = [];
  readonly context: PlugContext;
  readonly now: number;
  state: PlugState;

  constructor(context: PlugContext, state: PlugState, now: number) {
    this.context = context;
    this.state = state;
    this.now = now;
  }

  set(change: Partial<PlugState>): void {
    this.state = { ...this.state, ...change };
  }

  do(effect: PlugEffect): void {
    this.effects.push(effect);
  }

  save(session: Session): Session {
    this.set({ session });
    this.do({ type: 'save', session });
    return session;
  }
}

const freshSession = ({ context, now }: Turn): Session =>
  newSession({
    id: `${now.toString(36)}-${context.connector}`,
    chargePoint: context.chargePoint,
    connector: context.connector,
    protocol: context.protocol,
    tariff: context.tariff,
    openedAt: now,
  });

const runs = (session: Session | undefined): boolean =>
  session?.transaction !== undefined && session.ended === undefined;

/**
 * Is something due for a session that ended while this gateway was starting? Its payer, whose stream went with the process
 * before, is asked for the rest.
 */
const collects = ({ state, now }: Turn, session: Session): boolean =>
  session.ended !== undefined &&
  session.stopWanted === undefined &&
  session.streams.length > 0 &&
  now < state.startedAt + START_QUIET &&
  dueOf(session) > paidOf(session);

/** Asks whoever is here for a stream: for a new session, or for one that runs and has none. */
function offer(turn: Turn): void {
  const { session, online, here, live, status, offeredUntil, mayOffer, crediting } = turn.state;
  if (!here || live || crediting || turn.now < offeredUntil) return;
  if (session === undefined) {
    if (!mayOffer || !online || status === 'reserved' || status === 'unavailable') return;
  } else if (!(runs(session) || collects(turn, session)) || session.stopWanted !== undefined) return;
  // Once: ticks that the payer goes on to reveal meanwhile are late, and the terminal credits those itself.
  else if (!turn.state.returned && giveBack(turn, session)) return turn.set({ returned: true });
  const { tickValue } = turn.context;
  turn.set({ offeredUntil: turn.now + OFFER_WAIT, mayOffer: false, tries: turn.state.tries + 1 });
  if (session === undefined) turn.save(freshSession(turn));
  turn.do({ type: 'offer', tickValue });
}

/** Credits what was paid and not used, while it still can be: on the stream that stands last. Returns true when it does. */
function giveBack(turn: Turn, session: Session): boolean {
  const last = session.streams.at(-1);
  const { voucher, channel } = last ?? {};
  const surplus = paidOf(session) - dueOf(session);
  if (last === undefined || voucher === undefined || channel === undefined || surplus <= 0) return false;
  const credited = Math.min(last.credited + surplus, last.k * last.tickValue);
  if (credited <= last.credited) return false;
  turn.set({ crediting: true });
  turn.do({ type: 'credit', channel, voucher, credited });
  return true;
}

/** Says that paid ticks are used up, one after the other: the next comes when the payer heard of it. */
function useTicks(turn: Turn): void {
  const { session, live, open } = turn.state;
  const last = session?.streams.at(-1);
  if (session === undefined || !live || open === 0 || last?.channel === undefined) return;
  if (ticksUsed(session) < open) return;
  turn.set({ open: 0 });
  turn.do({ type: 'delivered', channel: last.channel, k: open });
}

/** Asks the charge point to stop; again when it did not. */
function stop(turn: Turn, reason: string): void {
  const { session } = turn.state;
  if (session === undefined) return;
  if (!runs(session)) {
    if (session.transaction === undefined) finish(turn, reason);
    return;
  }
  if (session.stopWanted === undefined) turn.save({ ...session, stopWanted: reason });
  askStop(turn);
}

function askStop(turn: Turn): void {
  const { session, online, askedAt } = turn.state;
  const { transaction, stopWanted } = session ?? {};
  if (!online || transaction === undefined || stopWanted === undefined || turn.now < askedAt + ASK_AGAIN)
    return;
  turn.set({ askedAt: turn.now });
  turn.do({ type: 'stop', transaction: transaction.id, reason: stopWanted });
}

/** Nothing flows any more: what is due is collected from a payer who is here, the rest credited, the stream closed. */
function finish(turn: Turn, reason: string): void {
  let { session } = turn.state;
  if (session === undefined) return;
  if (session.ended === undefined) {
    session = turn.save({ ...session, ended: { at: session.register?.at ?? turn.now, reason } });
    turn.set({ paidAt: turn.now });
  }
  const { live, here, paidAt, crediting, offeredUntil } = turn.state;
  if (crediting) return;
  const owes = dueOf(session) > paidOf(session);
  if (!live && collects(turn, session)) return offer(turn);
  // What covers all that is due stays open: said to be delivered it would bring the next tick.
  if (owes) useTicks(turn);
  // Whoever ended it at the car pays nothing more.
  const pays = live && here && session.stopWanted !== 'payer';
  if (owes && pays && turn.now < paidAt + ARREARS_WAIT) return;
  // A tick that was answered is followed by the next: it comes now, or is credited as a late one.
  const { open } = turn.state;
  if (pays && open === 0 && session.streams.at(-1)!.k > 0 && turn.now < paidAt + TICK_WAIT) return;
  // A stream may still be opened on the request that is out.
  if (
    !live &&
    here &&
    turn.now < offeredUntil &&
    session.streams.at(-1)?.voucher === undefined &&
    session.streams.length > 0
  )
    return;
  if (giveBack(turn, session)) return;
  close(turn, session);
}

function close(turn: Turn, session: Session): void {
  const { live, offeredUntil, here } = turn.state;
  const closing = live && here;
  if (session.transaction !== undefined && turn.state.status !== 'available') serve(turn, true);
  if (live) turn.do({ type: 'closeStream' });
  else if (offeredUntil > 0) turn.do({ type: 'cancelOffer' });
  turn.set({
    session: undefined,
    live: false,
    open: 0,
    flowing: false,
    awaitedUntil: 0,
    askedAt: 0,
    freeSince: 0,
    offeredUntil: closing ? turn.now + CLOSE_WAIT : 0,
    crediting: false,
  });
  turn.do({ type: 'close', session: { ...session, closedAt: turn.now } });
}

/** Energy flows, and nobody pays for it. */
function refuseUnpaid(turn: Turn): void {
  const { session, live, here, offeredUntil, flowing } = turn.state;
  if (turn.context.unpaid || live || !flowing || !runs(session)) return;
  offer(turn);
  const asked = turn.state.here && (turn.now < turn.state.offeredUntil || turn.state.crediting);
  if (here && (asked || turn.now < offeredUntil)) return;
  if (turn.now < turn.state.awaitedUntil) return;
  stop(turn, 'nobody pays');
}

function onStarted(
  turn: Turn,
  { transaction, flowing, awaited }: Extract<PlugEvent, { type: 'started' }>,
): void {
  const { session } = turn.state;
  if (awaited) turn.set({ awaitedUntil: turn.now + AWAITED_MAX });
  if (session?.transaction?.key === transaction.key)
    return turn.set({ flowing: turn.state.flowing || flowing });
  // A charge point that begins another one has lost the one before.
  if (session?.transaction !== undefined) {
    const ended = session.ended ?? { at: session.register?.at ?? turn.now, reason: 'lost' };
    const { live } = turn.state;
    if (live) turn.do({ type: 'closeStream' });
    turn.set({ session: undefined, live: false, open: 0, crediting: false });
    turn.do({ type: 'close', session: { ...session, ended, closedAt: turn.now } });
  }
  turn.set({ flowing, askedAt: 0, freeSince: 0, paidAt: turn.now });
  turn.save(withTransaction(turn.state.session ?? freshSession(turn), transaction));
  useTicks(turn);
  offer(turn);
  refuseUnpaid(turn);
}

function onReading(turn: Turn, event: Extract<PlugEvent, { type: 'reading' | 'ended' }>): void {
  const { session } = turn.state;
  if (session === undefined) return;
  const zone = turn.context.zone(event.at);
  let next = withReading(session, event.at, event.wh, zone);
  for (const record of event.signed ?? []) next = withSigned(next, record);
  if (event.type === 'reading' && event.idle !== undefined) next = { ...next, idle: event.idle };
  if (next !== session) turn.save(next);
}

function onStreamOpened(
  turn: Turn,
  { voucher, channel }: Extract<PlugEvent, { type: 'streamOpened' }>,
): void {
  const session = turn.state.session ?? freshSession(turn);
  const asked = session.streams.at(-1)?.voucher === undefined && session.streams.length > 0;
  const stream = { request: '', tickValue: turn.context.tickValue, k: 0, credited: 0 };
  const streams = asked ? session.streams : [...session.streams, stream];
  const opened = turn.save(withLast({ ...session, streams }, { voucher, channel }));
  turn.set({
    live: true,
    open: 0,
    offeredUntil: 0,
    awaitedUntil: 0,
    askedAt: 0,
    paidAt: turn.now,
    returned: false,
  });
  if (opened.ended !== undefined) return finish(turn, opened.ended.reason);
  if (opened.transaction !== undefined || turn.now < turn.state.shownAt + SHOWN_WAIT) return useTicks(turn);
  start(turn, opened);
}

/** Tells the charge point to start; again when it did not, or was away. */
function start(turn: Turn, session: Session): void {
  const { online, askedAt } = turn.state;
  if (!online || turn.now < askedAt + ASK_AGAIN) return;
  turn.set({ askedAt: turn.now });
  turn.do({ type: 'start', token: tokenOf(session) });
}

function onRefused(turn: Turn, code: string): void {
  const { session, live, tries, flowing } = turn.state;
  if (live || session === undefined) return turn.set({ offeredUntil: 0 });
  turn.set({ offeredUntil: 0 });
  turn.do({ type: 'cancelOffer' });
  if (session.transaction === undefined) finish(turn, code);
  const again = tries < TRIES_MAX;
  turn.set({ offeredUntil: again ? turn.now + TRY_AGAIN : 0, mayOffer: again });
  if (!again && runs(session) && flowing && !turn.context.unpaid) stop(turn, code);
}

function onSessionOver(turn: Turn, reason: string): void {
  const { session } = turn.state;
  turn.set({ live: false, open: 0 });
  if (session === undefined) return;
  if (session.ended !== undefined) return finish(turn, session.ended.reason);
  if (reason === 'used_up') return offer(turn);
  if (reason !== 'closed') stop(turn, reason);
}

function onClock(turn: Turn): void {
  const { session, live, here, paidAt, offeredUntil, freeSince, open, shownAt } = turn.state;
  if (session === undefined) return offer(turn);
  if (session.ended !== undefined) return finish(turn, session.ended.reason);
  if (session.transaction === undefined) {
    if (live && turn.now >= shownAt + SHOWN_WAIT) start(turn, session);
    if (live ? turn.now >= session.openedAt + START_WAIT : turn.now >= offeredUntil)
      finish(turn, 'not started');
    return;
  }
  if (freeSince > 0 && turn.now >= freeSince + FREE_WAIT) return finish(turn, 'gone');
  askStop(turn);
  useTicks(turn);
  const owes = dueOf(session) > paidOf(session) && open === 0;
  if (live && owes && turn.now >= paidAt + ARREARS_WAIT) stop(turn, 'ticks stopped');
  if (!live && (!here || turn.now >= offeredUntil)) refuseUnpaid(turn);
}

/** Remembers whether whoever is plugged in has had a session. */
function serve(turn: Turn, served: boolean): void {
  if (turn.state.served === served) return;
  turn.set({ served });
  turn.do({ type: 'served', served });
}

/** After a restart: has nobody who is plugged in had a session yet? */
const isNew = ({ status, served }: PlugState): boolean => status === 'unknown' && !served;

/** Somebody begins anew; what is said during a session belongs to that. */
function mayAsk(turn: Turn): void {
  const { session } = turn.state;
  turn.set({ tries: 0, mayOffer: session === undefined || session.ended !== undefined });
}

function dispatch(turn: Turn, event: PlugEvent): void {
  const { session } = turn.state;
  switch (event.type) {
    case 'payerHere':
      turn.set({
        here: true,
        tries: 0,
        mayOffer:
          session === undefined && (!turn.state.served || turn.now >= turn.state.startedAt + START_QUIET),
      });
      return offer(turn);
    case 'payerGone':
      return turn.set({ here: false, offeredUntil: 0 });
    case 'requested':
      if (session === undefined || session.streams.at(-1)?.request === event.request) return;
      turn.save({
        ...session,
        streams: [
          ...session.streams.filter(({ voucher }) => voucher !== undefined),
          { request: event.request, tickValue: turn.context.tickValue, k: 0, credited: 0 },
        ],
      });
      return;
    case 'streamOpened':
      return onStreamOpened(turn, event);
    case 'books': {
      const last = session?.streams.at(-1);
      if (session === undefined || last === undefined) return;
      const isBack = turn.state.crediting && event.credited > last.credited;
      const { k, credited, upTo = last.upTo } = event;
      if (last.k === k && last.credited === credited) return;
      turn.save(withLast(session, { k, credited, ...(upTo !== undefined && { upTo }) }));
      if (!isBack) return;
      turn.set({ crediting: false });
      if (session.ended === undefined) offer(turn);
      else finish(turn, session.ended.reason);
      return;
    }
    case 'tick':
      turn.set({ open: event.k, paidAt: turn.now });
      return session?.ended === undefined ? useTicks(turn) : finish(turn, session.ended.reason);
    case 'sessionOver':
      return onSessionOver(turn, event.reason);
    case 'endWanted':
      return stop(turn, 'payer');
    case 'refused':
      return onRefused(turn, event.code);
    case 'streamClosed':
      if (session !== undefined) return;
      turn.set({ offeredUntil: 0 });
      return offer(turn);
    case 'creditFailed':
      turn.set({ crediting: false });
      if (session?.ended === undefined) return offer(turn);
      return event.forGood ? close(turn, session) : undefined;
    case 'online':
      turn.set({ online: true, askedAt: 0 });
      askStop(turn);
      if (session !== undefined && turn.state.live && session.transaction === undefined) start(turn, session);
      return offer(turn);
    case 'offline':
      return turn.set({ online: false });
    case 'status':
      // Whoever unplugs and plugs in again begins anew.
      if (event.status === 'available') serve(turn, false);
      if (event.status === 'plugged' && (turn.state.status === 'available' || isNew(turn.state)))
        mayAsk(turn);
      turn.set({
        status: event.status,
        freeSince: event.status === 'available' ? turn.state.freeSince || turn.now : 0,
      });
      return event.status === 'plugged' ? offer(turn) : undefined;
    case 'authorize':
      mayAsk(turn);
      turn.set({ shownAt: turn.now });
      return offer(turn);
    case 'started':
      return onStarted(turn, event);
    case 'nobodyCame':
      turn.set({ awaitedUntil: 0 });
      return refuseUnpaid(turn);
    case 'reading':
      onReading(turn, event);
      if (event.flowing) turn.set({ flowing: true });
      if (turn.state.session?.ended !== undefined) return finish(turn, turn.state.session.ended.reason);
      useTicks(turn);
      return refuseUnpaid(turn);
    case 'ended':
      onReading(turn, event);
      if (turn.state.session === undefined) return;
      turn.set({ paidAt: turn.now, flowing: false });
      if (turn.state.session.ended === undefined)
        turn.save({ ...turn.state.session, ended: { at: event.at, reason: event.reason } });
      return finish(turn, event.reason);
    case 'clock':
      return onClock(turn);
    default:
      return unreachable(event);
  }
}

/** One step. Pure: the same arguments give the same result. `now`: unix seconds. */
export function plugStep(
  context: PlugContext,
  state: PlugState,
  event: PlugEvent,
  now: number,
): { readonly state: PlugState; readonly effects: readonly PlugEffect[] } {
  const turn = new Turn(context, state, now);
  dispatch(turn, event);
  return { state: turn.state, effects: turn.effects };
}
