/** Limits to the last unit, and what a voucher's list of lanes may hold. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, type ChannelId, seconds } from '../../protocol/integers.ts';
import { LISTED_LANES_MAX } from '../../protocol/limits.ts';
import { lanesHash, listedLanes } from '../../protocol/vouchers.ts';
import type { MessageOf } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  deliverTick,
  hex,
  keys,
  link,
  makePayer,
  makeTerminal,
  sale,
  signing,
  START,
  streamSale,
  TAP_LIMIT,
  tap,
  type Terminal,
  type TerminalOptions,
} from './bench.ts';
import { greet, later, message, type Numbers, streamFor, tickMessage, voucherFor } from './forge.ts';

/** What a terminal says to a voucher of 1000 under this lease, with these numbers. */
async function answerTo(
  change: Partial<MessageOf<'lease'>>,
  numbers: Numbers = {},
  options: TerminalOptions = {},
): Promise<string> {
  const terminal = await makeTerminal(options);
  await terminal.on(sale(1000));
  await greet(terminal, change);
  await terminal.on(message(await voucherFor(terminal, numbers)));
  return terminal.said('approved').length === 1 ? 'approved' : (terminal.refused.at(-1) ?? 'nothing');
}

test('a voucher that begins where the lease begins is accepted, one unit below is not', async () => {
  const spentFrom = amount(1000);
  assert.is(await answerTo({ spentFrom }, { spent: 2000, paid: 2000 }), 'approved');
  assert.is(await answerTo({ spentFrom }, { spent: 1999, paid: 1999 }), 'before_lease');
});

test('limits are reached exactly, and not passed by one unit', async () => {
  assert.is(await answerTo({ tapLimit: amount(1000) }), 'approved');
  assert.is(await answerTo({ tapLimit: amount(999) }), 'terminal_over_tap_limit');
  assert.is(await answerTo({ spendLimit: amount(1000) }), 'approved');
  assert.is(await answerTo({ spendLimit: amount(999) }), 'terminal_over_spend_limit');
  assert.is(await answerTo({}, {}, { settings: { capChannel: amount(1000) } }), 'approved');
  assert.is(await answerTo({}, {}, { settings: { capChannel: amount(999) } }), 'cap_channel');
  assert.is(await answerTo({}, { spent: 1000, paid: 1000 }), 'approved');
  assert.is(await answerTo({}, { spent: 999, paid: 1000 }), 'sum_wrong');
  assert.is(await answerTo({}, { spent: 1000, paid: 999 }), 'sum_wrong');
});

test('without a cap of its own a terminal takes two tap limits a channel', async () => {
  const terminal = await makeTerminal();
  for (let n = 1; n <= 3; n++) {
    await terminal.on(sale(TAP_LIMIT, n));
    await greet(terminal);
    const total = n * TAP_LIMIT;
    await terminal.on(message(await voucherFor(terminal, { seq: n, spent: total, paid: total })));
  }
  assert.is(terminal.said('approved').length, 2);
  assert.is(terminal.refused.at(-1), 'cap_channel');
});

test('a lease counts from two hours before it begins to its last second', async () => {
  assert.is(await answerTo({ issuedAt: later(2) }), 'approved');
  assert.is(await answerTo({ issuedAt: seconds(later(2) + 1) }), 'lease_future');
  assert.is(await answerTo({ expiresAt: START }), 'approved');
  assert.is(await answerTo({ expiresAt: seconds(START - 1) }), 'lease_expired');
});

/** A session of five ticks of 10, with tick 1 delivered. */
async function charging(change: Partial<MessageOf<'lease'>> = {}): Promise<Terminal> {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal, change);
  await terminal.on(message(await streamFor(terminal)));
  await terminal.on(message(tickMessage(1, 5, 1)));
  assert.is(await deliverTick(terminal), 1);
  return terminal;
}

/** The payer reveals tick 2 all the same: it is stored and credited, nothing is delivered for it. */
async function creditsTick2(terminal: Terminal): Promise<void> {
  await terminal.on(message(tickMessage(1, 5, 2)));
  assert.is(terminal.said('deliver').length, 1);
  const [lane] = terminal.state.books.lanes;
  assert.equal([lane?.base, lane?.credited, lane?.stream?.late], [20, 10, 1]);
}

