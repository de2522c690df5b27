// A hub and its chain, workers, their database and their broker killed under load, disks that take nothing and clocks that
// jump: npm run crash:hub with 30 rounds here, 300 with --deep.
export default {
  needs: [
    { program: 'mosquitto', apt: 'mosquitto' },
    { program: 'pg_ctlcluster', apt: 'postgresql' },
    { program: 'faketime', apt: 'faketime' },
    { program: 'prlimit', apt: 'util-linux' },
  ],
  async run({ execute, deep }) {
    const rounds = deep ? 300 : 30;
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
