/**
 * A device in virtual time: the real machine of a payer or a terminal, and an executor of its effects that follows
 * device/runtime.ts step by step, but at once and without promises. Storage is a fold in memory, or the real journal
 * over NOR flash with faults. Power may go before any effect and inside any flash operation.
 */
import { type Journal, openJournal } from '../../device/journal/journal.ts';
import type { Fault, Machine } from '../../device/runtime.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError, unreachable } from '../../protocol/errors.ts';
import { type Seconds, seconds } from '../../protocol/integers.ts';
import type { DeviceEvent, Effect, Notice } from '../../protocol/machines/effects.ts';
import type { RefusalName } from '../../protocol/refusals.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import { PowerCut, type RamFlash } from '../stage/flash/ram-flash.ts';
import type { Broker, UplinkEnd } from '../stage/network/broker.ts';
import type { TapEnd, TapLink } from '../stage/network/tap-link.ts';
import type { Random } from '../stage/world/random.ts';
import type { Recorder } from './recorder.ts';
import type { SimulatedKey } from '../stage/world/suite.ts';
import type { Planned, World } from '../stage/world/world.ts';
import { START_SECONDS } from '../stage/world/world.ts';

const CLOCK_MS = 1000;
const BANKS = { banks: 2 };
/** Steps that one event may cause before something must be wrong: the longest real chain is a pack of 32 entries. */
const STEPS_MAX = 2000;

/** Faults of the runtime after which a device signs nothing more; as in device/runtime.ts. */
const FLASH_FAULTS: ReadonlySet<string> = new Set([
  'flash_worn',
  'flash_fault',
  'journal_full',
  'journal_corrupt',
]);

export type Power = 'on' | 'off';

/** What the world wants to know of a device. */
export interface DeviceWatcher {
  notice(device: AnyDevice, notice: Notice): void;
  sent(device: AnyDevice, message: Message): void;
  cut(device: AnyDevice, at: string): void;
  booted(device: AnyDevice, frozen: boolean): void;
  fault(device: AnyDevice, fault: Fault): void;
  /** A record is durable now; after a cut in the middle of writing it this is told at the next start. */
  stored(device: AnyDevice, record: { readonly type: string }): void;
  /** After a cut the storage holds neither what was there before the record nor what the record makes of it. */
  changed(device: AnyDevice): void;
}

/** What all devices share. */
export interface Surroundings {
  readonly world: World;
  readonly broker: Broker;
  readonly watcher: DeviceWatcher;
}

export interface DeviceOptions {
  readonly index: number;
  readonly name: string;
  readonly key: SimulatedKey;
  readonly random: Random;
  /** The real journal over this part; absent: what is persisted is folded in memory. */
  readonly flash?: RamFlash;
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
  readonly key: SimulatedKey;
  readonly id: string;
  readonly flash: RamFlash | undefined;
  state: S;
  power: Power = 'off';
  frozen = false;
  /** Seconds that its real-time clock is off. */
  clockOffset = 0;
  /** Its clock kept running since it was set; false after its battery was taken out. */
  clockRuns: boolean;
  /** Types of messages that it never sends on a tap link; only for adversaries. */
  mutes: ReadonlySet<string> | undefined;
  /** Called with every notice while the device acts out its role. */
  behaviour: ((notice: Notice) => void) | undefined;
  /** Effects until the power goes; 0: it stays. */
  cutIn = 0;
  /** The power goes before the next effect of this kind. */
  private cutAt: Effect<R>['type'] | undefined;
  events = 0;
  readonly machine: Machine<B, S, E | DeviceEvent, R>;
  /** Writes down what the device is told and does; absent: nobody does. */
  recorder: Recorder | undefined;
  private readonly surroundings: Surroundings;
  private readonly random: Random;
  private readonly driftPpm: number;
  private readonly clockDue: (state: S) => number | undefined;
  private journal: Journal | undefined;
  /** Record whose writing the power did not survive, and how many records there were before it. */
  private torn: { readonly record: R; readonly before: B } | undefined;
  /** What is stored: the fold of every record whose effect completed. */
  private stored: B;
  private bootedAtMs = 0;
  private link: TapLink | undefined;
  private readonly queue: (E | DeviceEvent)[] = [];
  private handling = false;
  private tick: Planned | undefined;
  private tickAt = 0;

  /** `clockDue`: from when on (its own milliseconds) a tick of the clock could do anything; earlier ones are not run. */
  constructor(
    machine: Machine<B, S, E | DeviceEvent, R>,
    options: DeviceOptions,
    surroundings: Surroundings,
    clockDue: (state: S) => number | undefined,
  ) {
    this.machine = machine;
    this.index = options.index;
    this.name = options.name;
    this.key = options.key;
    this.id = toHex(options.key.address).slice(2);
    this.random = options.random;
    this.flash = options.flash;
    this.driftPpm = options.driftPpm;
    this.clockRuns = options.realTimeClock;
    this.surroundings = surroundings;
    this.clockDue = clockDue;
    this.stored = machine.emptyBooks;
    this.state = machine.afterPowerUp(this.stored, false);
    if (this.flash !== undefined) this.journal = openJournal(this.flash, BANKS);
  }

