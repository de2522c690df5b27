// npm run links [-- --seed N --json]: taps over every link, cut wherever one can be, and the books compared.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { bundle } = await import('./bundle.mjs');
await bundle({ links: 'simulators/links/main.ts' }, 'build/links');
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', 'build/links/links.mjs', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
