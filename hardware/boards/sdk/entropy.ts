/** The chip's random number generator, or the kernel's, through natives.c. */
import type { Entropy } from '../../interfaces/index.ts';
import { natives } from '../../native/natives.ts';

export const sdkEntropy: Entropy = {
  certified: true,
  random(length) {
    const bytes = new Uint8Array(length);
    if (!natives.random(bytes)) throw new Error('no_entropy');
    return bytes;
  },
};
