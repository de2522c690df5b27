/** The terminal's transition table, row by row. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { equalBytes } from '../../protocol/bytes.ts';
import { amount, seconds } from '../../protocol/integers.ts';
import { REQUEST_OPEN_SECONDS } from '../../protocol/limits.ts';
import { applyRecord } from '../../protocol/machines/terminal/books.ts';
import { terminalPhase } from '../../protocol/machines/terminal/state.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  challenge,
  deliverTick,
  keys,
  lease,
  link,
  makePayer,
  makeTerminal,
  restartTerminal,
  sale,
  START,
  streamSale,
  tap,
  type Terminal,
  unlink,
} from './bench.ts';
import {
  acknowledgement,
  closedRequest,
  greet,
  message,
  resolveFor,
  streamFor,
  tickMessage,
  voucherFor,
} from './forge.ts';

const isVoucher = (sent: Message): boolean => sent.type === 'voucher' || sent.type === 'resolveVoucher';
const isAnswer = (sent: Message): boolean => sent.type === 'receipt' || sent.type === 'credit';

test('idle, sale: a request is kept in RAM and offered', async () => {
  const terminal = await makeTerminal();
  const { books } = terminal.state;
  await terminal.on(sale(1000));
  assert.is(terminalPhase(terminal.state), 'open');
  assert.ok(terminal.state.books === books, 'nothing is stored');
  assert.is(terminal.said('requested')[0]?.amount, 1000);
});

for (const [what, ask] of [
  ['the next sale', sale(1000)],
  ['noise on the link', { type: 'garbage', code: 'malformed' } as const],
] as const)
  test(`open, nobody greeted although a link is up: ${what} asks who is there`, async () => {
    const [payer, terminal] = [await makePayer(), await makeTerminal()];
    await terminal.on(sale(1000));
    let torn = false;
    await link(payer, terminal, (sent) => {
      const first = sent.type === 'hello' && !torn;
      torn ||= first;
      return first;
    });
    assert.is(payer.state.books.spent, 0, 'the greeting was torn, and payers greet once a link');
    await terminal.on(ask);
    assert.is(payer.state.books.spent, 1000);
    assert.is(terminal.said('approved').length, 1);
  });

test('open, voucher: verified, signed, one record, then "approved", then the receipt', async () => {
  const terminal = await makeTerminal();
  await terminal.on(sale(1000));
  await greet(terminal);
  const voucher = await voucherFor(terminal);
  const from = terminal.order.length;
  const records = terminal.records.length;
  await terminal.on(message(voucher));
  assert.equal(terminal.order.slice(from), ['sign', 'persist', 'notify', 'send']);
  assert.equal(
    terminal.records.slice(records).map((record) => record.type),
    ['answered'],
  );
  assert.is(terminalPhase(terminal.state), 'idle');
  const { lanes, outbox } = terminal.state.books;
  assert.equal([lanes[0]?.base, lanes[0]?.seq, lanes[0]?.answer, outbox.length], [1000, 1, 'receipt', 1]);
});

test('open, stream: accepted, and the session begins', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  assert.is(terminalPhase(terminal.state), 'session');
  assert.is(terminal.said('streamOpened')[0]?.ticks, 5);
});

test('any, voucher = last digest: the same answer again, receipt or credit', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  const late = closedRequest();
  const voided = await resolveFor(late);
  await terminal.on(message(voided));
  const credit = terminal.sent.at(-1)!;
  assert.is(credit.type, 'credit');
  const { books } = terminal.state;
  await terminal.on(message(voided));
  await terminal.on(message(voided));
  assert.equal(terminal.sent.slice(-2), [credit, credit]);
  assert.ok(terminal.state.books === books);
  const again = await restartTerminal(terminal);
  await greet(again);
  await again.on(message(voided));
  assert.equal(again.sent.at(-1), credit, 'also after a restart');
});

test('idle, own closed request: void and base are stored, then the full credit is sent', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  const from = terminal.order.length;
  await terminal.on(message(await resolveFor(closedRequest(), { seq: 3, spent: 5000, paid: 4000 })));
  assert.equal(terminal.order.slice(from), ['sign', 'persist', 'notify', 'send']);
  const sent = terminal.sent.at(-1)!;
  assert.ok(sent.type === 'credit' && sent.credited === 1000);
  const [lane] = terminal.state.books.lanes;
  assert.equal([lane?.base, lane?.seq, lane?.answer, lane?.credited], [4000, 3, 'credit', 1000]);
  assert.is(terminal.said('approved').length, 0);
  const [entry] = terminal.state.books.outbox;
  assert.ok(entry?.kind === 'voucher' && entry.collected.credit && entry.exposure === 0);
});

test('idle, own closed request with a seq or base that was passed: no void', async () => {
  const terminal = await makeTerminal();
  const payer = await makePayer();
  await tap(payer, terminal, 900, 1);
  await greet(terminal);
  const { books } = terminal.state;
  await terminal.on(message(await resolveFor(closedRequest(), { seq: 1, spent: 1900, paid: 1900 })));
  await terminal.on(message(await resolveFor(closedRequest(), { seq: 2, spent: 1900, paid: 1899 })));
  assert.equal(terminal.refused, ['seq_stale', 'base_stale']);
  assert.ok(terminal.state.books === books);
});

test('a terminal takes a base above its own: another terminal of the payee moved the lane', async () => {
  const terminal = await makeTerminal();
  const other = await makeTerminal({ key: keys.terminal2 });
  const payer = await makePayer();
  await tap(payer, terminal, 900, 1);
  await tap(payer, other, 800, 2);
  await tap(payer, terminal, 700, 3);
  assert.is(terminal.said('approved').length, 2);
  assert.is(terminal.state.books.lanes[0]?.base, 2400);
  assert.is(other.state.books.lanes[0]?.base, 1700);
});

test('any, lane evicted: older requests are for the hub to judge', async () => {
  const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 1 } });
  const payer = await makePayer();
  await tap(payer, terminal, 900, 1);
  const [entry] = terminal.state.books.outbox;
  assert.ok(entry?.kind === 'voucher');
  if (entry?.kind !== 'voucher') return;
  const { request } = entry.collected;
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry.entry) });
  terminal.nowMs = 60_000;
  await evictBy(terminal, 8);
  assert.equal(
    terminal.state.books.lanes.map((lane) => lane.channel),
    [8],
  );
  const [other] = terminal.state.books.outbox;
  if (other?.kind !== 'voucher') throw new Error('no voucher waits');
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(other.entry) });
  await greet(terminal);
  await terminal.on(message(await resolveFor(request, { spent: 900, paid: 900 })));
  assert.is(terminal.refused.at(-1), 'ask_hub', 'what it accepted once it does not void');
});

/** Another channel pays, and takes the place of the only lane. */
async function evictBy(terminal: Terminal, channel: number): Promise<void> {
  await terminal.on({ type: 'linkDown' });
  const payer = await makePayer({ channel: channel as never });
  payer.state = { ...payer.state, books: { ...payer.state.books, channel: channel as never } };
  await tap(payer, terminal, 100, 60);
  assert.is(terminal.state.books.lanes.length, 1);
}

