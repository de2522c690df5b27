import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { rowOf } from '../../hub/batch/batch.ts';
import { applyRecord, findEntry } from '../../hub/intake/books.ts';
import { emptyBooks } from '../../hub/intake/state.ts';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { encodeRecord, type HubRecord } from '../../hub/ledger/records.ts';
import { concatBytes, equalBytes, fromHex, toHex, uintBytes } from '../../protocol/bytes.ts';
import { amount, channelId } from '../../protocol/integers.ts';
import { refusalName } from '../../protocol/refusals.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { key, otherPayee, otherTerminal, payee, payer, suite, tap, tick } from './fleet.ts';
import { Connected, HUB_SECRET, type Site, startSite, startTerminal } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';
import { privateKeyToAccount } from 'viem/accounts';

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(async () => {
  await site.close();
});

/** A road to the chain that can be blocked: connections are cut and refused. */
async function startRoad(port: number) {
  const sockets = new Set<Socket>();
  let blocked = false;
  const server = createServer((from) => {
    if (blocked) return void from.destroy();
    const to = connect(port, '127.0.0.1');
    for (const socket of [from, to]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        from.destroy();
        to.destroy();
      });
    }
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    block() {
      blocked = true;
      cut();
    },
    open() {
      blocked = false;
    },
    close() {
      cut();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const hubAddress = () => privateKeyToAccount(HUB_SECRET as `0x${string}`).address.toLowerCase();
const seed = suite.keccak256(Uint8Array.of(1));
const get = async (url: string) => (await fetch(url)).json();

test('from the beacon to the settled lane: the whole way of two terminals’ vouchers', () =>
  inTemporaryFolder(async (folder) => {
    const hub = await site.start(folder);
    const pos = await startTerminal(site, hub);
    const charger = await startTerminal(site, hub, otherTerminal, otherPayee);
    const wearable = new Connected(hub, payer.address);
    try {
      assert.is(hub.address, hubAddress());
      const beacon = await wearable.next('beacon');
      const { signing, channel } = site;
      assert.ok(signing.signedBy('Beacon', beacon, beacon.signature, privateKeyAddress()));
      assert.ok(equalBytes(beacon.revocations, suite.keccak256(new Uint8Array(0))));

      await wearable.ready();
      const request = {
        channel: channelId(channel),
        seq: 0 as never,
        spent: amount(0),
        at: beacon.at,
        scope: SCOPE_ANY,
      };
      wearable.send({
        type: 'leaseRequest',
        ...request,
        signature: await payer.sign(signing.digest('LeaseRequest', request)),
      });
      const lease = await wearable.next('lease');
      assert.is(lease.spendLimit, 80_000_000);
      assert.is(lease.tapLimit, 1_750_000);
      assert.ok(signing.signedBy('Lease', lease, lease.signature, privateKeyAddress()));

      const first = await tap({ on: signing, channel, seq: 1, amount: 100, spent: 100, paid: 100 });
      const stream = await tap({
        on: signing,
        channel,
        seq: 2,
        amount: 0,
        spent: 100,
        paid: 0,
        payee: otherPayee,
        terminal: otherTerminal,
        stream: { tickValue: 5, ticks: 200, seed },
      });
      const last = await tap({ on: signing, channel, seq: 3, amount: 50, spent: 1150, paid: 150 });
      pos.send({ type: 'pack', entries: [first.bytes, last.bytes] });
      charger.send({ type: 'pack', entries: [stream.bytes, encodeMessage(tick(stream, seed, 200, 200))] });
      for (const { id } of [first, last]) {
        const message = await pos.next('acknowledgement', (found) => equalBytes(found.entry, id));
        assert.ok(signing.signedBy('Acknowledgement', message, message.signature, privateKeyAddress()));
        const proof = (await get(`${hub.statusUrl}/proof?position=${message.position}`)) as { size: number };
        assert.ok(proof.size > message.position);
      }
      await charger.next('acknowledgement', (found) => !equalBytes(found.entry, stream.id));

      await hub.settleNow();
      const done = await pos.next('settled');
      assert.is(done.paid, 150);
      assert.is(done.channel, channel);
      assert.is((await charger.next('settled')).paid, 1000);
      assert.is(await site.vault.readLane(channel, payee.address), 150);
      assert.is(await site.vault.readLane(channel, otherPayee.address), 1000);
      assert.is(await site.vault.readPayeeBalance(payee.address), 150);
      const { settlement } = hub.status();
      assert.is(settlement.finished.length, 1);
      assert.is(settlement.finished[0]!.rows, 2);
      assert.is(settlement.finished[0]!.state, 'mined');
      assert.equal(settlement.refused, []);
      assert.is(settlement.waitingLanes, 0);
      assert.is(settlement.finished[0]!.transaction, toHex(done.transaction));

      // Nothing new: nothing is sent.
      await hub.settleNow();
      assert.is(hub.status().settlement.finished.length, 1);
      const [view] = (await get(`${hub.statusUrl}/channels`)) as {
        lanes: { top: number; settled: number }[];
      }[];
      assert.equal(view!.lanes.map((lane) => [lane.top, lane.settled]).sort(), [
        [1000, 1000],
        [150, 150],
      ]);
    } finally {
      for (const device of [pos, charger, wearable]) device.close();
      await hub.stop();
    }
  }));

function privateKeyAddress(): Uint8Array {
  return Buffer.from(hubAddress().slice(2), 'hex');
}

test('after a restart the hub knows everything and settles on', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, channel } = site;
    // Numbers go on from the first test: the vault is the same.
    const next = await tap({ on: signing, channel, seq: 4, amount: 50, spent: 1200, paid: 200 });
    let hub = await site.start(folder);
    let pos = await startTerminal(site, hub);
    pos.send(next.bytes);
    await pos.next('acknowledgement');
    pos.close();
    await hub.stop();

    hub = await site.start(folder);
    pos = new Connected(hub, key(3).address);
    try {
      await pos.ready();
      pos.send(next.bytes);
      assert.is((await pos.next('acknowledgement')).position, 0);
      await hub.settleNow();
      assert.is(await site.vault.readLane(channel, payee.address), 200);
      assert.is((await pos.next('settled')).paid, 200);
      // The second copy of what is settled brings nothing.
      await hub.settleNow();
      assert.is(hub.status().settlement.finished.length, 1);
    } finally {
      pos.close();
      await hub.stop();
    }
  }));

