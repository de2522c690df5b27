/**
 * The attacks of `npm run edges` on keys, all of them, and that the thief is heard while its key is good. What is not
 * looked at stands in `keys-run.ts`.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ATTACKS, keyCounts, thiefIsHeard } from './keys-run.ts';

for (const side of ['payer', 'terminal'] as const)
  test(`a thief is heard by a ${side} while the stolen key is good`, async () => {
    assert.ok(await thiefIsHeard(side));
  });

for (const attack of ATTACKS)
  test(`no success: ${attack.name}`, async () => {
    const { attacks, succeeded, wrong } = await keyCounts([attack]);
    assert.equal(wrong, []);
    assert.is(succeeded, 0);
    assert.is(attacks, attack.runs.length);
  });

test('an attack that succeeds is counted and named', async () => {
  const attack = { name: 'nothing', runs: [{ against: 'nobody', run: () => true }] };
  assert.equal(await keyCounts([attack]), {
    attacks: 1,
    succeeded: 1,
    wrong: ['nothing: succeeded against nobody'],
  });
});

test.run();
