// The settle loop cut at every point where it touches the ledger or the chain, on a real chain: after a restart the
// lane is settled once, by one transaction, and nothing is forgotten.
import { encodeFunctionData } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { applyRecord } from '../../hub/intake/books.ts';
import type { Books } from '../../hub/intake/state.ts';
import { emptyBooks } from '../../hub/intake/state.ts';
import { rowAttemptsMax } from '../../hub/limits.ts';
import { createLogger } from '../../hub/log.ts';
import { decodeRecord, encodeRecord, type HubRecord } from '../../hub/records.ts';
import { Registry, type RegistryState } from '../../hub/registry/registry.ts';
import { vaultAbi } from '../../hub/settle/abi.ts';
import { prepare, submit } from '../../hub/settle/chain.ts';
import { SettleLoop } from '../../hub/settle/loop.ts';
import { ChainLink } from '../../hub/watch/chain-link.ts';
import { Watch } from '../../hub/watch/watch.ts';
import { parseConfig } from '../../hub/config.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { otherPayee, otherTerminal, payee, payer, type SignedTap, tap } from './fleet.ts';
import { type Site, startSite } from './site.ts';
import { inTemporaryFolder } from './temporary.ts';

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(async () => {
  await site.close();
});

const log = createLogger('silent');

/** The settle loop with a list as its ledger; `cut` throws where the process would die. */
class Bench {
  readonly records: HubRecord[] = [];
  readonly #registry: Registry;
  readonly #watch: Watch;
  readonly #link: ChainLink;
  loop: SettleLoop;
  /** Called before and after each touch of the ledger or the chain. */
  cut: (point: string) => void = () => {};

  private constructor(registry: Registry, link: ChainLink) {
    this.#registry = registry;
    this.#link = link;
    const nothing = () => {};
    this.#watch = new Watch(link, registry, site.deployment.block, {
      block: nothing,
      channel: nothing,
      payee: nothing,
      settled: nothing,
    });
    this.loop = this.restart();
  }

  static async open(folder: string): Promise<Bench> {
    const registry = await Registry.open(folder);
    const config = parseConfig(site.config(folder));
    const bench = new Bench(registry, new ChainLink(config.chain, site.signing));
    await bench.#watch.look();
    return bench;
  }

  close(): Promise<void> {
    return this.#registry.close();
  }

  take(taps: readonly SignedTap[]): void {
    for (const { id, bytes } of taps)
      this.records.push({ type: 'entry', id, at: 1 as never, message: bytes });
  }

  books(): Books {
    return this.records.reduce((books, record) => applyRecord(books, record), emptyBooks);
  }

  /** What a new process knows: the records, as they stand on the disk. */
  restart(lanesMax = 1_000): SettleLoop {
    const loop = new SettleLoop({
      signing: site.signing,
      link: this.#cutLink(),
      registry: this.#registry,
      account: privateKeyToAccount(site.anvil.keys[1]!),
      lanesMax,
      books: () => this.books(),
      append: async (record) => {
        this.cut(`before ${record.type}`);
        this.records.push(record);
        this.cut(`after ${record.type}`);
      },
      watchedHeight: () => this.#watch.finalHeight,
      log,
      onBatch: () => {},
    });
    for (const [position, record] of this.records.entries()) {
      loop.replay(decodeRecord(encodeRecord(record), position));
    }
    this.loop = loop;
    return loop;
  }

  /** The link whose client dies before or after it has sent a transaction. */
  #cutLink(): ChainLink {
    const cut = (point: string) => this.cut(point);
    const link = this.#link;
    return {
      finalityBlocks: 0,
      vault: async () => {
        const vault = await link.vault();
        const client = new Proxy(vault.client, {
          get(target, name, receiver) {
            if (name !== 'sendRawTransaction') return Reflect.get(target, name, receiver);
            return async (parameters: Parameters<typeof target.sendRawTransaction>[0]) => {
              cut('before sending');
              const hash = await target.sendRawTransaction(parameters);
              cut('after sending');
              return hash;
            };
          },
        });
        return new Proxy(vault, {
          get: (target, name) => (name === 'client' ? client : Reflect.get(target, name, target)),
        });
      },
    } as unknown as ChainLink;
  }

  look(): Promise<void> {
    return this.#watch.look();
  }

  /** Steps until nothing is left; the watch looks between steps, as in the hub. */
  async run(): Promise<void> {
    for (let step = 0; step < 50; step += 1) {
      await this.look();
      if ((await this.loop.step(true)) === 'idle') return;
    }
    throw new Error('the loop does not come to rest');
  }
}

