// Type check and lint of the whole tree, each counted as one test.
export default {
  name: 'style',
  async run({ execute }) {
    const checks = [
      ['node_modules/.bin/tsc', ['--noEmit', '-p', 'tsconfig.json']],
      ['node_modules/.bin/biome', ['check', '--diagnostic-level=warn', '--error-on-warnings', '.']],
    ];
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const [program, args] of checks) {
      const { code } = await execute(program, args, { quiet: true });
      counts[code === 0 ? 'passed' : 'failed'] += 1;
    }
    return counts;
  },
};
