/**
 * Limits at their maximum, on the images: books that hold everything that a board promises are read back from flash, one
 * more payment is made, and what no longer fits is refused by name. Nothing restarts.
 * Not checked here: how books come to be full by themselves (test/edges has every board, in Node), and streams: a tick at a
 * full outbox is `tickFull` of `npm run bench:board`.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lanesMax, outboxMax, payerLanesMax } from '../../hardware/boards/mps2-an386/limits.ts';
import { STATUS_LANES_MAX } from '../../device/status.ts';
import { UNCONFIRMED_MAX } from '../../protocol/limits.ts';
import { Workbench } from './bench.ts';
import { sellFull } from './roles.ts';

const test = suite('limits at their maximum');
const bench = new Workbench();
test.after(() => bench.close());

const RAM_BYTES = 192 * 1024;

test('a wearable with all lanes pays a till with all lanes, and both still answer', async () => {
  const path = bench.tapPath();
  const till = await bench.provision('pos', { full: true });
  const band = await bench.provision('wearable', { full: true, channel: 2 });
  const timeoutMs = 120_000;
  const pos = bench.start({ ...till, tap: { path, listen: true } });
  await pos.event('ready', { timeoutMs });
  const wearable = bench.start({ ...band, tap: { path, listen: false } });
  await wearable.event('ready', { timeoutMs });
  await sellFull(pos, wearable);
  for (const board of [pos, wearable]) board.type('status');
  const theirs = await pos.event('status', { timeoutMs });
  const ours = await wearable.event('status', { timeoutMs });
  assert.is(theirs.laneCount, lanesMax);
  assert.is(theirs.outbox, outboxMax);
  assert.is(ours.laneCount, payerLanesMax);
  for (const { lanes } of [theirs, ours]) assert.is((lanes as unknown[]).length, STATUS_LANES_MAX);
  assert.is(ours.unconfirmed, UNCONFIRMED_MAX - 1, 'the last payment was answered');
  for (const { memory } of [theirs, ours]) assert.ok((memory as { total: number }).total <= RAM_BYTES);
  for (const board of [pos, wearable]) {
    assert.is(board.lines.filter((line) => line.includes('"ready"')).length, 1, 'it never restarted');
    assert.not.ok(board.lines.some((line) => line.includes('memory_full')));
  }
});

test.run();