test('a tick that comes too late is told so each time, before it is answered', async () => {
  const kinds = async (terminal: Terminal, k: number): Promise<string[]> => {
    const before = terminal.sent.length;
    await terminal.on(message(tickMessage(1, 5, k)));
    return terminal.sent.slice(before).map(({ type }) => type);
  };
  const terminal = await charging({ spendLimit: amount(19) });
  assert.equal(await kinds(terminal, 1), ['tickAnswer'], 'what was delivered is no news after the session');
  const late = await kinds(terminal, 2);
  assert.equal(late.slice(0, 2), ['refusal', 'tickAnswer']);
  assert.is(terminal.refused.at(-1), 'no_session');
  assert.equal(await kinds(terminal, 2), ['refusal', 'tickAnswer'], 'its answer was lost');
});

test('no tick is delivered above the spend limit of the lease', async () => {
  const terminal = await charging({ spendLimit: amount(19) });
  assert.is(terminal.said('sessionOver')[0]?.reason, 'terminal_over_spend_limit');
  await creditsTick2(terminal);
});

test('the tick that reaches the spend limit exactly is delivered', async () => {
  const terminal = await charging({ spendLimit: amount(20) });
  await terminal.on(message(tickMessage(1, 5, 2)));
  assert.is(terminal.said('deliver').length, 2);
});

test('no tick is delivered once the lease ran out or the channel was revoked', async () => {
  const expired = await charging();
  expired.nowMs = 73 * 3600 * 1000;
  await creditsTick2(expired);
  const revoked = await charging();
  revoked.state = { ...revoked.state, books: { ...revoked.state.books, revoked: [CHANNEL as ChannelId] } };
  await creditsTick2(revoked);
});

test('no tick is delivered above the cap of the channel', async () => {
  const terminal = await makeTerminal({ settings: { capChannel: amount(10) } });
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  await terminal.on(message(tickMessage(1, 5, 1)));
  assert.is(await deliverTick(terminal), 1);
  assert.is(terminal.said('sessionOver')[0]?.reason, 'cap_channel');
  await creditsTick2(terminal);
});

const ZERO = hex(new Uint8Array(16));

test('a voucher lists other lanes only as far as they are confirmed', async () => {
  const payer = await makePayer();
  const first = await makeTerminal();
  const second = await makeTerminal({ key: keys.stranger, payee: keys.payee2 });
  const lists: string[] = [];
  const pay = async (terminal: Terminal, value: number, n: number, loses?: () => boolean): Promise<void> => {
    await tap(payer, terminal, value, n, loses && ((sent) => sent.type === 'receipt' && loses()));
    const record = payer.records.findLast((one) => one.type === 'intent');
    if (record?.type === 'intent' && record.voucher.kind === 'voucher') lists.push(hex(record.voucher.lanes));
  };
  const one = (paid: number): string =>
    hex(lanesHash(signing.suite, [{ payee: keys.payee.address, paid: amount(paid) }]));
  await pay(first, 100, 1, () => true);
  await pay(second, 30, 2);
  assert.is(lists[1], ZERO, 'the first lane has no receipt yet, so nobody may claim it through the list');
  await pay(first, 50, 3);
  await pay(second, 30, 4);
  assert.is(lists[3], one(150), 'now it stands at its confirmed figure');
  await pay(first, 20, 5, () => true);
  await pay(second, 30, 6);
  assert.is(lists[5], one(150), 'and stays there while the next voucher waits');
});

test('a stream lane is listed at its last answered tick', async () => {
  const payer = await makePayer();
  const charger = await makeTerminal();
  const shop = await makeTerminal({ key: keys.stranger, payee: keys.payee2 });
  await charger.on(streamSale(10, 5));
  await link(payer, charger);
  await deliverTick(charger);
  await deliverTick(charger);
  assert.is(payer.state.books.stream?.revealed, 3, 'the third is out and has no answer');
  await payer.on({ type: 'linkDown' });
  await tap(payer, shop, 40, 2);
  const record = payer.records.findLast((one) => one.type === 'intent');
  if (record?.type !== 'intent' || record.voucher.kind !== 'voucher') throw new Error('no voucher was made');
  const listed = [{ payee: keys.payee.address, paid: amount(20) }];
  assert.is(hex(record.voucher.lanes), hex(lanesHash(signing.suite, listed)));
});

test('a list holds the newest confirmed lanes first, at most 32', () => {
  const lanes = Array.from({ length: 40 }, (_, i) => ({ confirmedSeq: ((i * 7) % 40) as never, i }));
  const listed = listedLanes(lanes);
  assert.is(listed.length, LISTED_LANES_MAX);
  assert.equal(
    listed.map((lane) => lane.confirmedSeq),
    Array.from({ length: 32 }, (_, i) => 39 - i),
  );
  assert.is(listedLanes(lanes.slice(0, 1)).length, 0, 'seq 0 was never confirmed');
});

test.run();
