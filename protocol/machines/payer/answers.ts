/** What a terminal answers: receipts, credits, tick answers, certificates, refusals. Signatures are checked here. */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import { ZERO_AMOUNT } from '../../integers.ts';
import { SYNC_RETRY_MS, UNCONFIRMED_MAX } from '../../limits.ts';
import { refusalName } from '../../refusals.ts';
import { requestHash, tickEntry } from '../../vouchers.ts';
import { type Message, type MessageOf, NEED } from '../../wire/messages.ts';
import { type Unconfirmed, unansweredVoucher, type UnconfirmedVoucher } from './books.ts';
import { dropClearing, takeClearance } from './clearance.ts';
import { onRequest, resolveAt, unresolvedAt } from './pay.ts';
import { hubKeyOf } from '../hub-keys.ts';
import { hubKeys, notOurs, onHubKey, onHubKeyRevoked, signedNow } from '../trusting.ts';
import type { PayerTurn } from './state.ts';
import { closeStream, onTickAnswer, revealNext, tickUnanswered } from './stream.ts';

/** Greets the terminal: which channel, and which lease it may already hold. */
export function sendHello(turn: PayerTurn): void {
  const { channel, lease } = turn.books;
  if (channel === undefined) return turn.refuse('lease_missing');
  const { key } = turn.settings;
  const digest = lease && turn.context.signing.digest('Lease', lease);
  turn.send({
    type: 'hello',
    channel,
    payer: turn.context.self,
    ...(key && { key }),
    ...(digest && { lease: digest }),
  });
}

/** Goes on with the request that waited, now that something at this terminal was settled. */
function continuePending(turn: PayerTurn): void {
  const { pending } = turn.volatile;
  if (pending !== undefined) onRequest(turn, pending);
}

const findVoucher = (turn: PayerTurn, digest: Uint8Array): UnconfirmedVoucher | undefined =>
  unansweredVoucher(turn.books, digest);

function onReceipt(turn: PayerTurn, message: MessageOf<'receipt'>): void {
  const entry = findVoucher(turn, message.voucher);
  if (entry === undefined) return;
  const { signing } = turn.context;
  if (!signing.signedBy('Receipt', message, message.signature, entry.request.terminal)) {
    turn.notify({ type: 'refused', code: 'signature', by: 'us' });
    return;
  }
  confirm(turn, entry, message.signature);
}

/** Persists that a voucher has its answer; the receipt, when there is one, makes a second copy for the hub. */
export function confirm(turn: PayerTurn, entry: UnconfirmedVoucher, receipt?: Uint8Array): void {
  const signature = turn.signatureOf(entry.digest);
  const { key } = turn.settings;
  turn.persist({
    type: 'confirmed',
    digest: entry.digest,
    ...(receipt && signature && { signature, receipt }),
    ...(key && { key }),
  });
  const { payee } = entry.voucher;
  turn.notify({ type: 'paid', voucher: entry.digest, amount: entry.request.amount, payee });
  turn.set({ lastRequest: requestHash(turn.context.signing, entry.request) });
  const stream = turn.books.stream;
  if (turn.volatile.pending !== undefined) continuePending(turn);
  else if (stream !== undefined && equalBytes(stream.digest, entry.digest) && receipt !== undefined)
    revealNext(turn);
}

/** A full credit, from the terminal or passed on by the hub: the voucher is void. */
export function onCredit(turn: PayerTurn, message: MessageOf<'credit'>): void {
  const entry = findVoucher(turn, message.voucher);
  if (entry === undefined || message.credited !== entry.request.amount) return;
  const { signing } = turn.context;
  const signer = signing.suite.recover(signing.digest('Credit', message), message.signature);
  const { terminal } = entry.request;
  if (signer === undefined || !(equalBytes(signer, terminal) || equalBytes(signer, entry.voucher.payee))) {
    turn.notify({ type: 'refused', code: 'signature', by: 'us' });
    return;
  }
  turn.persist({ type: 'voided', digest: entry.digest });
  turn.notify({ type: 'voided', voucher: entry.digest, amount: message.credited });
  continuePending(turn);
}

/** The digest that the hub knows an unanswered voucher or tick by. */
export function entryOf(turn: PayerTurn, entry: Unconfirmed): Bytes32 {
  return entry.kind === 'voucher'
    ? entry.digest
    : tickEntry(turn.context.signing.suite, entry.stream, entry.k, entry.preimage);
}

