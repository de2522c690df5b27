// Breaks the vault on purpose: a fixed sample of 30 mutants in CI, all of them in a deep run. See mutate-contracts.mjs.
export default {
  name: 'mutants',
  async run({ deep, shard, shards, execute }) {
    const choice = deep ? ['--shard', `${shard}/${shards}`] : ['--sample', '30'];
    const { code, output } = await execute(process.execPath, ['tools/mutate-contracts.mjs', ...choice]);
    const figures =
      /(\d+) mutants: (\d+) caught, (\d+) equal or not compiling, (\d+) known survivors, (\d+) survived/.exec(
        output,
      );
    if (figures === null) return { passed: 0, failed: 1, skipped: 0 };
    const [, caught, equal, known, survived] = figures.slice(1).map(Number);
    return {
      passed: caught + known,
      failed: survived + (code !== 0 && survived === 0 ? 1 : 0),
      skipped: equal,
    };
  },
};
