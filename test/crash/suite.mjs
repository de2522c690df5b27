// A hub and its chain, workers, their database and their broker killed with SIGKILL under load: npm run crash:hub with few
// rounds here, 300 with --deep.
export default {
  async run({ execute, deep }) {
    const rounds = deep ? 300 : 8;
    const { code } = await execute(process.execPath, [
      'tools/crash-hub.mjs',
      '--rounds',
      String(rounds),
      '--seed',
      '11',
      '--json',
    ]);
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  },
};
