/**
 * What every device does alike about its hub: taking certificates and revocations of the root, the time of beacons, and
 * asking for one that nobody recorded. Payer and terminal call it with their turns.
 */
import { type Bytes16, type Bytes32, concatBytes, equalBytes, uintBytes } from '../bytes.ts';
import { isSeconds, type Seconds } from '../integers.ts';
import { TIME_STORE_SECONDS, type Timing } from '../limits.ts';
import type { StructMessage } from '../signing/structs.ts';
import type { MessageOf } from '../wire/messages.ts';
import type { Context, Notice } from './effects.ts';
import {
  certifiable,
  type HubKey,
  hubKeyOf,
  isRevoked,
  mayBeRevoked,
  type HubPin,
  type RevokedKey,
  type TrustBooks,
} from './hub-keys.ts';
import {
  basisFrom,
  type DeviceTime,
  earlier,
  hubTime,
  timeAtBoot,
  timeFromClock,
  timeFromHub,
} from './time.ts';

/** Milliseconds between two questions for the time. */
const ASK_TIME_MS = 60_000;

/** What a device knows of its hub beside its books, forgotten at a power cut. */
export interface Trust {
  /** A certified key whose time has not come, as far as the device knows. */
  readonly candidate: HubKey | undefined;
  /** It has a clock that kept running. */
  readonly hasClock: boolean;
  /** Fresh random bytes of this connection, from which the nonces of its questions come. */
  readonly seed: Bytes32 | undefined;
  readonly timeQuestions: number;
  /** The question for the time that has no answer yet. */
  readonly timeQuestion: { readonly nonce: Bytes16; readonly askedAtMs: number } | undefined;
  /** A registration that is being signed. */
  readonly registering: { readonly digest: Bytes32; readonly counter: number } | undefined;
}

/** The part of a device's volatile state that this file keeps. Few fields, as each change copies all of them. */
export interface Trusting {
  readonly time: DeviceTime;
  readonly trust: Trust;
}

export const TRUST_AFTER_POWER_UP: Trust = {
  candidate: undefined,
  hasClock: false,
  seed: undefined,
  timeQuestions: 0,
  timeQuestion: undefined,
  registering: undefined,
};

/** Changes what is known of the hub. */
export const setTrust = (turn: TrustingTurn, change: Partial<Trust>): void =>
  turn.set({ trust: { ...turn.volatile.trust, ...change } });

type TrustRecord =
  | ({ readonly type: 'hubKey' } & HubKey)
  | ({ readonly type: 'hubKeyRevoked' } & RevokedKey)
  | { readonly type: 'time'; readonly at: Seconds };

/** A turn of a payer or a terminal, as far as this file needs it. */
export interface TrustingTurn {
  readonly context: Context;
  readonly settings: { readonly hub: HubPin; readonly timing: Timing };
  readonly nowMs: number;
  readonly books: TrustBooks;
  readonly volatile: Trusting & { readonly hubConnected: boolean };
  set(change: Partial<Trusting>): void;
  persist(record: TrustRecord): void;
  notify(notice: Notice): void;
  upload(message: MessageOf<'timeQuestion'>): void;
}

/** Every key that may have signed: those that are stored, and one whose time may just have come. */
export function hubKeys({ books, volatile }: TrustingTurn): readonly HubKey[] {
  const { candidate } = volatile.trust;
  return candidate === undefined ? books.hub.certified : [...books.hub.certified, candidate];
}

type Answered = 'Acknowledgement' | 'Kept' | 'Unknown' | 'Member';

/** The key of the hub that signed this, of those that are in their window now by the hub's own time. */
export function signerNow<N extends Answered>(
  turn: TrustingTurn,
  name: N,
  message: StructMessage<N>,
  signature: Uint8Array,
): HubKey | undefined {
  const now = hubTime(turn.volatile.time, turn.nowMs);
  return hubKeyOf(turn.context.signing, hubKeys(turn), name, message, signature, now);
}

