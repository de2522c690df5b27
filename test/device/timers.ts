/** A clock that only a test moves: timers run in the order in which they are due. */
import type { Clock } from '../../hardware/interfaces/index.ts';

export class TestClock implements Clock {
  nowMs = 0;
  private timers: { readonly atMs: number; readonly call: () => void }[] = [];

  monotonicMs = (): number => this.nowMs;
  realTimeSeconds = (): undefined => undefined;

  schedule = (delayMs: number, call: () => void): (() => void) => {
    const timer = { atMs: this.nowMs + delayMs, call };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  };

  /** How many timers wait. */
  get waiting(): number {
    return this.timers.length;
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; ; ) {
      const [due] = this.timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (due === undefined) {
        this.nowMs = endMs;
        return;
      }
      this.nowMs = due.atMs;
      this.timers = this.timers.filter((one) => one !== due);
      due.call();
    }
  }
}
