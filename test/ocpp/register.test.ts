/** A meter's register: rollover, reset, glitches, lateness. Not checked here: units and encodings (gateway.test.ts). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readRegister, registerAt } from '../../hardware/boards/node/ocpp/register.ts';

const after = (start: number, ...readings: number[]): number =>
  readings.reduce((register, wh, i) => readRegister(register, wh, i + 1), registerAt(start, 0)).energy;

test('what readings come to', () => {
  assert.is(after(500, 500, 620, 700), 200);
  assert.is(after(99_999_900, 40), 140, 'six digits of kWh roll over... at 10^8 Wh');
  assert.is(after(999_999_900, 40), 140);
  assert.is(after(500, 700, 0, 30), 230, 'it started anew');
  assert.is(after(500, 700, 20, 30), 230, 'it started anew, and something flowed before the reading');
  assert.is(after(500, 700, 0, 710), 210, 'one reading of nothing');
  assert.is(
    after(5_000_000, 5_000_100, 0, 90, 5_000_000),
    4_999_910 + 100 + 90,
    'only the next reading tells',
  );
});

test('a reading from before is none', () => {
  const now = readRegister(registerAt(100, 10), 300, 20);
  assert.equal(readRegister(now, 250, 15), now);
  assert.is(readRegister(now, 250, 20).energy, 200 + 250);
});

test.run();
