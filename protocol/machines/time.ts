/**
 * A device's time (rule 7). Two times, for two questions. `hub` is the highest that the hub or its root signed, moved on by
 * the monotonic timer: hub keys are judged by it, and it alone is ever stored. `floor` is that, or a clock of the device's
 * own that kept running, whichever says more: leases are judged by it. The own clock is never stored, so that one wrong
 * reading costs no more than the time until the next.
 *
 * A basis says that now is not later than the device believes: such a clock, or a beacon that answers a question of this
 * power-up. Beacons that were recorded answer none. A basis wears out, because the timer may drift.
 */
import { type Seconds, seconds, UINT40_MAX } from '../integers.ts';
import type { Timing } from '../limits.ts';

/** A timer without a crystal is off by at most this part. */
const DRIFT_DIVISOR = 10;

export interface DeviceTime {
  readonly floor: Seconds;
  /** Monotonic milliseconds at which `floor` held. */
  readonly sinceMs: number;
  readonly hub: Seconds;
  /** Monotonic milliseconds at which `hub` held. */
  readonly hubMs: number;
  /** Monotonic milliseconds until which the basis holds; below zero: there is none. */
  readonly basedUntilMs: number;
}

/** Milliseconds, by a timer that runs too slow by DRIFT_DIVISOR, in which it loses no more than `clockError`. */
export const basisMs = (timing: Timing): number => timing.clockError * (DRIFT_DIVISOR - 1) * 1000;

/** Time right after power-up: what was stored, and no basis. */
export function timeAtBoot(stored: Seconds, nowMs: number): DeviceTime {
  return { floor: stored, sinceMs: nowMs, hub: stored, hubMs: nowMs, basedUntilMs: -1 };
}

/** Seconds now, by which leases and certificates are judged. */
export function timeNow(time: Pick<DeviceTime, 'floor' | 'sinceMs'>, nowMs: number): Seconds {
  const elapsedMs = nowMs - time.sinceMs;
  if (!(elapsedMs >= 1000)) return time.floor;
  const now = time.floor + (elapsedMs - (elapsedMs % 1000)) / 1000;
  return (now < UINT40_MAX ? now : UINT40_MAX) as Seconds;
}

/** Seconds by the hub alone, by which its keys are judged. */
export const hubTime = ({ hub, hubMs }: DeviceTime, nowMs: number): Seconds =>
  timeNow({ floor: hub, sinceMs: hubMs }, nowMs);

/** The least that it can be by what the hub signed: a timer may also run too fast. */
const earliest = ({ hub, hubMs }: DeviceTime, nowMs: number): Seconds =>
  timeNow({ floor: hub, sinceMs: 0 }, ((nowMs - hubMs) * DRIFT_DIVISOR) / (DRIFT_DIVISOR + 1));

/** Does anything since power-up vouch for the time, and recently enough? */
export const isBased = (time: DeviceTime, nowMs: number): boolean => nowMs <= time.basedUntilMs;

/** From when on half of the basis is gone, in the device's milliseconds: it looks for a new one. */
export const basisFrom = (time: DeviceTime, timing: Timing): number =>
  time.basedUntilMs - basisMs(timing) / 2;

/**
 * The time with a reading of a clock that kept running. One that reads earlier than what was signed, and than what has
 * passed since, says nothing: it stopped, or was set back.
 */
export function timeFromClock(time: DeviceTime, reading: Seconds, timing: Timing, nowMs: number): DeviceTime {
  if (reading < earliest(time, nowMs)) return time;
  return { ...time, floor: seconds(reading), sinceMs: nowMs, basedUntilMs: nowMs + basisMs(timing) };
}

/**
 * Takes a time that the hub signed. An older one moves nothing, not even the moments from which time is counted: each
 * would take the part of a second that has run, and one replayed every second would stop the clock. `answers`: it
 * answers a question of this power-up, so it is a basis.
 */
export function timeFromHub(
  time: DeviceTime,
  at: Seconds,
  answers: boolean,
  timing: Timing,
  nowMs: number,
): DeviceTime {
  const basedUntilMs = answers ? nowMs + basisMs(timing) : time.basedUntilMs;
  const moved = at > timeNow(time, nowMs) ? { ...time, floor: at, sinceMs: nowMs } : time;
  return at > hubTime(time, nowMs)
    ? { ...moved, hub: at, hubMs: nowMs, basedUntilMs }
    : { ...moved, basedUntilMs };
}

/** The earlier of two times of which either may never come. */
export function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}
