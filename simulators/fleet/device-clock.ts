/**
 * A device's timer in virtual time, and the ticks that its runtime asks for, once a second from power-up on. A tick that
 * would change nothing is left out: most of a fleet is idle most of the time.
 */
import type { Clock } from '../../hardware/interfaces/index.ts';
import type { Planned, World } from '../stage/world/world.ts';

const CLOCK_MS = 1000;

/** The device around the clock. */
export interface Clocked {
  /** Unix seconds of a clock that keeps running without power. */
  realTimeSeconds(): number | undefined;
  /** From when on, in the device's own milliseconds, a tick could do anything. Asked only while the power is on. */
  dueMs(): number | undefined;
  /** Runs a tick. */
  run(tick: () => void): void;
}

export class DeviceClock implements Clock {
  private readonly world: World;
  private readonly driftPpm: number;
  private readonly device: Clocked;
  private bootedAtMs = 0;
  private isOn = false;
  /** What the runtime wants called in a second. */
  private wanted: (() => void) | undefined;
  private planned: Planned | undefined;
  private plannedAt = 0;

  /** `driftPpm`: parts per million by which it runs fast. */
  constructor(world: World, driftPpm: number, device: Clocked) {
    this.world = world;
    this.driftPpm = driftPpm;
    this.device = device;
  }

  powerUp(): void {
    this.isOn = true;
    this.bootedAtMs = this.world.nowMs;
  }

  powerOff(): void {
    this.isOn = false;
    this.wanted = undefined;
    if (this.planned !== undefined) this.planned.cancelled = true;
    this.planned = undefined;
  }

  /** Milliseconds of its own timer since power-up. */
  monotonicMs(): number {
    const elapsed = this.world.nowMs - this.bootedAtMs;
    return elapsed + Math.floor((Math.floor(elapsed / 1000) * this.driftPpm) / 1000);
  }

  realTimeSeconds(): number | undefined {
    return this.device.realTimeSeconds();
  }

  /** The runtime asks for nothing but a tick a second. */
  schedule(_delayMs: number, callback: () => void): () => void {
    this.wanted = callback;
    return () => {
      this.wanted = undefined;
    };
  }

  /** From when on the next tick is worth running. */
  private dueMs(now: number): number | undefined {
    // The first tick after power-up always comes: it takes up what a cut left half done.
    return now < CLOCK_MS ? CLOCK_MS : this.device.dueMs();
  }

  /** Plans the next tick that does anything; to be called after whatever may have changed when that is. */
  plan(): void {
    if (!this.isOn) return;
    const now = this.monotonicMs();
    const due = this.dueMs(now);
    if (due === undefined) return;
    const { world } = this;
    const elapsed = world.nowMs - this.bootedAtMs;
    const wait = Math.max(0, due - now);
    const next =
      this.bootedAtMs +
      Math.max(Math.ceil((elapsed + wait) / CLOCK_MS), Math.floor(elapsed / CLOCK_MS) + 1) * CLOCK_MS;
    if (this.planned !== undefined) {
      if (this.plannedAt <= next) return;
      this.planned.cancelled = true;
    }
    this.plannedAt = next;
    this.planned = world.at(next, () => this.tick());
  }

  private tick(): void {
    this.planned = undefined;
    const now = this.monotonicMs();
    // Where a tick was planned for may be over by the time it comes.
    const due = now < 2 * CLOCK_MS ? CLOCK_MS : this.device.dueMs();
    if (due === undefined || due > now) return this.plan();
    this.device.run(() => this.wanted?.());
  }
}
