/**
 * Several settlements under way at once, on a real chain: their nonces follow one another, no channel stands in two of
 * them, and whatever is cut, taken back or taken by others, each lane is settled once. Not checked here: one settlement
 * alone (settle-crash.test), fees (test/edges/l2), how many rows a day that makes (bench:hub).
 */
import { privateKeyToAccount } from 'viem/accounts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { namedEntry } from '../../hub/intake/books.ts';
import { toHex } from '../../protocol/bytes.ts';
import { payee, payer, type SignedTap, tap } from './fleet.ts';
import { type Bench, Died, onBench as benchOf, rpcOf, withoutMining } from './settle-bench.ts';
import { type Site, startSite } from './site.ts';
import { until } from './temporary.ts';

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(() => site.close());

const onBench = (check: (bench: Bench) => Promise<void>) => benchOf(site, check);
const rpc = rpcOf(() => site);
const account = () => privateKeyToAccount(site.anvil.keys[1]!);
const transactions = () => site.vault.client.getTransactionCount({ address: account().address });

const pay = (channel: number, seq: number, paid: number): Promise<SignedTap> =>
  tap({ on: site.signing, channel, seq, amount: paid - 7 * (seq - 1), spent: paid, paid });

/** A voucher over 7 on each of so many new channels. */
async function takeOnNewChannels(bench: Bench, count: number): Promise<number[]> {
  const channels: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const wish = { payer: toHex(payer.address), amount: 1_000 };
    channels.push((await site.vault.openChannel(site.owner, wish)).channel);
  }
  bench.take(await Promise.all(channels.map((channel) => pay(channel, 1, 7))));
  await bench.look();
  return channels;
}

const lanes = (channels: readonly number[]) =>
  Promise.all(channels.map((channel) => site.vault.readLane(channel, payee.address)));

/** Channels of the batches under way. */
const underWay = (bench: Bench): number[][] =>
  bench.loop.history.open.map(({ newest }) =>
    newest.rows.map(({ entry }) => namedEntry(bench.books(), entry).channel),
  );

function disjoint(bench: Bench): void {
  const all = underWay(bench).flat();
  assert.is(new Set(all).size, all.length, 'no channel stands in two batches');
}

test('as many as allowed are sent, with nonces one after the other, and the rest when there is room', () =>
  onBench(async (bench) => {
    const channels = await takeOnNewChannels(bench, 7);
    bench.restart(1, 4);
    const before = await transactions();
    await withoutMining(rpc, async () => {
      assert.is(await bench.loop.step(true), 'sent');
      assert.equal(
        bench.loop.history.open.map(({ newest }) => newest.nonce),
        [0, 1, 2, 3].map((n) => before + n),
      );
      disjoint(bench);
      // Nothing more before one of them has ended, however often one looks.
      assert.is(await bench.loop.step(true), 'sent');
      assert.is(bench.loop.history.open.length, 4);
    });
    await bench.run();
    assert.equal(await lanes(channels), Array(7).fill(7));
    assert.is((await transactions()) - before, 7);
  }));

test('what comes on a channel that is under way waits for its end; other channels go first', () =>
  onBench(async (bench) => {
    const [first, second, third] = (await takeOnNewChannels(bench, 3)) as [number, number, number];
    bench.restart(1, 2);
    await withoutMining(rpc, async () => {
      await bench.loop.step(true);
      assert.equal(underWay(bench), [[first], [second]]);
      bench.take([await pay(first, 2, 12)]);
    });
    await until('all is settled', async () => {
      await bench.look();
      const now = await bench.loop.step(true);
      disjoint(bench);
      return now === 'idle';
    });
    assert.equal(await lanes([first, second, third]), [12, 7, 7]);
    const settled = bench.records.flatMap((record) =>
      record.type === 'batchIntent'
        ? record.rows.map(({ entry }) => namedEntry(bench.books(), entry).channel)
        : [],
    );
    assert.equal(settled, [first, second, third, first]);
  }));

const points = [
  'before batchIntent',
  'after batchIntent',
  'before sending',
  'after sending',
  'before batchOutcome',
  'after batchOutcome',
];
for (const point of points)
  for (const which of [1, 2, 3])
    test(`died ${point}, the ${which}. time: each lane once, each by one transaction`, () =>
      onBench(async (bench) => {
        const channels = await takeOnNewChannels(bench, 4);
        bench.restart(1, 3);
        const before = await transactions();
        let left = which;
        bench.cut = (reached) => {
          if (reached !== point) return;
          left -= 1;
          if (left === 0) throw new Died(point);
        };
        const died = await bench.run().then(
          () => false,
          (error: unknown) => error instanceof Died,
        );
        assert.ok(died, 'the point was reached');
        bench.cut = () => {};
        bench.restart(1, 3);
        await bench.run();
        assert.equal(await lanes(channels), Array(4).fill(7));
        assert.is((await transactions()) - before, 4);
      }));

test('a nonce that somebody else used: its batch is given up, those behind it go on, and all lanes settle', () =>
  onBench(async (bench) => {
    const channels = await takeOnNewChannels(bench, 3);
    bench.restart(1, 3);
    let sent = 0;
    // The third is signed and never sent; then the process dies.
    bench.cut = (reached) => {
      if (reached === 'before sending' && ++sent === 3) throw new Died();
    };
    await bench.run().catch(() => {});
    bench.cut = () => {};
    await site.vault.registerPayee(account(), new Uint8Array(20).fill(0x61));
    bench.restart(1, 3);
    await bench.run();
    assert.equal(
      bench.loop.history.finished.map(({ outcome }) => outcome.state),
      [1, 1, 3, 1],
    );
    assert.equal(await lanes(channels), [7, 7, 7]);
  }));

test('blocks with several of them are taken back: all are sent again and mined once', () =>
  onBench(async (bench) => {
    const channels = await takeOnNewChannels(bench, 3);
    const before = await transactions();
    const snapshot = await rpc('evm_snapshot');
    bench.restart(1, 3);
    await bench.loop.step(true);
    await until('they are mined', async () => (await transactions()) === before + 3);
    await rpc('evm_revert', snapshot);
    assert.is(await transactions(), before);
    await bench.run();
    assert.equal(await lanes(channels), [7, 7, 7]);
    assert.is((await transactions()) - before, 3);
    assert.is(bench.records.filter(({ type }) => type === 'batchIntent').length, 3, 'none was signed again');
  }));

test('a nonce before all of them is set free: they move down, and each lane is settled', () =>
  onBench(async (bench) => {
    const channels = await takeOnNewChannels(bench, 3);
    bench.restart(1, 3);
    const free = await transactions();
    const snapshot = await rpc('evm_snapshot');
    await site.vault.registerPayee(account(), new Uint8Array(20).fill(0x63));
    await withoutMining(rpc, async () => {
      await bench.loop.step(true);
      assert.equal(
        bench.loop.history.open.map(({ newest }) => newest.nonce),
        [1, 2, 3].map((n) => free + n),
      );
      await rpc('anvil_dropAllTransactions');
      await rpc('evm_revert', snapshot);
    });
    assert.is(await transactions(), free, 'nobody uses the nonce before theirs');
    await until('all is settled', async () => {
      await rpc('evm_mine');
      await bench.look().catch(() => {});
      return (await bench.loop.step(true)) === 'idle';
    });
    assert.equal(await lanes(channels), [7, 7, 7]);
    const nonces = bench.records.flatMap((record) => (record.type === 'batchIntent' ? [record.nonce] : []));
    assert.ok(nonces.includes(free), 'signed again with the free one');
  }));

test.run();
