// Alert rules for Prometheus, judged by its own tool.
export default {
  needs: [{ program: 'promtool', apt: 'prometheus' }],
  run: ({ runUvuFolder }) => runUvuFolder(1),
};
