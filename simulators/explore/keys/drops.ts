/**
 * Rules of keys and time broken from outside, one at a time: a step is given a state in which a guard can't hold, or what
 * it did is undone. Nothing in protocol/ knows of this. `tableAsBefore` breaks three at once: certificates that are kept in
 * RAM, those made ten days ahead at most, and what a full table forgets each do without the two others.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { type Seconds, seconds, UINT40_MAX } from '../../../protocol/integers.ts';
import { HUB_KEYS_MAX } from '../../../protocol/limits.ts';
import type { DeviceEvent } from '../../../protocol/machines/effects.ts';
import {
  certifiable,
  type HubKey,
  hubKeyIn,
  type HubTrust,
  isRevoked,
  leaseEnd,
  withHubKey,
} from '../../../protocol/machines/hub-keys.ts';
import type { TerminalBooks } from '../../../protocol/machines/terminal/lanes.ts';
import { basisMs, hubTime } from '../../../protocol/machines/time.ts';
import type { Message } from '../../../protocol/wire/messages.ts';
import { canonical } from '../space.ts';
import { type KeyState, type KeyStep, TIMING } from './device.ts';

export type KeyRun = (state: KeyState, event: DeviceEvent) => KeyStep;

export interface KeyDrop {
  readonly rule: string;
  /** A configuration in which the walk without it fails. */
  readonly shownBy: string;
  /** What the device does instead; undefined: what it always does. Steps run with the timer at `nowMs`. */
  readonly step?: (run: KeyRun, state: KeyState, event: DeviceEvent, nowMs: number) => KeyStep | undefined;
  /** The root never begins a new epoch. */
  readonly noEpoch?: boolean;
}

export const NO_KEY_DROP: KeyDrop = { rule: 'none', shownBy: 'none' };

type Said<T extends Message['type']> = Extract<Message, { type: T }>;

/** What the device is told, when it is of this type. */
function told<T extends Message['type']>(event: DeviceEvent, type: T): Said<T> | undefined {
  const said = event.type === 'hubMessage' || event.type === 'message' ? event.message : undefined;
  return said?.type === type ? (said as Said<T>) : undefined;
}

const withTrust = ({ books, volatile }: KeyState, change: Partial<HubTrust>): KeyState => ({
  volatile,
  books: { ...books, hub: { ...books.hub, ...change } },
});

const withVolatile = ({ books, volatile }: KeyState, change: Partial<KeyState['volatile']>): KeyState => ({
  books,
  volatile: { ...volatile, ...change },
});

/** With something else that waits, or is kept. */
const withKept = (state: KeyState, change: Partial<Pick<TerminalBooks, 'outbox' | 'kept'>>): KeyState => {
  const books = state.books as TerminalBooks;
  return { ...state, books: { ...books, ...change } as KeyState['books'] };
};

/** With another scope, or none. */
const withMember = (state: KeyState, member: TerminalBooks['member']): KeyState => ({
  ...state,
  books: { ...(state.books as TerminalBooks), member } as KeyState['books'],
});

/** The step, but the scope stays what it was. */
const scopeAsBefore = (ran: KeyStep, before: KeyState): KeyStep => ({
  ...ran,
  state: withMember(ran.state, (before.books as TerminalBooks).member),
});

/** The event, but what waits and what is kept stay what they were. */
function waitingAsBefore(run: KeyRun, state: KeyState, event: DeviceEvent): KeyStep {
  const { outbox, kept } = state.books as TerminalBooks;
  const ran = run(state, event);
  return { ...ran, state: withKept(ran.state, { outbox, kept }) };
}

/** With another key whose time has not come. */
const withCandidate = (state: KeyState, candidate: HubKey | undefined): KeyState =>
  withVolatile(state, { trust: { ...state.volatile.trust, candidate } });

const withQuestion = (
  state: KeyState,
  timeQuestion: KeyState['volatile']['trust']['timeQuestion'],
): KeyState => withVolatile(state, { trust: { ...state.volatile.trust, timeQuestion } });

