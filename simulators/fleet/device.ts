/**
 * A device in virtual time: the host of device/runtime.ts and its journal. What is here is power, a clock whose ticks are
 * left out while they would change nothing, a port on the tap link, an uplink, and what observers want to know. Power may
 * go before any effect and inside any flash operation; a new runtime then starts over what the flash holds.
 */
import {
  type Journal,
  type JournalSource,
  openJournal,
  salvageJournal,
} from '../../device/journal/journal.ts';
import { type Fault, type Machine, type Observer, Runtime } from '../../device/runtime.ts';
import type { Clock, Entropy, Uplink } from '../../hardware/interfaces/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { Timing } from '../../protocol/limits.ts';
import type { DeviceEvent, Effect, Notice } from '../../protocol/machines/effects.ts';
import type { Clocks } from '../../protocol/machines/trusting.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import { sameBooks } from '../stage/compare.ts';
import { PowerCut, type RamFlash } from '../stage/flash/ram-flash.ts';
import { SoundFlash } from '../stage/flash/sound-flash.ts';
import type { Broker, UplinkEnd } from '../stage/network/broker.ts';
import { frameOf } from '../stage/network/message-end.ts';
import type { TapEnd, TapLink } from '../stage/network/tap-link.ts';
import type { Random } from '../stage/world/random.ts';
import type { SimulatedKey } from '../stage/world/suite.ts';
import type { Planned, World } from '../stage/world/world.ts';
import { DeviceClock } from './device-clock.ts';
import { DeviceKey } from './device-key.ts';
import type { Recorder } from './recorder.ts';
import { TapPort } from './tap-port.ts';

const BANKS = { banks: 2 };
/** A part that held a journal before the run began. */
export interface FoundPart {
  readonly flash: SoundFlash;
  readonly banks: number;
  /** The journal can't be trusted: the device starts frozen. */
  readonly damaged: boolean;
}

/** Events that one thing from outside may cause before something must be wrong: the longest real chain is a pack of 32 entries. */
const EVENTS_MAX = 2000;

export type Power = 'on' | 'off';

/** What the world wants to know of a device. */
export interface DeviceWatcher {
  notice(device: AnyDevice, notice: Notice): void;
  sent(device: AnyDevice, message: Message): void;
  cut(device: AnyDevice, at: string): void;
  /** A till is about to drop its open request: when its machine is told, which may be later than somebody says so. */
  cancelled(device: AnyDevice): void;
  booted(device: AnyDevice, frozen: boolean): void;
  fault(device: AnyDevice, fault: Fault): void;
  /** A record is durable now; after a cut in the middle of writing it this is told at the next start. */
  stored(device: AnyDevice, record: { readonly type: string }): void;
  /** At a start the storage holds something else than what was stored, or what the torn record makes of it. */
  changed(device: AnyDevice, difference: string): void;
}

/**
 * What runs on a device in one process with its runtime, such as a till's business. It dies with the power, and begins anew
 * over what it stored. Whatever it does may end in a PowerCut, as an effect may.
 */
export interface Program {
  /** The runtime is there and has heard nothing yet. */
  powerUp(): void;
  /** Its first event is done. */
  started(): void;
  event(event: { readonly type: string }): void;
  stored(record: { readonly type: string }): void;
  notice(notice: Notice): void;
  powerOff(): void;
}

/** What all devices share. */
export interface Surroundings {
  readonly world: World;
  readonly broker: Broker;
  readonly watcher: DeviceWatcher;
  readonly timing: Timing;
  /** Every tick of every clock is run, also those that change nothing. */
  readonly allTicks: boolean;
}

