/**
 * From books to rows: which vouchers, lists and credits are worth sending, and in which order.
 * Not checked here: what the vault makes of them (test/vault), and when they are sent (settle.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planRows, rowOf, type SettledView } from '../../hub/batch/batch.ts';
import { bytesKey } from '../../hub/intake/trie.ts';
import { encodeBatch, payeeKey } from '../../hub/l2/rows.ts';
import { amount, channelId } from '../../protocol/integers.ts';
import {
  Bench,
  credit,
  key,
  otherPayee,
  otherTerminal,
  payee,
  payer,
  signing,
  suite,
  tap,
  tick,
} from './fleet.ts';

const seed = suite.keccak256(Uint8Array.of(3));
const other = { payee: otherPayee, terminal: otherTerminal };

function view(change: Partial<SettledView> = {}): SettledView {
  return {
    settled: () => 0,
    isWhole: () => false,
    least: () => 1,
    registered: () => true,
    credited: () => 0,
    blocked: () => false,
    ...change,
  };
}

/** The plan in short: which seq, how many lanes are listed, how many ticks, and what is credited. */
function plan(bench: Bench, change: Partial<SettledView> = {}, rowsMax = 100) {
  return planRows(signing, bench.state.books, view(change), rowsMax).map(({ entry, reference }) => ({
    seq: entry.seq as number,
    listed: reference.lanes.length,
    k: reference.k,
    ...(reference.credited !== undefined && { credited: reference.credited as number }),
  }));
}

async function take(bench: Bench, ...taps: Parameters<typeof tap>[0][]): Promise<void> {
  for (const fields of taps) assert.is(bench.outcome((await tap(fields)).bytes), 'acknowledged');
}

test('busy channels leave the others their turn', async () => {
  const bench = new Bench();
  const channels = [1, 2, 3, 17];
  const facts = {
    payer: payer.address,
    deposited: amount(100),
    spendable: amount(80),
    bond: amount(20),
    exiting: false,
    slashed: false,
  };
  for (const channel of channels) {
    bench.step({ type: 'channel', channel: channelId(channel), facts });
    await take(bench, { channel, seq: 1, amount: 10, spent: 10, paid: 10 });
  }
  const settled: number[] = [];
  let after: number | undefined;
  // Nothing is ever settled here, as when every channel has something new each time.
  for (let i = 0; i < 2 * channels.length; i++) {
    const [row, ...more] = planRows(signing, bench.state.books, view(), 1, after);
    assert.equal(more, []);
    after = row!.entry.channel;
    settled.push(after);
  }
  assert.equal(
    settled.slice(0, 4).sort((a, b) => a - b),
    channels,
  );
  assert.equal(settled.slice(4), settled.slice(0, 4));
});

test('of many vouchers on a lane only the newest is sent, whatever the order of arrival', async () => {
  const bench = new Bench();
  await take(
    bench,
    { seq: 3, amount: 10, spent: 30, paid: 30 },
    { seq: 1, amount: 10, spent: 10, paid: 10 },
    { seq: 2, amount: 10, spent: 20, paid: 20 },
  );
  assert.equal(plan(bench), [{ seq: 3, listed: 0, k: 0 }]);
  assert.equal(plan(bench, { settled: () => 29 }), [{ seq: 3, listed: 0, k: 0 }]);
  assert.equal(plan(bench, { settled: () => 30 }), []);
});

test('a list that fits is one row for all its lanes, rebuilt from the ledger with the ticks of a stream', async () => {
  const bench = new Bench();
  const stream = await tap({
    seq: 1,
    amount: 0,
    spent: 0,
    paid: 0,
    ...other,
    stream: { tickValue: 4, ticks: 20, seed },
  });
  bench.send(stream.bytes);
  bench.send(tick(stream, seed, 20, 6));
  const list = [{ payee: otherPayee.address, paid: amount(24) }];
  await take(bench, { seq: 2, amount: 10, spent: 34, paid: 10, list });
  assert.equal(plan(bench), [{ seq: 2, listed: 1, k: 0 }]);
  // One more tick came after the list was signed: that lane needs its own row.
  bench.send(tick(stream, seed, 20, 7));
  assert.equal(
    plan(bench).map(({ seq, k }) => [seq, k]),
    [
      [2, 0],
      [1, 7],
    ],
  );
});

test('a list with an unregistered payee, a refused list and a settled list fall back to single rows', async () => {
  const bench = new Bench();
  const list = [{ payee: otherPayee.address, paid: amount(10) }];
  await take(
    bench,
    { seq: 1, amount: 10, spent: 10, paid: 10, ...other },
    { seq: 2, amount: 10, spent: 20, paid: 10, list },
  );
  assert.equal(plan(bench), [{ seq: 2, listed: 1, k: 0 }]);
  const single = [
    { seq: 2, listed: 0, k: 0 },
    { seq: 1, listed: 0, k: 0 },
  ];
  assert.equal(plan(bench, { blocked: ({ lanes }) => lanes.length > 0 }), single);
  assert.equal(plan(bench, { registered: (key) => key === bytesKey(payee.address) }), [single[0]]);
  assert.equal(plan(bench, { settled: (_, key) => (key === bytesKey(otherPayee.address) ? 10 : 0) }), [
    single[0],
  ]);
  assert.equal(plan(bench, { blocked: () => true }), []);
});

