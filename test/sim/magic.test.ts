/** Magic wearables do what the table says, and a duplicated payer costs no more than rule 10 allows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MAGIC, playMagic } from '../../simulators/adversary/magic.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';

const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  good: ['approved'],
  'over-limit': ['refused: over_tap_limit (peer)'],
  'replayed-voucher': ['approved', 'refused: signature (us)'],
  'expired-lease': ['refused: lease_expired (peer)'],
  'power-loss': ['voided', 'approved'],
  'skewed-clock': ['refused: lease_missing (peer)'],
  'hub-refusal': ['refused: revoked (us)'],
  'slow-link': ['approved'],
  duplicated: ['approved', 'refused: revoked (us)'],
};

test('each magic wearable brings the till what it promises', async () => {
  const played = Object.fromEntries((await playMagic()).map(({ name, till }) => [name, till]));
  assert.equal(played, EXPECTED);
});

test('the guide names every magic wearable', () => {
  const guide = readFileSync(join(process.cwd(), 'simulators', 'README.md'), 'utf8');
  for (const { name, about } of MAGIC) assert.ok(guide.includes(name) && guide.includes(about), name);
});

for (const kind of ['clone', 'rollback'] as const) {
  test(`${kind}: what the tills lose is proved, within the bound, and paid from the bond`, async () => {
    const base = SCENARIOS.get('attack-clones')!;
    const scenario = readScenario(
      { ...base, hours: 3, adversaries: [{ kind, count: 1, size: 5 }] },
      'the test',
    );
    const simulation = new Simulation({ scenario, devices: 30, seed: 4, suite: standInSuite() });
    await simulation.run();
    assert.equal(simulation.violations, []);
    const [found] = simulation.justice;
    assert.ok(found!.lostBefore > 0, 'the attack cost nothing: nothing was tested');
    assert.ok(found!.lostBefore <= found!.boundBefore);
    assert.is(found!.lostAfter, 0, 'five tills stay within the bond');
    assert.ok(simulation.hub.proofs().has(found!.channel));
    assert.is(simulation.vault.channel(found!.channel).pot, 0);
  });
}

test('leavers, thieves, a merchant that gives nothing back and a silent hub break no promise', async () => {
  const scenario = { ...SCENARIOS.get('attack-mixed')!, hours: 4 };
  const simulation = new Simulation({ scenario, devices: 30, seed: 6, suite: standInSuite() });
  await simulation.run();
  assert.equal(simulation.violations, []);
  const left = [...simulation.vault.channels.values()].filter(({ returned }) => returned > 0);
  assert.ok(left.length > 0, 'nobody left');
});

test.run();
