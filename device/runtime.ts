/**
 * The only executor of effects on a device. One event at a time: step, then every effect in order, each completed
 * before the next; then the next event. An effect that fails drops the rest of its list, so nothing is revealed that
 * was not stored. The same runtime serves payers and terminals, on a chip and on Node.
 *
 * Only signing takes time, so there is a promise only while a key takes its time: on a chip one costs more than most
 * events. A key that answers at once is asked like everything else.
 */
import type { Clock, Entropy, Link, SecureKey, Uplink } from '../hardware/interfaces/index.ts';
import type { Bytes32 } from '../protocol/bytes.ts';
import { SundialError, unreachable } from '../protocol/errors.ts';
import { isSeconds, type Seconds } from '../protocol/integers.ts';
import { TAP_MESSAGE_BYTES_MAX } from '../protocol/limits.ts';
import type { DeviceEvent, Effect, Notice, Step } from '../protocol/machines/effects.ts';
import { decodeMessage, encodeMessage } from '../protocol/wire/messages.ts';
import type { RecordTable } from '../protocol/wire/records.ts';
import type { Journal, JournalSource } from './journal/journal.ts';
import { Deframer, encodeFrame } from './links/framing.ts';

/** A machine as the runtime sees it. */
export interface Machine<B, S extends { readonly books: B }, E, R extends { readonly type: string }> {
  readonly emptyBooks: B;
  readonly records: RecordTable<R>;
  /** The books after one more record. Pure. */
  apply(books: B, record: R): B;
  /** False for a record that does not go on from these books: others that stood between them are gone. */
  follows?(books: B, record: R): boolean;
  /** Records that rebuild these books. */
  snapshot(books: B): Iterable<R>;
  /** The state in which a power-up begins. */
  afterPowerUp(books: B, frozen: boolean): S;
  /** One event: the next state and what is to be done. Pure; `nowMs` is the monotonic timer. */
  step(state: S, event: E, nowMs: number): Step<S, R>;
}

