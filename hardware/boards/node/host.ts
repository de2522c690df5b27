/** Clock and entropy of a Node process. */
import { randomBytes, randomInt } from 'node:crypto';
import type { Clock, Entropy } from '../../interfaces/index.ts';

/** A computer's clock keeps running while a device process is down, so it vouches for the time. */
export const nodeClock: Clock = {
  monotonicMs: () => Math.floor(performance.now()),
  realTimeSeconds: () => Math.floor(Date.now() / 1000),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

export const nodeEntropy: Entropy = {
  certified: true,
  random: (length) => new Uint8Array(randomBytes(length)),
};

/** What this side of a line calls itself in its beats, another name for each line: see device/links/line.ts. */
export const startName = (): number => randomInt(1, 256);
