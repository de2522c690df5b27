/**
 * A device's day on the real runtime of devices (device/runtime.ts): bytes come over its link and uplink, its journal
 * lies on NOR flash, its key answers later. Every effect must be the one that the fleet's own executor had, and in the
 * end its flash must hold the same books.
 */
import { openJournal } from '../../device/journal/journal.ts';
import { encodeFrame } from '../../device/links/framing.ts';
import { type Machine, Runtime } from '../../device/runtime.ts';
import type { Clock, Entropy, Link, SecureKey, Uplink } from '../../hardware/interfaces/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { DeviceEvent, Effect } from '../../protocol/machines/effects.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import type { AnyDevice } from '../fleet/device.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { type Recorded, Recorder } from '../fleet/recorder.ts';
import { PowerCut, RamFlash } from '../flash/ram-flash.ts';
import type { SimulatedKey } from '../world/suite.ts';

/** Room for the books of any terminal of the built-in scenarios. */
const FLASH = { size: 1024 * 1024, blockSize: 4096, seed: 1 };
const BANKS = { banks: 2 };

// biome-ignore lint/suspicious/noExplicitAny: payers and terminals are played alike
type AnyMachine = Machine<any, any, any, any>;
type AnyEffect = Effect<{ readonly type: string }>;

export interface Replayed {
  readonly device: string;
  readonly events: number;
  readonly effects: number;
  /** The first thing that the runtime did otherwise; undefined: nothing. */
  readonly difference: string | undefined;
}

/** A device whose day is written down from now on. Call before its first start. */
export class RecordedDevice {
  private readonly device: AnyDevice;
  private readonly recorder = new Recorder();
  private readonly flash = new RamFlash(FLASH);

  /** Throws `scenario` for a device that has flash of its own in the fleet. */
  constructor(device: AnyDevice) {
    if (device.flash !== undefined) {
      throw new SundialError('scenario', `${device.name} has its own faulty flash in this scenario`, {
        severity: 'call',
        remedy: 'Play devices of a scenario whose storage is memory.',
      });
    }
    this.device = device;
    device.recorder = this.recorder;
    const { machine } = device;
    const journal = openJournal(this.flash, BANKS);
    for (const record of machine.snapshot(device.storedBooks))
      journal.append(machine.records.encode(record), () => []);
  }

  /** Plays what was written down so far. */
  async replay(): Promise<Replayed> {
    const { machine, key, name, storedBooks } = this.device;
    const player = new Player(machine, key, this.flash);
    const { events } = this.recorder;
    let effects = 0;
    for (const [index, recorded] of events.entries()) {
      await player.play(recorded);
      effects += recorded.effects.length;
      if (player.difference !== undefined) {
        const difference = `event ${index} (${recorded.event.type}): ${player.difference}`;
        return { device: name, events: events.length, effects, difference };
      }
    }
    const books = textOf(machine.snapshot(player.storedBooks()));
    const difference =
      books === textOf(machine.snapshot(storedBooks)) ? undefined : 'its flash holds other books';
    return { device: name, events: events.length, effects, difference };
  }
}

/**
 * Has `count` devices of a fleet written down: terminals from the first on and payers from the last on, since scenarios
 * take their cheats from the front.
 */
export function recordSome({ terminals, payers }: Fleet, count: number): RecordedDevice[] {
  const chosen = Array.from({ length: count }, (_, i) =>
    i % 2 === 0 ? terminals[i >> 1] : payers.at(-1 - (i >> 1)),
  );
  return chosen.flatMap((actor) => (actor === undefined ? [] : [new RecordedDevice(actor.device)]));
}

/** Drives one runtime, with its links in the hands of the test. */
class Player {
  difference: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: payers and terminals are played alike
  private runtime: Runtime<any, any, any, any> | undefined;
  private recorded: Recorded | undefined;
  private seen = 0;
  private readonly machine: AnyMachine;
  private readonly key: SimulatedKey;
  private readonly flash: RamFlash;
  private link = new Wire();
  private uplink = new Wire();

  constructor(machine: AnyMachine, key: SimulatedKey, flash: RamFlash) {
    this.machine = machine;
    this.key = key;
    this.flash = flash;
  }

  async play(recorded: Recorded): Promise<void> {
    this.recorded = recorded;
    this.seen = 0;
    this.link.sent.length = 0;
    this.uplink.sent.length = 0;
    this.hand(recorded.event as DeviceEvent);
    await this.runtime?.idle();
    if (this.seen < recorded.effects.length) this.differ(recorded.effects[this.seen], undefined);
    this.compareBytes(recorded.effects);
  }

