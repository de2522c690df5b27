/**
 * The only executor of effects on a device. One event at a time: step, then every effect in order, each completed
 * before the next; then the next event. An effect that fails drops the rest of its list, so nothing is revealed that
 * was not stored. The same runtime serves payers and terminals, on a chip and on Node.
 *
 * Only signing takes time, so there is a promise only while something signs: on a chip one costs more than most events.
 */
import type { Clock, Entropy, Link, SecureKey, Uplink } from '../hardware/interfaces/index.ts';
import type { Bytes32 } from '../protocol/bytes.ts';
import { SundialError, unreachable } from '../protocol/errors.ts';
import { seconds } from '../protocol/integers.ts';
import { TAP_MESSAGE_BYTES_MAX } from '../protocol/limits.ts';
import type { DeviceEvent, Effect, Notice, Step } from '../protocol/machines/effects.ts';
import { decodeMessage, encodeMessage } from '../protocol/wire/messages.ts';
import type { RecordTable } from '../protocol/wire/records.ts';
import type { Journal } from './journal/journal.ts';
import { Deframer, encodeFrame } from './links/framing.ts';

/** A machine as the runtime sees it. */
export interface Machine<B, S extends { readonly books: B }, E, R extends { readonly type: string }> {
  readonly emptyBooks: B;
  readonly records: RecordTable<R>;
  apply(books: B, record: R): B;
  snapshot(books: B): R[];
  afterPowerUp(books: B, frozen: boolean): S;
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
  /** Called before each effect is executed: for traces, and for tests that cut the power there. */
  onEffect?(effect: Effect<R>): void;
  onNotice?(notice: Notice): void;
  onFault?(fault: Fault): void;
  /** An error that no device may handle (a defect, a cut in a test): the device is dead. Absent: it is thrown. */
  onCrash?(error: unknown): void;
}

/** Events that may wait while a key signs: a link delivers a handful of packets meanwhile. */
const QUEUE_MAX = 256;
/** How often the machine looks at its clocks. */
const CLOCK_MS = 1000;
/** How long after a fault a machine hears that the hub is there: a key that fails for good then faults once in that time. */
const HUB_AGAIN_MS = 60_000;

export class Runtime<B, S extends { readonly books: B }, E, R extends { readonly type: string }> {
  state: S;
  private readonly machine: Machine<B, S, E | DeviceEvent, R>;
  private readonly host: Host;
  private readonly observer: Observer<R>;
  private journal: Journal | undefined;
  private link: Link | undefined;
  private uplink: Uplink | undefined;
  private uplinkUp = false;
  /** When the machine, which started anew, is told of a hub that was there all the while. */
  private hubAgainAtMs: number | undefined;
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

  /** `openJournal` throws when the journal can't be trusted; the device then starts frozen and says so. */
  constructor(
    machine: Machine<B, S, E | DeviceEvent, R>,
    host: Host,
    openJournal: () => Journal,
    observer: Observer<R> = {},
  ) {
    this.machine = machine;
    this.host = host;
    this.observer = observer;
    let books = machine.emptyBooks;
    let frozen = false;
    try {
      this.journal = openJournal();
      for (const payload of this.journal.replayed)
        books = machine.apply(books, machine.records.decode(payload));
    } catch (error) {
      if (!(error instanceof SundialError)) throw error;
      this.journal = undefined;
      frozen = true;
      observer.onFault?.({ code: error.code, message: error.message, frozen });
    }
    this.before = books;
    this.state = machine.afterPowerUp(books, frozen);
  }

  get frozen(): boolean {
    return this.journal === undefined;
  }

  /** Boots the machine and starts its clock. Resolves when the first effects are done. */
  start(): Promise<void> {
    const done = this.dispatch(this.bootEvent());
    const tick = (): void => {
      this.stopClock = this.host.clock.schedule(CLOCK_MS, () => {
        void this.dispatch({ type: 'clock' });
        if (this.hubAgainAtMs !== undefined && this.host.clock.monotonicMs() >= this.hubAgainAtMs)
          this.hubIs(this.uplinkUp);
        tick();
      });
    };
    tick();
    return done ?? Promise.resolve();
  }

