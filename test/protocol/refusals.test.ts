import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { firstRefusal, REFUSALS, refusalName, refusalNumber } from '../../protocol/refusals.ts';

test('every refusal has a name and a number of its own that fits one byte, and a reason', () => {
  assert.is(new Set(REFUSALS.map(([name]) => name)).size, REFUSALS.length);
  assert.is(new Set(REFUSALS.map(([, number]) => number)).size, REFUSALS.length);
  for (const [name, number, reason] of REFUSALS) {
    assert.ok(Number.isInteger(number) && number > 0 && number < 256, name);
    assert.ok(reason.length > 10, name);
    assert.is(refusalName(refusalNumber(name)), name);
  }
  assert.is(refusalName(0), undefined);
  assert.is(refusalName(255), undefined);
});

test('of two refusals the one that stands first in the table is given, in whichever order they were found', () => {
  for (let i = 0; i < REFUSALS.length; i++)
    for (let j = i; j < REFUSALS.length; j++) {
      const [first] = REFUSALS[i]!;
      const [second] = REFUSALS[j]!;
      assert.is(firstRefusal([first, undefined, second]), first);
      assert.is(firstRefusal([second, first]), first);
    }
  assert.is(firstRefusal([]), undefined);
  assert.is(firstRefusal([undefined]), undefined);
});

test.run();
