/**
 * The steps of the walk over keys and time: what may happen to one device, in every order. Anybody may deliver any
 * certificate, revocation or beacon that exists, at any time or never. The thief signs what it likes with the stolen key.
 *
 * Properties:
 * K1 nothing of the thief counts once the device was handed the key's revocation.
 * K2 nothing of the thief counts once the device was handed an honest word of a time after the key's end.
 * K3 time is never ahead by more than a key's window and the lead of its certificate.
 * K4 nothing of the thief counts once the device was handed a certificate of an epoch after the key's.
 * K5 where the device has a basis, its time is not late.
 * K6 a lease that counts was issued in its key's window and ends with it, or leaseLifetime later.
 * K7 from everywhere the hub can be believed again.
 * K9 a scope that the thief named ends with its key, or leaseLifetime later, and at once when the device was handed the
 *    revocation or a new epoch.
 * K8 what only the thief acknowledged waits for the hub again, once the device was handed the revocation or a new epoch.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { seconds } from '../../../protocol/integers.ts';
import { hubTime, isBased, timeNow } from '../../../protocol/machines/time.ts';
import type { DeviceEvent } from '../../../protocol/machines/effects.ts';
import type { Message } from '../../../protocol/wire/messages.ts';
import { canonical, Interner } from '../space.ts';
import type { KeyConfig } from './config.ts';
import {
  believed,
  cleared,
  KEY_DEVICES,
  type KeyDevice,
  type KeyState,
  memberUntil,
  TIMING,
  tidy,
  waitingAgain,
  waits,
} from './device.ts';
import { type KeyDrop, NO_KEY_DROP, watchedKeyDrop } from './drops.ts';
import {
  acknowledgement,
  at,
  beacon,
  certificate,
  CHANNEL,
  type KeyOf,
  keysOf,
  lease,
  member,
  PAYER,
  revocation,
  signedAtOf,
  UNIT_MS,
  unitOf,
  WINDOW,
} from './words.ts';

/** What was told to the device, beside what it remembers of that. */
const REVOKED = 1;
const ENDED = 2;
const NEW_EPOCH = 4;
const DEFECT = 8;
const ON = 16;
/** An honest hub acknowledged the device's entry: it has it. */
const HELD = 32;
const FLAGS = 64;
/** Numbers of units and moments are below this. */
const MOMENTS = 16;

/** A state of the walk, in one number each. */
export interface Place {
  /** Units that have passed. */
  readonly real: number;
  /** 1 + the unit in which the root began epoch 1; 0: not yet. */
  readonly epochAt: number;
  /** 1 + the unit in which the root revoked the stolen key; 0: not yet. */
  readonly revokedAt: number;
  readonly flags: number;
  /** Number of the device's state. */
  readonly device: number;
}

export const packed = ({ real, epochAt, revokedAt, flags, device }: Place): number =>
  (((device * FLAGS + flags) * MOMENTS + revokedAt) * MOMENTS + epochAt) * MOMENTS + real;

export function unpacked(code: number): Place {
  const take = (rest: number, base: number): [number, number] => [rest % base, Math.floor(rest / base)];
  const [real, a] = take(code, MOMENTS);
  const [epochAt, b] = take(a, MOMENTS);
  const [revokedAt, c] = take(b, MOMENTS);
  const [flags, device] = take(c, FLAGS);
  return { real, epochAt, revokedAt, flags, device };
}

/** One step: its name, where it leads, and whether an honest world may need it to recover. */
export type Emit = (name: string, next: Place, good: boolean, fault?: string) => void;

/** What a step did to the device. */
interface Heard {
  readonly next: number;
  readonly believed: boolean;
  readonly cleared: boolean;
}

/** How a beacon comes. The answers of all questions in a walk have one nonce, which is none of an earlier power-up's. */
const [NOW, ANSWER, RECORDED, OLD_ANSWER] = [0, 1, 2, 3] as const;
const HOW = ['', ', the answer', ', recorded', ', an earlier answer'];

/** Something that happens to the device. */
interface Word {
  readonly id: number;
  readonly name: string;
  readonly event: DeviceEvent;
}

