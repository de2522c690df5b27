/**
 * A payee's office (`sundial payee watch`) as a process, beside a real till, hub and chain.
 *
 * What a stranger announces moves nobody. With the hub killed a customer announces an invented payment of all it has to a friend,
 * and the office takes what was acknowledged before that is due, from its own file, after a kill and without its till. With the
 * hub back, ended leases are signed away when the till has handed everything in, and not before.
 *
 * Not checked here: tills on other machines (their file is what `test/till/hub.test.ts` claims), several offices of one payee.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectTill, type TillClient, units } from 'sundial/pos';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { privateKeyToAccount } from 'viem/accounts';
import { readDevice } from '../../hardware/boards/node/cli/device-folder.ts';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { readAddresses } from '../../hub/cli/deploy-command.ts';
import { openHubFolder } from '../../hub/cli/hub-folder.ts';
import type { Anvil } from '../../hub/l2/anvil.ts';
import { connect } from '../../hub/l2/chain.ts';
import type { Row } from '../../hub/l2/rows.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { freePort } from '../../hub/node/free-port.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { voucherDigest } from '../../protocol/vouchers.ts';
import type { DeviceChild } from '../../simulators/demo/device-child.ts';
import { GAS, type Json, Shop } from '../../simulators/operator/shop.ts';
import { sundialHere } from '../cli/in-process.ts';
import { CLI } from './bench.ts';

const shop = new Shop(CLI, mkdtempSync(join(tmpdir(), 'sundial-office-')), sundialHere);
test.after(async () => {
  await shop.close();
  rmSync(shop.folder, { recursive: true, force: true });
});

const LEASE_SECONDS = 600;
let anvil: Anvil;
let hub: ChildProcess;
let payee: string;
let till: TillClient;
let pos: DeviceChild;
let wearable: DeviceChild;
let state: string;
let customer: string;
let broker: string;
let vault: Vault;
let office: string[];
let row: Row;
const friend = privateKeyToAccount(`0x${'7e'.repeat(32)}`);
const ask = (method: string, ...params: unknown[]) => connect(anvil.url).request({ method, params } as never);

test.before(async () => {
  anvil = await shop.chain();
  const roles = await shop.roles(anvil);
  await shop.deploy(anvil, roles);
  const port = await freePort();
  broker = `mqtt://127.0.0.1:${port}`;
  await shop.complete(anvil, '--http-port', '0', '--mqtt-port', String(port));
  const json = join(shop.site, 'hub.json');
  const config = JSON.parse(readFileSync(json, 'utf8'));
  // Leases that end within what chain and clock may differ; batches come when they are asked for.
  const timing = { ...config.timing, leaseLifetime: LEASE_SECONDS };
  // Its broker lets nobody in who doesn't show a key: neither tills nor the office.
  const mqtt = { ...config.mqtt, login: 'required' };
  writeFileSync(json, JSON.stringify({ ...config, mqtt, timing, batch: { everyMs: 0 } }));
  await shop.money(anvil, roles, 1, '400');
  hub = await shop.hub();
  payee = String((await shop.run('payee', 'add', 'Corner shop', ...shop.at)).address);
  ({ state } = await shop.till(1, 'Corner shop'));
  const http = await freePort();
  pos = shop.device('pos', state, shop.tapOf(1), ['--http', String(http), '--hub', broker]);
  await pos.start();
  await pos.next('api');
  till = connectTill({
    url: `http://127.0.0.1:${http}`,
    token: readFileSync(join(state, 'till.token'), 'utf8'),
  });
  customer = await shop.customer(1, '300', anvil.url);
  await shop.untilKnown(1);
  await pos.until((status) => status.scope !== undefined);
  wearable = shop.device('wearable', customer, shop.tapOf(1));
  await wearable.start();
  await wearable.next('lease');
  vault = await Vault.connect(anvil.url, readAddresses(join(shop.site, 'addresses.json')).vault);
  const key = join(shop.folder, 'gas.key');
  await shop.run('hub-key', 'new', '--out', key);
  for (const account of [privateKeyToAccount(readFileSync(key, 'utf8').trim() as `0x${string}`), friend])
    await ask('anvil_setBalance', account.address, GAS);
  const keeps = ['--office', join(shop.folder, 'office'), '--key', key, '--till', state];
  office = ['payee', 'watch', '--payee', 'Corner shop', ...shop.at, ...keeps];
});

/** What a payment to the friend takes, as the customer's own key signs it, or another one. */
async function announced(spent: number, sign: (digest: Uint8Array) => Promise<Uint8Array> | Uint8Array) {
  const device = readDevice(customer, 'wearable');
  const voucher = {
    kind: 'voucher' as const,
    channel: device.file.channel!,
    seq: 900,
    spent,
    payee: fromHex(friend.address.toLowerCase() as `0x${string}`, 20),
    paid: spent,
    request: new Uint8Array(32).fill(spent % 251),
    lanes: new Uint8Array(16),
  };
  const signed: Row = { voucher, signature: await sign(voucherDigest(device.signing, voucher as never)) };
  await vault.registerPayee(friend, voucher.payee);
  await vault.announce(friend, [signed]);
  return signed;
}

