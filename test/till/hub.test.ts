/**
 * A till and its hub, with real processes and a chain.
 *
 * Selling while the outbox drains: eight orders, half of them before the network is back and half while the line to the hub
 * breaks again and again, before a message or before its answer, and the till is killed: eight charges, and no ninth.
 *
 * A merchant finishes alone: sales that the hub acknowledged and one that it never saw, the hub gone for good. What was
 * acknowledged settles at once, the rest is announced, waits, is executed; asked again at any time, nothing moves twice.
 *
 * Not checked here: streams of a charge point, a frozen vault.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectTill, type TillClient, units } from 'sundial/pos';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { privateKeyToAccount } from 'viem/accounts';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { openHubFolder } from '../../hub/cli/hub-folder.ts';
import { readAddresses } from '../../hub/cli/deploy-command.ts';
import type { Anvil } from '../../hub/l2/anvil.ts';
import { connect } from '../../hub/l2/chain.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import type { DeviceChild } from '../../simulators/demo/device-child.ts';
import { freePort } from '../../hub/node/free-port.ts';
import { GAS, Shop } from '../../simulators/operator/shop.ts';
import { sundialHere } from '../cli/in-process.ts';
import { BadLine } from './bad-line.ts';
import { CLI } from './bench.ts';

const shop = new Shop(CLI, mkdtempSync(join(tmpdir(), 'sundial-claim-')), sundialHere);
test.after(async () => {
  line.close();
  await shop.close();
  rmSync(shop.folder, { recursive: true, force: true });
});

let anvil: Anvil;
let hub: ChildProcess;
let payee: string;
let till: TillClient;
let pos: DeviceChild;
let wearable: DeviceChild;
let state: string;
let line: BadLine;

test.before(async () => {
  anvil = await shop.chain();
  const roles = await shop.roles(anvil);
  await shop.deploy(anvil, roles);
  const broker = await freePort();
  await shop.complete(anvil, '--http-port', '0', '--mqtt-port', String(broker));
  await shop.money(anvil, roles, 1, '400');
  hub = await shop.hub();
  payee = String((await shop.run('payee', 'add', 'Corner shop', ...shop.at)).address);
  ({ state } = await shop.till(1, 'Corner shop'));
  line = new BadLine(broker);
  const door = `mqtt://127.0.0.1:${await line.open()}`;
  const http = await freePort();
  pos = shop.device('pos', state, shop.tapOf(1), ['--http', String(http), '--hub', door]);
  await pos.start();
  await pos.next('api');
  const token = readFileSync(join(state, 'till.token'), 'utf8');
  till = connectTill({ url: `http://127.0.0.1:${http}`, token });
  const customer = await shop.customer(1, '300', anvil.url);
  await shop.untilKnown(1);
  await pos.until((status) => status.scope !== undefined);
  wearable = shop.device('wearable', customer, shop.tapOf(1));
  await wearable.start();
  await wearable.next('lease');
});

const ORDERS = ['1', '2', '3', '4', '5', '6', '7', '8'];

test('eight orders while the outbox drains over a bad line are eight charges', async () => {
  const sell = async (order: string) => {
    const sale = await till.sell({ amount: units('0.75'), reference: order }, { key: `order-${order}` });
    assert.is(sale.state, 'approved', order);
    return sale.payment!.voucher;
  };
  const vouchers: string[] = [];
  pos.command({ disconnect: true });
  await pos.next('disconnected');
  for (const order of ORDERS.slice(0, 4)) vouchers.push(await sell(order));
  // Long enough for a login, short of what the outbox needs.
  line.breaks = [600, 900, 1400, 700, 2000, 1100, 3000, 800].map((bytes, index) => ({
    bytes,
    how: index % 2 === 0 ? 'doubled' : 'lost',
  }));
  await pos.kill();
  await pos.start();
  for (const order of ORDERS.slice(4)) {
    vouchers.push(await sell(order));
    if (order === '6') {
      await pos.kill();
      await pos.start();
    }
  }
  await pos.until(({ outbox }) => outbox === 0);
  assert.ok(line.broken >= 2, `${line.broken} connections broke`);
  // Whoever is not sure asks again, and is told the same.
  for (const [index, order] of ORDERS.entries()) assert.is(await sell(order), vouchers[index]);
  const { hub: at } = openHubFolder(shop.site);
  const { payments } = (await askHub(at, '/v1/payments?limit=100')) as {
    payments: { id: string; amount: number }[];
  };
  assert.equal(payments.map(({ id }) => id).sort(), [...vouchers].sort());
  assert.ok(payments.every(({ amount }) => amount === 750_000));
  assert.is((await wearable.until(({ unconfirmed }) => unconfirmed === 0)).spent, 6_000_000);
  const { sales } = await till.report();
  assert.equal(sales, { count: 8, sum: 6_000_000 });
  line.breaks = [];
});

test('with the hub gone: acknowledged at once, the rest after the slow lane, and nothing twice', async () => {
  for (const key of ['first', 'second'])
    assert.is((await till.sell({ amount: units('2') }, { key })).state, 'approved');
  await pos.until(({ outbox }) => outbox === 0);
  pos.command({ disconnect: true });
  await pos.status();
  assert.is((await till.sell({ amount: units('1.25') }, { key: 'third' })).state, 'approved');
  hub.kill('SIGKILL');

  // The till goes on meanwhile.
  const file = join(shop.folder, 'claims.json');
  const written = await shop.run('claim', '--state', state, '--to', file);
  assert.equal([written.acknowledged, written.waiting], [1, 1]);

  // Anybody with gas money may carry it.
  const key = join(shop.folder, 'carrier.key');
  await shop.run('hub-key', 'new', '--out', key);
  const client = connect(anvil.url);
  const carrier = privateKeyToAccount(readFileSync(key, 'utf8').trim() as `0x${string}`).address;
  const ask = (method: string, ...params: unknown[]) => client.request({ method, params } as never);
  await ask('anvil_setBalance', carrier, GAS);
  const claim = (from = file) => shop.run('claim', '--from', from, '--rpc', anvil.url, '--key', key);
  const vault = await Vault.connect(anvil.url, readAddresses(join(shop.site, 'addresses.json')).vault);
  const balance = () => vault.readPayeeBalance(fromHex(payee, 20));

  const first = await claim();
  // A part of it the hub may have settled before it went.
  assert.equal([first.announced, first.executed, first.reasons], [1, 0, []]);
  assert.ok(Number(first.settled) <= 10_000_000);
  assert.is(await balance(), 10_000_000);
  const again = await claim();
  assert.equal([again.settled, again.announced, again.executed], [0, 0, 0]);
  assert.is(again.executableAt, first.executableAt);

  await ask('evm_increaseTime', DEFAULT_TIMING.slowLane + 1);
  await ask('evm_mine');
  const last = await claim();
  assert.equal([last.settled, last.announced, last.executed], [0, 0, 1_250_000]);
  assert.is(await balance(), 11_250_000);
  const after = await claim();
  assert.equal([after.settled, after.announced, after.executed], [0, 0, 0]);
  assert.is(await balance(), 11_250_000);

  // What was changed on the way is refused by name, before anything is sent.
  const changed = (change: (claims: { claims: { proof: string }[]; payee: string }) => void): string => {
    const claims = JSON.parse(readFileSync(file, 'utf8'));
    change(claims);
    const path = join(shop.folder, 'changed.json');
    writeFileSync(path, JSON.stringify(claims));
    return path;
  };
  for (const path of [
    changed((claims) => {
      claims.payee = `0x${'11'.repeat(20)}`;
    }),
    changed(({ claims }) => {
      claims[0]!.proof = claims[0]!.proof.slice(0, -8);
    }),
    changed((claims) => {
      claims.claims = [{} as never];
    }),
  ])
    assert.is(await shop.refused('claim', '--from', path, '--rpc', anvil.url, '--key', key), 'bad_claims');
});

test.run();
