/** A voucher for an open request: each fault alone by its name, and of two faults the first of the table. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { REFUSALS } from '../../protocol/refusals.ts';
import { message } from './forge.ts';
import { FAULTS, refuses, situation } from './situations.ts';

test('a voucher with nothing wrong is approved', async () => {
  const { terminal, voucher } = await situation([]);
  await terminal.on(message(voucher));
  assert.is(terminal.said('approved').length, 1);
  assert.equal(terminal.refused, []);
});

for (const [code, sentence, fault] of FAULTS) {
  test(`${code}: ${sentence}`, async () => {
    const { terminal, voucher } = await situation([fault]);
    await refuses(terminal, voucher, code);
    assert.not.ok(terminal.said('approved').some((notice) => notice.amount === 1000));
    // The request stays open: the same customer may try again with a right voucher.
    assert.ok(terminal.state.volatile.open);
  });
}

test('where two faults meet, the one that stands first in the refusal table is named', async () => {
  const place = new Map(REFUSALS.map(([name], index) => [name as string, index]));
  let pairs = 0;
  for (let i = 0; i < FAULTS.length; i++)
    for (let j = i + 1; j < FAULTS.length; j++) {
      const [first, , a] = FAULTS[i]!;
      const [second, , b] = FAULTS[j]!;
      assert.ok(place.get(first)! < place.get(second)!, `${first} stands before ${second}`);
      // A later lease of the same call overrides the earlier one, so two limits of one lease can't contradict.
      const { terminal, voucher } = await situation([a, b]);
      const before = terminal.refused.length;
      await terminal.on(message(voucher));
      assert.equal(terminal.refused.slice(before), [first], `${first} and ${second}`);
      pairs += 1;
    }
  assert.is(pairs, 91);
});

test.run();
