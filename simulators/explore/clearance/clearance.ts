/** The walk of clearances: breadth first through every state, so that the first fault has the shortest trace. */
import { FingerprintSet, fingerprint } from '../space.ts';
import type { ClearanceConfig } from './config.ts';
import type { ClearanceDrop } from './drops.ts';
import { ClearanceWorld } from './world.ts';

export interface ClearanceExploration {
  /** No state breaks a property, and every state was seen. */
  readonly ok: boolean;
  readonly states: number;
  readonly transitions: number;
  /** States from which everything was resolved after losing what was in flight. */
  readonly roots: number;
  readonly reached: ClearanceWorld['reached'];
  /** How often something went otherwise than the dropped rule asks for; 0: this walk never came to that rule. */
  readonly broke: number;
  readonly seconds: number;
  readonly capped: boolean;
  readonly fault?: string;
  /** Steps from the start to the fault. */
  readonly trace?: readonly string[];
}

export interface ClearanceExploreOptions {
  readonly config: ClearanceConfig;
  readonly drop?: ClearanceDrop;
  /** Stop after this many states. */
  readonly maxStates?: number;
  /** Milliseconds, for `seconds` of the result. */
  readonly now?: () => number;
}

/** Walks one configuration. */
export function exploreClearances({
  config,
  drop,
  maxStates = Number.POSITIVE_INFINITY,
  now = () => 0,
}: ClearanceExploreOptions): ClearanceExploration {
  const started = now();
  const world = new ClearanceWorld(config, drop);
  const seen = new FingerprintSet();
  const rows: (Int32Array | undefined)[] = [];
  const parents: number[] = [];
  const names: string[] = [];
  let transitions = 0;
  let roots = 0;
  const visit = (row: Int32Array, parent: number, name: string): void => {
    const { low, high } = fingerprint(row);
    if (!seen.add(low, high)) return;
    rows.push(row);
    parents.push(parent);
    names.push(name);
  };
  const result = (index: number, fault?: string): ClearanceExploration => {
    const trace: string[] = [];
    for (let at = index; at > 0; at = parents[at]!) trace.push(names[at]!);
    return {
      ok: fault === undefined && index >= rows.length,
      states: rows.length,
      transitions,
      roots,
      reached: world.reached,
      broke: world.broke,
      seconds: (now() - started) / 1000,
      capped: fault === undefined && index < rows.length,
      ...(fault !== undefined && { fault, trace: trace.reverse() }),
    };
  };
  visit(world.first, -1, '');
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    const fault = world.fault(row) ?? (config.dishonest ? undefined : world.heals(row));
    if (fault !== undefined) return result(index, fault);
    roots += 1;
    if (rows.length >= maxStates) return result(index);
    world.next(row, (name, next) => {
      transitions += 1;
      visit(next, index, name);
    });
    rows[index] = undefined;
  }
  return result(rows.length);
}
