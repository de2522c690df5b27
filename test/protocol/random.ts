/** Random numbers from a seed, the same on Node and on the chip (xoshiro128**, seeded by splitmix32). */
export interface Random {
  /** Integer from 0 to 2^32 - 1. */
  next(): number;
  /** Integer from 0 to `bound` - 1. */
  below(bound: number): number;
  bytes(length: number): Uint8Array;
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

export function randomFrom(seed: number): Random {
  let mix = seed >>> 0;
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let d = splitmix();
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  const below = (bound: number): number => Math.floor((next() / 2 ** 32) * bound);
  return {
    next,
    below,
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = next() & 255;
      return bytes;
    },
  };
}