test('a payee’s credit goes back to the channel, once', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, channel, vault } = site;
    const hub = await site.start(folder);
    const pos = await startTerminal(site, hub);
    try {
      const bought = await tap({ on: signing, channel, seq: 5, amount: 100, spent: 1300, paid: 300 });
      pos.send(bought.bytes);
      await pos.next('acknowledgement');
      const before = await vault.readChannel(channel);
      const fields = { voucher: bought.id, credited: amount(60) };
      const signature = await payee.sign(signing.digest('Credit', fields));
      const { channel: of, seq } = bought.voucher;
      pos.send({ type: 'collectedCredit', channel: of, seq, ...fields, signature, byPayee: 1 });
      await pos.next('acknowledgement', (found) => !equalBytes(found.entry, bought.id));
      await hub.settleNow();
      assert.is(await vault.readLane(channel, payee.address), 300);
      assert.is(await vault.readCredit(bought.id), 60);
      const after = await vault.readChannel(channel);
      assert.is(after.credited - before.credited, 60);
      assert.is(hub.status().settlement.finished.length, 1);
      await hub.settleNow();
      assert.is(hub.status().settlement.finished.length, 1);
    } finally {
      pos.close();
      await hub.stop();
    }
  }));

test('lanes on a known list settle with one row', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, channel, vault } = site;
    const hub = await site.start(folder);
    const pos = await startTerminal(site, hub);
    const charger = await startTerminal(site, hub, otherTerminal, otherPayee);
    try {
      const one = await tap({
        on: signing,
        channel,
        seq: 6,
        amount: 10,
        spent: 1310,
        paid: 1010,
        payee: otherPayee,
        terminal: otherTerminal,
      });
      const list = [{ payee: otherPayee.address, paid: amount(1010) }];
      const two = await tap({ on: signing, channel, seq: 7, amount: 10, spent: 1320, paid: 310, list });
      charger.send(one.bytes);
      await charger.next('acknowledgement');
      pos.send(two.bytes);
      await pos.next('acknowledgement');
      // Nobody handed the list in: the hub rebuilds it from the ledger.
      await hub.settleNow();
      assert.is(hub.status().settlement.finished[0]!.rows, 1);
      assert.is(await vault.readLane(channel, payee.address), 310);
      assert.is(await vault.readLane(channel, otherPayee.address), 1010);
    } finally {
      pos.close();
      charger.close();
      await hub.stop();
    }
  }));

