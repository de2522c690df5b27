/** What `npm run edges -- --section salvage` counts, at fewer places. Not looked at here: see salvage-run.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { salvageCounts } from './salvage-run.ts';

test('a till whose flash is damaged hands in every sale that is not itself the damage, frozen or not', async () => {
  const { wrong, cases, frozen, held, handedIn } = await salvageCounts(29);
  console.log(JSON.stringify({ cases, frozen, held, handedIn }));
  assert.equal(wrong, []);
  assert.is(held, handedIn);
  assert.ok(cases > 300 && frozen > 100, `${cases} cases, ${frozen} frozen`);
});

test.run();
