/**
 * The checker of the promise to payees and payers by itself: what L2 settled is what was delivered, and every unit of
 * difference has a culprit within its bound. Not checked here: the other checkers (checkers.test.ts), and that runs
 * bring such things about (hunt, sim:plants).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesKey } from '../../hub/intake/trie.ts';
import { paidOrAttributed } from '../../simulators/checkers/paid-or-attributed.ts';
import { Accounts } from '../../simulators/fleet/accounts.ts';
import { Bench, credit, otherPayee, otherTerminal, payee, tap, terminal, tick } from '../hub/fleet.ts';

const CHANNEL = 7;
const SEED = new Uint8Array(32).fill(9);

/** A run with one payer and two merchants, of which everything may be set. */
class World {
  readonly bench = new Bench();
  readonly accounts = new Accounts();
  readonly losses: { channel: number; culprit: string; lost: number }[] = [];
  readonly merchants = [payee, otherPayee].map(({ address }, index) => ({
    index,
    id: bytesKey(address),
    givesCredits: true,
    terminals: [{ device: { name: `pos-${index}`, frozen: false, key: { dead: false } } }],
  }));
  readonly payer = {
    channel: CHANNEL,
    honest: true,
    device: { name: 'car-1', frozen: false, key: { dead: false } },
  };
  readonly lanes = new Map<string, { settled: number; credited: number }>();
  readonly channel = { lanes: this.lanes, deposited: 1000, credited: 0, bond: 200, potOpened: 0 };
  readonly hub = { l2: { buries: false }, proofs: () => this.proofs, books: this.bench.state.books };
  readonly proofs = new Set<number>();
  beforeBond = 0;
  creditedOn = 0;
  said: string[] = [];
  private spendLimits: number[] = [];

  get first() {
    return this.merchants[0]!;
  }

  get second() {
    return this.merchants[1]!;
  }

  lend(...spendLimits: number[]): void {
    this.spendLimits = spendLimits;
  }

  settle(merchant: { id: string }, settled: number, credited = 0): void {
    this.lanes.set(merchant.id, { settled, credited });
  }

  deliver(merchant: object, value: number): void {
    this.accounts.add(CHANNEL, merchant as never, 0, value);
  }

  /** What the checker says in the end. */
  end(): string[] {
    this.said = [];
    this.losses.length = 0;
    const { bench, accounts, losses, merchants, payer, hub } = this;
    hub.books = bench.state.books;
    const run = {
      accounts,
      losses,
      hub,
      fleet: {
        payers: [payer],
        merchantOf: (id: string) => merchants.find((merchant) => merchant.id === id),
      },
      vault: {
        channel: () => this.channel,
        settledOf: (_: number, id: string) => this.lanes.get(id)?.settled ?? 0,
        creditedOn: () => this.creditedOn,
      },
      lossBoundOf: () => ({ beforeBond: this.beforeBond, afterBond: 0 }),
    };
    const checker = paidOrAttributed(run as never, (words) => this.said.push(words));
    for (const spendLimit of this.spendLimits) checker.leased?.({ channel: CHANNEL, spendLimit } as never);
    checker.finished?.();
    return this.said;
  }
}

function once(said: string[], words: string): void {
  assert.is(said.length, 1, said.join('; ') || `nothing was said of: ${words}`);
  assert.ok(said[0]!.includes(words), said[0]);
}

test('what was delivered is settled: nothing is said, and nothing is lost', () => {
  const world = new World();
  world.deliver(world.first, 100);
  world.settle(world.first, 130, 30);
  world.settle(world.second, 0);
  assert.equal(world.end(), []);
  assert.equal(world.losses, []);
});

test('an honest payer that is charged for nothing is reported, whichever merchant it is', () => {
  for (const at of [0, 1]) {
    const world = new World();
    world.settle(world.merchants[at]!, 5);
    once(world.end(), `charged 5 by merchant ${at} for nothing`);
    assert.equal(world.losses, []);
  }
});

test('an honest payer got goods that nobody was paid for: reported, unless the hub lent too much', () => {
  const world = new World();
  world.deliver(world.first, 100);
  world.settle(world.first, 90);
  world.lend(300, 800, 500);
  once(world.end(), 'goods for 10 that nobody was paid for');
  // 1000 deposited, 200 of it bond: 800 may be lent.
  world.lend(300, 809, 500);
  once(world.end(), 'lent 9 too much');
  assert.equal(world.losses, [{ channel: CHANNEL, culprit: 'hub', lost: 10 }]);
  world.lend(810);
  assert.equal(world.end(), []);
  assert.equal(world.losses, [{ channel: CHANNEL, culprit: 'hub', lost: 10 }]);
  world.channel.credited = 1;
  once(world.end(), 'lent 9 too much');
  Object.assign(world.channel, { credited: 0, bond: 0, potOpened: 200 });
  assert.equal(world.end(), [], 'a pot was a bond once');
});

test('shortfalls add up over merchants, and one that got too much does not fill them', () => {
  const world = new World();
  world.deliver(world.first, 100);
  world.deliver(world.second, 100);
  world.settle(world.first, 90);
  world.settle(world.second, 95);
  once(world.end(), 'goods for 15');
  world.settle(world.second, 105);
  const said = world.end();
  assert.is(said.length, 2);
  assert.ok(said.some((words) => words.includes('goods for 10')));
});

