// `--shard i/n` for what can be split inside a test file.
const [shard, shards] = (process.env.SUNDIAL_SHARD || '1/1').split('/').map(Number) as [number, number];

/** What this run takes: every n-th. */
export const takeShard = <T>(cases: readonly T[]): T[] => cases.filter((_, i) => i % shards === shard - 1);