  private bootEvent(): DeviceEvent {
    const realTime = this.host.clock.realTimeSeconds();
    return realTime === undefined ? { type: 'boot' } : { type: 'boot', realTime: seconds(realTime) };
  }

  stop(): void {
    this.stopClock?.();
    this.link?.close();
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

  /** Connects the tap link; messages flow until it closes. */
  attachLink(link: Link): void {
    this.link = link;
    const deframer = new Deframer(
      TAP_MESSAGE_BYTES_MAX,
      (bytes) => this.onTapBytes(bytes),
      (code) => void this.dispatch({ type: 'garbage', code }),
    );
    link.receive(
      (bytes) => deframer.push(bytes),
      () => {
        if (this.link !== link) return;
        this.link = undefined;
        void this.dispatch({ type: 'linkDown' });
      },
    );
    void this.dispatch({ type: 'linkUp' });
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
    this.hubAgainAtMs = undefined;
    void this.dispatch({ type: connected ? 'hubConnected' : 'hubLost' });
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

  private async crash(error: unknown): Promise<void> {
    this.busy = false;
    this.stopClock?.();
    this.queue.length = 0;
    if (this.observer.onCrash === undefined) throw error;
    this.observer.onCrash(error);
  }

  /** Steps and executes; an error that a device may meet ends in a restart of the machine. */
  private handle(event: E | DeviceEvent): Promise<void> | undefined {
    this.before = this.state.books;
    if (this.written.length > 0) this.written = [];
    try {
      return this.run(event)?.catch((error) => this.restart(error));
    } catch (error) {
      this.restart(error);
    }
    return undefined;
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
      this.observer.onEffect?.(effect);
      switch (effect.type) {
        case 'persist':
          this.persist(effect.record);
          break;
        case 'notify':
          this.observer.onNotice?.(effect.notice);
          break;
        case 'sign':
          return this.sign(effect.digest, effects, i + 1);
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

  /** Signs, and goes on with the effects from `next` on. */
  private async sign(digest: Bytes32, effects: readonly Effect<R>[], next: number): Promise<void> {
    const signature = await this.host.key.sign(digest);
    // The answer is handled before any other event, so no machine has to wait in between.
    await this.run({ type: 'signed', digest, signature });
    return this.execute(effects, next);
  }

  private persist(record: R): void {
    if (this.journal === undefined) {
      throw new SundialError('journal_corrupt', 'a frozen device was asked to store', {
        severity: 'device',
        remedy: 'Report this with the version that you run.',
      });
    }
    this.journal.append(this.machine.records.encode(record), this.snapshot);
    this.written.push(record);
  }

  /** Records that stand for everything that is stored. */
  private readonly snapshot = (): Uint8Array[] =>
    this.machine.snapshot(this.stored()).map((entry) => this.machine.records.encode(entry));

  private stored(): B {
    return this.written.reduce(this.machine.apply, this.before);
  }

  /**
   * A failed effect: what was not stored never happened. The machine goes on from what is stored, as after a power
   * cut; when the flash itself failed it goes on frozen.
   */
  private restart(error: unknown): void {
    if (!(error instanceof SundialError)) throw error;
    const frozen = this.journal === undefined || FLASH_FAULTS.has(error.code);
    if (frozen) this.journal = undefined;
    this.observer.onFault?.({ code: error.code, message: error.message, frozen });
    this.state = this.machine.afterPowerUp(this.stored(), frozen);
    const events: DeviceEvent[] = [this.bootEvent()];
    if (this.link !== undefined) events.push({ type: 'linkUp' });
    if (this.uplinkUp) this.hubAgainAtMs = this.host.clock.monotonicMs() + HUB_AGAIN_MS;
    this.queue.unshift(...events);
  }
}

const FLASH_FAULTS: ReadonlySet<string> = new Set([
  'flash_worn',
  'flash_fault',
  'journal_full',
  'journal_corrupt',
]);
