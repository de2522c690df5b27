// Makes sure the dependencies named by package-lock.json are installed, and installs them when not. In a package that npm
// unpacked (npm pack) they are: npm put them where Node finds them, perhaps in a folder above.
// Imports nothing outside Node, because it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** True when node_modules holds every package at the version that the lock file names. */
function installed() {
  const markerFile = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(markerFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(markerFile, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || present[path]?.version === entry.version,
  );
}

/** Can the registry not be reached? One that answers anything, or wants a proxy that npm knows, is there. */
function networkIsAway() {
  const ping = spawnSync('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=12000'], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (ping.status === 0) return false;
  const away = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|TIMEOUT|FETCH_ERROR/i;
  return ping.error?.code === 'ETIMEDOUT' || away.test(`${ping.stdout}${ping.stderr}`);
}

/**
 * Installs the dependencies with `npm ci --ignore-scripts` unless they are already there.
 * Prints what npm says on stderr and ends the process with its exit code when it fails.
 */
export function ensureInstalled() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    process.stderr.write(`Sundial needs Node 20.19 or newer; this is ${process.version}.\n`);
    process.exit(1);
  }
  const isPackage = !existsSync(join(root, 'package-lock.json'));
  if (isPackage || installed()) return;
  process.stderr.write('Installing dependencies (npm ci --ignore-scripts), once ...\n');
  // Without a network npm would try for minutes; what its cache holds needs none.
  const offline = networkIsAway() ? ['--offline'] : [];
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--loglevel=error', ...offline], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (npm.status !== 0) {
    process.stderr.write(
      `npm ci failed${npm.error ? `: ${npm.error.message}` : ''}; its messages stand above.\n` +
        (offline.length > 0
          ? 'no_network: the first start needs the npm registry.\n  See that this machine reaches it, then run the command again.\n'
          : ''),
    );
    process.exit(npm.status ?? 1);
  }
}