  /** What is on the flash, read anew. */
  storedBooks(): unknown {
    const { machine } = this;
    const { replayed } = openJournal(this.flash, BANKS);
    return replayed.reduce(
      (books: unknown, payload) => machine.apply(books, machine.records.decode(payload)),
      machine.emptyBooks,
    );
  }

  /** Gives the runtime an event as its host would. */
  private hand(event: DeviceEvent): void {
    switch (event.type) {
      case 'boot':
        return this.powerUp();
      case 'linkUp':
        this.link = new Wire();
        return this.runtime!.attachLink(this.link);
      case 'linkDown':
        return this.link.lose();
      case 'message':
        return this.link.hand(encodeFrame(encodeMessage(event.message)));
      case 'hubConnected':
      case 'hubLost':
        return this.uplink.connect(event.type === 'hubConnected');
      case 'hubMessage':
        return this.uplink.hand(encodeMessage(event.message));
      default:
        void this.runtime!.dispatch(event);
    }
  }

  /** A new runtime over what the flash holds: RAM and links are gone. */
  private powerUp(): void {
    const { key, machine, flash } = this;
    const secureKey: SecureKey = {
      scheme: 'secp256k1',
      address: key.address,
      sign: async (digest) => key.sign(digest),
    };
    this.link = new Wire();
    this.uplink = new Wire();
    this.runtime = new Runtime(
      machine,
      { key: secureKey, clock: this.clock(), entropy: this.entropy() },
      () => openJournal(flash, BANKS),
      {
        onEffect: (effect) => this.onEffect(effect as AnyEffect),
        onFault: ({ message }) => this.fail(`a fault: ${message}`),
        onCrash: (error) => {
          if (!(error instanceof PowerCut)) throw error;
        },
      },
    );
    void this.runtime.start();
    this.runtime.attachUplink(this.uplink);
  }

  /** Ticks of the clock are events like any other; the runtime's own never come. */
  private clock(): Clock {
    return {
      monotonicMs: () => this.recorded!.nowMs,
      realTimeSeconds: () => {
        const { event } = this.recorded!;
        return 'realTime' in event ? (event.realTime as number) : undefined;
      },
      schedule: () => () => undefined,
    };
  }

  private entropy(): Entropy {
    return {
      certified: true,
      random: () => {
        const { event } = this.recorded!;
        if (!('random' in event)) throw new Error(`${event.type} asked for random bytes`);
        return event.random as Uint8Array;
      },
    };
  }

  private onEffect(effect: AnyEffect): void {
    const { effects, isCut } = this.recorded!;
    const wanted = effects[this.seen];
    if (wanted === undefined && isCut) throw new PowerCut('as in the fleet');
    this.seen += 1;
    if (wanted === undefined || textOf(wanted) !== textOf(effect)) this.differ(wanted, effect);
  }

  /** What went over the links is what the effects say. */
  private compareBytes(effects: readonly AnyEffect[]): void {
    const uploads = effects.flatMap((effect) => (effect.type === 'upload' ? [effect.message] : []));
    const sends = effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []));
    this.compareSent('uplink', this.uplink.sent, uploads, encodeMessage);
    if (this.link.isOpen)
      this.compareSent('link', this.link.sent, sends, (message) => encodeFrame(encodeMessage(message)));
  }

  private compareSent(
    name: string,
    sent: readonly Uint8Array[],
    messages: readonly Message[],
    encode: (message: Message) => Uint8Array,
  ): void {
    if (textOf(sent) !== textOf(messages.map(encode))) this.fail(`other bytes on the ${name}`);
  }

  private differ(wanted: AnyEffect | undefined, found: AnyEffect | undefined): void {
    this.fail(
      `${found === undefined ? 'nothing' : textOf(found)} instead of ${wanted ? textOf(wanted) : 'nothing'}`,
    );
  }

  private fail(words: string): void {
    this.difference ??= words;
  }
}

/** One end of a link or uplink: bytes are handed in and written down. */
class Wire implements Link, Uplink {
  readonly frameSizeMax = 244;
  readonly sent: Uint8Array[] = [];
  isOpen = false;
  private onBytes: (bytes: Uint8Array) => void = () => undefined;
  private onChange: (connected: boolean) => void = () => undefined;

  send(bytes: Uint8Array): void {
    this.sent.push(bytes);
  }

  receive(onBytes: (bytes: Uint8Array) => void, onChange: (connected: boolean) => void): void {
    this.isOpen = true;
    this.onBytes = onBytes;
    this.onChange = onChange;
  }

  hand(bytes: Uint8Array): void {
    this.onBytes(bytes);
  }

  connect(connected: boolean): void {
    this.onChange(connected);
  }

  /** The far end is gone. */
  lose(): void {
    this.isOpen = false;
    this.onChange(false);
  }

  close(): void {
    this.isOpen = false;
  }
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? toHex(part) : part));
