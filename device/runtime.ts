/**
 * The only executor of effects on a device. One event at a time: step, then every effect in order, each completed
 * before the next; then the next event. An effect that fails drops the rest of its list, so nothing is revealed that
 * was not stored. The same runtime serves payers and terminals, on a chip and on Node.
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

export class Runtime<B, S extends { readonly books: B }, E, R extends { readonly type: string }> {
  state: S;
  private readonly machine: Machine<B, S, E | DeviceEvent, R>;
  private readonly host: Host;
  private readonly observer: Observer<R>;
  private journal: Journal | undefined;
  private link: Link | undefined;
  private uplink: Uplink | undefined;
  private readonly queue: (E | DeviceEvent)[] = [];
  private draining: Promise<void> | undefined;
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
        tick();
      });
    };
    tick();
    return done;
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

  /** Queues an event; resolves when the queue is drained. Rejects only for faults of the host itself. */
  dispatch(event: E | DeviceEvent): Promise<void> {
    if (this.queue.length >= QUEUE_MAX) {
      this.observer.onFault?.({ code: 'queue_full', message: 'an event was dropped', frozen: false });
      return this.draining ?? Promise.resolve();
    }
    this.queue.push(event);
    this.draining ??= this.drain().finally(() => {
      this.draining = undefined;
    });
    return this.draining;
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
      (connected) => void this.dispatch({ type: connected ? 'hubConnected' : 'hubLost' }),
    );
  }

  private onTapBytes(bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes, 'tap');
    if (!decoded.ok) {
      void this.dispatch({ type: 'garbage', code: decoded.code });
      return;
    }
    const { message } = decoded;
    if (message === undefined) return;
    const random = message.type === 'streamRequest' ? this.host.entropy.random(32) : undefined;
    void this.dispatch({ type: 'message', message, ...(random && { random }) });
  }

  /** Resolves when nothing is being handled. */
  idle(): Promise<void> {
    return this.draining ?? Promise.resolve();
  }

  private async drain(): Promise<void> {
    try {
      for (let event = this.queue.shift(); event !== undefined; event = this.queue.shift()) {
        await this.handle(event);
      }
    } catch (error) {
      this.stopClock?.();
      this.queue.length = 0;
      if (this.observer.onCrash === undefined) throw error;
      this.observer.onCrash(error);
    }
  }

  private async handle(event: E | DeviceEvent): Promise<void> {
    const before = this.state.books;
    const written: R[] = [];
    try {
      await this.run(event, before, written);
    } catch (error) {
      if (!(error instanceof SundialError)) throw error;
      this.restart(error, before, written);
    }
  }

  /** `before` and `written` together are what is stored: the books before the event and the records since. */
  private async run(event: E | DeviceEvent, before: B, written: R[]): Promise<void> {
    const { state, effects } = this.machine.step(this.state, event, this.host.clock.monotonicMs());
    this.state = state;
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i]!;
      this.observer.onEffect?.(effect);
      const working = this.execute(effect, before, written);
      if (working !== undefined) await working;
    }
  }

  /** Returns a promise only for an effect that takes time: a promise costs a chip more than most effects. */
  private execute(effect: Effect<R>, before: B, written: R[]): Promise<void> | undefined {
    switch (effect.type) {
      case 'persist':
        this.persist(effect.record, before, written);
        return undefined;
      case 'sign':
        return this.sign(effect.digest, before, written);
      case 'send':
        this.link?.send(encodeFrame(encodeMessage(effect.message)));
        return undefined;
      case 'upload':
        this.uplink?.send(encodeMessage(effect.message));
        return undefined;
      case 'notify':
        this.observer.onNotice?.(effect.notice);
        return undefined;
      default:
        return unreachable(effect);
    }
  }

  private async sign(digest: Bytes32, before: B, written: R[]): Promise<void> {
    const signature = await this.host.key.sign(digest);
    // The answer is handled before any other event, so no machine has to wait in between.
    return this.run({ type: 'signed', digest, signature }, before, written);
  }

  private persist(record: R, before: B, written: R[]): void {
    if (this.journal === undefined) {
      throw new SundialError('journal_corrupt', 'a frozen device was asked to store', {
        severity: 'device',
        remedy: 'Report this with the version that you run.',
      });
    }
    const { machine } = this;
    this.journal.append(machine.records.encode(record), () =>
      machine.snapshot(written.reduce(machine.apply, before)).map((entry) => machine.records.encode(entry)),
    );
    written.push(record);
  }

  /**
   * A failed effect: what was not stored never happened. The machine goes on from what is stored, as after a power
   * cut; when the flash itself failed it goes on frozen.
   */
  private restart(error: SundialError, before: B, written: readonly R[]): void {
    const frozen = this.journal === undefined || FLASH_FAULTS.has(error.code);
    if (frozen) this.journal = undefined;
    this.observer.onFault?.({ code: error.code, message: error.message, frozen });
    this.state = this.machine.afterPowerUp(written.reduce(this.machine.apply, before), frozen);
    const events: DeviceEvent[] = [this.bootEvent()];
    if (this.link !== undefined) events.push({ type: 'linkUp' });
    this.queue.unshift(...events);
  }
}

const FLASH_FAULTS: ReadonlySet<string> = new Set([
  'flash_worn',
  'flash_fault',
  'journal_full',
  'journal_corrupt',
]);
