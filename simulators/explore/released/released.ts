/** The walk over leases that are signed away (rules 10 and 20). */
import { walk, type Walked } from '../voids/walk.ts';
import type { ReleaseConfig } from './config.ts';
import type { ReleaseDrop } from './drops.ts';
import { ReleasedWorld } from './world.ts';

export interface ReleaseExploreOptions {
  readonly config: ReleaseConfig;
  readonly drop?: ReleaseDrop;
  /** Stop after this many states. */
  readonly maxStates?: number;
  /** Milliseconds, for `seconds` of the result. */
  readonly now?: () => number;
}

/** Walks one configuration. */
export function exploreReleased({ config, drop, maxStates, now }: ReleaseExploreOptions): Walked {
  return walk(new ReleasedWorld(config, drop), maxStates ?? Number.POSITIVE_INFINITY, now);
}