/** The hub has it, in its own words or passed on by a terminal. */
export function onAcknowledgement(turn: PayerTurn, message: MessageOf<'acknowledgement'>): void {
  if (!signedNow(turn, 'Acknowledgement', message, message.signature)) return notOurs(turn);
  const found =
    findVoucher(turn, message.entry) ??
    turn.books.unconfirmed.find((entry) => equalBytes(entryOf(turn, entry), message.entry));
  if (found?.kind === 'voucher') confirm(turn, found);
  else if (found?.kind === 'tick') turn.persist({ type: 'tickConfirmed', stream: found.stream, k: found.k });
  if (turn.books.outbox.some((copy) => equalBytes(copy.digest, message.entry))) {
    turn.persist({ type: 'acknowledged', digest: message.entry });
    turn.notify({ type: 'acknowledged', entry: message.entry });
  }
}

/**
 * The hub does not have it. Its terminal had said by then that everything up to the request is handed in: it never took
 * the voucher, and may never come back to say so. The voucher is written off; what it takes stays counted as spent.
 * Otherwise the word is kept for a terminal that forgot the voucher, which may not take it without.
 */
export function onUnknown(turn: PayerTurn, message: MessageOf<'unknown'>): void {
  const entry = findVoucher(turn, message.entry);
  if (entry === undefined) return onTickUnknown(turn, message);
  const { terminal, at, amount } = entry.request;
  const isOff = turn.books.writtenOff.includes(entry);
  if (!isOff && equalBytes(message.terminal, terminal) && message.synced >= at) {
    if (!signedNow(turn, 'Unknown', message, message.signature)) return notOurs(turn);
    turn.persist({ type: 'writtenOff', digest: entry.digest });
    turn.notify({ type: 'writtenOff', voucher: entry.digest, amount });
    return continuePending(turn);
  }
  const others = turn.volatile.unknowns.filter((word) => !equalBytes(word.entry, message.entry));
  turn.set({ unknowns: [...others, message].slice(-UNCONFIRMED_MAX) });
}

/**
 * The hub does not have an unanswered tick. It is kept for its terminal as long as there is place: a tick that comes late is
 * given back. With no place left it is written off, or terminals that never come back would stop the payer for good. It
 * stays counted as spent, so nobody but the payer can lose it, whatever the terminal holds and whoever says so.
 */
function onTickUnknown(turn: PayerTurn, message: MessageOf<'unknown'>): void {
  const { unconfirmed } = turn.books;
  if (unconfirmed.length + (tickUnanswered(turn) ? 1 : 0) < UNCONFIRMED_MAX) return;
  const tick = unconfirmed.find((known) => equalBytes(entryOf(turn, known), message.entry));
  if (tick?.kind !== 'tick') return;
  if (!signedNow(turn, 'Unknown', message, message.signature)) return notOurs(turn);
  turn.persist({ type: 'tickForgotten', stream: tick.stream, k: tick.k });
  turn.notify({ type: 'writtenOff', voucher: message.entry, amount: ZERO_AMOUNT });
  continuePending(turn);
}

/** A certificate is checked once and kept; it also says which terminal is there, so old vouchers are resolved. */
function onCertificate(turn: PayerTurn, message: MessageOf<'certificate'>): void {
  const { pending } = turn.volatile;
  const wanted = pending !== undefined && equalBytes(pending.message.terminal, message.terminal);
  if (wanted && !equalBytes(pending.message.payee, message.payee)) return turn.refuse('payee_mismatch');
  const expired = turn.based && turn.now > message.expiresAt;
  const known = turn.books.certificates.find(
    (entry) =>
      equalBytes(entry.terminal, message.terminal) &&
      equalBytes(entry.payee, message.payee) &&
      entry.expiresAt >= message.expiresAt,
  );
  if (known === undefined) {
    const { signing } = turn.context;
    if (!signing.signedBy('Terminal', message, message.signature, message.payee))
      return turn.refuse('certificate_invalid');
    if (expired) return turn.refuse('certificate_expired');
    const { terminal, payee, expiresAt } = message;
    turn.persist({ type: 'certificate', terminal, payee, expiresAt });
  }
  turn.set({ peer: message.terminal });
  // What a request waits for must not come from here again and again, or the two devices echo one another for ever.
  if (wanted) return expired ? turn.refuse('certificate_expired') : continuePending(turn);
  turn.set({ pending: undefined });
  resolveAt(turn, message.terminal);
}