  get isOn(): boolean {
    return this.power === 'on';
  }

  get books(): B {
    return this.state.books;
  }

  /** What would be there after a power cut right now. */
  get storedBooks(): B {
    return this.stored;
  }

  get isLinked(): boolean {
    return this.link !== undefined;
  }

  /** Stores a record in the factory, before the first start. */
  provision(record: R): void {
    this.store(record);
    this.state = this.machine.afterPowerUp(this.stored, false);
  }

  /** Milliseconds of its own timer since power-up. */
  private monotonicMs(): number {
    const elapsed = this.surroundings.world.nowMs - this.bootedAtMs;
    return elapsed + Math.floor((Math.floor(elapsed / 1000) * this.driftPpm) / 1000);
  }

  boot(): void {
    if (this.power === 'on') return;
    this.power = 'on';
    this.bootedAtMs = this.surroundings.world.nowMs;
    this.queue.length = 0;
    this.handling = false;
    this.cutIn = 0;
    this.cutAt = undefined;
    let books = this.stored;
    if (this.flash !== undefined) {
      this.flash.cutAt = undefined;
      try {
        this.journal = openJournal(this.flash, BANKS);
        books = this.machine.emptyBooks;
        for (const payload of this.journal.replayed)
          books = this.machine.apply(books, this.machine.records.decode(payload));
        this.frozen = false;
      } catch (error) {
        if (!(error instanceof SundialError)) throw error;
        this.journal = undefined;
        this.frozen = true;
        this.surroundings.watcher.fault(this, { code: error.code, message: error.message, frozen: true });
      }
    }
    this.tellTorn(books);
    this.stored = books;
    this.state = this.machine.afterPowerUp(books, this.frozen);
    this.surroundings.watcher.booted(this, this.frozen);
    this.dispatch(this.bootEvent());
  }

  /** Whether the record that the cut tore is there shows in the snapshot of what was read back. */
  private tellTorn(books: B): void {
    const { torn, machine } = this;
    this.torn = undefined;
    if (torn === undefined || this.frozen) return;
    const text = (of: B): string =>
      machine
        .snapshot(of)
        .map((record) => toHex(machine.records.encode(record)))
        .join();
    const found = text(books);
    const kept = found === text(machine.apply(torn.before, torn.record));
    if (kept && found !== text(torn.before)) this.surroundings.watcher.stored(this, torn.record);
    else if (!kept && found !== text(torn.before)) this.surroundings.watcher.changed(this);
  }

  private bootEvent(): DeviceEvent {
    return this.clockRuns ? { type: 'boot', realTime: this.realTime() } : { type: 'boot' };
  }

  private realTime(): Seconds {
    return seconds(START_SECONDS + Math.floor(this.surroundings.world.nowMs / 1000) + this.clockOffset);
  }

  /** Queues an event and handles everything that waits. Lost when the power is off. */
  dispatch(event: E | DeviceEvent): void {
    if (this.power === 'off') return;
    this.queue.push(event);
    if (this.handling) return;
    this.handling = true;
    try {
      for (let steps = 0; this.queue.length > 0; steps++) {
        if (steps > STEPS_MAX) throw new Error(`${this.name} does not come to rest`);
        this.handle(this.queue.shift()!);
      }
      this.handling = false;
    } catch (error) {
      this.handling = false;
      if (!(error instanceof PowerCut)) throw error;
      this.recorder?.cut();
      this.powerOff(error.message);
      return;
    }
    this.planTick();
  }

  private handle(event: E | DeviceEvent): void {
    this.events += 1;
    this.recorder?.event(event, this.monotonicMs());
    try {
      this.run(event);
    } catch (error) {
      if (!(error instanceof SundialError)) throw error;
      this.restart(error);
    }
  }

  private run(event: E | DeviceEvent): void {
    const { books } = this.state;
    const { state, effects } = this.machine.step(this.state, event, this.monotonicMs());
    this.state = state;
    // One record on top of what is stored: the step has folded it already.
    const folded = books === this.stored && hasOneRecord(effects) ? state.books : undefined;
    for (const effect of effects) {
      if (effect.type === this.cutAt) throw new PowerCut(`effect ${effect.type}`);
      if (this.cutIn > 0) {
        this.cutIn -= 1;
        if (this.cutIn === 0) throw new PowerCut(`effect ${effect.type}`);
      }
      this.recorder?.effect(effect);
      this.execute(effect, folded);
    }
  }

  private execute(effect: Effect<R>, folded: B | undefined): void {
    switch (effect.type) {
      case 'persist':
        return this.store(effect.record, folded);
      case 'sign':
        return this.run({ type: 'signed', digest: effect.digest, signature: this.key.sign(effect.digest) });
      case 'send':
        if (this.mutes?.has(effect.message.type)) return;
        this.surroundings.watcher.sent(this, effect.message);
        return this.link?.send(this, effect.message);
      case 'upload':
        return this.surroundings.broker.up(this.id, effect.message);
      case 'notify':
        this.surroundings.watcher.notice(this, effect.notice);
        this.behaviour?.(effect.notice);
        return;
      default:
        return unreachable(effect);
    }
  }

