// npm run operator [-- --json]: an operator's first day through the commands, against a real chain node and broker.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { bundle } = await import('./bundle.mjs');
const { compileContracts } = await import('./contracts.mjs');
compileContracts();
await bundle({ operator: 'simulators/operator/main.ts', sundial: 'tools/sundial.ts' }, 'build/operator');
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', 'build/operator/operator.mjs', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, SUNDIAL_ROOT: root } },
);
process.exit(status ?? 1);