test('a transaction that was signed before a crash is brought to its end by the next start, unasked', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, channel, vault } = site;
    const next = await tap({ on: signing, channel, seq: 8, amount: 10, spent: 1330, paid: 320 });
    const entry: HubRecord = { type: 'entry', id: next.id, at: 1 as never, message: next.bytes };
    const reference = { entry: next.id, k: 0, lanes: [] };
    const row = rowOf(signing, findEntry(applyRecord(emptyBooks, entry), next.id)!, reference);
    const { hash, raw, nonce } = await vault.prepareSettle(privateKeyToAccount(site.anvil.keys[1]!), [row]);
    const intent: HubRecord = {
      type: 'batchIntent',
      batch: 1,
      transaction: fromHex(hash, 32),
      nonce,
      raw: fromHex(raw),
      rows: [reference],
    };
    const ledger = await openFileLedger(join(folder, 'ledger'));
    for (const record of [entry, intent]) await ledger.append(encodeRecord(record));
    await ledger.close();
    const hub = await site.start(folder);
    try {
      await until('the batch is final', () => hub.status().settlement.finished.length === 1);
      assert.is(hub.status().settlement.finished[0]!.transaction, hash);
      assert.is(await vault.readLane(channel, payee.address), 320);
    } finally {
      await hub.stop();
    }
  }));

test('a revoked channel stands in the list that the next beacon names, and gets no lease', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, channel } = site;
    const hub = await site.start(folder);
    const wearable = new Connected(hub, payer.address);
    try {
      await wearable.ready();
      const authorization = `Bearer ${readFileSync(operatorTokenPath(folder), 'utf8').trim()}`;
      const say = (word: string, of: number | string, headers: Record<string, string> = { authorization }) =>
        fetch(`${hub.statusUrl}/v1/channels/${of}/${word}`, { method: 'POST', headers });
      const refusals = await Promise.all([
        say('revoke', 'all'),
        say('revoke', 999),
        say('revoke', channel, {}),
      ]);
      assert.equal(
        refusals.map(({ status }) => status),
        [400, 404, 401],
      );
      assert.is((await say('revoke', channel)).status, 200);
      const { channels } = await wearable.next('revocations', (found) => found.channels.length > 0);
      assert.equal(channels, [channel]);
      const hash = suite.keccak256(concatBytes(uintBytes(channel, 4)));
      await wearable.next('beacon', (found) => equalBytes(found.revocations, hash));
      const request = {
        channel: channelId(channel),
        seq: 9 as never,
        spent: amount(2000),
        at: 0 as never,
        scope: SCOPE_ANY,
      };
      const signature = await payer.sign(signing.digest('LeaseRequest', request));
      wearable.send({ type: 'leaseRequest', ...request, signature });
      assert.is((await wearable.next('rejection')).code, 48);
      assert.is((await say('allow', channel)).status, 200);
      await wearable.next('revocations', (found) => found.channels.length === 0);
      wearable.send({ type: 'leaseRequest', ...request, signature });
      await wearable.next('lease');
    } finally {
      wearable.close();
      await hub.stop();
    }
  }));

test('L2 goes away and comes back: vouchers are taken all the while, and settling resumes by itself', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, channel } = site;
    const road = await startRoad(site.anvil.port);
    const chain = { ...site.config(folder).chain, rpcUrl: road.url };
    const hub = await site.start(folder, { chain, batch: { everyMs: 100 } });
    const pos = await startTerminal(site, hub);
    try {
      road.block();
      await until('trouble is told', () => hub.status().chain.trouble !== undefined);
      const next = await tap({ on: signing, channel, seq: 9, amount: 10, spent: 1340, paid: 330 });
      pos.send(next.bytes);
      await pos.next('acknowledgement');
      assert.is(hub.status().settlement.waitingLanes, 1);
      road.open();
      await pos.next('settled', (found) => found.paid === 330);
      assert.is(await site.vault.readLane(channel, payee.address), 330);
      await until('trouble is over', () => hub.status().chain.trouble === undefined);
    } finally {
      pos.close();
      await hub.stop();
      await road.close();
    }
  }));