/** The step with other keys than the device knows, which are put back after it. */
function withKeys(
  run: KeyRun,
  state: KeyState,
  event: DeviceEvent,
  change: (key: HubKey) => HubKey,
): KeyStep {
  const { candidate } = state.volatile.trust;
  const { certified: keys } = state.books.hub;
  const changed = withCandidate(
    withTrust(state, { certified: keys.map(change) }),
    candidate && change(candidate),
  );
  const ran = run(changed, event);
  const whole = [...keys, ...(candidate === undefined ? [] : [candidate])];
  const back = (key: HubKey): HubKey => whole.find((one) => equalBytes(one.address, key.address)) ?? key;
  const after = withTrust(ran.state, { certified: ran.state.books.hub.certified.map(back) });
  const kept = after.volatile.trust.candidate;
  return { ...ran, state: withCandidate(after, kept && back(kept)) };
}

const ALWAYS = { from: seconds(0), until: seconds(UINT40_MAX) };

/** Is this key known, by the table or from RAM? */
const known = ({ books, volatile }: KeyState, signature: Uint8Array): HubKey | undefined => {
  const all = [
    ...books.hub.certified,
    ...(volatile.trust.candidate === undefined ? [] : [volatile.trust.candidate]),
  ];
  // A stand-in signature names its signer.
  return all.find(({ address }) => equalBytes(address, signature.slice(32, 52)));
};

/** A certificate that the device refuses for what it says is taken all the same. */
function takeAnyway(state: KeyState, key: HubKey, nowMs: number): KeyStep {
  const { books, volatile } = state;
  if (key.from > hubTime(volatile.time, nowMs)) return { state: withCandidate(state, key), effects: [] };
  return { state: { volatile, books: withHubKey(books, key) }, effects: [] };
}

/** A certificate that is refused by one of its dates only. */
function refusedByDates(state: KeyState, event: DeviceEvent): HubKey | undefined {
  const message = told(event, 'hubKey');
  if (message === undefined || certifiable(message) || isRevoked(state.books.hub, message.key))
    return undefined;
  return message.epoch === state.books.hub.epoch ? hubKeyIn(message) : undefined;
}

const byEnd = (a: HubKey, b: HubKey): number => a.until - b.until;

