/**
 * The charger's role on a real runtime: energy is paid before it flows, and each session starts at zero.
 * Not checked here: what the terminal accepts (test/protocol), meters of a board.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Charger } from '../../device/roles/charger.ts';
import type { Meter } from '../../hardware/interfaces/index.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { amount } from '../../protocol/integers.ts';
import { TICKS_MAX } from '../../protocol/limits.ts';
import { Pair } from './pair.ts';

const TICK_WH = 40;

/** A vehicle that takes `capacityWh` a session; what it was allowed is written down. */
class TestMeter implements Meter {
  session = 0;
  total = 0;
  readonly allowed: number[] = [];
  private readonly capacityWh: number;
  constructor(capacityWh: number) {
    this.capacityWh = capacityWh;
  }
  readingWh = (): number => this.total;
  start = (): void => {
    this.session = 0;
  };
  deliverUpTo = (energyWh: number, callback: (full: boolean) => void): void => {
    this.allowed.push(energyWh);
    const reached = Math.min(energyWh, this.capacityWh);
    this.total += reached - this.session;
    this.session = reached;
    callback(reached < energyWh);
  };
  stop = (): void => undefined;
}

async function chargeOnce(pair: Pair, charger: Charger, rounds = 50): Promise<void> {
  const from = pair.notices.terminal.length;
  await charger.offer();
  let seen = from;
  for (let round = 0; round < rounds; round++) {
    await pair.settle();
    const fresh = pair.notices.terminal.slice(seen);
    seen += fresh.length;
    if (fresh.length === 0) return;
    for (const notice of fresh) charger.onNotice(notice);
  }
  throw new Error('the session never ends');
}

test('two cars in a row pay for what each of them took, tick by tick', async () => {
  const pair = await Pair.create(5);
  pair.link();
  await pair.settle();
  const meter = new TestMeter(110);
  const entropy = {
    certified: true,
    random: (length: number) => new Uint8Array(length).fill(meter.total & 255),
  };
  const tariff = { tickValue: amount(20_000), tickEnergyWh: TICK_WH };
  const charger = new Charger(pair.terminal, entropy, meter, tariff, nobleSuite.keccak256);
  for (const session of [1, 2]) {
    await chargeOnce(pair, charger);
    // 110 Wh are two whole ticks and a part of a third, which is paid and ends the session.
    assert.equal(meter.allowed, [40, 80, 120]);
    assert.is(meter.total, 110 * session);
    assert.is(pair.payer.state.books.spent, 60_000 * session);
    assert.is(pair.terminal.state.books.lanes[0]?.base, 60_000 * session);
    assert.is(pair.payer.state.books.stream, undefined);
    meter.allowed.length = 0;
  }
});

test('a session that is longer than a chain of ticks goes on with a fresh one', async () => {
  const pair = await Pair.create(6);
  pair.link();
  await pair.settle();
  const ticks = TICKS_MAX + 20;
  const meter = new TestMeter(TICK_WH * ticks - 5);
  let challenges = 0;
  const entropy = {
    certified: true,
    random: (length: number) => {
      challenges += 1;
      return new Uint8Array(length).fill(challenges & 255, 0, 1).fill(challenges >> 8, 1);
    },
  };
  const tariff = { tickValue: amount(100), tickEnergyWh: TICK_WH };
  const charger = new Charger(pair.terminal, entropy, meter, tariff, nobleSuite.keccak256);
  await chargeOnce(pair, charger, 2 * ticks);
  assert.is(meter.allowed.length, ticks);
  assert.is(meter.total, TICK_WH * ticks - 5);
  assert.is(pair.payer.state.books.spent, 100 * ticks);
  assert.is(pair.terminal.state.books.lanes[0]?.base, 100 * ticks);
  assert.is(pair.payer.state.books.stream, undefined);
});

test.run();