const KINDS = [
  'time',
  'own',
  'boot',
  'certificate',
  'revocation',
  'beacon',
  'acknowledgement',
  'lease',
  'member',
] as const;
type Kind = (typeof KINDS)[number];

const [HUB, LINK, HELLO] = [0, 1, 2] as const;
const SEED = new Uint8Array(32).fill(5);

/** What is the same in every walk. */
const OWN: readonly Omit<Word, 'id'>[] = [
  { name: 'the hub is there', event: { type: 'hubConnected', seed: SEED } },
  { name: 'somebody is there', event: { type: 'linkUp' } },
  {
    name: 'somebody greets',
    event: { type: 'message', message: { type: 'hello', channel: CHANNEL, payer: PAYER } },
  },
];

const told = (name: string, message: Message): Omit<Word, 'id'> => ({
  name,
  event: { type: 'hubMessage', message },
});

/** Units ahead up to which a thief tries. */
const FAR = WINDOW + 3;
/** The reading of a clock that is years ahead, and the time that a defect stored. */
const YEARS = 1000;

export class KeyWorld {
  readonly config: KeyConfig;
  readonly first: Place;
  /** What happened in some state; a walk in which nothing did would hold trivially. */
  readonly reached = {
    thiefBelieved: false,
    revoked: false,
    newEpoch: false,
    based: false,
    lease: false,
    member: false,
  };
  /** How often a dropped rule was broken. */
  broke = 0;
  private readonly device: KeyDevice;
  private readonly drop: KeyDrop;
  private readonly keys: readonly KeyOf[];
  private readonly thief: KeyOf | undefined;
  private readonly states = new Interner<KeyState>();
  private readonly words = new Map<number, Word>();
  /** What each device state did with each word. */
  private readonly table: Heard[][] = [];
  private readonly cuts = new Map<number, number>();

  constructor(config: KeyConfig, drop: KeyDrop = NO_KEY_DROP) {
    this.config = config;
    this.device = KEY_DEVICES[config.device];
    this.drop = watchedKeyDrop(drop, () => {
      this.broke += 1;
    });
    this.keys = keysOf(config);
    this.thief = this.keys.find(({ stolen, ahead }) => stolen && !ahead);
    const state = this.device.first(this.keys[0]!);
    this.first = { real: 0, epochAt: 0, revokedAt: 0, flags: 0, device: this.number(state, 0) };
  }

  private number(state: KeyState, nowMs: number): number {
    const clean = tidy(state, nowMs);
    return this.states.number(canonical(clean), () => clean);
  }

  /** A word of this kind about these two numbers, made once: a walk says each a million times. */
  private word(kind: Kind, a: number, b: number, make: () => Omit<Word, 'id'>): Word {
    const key = (KINDS.indexOf(kind) * 64 + a) * 64 + b;
    let found = this.words.get(key);
    if (found === undefined) {
      found = { id: this.words.size, ...make() };
      this.words.set(key, found);
    }
    return found;
  }

  /** The real step, once for each state and event. */
  private hear(device: number, word: Word, nowMs = 0): Heard {
    this.table[device] ??= [];
    const row = this.table[device]!;
    const found = row[word.id];
    if (found !== undefined) return found;
    const run = (state: KeyState, given: DeviceEvent) => this.device.step(state, given, nowMs);
    const state = this.states.values[device]!;
    const step = this.drop.step?.(run, state, word.event, nowMs) ?? run(state, word.event);
    const heard = {
      next: this.number(step.state, nowMs),
      believed: believed(step),
      cleared: cleared(step),
    };
    row[word.id] = heard;
    return heard;
  }

  /** The first property that does not hold here, or undefined. */
  fault({ real, flags, device }: Place): string | undefined {
    const { books, volatile } = this.states.values[device]!;
    const ahead = unitOf(Math.max(books.time, hubTime(volatile.time, 0))) - real;
    if ((flags & DEFECT) === 0 && ahead > WINDOW + 1) return `K3 time is ${ahead * 10} days ahead`;
    if (this.config.acknowledges === true && (flags & (REVOKED | NEW_EPOCH)) > 0 && (flags & HELD) === 0)
      if (!waits(this.states.values[device]!)) return 'K8 only the thief has what the device handed in';
    if (this.config.members === true) {
      const scope = this.scopeFault(flags, memberUntil(this.states.values[device]!));
      if (scope !== undefined) return scope;
    }
    if (isBased(volatile.time, 0)) {
      this.reached.based = true;
      const late = real - unitOf(timeNow(volatile.time, 0));
      if (late > 0) return `K5 a time basis, and the time is ${Math.ceil(late * 10)} days late`;
    }
    return this.leaseFault(flags, volatile.leases ?? []);
  }

