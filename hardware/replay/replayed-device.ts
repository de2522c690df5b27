/**
 * A device on the real runtime (device/runtime.ts) whose links, clock, chance and power are in the hands of a
 * recording: it is told one event after the other as its host would tell it, and says what it did, line by line. The
 * same on Node, on XS and in a firmware image.
 */
import type { Fault, Host, Observer, Runtime } from '../../device/runtime.ts';
import type { Clock, Entropy, Link, SecureKey, Uplink } from '../interfaces/index.ts';
import type { Effect } from '../../protocol/machines/effects.ts';
import type { RecordTable } from '../../protocol/wire/records.ts';
import { type Say, sayEffect } from './lines.ts';

/** What a device is told: one event, and what its host would answer meanwhile. */
export interface Told {
  readonly type:
    | 'boot'
    | 'linkUp'
    | 'linkDown'
    | 'linkBytes'
    | 'hubConnected'
    | 'hubLost'
    | 'hubMessage'
    | 'dispatch';
  /** Of the device's own timer. */
  readonly nowMs: number;
  /** Unix seconds of a clock that kept running; absent: there is none. */
  readonly realTime?: number;
  /** What its random source gives. */
  readonly random?: Uint8Array;
  /** Of `linkBytes`: as they come over the link; of `hubMessage`: one whole message. */
  readonly bytes?: Uint8Array;
  /** Of `dispatch`: what a role, a person or the clock tells the machine. */
  readonly event?: { readonly type: string };
  /** The power goes after so many effects; absent: it stays. */
  readonly cutAfter?: number;
}

// biome-ignore lint/suspicious/noExplicitAny: payers and terminals are played alike
type AnyRuntime = Runtime<any, any, any, any>;
// biome-ignore lint/suspicious/noExplicitAny: likewise
type AnyObserver = Observer<any>;
// biome-ignore lint/suspicious/noExplicitAny: likewise
type AnyRecords = RecordTable<any>;

/** Makes the device over its journal, not started yet. */
export type StartDevice = (host: Host, observer: AnyObserver) => AnyRuntime;

/** Thrown where the power goes. Not a SundialError: nothing in the device may handle it. */
class PowerCut extends Error {}

/** Drives one runtime. A `boot` after the first forgets all that was in RAM, as far as the host has not already. */
export class ReplayedDevice {
  private readonly start: StartDevice;
  private readonly key: SecureKey;
  private readonly records: AnyRecords;
  private readonly say: Say;
  private runtime: AnyRuntime | undefined;
  private told: Told | undefined;
  private effects = 0;
  private link: Wire;
  private uplink: Wire;

  /** `say` is given each line of what the device does, as it does it; see lines.ts. */
  constructor(start: StartDevice, key: SecureKey, records: AnyRecords, say: Say) {
    this.start = start;
    this.key = key;
    this.records = records;
    this.say = say;
    this.link = this.wire('link');
    this.uplink = this.wire('uplink');
  }

  /** Resolves when everything that the event caused is done. */
  async play(told: Told): Promise<void> {
    this.told = told;
    this.effects = 0;
    this.hand(told);
    await this.runtime?.idle();
  }

  private hand({ type, bytes, event }: Told): void {
    switch (type) {
      case 'boot':
        return this.powerUp();
      case 'linkUp':
        this.link = this.wire('link');
        return this.runtime!.attachLink(this.link);
      case 'linkDown':
        return this.link.lose();
      case 'linkBytes':
        return this.link.hand(bytes!);
      case 'hubConnected':
      case 'hubLost':
        return this.uplink.connect(type === 'hubConnected');
      case 'hubMessage':
        return this.uplink.hand(bytes!);
      case 'dispatch':
        void this.runtime!.dispatch(event);
    }
  }

  /** A new runtime over what the flash holds: RAM and links are gone. */
  private powerUp(): void {
    this.link = this.wire('link');
    this.uplink = this.wire('uplink');
    this.runtime = this.start(
      { key: this.key, clock: this.clock(), entropy: this.entropy() },
      {
        onEffect: (effect) => this.onEffect(effect),
        onFault: ({ code, frozen }: Fault) => this.say(`fault ${code}${frozen ? ' frozen' : ''}`),
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
      monotonicMs: () => this.told!.nowMs,
      realTimeSeconds: () => this.told!.realTime,
      schedule: () => () => undefined,
    };
  }

  private entropy(): Entropy {
    return {
      certified: true,
      random: () => {
        const { random, type } = this.told!;
        if (random === undefined) throw new Error(`${type} asked for random bytes`);
        return random;
      },
    };
  }

  private onEffect(effect: Effect<{ readonly type: string }>): void {
    if (this.effects === this.told!.cutAfter) throw new PowerCut();
    this.effects += 1;
    sayEffect(this.say, this.records, effect);
  }

  private wire(name: 'link' | 'uplink'): Wire {
    return new Wire((bytes) => this.say(name, bytes));
  }
}

/** One end of a link or uplink: bytes are handed in, and said when they go out. */
class Wire implements Link, Uplink {
  readonly frameSizeMax = 244;
  private readonly onSent: (bytes: Uint8Array) => void;
  private onBytes: (bytes: Uint8Array) => void = () => undefined;
  private onChange: (connected: boolean) => void = () => undefined;

  constructor(onSent: (bytes: Uint8Array) => void) {
    this.onSent = onSent;
  }

  send(bytes: Uint8Array): void {
    this.onSent(bytes);
  }

  receive(onBytes: (bytes: Uint8Array) => void, onChange: (connected: boolean) => void): void {
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
    this.onChange(false);
  }

  close(): void {}
}