/** Did such a key sign it? Acknowledgements and the like. */
export const signedNow = <N extends Answered>(
  turn: TrustingTurn,
  name: N,
  message: StructMessage<N>,
  signature: Uint8Array,
): boolean => signerNow(turn, name, message, signature) !== undefined;

/** The signature is of no key that the device may believe. */
export function notOurs(turn: TrustingTurn): void {
  turn.notify({ type: 'refused', code: 'hub_key_unknown', by: 'us' });
}

/**
 * A certificate of the root. Returns true when it began a new epoch: whatever the device was told by keys of the epochs
 * before counts no more.
 */
export function onHubKey(turn: TrustingTurn, message: MessageOf<'hubKey'>): boolean {
  const { key: address, from, until, epoch, signedAt, signature } = message;
  const { hub } = turn.books;
  if (epoch < hub.epoch || !certifiable(message) || mayBeRevoked(hub, { address, signedAt })) {
    notOurs(turn);
    return false;
  }
  const same = (key: HubKey): boolean => equalBytes(key.address, address) && key.signedAt >= signedAt;
  if (epoch === hub.epoch && hub.certified.some(same)) return false;
  if (!turn.context.signing.signedBy('HubKey', message, signature, turn.settings.hub.root)) {
    notOurs(turn);
    return false;
  }
  const key: HubKey = { address, from, until, epoch, signedAt };
  if (epoch > hub.epoch) {
    // The root's word on time, backwards too.
    turn.persist({ type: 'hubKey', ...key });
    const time = { floor: signedAt, sinceMs: turn.nowMs, hub: signedAt, hubMs: turn.nowMs, basedUntilMs: -1 };
    turn.set({ time });
    setTrust(turn, { candidate: undefined, timeQuestion: undefined });
    askTime(turn);
    return true;
  }
  const time = timeFromHub(turn.volatile.time, signedAt, false, turn.settings.timing, turn.nowMs);
  turn.set({ time });
  const now = hubTime(time, turn.nowMs);
  // Not stored before its time has come: certificates made ahead could fill the table.
  if (from > now) setTrust(turn, { candidate: key });
  else if (now <= until) turn.persist({ type: 'hubKey', ...key });
  // The root's word on time stays all the same: or a power cut would give a key back that has ended by then.
  storeTime(turn, signedAt);
  return false;
}

/** The root takes a key back. Returns its address when that changed anything. */
export function onHubKeyRevoked(
  turn: TrustingTurn,
  message: MessageOf<'hubKeyRevoked'>,
): RevokedKey | undefined {
  const { key: address, at, signature } = message;
  if (isRevoked(turn.books.hub, address)) return undefined;
  if (!turn.context.signing.signedBy('HubKeyRevoked', message, signature, turn.settings.hub.root)) {
    notOurs(turn);
    return undefined;
  }
  turn.persist({ type: 'hubKeyRevoked', address, at });
  const { candidate } = turn.volatile.trust;
  if (candidate !== undefined && equalBytes(candidate.address, address))
    setTrust(turn, { candidate: undefined });
  return { address, at };
}

/**
 * The time of a beacon: within the window of the key that signed it, which is then stored. Returns false when it is not
 * to be believed.
 */
export function takeTime(turn: TrustingTurn, message: MessageOf<'beacon'>): boolean {
  const { signing } = turn.context;
  const { at, nonce, signature } = message;
  const key = hubKeyOf(signing, hubKeys(turn), 'Beacon', message, signature, at);
  if (key === undefined || hubTime(turn.volatile.time, turn.nowMs) > key.until) {
    notOurs(turn);
    return false;
  }
  const { candidate, timeQuestion } = turn.volatile.trust;
  const answers = timeQuestion !== undefined && equalBytes(timeQuestion.nonce, nonce);
  turn.set({ time: timeFromHub(turn.volatile.time, at, answers, turn.settings.timing, turn.nowMs) });
  if (answers) setTrust(turn, { timeQuestion: undefined });
  if (key === candidate) {
    turn.persist({ type: 'hubKey', ...key });
    setTrust(turn, { candidate: undefined });
  }
  storeTime(turn, at);
  return true;
}

