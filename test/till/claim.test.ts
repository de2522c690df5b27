/**
 * A merchant finishes alone: two sales that the hub acknowledged and one that it never saw, the hub gone for good. What was
 * acknowledged settles at once, the rest is announced, waits, is executed; asked again at any time, nothing moves twice.
 *
 * Not checked here: streams of a charge point, a frozen vault.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectTill, units } from 'sundial/pos';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { privateKeyToAccount } from 'viem/accounts';
import { readAddresses } from '../../hub/cli/deploy-command.ts';
import { connect } from '../../hub/l2/chain.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { GAS, Shop } from '../../simulators/operator/shop.ts';
import { CLI } from './bench.ts';

const shop = new Shop(CLI, mkdtempSync(join(tmpdir(), 'sundial-claim-')));
test.after(async () => {
  await shop.close();
  rmSync(shop.folder, { recursive: true, force: true });
});

test('acknowledged at once, the rest after the slow lane, and nothing twice', async () => {
  const anvil = await shop.chain();
  const roles = await shop.roles(anvil);
  await shop.deploy(anvil, roles);
  await shop.complete(anvil, '--http-port', '0', '--mqtt-port', '0');
  await shop.money(anvil, roles, 1, '400');
  const hub = await shop.hub();
  const payee = String((await shop.run('payee', 'add', 'Corner shop', ...shop.at)).address);
  const { state } = await shop.till(1, 'Corner shop');
  const tap = shop.tapOf(1);
  const pos = shop.device('pos', state, tap, ['--http', '0']);
  await pos.start();
  const { url } = await pos.next('api');
  const till = connectTill({ url: String(url), token: readFileSync(join(state, 'till.token'), 'utf8') });
  const customer = await shop.customer(1, '300', anvil.url);
  await shop.untilKnown(1);
  await pos.until((status) => status.scope !== undefined);
  const wearable = shop.device('wearable', customer, tap);
  await wearable.start();
  await wearable.next('lease');

  for (const key of ['first', 'second'])
    assert.is((await till.sell({ amount: units('2.50') }, { key })).state, 'approved');
  await pos.until(({ outbox }) => outbox === 0);
  pos.command({ disconnect: true });
  await pos.next('disconnected');
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
  assert.equal([first.settled, first.announced, first.executed], [5_000_000, 1, 0]);
  assert.is(await balance(), 5_000_000);
  const again = await claim();
  assert.equal([again.settled, again.announced, again.executed], [0, 0, 0]);
  assert.is(again.executableAt, first.executableAt);

  await ask('evm_increaseTime', DEFAULT_TIMING.slowLane + 1);
  await ask('evm_mine');
  const last = await claim();
  assert.equal([last.settled, last.announced, last.executed], [0, 0, 1_250_000]);
  assert.is(await balance(), 6_250_000);
  const after = await claim();
  assert.equal([after.settled, after.announced, after.executed], [0, 0, 0]);
  assert.is(await balance(), 6_250_000);

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
