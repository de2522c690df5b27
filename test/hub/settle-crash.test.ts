/**
 * The settle loop cut at every point where it touches the ledger or the chain, on a real chain: after a restart the
 * lane is settled once, by one transaction, and nothing is forgotten. Not checked here: a hub around the loop
 * (settle.test.ts), proofs (justice.test.ts).
 */
import {
  encodeFunctionData,
  type LocalAccount,
  parseSignature,
  serializeCompactSignature,
  signatureToCompactSignature,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { creditRowsMax } from '../../hub/limits.ts';
import { openRegistry } from '../../hub/node/open.ts';
import type { Registry, RegistryPatch } from '../../hub/registry/registry.ts';
import { vaultAbi } from '../../hub/l2/abi.ts';
import { prepare, submit } from '../../hub/l2/chain.ts';
import { Watch } from '../../hub/watch/watch.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { amount } from '../../protocol/integers.ts';
import { creditEntry } from '../../protocol/vouchers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { otherPayee, otherTerminal, payee, payer, type SignedTap, tap } from './fleet.ts';
import { ANY_TIME, l2Of, NOBODY, type Site, startSite } from './site.ts';
import { type Bench, Died, onBench as benchOf, rpcOf, withoutMining } from './settle-bench.ts';
import { inTemporaryFolder, until } from './temporary.ts';

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(async () => {
  await site.close();
});

const onBench = (check: (bench: Bench) => Promise<void>) => benchOf(site, check);

const transactions = () =>
  site.vault.client.getTransactionCount({ address: privateKeyToAccount(site.anvil.keys[1]!).address });

const rpc = rpcOf(() => site);

async function setBaseFee(wei: bigint): Promise<void> {
  await rpc('anvil_setNextBlockBaseFeePerGas', `0x${wei.toString(16)}`);
  await rpc('evm_mine');
}

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

/** A payee's credit over `credited` units of a voucher, as it stands in the ledger. */
async function creditOf(
  { id, voucher: { channel, seq } }: SignedTap,
  credited: number,
  signer: typeof payee | LocalAccount,
): Promise<Pick<SignedTap, 'id' | 'bytes'>> {
  const fields = { voucher: id, credited: amount(credited) };
  const digest = site.signing.digest('Credit', fields);
  const signature =
    'type' in signer
      ? fromHex(
          serializeCompactSignature(
            signatureToCompactSignature(parseSignature(await signer.sign!({ hash: toHex(digest) }))),
          ),
          64,
        )
      : await signer.sign(digest);
  const bytes = encodeMessage({ type: 'collectedCredit', channel, seq, ...fields, signature, byPayee: 1 });
  return { id: creditEntry(site.signing, id, fields.credited), bytes };
}

for (const point of points) {
  test(`died ${point}: settled once, by one transaction`, () =>
    onBench(async (bench) => {
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
      assert.equal(bench.loop.history.open, []);
      await bench.run();
      assert.is((await transactions()) - before, 1);
    }));
}

test('the account’s nonce used elsewhere: the batch is given up and its lanes settle with the next', () =>
  onBench(async (bench) => {
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
  }));

test('gas that became dearer than what was signed: signed again with the same nonce, paid once', () =>
  onBench(async (bench) => {
    bench.take([await nextTap()]);
    bench.cut = (reached) => {
      if (reached === 'before sending') throw new Died();
    };
    await bench.run().catch(() => {});
    bench.cut = () => {};
    await setBaseFee(10n ** 11n);
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
    assert.equal(bench.loop.history.open, []);
  }));

test('a batch behind a nonce that a reorganisation set free is signed again, and settles', () =>
  onBench(async (bench) => {
    const account = privateKeyToAccount(site.anvil.keys[1]!);
    const before = await rpc('evm_snapshot');
    // A transaction of the account is mined, the batch is signed behind it, and the block is taken back for good.
    await site.vault.registerPayee(account, new Uint8Array(20).fill(0x7a));
    bench.take([await nextTap()]);
    bench.cut = (reached) => {
      if (reached === 'before sending') throw new Died();
    };
    await bench.run().catch(() => {});
    bench.cut = () => {};
    await rpc('evm_revert', before);
    const [intent] = bench.records.filter((record) => record.type === 'batchIntent');
    assert.is(intent!.nonce, (await transactions()) + 1, 'nobody uses the nonce before');
    bench.restart();
    await until('the batch is settled', async () => {
      await rpc('evm_mine');
      await bench.look().catch(() => {});
      return (await bench.loop.step(true)) === 'idle';
    });
    assert.is(await site.vault.readLane(site.channel, payee.address), paid);
    const nonces = bench.records.flatMap((record) => (record.type === 'batchIntent' ? [record.nonce] : []));
    assert.equal(nonces, [intent!.nonce, intent!.nonce - 1]);
  }));

test('gas that climbs for long, ever above what was signed last: the batch follows it and is paid once', () =>
  onBench(async (bench) => {
    bench.take([await nextTap()]);
    const before = await transactions();
    const away = new Died();
    bench.cut = (reached) => {
      if (reached === 'before sending') throw away;
    };
    let fee = 10n ** 9n;
    for (let rise = 0; rise < 40; rise += 1) {
      fee = (fee * 5n) / 4n;
      await setBaseFee(fee);
      await bench.loop.step(true).catch((error: unknown) => {
        if (error !== away) throw error;
      });
    }
    bench.cut = () => {};
    await bench.run();
    assert.is((await transactions()) - before, 1);
    assert.is(await site.vault.readLane(site.channel, payee.address), paid);
    await setBaseFee(10n ** 9n);
  }));

for (const fate of ['mined', 'forgotten'] as const)
  test(`an earlier transaction of the account waits in the node and is ${fate}: the batch does not wait behind it`, () =>
    onBench(async (bench) => {
      bench.take([await nextTap()]);
      const account = privateKeyToAccount(site.anvil.keys[1]!);
      const { client, address } = site.vault;
      const account20 = `0x${fate === 'mined' ? '78'.repeat(20) : '79'.repeat(20)}` as const;
      const data = encodeFunctionData({ abi: vaultAbi, functionName: 'registerPayee', args: [account20] });
      await withoutMining(rpc, async () => {
        const other = await prepare(client, account, { to: address, data });
        await submit(client, other);
        // The node may refuse one that offers no more for the same nonce: it is sent again all the same.
        await bench.loop.step(true).catch(() => {});
        if (fate === 'forgotten') await rpc('anvil_dropTransaction', other.hash);
      });
      await bench.run();
      assert.is(await site.vault.readLane(site.channel, payee.address), paid);
      assert.equal(bench.loop.history.open, []);
    }));

test('the next batch waits until the watch has stored what the last one did', () =>
  onBench(async (bench) => {
    bench.take([await nextTap()]);
    const before = await transactions();
    assert.is(await bench.loop.step(true), 'sent');
    await until('it is mined', async () => (await transactions()) === before + 1);
    assert.is(await bench.loop.step(true), 'waiting');
    assert.is(await bench.loop.step(true), 'waiting');
    await bench.look();
    assert.is(await bench.loop.step(true), 'finished');
    assert.is(await bench.loop.step(true), 'idle');
    assert.is((await transactions()) - before, 1);
  }));

test('a row that the vault skips is reported, holds up nothing, and is not sent for ever', () =>
  onBench(async (bench) => {
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
    for (let time = 0; time < 6; time += 1) {
      await site.vault.topUp(site.owner, channel, 100);
      await bench.run();
    }
    // More money comes: the row is tried again, and goes through.
    await site.vault.topUp(site.owner, channel, 10_000);
    await bench.run();
    assert.is(await site.vault.readLane(channel, otherPayee.address), 5_000);
    assert.is(bench.loop.refused.size, 0);
  }));

test('of two lanes that wait for money one takes all that comes, time and again: the other is paid when there is enough', () =>
  onBench(async (bench) => {
    const { channel } = await site.vault.openChannel(site.owner, {
      payer: toHex(payer.address),
      amount: 1_000,
    });
    const fields = { on: site.signing, channel, amount: 5_000, paid: 5_000 };
    bench.take([
      await tap({ ...fields, seq: 1, spent: 5_000, payee: otherPayee, terminal: otherTerminal }),
      await tap({ ...fields, seq: 2, spent: 10_000 }),
    ]);
    await bench.run();
    for (let time = 0; time < 6; time += 1) {
      await site.vault.topUp(site.owner, channel, 100);
      await bench.run();
    }
    assert.is(await site.vault.readLane(channel, otherPayee.address), 0);
    await site.vault.topUp(site.owner, channel, 20_000);
    await bench.run();
    assert.is(await site.vault.readLane(channel, payee.address), 5_000);
    assert.is(await site.vault.readLane(channel, otherPayee.address), 5_000);
    assert.is(bench.loop.refused.size, 0);
  }));

test('lanes that L2 settled without the hub’s noticing are sent once, not for ever', () =>
  onBench(async (bench) => {
    const { channel } = await site.vault.openChannel(site.owner, {
      payer: toHex(payer.address),
      amount: 1_000,
    });
    bench.take([await tap({ on: site.signing, channel, seq: 1, amount: 7, spent: 7, paid: 7 })]);
    await bench.run();
    bench.forgetSettled(channel);
    const before = await transactions();
    for (let again = 0; again < 3; again += 1) await bench.run();
    assert.is((await transactions()) - before, 1);
    assert.equal(
      [...bench.loop.refused.values()].map(({ reason }) => reason),
      ['stale'],
    );
  }));

test('a credit that its payee can’t pay now goes through when the payee has earned enough', () =>
  onBench(async (bench) => {
    const payeeAccount = privateKeyToAccount(site.anvil.keys[5]!);
    const to = { ...otherPayee, address: fromHex(payeeAccount.address, 20) };
    await site.vault.registerPayee(site.owner, to.address);
    const open = async () =>
      (await site.vault.openChannel(site.owner, { payer: toHex(payer.address), amount: 1_000 })).channel;
    const channel = await open();
    const fields = { on: site.signing, seq: 1, payee: to };
    const returned = await tap({ ...fields, channel, amount: 100, spent: 100, paid: 100 });
    bench.take([returned]);
    await bench.run();
    await site.vault.withdraw(payeeAccount, 100);
    bench.take([await creditOf(returned, 60, payeeAccount)]);
    await bench.run();
    assert.equal(
      [...bench.loop.refused.values()].map(({ reason }) => reason),
      ['payee_short'],
    );
    const before = await transactions();
    await bench.run();
    assert.is((await transactions()) - before, 0);
    // It earns a little, then enough, and all of it on another channel.
    const elsewhere = await open();
    bench.take([await tap({ ...fields, channel: elsewhere, amount: 20, spent: 20, paid: 20 })]);
    await bench.run();
    assert.is((await site.vault.readChannel(channel)).credited, 0);
    bench.take([await tap({ ...fields, seq: 2, channel: elsewhere, amount: 50, spent: 70, paid: 70 })]);
    await bench.run();
    assert.is((await site.vault.readChannel(channel)).credited, 60);
    assert.is(bench.loop.refused.size, 0);
  }));

test('credits that L2 has are asked for before anything is sent, however many there are', () =>
  onBench(async (bench) => {
    const { channel } = await site.vault.openChannel(site.owner, {
      payer: toHex(payer.address),
      amount: 100_000,
    });
    for (let n = 1; n <= creditRowsMax + 3; n += 1) {
      const one = await tap({ on: site.signing, channel, seq: n, amount: 10, spent: 10 * n, paid: 10 * n });
      bench.take([one, await creditOf(one, 4, payee)]);
    }
    await bench.run();
    assert.is((await site.vault.readChannel(channel)).credited, 4 * (creditRowsMax + 3));
    const before = await transactions();
    bench.restart();
    await bench.run();
    await bench.run();
    assert.is((await transactions()) - before, 0);
  }));

test('a frozen vault: no row is blamed, and all settle when the freeze is over', () =>
  onBench(async (bench) => {
    const { client, address } = site.vault;
    const guardian = privateKeyToAccount(site.anvil.keys[0]!);
    const freeze = encodeFunctionData({ abi: vaultAbi, functionName: 'freeze', args: [3600] });
    bench.take([await nextTap()]);
    const before = await transactions();
    // One batch is on its way when the freeze begins, and reverts.
    await withoutMining(rpc, async () => {
      assert.is(await bench.loop.step(true), 'sent');
      const first = { priorityFeeMin: 10n ** 11n };
      await submit(client, await prepare(client, guardian, { to: address, data: freeze }, first));
      // Else one of them may be left to the next block.
      const waiting = async () => Number(((await rpc('txpool_status')) as { pending: string }).pending);
      await until('both wait in the node', async () => (await waiting()) === 2);
      await rpc('evm_mine');
    });
    await until('the batch is mined', async () => (await transactions()) === before + 1);
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
    await rpc('evm_increaseTime', 3601);
    await rpc('evm_mine');
    await bench.run();
    assert.is(await site.vault.readLane(site.channel, payee.address), paid);
  }));

test('a batch larger than allowed goes out in parts, in order', () =>
  onBench(async (bench) => {
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
    assert.is(await bench.loop.step(true), 'sent');
    assert.is(bench.loop.history.open.length, 3);
    assert.not(bench.loop.more);
    await bench.run();
    assert.is((await transactions()) - before, 3);
    for (const { voucher } of taps) assert.is(await site.vault.readLane(voucher.channel, payee.address), 7);
  }));

test('a registry that can not be written does not hide a deposit from the intake', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    const failing = {
      state: registry.state,
      update: async (patch: RegistryPatch) => {
        registry.note(patch);
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      },
    } as unknown as Registry;
    const told: number[] = [];
    const watch = new Watch({
      signing: site.signing,
      l2: l2Of(site),
      registry: failing,
      startBlock: site.deployment.block,
      clock: ANY_TIME,
      events: { ...NOBODY, channel: (channel) => told.push(channel) },
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
