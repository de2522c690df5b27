/** A car's image plugged into a charge point's image: energy is paid tick by tick and the session is closed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Workbench } from './bench.ts';

const test = suite('a charge between two images');
const bench = new Workbench();
test.after(() => bench.close());

test('a car streams ticks to a charge point until its battery is full, and closes with a voucher', async () => {
  const tap = bench.tapPath();
  // 9 kWh in ticks of 40 Wh are 225; 100 hours of session pass in a minute.
  const post = await bench.provision('charger', { speed: 6000 });
  const vehicle = await bench.provision('car');
  const charger = bench.start({ ...post, tap: { path: tap, listen: true } });
  const car = bench.start({ ...vehicle, tap: { path: tap, listen: false } });
  await charger.event('ready');
  charger.type('offer');
  await charger.event('streamOpened');
  await charger.event('approved', { timeoutMs: 60_000 });
  const delivered = charger.lines.filter((line) => line.startsWith('{"event":"deliver"')).length;
  await car.event('paid');
  charger.type('status');
  car.type('status');
  const theirs = await charger.event('status');
  const ours = await car.event('status');
  assert.is(delivered, 226, 'the tick in which the battery turns out to be full is paid too');
  assert.is(ours.spent, 226 * 20_000);
  assert.is((theirs.lanes as { base: number }[])[0]!.base, 226 * 20_000);
  assert.is(ours.stream, false);
});

test.run();
