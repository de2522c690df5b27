/** A meter that follows a recorded load curve, faster than life when asked to. */
import type { Meter } from '../../interfaces/index.ts';
import type { LoadCurve } from './load-curve.ts';

/** `speed`: how many seconds of the session pass in one second. */
export class CurveMeter implements Meter {
  /** Minutes of the session that have passed. */
  minutes = 0;
  private deliveredWh = 0;
  /** What earlier sessions of this meter delivered. */
  private beforeWh = 0;
  private readonly curve: LoadCurve;
  private readonly speed: number;
  private timer: NodeJS.Timeout | undefined;

  constructor(curve: LoadCurve, speed: number) {
    this.curve = curve;
    this.speed = speed;
  }

  readingWh(): number {
    return Math.round(this.curve.registerWh + this.beforeWh + this.deliveredWh);
  }

  start(): void {
    this.beforeWh += this.deliveredWh;
    this.deliveredWh = 0;
    this.minutes = 0;
  }

  /** Watts at this moment of the session. */
  get watts(): number {
    return this.curve.wattsByMinute[Math.floor(this.minutes)] ?? 0;
  }

  deliverUpTo(energyWh: number, callback: (full: boolean) => void): void {
    const startedAt = this.minutes;
    while (this.deliveredWh < energyWh) {
      const watts = this.watts;
      if (watts === 0) break;
      const minuteLeft = Math.floor(this.minutes) + 1 - this.minutes;
      const needed = (60 * (energyWh - this.deliveredWh)) / watts;
      const step = Math.min(minuteLeft, needed);
      this.deliveredWh += (watts * step) / 60;
      this.minutes += step;
    }
    const full = this.deliveredWh < energyWh;
    this.timer = setTimeout(() => callback(full), (60_000 * (this.minutes - startedAt)) / this.speed);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
