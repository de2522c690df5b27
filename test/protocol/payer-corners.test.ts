/**
 * What a payer keeps apart: whose certificate, whose lease, what counts as unanswered, and what its vouchers list.
 * Not checked here: the whole table of transitions (payer-table), refusals by name (payer-refusals), cuts (test/device).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { equalBytes } from '../../protocol/bytes.ts';
import { amount, type Amount, seconds } from '../../protocol/integers.ts';
import { UNCONFIRMED_MAX } from '../../protocol/limits.ts';
import { applyRecord, type PayerBooks } from '../../protocol/machines/payer/books.ts';
import { lanesHash, type ListedLane } from '../../protocol/vouchers.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import {
  deliverTick,
  keys,
  link,
  makePayer,
  makeTerminal,
  provisioned,
  sale,
  secret,
  signing,
  START,
  startPayer,
  streamSale,
  tap,
  terminalSettings,
  unlink,
} from './bench.ts';
import { acknowledgement, later } from './forge.ts';

const unanswered = (message: Message): boolean => message.type === 'receipt';

/** The list that the payer's newest voucher is signed over, said in the numbers that it should hold. */
function assertLists(books: PayerBooks, lanes: readonly ListedLane[]): void {
  const newest = books.unconfirmed.at(-1);
  assert.ok(newest?.kind === 'voucher' && newest.voucher.kind === 'voucher');
  assert.equal(newest.voucher.lanes, lanesHash(signing.suite, lanes));
}

test("a terminal that one payee certified is not paid for another payee's request", async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 100, 1);
  assert.is(payer.state.books.spent, 100);
  const signed = payer.order.filter((type) => type === 'sign').length;
  await payer.on({ type: 'linkUp' });
  await payer.on({
    type: 'message',
    message: {
      type: 'request',
      terminal: keys.terminal.address,
      payee: keys.payee2.address,
      at: START,
      currency: 'TIME',
      challenge: new Uint8Array(16).fill(9),
      amount: amount(50),
    },
  });
  assert.is(payer.order.filter((type) => type === 'sign').length, signed);
  assert.is(payer.state.books.spent, 100);
  assert.is(payer.sent.at(-1)?.type, 'need');
});

test("a device does not pay on another device's lease", async () => {
  const payer = await startPayer(await provisioned(), { key: keys.stranger });
  const terminal = await makeTerminal();
  await tap(payer, terminal, 100, 1);
  assert.is(payer.state.books.seq, 0);
  assert.ok(payer.refused.includes('lease_missing'));
});

test("a device does not pay on another channel's lease", async () => {
  const payer = await startPayer(await provisioned({ channel: 8 as never }));
  const terminal = await makeTerminal();
  await tap(payer, terminal, 100, 1);
  assert.is(payer.state.books.seq, 0);
  assert.ok(payer.refused.includes('lease_missing'));
});

test('a lease counts to its last second', async () => {
  for (const [late, seq] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const books = await provisioned();
    const payer = await startPayer(books, { realTime: seconds(books.lease!.expiresAt + late) });
    const terminal = await makeTerminal();
    await tap(payer, terminal, 100, 1);
    assert.is(payer.state.books.seq, seq);
    assert.equal(payer.refused, seq === 1 ? [] : ['lease_missing']);
  }
});

test("a terminal's certificate counts to its last second, known or not", async () => {
  const { certificate } = await terminalSettings();
  for (const [late, code] of [
    [0, undefined],
    [1, 'certificate_expired'],
  ] as const) {
    const books = await provisioned({ expiresAt: later(10 * 365 * 24) });
    const known = applyRecord(books, {
      type: 'certificate',
      terminal: keys.terminal.address,
      payee: keys.payee.address,
      expiresAt: certificate.expiresAt,
    });
    for (const had of [books, known]) {
      const payer = await startPayer(had, { realTime: seconds(certificate.expiresAt + late) });
      const terminal = await makeTerminal();
      await tap(payer, terminal, 100, 1);
      assert.is(payer.state.books.seq, code === undefined ? 1 : 0);
      assert.equal(payer.refused, code === undefined ? [] : [code]);
    }
    // A device without a clock can't tell, and the terminal's own payee answers for it.
    const clockless = await startPayer(books, { realTime: undefined });
    await tap(clockless, await makeTerminal(), 100, 1);
    assert.is(clockless.state.books.seq, 1);
  }
});

