/**
 * One device with its real step function, and what the walk looks at: what it knows of keys and time. After each step
 * its monotonic timer starts again from zero, and what has nothing to do with keys and time is put back, so that
 * states which differ in nothing else are one.
 */
import { amount, seconds, seq } from '../../../protocol/integers.ts';
import { DEFAULT_TIMING, type Timing } from '../../../protocol/limits.ts';
import type { DeviceEvent, Effect } from '../../../protocol/machines/effects.ts';
import { type HubKey, hubKeyIn, hubPin, type TrustBooks } from '../../../protocol/machines/hub-keys.ts';
import * as payerBooks from '../../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, payerStep } from '../../../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../../../protocol/machines/payer/state.ts';
import * as terminalBooks from '../../../protocol/machines/terminal/books.ts';
import { broughtBack } from '../../../protocol/machines/terminal/kept.ts';
import {
  type HeldLease,
  NOTHING_HANDED_IN,
  type TerminalSettings,
  type TerminalState,
} from '../../../protocol/machines/terminal/state.ts';
import { terminalAfterPowerUp, terminalStep } from '../../../protocol/machines/terminal/terminal.ts';
import { type DeviceTime, hubTime, timeNow } from '../../../protocol/machines/time.ts';
import type { Trusting } from '../../../protocol/machines/trusting.ts';
import { type Request, requestHash, type Voucher, voucherDigest } from '../../../protocol/vouchers.ts';
import { sameBooks } from '../../stage/compare.ts';
import { standInSuite } from '../suite.ts';
import { certificate, CHANNEL, ENTRY, type KeyOf, PAYEE, PAYER, ROOT, SELF, signing } from './words.ts';

/** What a payer's and a terminal's state have in common, and a terminal's leases. */
export interface KeyState {
  readonly books: TrustBooks;
  readonly volatile: Trusting & { readonly hubConnected: boolean; readonly leases?: readonly HeldLease[] };
}

export interface KeyStep {
  readonly state: KeyState;
  readonly effects: readonly Effect<{ readonly type: string }>[];
}

export interface KeyDevice {
  /** What it waits for an acknowledgement of. */
  readonly entry: Uint8Array;
  /** As it leaves the factory with the hub's first key, switched off. */
  first(key: KeyOf): KeyState;
  step(state: KeyState, event: DeviceEvent, nowMs: number): KeyStep;
  /**
   * Power is gone, and comes back: what the snapshot of its books holds. Throws when that is less than the books, unless a
   * rule is dropped: the books may then hold what no record brings back.
   */
  powerCut(state: KeyState, dropped: boolean): KeyState;
}

export const TIMING: Timing = DEFAULT_TIMING;
const site = { hub: hubPin(standInSuite, 'walk', ROOT), timing: TIMING };

/** How a question's age ends to matter: it is asked again after a minute. */
const QUESTION_MS = 60_000;

const rebased = (time: DeviceTime, nowMs: number): DeviceTime => ({
  floor: timeNow(time, nowMs),
  sinceMs: 0,
  hub: hubTime(time, nowMs),
  hubMs: 0,
  basedUntilMs: Math.max(-1, time.basedUntilMs - nowMs),
});

/** The state at zero of its timer, without what the walk is not about. */
export function tidy({ books, volatile }: KeyState, nowMs: number): KeyState {
  const { time, trust } = volatile;
  const { timeQuestion } = trust;
  const question = timeQuestion && {
    ...timeQuestion,
    askedAtMs: Math.max(-QUESTION_MS, timeQuestion.askedAtMs - nowMs),
  };
  return {
    books: { ...books, ...{ counter: 0 } },
    volatile: {
      ...volatile,
      time: rebased(time, nowMs),
      trust: { ...trust, timeQuestion: question, timeQuestions: 0, registering: undefined },
      ...UNTOUCHED,
    },
  };
}

/** Of registering, syncing and asking for leases nothing is walked. */
const UNTOUCHED = {
  leaseRequest: undefined,
  leaseAskedAtMs: 0,
  leasePauseMs: 0,
  handed: NOTHING_HANDED_IN,
  beaconAt: 0,
  revocations: undefined,
  uploadedAtMs: 0,
  askedAtMs: 0,
  askPauseMs: 0,
  sentAtMs: 0,
  inFlight: 0,
  uploadFrom: 0,
} as object;