test('a list of which one payee has no id settles nothing beside its own lane', async () => {
  const third = key(5);
  const till = key(6);
  const bench = new Bench();
  bench.step({ type: 'payee', payee: third.address });
  bench.step({ type: 'device', device: till.address, counter: 0, payee: third.address });
  const list = [
    { payee: third.address, paid: amount(10) },
    { payee: otherPayee.address, paid: amount(10) },
  ];
  await take(
    bench,
    { seq: 1, amount: 10, spent: 10, paid: 10, ...other },
    { seq: 2, amount: 10, spent: 20, paid: 10, payee: third, terminal: till },
    { seq: 3, amount: 10, spent: 30, paid: 10, list },
  );
  assert.equal(plan(bench), [{ seq: 3, listed: 2, k: 0 }]);
  // The vault knows payees by their ids: a list can't be sent in part, and without an id not at all.
  assert.equal(plan(bench, { registered: (payeeId) => payeeId !== bytesKey(third.address) }), [
    { seq: 3, listed: 0, k: 0 },
    { seq: 1, listed: 0, k: 0 },
  ]);
});

test('a voided voucher is not claimed, and is not on the list that the payer signs next', async () => {
  const bench = new Bench();
  await take(
    bench,
    { seq: 1, amount: 10, spent: 10, paid: 10, ...other },
    { seq: 2, amount: 5, spent: 15, paid: 15, ...other, answer: 'credit' },
    { seq: 3, amount: 10, spent: 25, paid: 10, list: [{ payee: otherPayee.address, paid: amount(10) }] },
  );
  assert.equal(plan(bench), [{ seq: 3, listed: 1, k: 0 }]);
});

test('credits follow the settlements, and only what the payee signed beyond what L2 has', async () => {
  const bench = new Bench();
  const bought = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  bench.send(bought.bytes);
  bench.send(await credit(bought, 60, payee, true));
  assert.equal(plan(bench), [
    { seq: 1, listed: 0, k: 0 },
    { seq: 1, listed: 0, k: 0, credited: 60 },
  ]);
  assert.equal(plan(bench, { settled: () => 100, credited: () => 60 }), []);
  assert.is(plan(bench, {}, 1).length, 1);
});

test('a lane that rose too little waits, unless its payee gives something back on it', async () => {
  const bench = new Bench();
  const bought = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  bench.send(bought.bytes);
  assert.equal(plan(bench, { least: () => 101 }), []);
  assert.is(plan(bench, { least: () => 100 }).length, 1);
  assert.equal(plan(bench, { least: () => 51, settled: () => 50 }), []);
  assert.is(plan(bench, { least: () => 50, settled: () => 50 }).length, 1);
  bench.send(await credit(bought, 60, payee, true));
  assert.is(plan(bench, { least: () => 101 }).length, 2);
  assert.equal(plan(bench, { least: () => 101, credited: () => 60 }), []);
  assert.equal(plan(bench, { least: () => 101, settled: () => 100, credited: () => 60 }), []);
});

test('a credit on a voided voucher waits until a later one settles its lane, and is planned then', async () => {
  const bench = new Bench();
  const voided = await tap({ seq: 1, amount: 40, spent: 40, paid: 40, answer: 'credit' });
  bench.send(voided.bytes);
  bench.send(await credit(voided, 40, payee, true));
  assert.equal(plan(bench), [], 'the vault would skip it: nothing of the lane is settled');
  await take(bench, { seq: 2, amount: 10, spent: 50, paid: 50 });
  assert.equal(plan(bench), [
    { seq: 2, listed: 0, k: 0 },
    { seq: 1, listed: 0, k: 0, credited: 40 },
  ]);
  assert.equal(plan(bench, { settled: () => 50 }), [{ seq: 1, listed: 0, k: 0, credited: 40 }]);
  assert.equal(plan(bench, { settled: () => 39, blocked: ({ credited }) => credited === undefined }), []);
});

test('every planned row encodes', async () => {
  const bench = new Bench();
  const stream = await tap({
    seq: 1,
    amount: 0,
    spent: 0,
    paid: 0,
    ...other,
    stream: { tickValue: 4, ticks: 20, seed },
  });
  const bought = await tap({ seq: 2, amount: 100, spent: 124, paid: 100 });
  bench.send(stream.bytes);
  bench.send(tick(stream, seed, 20, 6));
  bench.send(bought.bytes);
  bench.send(await credit(bought, 60, payee, true));
  const rows = planRows(signing, bench.state.books, view(), 100).map(({ entry, reference }) =>
    rowOf(signing, entry, reference),
  );
  assert.is(rows.length, 3);
  const ids = new Map([payee, otherPayee].map(({ address }, index) => [payeeKey(address), index + 1]));
  assert.ok(encodeBatch(rows, ids).length > 300);
});

test.run();
