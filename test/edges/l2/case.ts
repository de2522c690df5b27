/** One lie or failure of the outside, and what is wrong afterwards. */
import type { Ground } from './ground.ts';

export interface L2Case {
  /** The symptom that must not be. */
  readonly name: string;
  /** Runs it; answers what was wrong, nothing when all is right. */
  run(ground: Ground): Promise<readonly string[]>;
}

/** What `found` has that it should not, in words. */
export const want = (what: string, found: unknown, wanted: unknown): readonly string[] =>
  JSON.stringify(found) === JSON.stringify(wanted)
    ? []
    : [`${what}: ${JSON.stringify(found)}, want ${JSON.stringify(wanted)}`];
