import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount } from '../../protocol/integers.ts';
import { challenge, link, makePayer, makeTerminal } from './bench.ts';

test('a tap moves the amount to the lane, and both sides remember it', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on({ type: 'sale', amount: amount(1_500_000), currency: 'TIME', challenge: challenge(1) });
  await link(payer, terminal);
  assert.is(terminal.said('approved').length, 1);
  assert.is(payer.said('paid').length, 1);
  assert.is(payer.state.books.spent, 1_500_000);
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(terminal.state.books.lanes[0]?.base, 1_500_000);
  assert.is(terminal.state.books.outbox.length, 1);
});

test('a stream reveals a tick only after the last was answered, and closes with a voucher of amount 0', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on({
    type: 'streamSale',
    tickValue: amount(20_000),
    ticks: 100,
    currency: 'TIME',
    challenge: challenge(1),
  });
  await link(payer, terminal);
  assert.is(terminal.said('streamOpened').length, 1);
  for (let k = 1; k <= 10; k++) {
    const deliver = terminal.said('deliver').at(-1);
    assert.ok(deliver?.type === 'deliver' && deliver.k === k);
    if (deliver?.type !== 'deliver') return;
    if (k < 10)
      await terminal.on({ type: 'delivered', channel: deliver.channel, k, challenge: challenge(9) });
  }
  assert.is(payer.state.books.spent, 200_000);
  await terminal.on({ type: 'closeSession', challenge: challenge(2) });
  assert.is(payer.state.books.stream, undefined);
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(terminal.state.books.lanes[0]?.base, 200_000);
  assert.is(terminal.state.books.lanes[0]?.stream, undefined);
  assert.is(payer.state.books.spent, 200_000);
});

test.run();
