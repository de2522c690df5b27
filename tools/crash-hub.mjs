// npm run crash:hub [-- --rounds N --seed S --json]: a hub and its chain, killed under load, and what became of the books.
import { spawnSync } from 'node:child_process';
import { compileContracts } from './contracts.mjs';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
compileContracts();
const { bundle } = await import('./bundle.mjs');
await bundle({ crash: 'test/crash/main.ts' }, 'build/crash');
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', 'build/crash/crash.mjs', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
