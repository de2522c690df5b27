// The simulator's HTML report in a real browser of a phone's size.
export default {
  name: 'report',
  needs: [{ program: 'chromium', apt: 'chromium' }],
  run: ({ runUvuFolder }) => runUvuFolder(),
};
