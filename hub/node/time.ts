/** The clock and the timers of this machine. */
import type { Time } from '../ports.ts';

export const systemTime: Time = {
  nowMs: () => Date.now(),
  schedule: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};
