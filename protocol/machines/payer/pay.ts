/**
 * From a terminal's request to a signed voucher: checks, resolving what is unanswered at that terminal, intent,
 * signature. The order of the effects is rule 2: persist the intent, then sign, then send.
 */
import { type Address, type Bytes32, equalBytes } from '../../bytes.ts';
import { type Amount, addAmounts, amount, nextSeq, ZERO_AMOUNT } from '../../integers.ts';
import { LANES_MAX, SYNC_RETRY_MS, TICK_VALUE_DIVISOR, TICKS_MAX, UNCONFIRMED_MAX } from '../../limits.ts';
import { firstRefusal, type RefusalName } from '../../refusals.ts';
import {
  detailHash,
  lanesHash,
  listedLanes,
  type Request,
  requestHash,
  type Voucher,
  voucherDigest,
} from '../../vouchers.ts';
import { type Message, type MessageOf, NEED } from '../../wire/messages.ts';
import {
  laneOf,
  type Unconfirmed,
  type UnconfirmedVoucher,
  unansweredVoucher,
  unansweredVouchers,
} from './books.ts';
import { askAgain, askClearance, clearanceRefusals, clearedFor, hubDay } from './clearance.ts';
import {
  type Clearing,
  type PayerTurn,
  type PendingRequest,
  type RequestMessage,
  terminalOf,
} from './state.ts';
import { buildChain, closeStream, resendTick, tickUnanswered } from './stream.ts';

/** The request as its hash commits to it. A stream asks for 0. */
export function openedRequest(turn: PayerTurn, message: PendingRequest['message']): Request {
  return {
    terminal: message.terminal,
    amount: message.type === 'streamRequest' ? ZERO_AMOUNT : message.amount,
    at: message.at,
    detail: detailHash(turn.context.signing.suite, message),
  };
}

/** Everything at one terminal that waits for its answer: rule 3 allows no new voucher there meanwhile. */
export function unresolvedAt(turn: PayerTurn, terminal: Address): readonly Unconfirmed[] {
  const { unconfirmed, writtenOff } = turn.books;
  return [...unconfirmed, ...writtenOff].filter((entry) => equalBytes(terminalOf(entry), terminal));
}

/** Sends a voucher in the form that the moment needs; signs it first when it was not signed since power-up. */
export function sendVoucher(turn: PayerTurn, entry: UnconfirmedVoucher, form: 'voucher' | 'resolve'): void {
  const signature = turn.signatureOf(entry.digest);
  if (signature === undefined) {
    const others = turn.volatile.outgoing.filter((waiting) => !equalBytes(waiting.digest, entry.digest));
    turn.set({ outgoing: [...others, { digest: entry.digest, form }].slice(-UNCONFIRMED_MAX) });
    turn.sign(entry.digest);
    return;
  }
  const unknown = turn.volatile.unknowns.find((word) => equalBytes(word.entry, entry.digest));
  if (form === 'resolve' && unknown !== undefined) turn.send(unknown);
  turn.send(voucherMessage(entry, form, signature));
  turn.set({ sentAtMs: turn.nowMs });
}

function voucherMessage(
  entry: UnconfirmedVoucher,
  form: 'voucher' | 'resolve',
  signature: Uint8Array,
): Message {
  const { voucher, request } = entry;
  const { channel, seq, spent, paid } = voucher;
  const tap = { channel, seq, spent, paid, signature };
  const { terminal, at, detail } = request;
  if (voucher.kind === 'stream') {
    const { anchor, tickValue, ticks } = voucher;
    return form === 'voucher'
      ? { type: 'stream', ...tap, anchor }
      : { type: 'resolveStream', ...tap, anchor, tickValue, ticks, terminal, at, detail };
  }
  const { lanes } = voucher;
  return form === 'voucher'
    ? { type: 'voucher', ...tap, lanes }
    : { type: 'resolveVoucher', ...tap, lanes, terminal, amount: request.amount, at, detail };
}