export interface DeviceOptions {
  readonly index: number;
  readonly name: string;
  readonly key: SimulatedKey;
  readonly random: Random;
  /** The part that its journal stands on where flash fails; absent: one that never does. */
  readonly flash?: RamFlash;
  /** Banks of its journal; absent: BANKS. */
  readonly banks?: number;
  /** Lanes of a payer that its RAM holds; absent: only its flash bounds them. */
  readonly payerLanes?: number;
  /** One that was used before; it never fails either. */
  readonly found?: FoundPart;
  /** Bytes of a bank of one that never fails: the longer a journal grows, the longer a start takes to read it. */
  readonly bankBytes: number;
  /** Parts per million by which its timer runs fast. */
  readonly driftPpm: number;
  /** Its clock keeps running without power. */
  readonly realTimeClock: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: watchers take devices of either kind and look only at what is shared
export type AnyDevice = Device<any, any, any, any>;

export class Device<
  B,
  S extends { readonly books: B },
  E extends { readonly type: string },
  R extends { readonly type: string },
> implements TapEnd, UplinkEnd
{
  readonly index: number;
  readonly name: string;
  readonly key: DeviceKey;
  readonly id: string;
  readonly flash: RamFlash | undefined;
  power: Power = 'off';
  /** Seconds that its real-time clock is off. */
  clockOffset = 0;
  /** Its clock kept running since it was set; false after its battery was taken out. */
  clockRuns: boolean;
  /** Types of messages that it never sends on a tap link; only for adversaries. */
  mutes: ReadonlySet<string> | undefined;
  /** Called with every notice while the device acts out its role. */
  behaviour: ((notice: Notice) => void) | undefined;
  /** Effects, and steps of its program, until the power goes; 0: it stays. */
  cutIn = 0;
  /** The same, of steps of its program alone: right between what the machine stored and what the program makes of it. */
  cutInSteps = 0;
  /** Absent: the runtime is alone in its process. */
  program: Program | undefined;
  events = 0;
  readonly machine: Machine<B, S, E | DeviceEvent, R>;
  /** Writes down what the device is told and does; absent: nobody does. */
  recorder: Recorder | undefined;
  private readonly surroundings: Surroundings;
  private readonly random: Random;
  private readonly part: RamFlash | SoundFlash;
  /** How its journal lies in the part. */
  readonly layout: { readonly banks: number };
  private readonly clock: DeviceClock;
  private readonly clockDue: (state: S, clocks: Clocks) => number | undefined;
  /** Absent while the power is off. */
  private runtime: Runtime<B, S, E, R> | undefined;
  /** The fold of every record that became durable, made by nobody else; over several starts. */
  private stored: B;
  private wasFrozen = false;
  /** The power goes before the next effect of this kind. */
  private cutAt: Effect<R>['type'] | undefined;
  /** Record that is being written. */
  private writing: R | undefined;
  /** Record whose writing the power did not survive. */
  private torn: R | undefined;
  private muted = false;
  private port: TapPort | undefined;
  private uplink: Parameters<Uplink['receive']> | undefined;
  /** What a slow key answers, once. */
  private answer: Planned | undefined;
  /** How many calls into the runtime stand on the stack. */
  private depth = 0;
  private eventsSinceCall = 0;

  /** `clockDue`: from when on (its own milliseconds) a tick of the clock could do anything; earlier ones are not run. */
  constructor(
    machine: Machine<B, S, E | DeviceEvent, R>,
    options: DeviceOptions,
    surroundings: Surroundings,
    clockDue: (state: S, clocks: Clocks) => number | undefined,
  ) {
    this.machine = machine;
    this.index = options.index;
    this.name = options.name;
    this.key = new DeviceKey(options.key, (delayMs, action) => this.answerLater(delayMs, action));
    this.id = toHex(options.key.address).slice(2);
    this.random = options.random;
    this.flash = options.flash;
    const { found } = options;
    this.part = options.flash ?? found?.flash ?? new SoundFlash(BANKS.banks * options.bankBytes);
    this.layout = { banks: options.banks ?? found?.banks ?? BANKS.banks };
    this.clockRuns = options.realTimeClock;
    this.surroundings = surroundings;
    this.clockDue = clockDue;
    this.clock = new DeviceClock(surroundings.world, options.driftPpm, {
      realTimeSeconds: () => (this.clockRuns ? this.realTime() : undefined),
      dueMs: () => this.dueMs(),
      run: (tick) => this.act(tick),
    });
    this.wasFrozen = found?.damaged ?? false;
    this.stored = found === undefined || found.damaged ? machine.emptyBooks : this.readBooks();
  }

  /** The books that the part holds, by the journal alone. */
  private readBooks(): B {
    const { machine } = this;
    return [...this.openJournal().replayed].reduce(
      (books, bytes) => machine.apply(books, machine.records.decode(bytes)),
      machine.emptyBooks,
    );
  }

  get isOn(): boolean {
    return this.power === 'on';
  }

  get state(): S {
    return this.runtime?.state ?? this.machine.afterPowerUp(this.stored, this.wasFrozen);
  }

  get books(): B {
    return this.runtime?.state.books ?? this.stored;
  }

  get frozen(): boolean {
    return this.runtime?.frozen ?? this.wasFrozen;
  }

  /** What would be there after a power cut right now. */
  get storedBooks(): B {
    return this.stored;
  }

  get isLinked(): boolean {
    return this.port !== undefined;
  }

  private openJournal(): Journal {
    return openJournal(this.part, this.layout);
  }

  /** Stores a record in the factory, before the first start. */
  provision(record: R): void {
    this.openJournal().append(this.machine.records.encode(record), () => []);
    this.stored = this.machine.apply(this.stored, record);
  }

  boot(): void {
    if (this.power === 'on') return;
    const { watcher } = this.surroundings;
    this.power = 'on';
    this.cutIn = 0;
    this.cutInSteps = 0;
    this.cutAt = undefined;
    if (this.flash !== undefined) this.flash.cutAt = undefined;
    this.clock.powerUp();
    if (this.recorder !== undefined) this.recordPart(this.recorder);
    const runtime = this.makeRuntime();
    this.runtime = runtime;
    if (!runtime.frozen) this.compareStored(runtime.state.books);
    this.program?.powerUp();
    watcher.booted(this, runtime.frozen);
    this.act(() => {
      runtime.attachUplink(this.makeUplink());
      void runtime.start();
    });
    if (this.runtime === runtime) this.program?.started();
  }

  /** What another executor is to start from: bits that would read differently from read to read are decided for both. */
  private recordPart(recorder: Recorder): void {
    this.flash?.settle();
    recorder.powerUp(this.flash?.content.slice());
  }

  private makeRuntime(): Runtime<B, S, E, R> {
    const { watcher } = this.surroundings;
    const entropy: Entropy = { certified: true, random: (length) => this.random.bytes(length) };
    const clock: Clock = this.clock;
    const observer: Observer<R> = {
      onEvent: (event) => this.onEvent(event as E | DeviceEvent),
      onEffect: (effect) => this.onEffect(effect),
      onStored: (record) => this.onStored(record),
      onNotice: (notice) => {
        this.program?.notice(notice);
        watcher.notice(this, notice);
        this.behaviour?.(notice);
      },
      onFault: (fault) => {
        // What a worn part refused may stand there all the same, as after a cut.
        if (fault.frozen) this.torn = this.writing ?? this.torn;
        this.writing = undefined;
        this.recorder?.fault(fault, this.runtime === undefined);
        watcher.fault(this, fault);
      },
      onCrash: (error) => this.onCrash(error),
    };
    const source: JournalSource = {
      open: () => this.openJournal(),
      salvage: () => salvageJournal(this.part, this.layout),
    };
    return new Runtime(this.machine, { key: this.key, clock, entropy }, source, observer);
  }

  private makeUplink(): Uplink {
    return {
      send: (bytes) => this.surroundings.broker.up(this.id, bytes),
      receive: (...receivers) => {
        this.uplink = receivers;
      },
      close: () => undefined,
    };
  }

  private realTime(): number {
    return this.surroundings.world.nowSeconds + this.clockOffset;
  }

  /** Whatever enters the runtime enters it here. */
  private act(action: () => void): void {
    if (this.depth === 0) this.eventsSinceCall = 0;
    this.depth += 1;
    action();
    this.depth -= 1;
    if (this.depth === 0) this.clock.plan();
  }

  /** Queues an event and handles everything that waits. Lost when the power is off. */
  dispatch(event: E | DeviceEvent): Promise<void> | undefined {
    let done: Promise<void> | undefined;
    if (this.power === 'on')
      this.act(() => {
        done = this.runtime!.dispatch(event);
      });
    return done;
  }

  /** Resolves when nothing is being handled. */
  idle(): Promise<void> {
    return this.runtime?.idle() ?? Promise.resolve();
  }

  /** Milliseconds of its own clock since it was switched on. */
  monotonicMs(): number {
    return this.clock.monotonicMs();
  }

  // ---- what the runtime tells ----

  private onEvent(event: E | DeviceEvent): void {
    this.events += 1;
    this.eventsSinceCall += 1;
    if (this.eventsSinceCall > EVENTS_MAX) throw new Error(`${this.name} does not come to rest`);
    this.recorder?.event(event, this.clock.monotonicMs());
    this.program?.event(event);
    if (event.type === 'cancel') this.surroundings.watcher.cancelled(this);
  }

  private onEffect(effect: Effect<R>): void {
    if (effect.type === this.cutAt) throw new PowerCut(`effect ${effect.type}`);
    this.countDown(`effect ${effect.type}`);
    this.recorder?.effect(effect);
    if (effect.type === 'persist') this.writing = effect.record;
    else if (effect.type === 'send') {
      this.muted = this.mutes?.has(effect.message.type) === true;
      if (!this.muted) this.surroundings.watcher.sent(this, effect.message);
    }
  }

  private onStored(record: R): void {
    this.writing = undefined;
    this.stored = this.machine.apply(this.stored, record);
    this.surroundings.watcher.stored(this, record);
    this.program?.stored(record);
  }

  /** Its program is about to store something. Throws PowerCut. */
  step(at: string): void {
    this.countDown(at);
    if (this.cutInSteps === 0) return;
    this.cutInSteps -= 1;
    if (this.cutInSteps === 0) throw new PowerCut(at);
  }

  /** One more thing that the power may go before. Throws PowerCut. */
  private countDown(at: string): void {
    if (this.cutIn === 0) return;
    this.cutIn -= 1;
    if (this.cutIn === 0) throw new PowerCut(at);
  }

  private onCrash(error: unknown): void {
    if (!(error instanceof PowerCut)) return this.surroundings.world.fail(error);
    this.torn = this.writing ?? this.torn;
    this.recorder?.cut();
    this.powerOff(error.message);
  }

  /**
   * What the flash holds at a start is what was stored, and after a cut or a fault of the flash in the middle of a record
   * perhaps that record, too: field by field, since a snapshot may be the very thing that forgets one.
   */
  private compareStored(found: B): void {
    const { torn, stored, machine } = this;
    const { watcher } = this.surroundings;
    this.torn = undefined;
    const difference = sameBooks(found, stored);
    if (difference === undefined) return;
    if (torn !== undefined) {
      const kept = machine.apply(stored, torn);
      if (sameBooks(found, kept) === undefined) {
        this.stored = kept;
        return watcher.stored(this, torn);
      }
    }
    this.stored = found;
    watcher.changed(this, difference);
  }

  // ---- power ----

  /** Takes the power away right before the next effect of a kind. */
  cutBefore(effect: Effect<R>['type']): void {
    this.cutAt = effect;
  }

  /** The power is gone: RAM is forgotten, links fall silent. */
  powerOff(at: string): void {
    if (this.power === 'off') return;
    this.power = 'off';
    this.wasFrozen = this.runtime!.frozen;
    this.runtime = undefined;
    this.program?.powerOff();
    this.writing = undefined;
    this.clock.powerOff();
    if (this.answer !== undefined) this.answer.cancelled = true;
    this.answer = undefined;
    this.port?.link.silence(this);
    this.port = undefined;
    this.uplink = undefined;
    this.surroundings.broker.disconnect(this.id);
    this.surroundings.watcher.cut(this, at);
  }

  /** Puts back what was stored earlier, as someone does who copied the flash. Only for adversaries. */
  restore(books: B): void {
    const { machine, part } = this;
    for (let at = 0; at < part.size; at += part.blockSize) part.erase(at);
    const journal = this.openJournal();
    for (const record of machine.snapshot(books)) journal.append(machine.records.encode(record), () => []);
    this.stored = books;
  }

  // ---- clock and key ----

  private dueMs(): number | undefined {
    const runtime = this.runtime!;
    // What waits for a key is handled at the tick's own time: none of them may be missing.
    if (this.surroundings.allTicks || this.answer !== undefined) return 0;
    const due = this.clockDue(runtime.state, this.clock);
    const own = runtime.dueMs;
    return due === undefined || (own !== undefined && own < due) ? own : due;
  }

  /** A slow key's answer, unless the power goes before. */
  private answerLater(delayMs: number, action: () => void): void {
    const { world } = this.surroundings;
    const runtime = this.runtime!;
    this.answer = world.after(delayMs, () => {
      this.answer = undefined;
      this.eventsSinceCall = 0;
      world.touched = true;
      action();
      void runtime.idle().then(() => {
        if (this.runtime === runtime) this.clock.plan();
      });
    });
  }

  // ---- links ----

  linkUp(link: TapLink): void {
    if (this.power === 'off') return link.silence(this);
    const port = new TapPort(link, (frame) => {
      if (!this.muted) link.send(this, frame);
    });
    // The runtime closes the link that stands.
    this.port = port;
    this.act(() => this.runtime!.attachLink(port));
  }

  linkDown(link: TapLink): void {
    const { port } = this;
    if (port?.link !== link) return;
    this.port = undefined;
    if (this.power === 'on') this.act(() => port.onClosed());
  }

  tapBytes(frame: Uint8Array, link: TapLink): void {
    const { port } = this;
    if (port?.link === link) this.act(() => port.onBytes(frame));
  }

  /** Says on the tap link what its machine never said. Only for adversaries. */
  inject(message: Message): void {
    this.port?.link.send(this, frameOf(message));
  }

  hubConnected(): void {
    if (this.power === 'on') this.act(() => this.uplink![1](true));
  }

  hubLost(): void {
    if (this.power === 'on') this.act(() => this.uplink![1](false));
  }

  hubBytes(bytes: Uint8Array): void {
    if (this.power === 'on') this.act(() => this.uplink![0](bytes));
  }

  goOnline(): void {
    this.surroundings.broker.connect(this);
  }

  goOffline(): void {
    this.surroundings.broker.disconnect(this.id);
  }
}