test('an owner who leaves: the hub settles what the channel owes unasked, also when it starts only then', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, vault, owner } = site;
    const leaver = key(51);
    const { channel } = await vault.openChannel(owner, { payer: toHex(leaver.address), amount: 1_000 });
    const taps = { on: signing, channel, payer: leaver };
    let hub = await site.start(folder);
    let pos = await startTerminal(site, hub);
    pos.send((await tap({ ...taps, seq: 1, amount: 10, spent: 10, paid: 10 })).bytes);
    await pos.next('acknowledgement');
    pos.close();
    await hub.stop();
    await vault.startExit(owner, channel);

    hub = await site.start(folder);
    pos = await startTerminal(site, hub);
    await until('it is settled', async () => (await vault.readLane(channel, payee.address)) === 10);
    pos.close();
    await hub.stop();
    hub = await site.start(folder);
    assert.is(hub.status().chain.trouble, undefined, 'a third start knows of the exit before it sees L2');
    await hub.stop();
  }));

test('a hub that starts without L2 takes vouchers of the channels that it knows', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, channel } = site;
    let hub = await site.start(folder);
    let pos = await startTerminal(site, hub);
    pos.close();
    await hub.stop();
    hub = await site.start(folder, { chain: { ...site.config(folder).chain, rpcUrl: 'http://127.0.0.1:9' } });
    pos = await startTerminal(site, hub);
    try {
      const next = await tap({ on: signing, channel, seq: 10, amount: 10, spent: 1350, paid: 340 });
      pos.send(next.bytes);
      await pos.next('acknowledgement');
    } finally {
      pos.close();
      await hub.stop();
    }
  }));

test('a deposit counts only when it is final', () =>
  inTemporaryFolder(async (folder) => {
    const { signing, vault } = site;
    const chain = { ...site.config(folder).chain, finalityBlocks: 3 };
    const hub = await site.start(folder, { chain });
    const wearable = new Connected(hub, key(50).address);
    try {
      await wearable.ready();
      const { channel, receipt } = await vault.openChannel(site.owner, {
        payer: toHex(key(50).address),
        amount: 1_000,
      });
      const request = {
        channel: channelId(channel),
        seq: 0 as never,
        spent: amount(0),
        at: 0 as never,
        scope: SCOPE_ANY,
      };
      const message = {
        type: 'leaseRequest',
        ...request,
        signature: await key(50).sign(signing.digest('LeaseRequest', request)),
      } as const;
      await until('the block is seen', () => hub.status().chain.height! >= Number(receipt.blockNumber));
      wearable.send(message);
      assert.is(refusalName((await wearable.next('rejection')).code), 'channel_unknown');
      const client = vault.client as unknown as { request(call: object): Promise<unknown> };
      for (let mined = 0; mined < 3; mined += 1) await client.request({ method: 'evm_mine', params: [] });
      const pages = async () => (await get(`${hub.statusUrl}/channels`)) as { channel: number }[];
      await until('the channel is final', async () =>
        (await pages()).some((found) => found.channel === channel),
      );
      wearable.send(message);
      assert.is((await wearable.next('lease')).spendLimit, 800);
    } finally {
      wearable.close();
      await hub.stop();
    }
  }));

test('another vault at the address is refused by name and nothing is settled there', () =>
  inTemporaryFolder(async (folder) => {
    const chain = { ...site.config(folder).chain, chainId: 1 };
    // Words of the root are for one vault, too.
    const keys = { ...site.config(folder).keys, words: [] };
    const hub = await site.start(folder, { chain, keys });
    await until('trouble is told', () => hub.status().chain.trouble !== undefined);
    assert.match(hub.status().chain.trouble!, 'chain_mismatch');
    await hub.stop();
  }));

test('the status pages answer questions from loopback only', () =>
  inTemporaryFolder(async (folder) => {
    const hub = await site.start(folder);
    // On a busy machine the start ends before the first look at L2 does.
    await until('the hub is ready', () => hub.health().ready);
    try {
      const metrics = await (await fetch(`${hub.statusUrl}/metrics`)).text();
      assert.match(metrics, 'sundial_hub_ledger_writing 1');
      assert.is((await fetch(`${hub.statusUrl}/nothing`)).status, 404);
      assert.is((await fetch(`${hub.statusUrl}/proof?position=99`)).status, 400);
      assert.equal(await get(`${hub.statusUrl}/status`), JSON.parse(JSON.stringify(hub.status())));
      const { request } = await import('node:http');
      const status = await new Promise((resolve) => {
        request(`${hub.statusUrl}/status`, { headers: { host: 'evil.example' } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        }).end();
      });
      assert.is(status, 403);
    } finally {
      await hub.stop();
    }
  }));

test.run();