export const KEY_DROPS: Readonly<Record<string, KeyDrop>> = {
  lowerEpoch: {
    rule: '6a, a certificate of a lower epoch is refused',
    shownBy: 'k1',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      const { epoch } = state.books.hub;
      if (message === undefined || message.epoch >= epoch) return undefined;
      const ran = run(withTrust(state, { epoch: message.epoch }), event);
      const keys = ran.state.books.hub.certified.map((key) => ({ ...key, epoch }));
      return { ...ran, state: withTrust(ran.state, { epoch, certified: keys }) };
    },
  },
  certificateTime: {
    rule: '7, a certificate says that it is not earlier than its signing',
    shownBy: 'k1',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined || message.epoch !== state.books.hub.epoch) return undefined;
      const ran = run(state, event);
      const { books } = ran.state;
      const after = { ...ran.state, books: { ...books, time: state.books.time } };
      return { ...ran, state: withVolatile(after, { time: state.volatile.time }) };
    },
  },
  candidate: {
    rule: '6a, a certificate whose time has not come is kept in RAM for its first beacon',
    shownBy: 'k3',
    step: (run, state, event) => {
      if (told(event, 'hubKey') === undefined) return undefined;
      const ran = run(state, event);
      return { ...ran, state: withCandidate(ran.state, state.volatile.trust.candidate) };
    },
  },
  epochOnce: {
    rule: '6a, a new epoch counts once',
    shownBy: 'k6',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      const { epoch } = state.books.hub;
      if (message === undefined || epoch === 0 || message.epoch !== epoch) return undefined;
      return run(withTrust(state, { epoch: epoch - 1, certified: [] }), event);
    },
  },
  epochKeys: {
    rule: '6a, a new epoch ends all keys of the epochs before',
    shownBy: 'k1',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined || message.epoch <= state.books.hub.epoch) return undefined;
      const ran = run(state, event);
      const { certified: keys } = ran.state.books.hub;
      if (ran.state.books.hub.epoch !== message.epoch) return undefined;
      const old = state.books.hub.certified.map((key) => ({ ...key, epoch: message.epoch }));
      const all = [...old, ...keys].sort(byEnd).slice(-HUB_KEYS_MAX);
      return { ...ran, state: withTrust(ran.state, { certified: all }) };
    },
  },
  epochTime: {
    rule: '7, a new epoch is the root’s word on time, backwards too',
    shownBy: 'k4',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined || message.epoch <= state.books.hub.epoch) return undefined;
      const ran = run(state, event);
      const later = (time: Seconds): Seconds => (time > message.signedAt ? time : message.signedAt);
      const { books, volatile } = ran.state;
      const time = {
        ...volatile.time,
        hub: later(state.volatile.time.hub),
        floor: later(volatile.time.floor),
      };
      const after = { ...ran.state, books: { ...books, time: later(state.books.time) } };
      return { ...ran, state: withVolatile(after, { time }) };
    },
  },
  epochBasis: {
    rule: '7, the basis is lost when a new epoch sets time',
    shownBy: 'k7',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined || message.epoch <= state.books.hub.epoch) return undefined;
      const ran = run(state, event);
      const { basedUntilMs } = state.volatile.time;
      const time = { ...ran.state.volatile.time, basedUntilMs };
      return { ...ran, state: withVolatile(ran.state, { time }) };
    },
  },
  rootEpoch: {
    rule: '6a, the root begins a new epoch when time itself is wrong',
    shownBy: 'k4',
    noEpoch: true,
  },
  beaconWindow: {
    rule: '7, a beacon counts within the window of the key that signed it',
    shownBy: 'k1',
    step: (run, state, event, nowMs) => {
      const message = told(event, 'beacon');
      const key = message && known(state, message.signature);
      if (message === undefined || key === undefined || hubTime(state.volatile.time, nowMs) > key.until)
        return undefined;
      return withKeys(run, state, event, (one) =>
        one.address === key.address ? { ...one, ...ALWAYS } : one,
      );
    },
  },
  endedKey: {
    rule: '7, a key that has ended dates nothing',
    shownBy: 'k1',
    step: (run, state, event, nowMs) => {
      const message = told(event, 'beacon');
      const key = message && known(state, message.signature);
      if (message === undefined || key === undefined) return undefined;
      const { time } = state.volatile;
      if (hubTime(time, nowMs) <= key.until || message.at < key.from || message.at > key.until)
        return undefined;
      return withKeys(run, state, event, (one) =>
        one.address === key.address ? { ...one, ...ALWAYS } : one,
      );
    },
  },
  answersNow: {
    rule: '6a, an acknowledgement counts while the key that signed it is in its window',
    shownBy: 'k1',
    step: (run, state, event) =>
      told(event, 'acknowledgement') && withKeys(run, state, event, (key) => ({ ...key, ...ALWAYS })),
  },
  leaseWindow: {
    rule: '6a, a lease is issued in the window of the key that signed it',
    shownBy: 'k8',
    step: (run, state, event) => {
      if (told(event, 'lease') === undefined) return undefined;
      const ran = withKeys(run, state, event, (key) => ({ ...key, ...ALWAYS }));
      const leases = (ran.state.volatile.leases ?? []).map((held) => {
        const key = known(state, held.lease.signature);
        return key === undefined
          ? held
          : { ...held, until: leaseEnd(key, held.lease.expiresAt, TIMING.leaseLifetime) };
      });
      return { ...ran, state: withVolatile(ran.state, { leases }) };
    },
  },
  leaseEnd: {
    rule: '6a, a lease ends with its key, no more than its lifetime later',
    shownBy: 'k8',
    step: (run, state, event) => {
      const message = told(event, 'lease');
      if (message === undefined) return undefined;
      const ran = run(state, event);
      const leases = ran.state.volatile.leases ?? [];
      const longer = leases.map((held) => ({ ...held, until: held.lease.expiresAt }));
      return { ...ran, state: withVolatile(ran.state, { leases: longer }) };
    },
  },
  leaseRevoked: {
    rule: '6a, the leases of a revoked key end at once',
    shownBy: 'k8',
    step: (run, state, event) => {
      const { leases } = state.volatile;
      if (told(event, 'hubKeyRevoked') === undefined || leases === undefined) return undefined;
      const ran = run(state, event);
      return { ...ran, state: withVolatile(ran.state, { leases }) };
    },
  },
  scopeEnd: {
    rule: '6a, a scope ends with the key that named it, no more than the lifetime of a lease later',
    shownBy: 'k13',
    step: (run, state, event) => {
      const message = told(event, 'member');
      if (message === undefined) return undefined;
      const ran = run(state, event);
      const { member } = ran.state.books as TerminalBooks;
      if (member === undefined || member === (state.books as TerminalBooks).member) return ran;
      return { ...ran, state: withMember(ran.state, { ...member, expiresAt: message.expiresAt }) };
    },
  },
  scopeRevoked: {
    rule: '6a, a scope ends when a key is taken back',
    shownBy: 'k13',
    step: (run, state, event) => {
      if (told(event, 'hubKeyRevoked') === undefined) return undefined;
      return scopeAsBefore(run(state, event), state);
    },
  },
  scopeInEpoch: {
    rule: '6a, a scope ends in a new epoch',
    shownBy: 'k13',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined || message.epoch <= state.books.hub.epoch) return undefined;
      return scopeAsBefore(run(state, event), state);
    },
  },
  revocation: {
    rule: '6a, a revoked key is dropped',
    shownBy: 'k1',
    step: (run, state, event) => {
      if (told(event, 'hubKeyRevoked') === undefined) return undefined;
      const ran = run(state, event);
      const { candidate } = state.volatile.trust;
      return {
        ...ran,
        state: withCandidate(withTrust(ran.state, { certified: state.books.hub.certified }), candidate),
      };
    },
  },
  tombstone: {
    rule: '6a, a revoked key is remembered, so that no certificate brings it back',
    shownBy: 'k1',
    step: (run, state, event) => {
      if (told(event, 'hubKeyRevoked') === undefined) return undefined;
      const ran = run(state, event);
      return { ...ran, state: withTrust(ran.state, { revoked: state.books.hub.revoked }) };
    },
  },
  tombstoneInEpoch: {
    rule: '6a, a new epoch forgets no revocation of a key that may still be shown',
    shownBy: 'k6',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined || message.epoch <= state.books.hub.epoch) return undefined;
      const ran = run(state, event);
      const revoked = ran.state.books.hub.revoked.filter((gone) => gone.at >= message.signedAt);
      return { ...ran, state: withTrust(ran.state, { revoked }) };
    },
  },
  fullTable: {
    rule: '6a, what has ended leaves a full table first',
    shownBy: 'k3',
    step: (run, state, event) => {
      const before = state.books.hub.certified;
      const ran = run(state, event);
      const { certified: keys } = ran.state.books.hub;
      const gone = before.find((key) => !keys.some((one) => equalBytes(one.address, key.address)));
      const come = keys.filter((key) => !before.some((one) => equalBytes(one.address, key.address)));
      if (gone === undefined || come.length !== 1 || keys.length < HUB_KEYS_MAX) return undefined;
      // The farthest goes, whatever has ended.
      const table = [...before, ...come].sort(byEnd).slice(0, HUB_KEYS_MAX);
      return { ...ran, state: withTrust(ran.state, { certified: table }) };
    },
  },
  tableAsBefore: {
    rule: '6a, certificates are made 10 days ahead at most, stored when their time comes, and the farthest leaves a full table',
    shownBy: 'k10',
    step: (_run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined) return undefined;
      const key = hubKeyIn(message);
      const { hub } = state.books;
      if (hub.certified.some((one) => equalBytes(one.address, key.address))) return { state, effects: [] };
      const keys = [...hub.certified, key].sort(byEnd).slice(-HUB_KEYS_MAX);
      return { state: withTrust(state, { certified: keys }), effects: [] };
    },
  },
  madeAhead: {
    rule: '6a, a certificate is made 10 days ahead at most',
    shownBy: 'k9',
    step: (_run, state, event, nowMs) => {
      const key = refusedByDates(state, event);
      const ahead = key !== undefined && certifiable({ ...key, signedAt: key.from });
      return ahead ? takeAnyway(state, key, nowMs) : undefined;
    },
  },
  keyLife: {
    rule: '6a, a key is certified for 30 days at most',
    shownBy: 'k9',
    step: (_run, state, event, nowMs) => {
      const key = refusedByDates(state, event);
      const long = key !== undefined && certifiable({ ...key, until: key.from });
      return long ? takeAnyway(state, key, nowMs) : undefined;
    },
  },
  acknowledgedIsKept: {
    rule: '6a, what was acknowledged is kept',
    shownBy: 'k12',
    step: (run, state, event) => {
      if (told(event, 'acknowledgement') === undefined) return undefined;
      const ran = run(state, event);
      return { ...ran, state: withKept(ran.state, { kept: [] }) };
    },
  },
  waitsAgain: {
    rule: '6a, what is kept waits again when a key is taken back',
    shownBy: 'k12',
    step: (run, state, event) => {
      if (told(event, 'hubKeyRevoked') === undefined) return undefined;
      return waitingAsBefore(run, state, event);
    },
  },
  waitsAgainInEpoch: {
    rule: '6a, what is kept waits again in a new epoch',
    shownBy: 'k12',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined || message.epoch <= state.books.hub.epoch) return undefined;
      return waitingAsBefore(run, state, event);
    },
  },
  certificateReleases: {
    rule: '6a, no later certificate says that an earlier word was the hub’s',
    shownBy: 'k12',
    step: (run, state, event) => {
      const message = told(event, 'hubKey');
      if (message === undefined || message.epoch !== state.books.hub.epoch) return undefined;
      if (message.signedAt <= state.books.time) return undefined;
      const ran = run(state, event);
      return { ...ran, state: withKept(ran.state, { kept: [] }) };
    },
  },
  clockStored: {
    rule: '7, the own clock is never stored and judges no key',
    shownBy: 'k7',
    step: (run, state, event, nowMs) => {
      const { realTime } = event as { readonly realTime?: Seconds };
      const ran = run(state, event);
      const { books, volatile } = ran.state;
      if (realTime === undefined || volatile.time.floor !== realTime || realTime < books.time) return ran;
      const time = { ...volatile.time, hub: realTime, hubMs: nowMs };
      return { ...ran, state: withVolatile({ ...ran.state, books: { ...books, time: realTime } }, { time }) };
    },
  },
  clockBehind: {
    rule: '7, an own clock earlier than what was signed is no basis',
    shownBy: 'k7',
    step: (run, state, event, nowMs) => {
      const { realTime } = event as { readonly realTime?: Seconds };
      const ran = run(state, event);
      const { time } = ran.state.volatile;
      if (realTime === undefined || realTime >= hubTime(time, nowMs)) return ran;
      const basis = { floor: realTime, sinceMs: nowMs, basedUntilMs: nowMs + basisMs(TIMING) };
      return { ...ran, state: withVolatile(ran.state, { time: { ...time, ...basis } }) };
    },
  },
  recordedBasis: {
    rule: '7, only the answer to a question of this power-up is a basis',
    shownBy: 'k5',
    step: (run, state, event) => {
      const message = told(event, 'beacon');
      const { timeQuestion } = state.volatile.trust;
      if (message === undefined || timeQuestion === undefined) return undefined;
      const asked = { ...timeQuestion, nonce: message.nonce };
      const ran = run(withQuestion(state, asked), event);
      if (ran.state.volatile.trust.timeQuestion === undefined) return ran;
      return { ...ran, state: withQuestion(ran.state, timeQuestion) };
    },
  },
};

/** The same drop, which tells each time that a device does something else than the rule asks for. */
export function watchedKeyDrop(drop: KeyDrop, onBreak: () => void): KeyDrop {
  const { step } = drop;
  if (step === undefined) return drop;
  return {
    ...drop,
    step: (run, state, event, nowMs) => {
      const broken = step(run, state, event, nowMs);
      if (broken !== undefined && canonical(broken.state) !== canonical(run(state, event).state)) onBreak();
      return broken;
    },
  };
}
