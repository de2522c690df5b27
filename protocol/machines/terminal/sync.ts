/** The terminal and the hub: the outbox up, acknowledgements, time, keys and revocations down. */
import { type Bytes32, concatBytes, equalBytes, type Signature, uintBytes } from '../../bytes.ts';
import { type ChannelId, type Seconds, seconds, UINT40_MAX } from '../../integers.ts';
import { SYNC_RETRY_MS } from '../../limits.ts';
import { refusalName } from '../../refusals.ts';
import { type Message, type MessageOf, ROLES } from '../../wire/messages.ts';
import { leaseEnd } from '../hub-keys.ts';
import { registerDigest } from '../registering.ts';
import {
  meetHub,
  notOurs,
  onHubKey,
  onHubKeyRevoked,
  setTrust,
  signedNow,
  signerNow,
  takeTime,
} from '../trusting.ts';
import { judgeStashed } from './answer.ts';
import { trimKept } from './place.ts';
import { dropRequest } from './request.ts';
import { allHandedIn, askForVoucher, noteAcknowledged, onVoucherGone, setHanded } from './strays.ts';
import { uploadOutbox } from './upload.ts';
import { NOTHING_HANDED_IN, type TerminalTurn } from './state.ts';

/** A connection to the hub stands: the terminal registers, and everything that waits goes up. */
export function onHubConnected(turn: TerminalTurn, seed?: Bytes32): void {
  turn.set({ hubConnected: true });
  register(turn);
  meetHub(turn, seed);
  uploadOutbox(turn, 0);
  stateSynced(turn, 0);
}

/** The counter is stored before it is signed: no other registration ever has it. */
function register(turn: TerminalTurn): void {
  // Past 2^32 of them, one a second for 136 years, it can't be stored any more.
  const counter = turn.books.counter + 1;
  turn.set({ forgotten: false });
  turn.persist({ type: 'registering', counter });
  const digest = registerDigest(turn.context, turn.settings.hub, counter, turn.settings.payee);
  setTrust(turn, { registering: { digest, counter } });
  turn.sign(digest);
}

/** The key answered: the hub is told who is there, and for which payee. */
export function onRegisterSigned(turn: TerminalTurn, signature: Signature): void {
  const { counter } = turn.volatile.trust.registering!;
  const { payee, certificate, role, entropyCertified } = turn.settings;
  setTrust(turn, { registering: undefined });
  turn.upload({
    type: 'register',
    device: turn.context.self,
    role: ROLES[role],
    payee,
    certificateExpiresAt: certificate.expiresAt,
    certificate: certificate.signature,
    entropyCertified: entropyCertified ? 1 : 0,
    counter,
    signature,
  });
}

/** With nothing new a terminal says at most this often how far it has handed everything in. */
const SYNCED_SECONDS = 600;

/**
 * Signs up to which request time the hub has everything that this terminal accepted, once its outbox is empty. The
 * payee countersigns credits only when all its terminals have said so: a voucher that contradicts one may still be
 * waiting in an outbox. What is open or being delivered may still be accepted, so the time stays before it. And before
 * the newest beacon: that time can be stored, so that no later start dates a request before what was said, while a clock
 * that once ran ahead would refuse every lease for good.
 */
function stateSynced(turn: TerminalTurn, everySeconds: number): void {
  const { hubConnected, open, session, pending, beaconAt } = turn.volatile;
  const { syncing, syncedAt } = turn.volatile.handed;
  const idle = pending === undefined && syncing === undefined && allHandedIn(turn);
  if (!hubConnected || !turn.based || !idle) return;
  const streamAt = session && turn.lane(session.channel)?.at;
  const at = (Math.min(beaconAt, open?.request.at ?? UINT40_MAX, streamAt ?? UINT40_MAX) - 1) as Seconds;
  // What was answered since the last time may be a credit that the payee waits to sign.
  const isNew = turn.books.lanes.some((lane) => lane.at > syncedAt && lane.at <= at);
  if (at <= syncedAt || (!isNew && at < syncedAt + everySeconds)) return;
  const digest = turn.context.signing.digest('Synced', { terminal: turn.context.self, at });
  setHanded(turn, { syncing: { digest, at } });
  turn.sign(digest);
}

