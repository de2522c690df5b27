import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { holds, sweepClones } from '../../simulators/scenarios/sweep.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';

test('what copies of a payer take stays within rule 10, before the bond pays and after', async () => {
  const rows = await sweepClones(standInSuite, 11, 1, () => undefined);
  assert.equal(
    rows.filter((row) => !holds(row)),
    [],
  );
  // Not by taking nothing: the bond had to pay for tills of one merchant as for tills of many.
  for (const merchants of ['one', 'many'])
    assert.ok(rows.some((row) => row.merchants === merchants && row.lostMost > row.boundAfter));
});

test.run();