/** Applies the snapshot; throws when any field comes back as another one. */
function reread<B, R>(
  books: B,
  dropped: boolean,
  { empty, snapshot, apply }: { empty: B; snapshot(books: B): readonly R[]; apply(books: B, record: R): B },
): B {
  const back = snapshot(books).reduce(apply, empty);
  const lost = dropped ? undefined : sameBooks(back, books);
  if (lost !== undefined) throw new Error(`a snapshot loses: ${lost}`);
  return back;
}

const keyRecord = (key: KeyOf): { readonly type: 'hubKey' } & HubKey => ({
  type: 'hubKey',
  ...hubKeyIn(certificate(key, 0)),
});

const settings: TerminalSettings = {
  ...site,
  role: 'pos',
  scheme: 'secp256k1',
  payee: PAYEE,
  certificate: { expiresAt: seconds(0), signature: new Uint8Array(64) },
  capTotal: amount(1000),
  outboxMax: 4,
  lanesMax: 4,
  entropyCertified: true,
};

const terminal: KeyDevice = {
  entry: ENTRY,
  first(key) {
    const { applyRecord, EMPTY_TERMINAL } = terminalBooks;
    const waiting = {
      type: 'waitingCredit',
      channel: CHANNEL,
      seq: seq(1),
      entry: ENTRY,
      voucher: ENTRY,
      credited: amount(1),
      signature: new Uint8Array(64),
    } as const;
    return terminalAfterPowerUp(applyRecord(applyRecord(EMPTY_TERMINAL, keyRecord(key)), waiting));
  },
  step: (state, event, nowMs) =>
    terminalStep({ signing, self: SELF }, settings, state as TerminalState, event, nowMs),
  powerCut({ books }, dropped) {
    const { EMPTY_TERMINAL: empty, snapshot, applyRecord: apply } = terminalBooks;
    return terminalAfterPowerUp(reread(books as TerminalState['books'], dropped, { empty, snapshot, apply }));
  },
};

const payerSettings: PayerSettings = {
  ...site,
  role: 'wearable',
  scheme: 'secp256k1',
  tapMax: amount(8),
  entropyCertified: true,
};

/** The one voucher of this walk: its terminal never answered. */
const request: Request = {
  terminal: SELF,
  amount: amount(1),
  at: seconds(1),
  detail: new Uint8Array(32),
};
const voucher: Voucher = {
  kind: 'voucher',
  channel: CHANNEL,
  seq: seq(1),
  spent: amount(1),
  payee: PAYEE,
  paid: amount(1),
  lanes: new Uint8Array(16),
  request: requestHash(signing, request),
};
const digest = voucherDigest(signing, voucher);

const payer: KeyDevice = {
  entry: digest,
  first(key) {
    const { applyRecord, EMPTY_PAYER } = payerBooks;
    const opened = applyRecord(EMPTY_PAYER, { type: 'channelOpened', channel: CHANNEL });
    const books = applyRecord(opened, keyRecord(key));
    return payerAfterPowerUp(applyRecord(books, { type: 'intent', digest, voucher, request }));
  },
  step: (state, event, nowMs) =>
    payerStep({ signing, self: PAYER }, payerSettings, state as PayerState, event, nowMs),
  powerCut({ books }, dropped) {
    const { EMPTY_PAYER: empty, snapshot, applyRecord: apply } = payerBooks;
    return payerAfterPowerUp(reread(books as PayerState['books'], dropped, { empty, snapshot, apply }));
  },
};

export const KEY_DEVICES: Readonly<Record<'terminal' | 'payer', KeyDevice>> = { terminal, payer };

/** It believed what it was told: it refused nothing. */
export const believed = ({ effects }: KeyStep): boolean =>
  !effects.some((effect) => effect.type === 'notify' && effect.notice.type === 'refused');

const terminalBooksOf = ({ books }: KeyState): TerminalState['books'] => books as TerminalState['books'];

/** Until when a terminal is in a scope; 0: in none. */
export const memberUntil = (state: KeyState): number => terminalBooksOf(state).member?.expiresAt ?? 0;

/** A terminal's entry still goes up to the hub. */
export const waits = (state: KeyState): boolean => terminalBooksOf(state).outbox.length > 0;

/** The terminal, had all that it keeps come back to wait. */
export const waitingAgain = (state: KeyState): KeyState => ({
  ...state,
  books: broughtBack(terminalBooksOf(state)),
});

/** It stored that the hub has what it waits for. */
export const cleared = ({ effects }: KeyStep): boolean =>
  effects.some(
    (effect) =>
      effect.type === 'persist' &&
      (effect.record.type === 'acknowledged' || effect.record.type === 'confirmed'),
  );