test('a lane whose entries wait for the hub is never evicted', async () => {
  const terminal = await makeTerminal({ settings: { lanesMax: 2, outboxMax: 2 } });
  const payer = await makePayer();
  await tap(payer, terminal, 900, 1);
  const second = await makePayer({ channel: 8 as never });
  second.state = { ...second.state, books: { ...second.state.books, channel: 8 as never } };
  await tap(second, terminal, 100, 2);
  const entries = terminal.state.books.outbox;
  assert.is(entries.length, 2);
  await terminal.on(sale(5, 3));
  assert.equal(terminal.refused, ['outbox_full'], 'it stops selling instead');
  const acknowledged = entries[1]!;
  assert.ok(acknowledged.kind === 'voucher');
  if (acknowledged.kind !== 'voucher') return;
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(acknowledged.entry) });
  const third = await makePayer({ channel: 9 as never });
  third.state = { ...third.state, books: { ...third.state.books, channel: 9 as never } };
  await tap(third, terminal, 100, 4);
  assert.equal(terminal.state.books.lanes.map((lane) => lane.channel).sort(), [7, 9]);
});

/** A late voucher of another channel: the terminal needs a place for its lane. */
async function lateFrom(terminal: Terminal, channel: number, at = START): Promise<void> {
  await terminal.on({ type: 'linkUp' });
  await terminal.on(message({ type: 'hello', channel: channel as never, payer: keys.payer.address }));
  await terminal.on(message(await lease({ channel: channel as never })));
  await terminal.on(message(await resolveFor(closedRequest({ at }), { channel })));
}

