/** Who is hit next. */
import type { Random } from '../hub/random.ts';

/** Draws from all kinds until each was drawn once, and again: so few rounds hit as many kinds as can be. */
export class Draw<K extends string> {
  /** How often each was drawn. */
  readonly by: Record<K, number>;
  private readonly kinds: readonly K[];
  private readonly random: Random;
  private left: K[] = [];

  constructor(kinds: readonly K[], random: Random) {
    this.kinds = kinds;
    this.random = random;
    this.by = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<K, number>;
  }

  next(): K {
    if (this.left.length === 0) this.left = [...this.kinds];
    const [kind] = this.left.splice(this.random.below(this.left.length), 1);
    this.by[kind!] += 1;
    return kind!;
  }
}

/** Seconds that a clock jumps by: up to two days, either way. */
export function jump(random: Random): number {
  const seconds = 60 + random.below(2 * 86_400);
  return random.chance(0.5) ? seconds : -seconds;
}
