/** The SDK's timer and tick counter behind the Clock interface. */
import Time from 'time';
import Timer from 'timer';
import type { Clock } from '../../interfaces/index.ts';

/** `realTimeSeconds`: Unix time where a clock kept running while the power was off, else undefined. */
export function sdkClock(realTimeSeconds: () => number | undefined): Clock {
  // The ticks are 32 bits of milliseconds: counted on, they don't wrap.
  let last = Time.ticks;
  let elapsedMs = 0;
  return {
    monotonicMs() {
      const now = Time.ticks;
      elapsedMs += Time.delta(last, now);
      last = now;
      return elapsedMs;
    },
    realTimeSeconds,
    schedule(delayMs, callback) {
      let timer: Timer | undefined = Timer.set(() => {
        timer = undefined;
        callback();
      }, delayMs);
      return () => {
        if (timer !== undefined) Timer.clear(timer);
        timer = undefined;
      };
    },
  };
}