/** The key answered: the hub is told that everything before this time is handed in. */
export function onSyncedSigned(turn: TerminalTurn, signature: Uint8Array): void {
  const { at } = turn.volatile.handed.syncing!;
  setHanded(turn, { syncing: undefined, syncedAt: at });
  // Persist before reveal: without a clock that ran on, the next start would date requests before it.
  const next = seconds(at + 1);
  if (next > turn.books.time) turn.persist({ type: 'time', at: next });
  turn.upload({ type: 'synced', terminal: turn.context.self, at, signature });
}

/** Tries again what the hub has not acknowledged. */
export function onClockSync(turn: TerminalTurn): void {
  const { uploadedAtMs, uploadFrom, inFlight, forgotten, hubConnected } = turn.volatile;
  if (turn.nowMs - uploadedAtMs < SYNC_RETRY_MS) return;
  if (forgotten && hubConnected) register(turn);
  // What the hub refuses stays in its place; the retry begins behind it, so that it never blocks the others.
  uploadOutbox(turn, uploadFrom + inFlight);
}

/** The hub was asked for a voucher on behalf of the payer on our link, and has it: the payer checks the answer. */
function passOn(turn: TerminalTurn, message: Message, entry: Bytes32): void {
  const { linkUp, asked } = turn.volatile;
  if (linkUp && asked !== undefined && equalBytes(asked, entry)) turn.send(message);
}

/** Only the hub's signature over this very entry clears it; what a transport confirms means nothing (rule 12). */
function onAcknowledgement(turn: TerminalTurn, message: MessageOf<'acknowledgement'>): void {
  const { entry } = message;
  const tick = turn.volatile.uploadedTicks.find((known) => equalBytes(known.entry, entry));
  const waiting = turn.books.outbox.find((known) => known.kind !== 'tick' && equalBytes(known.entry, entry));
  if (tick === undefined && waiting === undefined) return passOn(turn, message, entry);
  if (!signedNow(turn, 'Acknowledgement', message, message.signature)) return notOurs(turn);
  if (waiting !== undefined) turn.persist({ type: 'acknowledged', entry, position: message.position });
  if (tick !== undefined) {
    turn.set({ uploadedTicks: turn.volatile.uploadedTicks.filter((known) => known !== tick) });
    turn.persist({ type: 'tickAcknowledged', stream: tick.stream, k: tick.k });
  }
  noteAcknowledged(turn, entry, message.position);
  // The place of a voucher stays its own; what a stream brings had its room beside the lane.
  if (waiting?.kind !== 'voucher') trimKept(turn);
  turn.notify({ type: 'acknowledged', entry });
  // Acknowledgements of earlier messages come late; below zero the next upload would begin before the outbox does.
  turn.set({ inFlight: Math.max(0, turn.volatile.inFlight - 1) });
  // All of the last message was acknowledged: entries that were not sent yet stand in their place now.
  if (turn.volatile.inFlight <= 0) uploadOutbox(turn, turn.volatile.uploadFrom);
  stateSynced(turn, 0);
}

function onBeacon(turn: TerminalTurn, message: MessageOf<'beacon'>): void {
  if (!takeTime(turn, message)) return;
  const { beaconAt } = turn.volatile;
  // A beacon that was recorded and is played again must not bring an old list back.
  if (message.at >= beaconAt) turn.set({ beaconAt: message.at, revocations: message.revocations });
  turn.notify({ type: 'time', at: message.at });
  stateSynced(turn, SYNCED_SECONDS);
}

/** A revocation list counts when the newest beacon names its hash. */
function onRevocations(turn: TerminalTurn, { channels }: MessageOf<'revocations'>): void {
  const { revocations, beaconAt } = turn.volatile;
  const hash = turn.context.signing.suite.keccak256(concatBytes(...channels.map((id) => uintBytes(id, 4))));
  if (revocations === undefined || !equalBytes(hash, revocations)) return;
  const { revoked } = turn.books;
  const same = revoked.length === channels.length && channels.every((id, i) => revoked[i] === id);
  if (!same) turn.persist({ type: 'revoked', at: beaconAt, channels });
}

