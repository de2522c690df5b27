/**
 * What the watch compares with what it believed before, on a chain in memory that may be rewritten at will. Not checked
 * here: how a node proves its answers (proof.test.ts), and real chains (test/edges/l2, watch.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { finalHashesMax, watchBlocks } from '../../hub/limits.ts';
import { openRegistry } from '../../hub/node/open.ts';
import type { Block, ChannelState, EventRange, Hex, L2, L2Event } from '../../hub/ports.ts';
import { finalsPatch } from '../../hub/watch/finals.ts';
import { Watch } from '../../hub/watch/watch.ts';
import { SundialError } from '../../protocol/errors.ts';
import { signing } from './fleet.ts';
import { NOBODY } from './site.ts';
import { inTemporaryFolder } from './temporary.ts';

const NOW = 1_800_000_000;
const hashOf = (text: string): Hex => `0x${Buffer.from(text).toString('hex').padStart(64, '0').slice(-64)}`;

/** A chain whose blocks are numbers and the name of a fork. */
class Fake {
  height = 10;
  /** The fork that a block belongs to. */
  forks: { from: number; name: string }[] = [{ from: 0, name: 'a' }];
  genesis = hashOf('genesis');
  code = hashOf('code');
  at = NOW;
  events: L2Event[] = [];
  channels = new Map<number, Partial<ChannelState>>();
  lanes = new Map<string, number>();
  ids = new Map<string, number>();
  forgotten = 0;
  /** Blocks that are given at once. */
  most = Infinity;
  asked: number[] = [];

  block(height: number): Block {
    const { name } = this.forks.findLast(({ from }) => from <= height)!;
    return { height, at: this.at, hash: hashOf(`${name}${height}`), baseFee: 1n };
  }

  l2(): L2 {
    const newest = async () => ({ newest: this.block(this.height), final: this.block(this.height) });
    const events = async (from: number, to: number): Promise<EventRange> => {
      this.asked.push(to - from + 1);
      const last = this.block(Math.min(to, from + this.most - 1));
      const found = this.events.filter(({ height }) => height >= from && height <= last.height);
      return { events: found, parent: this.block(from - 1).hash, last };
    };
    const channel = async (id: number) => {
      const found = this.channels.get(id);
      if (found === undefined) throw reverted();
      return {
        owner: `0x${'01'.repeat(20)}`,
        payer: `0x${'02'.repeat(20)}`,
        deposited: 100,
        credited: 0,
        bond: 20,
        free: 80,
        spendable: 80,
        exitReady: 0,
        nextPayer: undefined,
        slashed: false,
        ...found,
      } as ChannelState;
    };
    return {
      newest,
      events,
      channel,
      blockAt: async (height: number) => this.block(height),
      identity: async () => ({ genesis: this.genesis, code: this.code }),
      lane: async (id: number, payee: Uint8Array) =>
        this.lanes.get(`${id}/${Buffer.from(payee).toString('hex')}`) ?? 0,
      payeeId: async (payee: Uint8Array) => this.ids.get(Buffer.from(payee).toString('hex')),
      forget: () => {
        this.forgotten += 1;
      },
    } as unknown as L2;
  }
}

const reverted = () =>
  new SundialError('l2_reverted', 'UnknownChannel', { severity: 'call', remedy: 'None.' });

const opened = (height: number, channel: number): L2Event => ({
  type: 'channelChanged',
  height,
  transaction: hashOf('t'),
  channel,
});

const watching = (
  check: (
    fake: Fake,
    watch: Watch,
    told: string[],
    state: () => Awaited<ReturnType<typeof openRegistry>>['state'],
  ) => Promise<void>,
  clockError = 60,
  fake = new Fake(),
) =>
  inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    const told: string[] = [];
    const watch = new Watch({
      signing,
      l2: fake.l2(),
      registry,
      startBlock: 1,
      clock: { nowSeconds: () => NOW, clockError },
      events: {
        ...NOBODY,
        block: (_at, height) => told.push(`block ${height}`),
        doubt: ({ code }) => told.push(`doubt ${code}`),
        replaced: ({ code }) => told.push(`replaced ${code}`),
        channel: (channel, { deposited }) => told.push(`channel ${channel} ${deposited}`),
      },
    });
    try {
      await check(fake, watch, told, () => registry.state);
    } finally {
      await registry.close();
    }
  });

const look = (watch: Watch): Promise<string> =>
  watch.look().then(
    () => 'well',
    (error) => error.code ?? String(error),
  );