/** What the host lends to a device. */
export interface Host {
  readonly key: SecureKey;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** A fault that stopped the device or one of its actions; the machine was restarted from its journal. */
export interface Fault {
  readonly code: string;
  readonly message: string;
  readonly frozen: boolean;
}

export interface Observer<R> {
  /** Called before each event is handled; the answer of a key belongs to the event that asked for it. */
  onEvent?(event: { readonly type: string }): void;
  /** Called before each effect is executed: for traces, and for tests that cut the power there. */
  onEffect?(effect: Effect<R>): void;
  /** A record is durable from now on. */
  onStored?(record: R): void;
  /** What a display would show. */
  onNotice?(notice: Notice): void;
  /** Something failed that a device may handle. */
  onFault?(fault: Fault): void;
  /** An error that no device may handle (a defect, a cut in a test): the device is dead. Absent: it is thrown. */
  onCrash?(error: unknown): void;
}

/** Events that may wait while a key signs: a link delivers a handful of packets meanwhile. */
const QUEUE_MAX = 256;
const ignore = (): void => undefined;
/** How often the machine looks at its clocks. */
const CLOCK_MS = 1000;
/**
 * How long after a fault a machine hears that the hub is there, and how long a device rests whose key fails again: one
 * that fails for good is then asked a few times in that time.
 */
const AGAIN_MS = 60_000;

/** The event that a link is up, with the link: another one may come while this one waits for a key. */
interface LinkUp {
  readonly type: 'linkUp';
  readonly link: Link | undefined;
}

/**
 * Runs one machine over one host: events in, effects out, one after the other in the order in which they were asked
 * for.
 */
export class Runtime<
  B,
  S extends { readonly books: B },
  E extends { readonly type: string },
  R extends { readonly type: string },
> {
  state: S;
  private readonly machine: Machine<B, S, E | DeviceEvent, R>;
  private readonly host: Host;
  private readonly observer: Observer<R>;
  /** Of the observer: looked up once, as they are asked for with every event. */
  private readonly onEvent: Observer<R>['onEvent'];
  private readonly onEffect: Observer<R>['onEffect'];
  private readonly onStored: Observer<R>['onStored'];
  private journal: Journal | undefined;
  /** The tap link that stands. */
  private attached: Link | undefined;
  /** The one that the machine was told of: what it says goes there, or nowhere. */
  private link: Link | undefined;
  private uplink: Uplink | undefined;
  private uplinkUp = false;
  /** True while it signs and stores nothing, because its key failed more than once: the machine is a frozen one. */
  private resting = false;
  /** When the machine, which started anew, is told of a hub that was there all the while, or begins again after a rest. */
  private againAtMs: number | undefined;
  private faultedAtMs: number | undefined;
  /** True from asking the key until its answer. */
  private keyAsked = false;
  /** Events in front of the queue with which a machine starts anew. */
  private own = 0;
  private handlesOwn = false;
  /** Events that came while another one is handled. */
  private readonly queue: (E | DeviceEvent)[] = [];
  /** True while an event is handled. */
  private busy = false;
  /** Ends with the queue; there is one while something signs. */
  private draining: Promise<void> | undefined;
  /** The books before the event that is handled, and what was stored since: together they are what is stored. */
  private before: B;
  private written: R[] = [];
  private stopClock: (() => void) | undefined;

  /**
   * When the journal can't be opened the device starts frozen and says so: of a damaged one with what still checks, so that
   * the hub gets it.
   */
  constructor(
    machine: Machine<B, S, E | DeviceEvent, R>,
    host: Host,
    source: JournalSource,
    observer: Observer<R> = {},
  ) {
    this.machine = machine;
    this.host = host;
    this.observer = observer;
    this.onEvent = observer.onEvent;
    this.onEffect = observer.onEffect;
    this.onStored = observer.onStored;
    let books = machine.emptyBooks;
    let frozen = false;
    try {
      this.journal = source.open();
      for (const payload of this.journal.replayed)
        books = machine.apply(books, machine.records.decode(payload));
    } catch (error) {
      if (!(error instanceof SundialError)) throw error;
      this.journal = undefined;
      frozen = true;
      observer.onFault?.({ code: error.code, message: error.message, frozen });
      if (FLASH_FAULTS.has(error.code)) books = this.salvaged(source.salvage?.() ?? []);
    }
    this.before = books;
    this.state = machine.afterPowerUp(books, frozen);
  }

  /** The books of what is left of a damaged journal. */
  private salvaged(payloads: Iterable<Uint8Array>): B {
    const { machine } = this;
    let books = machine.emptyBooks;
    for (const payload of payloads)
      try {
        const record = machine.records.decode(payload);
        if (machine.follows?.(books, record) !== false) books = machine.apply(books, record);
      } catch (error) {
        if (!(error instanceof SundialError)) throw error;
      }
    return books;
  }

  /** True when the journal can't be trusted: nothing is signed or stored. */
  get frozen(): boolean {
    return this.journal === undefined;
  }

  /** Boots the machine and starts its clock. Resolves when the first effects are done. */
  start(): Promise<void> {
    const done = this.dispatch(this.bootEvent());
    const tick = (): void => {
      this.stopClock = this.host.clock.schedule(CLOCK_MS, () => {
        void this.dispatch({ type: 'clock', ...this.realTime() });
        if (this.againAtMs !== undefined && this.host.clock.monotonicMs() >= this.againAtMs) this.again();
        tick();
      });
    };
    tick();
    return done ?? Promise.resolve();
  }

  private bootEvent(): DeviceEvent {
    return { type: 'boot', ...this.realTime() };
  }

  /** What a clock that kept running says; one that says no time at all says nothing. */
  private realTime(): { readonly realTime?: Seconds } {
    const realTime = this.host.clock.realTimeSeconds();
    return isSeconds(realTime) ? { realTime } : {};
  }

  /** Ends clock and links. What was stored stays. */
  stop(): void {
    this.stopClock?.();
    this.attached?.close();
    this.uplink?.close();
  }

  /**
   * Handles an event, at once unless another one is being handled. The promise ends when the queue is empty, and
   * rejects only for faults of the host itself; undefined when there is nothing to wait for.
   */
  dispatch(event: E | DeviceEvent): Promise<void> | undefined {
    if (this.busy) {
      if (this.queue.length < QUEUE_MAX) this.queue.push(event);
      else this.observer.onFault?.({ code: 'queue_full', message: 'an event was dropped', frozen: false });
      return this.draining;
    }
    this.busy = true;
    try {
      let working = this.handle(event);
      while (working === undefined && this.queue.length > 0) working = this.handle(this.queue.shift()!);
      if (working !== undefined) {
        this.draining = this.drainAfter(working);
        return this.draining;
      }
      this.busy = false;
    } catch (error) {
      return this.crash(error);
    }
    return undefined;
  }

  /** Connects the tap link; messages flow until it closes. One that still stands is closed: a device meets one other. */
  attachLink(link: Link): void {
    const before = this.attached;
    if (before !== undefined) {
      this.detachLink();
      // Whatever it still delivers was meant for who was there before.
      before.receive(ignore, ignore);
      before.close();
    }
    this.attached = link;
    const deframer = new Deframer(
      TAP_MESSAGE_BYTES_MAX,
      (bytes) => this.onTapBytes(bytes),
      (code) => void this.dispatch({ type: 'garbage', code }),
    );
    link.receive(
      (bytes) => deframer.push(bytes),
      () => {
        if (this.attached === link) this.detachLink();
      },
    );
    const up: LinkUp = { type: 'linkUp', link };
    void this.dispatch(up);
  }

  private detachLink(): void {
    this.attached = undefined;
    void this.dispatch({ type: 'linkDown' });
  }

  /** Connects the link to the hub. */
  attachUplink(uplink: Uplink): void {
    this.uplink = uplink;
    uplink.receive(
      (bytes) => {
        const decoded = decodeMessage(bytes, 'sync');
        if (!decoded.ok) this.observer.onNotice?.({ type: 'refused', code: decoded.code, by: 'us' });
        else if (decoded.message) void this.dispatch({ type: 'hubMessage', message: decoded.message });
      },
      (connected) => this.hubIs(connected),
    );
  }

  /** Gives the link to the hub up: the machine hears that it is gone. */
  detachUplink(): void {
    this.uplink?.close();
    this.uplink = undefined;
    this.hubIs(false);
  }

  private hubIs(connected: boolean): void {
    this.uplinkUp = connected;
    if (!this.resting) this.againAtMs = undefined;
    if (connected) void this.dispatch({ type: 'hubConnected', seed: this.host.entropy.random(32) });
    else void this.dispatch({ type: 'hubLost' });
  }

  private onTapBytes(bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes, 'tap');
    if (!decoded.ok) {
      void this.dispatch({ type: 'garbage', code: decoded.code });
      return;
    }
    const { message } = decoded;
    if (message === undefined) return;
    if (message.type !== 'streamRequest') void this.dispatch({ type: 'message', message });
    else void this.dispatch({ type: 'message', message, random: this.host.entropy.random(32) });
  }

