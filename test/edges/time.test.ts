/**
 * The cases of `npm run edges` on clocks and time: every kind of them, and that a device that never sells again is counted.
 * The command plays them all. What is not looked at stands in `time-run.ts`.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { START } from '../protocol/bench.ts';
import { TIME_CASES, type TimeCase, timeCounts } from './time-run.ts';

/** Of the many readings of a clock each fourth, and all else. */
const some = TIME_CASES.filter(({ name }, i) => !/^(till,|five days|wearable)/.test(name) || i % 4 === 0);

for (const one of some)
  test(one.name, async () => {
    const { cases, bricked, wrong } = await timeCounts([one]);
    assert.equal(wrong, []);
    assert.is(bricked, 0);
    assert.is(cases, one.hubOnly === true ? 1 : 2);
  });

test('a till that nothing gets going again is bricked, and what went wrong is told', async () => {
  const bricked: TimeCase = {
    name: 'a time years ahead',
    run: async (site) => {
      await site.beacon((START + 5 * 365 * 86_400) as never);
      return 'as planned';
    },
  };
  const counts = await timeCounts([bricked]);
  assert.is(counts.cases, 2);
  assert.is(counts.bricked, 2);
  assert.is(counts.wrong.length, 4);
});

test.run();
