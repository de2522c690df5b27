/** What a terminal asks: opening a request, offering it to whoever taps, dropping it. */
import type { Bytes16, Bytes32 } from '../../bytes.ts';
import { type Amount, type ChannelId, ZERO_AMOUNT } from '../../integers.ts';
import { REQUEST_OPEN_SECONDS, TICKS_MAX, VOIDS_WAITING_MAX } from '../../limits.ts';
import type { RefusalName } from '../../refusals.ts';
import { detailHash, requestHash } from '../../vouchers.ts';
import { type MessageOf, NEED } from '../../wire/messages.ts';
import { holdsLease } from './answer.ts';
import { voidsWaiting } from './books.ts';
import { customerOf, placeOfVoucher } from './place.ts';
import type { RequestMessage, TerminalTurn } from './state.ts';

/** A sale. `challenge`: 16 fresh random bytes; it doubles as the trace id of the payment. */
export interface Sale {
  readonly amount: Amount;
  /** At most CURRENCY_BYTES_MAX printable characters. */
  readonly currency: string;
  readonly challenge: Bytes16;
  /** Hash of a signed meter record, and of a quote in another currency. */
  readonly meter?: Bytes32;
  readonly quote?: Bytes32;
}

export interface StreamSale extends Omit<Sale, 'amount'> {
  readonly tickValue: Amount;
  readonly ticks: number;
}

/** Why nothing is offered now. A stream's ticks meet the caps one by one. */
function saleRefusal(turn: TerminalTurn, sale: Sale | StreamSale, closing: boolean): RefusalName | undefined {
  const { books, settings } = turn;
  if (!closing) {
    if (books.outbox.length >= settings.outboxMax) return 'outbox_full';
    // Before a customer signs: who comes may be new here, and have the largest key.
    const most = customerOf(turn, 'ticks' in sale ? 'streamRequest' : 'request');
    const place = placeOfVoucher(turn, undefined, most);
    if ('refusal' in place) return place.refusal;
  }
  if (!turn.based) return 'no_time_basis';
  if ('ticks' in sale) {
    const { ticks, tickValue } = sale;
    return ticks < 1 || ticks > TICKS_MAX || tickValue < 1 ? 'stream_terms' : undefined;
  }
  // With the hub at hand it is asked.
  if (settings.clearances !== undefined && turn.volatile.hubConnected) return undefined;
  return books.exposure + sale.amount > settings.capTotal ? 'cap_total' : undefined;
}

/**
 * Opens a request in place of any earlier one; a customer who is there already gets it at once. `closing`: it ends a
 * session, whose stream kept a place for it.
 */
export function openRequest(turn: TerminalTurn, sale: Sale | StreamSale, closing = false): void {
  const { volatile, settings, context } = turn;
  const refusal = saleRefusal(turn, sale, closing);
  if (refusal !== undefined) return turn.notify({ type: 'refused', code: refusal, by: 'us' });
  const shared = {
    terminal: context.self,
    payee: settings.payee,
    at: turn.now,
    currency: sale.currency,
    challenge: sale.challenge,
    ...(sale.meter && { meter: sale.meter }),
    ...(sale.quote && { quote: sale.quote }),
  };
  const message: RequestMessage =
    'ticks' in sale
      ? { type: 'streamRequest', ...shared, tickValue: sale.tickValue, ticks: sale.ticks }
      : { type: 'request', ...shared, amount: sale.amount };
  const request = {
    terminal: context.self,
    amount: message.type === 'request' ? message.amount : ZERO_AMOUNT,
    at: message.at,
    detail: detailHash(context.signing.suite, message),
  };
  const hash = requestHash(context.signing, request);
  const replaced = volatile.open;
  turn.set({ open: { message, request, hash, openedAtMs: turn.nowMs } });
  if (replaced?.clearing !== undefined) settings.clearances?.end(turn, replaced.hash);
  turn.notify({ type: 'requested', amount: request.amount, request: hash });
  if (volatile.greeted?.questioned) turn.set({ greeted: { ...volatile.greeted, questioned: false } });
  if (volatile.greeted === undefined) askWho(turn);
  // Whoever ends a session pays what was delivered already.
  else if (closing) turn.send(message);
  else offer(turn, volatile.greeted.channel, message);
}

/**
 * Shows a request to who greeted. Not while so many of its voids wait for the hub that a voucher which comes late might find
 * no place (rule 15).
 */
function offer(turn: TerminalTurn, channel: ChannelId, message: RequestMessage): void {
  if (voidsWaiting(turn.books, channel) > VOIDS_WAITING_MAX - 2) turn.refuse('voids_waiting');
  else if (!turn.settings.clearances?.ask(turn, channel)) turn.send(message);
}

/**
 * Somebody is on the link and has not greeted: the greeting was torn. Payers greet once a link, so that without this
 * question both would wait until it ends.
 */
export function askWho(turn: TerminalTurn): void {
  const { linkUp, greeted } = turn.volatile;
  if (linkUp && greeted === undefined) turn.send({ type: 'need', what: NEED.hello });
}

/** Drops the open request: whatever comes for it later is void. */
export function dropRequest(turn: TerminalTurn): void {
  const { open, linkUp } = turn.volatile;
  if (open === undefined) return;
  turn.set({ open: undefined });
  if (linkUp) turn.send({ type: 'cancel', request: open.hash });
  if (open.clearing !== undefined) turn.settings.clearances?.end(turn, open.hash);
}

/** Nobody tapped for REQUEST_OPEN_SECONDS. */
export function dropStaleRequest(turn: TerminalTurn): void {
  const { open } = turn.volatile;
  if (open !== undefined && turn.nowMs - open.openedAtMs >= REQUEST_OPEN_SECONDS * 1000) dropRequest(turn);
}

/** A payer greets: it is offered what is open, a session that is under way, or who we are. */
export function onHello(turn: TerminalTurn, message: MessageOf<'hello'>): void {
  const { channel, payer, key, lease } = message;
  // Before it signs: a voucher that nobody here can check would never get an answer either.
  if (key !== undefined && !turn.context.signing.suite.p256) {
    turn.set({ greeted: undefined });
    return turn.refuse('scheme_unsupported');
  }
  turn.set({ greeted: { channel, payer, key }, stashed: undefined, asked: undefined });
  if (!holdsLease(turn, lease)) turn.send({ type: 'need', what: NEED.lease });
  const { open, session } = turn.volatile;
  if (open !== undefined) return offer(turn, channel, open.message);
  const lane = turn.lane(channel);
  if (session?.channel === channel && lane?.stream !== undefined) {
    const { delivering } = session;
    const k = delivering === 0 ? lane.stream.k : delivering - 1;
    return turn.send({ type: 'tickAnswer', channel, seq: lane.seq, k });
  }
  sendCertificate(turn);
}

/** Says who the terminal is, with the certificate of its payee. */
export function sendCertificate(turn: TerminalTurn): void {
  const { payee, certificate } = turn.settings;
  turn.send({ type: 'certificate', terminal: turn.context.self, payee, ...certificate });
}
