// npm run plug [-- --seed N --json]: charge sessions in OCPP under kills of charge points, gateway, hub and payers.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { bundle } = await import('./bundle.mjs');
const { compileContracts } = await import('./contracts.mjs');
compileContracts();
const entries = {
  plug: 'simulators/plug/main.ts',
  sundial: 'tools/sundial.ts',
  'charge-point': 'simulators/plug/charge-point-main.ts',
};
await bundle(entries, 'build/plug');
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', 'build/plug/plug.mjs', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, SUNDIAL_ROOT: root } },
);
process.exit(status ?? 1);
