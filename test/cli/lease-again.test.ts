/**
 * A payer whose channel the hub does not know yet asks again: when, and when not. Not checked here: the hub (leases.test),
 * and that a whole device does so (suite lab).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { leaseAgain } from '../../hardware/boards/node/lease-again.ts';
import type { Notice } from '../../protocol/machines/effects.ts';

const unknown: Notice = { type: 'refused', code: 'channel_unknown', by: 'hub' };

function watched() {
  const pauses: number[] = [];
  let asked = 0;
  const told = leaseAgain(
    () => {
      asked += 1;
    },
    (delayMs, act) => {
      pauses.push(delayMs);
      act();
    },
  );
  return { told, pauses, asked: () => asked };
}

test('it asks again after 5 s, twice as long each time, ten minutes at most; a lease begins anew', () => {
  const { told, pauses, asked } = watched();
  for (let n = 0; n < 9; n += 1) told(unknown);
  assert.equal(pauses, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000]);
  assert.is(asked(), 9);
  told({ type: 'lease', spendLimit: 1 as never, expiresAt: 2 as never });
  told(unknown);
  assert.is(pauses.at(-1), 5_000);
});

test('no other refusal makes it ask: the hub knows why, and so does a terminal', () => {
  const { told, pauses } = watched();
  told({ ...unknown, code: 'over_spend_limit' });
  told({ ...unknown, by: 'peer' });
  told({ ...unknown, by: 'us' });
  assert.equal(pauses, []);
});

test.run();
