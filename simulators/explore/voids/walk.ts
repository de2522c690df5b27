/** Breadth first through all states of a small world, so that the first fault found has the shortest trace. */

/** A world whose states are plain values; `key` is equal for equal states. */
export interface World<S> {
  readonly first: S;
  key(state: S): string;
  /** Tells of every step from here. */
  next(state: S, emit: (name: string, next: S) => void): void;
  /** The first property that does not hold here, or undefined. */
  fault(state: S): string | undefined;
  /** How often something went otherwise than the dropped rule asks for. */
  readonly broke: number;
  /** What happened in some state; a walk in which nothing did would hold trivially. */
  readonly reached: Readonly<Record<string, boolean>>;
}

export interface Walked {
  /** No state breaks a property, and every state was seen. */
  readonly ok: boolean;
  readonly states: number;
  readonly transitions: number;
  readonly broke: number;
  readonly reached: Readonly<Record<string, boolean>>;
  readonly seconds: number;
  readonly capped: boolean;
  readonly fault?: string;
  /** Steps from the start to the fault. */
  readonly trace?: readonly string[];
}

/** Walks until all states are seen, one breaks a property, or `maxStates` were seen. `now`: milliseconds. */
export function walk<S>(world: World<S>, maxStates: number, now: () => number = () => 0): Walked {
  const started = now();
  const states: (S | undefined)[] = [];
  const parents: number[] = [];
  const names: string[] = [];
  const seen = new Set<string>();
  let transitions = 0;
  const visit = (state: S, parent: number, name: string): void => {
    const key = world.key(state);
    if (seen.has(key)) return;
    seen.add(key);
    states.push(state);
    parents.push(parent);
    names.push(name);
  };
  visit(world.first, -1, '');
  let at = 0;
  let fault: string | undefined;
  for (; at < states.length && at < maxStates; at++) {
    const state = states[at]!;
    fault = world.fault(state);
    if (fault !== undefined) break;
    states[at] = undefined;
    world.next(state, (name, next) => {
      transitions += 1;
      visit(next, at, name);
    });
  }
  const capped = fault === undefined && at < states.length;
  const trace: string[] = [];
  if (fault !== undefined) for (let i = at; i > 0; i = parents[i]!) trace.unshift(names[i]!);
  return {
    ok: fault === undefined && !capped,
    states: states.length,
    transitions,
    broke: world.broke,
    reached: world.reached,
    seconds: (now() - started) / 1000,
    capped,
    ...(fault !== undefined && { fault, trace }),
  };
}
