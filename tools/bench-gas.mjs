// npm run bench:gas [-- --json] [-- --quick]: bundles and runs the gas bench.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { bundle } = await import('./bundle.mjs');
const { compileContracts } = await import('./contracts.mjs');
compileContracts();
await bundle({ gas: 'test/bench/gas.ts' }, 'build/bench');
const { status } = spawnSync(process.execPath, ['build/bench/gas.mjs', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
