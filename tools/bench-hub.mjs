// npm run bench:hub [-- --json] [-- --vouchers N]: bundles and runs the hub bench.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { bundle } = await import('./bundle.mjs');
await bundle({ hub: 'test/bench/hub.ts' }, 'build/bench');
const { status } = spawnSync(
  process.execPath,
  ['--expose-gc', 'build/bench/hub.mjs', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
