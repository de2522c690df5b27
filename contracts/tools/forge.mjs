#!/usr/bin/env node
// Runs forge on this repository with its own configuration: node contracts/tools/forge.mjs test -vvv
// forge reads its configuration file from the root it is given; the file lives with the contracts instead.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../tools/ensure.mjs';

const names = { x64: 'amd64', arm64: 'arm64' };

/** Path of the forge program that npm installed for this machine. */
export function forgeProgram() {
  const require = createRequire(import.meta.url);
  const ending = process.platform === 'win32' ? '.exe' : '';
  const name = `@foundry-rs/forge-${process.platform}-${names[process.arch]}`;
  return require.resolve(`${name}/bin/forge${ending}`);
}

/** Environment that makes forge use contracts/foundry.toml. */
export const forgeEnvironment = {
  FOUNDRY_CONFIG: join(root, 'contracts', 'foundry.toml'),
  FOUNDRY_DISABLE_NIGHTLY_WARNING: '1',
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { status } = spawnSync(forgeProgram(), [...process.argv.slice(2), '--root', root], {
    cwd: root,
    env: { ...process.env, ...forgeEnvironment },
    stdio: 'inherit',
  });
  process.exit(status ?? 1);
}
