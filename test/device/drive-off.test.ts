import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount } from '../../protocol/integers.ts';
import { challenge } from '../protocol/bench.ts';
import { Pair } from './pair.ts';

const TICK = 20_000;

async function charging(): Promise<Pair> {
  const pair = await Pair.create(3);
  pair.link();
  await pair.terminal.dispatch({
    type: 'streamSale',
    tickValue: amount(TICK),
    ticks: 50,
    currency: 'TIME',
    challenge: challenge(1),
  });
  await pair.settle();
  const { channel } = pair.terminal.state.books.lanes[0]!;
  await pair.terminal.dispatch({ type: 'delivered', channel, k: 1, challenge: challenge(2) });
  await pair.settle();
  return pair;
}

test('a car that drives off leaves one tick open, and the charger is free after half a minute', async () => {
  const pair = await charging();
  pair.unlink();
  await pair.pass(29_000);
  assert.is(pair.said('terminal', 'sessionOver'), 0);
  await pair.pass(2_000);
  const over = pair.notices.terminal.find((notice) => notice.type === 'sessionOver');
  assert.equal(over?.type === 'sessionOver' && over.reason, 'link_lost');
  // Tick 2 was paid when the car left; its worth was under way.
  assert.is(pair.payer.state.books.spent, 2 * TICK);
  assert.is(pair.terminal.state.books.lanes[0]?.base, 2 * TICK);
});

test('a radio that drops out for a moment does not end the session', async () => {
  const pair = await charging();
  pair.unlink();
  await pair.pass(10_000);
  pair.link();
  await pair.settle();
  const { channel } = pair.terminal.state.books.lanes[0]!;
  await pair.terminal.dispatch({ type: 'delivered', channel, k: 2, challenge: challenge(3) });
  await pair.settle();
  assert.is(pair.terminal.state.books.lanes[0]?.stream?.k, 3);
  assert.is(pair.payer.state.books.spent, 3 * TICK);
});

test.run();