const transactions = () =>
  site.vault.client.getTransactionCount({ address: privateKeyToAccount(site.anvil.keys[1]!).address });

class Died extends Error {}

const points = [
  'before batchIntent',
  'after batchIntent',
  'before sending',
  'after sending',
  'before batchOutcome',
  'after batchOutcome',
];

let seqs = 0;
let spent = 0;
let paid = 0;
/** The next voucher of the one channel of the site. */
async function nextTap(amount = 10): Promise<SignedTap> {
  seqs += 1;
  spent += amount;
  paid += amount;
  return tap({ on: site.signing, channel: site.channel, seq: seqs, amount, spent, paid });
}

for (const point of points) {
  test(`died ${point}: settled once, by one transaction`, () =>
    inTemporaryFolder(async (folder) => {
      const bench = await Bench.open(folder);
      bench.take([await nextTap()]);
      const before = await transactions();
      bench.cut = (reached) => {
        if (reached === point) throw new Died(point);
      };
      let died = false;
      await bench.run().catch((error: unknown) => {
        if (!(error instanceof Died)) throw error;
        died = true;
      });
      assert.ok(died, 'the point was reached');
      bench.cut = () => {};
      bench.restart();
      await bench.run();
      assert.is(await site.vault.readLane(site.channel, payee.address), paid);
      assert.is((await transactions()) - before, 1);
      assert.is(bench.loop.history.open, undefined);
      await bench.run();
      assert.is((await transactions()) - before, 1);
      await bench.close();
    }));
}

test('the account’s nonce used elsewhere: the batch is given up and its lanes settle with the next', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await Bench.open(folder);
    bench.take([await nextTap()]);
    bench.cut = (reached) => {
      if (reached === 'before sending') throw new Died();
    };
    await bench.run().catch(() => {});
    bench.cut = () => {};
    // Somebody sends with the same key in between.
    const account = privateKeyToAccount(site.anvil.keys[1]!);
    await site.vault.registerPayee(account, new Uint8Array(20).fill(0x77));
    bench.restart();
    await bench.run();
    assert.equal(
      bench.loop.history.finished.map(({ outcome }) => outcome.state),
      [3, 1],
    );
    assert.is(await site.vault.readLane(site.channel, payee.address), paid);
    await bench.close();
  }));

test('gas that became dearer than what was signed: signed again with the same nonce, paid once', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await Bench.open(folder);
    bench.take([await nextTap()]);
    bench.cut = (reached) => {
      if (reached === 'before sending') throw new Died();
    };
    await bench.run().catch(() => {});
    bench.cut = () => {};
    const client = site.vault.client as unknown as { request(call: object): Promise<unknown> };
    await client.request({ method: 'anvil_setNextBlockBaseFeePerGas', params: ['0x174876e800'] });
    await client.request({ method: 'evm_mine', params: [] });
    const before = await transactions();
    bench.restart();
    await bench.run();
    assert.is((await transactions()) - before, 1);
    assert.is(await site.vault.readLane(site.channel, payee.address), paid);
    const intents = bench.records.filter((record) => record.type === 'batchIntent');
    assert.is(intents.length, 2);
    assert.is(intents[0]!.nonce, intents[1]!.nonce);
    assert.is(intents[0]!.batch, intents[1]!.batch);
    assert.equal(bench.loop.history.finished.at(-1)!.transaction, intents[1]!.transaction);
    assert.equal(bench.loop.history.earlier, []);
    await bench.close();
  }));

test('the next batch waits until the watch has stored what the last one did', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await Bench.open(folder);
    bench.take([await nextTap()]);
    const before = await transactions();
    assert.is(await bench.loop.step(true), 'sent');
    assert.is(await bench.loop.step(true), 'waiting');
    assert.is(await bench.loop.step(true), 'waiting');
    await bench.look();
    assert.is(await bench.loop.step(true), 'finished');
    assert.is(await bench.loop.step(true), 'idle');
    assert.is((await transactions()) - before, 1);
    await bench.close();
  }));