/** Stores a time that the hub or its root signed, unless it is hardly later than the last. */
function storeTime(turn: TrustingTurn, at: Seconds): void {
  if (at >= turn.books.time + TIME_STORE_SECONDS) turn.persist({ type: 'time', at });
}

/** The hub is there: a question for the time, from random bytes of this connection. */
export function meetHub(turn: TrustingTurn, seed: Bytes32 | undefined): void {
  setTrust(turn, { seed, timeQuestions: 0 });
  askTime(turn);
}

/** The hub is gone, and what it was asked with it: an answer held back until later would be taken for one of then. */
export const dropTimeQuestion = (turn: TrustingTurn): void => setTrust(turn, { timeQuestion: undefined });

/**
 * Asks for the time: the answer is a basis, as nobody can have recorded it before. Each question has a nonce of its own,
 * or the answer to the first could be played again for a basis that wore out.
 */
export function askTime(turn: TrustingTurn): void {
  const { seed, timeQuestions } = turn.volatile.trust;
  if (seed === undefined || !turn.volatile.hubConnected) return;
  const { suite } = turn.context.signing;
  const nonce = suite.keccak256(concatBytes(seed, uintBytes(timeQuestions, 6))).slice(0, 16);
  setTrust(turn, { timeQuestions: timeQuestions + 1, timeQuestion: { nonce, askedAtMs: turn.nowMs } });
  turn.upload({ type: 'timeQuestion', nonce });
}

/** When the next question for the time is due, in the device's milliseconds; undefined: never, as things stand. */
function timeQuestionDue(
  { time, trust, hubConnected }: TrustingTurn['volatile'],
  timing: Timing,
): number | undefined {
  const { seed, timeQuestion } = trust;
  if (!hubConnected || seed === undefined) return undefined;
  return timeQuestion === undefined ? basisFrom(time, timing) : timeQuestion.askedAtMs + ASK_TIME_MS;
}

/** A device's clocks: its timer, milliseconds since power-up, and one that kept running, if it has one, unix seconds. */
export interface Clocks {
  monotonicMs(): number;
  realTimeSeconds(): number | undefined;
}

/** When the device's clock has something to do about the time: read the own clock, or ask the hub. */
export function timeDue(
  volatile: TrustingTurn['volatile'],
  timing: Timing,
  clocks: Clocks,
): number | undefined {
  return earlier(readingDue(volatile, timing, clocks), timeQuestionDue(volatile, timing));
}

/** A clock that is behind is looked at again and again: only a reading that is taken is something to do. */
function readingDue(
  { time, trust }: TrustingTurn['volatile'],
  timing: Timing,
  clocks: Clocks,
): number | undefined {
  if (!trust.hasClock) return undefined;
  const due = basisFrom(time, timing);
  const nowMs = clocks.monotonicMs();
  if (nowMs < due) return due;
  const reading = clocks.realTimeSeconds();
  const isTaken = isSeconds(reading) && timeFromClock(time, reading, timing, nowMs) !== time;
  return isTaken ? due : nowMs + 1;
}

/** Power is on: what was stored, and what an own clock says. */
export function startTime(turn: TrustingTurn, realTime: Seconds | undefined): void {
  turn.set({ time: timeAtBoot(turn.books.time, turn.nowMs) });
  setTrust(turn, { hasClock: realTime !== undefined });
  takeClock(turn, realTime);
}

/** Takes a reading of a clock that kept running: at power-up, and again when half of the basis is gone. */
function takeClock(turn: TrustingTurn, reading: Seconds | undefined): void {
  const { time } = turn.volatile;
  const { timing } = turn.settings;
  if (reading === undefined || turn.nowMs < basisFrom(time, timing)) return;
  turn.set({ time: timeFromClock(time, reading, timing, turn.nowMs) });
}

/** Time passes: the own clock is read again when half of the basis is gone, or the hub is asked. */
export function onClockTime(turn: TrustingTurn, realTime: Seconds | undefined): void {
  takeClock(turn, realTime);
  const due = timeQuestionDue(turn.volatile, turn.settings.timing);
  if (due !== undefined && turn.nowMs >= due) askTime(turn);
}