function onNeed(turn: PayerTurn, what: number): void {
  if (what === NEED.hello) sendHello(turn);
  else if (what !== NEED.lease) turn.refuse('unexpected_message');
  else if (turn.books.lease !== undefined) turn.send(turn.books.lease);
  else turn.refuse('lease_missing');
}

/**
 * The terminal forgot the stream of an unanswered tick. Nobody can give the tick back without it, and the terminal asks
 * for no more than the one tick that a drive-off leaves open: it is written off, so that payments go on here.
 */
function forgetTick(turn: PayerTurn): boolean {
  const { peer } = turn.volatile;
  if (peer === undefined) return false;
  if (turn.books.stream !== undefined && equalBytes(turn.books.stream.terminal, peer)) closeStream(turn);
  const tick = unresolvedAt(turn, peer).find((entry) => entry.kind === 'tick');
  if (tick !== undefined) turn.persist({ type: 'tickForgotten', stream: tick.stream, k: tick.k });
  return tick !== undefined;
}

function onRefusal(turn: PayerTurn, message: MessageOf<'refusal'>): void {
  const code = refusalName(message.code) ?? 'unexpected_message';
  // About a voucher `ask_hub` names it; without a subject the stream of a tick was forgotten.
  if (code === 'ask_hub' && message.subject === undefined && forgetTick(turn)) return continuePending(turn);
  // A session is over there, and what waits goes on: its open tick is answered like a voucher, and given back.
  if (code === 'no_session' && message.subject !== undefined) {
    const { stream } = turn.books;
    if (stream !== undefined && equalBytes(stream.digest, message.subject)) closeStream(turn);
    return turn.notify({ type: 'refused', code, by: 'peer' });
  }
  turn.set({ pending: undefined, clearing: undefined });
  turn.notify({ type: 'refused', code, by: 'peer' });
}

/** One message from the terminal. */
export function onTapMessage(turn: PayerTurn, message: Message, random: Uint8Array | undefined): void {
  switch (message.type) {
    case 'request':
    case 'streamRequest':
    case 'clearanceQuestion':
      return onRequest(turn, { message, random });
    case 'receipt':
      return onReceipt(turn, message);
    case 'credit':
      return onCredit(turn, message);
    case 'tickAnswer':
      if (onTickAnswer(turn, message)) continuePending(turn);
      return;
    case 'certificate':
      return onCertificate(turn, message);
    case 'need':
      return onNeed(turn, message.what);
    case 'refusal':
      return onRefusal(turn, message);
    case 'cancel':
      // What was signed stays unconfirmed until it is answered; only the wish to pay ends.
      turn.set({ pending: undefined });
      return dropClearing(turn, message.request);
    case 'acknowledgement':
      return onAcknowledgement(turn, message);
    case 'hubKey':
      return void onHubKey(turn, message);
    case 'hubKeyRevoked':
      return void onHubKeyRevoked(turn, message);
    case 'lease':
      // A terminal that has the hub relays a renewal.
      return turn.books.channel === undefined ? undefined : takeLease(turn, message);
    default:
      return turn.notify({ type: 'refused', code: 'unexpected_message', by: 'us' });
  }
}

/** Keeps a lease of this channel that a known hub key signed and that ends later or allows more. */
export function takeLease(turn: PayerTurn, lease: MessageOf<'lease'>): void {
  // It is for one request, and never stands in the place of a lease.
  if (lease.cap === 0) return takeClearance(turn, lease);
  const { books, context } = turn;
  if (lease.channel !== books.channel || !equalBytes(lease.payer, context.self))
    return turn.notify({ type: 'refused', code: 'lease_mismatch', by: 'us' });
  const { signing } = context;
  const key = hubKeyOf(signing, hubKeys(turn), 'Lease', lease, lease.signature, lease.issuedAt);
  if (key === undefined) return notOurs(turn);
  // Dated ahead, it would stand in the way of the right ones.
  if (turn.based && lease.issuedAt > turn.now + turn.settings.timing.clockError)
    return turn.notify({ type: 'refused', code: 'lease_future', by: 'us' });
  const old = books.lease;
  if (old !== undefined && lease.issuedAt < old.issuedAt) return;
  // Leases are repeated by every beacon of a transport; storing the same again would only wear out the flash.
  if (old !== undefined && equalBytes(signing.digest('Lease', old), signing.digest('Lease', lease))) return;
  turn.persist({ ...lease, type: 'lease', signer: key.address });
  turn.set({ leasePauseMs: SYNC_RETRY_MS });
  turn.notify({ type: 'lease', spendLimit: lease.spendLimit, expiresAt: lease.expiresAt });
}
