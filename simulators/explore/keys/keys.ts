/**
 * The walk over keys and time: breadth first through every state, so that the first fault has the shortest trace; then
 * backwards from the states in which the hub is believed, over what an honest world does.
 */
import type { KeyConfig } from './config.ts';
import type { KeyDrop } from './drops.ts';
import { KeyWorld, packed, type Place, unpacked } from './world.ts';

export interface KeyExploration {
  /** No state breaks a property, and every state was seen. */
  readonly ok: boolean;
  readonly states: number;
  readonly transitions: number;
  /** States from which the way back to a hub that is believed was shown. */
  readonly roots: number;
  readonly reached: KeyWorld['reached'];
  /** How often something went otherwise than the dropped rule asks for; 0: this walk never came to that rule. */
  readonly broke: number;
  readonly seconds: number;
  readonly capped: boolean;
  readonly fault?: string;
  /** Steps from the start to the fault. */
  readonly trace?: readonly string[];
}

export interface KeyExploreOptions {
  readonly config: KeyConfig;
  readonly drop?: KeyDrop;
  /** Stop after this many states. */
  readonly maxStates?: number;
  /** Milliseconds, for `seconds` of the result. */
  readonly now?: () => number;
}

interface Fault {
  readonly fault: string;
  readonly trace: readonly string[];
}

/** Walks one configuration. */
export function exploreKeys({ config, drop, maxStates, now = () => 0 }: KeyExploreOptions): KeyExploration {
  const started = now();
  const walk = new KeyWalk(new KeyWorld(config, drop), maxStates ?? Number.POSITIVE_INFINITY);
  const found = walk.run();
  const { world } = walk;
  return {
    ok: found === undefined && !walk.capped,
    states: walk.codes.length,
    transitions: walk.transitions,
    roots: walk.roots,
    reached: world.reached,
    broke: world.broke,
    seconds: (now() - started) / 1000,
    capped: walk.capped,
    ...found,
  };
}

class KeyWalk {
  readonly world: KeyWorld;
  /** Every state that was seen, in the order in which it was. */
  readonly codes: number[] = [];
  transitions = 0;
  roots = 0;
  capped = false;
  private readonly maxStates: number;
  private readonly seen = new Map<number, number>();
  private readonly parents: number[] = [];
  private readonly names: string[] = [];
  /** Good steps: from one state to another. */
  private readonly goodFrom: number[] = [];
  private readonly goodTo: number[] = [];

  constructor(world: KeyWorld, maxStates: number) {
    this.world = world;
    this.maxStates = maxStates;
  }

  private visit(place: Place, parent: number, name: string): number {
    const code = packed(place);
    const known = this.seen.get(code);
    if (known !== undefined) return known;
    const index = this.codes.length;
    this.seen.set(code, index);
    this.codes.push(code);
    this.parents.push(parent);
    this.names.push(name);
    return index;
  }

  run(): Fault | undefined {
    const { world } = this;
    this.visit(world.first, -1, '');
    for (let index = 0; index < this.codes.length; index++) {
      const place = unpacked(this.codes[index]!);
      const fault = world.fault(place);
      if (fault !== undefined) return { fault, trace: this.trace(index) };
      if (this.codes.length >= this.maxStates) {
        this.capped = true;
        return undefined;
      }
      let broken: Fault | undefined;
      world.next(place, (name, next, good, wrong) => {
        this.transitions += 1;
        if (wrong !== undefined) broken ??= { fault: wrong, trace: [...this.trace(index), name] };
        const to = this.visit(next, index, name);
        if (!good || to === index) return;
        this.goodFrom.push(index);
        this.goodTo.push(to);
      });
      if (broken !== undefined) return broken;
    }
    return this.stuck();
  }

  private trace(index: number): string[] {
    const names: string[] = [];
    for (let i = index; i > 0; i = this.parents[i]!) names.push(this.names[i]!);
    return names.reverse();
  }

  /** The first state from which an honest world never comes to a hub that is believed. */
  private stuck(): Fault | undefined {
    const count = this.codes.length;
    const starts = new Int32Array(count + 1);
    for (const to of this.goodTo) starts[to + 1]! += 1;
    for (let i = 0; i < count; i++) starts[i + 1]! += starts[i]!;
    const place = starts.slice();
    const before = new Int32Array(this.goodTo.length);
    this.goodTo.forEach((to, i) => {
      before[place[to]!++] = this.goodFrom[i]!;
    });
    const heals = new Uint8Array(count);
    const queue: number[] = [];
    const mark = (index: number): void => {
      if (heals[index] === 1) return;
      heals[index] = 1;
      queue.push(index);
    };
    for (let i = 0; i < count; i++) if (this.world.goal(unpacked(this.codes[i]!))) mark(i);
    for (let next = queue.pop(); next !== undefined; next = queue.pop())
      for (let i = starts[next]!; i < starts[next + 1]!; i++) mark(before[i]!);
    const lost = heals.indexOf(0);
    this.roots = count;
    return lost < 0 ? undefined : { fault: 'K7 the hub is never believed again', trace: this.trace(lost) };
  }
}
