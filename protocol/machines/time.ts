/**
 * A device's time (rule 7): the highest of what was stored and what the hub signed, moved on by the monotonic timer.
 * `based` says whether anything since power-up vouches for it: a clock that kept running, or the hub.
 */
import { type Seconds, seconds, UINT40_MAX } from '../integers.ts';

export interface DeviceTime {
  readonly floor: Seconds;
  /** Monotonic milliseconds at which `floor` held. */
  readonly sinceMs: number;
  readonly based: boolean;
}

/** Time right after power-up. */
export function timeAtBoot(stored: Seconds, realTime: Seconds | undefined, nowMs: number): DeviceTime {
  return {
    floor: realTime === undefined ? stored : seconds(Math.max(stored, realTime)),
    sinceMs: nowMs,
    based: realTime !== undefined,
  };
}

/** Seconds now; never going back while the timer doesn't. */
export function timeNow(time: DeviceTime, nowMs: number): Seconds {
  const elapsedMs = nowMs - time.sinceMs;
  if (!(elapsedMs >= 1000)) return time.floor;
  const now = time.floor + (elapsedMs - (elapsedMs % 1000)) / 1000;
  return (now < UINT40_MAX ? now : UINT40_MAX) as Seconds;
}

/**
 * Takes a time that the hub signed. An older one moves nothing, but still shows that the hub is there. Moves nothing, not
 * even `sinceMs`: each would take the part of a second that has run, and one replayed every second would stop the clock.
 */
export function timeFromHub(time: DeviceTime, at: Seconds, nowMs: number): DeviceTime {
  return at > timeNow(time, nowMs) ? { floor: at, sinceMs: nowMs, based: true } : { ...time, based: true };
}

/** The earlier of two times of which either may never come. */
export function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}