test('a lane that is delivered on is never evicted; one whose stream may go on only when there is no other', async () => {
  const terminal = await makeTerminal({ settings: { lanesMax: 2, outboxMax: 2 } });
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  const acknowledgeAll = async (): Promise<void> => {
    for (const entry of terminal.state.books.outbox)
      if (entry.kind === 'voucher')
        await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry.entry) });
  };
  const channels = (): number[] =>
    terminal.state.books.lanes.map((lane) => Number(lane.channel)).sort((a, b) => a - b);
  await acknowledgeAll();
  await lateFrom(terminal, 8);
  await lateFrom(terminal, 9);
  assert.is(terminal.refused.at(-1), 'lanes_full', 'one waits for the hub, the other is delivered on');
  assert.equal(channels(), [7, 8]);
  await greet(terminal);
  await terminal.on(message(tickMessage(1, 5, 1)));
  assert.is(terminal.said('deliver').length, 1);
  await deliverTick(terminal);
  await terminal.on({ type: 'closeSession', challenge: challenge(9) });
  await terminal.on({ type: 'cancel' });
  terminal.state = {
    ...terminal.state,
    books: applyRecord(terminal.state.books, {
      type: 'tickAcknowledged',
      stream: terminal.state.books.lanes[0]!.digest,
      k: 1,
    }),
  };
  await acknowledgeAll();
  await lateFrom(terminal, 9);
  assert.equal(channels(), [7, 9], 'the stream is older, and may still get a tick');
  await acknowledgeAll();
  await lateFrom(terminal, 10, seconds(START + 1));
  assert.equal(channels(), [7, 10]);
});

for (const [name, end] of [
  ['cancel', async (terminal: Terminal) => terminal.on({ type: 'cancel' })],
  ['timeout', timeOut],
  ['changed amount', async (terminal: Terminal) => terminal.on(sale(5, 9))],
] as const)
  test(`open, ${name}: the request is dropped, and a voucher for it is void`, async () => {
    const terminal = await makeTerminal();
    const payer = await makePayer();
    await terminal.on(sale(1000, 1));
    await link(payer, terminal, isVoucher);
    await end(terminal);
    await unlink(payer, terminal);
    await terminal.on({ type: 'cancel' });
    assert.is(terminalPhase(terminal.state), 'idle');
    await link(payer, terminal);
    assert.is(terminal.said('approved').length, 0);
    assert.is(terminal.said('voided')[0]?.amount, 1000);
    assert.is(payer.state.books.unconfirmed.length, 0);
  });

async function timeOut(terminal: Terminal): Promise<void> {
  terminal.nowMs = REQUEST_OPEN_SECONDS * 1000 - 1;
  await terminal.on({ type: 'clock' });
  assert.is(terminalPhase(terminal.state), 'open');
  terminal.nowMs += 1;
  await terminal.on({ type: 'clock' });
}

test('open, restart: the request was never asked, and a voucher for it is void', async () => {
  const terminal = await makeTerminal();
  const payer = await makePayer();
  await terminal.on(sale(1000, 1));
  await link(payer, terminal, isVoucher);
  const again = await restartTerminal(terminal);
  await link(payer, again);
  assert.is(again.said('voided').length, 1);
  assert.is(payer.said('voided').length, 1);
});

test('a receipt that was lost is said again, and the sale is not approved twice', async () => {
  const terminal = await makeTerminal();
  const payer = await makePayer();
  await tap(payer, terminal, 1000, 1, isAnswer);
  assert.is(terminal.said('approved').length, 1);
  const again = await restartTerminal(terminal);
  await link(payer, again);
  assert.is(again.said('approved').length, 0);
  assert.is(payer.said('paid').length, 1);
  assert.is(again.state.books.lanes[0]?.base, 1000);
});

test('session, preimage k+1: stored, delivered, and answered when it was delivered', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  const from = terminal.order.length;
  await terminal.on(message(tickMessage(1, 5, 1)));
  assert.equal(terminal.order.slice(from), ['persist', 'notify']);
  const sent = terminal.sent.length;
  await terminal.on(message(tickMessage(1, 5, 1)));
  assert.is(terminal.sent.length, sent, 'the answer waits for the delivery');
  await deliverTick(terminal);
  assert.equal(terminal.sent.at(-1), { type: 'tickAnswer', channel: CHANNEL, seq: 1, k: 1 });
  await terminal.on(message(tickMessage(1, 5, 1)));
  assert.equal(terminal.sent.at(-1), { type: 'tickAnswer', channel: CHANNEL, seq: 1, k: 1 });
  assert.is(terminal.said('deliver').length, 1, 'a repeated tick is delivered once');
});

