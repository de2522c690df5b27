/** The payer's transition table, row by row. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { equalBytes } from '../../protocol/bytes.ts';
import { amount } from '../../protocol/integers.ts';
import { payerPhase } from '../../protocol/machines/payer/state.ts';
import type { UnconfirmedVoucher } from '../../protocol/machines/payer/books.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  deliverTick,
  keys,
  link,
  makePayer,
  makeTerminal,
  type Payer,
  restartPayer,
  sale,
  signing,
  streamSale,
  tap,
  type Terminal,
  unlink,
} from './bench.ts';
import { acknowledgement } from './forge.ts';

const isReceipt = (message: Message): boolean => message.type === 'receipt';
const isVoucher = (message: Message): boolean =>
  message.type === 'voucher' || message.type === 'resolveVoucher' || message.type === 'stream';

const waiting = (payer: Payer): UnconfirmedVoucher => {
  const [entry] = payer.state.books.unconfirmed;
  if (entry?.kind !== 'voucher') throw new Error('no voucher waits');
  return entry;
};

test('idle, request: the intent is stored, then signed, then sent, and the payer waits', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 5, 1);
  assert.is(payerPhase(payer.state), 'idle');
  await terminal.on(sale(1000, 2));
  const from = payer.order.length;
  const records = payer.records.length;
  await link(payer, terminal, isReceipt);
  assert.is(payerPhase(payer.state), 'waiting');
  const stored = payer.records.slice(records).map((record) => record.type);
  assert.equal(stored, ['intent']);
  const order = payer.order.slice(from).filter((type) => type !== 'notify');
  assert.equal(order, ['send', 'persist', 'sign', 'send'], 'greeting, intent, signature, voucher');
});

test('idle, request while something at this terminal is unanswered: that is resolved first', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 1000, 1, isReceipt);
  assert.is(payerPhase(payer.state), 'waiting');
  const from = payer.sent.length;
  await tap(payer, terminal, 500, 2);
  const types = payer.sent.slice(from).map((message) => message.type);
  assert.equal(types, ['hello', 'resolveVoucher', 'voucher']);
  assert.is(payer.state.books.spent, 1500);
  assert.is(payerPhase(payer.state), 'idle');
  assert.is(terminal.said('approved').length, 2);
});

test('while the earlier voucher stays unanswered, no new one is signed at this terminal, but at another', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  const other = await makeTerminal({ key: keys.terminal2 });
  await tap(payer, terminal, 1000, 1, isReceipt);
  await tap(payer, terminal, 500, 2, isReceipt);
  assert.is(payer.state.books.seq, 1, 'the second request waits for the first answer');
  await tap(payer, other, 300, 3);
  assert.is(payer.state.books.seq, 2);
  assert.is(other.said('approved').length, 1);
  assert.equal(
    payer.state.books.unconfirmed.map((entry) => entry.kind === 'voucher' && entry.voucher.seq),
    [1],
  );
});

test('any, receipt: the voucher is confirmed and goes into the outbox with its receipt', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 1000, 1);
  assert.is(payer.records.at(-1)?.type, 'confirmed');
  assert.is(payerPhase(payer.state), 'idle');
  const [copy] = payer.state.books.outbox;
  const held = terminal.state.books.outbox[0];
  assert.ok(copy && held?.kind === 'voucher');
  if (!copy || held?.kind !== 'voucher') return;
  assert.equal(copy.collected, held.collected, 'the second copy is the first, with its receipt');
  assert.ok(copy.collected.receipt);
  assert.is(payer.said('paid').length, 1);
});

test("any, the hub's acknowledgement of the digest: confirmed, with no copy of its own", async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 1000, 1, isReceipt);
  const { digest } = waiting(payer);
  await payer.on({ type: 'hubConnected' });
  assert.ok(payer.uploads.some((message) => message.type === 'query' && equalBytes(message.entry, digest)));
  assert.not.ok(
    payer.uploads.some((message) => message.type === 'pack'),
    'a voucher without its receipt is never uploaded',
  );
  await payer.on({ type: 'hubMessage', message: await acknowledgement(digest, keys.stranger) });
  assert.is(payer.state.books.unconfirmed.length, 1, 'a stranger acknowledges nothing');
  await payer.on({ type: 'hubMessage', message: await acknowledgement(digest) });
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(payer.state.books.outbox.length, 0);
});

for (const by of ['terminal', 'payee'] as const)
  test(`any, credit for the full amount by the ${by}: voided, and the numbers stay`, async () => {
    const payer = await makePayer();
    const terminal = await makeTerminal();
    await tap(payer, terminal, 1000, 1, isVoucher);
    const { digest } = waiting(payer);
    const credit = async (value: number): Promise<Message> => {
      const credited = amount(value);
      const signature = await keys[by].sign(signing.digest('Credit', { voucher: digest, credited }));
      return { type: 'credit', voucher: digest, credited, signature };
    };
    const { books } = payer.state;
    await payer.on({ type: 'message', message: await credit(999) });
    assert.ok(payer.state.books === books, 'a part given back is no void');
    await payer.on({ type: 'message', message: await credit(1000) });
    assert.is(payer.records.at(-1)?.type, 'voided');
    const { unconfirmed, spent, seq, lanes, outbox } = payer.state.books;
    assert.equal([unconfirmed.length, spent, seq, lanes[0]?.paid, outbox.length], [0, 1000, 1, 1000, 0]);
    assert.is(lanes[0]?.confirmedSeq, 0, 'a voided voucher is listed nowhere');
  });

test('any, a void that the hub passes on: voided as by the terminal itself, and listed nowhere', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 1000, 1, isVoucher);
  const { digest } = waiting(payer);
  const credited = amount(1000);
  const signature = await keys.terminal.sign(signing.digest('Credit', { voucher: digest, credited }));
  await payer.on({ type: 'hubConnected' });
  const credit = { type: 'credit' as const, voucher: digest, credited, signature };
  await payer.on({ type: 'hubMessage', message: { ...credit, signature: new Uint8Array(64) } });
  assert.is(payer.state.books.unconfirmed.length, 1, 'unsigned it is nothing');
  await payer.on({ type: 'hubMessage', message: credit });
  assert.equal([payer.said('voided').length, payer.said('paid').length], [1, 0]);
  assert.equal([payer.state.books.unconfirmed.length, payer.state.books.lanes[0]?.confirmedSeq], [0, 0]);
});

test('waiting, link lost: the voucher stays unconfirmed and is resent identical; its seq is never signed again', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 1000, 1, isVoucher);
  const { digest, voucher } = waiting(payer);
  await link(payer, terminal);
  const resent = payer.sent.at(-1);
  assert.ok(resent?.type === 'voucher' && resent.spent === voucher.spent);
  assert.is(terminal.said('approved').length, 1);
  assert.ok(equalBytes(terminal.said('approved')[0]!.voucher, digest));
});

test('waiting, power cut after the intent: the very same voucher is signed and sent', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 1000, 1, isVoucher);
  const { digest } = waiting(payer);
  const again = await restartPayer(payer);
  assert.is(again.state.volatile.signatures.length, 0);
  await link(again, terminal);
  assert.ok(equalBytes(terminal.said('approved')[0]!.voucher, digest));
  assert.is(again.state.books.unconfirmed.length, 0);
});

test('waiting, changed amount: the earlier voucher is resolved and credited before the new one', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(sale(1000, 1));
  await link(payer, terminal, isVoucher);
  await terminal.on(sale(700, 2));
  await unlink(payer, terminal);
  await link(payer, terminal);
  assert.is(terminal.said('voided').length, 1);
  assert.equal(
    terminal.said('approved').map((notice) => notice.amount),
    [700],
  );
  assert.is(payer.said('voided').length, 1);
  assert.is(payer.state.books.spent, 1700, 'a void stays spent until the vault has the credit');
});

async function streaming(ticks = 5): Promise<{ payer: Payer; terminal: Terminal }> {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, ticks));
  await link(payer, terminal);
  assert.is(payerPhase(payer.state), 'stream');
  return { payer, terminal };
}

test('stream, tick answered: the next is stored, then revealed, and only then', async () => {
  const { payer, terminal } = await streaming();
  assert.is(payer.state.books.stream?.revealed, 1);
  for (const k of [1, 2, 3]) {
    const from = payer.order.length;
    await payer.on({ type: 'clock' });
    assert.is(payer.state.books.stream?.revealed, k, 'nothing follows an unanswered tick');
    assert.is(await deliverTick(terminal), k);
    const order = payer.order.slice(from).filter((type) => type !== 'notify');
    assert.equal(order, ['persist', 'send']);
    assert.equal(payer.records.at(-1), { type: 'tickRevealed', k: k + 1 });
  }
});

test('stream, all ticks used: no further one is revealed', async () => {
  const { payer, terminal } = await streaming(3);
  for (const k of [1, 2, 3]) assert.is(await deliverTick(terminal), k);
  assert.is(payer.state.books.stream?.revealed, 3);
  assert.is(terminal.said('sessionOver').at(-1)?.reason, 'used_up');
  assert.is(payer.state.books.spent, 30);
});

test('stream, request from anyone: closed at the tick revealed, which stays unconfirmed', async () => {
  const { payer, terminal } = await streaming();
  await deliverTick(terminal);
  await unlink(payer, terminal);
  const other = await makeTerminal({ key: keys.terminal2 });
  await tap(payer, other, 100, 2);
  const { books } = payer.state;
  assert.is(books.stream, undefined);
  assert.equal(
    books.unconfirmed.map((entry) => entry.kind === 'tick' && entry.k),
    [2],
  );
  assert.is(books.spent, 120, 'both ticks and the payment');
  assert.is(other.state.books.lanes[0]?.base, 120, 'one payee, one lane');
  // The first terminal gets its tick at the next meeting, and credits it: it delivers no more.
  await terminal.on({ type: 'closeSession', challenge: new Uint8Array(16) });
  await terminal.on(sale(50, 3));
  await link(payer, terminal);
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(terminal.said('approved').length, 1);
});

test('stream, restart: closed; the last tick is resolved like a voucher', async () => {
  const { payer, terminal } = await streaming();
  await deliverTick(terminal);
  await unlink(payer, terminal);
  const again = await restartPayer(payer);
  assert.is(again.state.books.stream, undefined);
  assert.is(again.state.books.unconfirmed.length, 1);
  await terminal.on({ type: 'closeSession', challenge: new Uint8Array(16) });
  await link(again, terminal);
  assert.is(again.state.books.unconfirmed.length, 0);
  assert.equal([again.state.books.spent, terminal.state.books.lanes[0]?.base], [20, 20]);
});

test('stream, the driver stops: the terminal hears so, and no further tick is revealed', async () => {
  const { payer, terminal } = await streaming();
  await payer.on({ type: 'stop' });
  assert.is(terminal.said('endWanted')[0]?.channel, CHANNEL);
  await deliverTick(terminal);
  assert.is(payer.state.books.stream?.revealed, 1);
});

test('a receipt that comes after the first tick went out does not reveal a second one', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await link(payer, terminal, isReceipt);
  const { voucher, digest } = payer.state.books.stream!;
  await payer.on({
    type: 'message',
    message: { type: 'tickAnswer', channel: CHANNEL, seq: voucher.seq, k: 0 },
  });
  assert.is(payer.state.books.stream?.revealed, 1);
  const signature = await keys.terminal.sign(signing.digest('Receipt', { voucher: digest }));
  await payer.on({ type: 'message', message: { type: 'receipt', voucher: digest, signature } });
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(payer.state.books.stream?.revealed, 1, 'tick 1 has no answer yet');
});

test('an answer to the tick before the revealed one means that the revealed one was lost: it is sent again', async () => {
  const { payer, terminal } = await streaming();
  await deliverTick(terminal);
  const tick = payer.sent.at(-1)!;
  const stream = payer.state.books.stream!;
  await payer.on({
    type: 'message',
    message: { type: 'tickAnswer', channel: CHANNEL, seq: stream.voucher.seq, k: 1 },
  });
  assert.equal(payer.sent.at(-1), tick);
  assert.is(payer.state.books.stream?.revealed, 2);
});

test('after three seconds without an answer what waits is sent again, identical', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(sale(1000, 1));
  let lost = 0;
  await link(payer, terminal, (message) => isVoucher(message) && lost++ < 2);
  assert.is(terminal.said('approved').length, 0);
  payer.nowMs = 2999;
  await payer.on({ type: 'clock' });
  assert.is(lost, 1);
  payer.nowMs = 3000;
  await payer.on({ type: 'clock' });
  payer.nowMs = 6000;
  await payer.on({ type: 'clock' });
  assert.is(terminal.said('approved').length, 1);
  assert.is(payer.state.books.seq, 1);
});

test('a request that was paid already is not paid again when the terminal repeats it', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(sale(1000, 1));
  const { message } = terminal.state.volatile.open!;
  await link(payer, terminal);
  await payer.on({ type: 'message', message });
  assert.is(payer.state.books.seq, 1);
});

test.run();
