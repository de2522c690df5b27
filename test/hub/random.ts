/** Seeded random numbers for tests (mulberry32): the same seed gives the same run on every machine. */

export interface Random {
  /** A float in [0, 1). */
  next(): number;
  /** An integer in [0, end). */
  below(end: number): number;
  chance(probability: number): boolean;
  bytes(length: number): Uint8Array;
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number) => Math.floor(next() * end);
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
  };
}

/** Which rounds this process runs: all of CI's, or this shard's part of the deep count. */
export function rounds(ci: number, deep: number): number[] {
  const count = process.env.SUNDIAL_DEEP ? deep : ci;
  const [shard, shards] = (process.env.SUNDIAL_SHARD || '1/1').split('/').map(Number) as [number, number];
  return Array.from({ length: count }, (_, index) => index).filter((index) => index % shards === shard - 1);
}