test('session, the lease ran out: the closing request goes out instead of another tick', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  await terminal.on(message(tickMessage(1, 5, 1)));
  terminal.nowMs = 73 * 3600 * 1000;
  await terminal.on({ type: 'clock', realTime: seconds(START + 73 * 3600) });
  await deliverTick(terminal);
  assert.is(terminal.said('sessionOver')[0]?.reason, 'lease_expired');
  assert.equal(
    terminal.sent.slice(-2).map((sent) => sent.type),
    ['request', 'tickAnswer'],
  );
});

test('idle, late preimage k+1: stored, answered, and credited', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  await terminal.on(message(tickMessage(1, 5, 1)));
  await deliverTick(terminal);
  const again = await restartTerminal(terminal);
  await greet(again);
  await again.on(message(tickMessage(1, 5, 2)));
  assert.is(again.said('deliver').length, 0);
  const answers = again.sent.slice(-2);
  assert.equal(
    answers.map((sent) => sent.type),
    ['tickAnswer', 'credit'],
  );
  assert.ok(answers[1]?.type === 'credit' && answers[1].credited === 10);
  const { lanes, outbox } = again.state.books;
  assert.equal([lanes[0]?.base, lanes[0]?.credited, lanes[0]?.stream?.late], [20, 10, 1]);
  assert.ok(outbox.some((entry) => entry.kind === 'credit' && entry.credited === 10));
});

test('a cut between a late tick and its credit: the credit is made up for before anything else happens', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  const late = await restartTerminal(terminal);
  const { preimage, k } = tickMessage(1, 5, 1);
  const books = applyRecord(late.state.books, { type: 'tick', channel: CHANNEL, k, preimage, late: true });
  const again = await makeTerminal({ books });
  assert.is(again.state.books.lanes[0]?.credited, 10);
  const records = again.records.length;
  await again.on({ type: 'clock' });
  assert.is(again.records.length, records, 'once');
});

test('a tick that comes after a refund is given back on top of it', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  for (const k of [1, 2, 3]) {
    await terminal.on(message(tickMessage(1, 5, k)));
    await deliverTick(terminal);
  }
  await terminal.on({ type: 'closeSession', challenge: challenge(9) });
  await terminal.on({ type: 'refund', channel: CHANNEL, credited: amount(20) });
  assert.is(terminal.state.books.lanes[0]?.credited, 20);
  await terminal.on(message(tickMessage(1, 5, 4)));
  assert.is(terminal.state.books.lanes[0]?.credited, 30, 'one tick was kept for what was delivered');
});

test('after the session was closed a further tick is credited, not delivered', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  await terminal.on(message(tickMessage(1, 5, 1)));
  await terminal.on({ type: 'closeSession', challenge: challenge(9) });
  assert.is(terminal.said('sessionOver')[0]?.reason, 'closed');
  await terminal.on(message(tickMessage(1, 5, 2)));
  assert.is(terminal.said('deliver').length, 1, 'only the first');
  assert.is(terminal.state.books.lanes[0]?.credited, 10);
});

test("any, the hub's acknowledgement: out of the outbox, and the lane record stays", async () => {
  const terminal = await makeTerminal();
  const payer = await makePayer();
  await tap(payer, terminal, 900, 1);
  const [entry] = terminal.state.books.outbox;
  if (entry?.kind !== 'voucher') throw new Error('no voucher waits');
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry.entry, keys.stranger) });
  assert.is(terminal.state.books.outbox.length, 1, 'a stranger acknowledges nothing');
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(new Uint8Array(32)) });
  assert.is(terminal.state.books.outbox.length, 1, 'another entry acknowledges nothing');
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry.entry) });
  assert.is(terminal.state.books.outbox.length, 0);
  assert.ok(equalBytes(terminal.state.books.lanes[0]!.digest, entry.entry));
});

test('a sale that replaces the open request survives the answer to the earlier one', async () => {
  const terminal = await makeTerminal();
  await terminal.on(sale(1000, 1));
  await greet(terminal);
  const voucher = await voucherFor(terminal);
  let signature: Uint8Array | undefined;
  // The key takes its time: a second sale comes between the verification and the signature.
  const held = terminal as unknown as { sign: (digest: Uint8Array) => Promise<Uint8Array> };
  const sign = held.sign;
  held.sign = async (digest) => {
    held.sign = sign;
    signature = await sign(digest);
    await terminal.on(sale(700, 2));
    return signature;
  };
  await terminal.on(message(voucher));
  assert.ok(signature);
  assert.is(terminal.said('approved')[0]?.amount, 1000);
  assert.is(terminal.state.volatile.open?.request.amount, amount(700));
});

test.run();