  /** Nobody but the thief names one. */
  private scopeFault(flags: number, until: number): string | undefined {
    if (until === 0) return undefined;
    this.reached.member = true;
    if ((flags & REVOKED) > 0) return 'K9 a scope of the thief after the revocation';
    if ((flags & NEW_EPOCH) > 0) return 'K9 a scope of the thief after a new epoch';
    const end = at(this.thief!.until) + TIMING.leaseLifetime;
    return until > end ? 'K9 a scope of the thief long after its key’s end' : undefined;
  }

  private leaseFault(flags: number, leases: NonNullable<KeyState['volatile']['leases']>): string | undefined {
    if (leases.length > 0) this.reached.lease = true;
    for (const { lease: held, signer, until } of leases) {
      const key = this.keys.find(({ address, ahead }) => equalBytes(address, signer) && !ahead)!;
      if (key.stolen && (flags & REVOKED) > 0) return 'K1 a lease of the thief counts after the revocation';
      if (held.issuedAt < at(key.from) || held.issuedAt > at(key.until))
        return 'K6 a lease counts that was issued outside its key’s window';
      if (until > at(key.until) + TIMING.leaseLifetime) return 'K6 a lease counts long after its key’s end';
    }
    return undefined;
  }

  /** Would an honest acknowledgement of now be believed? */
  goal(place: Place): boolean {
    const key = this.signing(place.real, place.epochAt);
    if ((place.flags & ON) === 0 || key === undefined) return false;
    const { acknowledges } = this.config;
    const device =
      acknowledges === true ? this.number(waitingAgain(this.states.values[place.device]!), 0) : place.device;
    return this.hear(device, this.acknowledgementBy(key)).cleared;
  }

  private acknowledgementBy(key: KeyOf): Word {
    return this.word('acknowledgement', this.keys.indexOf(key), 0, () =>
      told(`acknowledgement by ${key.name}`, acknowledgement(key, this.device.entry)),
    );
  }

  /** The key that the hub signs with: the newest in its window, of the newest epoch. */
  private signing(real: number, epochAt: number): KeyOf | undefined {
    const epoch = epochAt > 0 ? 1 : 0;
    return this.keys.findLast(
      (key) => !key.stolen && !key.ahead && key.epoch === epoch && key.from <= real && real <= key.until,
    );
  }

  /** Has the root certified this key? It certifies none that it revoked, none of an epoch that is over, none that ended. */
  private signedAt(key: KeyOf, { real, epochAt, revokedAt }: Place): number | undefined {
    if (key.epoch === 1 && epochAt === 0) return undefined;
    const signedAt = signedAtOf(key, Math.max(0, epochAt - 1));
    if (signedAt > real || signedAt > key.until) return undefined;
    if (key.epoch === 0 && epochAt > 0 && signedAt > epochAt - 1) return undefined;
    if (key.stolen && revokedAt > 0 && signedAt > revokedAt - 1) return undefined;
    return signedAt;
  }

  /** Tells of every step from here. */
  next(place: Place, emit: Emit): void {
    const { real, epochAt, revokedAt, flags } = place;
    const on = (flags & ON) > 0;
    this.passes(place, emit);
    this.power(place, emit);
    if (this.config.epoch === true && epochAt === 0) {
      if (this.drop.noEpoch === true) this.broke += 1;
      else emit('the root begins epoch 1', { ...place, epochAt: real + 1 }, true);
    }
    if (this.thief !== undefined && revokedAt === 0)
      emit('the root revokes STOLEN', { ...place, revokedAt: real + 1 }, false);
    if (!on) return;
    if (this.config.defect === true && (flags & DEFECT) === 0) this.defect(place, emit);
    this.root(place, emit);
    this.honest(place, emit);
    if (this.thief !== undefined) this.steals(this.thief, place, emit);
  }