const balanceOf = (account: string) => vault.readPayeeBalance(fromHex(account as `0x${string}`, 20));
const once_ = (...more: string[]): Promise<Json> => shop.run(...office, '--once', ...more);

async function sell(amount: string): Promise<void> {
  const sale = await till.sell({ amount: units(amount) }, { key: amount });
  assert.is(sale.state, 'approved', JSON.stringify(sale));
}

test('what was acknowledged is kept; a stranger that announces moves nobody', async () => {
  await sell('1.5');
  await sell('2.5');
  await pos.until(({ outbox }) => outbox === 0);
  const device = readDevice(customer, 'wearable');
  await announced(9_000_000, (digest) => {
    const signature = friend.sign({ hash: `0x${Buffer.from(digest).toString('hex')}` });
    // r, then s with the parity in its top bit.
    return signature.then((hex) => {
      const bytes = fromHex(hex);
      const compact = bytes.slice(0, 64);
      if (bytes[64] === 28) compact[32]! |= 0x80;
      return compact;
    });
  });
  assert.ok(device.file.channel);
  const seen = await once_();
  assert.equal(
    [seen.open, seen.acknowledged, seen.alarms, seen.settled, seen.announced, seen.troubles],
    [1, 1, 0, 0, 0, []],
  );
  assert.is(await balanceOf(payee), 0);
});

test('with the hub gone it takes what was acknowledged before the announced payment is due', async () => {
  await sell('3');
  await pos.until(({ outbox }) => outbox === 0);
  assert.equal((await once_()).acknowledged, 1);
  hub.kill('SIGKILL');
  await once(hub, 'exit');

  row = await announced(240_000_000, (digest) => readDevice(customer, 'wearable').key().sign(digest));
  // Without its tills as well: from what it keeps.
  const alone = office.slice(0, office.indexOf('--till'));
  const watch = () => {
    const child = spawn(process.execPath, [CLI, ...alone, '--every', '1', '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    shop.hold(child);
    return child;
  };
  const killed = watch();
  for await (const line of createInterface({ input: killed.stdout! }))
    if ((JSON.parse(line) as Json).event === 'watching') break;
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const child = watch();
  for await (const line of createInterface({ input: child.stdout! })) {
    const { event, open } = JSON.parse(line) as Json;
    if (event === 'round' && open === 0) break;
  }
  child.stdout!.resume();
  assert.is(await balanceOf(payee), 7_000_000);
  child.kill('SIGTERM');
  await once(child, 'exit');
});

test('ended leases are signed away when all is handed in and paid', async () => {
  hub = await shop.hub();
  const { hub: at } = openHubFolder(shop.site);
  const leases = async () =>
    ((await askHub(at, `/leases?payee=${payee}`)) as { leases: { channel: number; until: number }[] }).leases;
  assert.equal(await leases(), []);
  await ask('evm_increaseTime', LEASE_SECONDS + 60);
  const until = async (isDone: () => Promise<boolean>) => {
    while (!(await isDone())) await new Promise((done) => setTimeout(done, 200));
  };
  await until(async () => (await leases()).length === 1);
  const [lease] = await leases();
  // The till says that it has handed everything in with its next contact.
  assert.equal((await once_()).released, []);
  pos.command({ disconnect: true });
  await pos.next('disconnected');
  pos.command({ connect: broker });
  await until(async () => {
    const { terminals } = (await askHub(at, `/credits?payee=${payee}`)) as {
      terminals: { syncedAt: number }[];
    };
    return terminals.every(({ syncedAt }) => syncedAt > lease!.until);
  });
  assert.equal((await once_()).released, [lease!.channel]);
  assert.equal(await leases(), []);
  assert.equal((await once_()).released, []);
});

test('what was announced takes what is left, and nothing that was acknowledged', async () => {
  // Two days in a breath are no time that a hub signs.
  hub.kill('SIGTERM');
  await once(hub, 'exit');
  await ask('evm_increaseTime', DEFAULT_TIMING.slowLane + 1);
  await ask('evm_mine');
  await vault.execute(friend, [row]);
  assert.is(await balanceOf(friend.address.toLowerCase()), 233_000_000);
  assert.is(await balanceOf(payee), 7_000_000);
});

test('another payee does not take over its folder', async () => {
  await shop.refused('payee', 'watch', '--payee', 'nobody', ...shop.at).then((code) => {
    assert.is(code, 'merchant_unknown');
  });
});

test.run();
