/** Two firmware images pay each other across their UARTs. */
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { beatOf } from '../../device/links/line.ts';
import { payeeAddress, Workbench } from './bench.ts';

const test = suite('a tap between two images');
const bench = new Workbench();
test.after(() => bench.close());

test('a wearable pays a till three times, and both books agree', async () => {
  const tap = bench.tapPath();
  const till = await bench.provision('pos');
  const band = await bench.provision('wearable');
  const pos = bench.start({ ...till, tap: { path: tap, listen: true } });
  await pos.event('ready');
  const wearable = bench.start({ ...band, tap: { path: tap, listen: false } });
  await wearable.event('ready');
  for (const units of [4_500_000, 1, 2_250_000]) {
    const from = pos.lines.length;
    const payerFrom = wearable.lines.length;
    pos.type(`sale ${units}`);
    assert.is((await pos.event('approved', { from })).amount, units);
    assert.is((await wearable.event('paid', { from: payerFrom })).amount, units);
  }
  pos.type('status');
  wearable.type('status');
  const theirs = await pos.event('status');
  const ours = await wearable.event('status');
  assert.is(ours.spent, 6_750_001);
  assert.is(ours.unconfirmed, 0);
  const [lane] = theirs.lanes as { base: number }[];
  assert.is(lane!.base, 6_750_001);
  assert.equal(ours.lanes, [{ payee: payeeAddress, paid: 6_750_001 }]);
});

test('a till that restarts in between is greeted anew and paid again', async () => {
  const tap = bench.tapPath('again');
  const till = await bench.provision('pos', { channel: 2 });
  const band = await bench.provision('wearable', { channel: 2 });
  const wearable = bench.start({ ...band, tap: { path: tap, listen: true } });
  for (let round = 1; round <= 2; round++) {
    const pos = bench.start({ ...till, tap: { path: tap, listen: false } });
    await pos.event('ready');
    pos.type('sale 100');
    await pos.event('approved');
    await pos.kill();
  }
  wearable.type('status');
  assert.is((await wearable.event('status')).spent, 200);
});

test('a storm of noise and a frame that is too large cost the till nothing but themselves', async () => {
  const tap = bench.tapPath('noise');
  const till = await bench.provision('pos', { channel: 3 });
  const band = await bench.provision('wearable', { channel: 3 });
  const pos = bench.start({ ...till, tap: { path: tap, listen: true } });
  await pos.event('ready');
  const attacker = connect(tap);
  await new Promise((resolve) => attacker.once('connect', resolve));
  attacker.on('error', () => undefined).on('data', () => undefined);
  // A beat first, so that the till takes it for a customer; then bytes of every kind, and 5,000 without an end.
  attacker.write(beatOf(77));
  attacker.write(Uint8Array.from({ length: 20_000 }, (_, i) => (i * 31 + (i >> 8)) & 255));
  attacker.write(new Uint8Array(5_000).fill(5));
  attacker.write(Uint8Array.of(0));
  await pos.line(/"event":"refused","code":"too_large"/, { timeoutMs: 60_000 });
  attacker.destroy();
  const wearable = bench.start({ ...band, tap: { path: tap, listen: false } });
  await wearable.event('ready');
  pos.type('sale 300');
  await pos.event('approved', { timeoutMs: 60_000 });
  assert.not(pos.lines.some((line) => line.startsWith('fault:')));
});

test.run();
