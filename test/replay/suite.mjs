// Devices of the simulated fleet live their day on XS. The same on firmware images: test/board/replay.test.ts.
export default {
  needs: [{ program: 'cc', apt: 'gcc libc6-dev' }],
  run: ({ runUvuFolder }) => runUvuFolder(),
};
