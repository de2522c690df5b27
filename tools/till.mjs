// npm run till [-- --seed N --json]: a drawn day at the tills, with kills, judged by what others say of it.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { bundle } = await import('./bundle.mjs');
const { compileContracts } = await import('./contracts.mjs');
compileContracts();
const programs = {
  till: 'simulators/till/main.ts',
  software: 'simulators/till/software.ts',
  sundial: 'tools/sundial.ts',
};
await bundle(programs, 'build/till');
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', 'build/till/till.mjs', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, SUNDIAL_ROOT: root } },
);
process.exit(status ?? 1);
