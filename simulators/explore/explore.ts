/** Breadth first through all states of a configuration; the first fault found has the shortest trace. */
import type { Config } from './config.ts';
import { type Drop, NO_DROP } from './drops.ts';
import { Healer } from './heal.ts';
import { Properties } from './properties.ts';
import { FingerprintSet, fingerprint, IntList } from './space.ts';
import { World } from './world.ts';

export interface Reached {
  readonly approved: boolean;
  readonly voided: boolean;
  readonly lateTick: boolean;
  readonly forgot: boolean;
  /** The owner left after something was settled. */
  readonly left: boolean;
  /** States with something approved and nothing waiting, whose lanes were added up. */
  readonly resolved: number;
}

export interface Exploration {
  /** No state breaks a property, and every state was seen. */
  readonly ok: boolean;
  readonly states: number;
  /** States of hub and L2 alone, where they were walked apart from the devices. */
  readonly ledgers: number;
  readonly transitions: number;
  /** States from which progress was shown after losing all messages. */
  readonly roots: number;
  /** What happened in some state; a walk in which nothing did would hold trivially. */
  readonly reached: Reached;
  /** How often something went otherwise than the dropped rule asks for; 0: this walk never came to that rule. */
  readonly broke: number;
  readonly seconds: number;
  /** True when the walk ended at `maxStates` with states left to see. */
  readonly capped: boolean;
  readonly fault?: string;
  /** Steps from the start to the fault. */
  readonly trace?: readonly string[];
}

export interface ExploreOptions {
  readonly config: Config;
  /** A rule broken from outside; see drops.ts. */
  readonly drop?: Drop;
  /** Hub and L2 apart from the devices or not, whatever the configuration says. */
  readonly apart?: boolean;
  /** Stop after this many states. */
  readonly maxStates?: number;
  /** Called about every 100,000 states. */
  readonly onProgress?: (facts: { readonly states: number; readonly waiting: number }) => void;
  /** Milliseconds, for `seconds` of the result: the host's clock, since the walk itself has none. */
  readonly now?: () => number;
}

/** Rows that wait to be visited, in chunks, so that visited ones can be let go. */
class Frontier {
  private readonly width: number;
  private readonly chunks: Int32Array[] = [];
  private head = 0;
  private tail = 0;
  private static readonly ROWS = 4096;

  constructor(width: number) {
    this.width = width;
  }

  push(row: Int32Array): void {
    const chunk = Math.floor(this.tail / Frontier.ROWS);
    this.chunks[chunk] ??= new Int32Array(Frontier.ROWS * this.width);
    this.chunks[chunk]!.set(row, (this.tail % Frontier.ROWS) * this.width);
    this.tail += 1;
  }

  shift(into: Int32Array): boolean {
    if (this.head === this.tail) return false;
    const chunk = Math.floor(this.head / Frontier.ROWS);
    const start = (this.head % Frontier.ROWS) * this.width;
    into.set(this.chunks[chunk]!.subarray(start, start + this.width));
    this.head += 1;
    if (this.head % Frontier.ROWS === 0) delete this.chunks[chunk];
    return true;
  }

  get waiting(): number {
    return this.tail - this.head;
  }
}

/** The state before each state, and its fingerprint. */
interface Path {
  readonly parents: IntList;
  readonly lows: IntList;
  readonly highs: IntList;
}

/** Walks until all states are seen, one breaks a property, or `maxStates` were seen. */
export function explore(options: ExploreOptions): Exploration {
  const { config, drop = NO_DROP, maxStates = Number.POSITIVE_INFINITY, onProgress, now = () => 0 } = options;
  const started = now();
  const world = new World(config, drop, options.apart ?? config.apart);
  const properties = new Properties(world);
  const healer = new Healer(world);
  const seen = new FingerprintSet();
  const frontier = new Frontier(world.first.length);
  const path: Path = { parents: new IntList(), lows: new IntList(), highs: new IntList() };
  const row = Int32Array.from(world.first);
  let transitions = 0;
  let states = 0;
  let current = -1;

  const visit = (next: Int32Array): void => {
    const { low, high } = fingerprint(next);
    if (!seen.add(low, high)) return;
    frontier.push(next);
    path.parents.push(current);
    path.lows.push(low | 0);
    path.highs.push(high | 0);
    states += 1;
  };
  const result = (fault?: string, trace?: readonly string[]): Exploration => ({
    ok: fault === undefined && frontier.waiting === 0,
    states,
    ledgers: world.ledgers?.states ?? 0,
    transitions,
    roots: healer.roots,
    reached: { ...world.reached(), resolved: properties.resolved },
    broke: world.broke,
    seconds: (now() - started) / 1000,
    capped: fault === undefined && frontier.waiting > 0,
    ...(fault !== undefined && { fault, trace: trace ?? traceTo(world, path, current) }),
  });

  visit(world.first);
  while (frontier.shift(row)) {
    current += 1;
    const fault =
      properties.fault(row) ??
      (healer.heals(row) ? undefined : 'P5 what is unresolved here can never be resolved');
    if (fault !== undefined) return result(fault);
    if (states >= maxStates) {
      frontier.push(row);
      return result();
    }
    world.next(row, (_, next) => {
      transitions += 1;
      visit(next);
    });
    if (onProgress !== undefined && current % 100_000 === 0 && current > 0)
      onProgress({ states, waiting: frontier.waiting });
  }
  const found = world.ledgers?.walk();
  return result(found?.fault, found?.trace);
}

/** Names each step from the start: rows were let go, so each is made again and known by its fingerprint. */
function traceTo(world: World, path: Path, index: number): string[] {
  const chain: number[] = [];
  for (let at = index; at > 0; at = path.parents.at(at)) chain.push(at);
  const names: string[] = [];
  let row: Int32Array = Int32Array.from(world.first);
  for (const target of chain.reverse()) {
    let after: Int32Array | undefined;
    world.next(row, (name, next) => {
      if (after !== undefined) return;
      const { low, high } = fingerprint(next);
      if ((low | 0) !== path.lows.at(target) || (high | 0) !== path.highs.at(target)) return;
      names.push(name());
      after = Int32Array.from(next);
    });
    row = after!;
  }
  return names;
}
