/**
 * A device's clock between what the hub says: what moves it, and what must not.
 *
 * Not checked here: who may speak for the hub, and a clock across power cuts (the machines' tables and `tap.test.ts`).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../protocol/integers.ts';
import { timeAtBoot, timeFromHub, timeNow } from '../../protocol/machines/time.ts';

test('a hub time replayed more often than once a second does not hold the clock', () => {
  const signed = seconds(1000);
  let time = timeFromHub(timeAtBoot(seconds(0), undefined, 0), signed, 0);
  for (let nowMs = 900; nowMs <= 90_000; nowMs += 900) time = timeFromHub(time, signed, nowMs);
  assert.is(timeNow(time, 90_000), 1090);
});

test('an old hub time vouches for the clock and moves nothing', () => {
  const time = timeFromHub(timeAtBoot(seconds(1000), undefined, 0), seconds(5), 2500);
  assert.is(time.based, true);
  assert.is(timeNow(time, 3000), 1003);
});

test('a newer hub time moves the clock on, at once', () => {
  const time = timeFromHub(timeAtBoot(seconds(1000), seconds(1000), 0), seconds(2000), 500);
  assert.is(timeNow(time, 500), 2000);
  assert.is(timeNow(time, 1500), 2001);
});

test.run();
