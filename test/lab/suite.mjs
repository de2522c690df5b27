// A lab over HTTP, as tests in other languages drive it: the examples are run, and magic amounts at a till that runs.
// Not checked here: radios and readers (test/links).
export default {
  needs: [{ program: 'python3', apt: 'python3' }],
  run: ({ runUvuFolder }) => runUvuFolder(1),
};
