/** What a device of the fleet was told and what it did, in order: enough to live its day again on another executor. */
import type { DeviceEvent, Effect } from '../../protocol/machines/effects.ts';

type AnyEffect = Effect<{ readonly type: string }>;

/** One event with everything that was executed because of it, up to the power cut if there was one. */
export interface Recorded {
  readonly event: DeviceEvent | { readonly type: string };
  /** Of the device's own timer. */
  readonly nowMs: number;
  readonly effects: AnyEffect[];
  isCut: boolean;
}

export class Recorder {
  readonly events: Recorded[] = [];

  event(event: Recorded['event'], nowMs: number): void {
    this.events.push({ event, nowMs, effects: [], isCut: false });
  }

  effect(effect: AnyEffect): void {
    this.events.at(-1)?.effects.push(effect);
  }

  cut(): void {
    const last = this.events.at(-1);
    if (last !== undefined) last.isCut = true;
  }
}