  private store(record: R, folded?: B): void {
    const { machine } = this;
    if (this.flash !== undefined) {
      if (this.journal === undefined) {
        throw new SundialError('journal_corrupt', 'a frozen device was asked to store', {
          severity: 'device',
          remedy: 'Report this with the seed.',
        });
      }
      const before = this.stored;
      try {
        this.journal.append(machine.records.encode(record), () =>
          machine.snapshot(before).map((entry) => machine.records.encode(entry)),
        );
      } catch (error) {
        if (error instanceof PowerCut) this.torn = { record, before };
        throw error;
      }
    }
    this.stored = folded ?? machine.apply(this.stored, record);
    this.surroundings.watcher.stored(this, record);
  }

  /** A failed effect: the machine goes on from what is stored, as device/runtime.ts does. */
  private restart(error: SundialError): void {
    this.frozen = FLASH_FAULTS.has(error.code) || (this.flash !== undefined && this.journal === undefined);
    if (this.frozen) this.journal = undefined;
    this.surroundings.watcher.fault(this, { code: error.code, message: error.message, frozen: this.frozen });
    this.state = this.machine.afterPowerUp(this.stored, this.frozen);
    const events: (E | DeviceEvent)[] = [this.bootEvent()];
    if (this.link !== undefined) events.push({ type: 'linkUp' });
    this.queue.unshift(...events);
  }

  /** Takes the power away right before the next effect of a kind. */
  cutBefore(effect: Effect<R>['type']): void {
    this.cutAt = effect;
  }

  /** The power is gone: RAM is forgotten, links fall silent. */
  powerOff(at: string): void {
    if (this.power === 'off') return;
    this.power = 'off';
    this.queue.length = 0;
    if (this.tick !== undefined) this.tick.cancelled = true;
    this.tick = undefined;
    this.link?.silence(this);
    this.link = undefined;
    this.surroundings.broker.disconnect(this.id);
    this.state = this.machine.afterPowerUp(this.stored, this.frozen);
    this.surroundings.watcher.cut(this, at);
  }

  /** Puts back what was stored earlier, as someone does who copied the flash. Only for adversaries. */
  restore(books: B): void {
    this.stored = books;
    this.state = this.machine.afterPowerUp(books, this.frozen);
  }

  /** Where a tick was planned for may be over by the time it comes. */
  private clockIsDue(): boolean {
    const now = this.monotonicMs();
    const due = now < 2 * CLOCK_MS ? CLOCK_MS : this.clockDue(this.state);
    return due !== undefined && due <= now;
  }

  private planTick(): void {
    if (this.power === 'off') return;
    const now = this.monotonicMs();
    // The first tick after power-up always comes: it takes up what a cut left half done.
    const due = now < CLOCK_MS ? CLOCK_MS : this.clockDue(this.state);
    if (due === undefined) return;
    const { world } = this.surroundings;
    // Once a second from power-up on, as the runtime's clock.
    const elapsed = world.nowMs - this.bootedAtMs;
    const wait = Math.max(0, due - now);
    const next =
      this.bootedAtMs +
      Math.max(Math.ceil((elapsed + wait) / CLOCK_MS), Math.floor(elapsed / CLOCK_MS) + 1) * CLOCK_MS;
    if (this.tick !== undefined) {
      if (this.tickAt <= next) return;
      this.tick.cancelled = true;
    }
    this.tickAt = next;
    this.tick = world.at(next, () => {
      this.tick = undefined;
      if (this.clockIsDue()) this.dispatch({ type: 'clock' });
      else this.planTick();
    });
  }

  // ---- links ----

  linkUp(link: TapLink): void {
    this.link?.close();
    if (this.power === 'off') return link.silence(this);
    this.link = link;
    this.dispatch({ type: 'linkUp' });
  }

  linkDown(link: TapLink): void {
    if (this.link !== link) return;
    this.link = undefined;
    this.dispatch({ type: 'linkDown' });
  }

  tapMessage(message: Message): void {
    const random = message.type === 'streamRequest' ? this.random.bytes(32) : undefined;
    this.dispatch({ type: 'message', message, ...(random && { random }) });
  }

  tapGarbage(code: RefusalName): void {
    this.dispatch({ type: 'garbage', code });
  }

  /** Says on the tap link what its machine never said. Only for adversaries. */
  inject(message: Message): void {
    this.link?.send(this, message);
  }

  hubConnected(): void {
    this.dispatch({ type: 'hubConnected' });
  }

  hubLost(): void {
    this.dispatch({ type: 'hubLost' });
  }

  hubMessage(message: Message): void {
    this.dispatch({ type: 'hubMessage', message });
  }

  goOnline(): void {
    this.surroundings.broker.connect(this);
  }

  goOffline(): void {
    this.surroundings.broker.disconnect(this.id);
  }
}

function hasOneRecord(effects: readonly { readonly type: string }[]): boolean {
  let records = 0;
  for (const effect of effects) if (effect.type === 'persist') records += 1;
  return records === 1;
}
