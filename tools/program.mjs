// What the scripts of package.json share that run a program of this repository: install, compile, bundle, start.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './ensure.mjs';

/**
 * Bundles `entries` (name to source) into build/`folder`, runs the first of them with the command line's words, and ends
 * as it ends. `contracts`: the vault's are compiled first. `help`: what --help prints; absent when the program has its
 * own. `flags`: Node's.
 */
export async function runProgram({
  folder,
  entries,
  contracts = false,
  help,
  flags = ['--enable-source-maps'],
}) {
  const words = process.argv.slice(2);
  if (help !== undefined && (words.includes('--help') || words.includes('-h'))) {
    process.stdout.write(help);
    process.exit(0);
  }
  ensureInstalled();
  if (contracts) (await import('./contracts.mjs')).compileContracts();
  const { bundle } = await import('./bundle.mjs');
  await bundle(entries, `build/${folder}`);
  const [first] = Object.keys(entries);
  const { status } = spawnSync(process.execPath, [...flags, `build/${folder}/${first}.mjs`, ...words], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, SUNDIAL_ROOT: root },
  });
  process.exit(status ?? 1);
}