test('an open tick counts among what is unanswered', async () => {
  const payer = await makePayer();
  const charger = await makeTerminal();
  const shop = await makeTerminal({ key: keys.stranger, payee: keys.payee2 });
  // As many unanswered vouchers as leave room for one: at terminals that are gone since.
  for (let n = 1; n < UNCONFIRMED_MAX; n++) {
    const request = {
      terminal: secret(100 + n).slice(0, 20),
      amount: amount(1),
      at: START,
      detail: secret(n),
    };
    const { channel, seq, spent, lanes } = payer.state.books;
    const paid = (lanes[0]?.paid ?? 0) + 1;
    const voucher = {
      kind: 'voucher' as const,
      channel: channel!,
      seq: (seq + 1) as never,
      spent: (spent + 1) as Amount,
      payee: keys.payee.address,
      paid: paid as Amount,
      request: secret(n),
      lanes: new Uint8Array(16),
    };
    const record = { type: 'intent' as const, digest: secret(200 - n), voucher, request };
    payer.state = { ...payer.state, books: applyRecord(payer.state.books, record) };
  }
  await charger.on(streamSale(5, 10, 2));
  await link(payer, charger, (message) => message.type === 'tickAnswer');
  await deliverTick(charger);
  const { stream, unconfirmed } = payer.state.books;
  assert.is(stream?.revealed, 1);
  assert.is(unconfirmed.length, UNCONFIRMED_MAX - 1);
  await unlink(payer, charger);
  await shop.on(sale(10, 3));
  await link(payer, shop);
  assert.ok(payer.refused.includes('unconfirmed_full'));
  assert.is(payer.state.books.stream?.revealed, 1, 'nothing new was signed, so the stream is still open');
});

test('a receipt that comes late lowers no lane that others list', async () => {
  const payer = await makePayer();
  const first = await makeTerminal();
  const second = await makeTerminal({ key: keys.terminal2 });
  await tap(payer, first, 100, 1, unanswered);
  await tap(payer, second, 30, 2);
  // Both are of one payee: the newer voucher, of 130 in all, is confirmed already.
  assert.is(payer.state.books.lanes[0]?.confirmedPaid, 130);
  await tap(payer, first, 7, 3);
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(payer.state.books.lanes[0]?.confirmedPaid, 137);
});

test("the hub's late word for an older voucher lowers no lane that others list", async () => {
  const payer = await makePayer();
  const first = await makeTerminal();
  const second = await makeTerminal({ key: keys.terminal2 });
  const other = await makeTerminal({ key: keys.stranger, payee: keys.payee2 });
  await tap(payer, first, 100, 1, unanswered);
  const [older] = payer.state.books.unconfirmed;
  assert.ok(older?.kind === 'voucher');
  await tap(payer, second, 30, 2);
  await payer.on({ type: 'hubMessage', message: await acknowledgement(older.digest) });
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(payer.state.books.lanes[0]?.confirmedPaid, 130);
  await tap(payer, other, 5, 3, unanswered);
  assertLists(payer.state.books, [{ payee: keys.payee.address, paid: amount(130) }]);
});

test('a stream that was never answered is not on the list of the next voucher', async () => {
  const payer = await makePayer();
  const first = await makeTerminal();
  const charger = await makeTerminal({ key: keys.terminal2 });
  const other = await makeTerminal({ key: keys.stranger, payee: keys.payee2 });
  await tap(payer, first, 100, 1);
  await charger.on(streamSale(5, 10, 2));
  await link(payer, charger, (message) => message.type === 'receipt' || message.type === 'tickAnswer');
  await unlink(payer, charger);
  assert.is(payer.state.books.stream?.revealed, 0);
  await tap(payer, other, 5, 3, unanswered);
  assert.is(payer.state.books.stream, undefined);
  const lane = payer.state.books.lanes.find(({ payee }) => equalBytes(payee, keys.payee.address));
  assert.is(lane?.confirmedSeq, 1);
  assertLists(payer.state.books, [{ payee: keys.payee.address, paid: amount(100) }]);
});

test.run();