function onMember(turn: TerminalTurn, message: MessageOf<'member'>): void {
  if (!equalBytes(message.terminal, turn.context.self)) return;
  const key = signerNow(turn, 'Member', message, message.signature);
  if (key === undefined) return notOurs(turn);
  const { scope } = message;
  // It outlives its key no longer than a lease does.
  const expiresAt = leaseEnd(key, message.expiresAt, turn.settings.timing.leaseLifetime);
  const known = turn.books.member;
  if (known === undefined || !equalBytes(known.scope, scope) || known.expiresAt < expiresAt)
    turn.persist({ type: 'member', scope, expiresAt });
}

/**
 * The root certifies a key or takes one back, told by the hub or by whoever taps. What a key said that counts no more may
 * have been a thief's word: all that was kept goes up again.
 */
export function onKeyMessage(
  turn: TerminalTurn,
  message: MessageOf<'hubKey'> | MessageOf<'hubKeyRevoked'>,
): void {
  if (message.type === 'hubKeyRevoked') {
    const gone = onHubKeyRevoked(turn, message);
    if (gone === undefined) return;
    const { leases } = turn.volatile;
    const left = leases.filter(({ signer }) => !equalBytes(signer, gone.address));
    turn.set({ leases: left });
    const { strays, ledger } = NOTHING_HANDED_IN;
    setHanded(turn, { strays, ledger });
    dropCleared(turn);
    dropMember(turn);
    uploadOutbox(turn, 0);
  } else if (onHubKey(turn, message)) {
    // Beacons of the epochs before may have said any time, and named any list.
    turn.set({ leases: [], beaconAt: message.signedAt, revocations: undefined, handed: NOTHING_HANDED_IN });
    dropCleared(turn);
    dropMember(turn);
    uploadOutbox(turn, 0);
  }
}

/** Keys were taken back: one of them may have named the scope. The hub names it anew to who registers. */
function dropMember(turn: TerminalTurn): void {
  const { member } = turn.books;
  if (member === undefined || member.expiresAt === 0) return;
  turn.persist({ type: 'member', scope: member.scope, expiresAt: seconds(0) });
  if (turn.volatile.hubConnected) register(turn);
}

/** Keys were taken back: what one of them may have cleared is asked for anew. */
function dropCleared(turn: TerminalTurn): void {
  if (turn.volatile.open?.clearing?.held !== undefined) dropRequest(turn);
}

function onSettled(turn: TerminalTurn, message: MessageOf<'settled'>): void {
  const channel = message.channel as ChannelId;
  const lane = turn.lane(channel);
  if (lane === undefined || message.paid <= lane.settled) return;
  turn.persist({ type: 'settled', channel, paid: message.paid });
  turn.notify({ type: 'settled', channel, paid: message.paid, transaction: message.transaction });
}

/** One message from the hub. */
export function onHubMessage(turn: TerminalTurn, message: Message): void {
  switch (message.type) {
    case 'acknowledgement':
      return onAcknowledgement(turn, message);
    case 'beacon':
      return onBeacon(turn, message);
    case 'revocations':
      return onRevocations(turn, message);
    case 'member':
      return onMember(turn, message);
    case 'hubKey':
    case 'hubKeyRevoked':
      return onKeyMessage(turn, message);
    case 'settled':
      return onSettled(turn, message);
    case 'credit':
      return passOn(turn, message, message.voucher);
    case 'unknown':
      turn.set({ unknown: message });
      onVoucherGone(turn, message);
      stateSynced(turn, 0);
      return judgeStashed(turn);
    case 'lease':
      if (turn.settings.clearances?.onLease(turn, message)) return;
      // Asked for on behalf of the payer on our link.
      if (turn.volatile.linkUp && turn.volatile.greeted?.channel === message.channel) turn.send(message);
      return;
    // Durable there, but not acknowledged: it stays in its place and is sent again (decision 35).
    case 'kept':
      return;
    case 'rejection': {
      if (turn.settings.clearances?.onRefused(turn, message)) return;
      const code = refusalName(message.code) ?? 'unexpected_message';
      // A hub can lose a registration that it had not written, behind a broker that keeps the connection.
      if (code === 'terminal_unknown') turn.set({ forgotten: true });
      askForVoucher(turn, message.entry, code);
      // Kept all the same: only an acknowledgement clears the outbox.
      return turn.notify({ type: 'refused', code, by: 'hub' });
    }
    default:
      return turn.notify({ type: 'refused', code: 'unexpected_message', by: 'us' });
  }
}
