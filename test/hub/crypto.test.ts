import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCrypto } from '../../hub/crypto.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { key, suite } from './fleet.ts';
import { rounds, seededRandom } from './random.ts';

test('the native library loads on this machine', () => {
  assert.is(loadCrypto().kind, 'native');
});

test('native and reference recovery agree on good, damaged and random signatures', async () => {
  for (const seed of rounds(300, 5_000)) {
    const random = seededRandom(seed);
    const digest = random.bytes(32);
    const signature = random.chance(0.2) ? random.bytes(64) : await key(random.below(50)).sign(digest);
    if (random.chance(0.6)) {
      const at = random.below(64);
      signature[at] = signature[at]! ^ (1 << random.below(8));
    }
    for (const [start, end, value] of [
      [0, 32, 0],
      [32, 64, 0],
      [0, 32, 255],
      [32, 64, 255],
    ] as const) {
      if (random.chance(0.03)) signature.fill(value, start, end);
    }
    assert.equal(suite.recover(digest, signature), nobleSuite.recover(digest, signature), `seed ${seed}`);
  }
});

test.run();
