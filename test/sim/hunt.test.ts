/** A hunt goes on where the last one ended, and its totals are what was run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const folder = mkdtempSync(join(tmpdir(), 'sundial-hunt-'));
const record = join(folder, 'hunted.json');
test.after(() => rmSync(folder, { recursive: true }));

const hunt = (...options: string[]): string =>
  execFileSync(process.execPath, ['tools/sim.mjs', 'hunt', '--record', record, ...options], {
    encoding: 'utf8',
  });

test('a hunt goes on behind the last seed, and the totals add up', () => {
  assert.match(hunt('--from', '4100', '--seeds', '3', '--workers', '2'), /^3 seeds, 0 violations/m);
  assert.match(hunt('--seeds', '2', '--workers', '1'), /hunting from seed 4103 with 1 workers/);
  const ranges = JSON.parse(readFileSync(record, 'utf8')) as { from: number; next: number; seeds: number }[];
  assert.equal(
    ranges.map(({ from, next, seeds }) => [from, next, seeds]),
    [
      [4100, 4103, 3],
      [4103, 4105, 2],
    ],
  );
  assert.match(hunt('--totals'), /^in all: 5 seeds in 2 ranges of 1 builds, 0 violations/);
});

test.run();
