/** The payer and the hub: registering, renewing the lease, second copies out, acknowledgements in. */
import type { Bytes32 } from '../../bytes.ts';
import { ASK_PAUSE_MAX_MS, PACK_ENTRIES_MAX, SYNC_RETRY_MS } from '../../limits.ts';
import { refusalName } from '../../refusals.ts';
import { SCOPE_ANY } from '../../vouchers.ts';
import { encodeMessage, type Message, type MessageOf, ROLES } from '../../wire/messages.ts';
import { collectedMessage } from '../collected.ts';
import { registerDigest } from '../registering.ts';
import { meetHub, onHubKey, onHubKeyRevoked, setTrust, takeTime } from '../trusting.ts';
import { entryOf, onUnknown, onAcknowledgement, onCredit, takeLease } from './answers.ts';
import { type PayerTurn, terminalOf } from './state.ts';

/** A connection to the hub stands: everything that waits goes up. */
export function onHubConnected(turn: PayerTurn, seed?: Bytes32): void {
  turn.set({ hubConnected: true });
  register(turn);
  meetHub(turn, seed);
  requestLease(turn);
  uploadCopies(turn);
  turn.set({ askPauseMs: SYNC_RETRY_MS, leasePauseMs: SYNC_RETRY_MS });
  askForUnanswered(turn);
}

/** The counter is stored before it is signed: no other registration ever has it. */
function register(turn: PayerTurn): void {
  // Past 2^32 of them, one a second for 136 years, it can't be stored any more.
  const counter = turn.books.counter + 1;
  turn.persist({ type: 'registering', counter });
  const digest = registerDigest(turn.context, turn.settings.hub, counter);
  setTrust(turn, { registering: { digest, counter } });
  turn.sign(digest);
}

/** The key answered: the hub is told who is there. */
export function onRegisterSigned(turn: PayerTurn, signature: Uint8Array): void {
  const { counter } = turn.volatile.trust.registering!;
  const { channel } = turn.books;
  const { key, role, entropyCertified } = turn.settings;
  setTrust(turn, { registering: undefined });
  turn.upload({
    type: 'register',
    device: turn.context.self,
    role: ROLES[role],
    ...(channel !== undefined && { channel }),
    entropyCertified: entropyCertified ? 1 : 0,
    counter,
    signature,
    ...(key && { key }),
  });
}

/** Asks for a lease from the present numbers on. */
export function requestLease(turn: PayerTurn): void {
  const { channel, seq, spent } = turn.books;
  if (channel === undefined) return;
  const { key, scope = SCOPE_ANY } = turn.settings;
  const fields = { channel, seq, spent, at: turn.now, scope };
  const digest = turn.context.signing.digest('LeaseRequest', fields);
  turn.set({
    leaseAskedAtMs: turn.nowMs,
    leaseRequest: {
      digest,
      message: { type: 'leaseRequest', ...fields, signature: new Uint8Array(64), ...(key && { key }) },
    },
  });
  turn.sign(digest);
}

/** The key answered: the request goes up, or to a terminal that passes it on. */
export function onLeaseRequestSigned(turn: PayerTurn, signature: Uint8Array): void {
  const { leaseRequest } = turn.volatile;
  turn.set({ leaseRequest: undefined });
  const message = { ...leaseRequest!.message, signature };
  // A clearance is asked for by the terminal, whose request it is about.
  if (turn.volatile.hubConnected && message.type === 'leaseRequest') turn.upload(message);
  // A terminal that has the hub relays it.
  else if (turn.volatile.linkUp) turn.send(message);
}

/** Second copies, as many as one message holds; the next ones follow the acknowledgements. */
function uploadCopies(turn: PayerTurn): void {
  const entries = turn.books.outbox
    .slice(0, PACK_ENTRIES_MAX)
    .map((copy) => encodeMessage(collectedMessage(copy.collected)));
  turn.set({ uploadedAtMs: turn.nowMs, inFlight: entries.length });
  if (entries.length > 0) turn.upload({ type: 'pack', entries });
}

/** A question for every voucher or tick without an answer. */
function askForUnanswered(turn: PayerTurn): void {
  turn.set({ askedAtMs: turn.nowMs });
  for (const entry of turn.books.unconfirmed) {
    const seq = entry.kind === 'voucher' ? entry.voucher.seq : entry.seq;
    turn.upload({
      type: 'query',
      channel: turn.books.channel!,
      seq,
      entry: entryOf(turn, entry),
      terminal: terminalOf(entry),
    });
  }
}

/** Tries again what the hub has not answered, and asks ever more rarely about what it does not know. */
export function onClockSync(turn: PayerTurn): void {
  const { hubConnected, uploadedAtMs, askedAtMs, askPauseMs } = turn.volatile;
  if (!hubConnected) return;
  const { outbox, unconfirmed } = turn.books;
  if (outbox.length > 0 && turn.nowMs - uploadedAtMs >= SYNC_RETRY_MS) uploadCopies(turn);
  if (unconfirmed.length === 0 || turn.nowMs - askedAtMs < askPauseMs) return;
  turn.set({ askPauseMs: Math.min(2 * askPauseMs, ASK_PAUSE_MAX_MS) });
  askForUnanswered(turn);
}

/** A key was taken back: a lease that it signed is none any more. */
function onKeyRevoked(turn: PayerTurn, message: MessageOf<'hubKeyRevoked'>): void {
  const gone = onHubKeyRevoked(turn, message);
  if (gone !== undefined && turn.volatile.hubConnected) requestLease(turn);
}

/** One message from the hub. */
export function onHubMessage(turn: PayerTurn, message: Message): void {
  switch (message.type) {
    case 'acknowledgement': {
      const waited = turn.books.outbox.length;
      onAcknowledgement(turn, message);
      const { length } = turn.books.outbox;
      if (length === waited) return;
      turn.set({ inFlight: turn.volatile.inFlight - 1 });
      // All of the last message was acknowledged: the next ones stand in their place now.
      return length > 0 && turn.volatile.inFlight <= 0 ? uploadCopies(turn) : undefined;
    }
    case 'credit':
      return onCredit(turn, message);
    case 'unknown':
      return onUnknown(turn, message);
    case 'lease':
      return takeLease(turn, message);
    case 'beacon':
      return void takeTime(turn, message);
    case 'hubKey':
      return void onHubKey(turn, message);
    case 'hubKeyRevoked':
      return onKeyRevoked(turn, message);
    case 'rejection':
      // Nothing is dropped on a refusal: the entry stays until it is acknowledged or the terminal answers.
      return turn.notify({
        type: 'refused',
        code: refusalName(message.code) ?? 'unexpected_message',
        by: 'hub',
      });
    // Kept: durable there, but not acknowledged; what waits for that goes on waiting.
    case 'kept':
    case 'revocations':
    case 'settled':
      return;
    default:
      return turn.notify({ type: 'refused', code: 'unexpected_message', by: 'us' });
  }
}
