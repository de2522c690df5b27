/**
 * Limits that follow from the bytes of a bank: a till on a small flash. Not looked at here: the boards' own flashes, which
 * test/edges fills, and how many instructions it takes to count.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { payerDevice } from '../../device/devices.ts';
import { journalIn, journalRoom } from '../../device/journal/capacity.ts';
import { openJournal } from '../../device/journal/journal.ts';
import { amount } from '../../protocol/integers.ts';
import { REVOCATIONS_MAX } from '../../protocol/limits.ts';
import { payerLanesMax } from '../../protocol/machines/payer/room.ts';
import { checkTerminalRoom, terminalLimits } from '../../protocol/machines/terminal/room.ts';
import { RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { Till } from '../edges/till.ts';
import { codeOf } from '../errors.ts';
import { keys, payerSettings, signing } from '../protocol/bench.ts';

const GEOMETRY = { size: 64 * 1024, blockSize: 4096 };
const BANKS = 2;
/** More than the flash holds, so that its bytes decide. */
const MANY = { outboxMax: 1000, lanesMax: 1000 };
const room = journalRoom(new RamFlash(GEOMETRY), BANKS);

/** A till whose limits are above what its flash holds is refused at its start, so the flash is swapped behind it. */
async function small(role: 'pos' | 'charger' = 'pos'): Promise<Till> {
  const till = await Till.create(new RamFlash(GEOMETRY), BANKS, terminalLimits(room), role);
  till.widen(MANY);
  return till;
}

test('the highest limits that a bank has room for pass, and one more is refused by name', () => {
  const limits = terminalLimits(room);
  checkTerminalRoom(room, limits);
  assert.ok(limits.outboxMax > 10 && limits.outboxMax < 100, JSON.stringify(limits));
  const more = { outboxMax: limits.outboxMax + 1, lanesMax: limits.lanesMax + 1 };
  assert.is(
    codeOf(() => checkTerminalRoom(room, more)),
    'flash_too_small',
  );
});

test('a payer whose lanes a bank does not hold is refused at its start', () => {
  const storage = journalIn(new RamFlash(GEOMETRY), { banks: BANKS });
  const host = { key: keys.payer, clock: {} as never, entropy: {} as never };
  const lanesMax = payerLanesMax(storage.room);
  payerDevice(signing, { ...payerSettings, lanesMax }, host, storage);
  assert.is(
    codeOf(() => payerDevice(signing, { ...payerSettings, lanesMax: lanesMax + 1 }, host, storage)),
    'flash_too_small',
  );
});

test('a till whose every customer is new says outbox_full before a write fails, and hands in all that it sold', async () => {
  const till = await small();
  let sales = 0;
  while (await till.sell()) sales += 1;
  assert.is(till.refused, 'outbox_full');
  assert.ok(sales >= terminalLimits(room).outboxMax, `${sales} sales`);
  till.widen(terminalLimits(room));
  await till.switchOn();
  await till.drain();
  assert.is(till.promised.handedIn, sales);
  assert.equal(till.faults, []);
  assert.ok(await till.sell(), 'lanes that the hub has make room');
});

test('a charge point that offers no more still takes every late tick, its credit and the closing voucher', async () => {
  const till = await small('charger');
  const cars = [];
  for (let car = await till.charge(); car !== undefined; car = await till.charge()) cars.push(car);
  assert.is(till.refused, 'outbox_full');
  assert.ok(cars.length > 5, `${cars.length} cars`);
  assert.ok(await cars.at(-1)!.close(), 'the session that is under way is closed by a voucher');
  for (const car of cars.slice(0, -1)) await car.late();
  // The largest record, until a bank must be started with all of it.
  for (let list = 0; list < 4; list++) await till.revokeMany();
  assert.is(till.device.state.books.revoked.length, REVOCATIONS_MAX);
  const { lanes, outbox } = till.device.state.books;
  assert.is(outbox.filter(({ kind }) => kind === 'credit').length, cars.length - 1);
  assert.ok(lanes.every(({ owed, credited }) => owed === credited));
  assert.equal(till.faults, []);
  const again = openJournal(till.flash.copy(), { banks: BANKS });
  assert.ok([...again.replayed].length > 0);
});

test('a session whose ticks filled the outbox is still closed by a voucher', async () => {
  const till = await Till.create(new RamFlash(GEOMETRY), BANKS, { outboxMax: 2, lanesMax: 2 }, 'charger');
  const car = await till.charge();
  assert.is(till.device.state.books.outbox.length, 2);
  assert.is(await till.charge(), undefined);
  assert.is(till.refused, 'outbox_full');
  assert.ok(await car!.close());
});

test('a refund that has no room is refused by name', async () => {
  const till = await small();
  while (await till.sell()) till.refused = undefined;
  // Refunds are nothing that must come: they take what is left, and then no more.
  const channels = till.device.state.books.lanes.map((lane) => lane.channel);
  till.refused = undefined;
  for (const channel of channels) {
    if (till.refused === 'outbox_full') break;
    till.refused = undefined;
    void till.device.dispatch({ type: 'refund', channel, credited: amount(5) });
    await till.device.idle();
  }
  assert.is(till.refused, 'outbox_full');
  assert.equal(till.faults, []);
});

test.run();