/** Sends everything that this terminal has not answered. Returns true when there was something. */
export function resolveAt(turn: PayerTurn, terminal: Address): boolean {
  const entries = unresolvedAt(turn, terminal);
  for (const entry of entries) {
    if (entry.kind === 'voucher') {
      sendVoucher(turn, entry, 'resolve');
    } else {
      const { channel } = turn.books;
      turn.send({ type: 'tick', channel: channel!, seq: entry.seq, k: entry.k, preimage: entry.preimage });
    }
  }
  const { stream } = turn.books;
  if (stream !== undefined && equalBytes(stream.terminal, terminal) && tickUnanswered(turn)) {
    resendTick(turn);
    return true;
  }
  return entries.length > 0;
}

/** Why its lease does not allow this, if so: what a voucher of `most` would need. */
function leaseRefusals(turn: PayerTurn, message: RequestMessage, most: number): RefusalName[] {
  const { books, context, settings } = turn;
  const { lease } = books;
  const found: RefusalName[] = [];
  if (
    lease === undefined ||
    lease.channel !== books.channel ||
    !equalBytes(lease.payer, context.self) ||
    (turn.based && turn.now > lease.expiresAt)
  ) {
    found.push('lease_missing');
  } else {
    // Its clock runs ahead: it takes nothing under this lease, and once it is right again it never asked.
    if (message.at > lease.expiresAt + settings.timing.clockError) found.push('lease_expired');
    if (books.spent + most > lease.spendLimit) found.push('over_spend_limit');
    if (message.type === 'request' && message.amount > lease.tapLimit) found.push('over_tap_limit');
    if (
      message.type === 'streamRequest' &&
      (message.ticks < 1 ||
        message.ticks > TICKS_MAX ||
        message.tickValue < 1 ||
        message.tickValue > Math.floor(lease.tapLimit / TICK_VALUE_DIVISOR))
    )
      found.push('stream_terms');
  }
  if (message.type === 'request' && message.amount > settings.tapMax) found.push('declined');
  return found;
}

/**
 * Why the payer won't pay this, or undefined. `most` is what the voucher can take at its maximum. What the hub cleared, or
 * is asked to clear, is judged by that and the owner's limit for a day instead of the lease.
 */
function refusalOf(
  turn: PayerTurn,
  message: PendingRequest['message'],
  most: number,
  clearing: Clearing | undefined,
): RefusalName | undefined {
  const { books, settings } = turn;
  const found: RefusalName[] =
    message.type === 'clearanceQuestion' || clearing !== undefined
      ? clearanceRefusals(turn, most, clearing?.lease)
      : leaseRefusals(turn, message, most);
  if (books.unconfirmed.length + (tickUnanswered(turn) ? 1 : 0) >= UNCONFIRMED_MAX)
    found.push('unconfirmed_full');
  const known = books.lanes.some((lane) => equalBytes(lane.payee, message.payee));
  if (!known && books.lanes.length >= (settings.lanesMax ?? LANES_MAX)) found.push('lanes_full');
  return firstRefusal(found);
}

/**
 * What it would pay instead of a request above its limits; undefined when that is nothing. A terminal learns nothing that
 * lease and voucher of a smaller payment don't tell it.
 */
function lessInstead(
  turn: PayerTurn,
  message: PendingRequest['message'],
  refusal: RefusalName,
): Amount | undefined {
  const { lease, spent } = turn.books;
  if (message.type !== 'request' || lease === undefined) return undefined;
  if (refusal !== 'over_tap_limit' && refusal !== 'over_spend_limit') return undefined;
  const most = Math.min(lease.tapLimit, turn.settings.tapMax, lease.spendLimit - spent);
  return most > 0 ? amount(most) : undefined;
}

