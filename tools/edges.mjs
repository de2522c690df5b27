// npm run edges [-- --json] [--section NAME ...] [--deep]: what devices do at their limits and with damaged parts, and
// what the hub does with an L2 that lies.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { bundle } = await import('./bundle.mjs');
const { compileContracts } = await import('./contracts.mjs');
compileContracts();
await bundle({ edges: 'test/edges/main.ts' }, 'build/edges');
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', 'build/edges/edges.mjs', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