test('a final block of another hash at the same height is noticed, and what is gone is told', () =>
  watching(async (fake, watch, told, state) => {
    fake.channels.set(7, {});
    fake.events = [opened(9, 7)];
    assert.is(await look(watch), 'well');
    fake.forks.push({ from: 9, name: 'b' });
    fake.channels.clear();
    fake.events = [];
    told.length = 0;
    assert.is(await look(watch), 'well');
    assert.equal(told, ['doubt final_replaced', 'channel 7 0', 'replaced final_replaced', 'block 10']);
    assert.is(state().heads['7']!.exiting, true);
    assert.is(state().watched.hash, fake.block(10).hash);
    assert.is(fake.forgotten, 1);
    told.length = 0;
    assert.is(await look(watch), 'well');
    assert.equal(told, ['block 10'], 'once');
  }));

test('new blocks that do not follow the final one are noticed, and what is new in them is known', () =>
  watching(async (fake, watch, told, state) => {
    assert.is(await look(watch), 'well');
    fake.forks.push({ from: 8, name: 'b' });
    fake.height = 12;
    fake.channels.set(3, { deposited: 55 });
    fake.events = [opened(8, 3), opened(11, 3)];
    assert.is(await look(watch), 'well');
    assert.ok(told.includes('replaced final_replaced') && told.includes('channel 3 55'));
    assert.is(state().watched.height, 12);
    assert.equal(
      Object.keys(state().finals)
        .map(Number)
        .filter((height) => height > 7),
      [12],
    );
  }));

test('a node that tells blocks that do not follow each other is no new truth', () =>
  watching(async (fake, watch, told, state) => {
    assert.is(await look(watch), 'well');
    const before = structuredClone(state());
    fake.height = 12;
    // The final block stands as it was, and the next one names another before it.
    const events = fake.l2().events;
    const broken = {
      ...fake.l2(),
      events: async (from: number, to: number) => ({ ...(await events(from, to)), parent: hashOf('x') }),
    };
    (watch as unknown as { options: { l2: L2 } }).options.l2 = broken as L2;
    assert.is(await look(watch), 'l2_unproved');
    assert.equal(state().heads, before.heads);
    assert.is(state().watched.height, before.watched.height);
    assert.not(told.includes('replaced final_replaced'));
  }));

test('another genesis or another code is named and believed in nothing', () =>
  watching(async (fake, watch, told) => {
    assert.is(await look(watch), 'well');
    const { genesis } = fake;
    const fails = async (field: 'genesis' | 'code', code: string) => {
      const right = fake[field];
      // Compared again after each failure.
      fake.height = 5;
      assert.is(await look(watch), 'chain_behind');
      fake.height = 10;
      fake[field] = hashOf('other');
      told.length = 0;
      assert.is(await look(watch), code);
      assert.equal(told, [`doubt ${code}`]);
      fake[field] = right;
      assert.is(await look(watch), 'well');
    };
    await fails('genesis', 'chain_changed');
    await fails('code', 'vault_changed');
    assert.is(fake.genesis, genesis);
  }));

for (const [seconds, found] of [
  [61, 'clock_differs'],
  [60, 'well'],
  [-60, 'well'],
  [-61, 'clock_differs'],
] as const)
  test(`a block ${seconds} s from the clock, which may be 60 s wrong: ${found}`, () =>
    watching(async (fake, watch, told, state) => {
      fake.at = NOW + seconds;
      assert.is(await look(watch), found);
      assert.equal(told, [found === 'well' ? 'block 10' : 'doubt clock_differs']);
      assert.is(state().watched.height, 10, 'events count all the same');
      fake.at = NOW;
      assert.is(await look(watch), 'well');
      assert.is(told.at(-1), 'block 10');
    }));

test('ranges shrink to what the node gives, and grow again to the most', () =>
  watching(async (fake, watch) => {
    fake.height = 60_000;
    fake.most = 3;
    await Promise.race([look(watch), new Promise((resolve) => setTimeout(resolve, 0))]);
    while (fake.asked.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.is(fake.asked[0], watchBlocks.first);
    assert.is(fake.asked[1], watchBlocks.least);
    fake.most = Infinity;
    while (watch.finalHeight < fake.height) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.is(Math.max(...fake.asked), watchBlocks.most);
    assert.ok(Math.min(...fake.asked) === watchBlocks.least);
  }));

test('hashes of final blocks: near ones all, far ones fewer, never too many, and one for each distance', () => {
  const finals: Record<string, string> = {};
  const distances = [10, 100, 1_000, 10_000, 100_000];
  for (let height = 1; height <= 300_000; height += height < 5_000 ? 1 : 7) {
    const patch = finalsPatch(finals, { height, at: 0, hash: hashOf(`${height}`), baseFee: 0n });
    for (const [key, hash] of Object.entries(patch)) {
      if (hash === null) delete finals[key];
      else finals[key] = hash;
    }
    const kept = Object.keys(finals).map(Number);
    assert.ok(kept.length <= finalHashesMax, `${kept.length} at ${height}`);
    for (const distance of distances.filter((far) => far < height / 2))
      assert.ok(
        kept.some((found) => height - found >= distance / 2 && height - found <= 2 * distance + 20),
        `none some ${distance} below ${height}: ${kept}`,
      );
  }
});

test.run();