test('a hub that buries what it acknowledged costs at most that', async () => {
  const world = new World();
  world.bench.send((await tap({ seq: 1, amount: 10, spent: 10, paid: 10 })).bytes);
  world.deliver(world.first, 10);
  once(world.end(), 'goods for 10');
  world.hub.l2.buries = true;
  assert.equal(world.end(), []);
  assert.equal(world.losses, [{ channel: CHANNEL, culprit: 'hub', lost: 10 }]);
  world.deliver(world.first, 1);
  once(world.end(), 'buried 10');
  world.settle(world.first, 6);
  once(world.end(), 'buried 4');
});

test('what only a frozen device or one with a dead key held is its own loss, in either direction', () => {
  for (const settled of [90, 110])
    for (const silent of [{ frozen: true }, { key: { dead: true } }]) {
      const world = new World();
      world.deliver(world.first, 100);
      world.settle(world.first, settled);
      Object.assign(world.second.terminals[0]!.device, silent);
      assert.is(world.end().length, 1, 'another merchant');
      Object.assign(world.first.terminals[0]!.device, silent);
      assert.equal(world.end(), []);
      assert.equal(world.losses, [{ channel: CHANNEL, culprit: 'damage', lost: 10 }]);
      Object.assign(world.first.terminals[0]!.device, { frozen: false, key: { dead: false } });
      Object.assign(world.payer.device, silent);
      assert.equal(world.end(), []);
    }
});

test('a dishonest payer is proved and stays within the bound, and may be charged', () => {
  const world = new World();
  world.payer.honest = false;
  world.deliver(world.first, 100);
  world.settle(world.first, 90);
  world.settle(world.second, 50);
  world.beforeBond = 10;
  once(world.end(), 'cost 10 and nothing proves it');
  world.proofs.add(CHANNEL);
  assert.equal(world.end(), []);
  assert.equal(world.losses, [{ channel: CHANNEL, culprit: 'payer', lost: 10 }]);
  world.beforeBond = 9;
  once(world.end(), 'above the bound of 9');
});

test('a payee that gives nothing back keeps what its terminals promised, and no more', async () => {
  const world = new World();
  const voided = await tap({ seq: 1, amount: 10, spent: 10, paid: 10, answer: 'credit' });
  world.bench.send(voided.bytes);
  world.settle(world.first, 10);
  once(world.end(), 'charged 10');
  world.first.givesCredits = false;
  assert.equal(world.end(), []);
  assert.equal(world.losses, [{ channel: CHANNEL, culprit: 'payee', lost: 10 }]);
  world.settle(world.first, 11);
  once(world.end(), 'its terminals signed for 10');
  world.settle(world.first, 10);
  world.creditedOn = 1;
  once(world.end(), 'its terminals signed for 9');
  world.creditedOn = 0;
  world.first.givesCredits = true;
  world.hub.l2.buries = true;
  assert.equal(world.end(), []);
  assert.equal(world.losses, [{ channel: CHANNEL, culprit: 'hub', lost: 10 }]);
  world.hub.l2.buries = false;
  world.lend(801);
  assert.equal(world.end(), [], 'nothing is left to settle what credits stand on');
  world.lanes.delete(world.first.id);
  world.settle(world.second, 10);
  once(world.end(), 'its terminals signed for 0');
});

test('a refund counts as delivered, where it was signed', async () => {
  const world = new World();
  const bought = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  world.bench.send(bought.bytes);
  world.bench.send(await credit(bought, 40, terminal, false));
  world.bench.send(
    (await tap({ seq: 2, amount: 5, spent: 105, paid: 5, payee: otherPayee, terminal: otherTerminal })).bytes,
  );
  // Its worth was taken off when the goods came back.
  world.deliver(world.first, 60);
  world.deliver(world.second, 5);
  world.settle(world.second, 5);
  world.settle(world.first, 100, 40);
  once(world.end(), 'charged 40');
  world.settle(world.first, 100, 80);
  assert.equal(world.end(), []);
  world.settle(world.first, 100, 81);
  once(world.end(), 'goods for 1 ');
});

test('a tick that a payer gave up is its own doing, once, where it stood', async () => {
  const world = new World();
  const stream = { tickValue: 4, ticks: 20, seed: SEED };
  const charge = await tap({ seq: 1, amount: 0, spent: 0, paid: 0, stream });
  world.bench.send(charge.bytes);
  world.bench.send(tick(charge, SEED, 20, 2));
  world.deliver(world.first, 8);
  world.settle(world.first, 12);
  once(world.end(), 'charged 4');
  world.accounts.writtenOff.push({ channel: CHANNEL, stream: charge.id, k: 3 });
  assert.equal(world.end(), []);
  world.settle(world.first, 13);
  once(world.end(), 'charged 5');
  world.settle(world.first, 12);
  for (const other of [
    { channel: CHANNEL, stream: charge.id, k: 2 },
    { channel: 8, stream: charge.id, k: 3 },
    { channel: CHANNEL, stream: new Uint8Array(32), k: 3 },
  ]) {
    world.accounts.writtenOff.splice(0, 1, other);
    once(world.end(), 'charged 4');
  }
  world.accounts.writtenOff.splice(0, 1, { channel: CHANNEL, stream: charge.id, k: 3 });
  world.settle(world.first, 8);
  world.settle(world.second, 4);
  once(world.end(), 'charged 4 by merchant 1');
});

test.run();
