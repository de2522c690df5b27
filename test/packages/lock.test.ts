import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const text = readFileSync('package-lock.json', 'utf8');
const { packages } = JSON.parse(text) as {
  packages: Record<string, { version?: string; optionalDependencies?: Record<string, string> }>;
};

test('the lock file names no address to download from', () => {
  assert.not.match(text, /"resolved"/);
});

// Where a registry lacks packages of other platforms, npm leaves them out of the lock file it writes, and then refuses
// that very file with `npm ci`. Their entries are kept by hand: version, os and cpu.
test('the lock file has an entry for every optional package of every platform', () => {
  const missing: string[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (!packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`]) missing.push(name);
    }
  }
  assert.equal(missing, []);
});

test.run();