test('a row that the vault skips is reported, holds up nothing, and is not sent for ever', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await Bench.open(folder);
    const good = await nextTap();
    // Far above what the channel holds: the vault pays it partly or not at all.
    const { channel } = await site.vault.openChannel(site.owner, {
      payer: toHex(payer.address),
      amount: 1_000,
    });
    const bad = await tap({
      on: site.signing,
      channel,
      seq: 1,
      amount: 5_000,
      spent: 5_000,
      paid: 5_000,
      payee: otherPayee,
      terminal: otherTerminal,
    });
    bench.take([bad, good]);
    const before = await transactions();
    await bench.run();
    assert.is(await site.vault.readLane(site.channel, payee.address), paid);
    assert.is(bench.loop.refused.size, 1);
    const [refused] = bench.loop.refused.values();
    assert.ok(['partly', 'no_funds'].includes(refused!.reason), refused!.reason);
    const sent = (await transactions()) - before;
    for (let again = 0; again < 3; again += 1) await bench.run();
    assert.is((await transactions()) - before, sent);
    // Money comes a little at a time, more often than a row that moves nothing is tried.
    for (let time = 0; time <= rowAttemptsMax; time += 1) {
      await site.vault.topUp(site.owner, channel, 100);
      await bench.run();
    }
    // More money comes: the row is tried again, and goes through.
    await site.vault.topUp(site.owner, channel, 10_000);
    await bench.run();
    assert.is(await site.vault.readLane(channel, otherPayee.address), 5_000);
    assert.is(bench.loop.refused.size, 0);
    await bench.close();
  }));

test('a frozen vault: no row is blamed, and all settle when the freeze is over', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await Bench.open(folder);
    const { client, address } = site.vault;
    const rpc = client as unknown as { request(call: object): Promise<unknown> };
    const guardian = privateKeyToAccount(site.anvil.keys[0]!);
    const freeze = encodeFunctionData({ abi: vaultAbi, functionName: 'freeze', args: [3600] });
    bench.take([await nextTap()]);
    // One batch is on its way when the freeze begins, and reverts.
    await rpc.request({ method: 'evm_setAutomine', params: [false] });
    assert.is(await bench.loop.step(true), 'sent');
    const first = { priorityFeeMin: 10n ** 11n };
    await submit(client, await prepare(client, guardian, { to: address, data: freeze }, first));
    await rpc.request({ method: 'evm_mine', params: [] });
    await rpc.request({ method: 'evm_setAutomine', params: [true] });
    await bench.look();
    assert.is(await bench.loop.step(true), 'finished');
    for (let again = 0; again < 3; again += 1) {
      const error = await bench.loop.step(true).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      assert.is(error instanceof SundialError && error.code, 'vault_frozen');
    }
    assert.is(bench.loop.refused.size, 0);
    await rpc.request({ method: 'evm_increaseTime', params: [3601] });
    await rpc.request({ method: 'evm_mine', params: [] });
    await bench.run();
    assert.is(await site.vault.readLane(site.channel, payee.address), paid);
    await bench.close();
  }));

test('a batch larger than allowed goes out in parts, in order', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await Bench.open(folder);
    const taps: SignedTap[] = [];
    for (let n = 0; n < 5; n += 1) {
      const { channel } = await site.vault.openChannel(site.owner, {
        payer: toHex(payer.address),
        amount: 1_000,
      });
      taps.push(await tap({ on: site.signing, channel, seq: 1, amount: 7, spent: 7, paid: 7 }));
    }
    bench.take(taps);
    bench.restart(2);
    const before = await transactions();
    await bench.run();
    assert.is((await transactions()) - before, 3);
    for (const { voucher } of taps) assert.is(await site.vault.readLane(voucher.channel, payee.address), 7);
    await bench.close();
  }));

test('a registry that can not be written does not hide a deposit from the intake', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await Registry.open(folder);
    const failing = {
      state: registry.state,
      update: async (change: (state: RegistryState) => void) => {
        change(registry.state);
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      },
    } as unknown as Registry;
    const told: number[] = [];
    const link = new ChainLink(parseConfig(site.config(folder)).chain, site.signing);
    const watch = new Watch(link, failing, site.deployment.block, {
      block: () => {},
      channel: (channel) => told.push(channel),
      payee: () => {},
      settled: () => {},
    });
    const failure = await watch.look().then(
      () => 'nothing',
      (error) => error.code,
    );
    assert.is(failure, 'ENOSPC');
    assert.ok(told.includes(site.channel));
    await registry.close();
  }));

test.run();
