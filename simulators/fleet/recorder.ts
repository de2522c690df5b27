/** What a device of the fleet was told and what it did, in order: enough to live its day again on another executor. */
import type { Fault } from '../../device/runtime.ts';
import type { DeviceEvent, Effect } from '../../protocol/machines/effects.ts';

type AnyEffect = Effect<{ readonly type: string }>;

/** One event with everything that was executed because of it, up to the power cut if there was one. */
export interface Recorded {
  readonly event: DeviceEvent | { readonly type: string };
  /** Of the device's own timer. */
  readonly nowMs: number;
  readonly effects: AnyEffect[];
  /** Faults that stopped something, and how many effects came before each. */
  readonly faults: { readonly fault: Fault; readonly after: number }[];
  /** Of a power-up: what the part with the journal held, where it is one that may fail. */
  readonly part: Uint8Array | undefined;
  isCut: boolean;
}

export class Recorder {
  readonly events: Recorded[] = [];

  /** What a power-up finds, until its event comes. */
  private part: Uint8Array | undefined;
  private early: Fault[] = [];

  /** The device starts over what its part holds; `undefined`: one that never fails. */
  powerUp(part: Uint8Array | undefined): void {
    this.part = part;
    this.early = [];
  }

  event(event: Recorded['event'], nowMs: number): void {
    const faults = this.early.map((fault) => ({ fault, after: 0 }));
    this.events.push({ event, nowMs, effects: [], faults, part: this.part, isCut: false });
    this.powerUp(undefined);
  }

  /** A journal that can't be opened is told before the first event. */
  fault(fault: Fault, starting: boolean): void {
    const last = this.events.at(-1);
    if (starting || last === undefined) this.early.push(fault);
    else last.faults.push({ fault, after: last.effects.length });
  }

  effect(effect: AnyEffect): void {
    this.events.at(-1)?.effects.push(effect);
  }

  cut(): void {
    const last = this.events.at(-1);
    if (last !== undefined) last.isCut = true;
  }
}