  /** Resolves when nothing is being handled. */
  idle(): Promise<void> {
    return this.draining ?? Promise.resolve();
  }

  /** Goes on with the queue when a key has signed. */
  private async drainAfter(signing: Promise<void>): Promise<void> {
    try {
      await signing;
      while (this.queue.length > 0) {
        const working = this.handle(this.queue.shift()!);
        if (working !== undefined) await working;
      }
      this.busy = false;
    } catch (error) {
      await this.crash(error);
    } finally {
      this.draining = undefined;
    }
  }

  /** What a fault put off: a device that rested begins again, and hears of a hub that was there all the while. */
  private again(): void {
    // A key that was asked before the fault still signs; the next tick looks again.
    if (this.busy) return;
    this.againAtMs = undefined;
    if (this.resting) {
      this.resting = false;
      const [first, ...others] = this.beginAnew(false);
      this.queue.push(...others);
      void this.dispatch(first!);
    }
    if (!this.resting) this.hubIs(this.uplinkUp);
  }

  private async crash(error: unknown): Promise<void> {
    this.busy = false;
    this.stopClock?.();
    this.queue.length = 0;
    if (this.observer.onCrash === undefined) throw error;
    this.observer.onCrash(error);
  }

  /** Steps and executes; an error that a device may meet ends in a restart of the machine. */
  private handle(event: E | DeviceEvent): Promise<void> | undefined {
    this.onEvent?.(event);
    // What can't be stored changes nothing of what is.
    if (this.journal !== undefined && !this.resting) this.before = this.state.books;
    if (this.written.length > 0) this.written.length = 0;
    // Nearly all events are messages, and a tick is counted in instructions.
    if (event.type !== 'message' || this.own > 0 || this.handlesOwn) this.noteEvent(event);
    try {
      return this.run(event)?.catch((error) => this.restart(error));
    } catch (error) {
      this.restart(error);
    }
    return undefined;
  }

  /** Which link the machine speaks to from this event on, and whether the event is one with which it starts anew. */
  private noteEvent(event: E | DeviceEvent): void {
    this.handlesOwn = this.own > 0;
    if (this.handlesOwn) this.own -= 1;
    if (event.type === 'linkUp') this.link = (event as LinkUp).link;
    else if (event.type === 'linkDown') this.link = undefined;
  }

  private run(event: E | DeviceEvent): Promise<void> | undefined {
    const step = this.machine.step(this.state, event, this.host.clock.monotonicMs());
    this.state = step.state;
    return this.execute(step.effects, 0);
  }

