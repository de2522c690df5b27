/**
 * A node that lies, fails or hangs, in front of a real chain: each case by the symptom that must not be. Not looked at
 * here: a single node that makes up a whole chain whose headers fit each other, which nothing but another node shows.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Ground, startGround } from './l2/ground.ts';
import { CASES } from './l2/index.ts';

let ground: Ground;
test.before(async () => {
  ground = await startGround();
});
test.after(async () => {
  await ground.close();
});

for (const { name, run } of CASES)
  test(name, async () => {
    try {
      assert.equal(await run(ground), []);
    } finally {
      for (const road of [ground.road, ...ground.others]) road.tell(undefined);
    }
  });

test.run();
