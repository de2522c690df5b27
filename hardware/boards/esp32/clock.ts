/** The SDK's timer and tick counter behind the Clock interface. */
import Time from 'time';
import Timer from 'timer';
import type { Clock } from '../../interfaces/index.ts';

export function sdkClock(): Clock {
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
    // The ESP32's clock is lost with the power; time comes from the hub.
    realTimeSeconds: () => undefined,
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