  private passes(place: Place, emit: Emit): void {
    const { real, flags, device } = place;
    if (real >= this.config.units) return;
    const good = this.config.noWait !== true;
    const then = real + 1;
    if ((flags & ON) === 0) return emit('10 days pass, switched off', { ...place, real: then }, good);
    const reading = this.config.clock === true && this.states.values[device]!.volatile.trust.hasClock;
    const clock = this.word('time', reading ? then : 0, 0, () => ({
      name: '10 days pass',
      event: reading ? { type: 'clock', realTime: at(then) } : { type: 'clock' },
    }));
    const heard = this.hear(device, clock, UNIT_MS);
    emit('10 days pass', { ...place, real: then, device: heard.next }, good);
  }

  private power(place: Place, emit: Emit): void {
    const { real, flags, device } = place;
    if ((flags & ON) > 0) {
      return emit('switched off', { ...place, flags: flags & ~ON, device: this.cut(device) }, false);
    }
    const boot = (number: number, name: string, reading: number | undefined, good: boolean): void => {
      const realTime = reading === undefined ? {} : { realTime: seconds(at(0) + reading) };
      const started = this.word('boot', number, real, () => ({
        name,
        event: { type: 'boot', ...realTime },
      }));
      let next = this.hear(device, started).next;
      if (this.config.asks === true) next = this.hear(next, this.own(HUB)).next;
      if (this.config.leases === true)
        next = this.hear(this.hear(next, this.own(LINK)).next, this.own(HELLO)).next;
      emit(name, { ...place, flags: flags | ON, device: next }, good);
    };
    boot(0, 'switched on', undefined, true);
    if (this.config.clock !== true) return;
    boot(1, 'switched on, its clock is right', at(real) - at(0), true);
    boot(2, 'switched on, its clock says 1970', 20 - at(0), true);
    boot(3, 'switched on, its clock is years ahead', at(YEARS) - at(0), false);
  }

  private cut(device: number): number {
    let next = this.cuts.get(device);
    if (next === undefined) {
      const state = this.states.values[device]!;
      next = this.number(this.device.powerCut(state, this.drop.step !== undefined), 0);
      this.cuts.set(device, next);
    }
    return next;
  }

  private own(number: number): Word {
    return this.word('own', number, 0, () => OWN[number]!);
  }

  /** A device of before stored a time years ahead. */
  private defect(place: Place, emit: Emit): void {
    const { books, volatile } = this.states.values[place.device]!;
    // Once: after it the root begins one epoch, and has begun none for the device before.
    if (books.hub.epoch > 0) return;
    const far = at(YEARS);
    const time = { ...volatile.time, floor: far, hub: far };
    const state = { books: { ...books, time: far }, volatile: { ...volatile, time } };
    const device = this.number(state, 0);
    emit('DEFECT: a time years ahead is stored', { ...place, flags: place.flags | DEFECT, device }, false);
  }

  /** Certificates and the revocation, delivered by anybody. */
  private root(place: Place, emit: Emit): void {
    const { flags, device, revokedAt } = place;
    const { thief } = this;
    for (const key of this.keys) {
      const signedAt = this.signedAt(key, place);
      if (signedAt === undefined) continue;
      const shown = this.word('certificate', this.keys.indexOf(key), signedAt, () =>
        told(`certificate of ${key.name}, signed on day ${signedAt * 10}`, certificate(key, signedAt)),
      );
      const heard = this.hear(device, shown);
      let more = 0;
      if (heard.believed && !key.stolen && thief !== undefined) {
        if (signedAt > thief.until && key.epoch === thief.epoch) more |= ENDED;
        if (key.epoch > thief.epoch) more |= NEW_EPOCH;
      }
      if ((more & NEW_EPOCH) > 0) this.reached.newEpoch = true;
      emit(shown.name, { ...place, flags: flags | more, device: heard.next }, !key.stolen);
    }
    if (revokedAt === 0 || thief === undefined) return;
    const shown = this.word('revocation', revokedAt, 0, () =>
      told(`revocation of STOLEN of day ${(revokedAt - 1) * 10}`, revocation(thief, revokedAt - 1)),
    );
    const heard = this.hear(device, shown);
    if (!heard.believed) return;
    this.reached.revoked = true;
    emit(shown.name, { ...place, flags: flags | REVOKED, device: heard.next }, true);
  }

