/** What devices do in the fleet they also do on the real runtime, effect by effect, through power cuts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { NodeEngine, RecordedDevice } from '../../simulators/scenarios/replay.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { realSuite, standInSuite } from '../../simulators/stage/world/suite.ts';

const SHAKEN = { tapLoss: 'frequent', tapDuplicate: 'frequent', uplinkLoss: 'rare', powerCut: 'frequent' };

for (const [name, change, real] of [
  ['tap-offline', { hours: 2, salesPerDay: 200 }, true],
  ['hunt', { hours: 1, faults: SHAKEN }, false],
  ['hunt-charge', { hours: 1, faults: SHAKEN }, false],
] as const) {
  test(`${name}: every device lives the same day on the runtime`, async () => {
    const simulation = new Simulation({
      scenario: readScenario({ ...SCENARIOS.get(name)!, ...change }, 'the test'),
      devices: 8,
      seed: 5,
      suite: real ? realSuite(loadCrypto().suite) : standInSuite(),
    });
    const { fleet, signing } = simulation;
    const actors = [...fleet.terminals, ...fleet.payers];
    const recorded = actors.map((actor) => new RecordedDevice(actor, signing.domain));
    await simulation.run();
    assert.equal(simulation.violations, []);
    assert.ok(simulation.accounts.taps + simulation.accounts.ticks > 20, 'hardly anything was paid');
    if ('faults' in change) assert.ok(simulation.cuts > 3, `only ${simulation.cuts} power cuts`);
    let effects = 0;
    for (const device of recorded) {
      const replayed = await device.replay(new NodeEngine(device.living));
      assert.is(replayed.difference, undefined, replayed.device);
      effects += replayed.effects;
    }
    assert.ok(effects > 500, `only ${effects} effects`);
  });
}

test.run();
