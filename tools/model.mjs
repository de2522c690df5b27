// npm run model:lanes | npm run model:pots [-- --json]: bundles and runs an explicit-state model of the contracts' rules.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const [name, ...options] = process.argv.slice(2);
if (name !== 'lanes' && name !== 'pots') {
  process.stderr.write('npm run model:lanes or npm run model:pots, with --json or --help behind --\n');
  process.exit(2);
}
const { bundle } = await import('./bundle.mjs');
await bundle({ [name]: `simulators/models/${name}-command.ts` }, 'build/models');
const { status } = spawnSync(process.execPath, [`build/models/${name}.mjs`, ...options], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
