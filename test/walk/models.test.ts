/**
 * The explicit-state models of the contracts' rules hold, and each rule that is dropped costs somebody. Of the two lanes
 * a part of the worlds; `npm run model:lanes` walks all. Not checked here: that the contracts do what the models say
 * (contracts/test does).
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exploreLanes, LANE_DROPS, LANE_RULES, LANE_WORLDS } from '../../simulators/models/lanes.ts';
import { explorePots, POT_BROKEN, POT_RULES, POT_WORLDS } from '../../simulators/models/pots.ts';

const models = suite('models of the contracts');

models('a payee that a lease covers loses nothing, and nobody gains what nobody loses', () => {
  let states = 0;
  for (const world of POT_WORLDS) {
    const found = explorePots(world);
    states += found.states;
    const { coveredLoss, profit, faults } = found;
    assert.equal({ coveredLoss, faults, gains: profit > 0 }, { coveredLoss: 0, faults: 0, gains: false });
  }
  assert.ok(POT_WORLDS.length >= 40 && states >= 100_000, `${POT_WORLDS.length} worlds, ${states} states`);
});

models('each broken rule of a pot costs a covered payee', () => {
  assert.is(POT_BROKEN.length, Object.keys(POT_RULES).length);
  for (const world of POT_BROKEN) assert.ok(explorePots(world).coveredLoss > 0, world.broken);
});

models('what the hub acknowledged is not settled away', () => {
  const some = LANE_WORLDS.filter(
    ({ hub, funds, circles, topUp }) => hub === 'honest' && funds === 2 && circles === 0 && !topUp,
  );
  assert.ok(some.length >= 5);
  for (const world of some) {
    const { worst, promise, run } = exploreLanes(world);
    assert.ok(worst <= promise, `${JSON.stringify(world)}: ${run.join(', ')}`);
  }
});

models('each rule of the lanes that is dropped loses money', () => {
  assert.equal(LANE_DROPS.map(({ dropped }) => dropped!).toSorted(), Object.keys(LANE_RULES).toSorted());
  for (const world of LANE_DROPS) {
    const { worst, promise } = exploreLanes(world);
    assert.ok(worst > promise, world.dropped);
  }
});

models.run();
