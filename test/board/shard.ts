// `--shard i/n` for what can be split inside a test file.
import type { Test } from 'uvu';

const [shard, shards] = (process.env.SUNDIAL_SHARD || '1/1').split('/').map(Number) as [number, number];

/** What this run takes: every n-th. */
export const takeShard = <T>(cases: readonly T[]): T[] => cases.filter((_, i) => i % shards === shard - 1);

/** A test that is made in a list: its name and what it does. */
export type Case = readonly [name: string, run: () => Promise<void>];

/** Adds the tests of this run to a suite. A run of so many parts that none is left for this one says so. */
export function addShard(test: Test, cases: readonly Case[]): void {
  const mine = takeShard(cases);
  for (const [name, run] of mine) test(name, run);
  if (mine.length > 0) return;
  test(`there are fewer tests than parts: ${cases.length} and ${shards}`, () => {
    if (cases.length >= shards) throw new Error('a part lost its tests');
  });
}
