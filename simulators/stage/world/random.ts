/**
 * Random numbers of the simulated world. One seed; every actor forks a generator of its own by name, so that taking
 * one actor or one fault away changes no number of any other. Integers only.
 */

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

/** Mixes a word and text into a word (FNV-1a, finished as in murmur3). */
function mixName(start: number, name: string): number {
  let hash = (start ^ 0x811c9dc5) >>> 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  return hash >>> 0;
}

export class Random {
  // All of them signed 32-bit integers: others would each be an object of their own.
  private readonly origin: number;
  private readonly second: number;
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** `seed` and `second` together name the stream. */
  constructor(seed: number, second = 0) {
    this.origin = seed | 0;
    this.second = second | 0;
    let mix = (this.origin ^ Math.imul(this.second, 0x9e3779b1)) >>> 0;
    const splitmix = (): number => {
      mix = (mix + 0x9e3779b9) >>> 0;
      let z = mix;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.a = splitmix() | 0;
    this.b = splitmix() ^ this.second;
    this.c = splitmix() | 0;
    this.d = splitmix() | 1;
  }

  /** A generator of its own, whatever this one was asked before. */
  fork(name: string): Random {
    return new Random(mixName(this.origin, name), mixName(this.second ^ 0x5bd1e995, name));
  }

  /** Integer from 0 to 2^32 - 1 (xoshiro128**). */
  next(): number {
    const result = Math.imul(rotate(Math.imul(this.b, 5), 7), 9) >>> 0;
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = rotate(this.d, 11);
    return result;
  }

  /** Integer from 0 to `bound` - 1. The bias of the remainder is far below what any scenario could show. */
  below(bound: number): number {
    // The remainder is whole anyway; floor makes of it a small integer, which no field has to keep as an object.
    return bound <= 1 ? 0 : Math.floor(this.next() % bound);
  }

  /** Integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True in `share` of 1,000 cases. */
  chance(share: number): boolean {
    return this.below(1000) < share;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const word = this.next();
      for (let j = 0; j < 4 && i + j < length; j++) bytes[i + j] = (word >>> (8 * j)) & 255;
    }
    return bytes;
  }
}
