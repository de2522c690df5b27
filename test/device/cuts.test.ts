/** The power goes at every flash write and before every effect; then it comes back and the payment is finished. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount } from '../../protocol/integers.ts';
import { challenge } from '../protocol/bench.ts';
import { type Cut, Pair, type Side } from './pair.ts';

const PRICE = 1_250_000;
const TICK = 20_000;
const TICKS = 3;

/** A story starts on linked devices and is driven until it is over or one side is dead. */
type Story = (pair: Pair) => Promise<void>;

const tap: Story = async (pair) => {
  await pair.sale(PRICE);
  await pair.settle();
};

/** Three ticks, each delivered at once, then the closing voucher. */
const charge: Story = async (pair) => {
  await pair.terminal.dispatch({
    type: 'streamSale',
    tickValue: amount(TICK),
    ticks: 8,
    currency: 'TIME',
    challenge: challenge(7),
  });
  await pair.settle();
  await deliver(pair);
};

/** Hands over whatever was paid, and closes after the third tick. */
async function deliver(pair: Pair): Promise<void> {
  for (let round = 0; round < 3 * TICKS && pair.dead === undefined; round++) {
    const { session } = pair.terminal.state.volatile;
    if (session === undefined) return;
    const { channel, delivering } = session;
    if (delivering === 0) return;
    const event =
      delivering < TICKS
        ? ({ type: 'delivered', channel, k: delivering, challenge: challenge(8) } as const)
        : ({ type: 'closeSession', challenge: challenge(9) } as const);
    await pair.terminal.dispatch(event);
    await pair.settle();
  }
}

/** Runs a story with one cut; afterwards both sides come up, meet again, and everything must be resolved. */
async function runWithCut(
  story: Story,
  cut: Cut | undefined,
  seed: number,
  bytesLeft?: number,
): Promise<Pair> {
  const pair = await Pair.create(seed, bytesLeft);
  pair.link();
  await pair.settle();
  pair.arm(cut);
  await story(pair);
  for (let round = 0; round < 4; round++) {
    const { dead } = pair;
    if (dead !== undefined) await pair.restart(dead);
    pair.arm();
    pair.link();
    await pair.settle();
    await pair.pass(4000);
    await deliver(pair);
    await pair.pass(4000);
    if (pair.terminal.state.volatile.session !== undefined) {
      await pair.terminal.dispatch({ type: 'closeSession', challenge: challenge(10 + round) });
      await pair.settle();
    }
  }
  return pair;
}

function checkMoney(pair: Pair, what: string): void {
  for (const [seq, vouchers] of pair.signed)
    assert.is(vouchers.size, 1, `${what}: seq ${seq} was signed as two different vouchers`);
  const payer = pair.payer.state.books;
  const lane = pair.terminal.state.books.lanes[0];
  assert.equal(payer.unconfirmed, [], `${what}: something stays without an answer`);
  const paid = payer.lanes[0]?.paid ?? 0;
  assert.is(payer.spent, paid, `${what}: spent is not the sum of the lanes`);
  assert.is(lane?.base ?? 0, paid, `${what}: payer and terminal disagree on the lane`);
  // What the terminal keeps: everything on the lane but what it gave back.
  const { outbox } = pair.terminal.state.books;
  let kept = 0;
  for (const entry of outbox) {
    if (entry.kind === 'voucher') kept += entry.collected.receipt ? entry.collected.request.amount : 0;
    if (entry.kind === 'tick') kept += entry.k * entry.tickValue;
    if (entry.kind === 'credit') kept -= entry.credited;
  }
  const credited = outbox.reduce(
    (sum, entry) =>
      sum +
      (entry.kind === 'voucher' && entry.collected.credit ? entry.collected.request.amount : 0) +
      (entry.kind === 'credit' ? entry.credited : 0),
    0,
  );
  assert.is(kept + credited, paid, `${what}: kept and credited are not what was paid`);
}

async function cutEverywhere(
  story: Story,
  side: Side,
  finish: (pair: Pair, what: string) => void,
  bytesLeft?: number,
): Promise<number> {
  const whole = await runWithCut(story, undefined, 1, bytesLeft);
  finish(whole, 'no cut');
  const counted = await Pair.create(1, bytesLeft);
  counted.link();
  await counted.settle();
  counted.arm();
  await story(counted);
  let cuts = 0;
  const points = [
    { kind: 'flash', lost: false, count: counted.flash[side].operations },
    { kind: 'effect', lost: false, count: counted.effects[side] },
    { kind: 'effect', lost: true, count: counted.effects[side] },
  ] as const;
  for (const { kind, lost, count } of points) {
    for (let at = 1; at <= count; at++) {
      const pair = await runWithCut(story, { side, kind, at, lost }, at, bytesLeft);
      finish(pair, `${side} cut at ${kind} ${at} of ${count}${lost ? ', last words lost' : ''}`);
      cuts += 1;
    }
  }
  return cuts;
}

for (const side of ['payer', 'terminal'] as const) {
  test(`a tap survives a cut of the ${side} at every flash write and effect`, async () => {
    const cuts = await cutEverywhere(tap, side, (pair, what) => {
      checkMoney(pair, what);
      const kept = pair.terminal.state.books.outbox.filter(
        (entry) => entry.kind === 'voucher' && entry.collected.receipt,
      ).length;
      assert.ok(pair.said('terminal', 'approved') <= 1, `${what}: approved twice`);
      assert.ok(kept >= pair.said('terminal', 'approved'), `${what}: approved goods without a voucher`);
    });
    console.log(`tap: ${cuts} cut points of the ${side}`);
    assert.ok(cuts > 50);
  });

  test(`a tap that has to start a new bank survives a cut of the ${side} anywhere`, async () => {
    const cuts = await cutEverywhere(tap, side, checkMoney, 120);
    console.log(`tap with a new bank: ${cuts} cut points of the ${side}`);
    assert.ok(cuts > 100);
  });

  test(`a stream survives a cut of the ${side} at every flash write and effect`, async () => {
    const cuts = await cutEverywhere(charge, side, checkMoney);
    console.log(`stream: ${cuts} cut points of the ${side}`);
    assert.ok(cuts > 100);
  });
}

test.run();