/** The terminal asks. Pays, or resolves first, or says why not. */
export function onRequest(turn: PayerTurn, pending: PendingRequest): void {
  const { message } = pending;
  turn.set({ pending: undefined, peer: message.terminal });
  const request = openedRequest(turn, message);
  const hash = requestHash(turn.context.signing, request);
  if (turn.volatile.lastRequest !== undefined && equalBytes(turn.volatile.lastRequest, hash)) return;
  const same = unansweredVouchers(turn.books).find((entry) => equalBytes(entry.voucher.request, hash));
  if (same !== undefined) return sendVoucher(turn, same, 'voucher');

  const certificate = turn.books.certificates.find(
    (known) => equalBytes(known.terminal, message.terminal) && equalBytes(known.payee, message.payee),
  );
  if (certificate === undefined || (turn.based && turn.now > certificate.expiresAt)) {
    turn.set({ pending });
    turn.send({ type: 'need', what: NEED.certificate });
    return;
  }
  if (resolveAt(turn, message.terminal)) {
    turn.set({ pending });
    return;
  }
  // A hostile terminal may ask for more than any amount holds; as a plain number it is still compared rightly.
  const most = message.type === 'streamRequest' ? message.tickValue * message.ticks : message.amount;
  const cleared = clearedFor(turn, hash);
  const refusal = refusalOf(turn, message, most, cleared);
  if (refusal !== undefined) return turn.refuse(refusal, lessInstead(turn, message, refusal));
  if (message.type === 'clearanceQuestion') askClearance(turn, message, hash);
  else intend(turn, { ...pending, message }, request, hash, cleared?.lease);
}

/** Writes the voucher's numbers (rule 1), persists them, and asks for the signature. */
function intend(
  turn: PayerTurn,
  { message, random }: { readonly message: RequestMessage; readonly random: Bytes32 | undefined },
  request: Request,
  hash: Bytes32,
  cleared: MessageOf<'lease'> | undefined,
): void {
  if (message.type === 'streamRequest' && random === undefined) return turn.refuse('stream_terms');
  closeStream(turn);
  const { books, context } = turn;
  const { suite } = context.signing;
  const lane = laneOf(books, message.payee);
  const numbers = {
    channel: books.channel!,
    seq: nextSeq(books.seq),
    spent: addAmounts(books.spent, request.amount),
    payee: message.payee,
    paid: addAmounts(lane.paid, request.amount),
    request: hash,
  };
  let voucher: Voucher;
  let seed: Bytes32 | undefined;
  if (message.type === 'streamRequest' && random !== undefined) {
    const { chain, anchor } = buildChain(suite, random, message.ticks);
    seed = random;
    voucher = {
      kind: 'stream',
      ...numbers,
      anchor,
      tickValue: message.tickValue,
      ticks: message.ticks,
    };
    turn.set({ chain, answered: 0, stopWanted: false });
  } else {
    const others = books.lanes.filter((other) => other !== lane);
    const listed = listedLanes(others).map((other) => ({ payee: other.payee, paid: other.confirmedPaid }));
    voucher = { kind: 'voucher', ...numbers, lanes: lanesHash(suite, listed) };
  }
  const digest = voucherDigest(context.signing, voucher);
  if (cleared !== undefined)
    turn.persist({ type: 'clearedIntent', digest, voucher, request, day: hubDay(turn, cleared) });
  else turn.persist({ type: 'intent', digest, voucher, request, ...(seed && { seed }) });
  turn.set({ clearing: undefined });
  turn.notify({ type: 'signing', seq: voucher.seq, amount: amount(request.amount), payee: voucher.payee });
  sendVoucher(turn, { kind: 'voucher', digest, voucher, request }, 'voucher');
  // Something new to ask about, should no answer come.
  turn.set({ askPauseMs: SYNC_RETRY_MS });
}

/** The key answered: the voucher goes out, if anyone is there. Nothing is lost if not: it stays unconfirmed. */
export function onVoucherSigned(turn: PayerTurn, digest: Bytes32, signature: Uint8Array): void {
  const entry = unansweredVoucher(turn.books, digest);
  const form = turn.volatile.outgoing.find((waiting) => equalBytes(waiting.digest, digest))?.form;
  turn.set({ outgoing: turn.volatile.outgoing.filter((waiting) => !equalBytes(waiting.digest, digest)) });
  if (entry === undefined) return;
  turn.remember(digest, signature);
  if (form !== undefined && turn.volatile.linkUp) sendVoucher(turn, entry, form);
}

/** No answer came for a while: what waits at this terminal is sent once more, identical. */
export function resendWaiting(turn: PayerTurn): void {
  const { pending, peer } = turn.volatile;
  if (pending !== undefined) onRequest(turn, pending);
  else if (peer !== undefined && !resolveAt(turn, peer)) askAgain(turn);
}
