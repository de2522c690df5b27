/**
 * What a payer makes of answers: of a hub key that it doesn't know, of a terminal that forgot, of none at all.
 * Not checked here: the whole table (payer-table), refusals of requests (payer-refusals), the hub's side (hub-link).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Bytes32, ZERO_BYTES32 } from '../../protocol/bytes.ts';
import { amount, seconds } from '../../protocol/integers.ts';
import { refusalNumber } from '../../protocol/refusals.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import { sameBooks } from '../../simulators/stage/compare.ts';
import {
  deliverTick,
  keys,
  lease,
  link,
  makePayer,
  makeTerminal,
  type Payer,
  sale,
  secret,
  START,
  streamSale,
  tap,
  unlink,
} from './bench.ts';
import { acknowledgement, beacon, certificate, later } from './forge.ts';

const hubKeyBy = (root: typeof keys.root): Promise<Message> =>
  certificate(keys.nextHub.address, START, {}, root);

test('what a key signed that is not the hub’s moves nothing, and is refused by us', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 100, 1);
  const [copy] = payer.state.books.outbox;
  const stranger = keys.stranger;
  const { books, volatile } = payer.state;
  for (const forged of [
    await acknowledgement(copy!.digest, stranger),
    await beacon(later(5), ZERO_BYTES32, stranger),
    await hubKeyBy(stranger),
    await lease({ spendLimit: amount(90_000_000), issuedAt: seconds(START + 5) }, stranger),
  ]) {
    payer.notices.length = 0;
    await payer.on({ type: 'hubMessage', message: forged });
    assert.equal(payer.notices, [{ type: 'refused', code: 'hub_key_unknown', by: 'us' }], forged.type);
    assert.is(sameBooks(payer.state.books, books), undefined, forged.type);
    assert.equal(payer.state.volatile.time, volatile.time, forged.type);
  }
  for (const message of [
    await acknowledgement(copy!.digest),
    await beacon(later(5)),
    await hubKeyBy(keys.root),
    await lease({ spendLimit: amount(90_000_000), issuedAt: seconds(START + 5) }),
  ]) {
    const before = payer.state;
    await payer.on({ type: 'hubMessage', message });
    assert.ok(sameBooks(payer.state.books, before.books), `${message.type} is kept`);
  }
  assert.is(payer.state.books.time, later(5));
});

test('a second tap whose answer was lost is sent again by itself', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 100, 1);
  await terminal.on(sale(30, 2));
  // The certificate is known since the first tap: nothing but the request says who is there.
  let lost = 0;
  await link(payer, terminal, (message) => {
    if (message.type !== 'receipt' && message.type !== 'certificate') return false;
    lost += message.type === 'receipt' ? 1 : 0;
    return lost < 2;
  });
  assert.is(payer.state.books.unconfirmed.length, 1);
  for (const [nowMs, waiting] of [
    [2999, 1],
    [3000, 0],
  ] as const) {
    payer.nowMs = nowMs;
    await payer.on({ type: 'clock' });
    assert.is(payer.state.books.unconfirmed.length, waiting, `after ${nowMs} ms`);
  }
});

/** A payer with an unanswered tick at a charger, which asks for 7 at its next visit. */
async function unansweredTick(): Promise<{ payer: Payer; request: Message }> {
  const payer = await makePayer();
  const charger = await makeTerminal();
  await charger.on(streamSale(5, 10, 1));
  await link(payer, charger, (message) => message.type === 'tickAnswer');
  await deliverTick(charger);
  await unlink(payer, charger);
  await payer.on({ type: 'linkUp' });
  const request: Message = {
    type: 'request',
    terminal: keys.terminal.address,
    payee: keys.payee.address,
    at: START,
    currency: 'TIME',
    challenge: new Uint8Array(16).fill(9),
    amount: amount(7),
  };
  await payer.on({ type: 'message', message: request });
  assert.is(payer.state.books.spent, 5, 'the tick is resolved first');
  assert.ok(payer.state.volatile.pending);
  return { payer, request };
}

const refusal = (code: Parameters<typeof refusalNumber>[0], subject?: Bytes32): Message => ({
  type: 'refusal',
  code: refusalNumber(code),
  ...(subject && { subject }),
});

test('a terminal that forgot the stream: the tick is written off, and what was asked for is paid at once', async () => {
  const { payer } = await unansweredTick();
  await payer.on({ type: 'message', message: refusal('ask_hub') });
  assert.ok(payer.records.some(({ type }) => type === 'tickForgotten'));
  assert.is(payer.state.books.spent, 12);
  assert.is(payer.state.books.unconfirmed.length, 1);
  assert.is(payer.state.volatile.pending, undefined);
});

test('no other refusal writes a tick off, nor one about a voucher', async () => {
  for (const message of [refusal('busy'), refusal('no_session'), refusal('ask_hub', secret(3))]) {
    const { payer } = await unansweredTick();
    await payer.on({ type: 'message', message });
    assert.not(payer.records.some(({ type }) => type === 'tickForgotten'));
    assert.is(payer.state.books.spent, 5);
    assert.is(payer.state.volatile.pending, undefined, 'the request is given up');
    assert.is(payer.said('refused').at(-1)?.by, 'peer');
  }
});

test('a cancelled request is not paid later', async () => {
  const { payer, request } = await unansweredTick();
  await payer.on({ type: 'message', message: { type: 'cancel', request: secret(1) } });
  assert.is(payer.state.volatile.pending, undefined);
  await payer.on({ type: 'message', message: refusal('ask_hub') });
  assert.is(payer.state.books.spent, 5);
  await payer.on({ type: 'message', message: request });
  assert.is(payer.state.books.spent, 12, 'but when it is asked again');
});

test.run();
