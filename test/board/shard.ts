/** `--shard i/n` for what can be split inside a test file, and tests that wait more than they compute, some at a time. */
import type { Test } from 'uvu';

const [shard, shards] = (process.env.SUNDIAL_SHARD || '1/1').split('/').map(Number) as [number, number];

/** What this run takes: every n-th. */
export const takeShard = <T>(cases: readonly T[]): T[] => cases.filter((_, i) => i % shards === shard - 1);

/** A test that is made in a list: its name and what it does. Tests of one list share nothing. */
export type Case = readonly [name: string, run: () => Promise<void>];

/**
 * Adds the tests of this run to a suite, `atOnce` of which run at a time. A run of so many parts that none is left for
 * this one says so.
 */
export function addShard(test: Test, cases: readonly Case[], atOnce: number): void {
  const mine = takeShard(cases);
  const queue = mine.map(([name, run]) => {
    let finish: (error: unknown) => void = () => undefined;
    const finished = new Promise<unknown>((resolve) => {
      finish = resolve;
    });
    test(name, async () => {
      const error = await finished;
      if (error !== undefined) throw error;
    });
    return async () =>
      finish(
        await run().then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
  });
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
  };
  for (let i = 0; i < atOnce; i++) void worker();
  if (mine.length > 0) return;
  test(`there are fewer tests than parts: ${cases.length} and ${shards}`, () => {
    if (cases.length >= shards) throw new Error('a part lost its tests');
  });
}
