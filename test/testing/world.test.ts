/**
 * `sundial/testing` as a package gives it: the example runs by the package's own name, a world is the same for the same
 * seed, and what is wrong is refused by name. Not checked here: the fleet below it (test/sim).
 */
import { execFile } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SundialError } from '../../protocol/errors.ts';
import { openWorld, type World } from '../../simulators/testing/world.ts';

test('node examples/till_shop.mjs', async () => {
  const { code, output } = await new Promise<{ code: number; output: string }>((resolve) =>
    execFile(process.execPath, ['examples/till_shop.mjs'], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, output: stdout + stderr }),
    ),
  );
  assert.is(code, 0, output);
});

/** An afternoon with everything that goes wrong. */
async function afternoon(seed: number): Promise<{ story: string[]; world: World }> {
  const world = await openWorld({ seed, wearables: 3, tills: 2 });
  world.radio({ loss: 100, duplicate: 100 });
  const story: string[] = [];
  for (let i = 0; i < 12; i++) {
    const { outcome, code } = await world.tills[i % 2]!.sell('0.50', world.wearables[i % 3]!);
    story.push(`${outcome} ${code ?? ''}`);
  }
  return { story, world };
}

test('the same seed gives the same afternoon, and what was sold is settled', async () => {
  const [one, two, other] = [await afternoon(3), await afternoon(3), await afternoon(4)];
  assert.equal(one.story, two.story);
  assert.is(one.world.simulation.trace.hash(), two.world.simulation.trace.hash());
  assert.not.equal(one.world.simulation.trace.hash(), other.world.simulation.trace.hash());
  one.world.radio({});
  await one.world.settle();
  const { tills, wearables } = one.world;
  for (const device of [...tills, ...wearables]) assert.is(device.waiting, 0);
  assert.is(
    tills.reduce((sum, till) => sum + till.settled, 0),
    tills.reduce((sum, till) => sum + till.accepted, 0) * 500_000,
  );
});

test('a lost wearable is refused by a till that heard of it', async () => {
  const world = await openWorld();
  const [till] = world.tills;
  const [lost] = world.wearables;
  lost!.revoke();
  till!.network(true);
  await world.advance({ minutes: 40 });
  assert.equal(await till!.sell('1.00', lost!), { outcome: 'refused', code: 'revoked', by: 'us' });
});

test('wrong wishes, and the last day of a world', async () => {
  const code = async (act: () => Promise<unknown>): Promise<string> => {
    try {
      await act();
    } catch (error) {
      return error instanceof SundialError ? error.code : String(error);
    }
    return 'none';
  };
  assert.is(await code(() => openWorld({ tills: 0 })), 'bad_world');
  assert.is(await code(() => openWorld({ wearables: 60, tills: 41 })), 'bad_world');
  const most = await openWorld({ wearables: 60, tills: 40 });
  assert.is(most.tills.length, 40);
  assert.is(most.wearables.length, 60);
  const world = await openWorld();
  assert.is(await code(() => world.tills[0]!.sell('4,50', world.wearables[0]!)), 'bad_amount');
  assert.is(await code(() => world.advance({ days: 27 })), 'none');
  assert.is(await code(() => world.advance({ days: 2 })), 'world_over');
});

test.run();
