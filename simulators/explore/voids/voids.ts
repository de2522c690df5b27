/** The walk over voids and write-offs (rule 15): one entrance for its six worlds. */
import type { VoidConfig } from './config.ts';
import { CustomerWorld } from './customer.ts';
import { PlacesWorld } from './places.ts';
import { StraysWorld } from './strays.ts';
import { TicksWorld } from './ticks.ts';
import { NO_VOID_DROP, type VoidDrop } from './drops.ts';
import { GoneWorld } from './gone.ts';
import { PoisonWorld } from './poison.ts';
import { walk, type Walked } from './walk.ts';

export interface VoidExploreOptions {
  readonly config: VoidConfig;
  readonly drop?: VoidDrop;
  /** Stop after this many states. */
  readonly maxStates?: number;
  /** Milliseconds, for `seconds` of the result. */
  readonly now?: () => number;
}

/** Walks one configuration. */
export function exploreVoids({ config, drop = NO_VOID_DROP, maxStates, now }: VoidExploreOptions): Walked {
  const states = maxStates ?? Number.POSITIVE_INFINITY;
  if (config.about === 'customer') return walk(new CustomerWorld(config, drop), states, now);
  if (config.about === 'poison') return walk(new PoisonWorld(config, drop), states, now);
  if (config.about === 'gone') return walk(new GoneWorld(config, drop), states, now);
  if (config.about === 'ticks') return walk(new TicksWorld(config, drop), states, now);
  if (config.about === 'strays') return walk(new StraysWorld(config, drop), states, now);
  return walk(new PlacesWorld(config, drop), states, now);
}
