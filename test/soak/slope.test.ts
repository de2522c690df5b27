/**
 * The verdict of a soak: what leaks a little is found among noise, and what is flat is not blamed; and half a minute of a
 * real hub is flat. Not checked here: a hub for longer (npm run soak).
 */
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../hub/random.ts';
import { judge, type Sample } from './slope.ts';

/** A run of 20 minutes at 20 vouchers a second, whose memory swings by megabytes. */
function run(seed: number, change: (sample: Sample) => Partial<Sample> = () => ({}), count = 300): Sample[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, n) => {
    const vouchers = n * 80;
    const warming = 8e6 * (1 - Math.exp(-n / 20));
    const sample = {
      vouchers,
      bytes: 40e6 + warming + random.below(3e6),
      files: 40 + random.below(3),
      handles: 20 + random.below(4),
    };
    return { ...sample, ...change(sample) };
  });
}

test('what is flat is flat, whatever its noise', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const { ok, bytesPerVoucher } = judge(run(seed));
    assert.ok(ok, `seed ${seed}: ${bytesPerVoucher}`);
  }
});

test('a record that stays for each voucher, a file or a timer for each connection is found', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const kept = judge(run(seed, ({ vouchers, bytes }) => ({ bytes: bytes + 500 * vouchers })));
    assert.not(kept.ok);
    assert.ok(Math.abs(kept.bytesPerVoucher - 500) < 100, String(kept.bytesPerVoucher));
    for (const what of ['files', 'handles'] as const)
      assert.not(judge(run(seed, (sample) => ({ [what]: sample[what] + sample.vouchers / 400 }))).ok, what);
  }
  assert.not(judge(run(1, undefined, 10)).ok, 'too few samples say nothing');
});

test('half a minute of a hub is told as it is', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['tools/soak.mjs', '--minutes', '0.6', '--rate', '10', '--json'],
    { encoding: 'utf8' },
  );
  const { acknowledged, signedTwice, samples, ok, files, handles } = JSON.parse(stdout || `"${stderr}"`);
  assert.ok(acknowledged > 0 && samples > 0, stdout);
  assert.is(signedTwice, 0);
  // The first minute warms up: its slope of memory says nothing yet. What opens files would show.
  assert.ok(files <= 4 && handles <= 4, stdout);
  assert.is(status === 0, ok);
});

test.run();
