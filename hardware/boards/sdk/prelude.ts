/**
 * What JavaScript expects of its host and the SDK leaves out. The bundle starts with this file: noble looks for a random
 * source when it is imported, and without it computes unblinded.
 */
import install from 'sundial/natives';

install();

(globalThis as unknown as Record<string, unknown>).crypto = {
  getRandomValues<T extends Uint8Array>(out: T): T {
    const { natives } = globalThis as unknown as { natives: { random(out: Uint8Array): boolean } };
    if (!natives.random(out)) throw new Error('no_entropy');
    return out;
  },
};