  /** What the hub says now, and what it ever said. */
  private honest(place: Place, emit: Emit): void {
    const { real, epochAt, device } = place;
    const key = this.signing(real, epochAt);
    const { timeQuestion } = this.states.values[device]!.volatile.trust;
    if (key !== undefined) {
      this.beacon(place, emit, key, real, NOW, true);
      if (timeQuestion !== undefined) this.beacon(place, emit, key, real, ANSWER, true);
      if (this.config.acknowledges === true) {
        const shown = this.acknowledgementBy(key);
        const heard = this.hear(device, shown);
        // The hub says so only of what it has, and has it whether the device believes that or not.
        if (heard.cleared)
          emit(shown.name, { ...place, flags: place.flags | HELD, device: heard.next }, false);
      }
    }
    for (let then = 0; then < real; then++) {
      // It signed with keys of epoch 0 until the root began the next.
      const old = this.signing(then, epochAt > 0 && then >= epochAt - 1 ? epochAt : 0);
      if (old === undefined) continue;
      this.beacon(place, emit, old, then, RECORDED, false);
      if (this.config.asks === true) this.beacon(place, emit, old, then, OLD_ANSWER, false);
    }
  }

  private beacon(place: Place, emit: Emit, key: KeyOf, unit: number, how: number, good: boolean): void {
    const { thief } = this;
    const { timeQuestion } = this.states.values[place.device]!.volatile.trust;
    const shown = this.word('beacon', this.keys.indexOf(key), unit + how * MOMENTS, () => {
      const nonce = how === ANSWER ? timeQuestion?.nonce : how === OLD_ANSWER ? 'old' : undefined;
      return told(`beacon of day ${unit * 10} by ${key.name}${HOW[how]}`, beacon(key, unit, nonce));
    });
    const heard = this.hear(place.device, shown);
    const ends = heard.believed && thief !== undefined && unit > thief.until;
    const same = ends && key.epoch === thief.epoch;
    emit(shown.name, { ...place, flags: place.flags | (same ? ENDED : 0), device: heard.next }, good);
  }

  /** Beacons, answers, acknowledgements and leases of the thief. */
  private steals(thief: KeyOf, place: Place, emit: Emit): void {
    const { real, flags, device } = place;
    const why =
      (flags & REVOKED) > 0
        ? 'K1 after the revocation'
        : (flags & NEW_EPOCH) > 0
          ? 'K4 after a new epoch'
          : (flags & ENDED) > 0
            ? 'K2 after an honest word of a time after its end'
            : undefined;
    const say = (name: string, next: number, counts: boolean): void => {
      if (counts) this.reached.thiefBelieved = true;
      const fault = counts && why !== undefined ? `${why}: ${name} counts` : undefined;
      emit(name, { ...place, device: next }, false, fault);
    };
    for (let unit = 0; unit <= real + FAR && unit < MOMENTS; unit++) {
      const shown = this.word('beacon', this.keys.indexOf(thief), unit, () =>
        told(`beacon of day ${unit * 10} by the thief`, beacon(thief, unit)),
      );
      const heard = this.hear(device, shown);
      say(shown.name, heard.next, heard.believed);
    }
    const shown = this.acknowledgementBy(thief);
    const acknowledged = this.hear(device, shown);
    // Where nothing is told of it, what the device waits for is the same in all states.
    const { acknowledges } = this.config;
    say(shown.name, acknowledges === true ? acknowledged.next : device, acknowledged.cleared);
    if (this.config.members === true) {
      const named = this.word('member', 0, 0, () => told('a scope by the thief', member(thief)));
      emit(named.name, { ...place, device: this.hear(device, named).next }, false);
    }
    if (this.config.leases !== true) return;
    for (const issued of [thief.from, thief.until, thief.until + 1]) {
      const held = this.word('lease', issued, 0, () => ({
        name: `lease of day ${issued * 10} by the thief`,
        event: { type: 'message', message: lease(thief, issued) },
      }));
      emit(held.name, { ...place, device: this.hear(device, held).next }, false);
    }
  }
}