  /** Executes the effects from `first` on. */
  private execute(effects: readonly Effect<R>[], first: number): Promise<void> | undefined {
    for (let i = first; i < effects.length; i++) {
      const effect = effects[i]!;
      this.onEffect?.(effect);
      switch (effect.type) {
        case 'persist':
          this.persist(effect.record);
          break;
        case 'notify':
          this.observer.onNotice?.(effect.notice);
          break;
        case 'sign': {
          const signing = this.sign(effect.digest);
          if (signing !== undefined) return signing.then(() => this.execute(effects, i + 1));
          break;
        }
        case 'send':
          this.link?.send(encodeFrame(encodeMessage(effect.message)));
          break;
        case 'upload':
          this.uplink?.send(encodeMessage(effect.message));
          break;
        default:
          unreachable(effect);
      }
    }
    return undefined;
  }

  /**
   * Signs, and handles the answer before any other event, so no machine has to wait in between. A promise only when the
   * key gives one.
   */
  private sign(digest: Bytes32): Promise<void> | undefined {
    this.keyAsked = true;
    const signature = this.host.key.sign(digest);
    if (!(signature instanceof Uint8Array)) return this.signLater(digest, signature);
    this.keyAsked = false;
    return this.run({ type: 'signed', digest, signature });
  }

  private async signLater(digest: Bytes32, signing: Promise<Uint8Array>): Promise<void> {
    const signature = await signing;
    this.keyAsked = false;
    await this.run({ type: 'signed', digest, signature });
  }

  private persist(record: R): void {
    const { journal } = this;
    if (journal === undefined) {
      throw new SundialError('journal_corrupt', 'a frozen device was asked to store', {
        severity: 'device',
        remedy: 'Report this with the version that you run.',
      });
    }
    journal.append(this.machine.records.encode(record), this.snapshot);
    this.written.push(record);
    this.onStored?.(record);
  }

  /** Records that stand for everything that is stored. */
  private readonly snapshot = (): Iterable<Uint8Array> => this.eachPayload(this.storedBooks);

  private *eachPayload(books: B): Generator<Uint8Array, void> {
    for (const record of this.machine.snapshot(books)) yield this.machine.records.encode(record);
  }

  /** What would be there after a power cut right now. */
  get storedBooks(): B {
    if (this.written.length > 0) {
      this.before = this.written.reduce(this.machine.apply, this.before);
      this.written.length = 0;
    }
    return this.before;
  }

  /**
   * From when on, in the clock's milliseconds, a tick does something of the runtime's own, whatever the machine has to do;
   * undefined: nothing waits. For hosts that leave ticks out which would do nothing.
   */
  get dueMs(): number | undefined {
    return this.againAtMs;
  }

  /**
   * A failed effect: what was not stored never happened. The machine goes on from what is stored, as after a power
   * cut; when the flash itself failed it goes on frozen. When the key fails again soon, or the start itself fails, the
   * device rests for a while: it says to whoever asks that it signs nothing, and tries again later.
   */
  private restart(error: unknown): void {
    if (!(error instanceof SundialError)) throw error;
    const damaged = this.journal === undefined || FLASH_FAULTS.has(error.code);
    if (damaged) this.journal = undefined;
    this.observer.onFault?.({ code: error.code, message: error.message, frozen: damaged });
    const { keyAsked, handlesOwn, faultedAtMs } = this;
    const nowMs = this.host.clock.monotonicMs();
    const soon = faultedAtMs !== undefined && nowMs - faultedAtMs < AGAIN_MS;
    const rested = this.resting;
    this.keyAsked = false;
    this.faultedAtMs = nowMs;
    this.resting = !damaged && (handlesOwn || (keyAsked && soon));
    if (this.resting || this.uplinkUp) this.againAtMs = nowMs + AGAIN_MS;
    // What is left of an earlier start is told by this one.
    this.queue.splice(0, this.own);
    const events = this.beginAnew(damaged || this.resting);
    // A machine that fails although it only says that it is frozen is told nothing more for now.
    if (rested && handlesOwn) this.own = 0;
    else this.queue.unshift(...events);
  }

  /** Puts the machine back to what is stored; returns what it is to be told first. */
  private beginAnew(frozen: boolean): (E | DeviceEvent)[] {
    this.state = this.machine.afterPowerUp(this.storedBooks, frozen);
    const events: (E | DeviceEvent)[] = [this.bootEvent()];
    const up: LinkUp = { type: 'linkUp', link: this.link };
    if (this.link !== undefined) events.push(up);
    // It hands in what it holds.
    if (frozen && this.uplinkUp) events.push({ type: 'hubConnected', seed: this.host.entropy.random(32) });
    this.own = events.length;
    return events;
  }
}

const FLASH_FAULTS: ReadonlySet<string> = new Set([
  'flash_worn',
  'flash_fault',
  'journal_full',
  'journal_corrupt',
]);
