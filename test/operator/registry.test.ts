/**
 * What an operator brings to the registry on L2 by commands, against a real chain and hub: the hub's log, words of the root,
 * accreditations and their ends.
 *
 * Not checked here: who may do what and how fast (contracts/test/Registry.t.sol), that a payee under way stays in a pot.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readAddresses } from '../../hub/cli/deploy-command.ts';
import { readKeyFile } from '../../hub/cli/hub-folder.ts';
import type { Anvil } from '../../hub/l2/anvil.ts';
import { registryAbi } from '../../hub/l2/registry-abi.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { seconds } from '../../protocol/integers.ts';
import { Shop } from '../../simulators/operator/shop.ts';
import { sundialHere } from '../cli/in-process.ts';

const CLI = join(process.cwd(), 'tools', 'sundial.mjs');
const shop = new Shop(CLI, mkdtempSync(join(tmpdir(), 'sundial-registry-')), sundialHere);
test.after(async () => {
  await shop.close();
  rmSync(shop.folder, { recursive: true, force: true });
});

/** The hub looks once a minute. */
const CARRIED_MS = 240_000;

let anvil: Anvil;
let vault: Vault;
let payee: string;

test.before(async () => {
  anvil = await shop.chain();
  const roles = await shop.roles(anvil);
  await shop.deploy(anvil, roles);
  await shop.complete(anvil, '--http-port', '0', '--mqtt-port', '0');
  await shop.money(anvil, roles, 1, '400');
  await shop.hub();
  payee = String((await shop.run('payee', 'add', 'Corner shop', ...shop.at)).address);
  await shop.till(1, 'Corner shop');
  vault = await Vault.connect(anvil.url, readAddresses(join(shop.site, 'addresses.json')).vault);
});

const read = <const Name extends 'anchorOf' | 'anchoredSize'>(
  functionName: Name,
  args: readonly unknown[] = [],
) => vault.client.readContract({ address: vault.registry, abi: registryAbi, functionName, args } as never);

test("the hub's log is anchored when it has grown, and only then", async () => {
  const customer = await shop.customer(1, '300', anvil.url);
  const wearable = shop.device('wearable', customer, shop.tapOf(1));
  await wearable.start();
  const pos = shop.device('pos', join(shop.folder, 'till-1'), shop.tapOf(1), ['--amount', '1.5']);
  await pos.start();
  await pos.until(({ outbox, acknowledged }) => outbox === 0 || acknowledged === 1);
  let done = await shop.run('hub', 'anchor', ...shop.at);
  for (const end = Date.now() + 60_000; done.anchored !== true && Date.now() < end; )
    done = await shop.run('hub', 'anchor', ...shop.at);
  assert.ok(Number(done.size) > 0);
  assert.is(await read('anchoredSize'), done.size);
  assert.is(await read('anchorOf', [done.size]), done.root);
});

test('words of the root are carried, and a key that was taken back stays away', async () => {
  const file = join(shop.folder, 'next.key');
  const { address } = await shop.run('hub-key', 'new', '--out', file);
  const { chainId } = readAddresses(join(shop.site, 'addresses.json'));
  const about = [
    ...['--root', join(shop.site, 'keys', 'root.key'), '--key', String(address)],
    ...['--vault', vault.address, '--chain-id', String(chainId)],
  ];
  const { word } = await shop.run('hub-key', 'certify', ...about);
  const carried = await shop.run('hub-key', 'carry', String(word), ...shop.at);
  assert.equal([carried.key, carried.good], [address, true]);
  assert.ok(Number(carried.countsFrom) > Number(carried.from));
  assert.is(await shop.refused('hub-key', 'carry', String(word), ...shop.at), 'vault_refused');
  const gone = await shop.run('hub-key', 'revoke', ...about);
  assert.is((await shop.run('hub-key', 'carry', String(gone.word), ...shop.at)).good, false);
  assert.is(await shop.refused('hub-key', 'carry', String(word), ...shop.at), 'vault_refused');
});

test('a certificate whose date is just ahead of the chain is carried when it gets there, a later one is refused', async () => {
  const { chainId } = readAddresses(join(shop.site, 'addresses.json'));
  const signing = makeSigning(nobleSuite, { chainId, vault: fromHex(vault.address, 20) });
  const root = nobleKey(fromHex(readKeyFile(join(shop.site, 'keys', 'root.key')), 32));
  const dated = async (ahead: number) => {
    const file = join(shop.folder, `ahead-${ahead}.key`);
    const { address } = await shop.run('hub-key', 'new', '--out', file);
    const from = seconds(Math.floor(Date.now() / 1000) + ahead);
    const times = { from, until: seconds(from + 86_400), epoch: 0, signedAt: from };
    const word = await certifyHubKey(signing, root, { address: fromHex(String(address), 20), ...times });
    return toHex(encodeMessage(word));
  };
  assert.is(await shop.refused('hub-key', 'carry', await dated(3600), ...shop.at), 'certificate_ahead');
  assert.is((await shop.run('hub-key', 'carry', await dated(3), ...shop.at)).good, true);
});

test('a merchant that is removed stays accredited for as long as pots of today are claimed, and no longer', async () => {
  const id = (await vault.payeeId(fromHex(payee as `0x${string}`, 20)))!;
  const vouched = () =>
    vault.client.readContract({
      address: vault.registry,
      abi: registryAbi,
      functionName: 'readAccreditation',
      args: [id],
    });
  assert.is((await vouched()).until, 0);
  await shop.run('payee', 'remove', 'Corner shop', ...shop.at);
  // The hub carries it, with its next look at the registry.
  const deadline = Date.now() + CARRIED_MS;
  while ((await vouched()).until === 0 && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 500));
  const { until } = await vouched();
  const clock = await vault.readClock();
  const days = (until * 3600 - clock) / 86_400;
  // A lease's life, the clocks' error and the claim window: 3 + 7 + 2 days and some hours.
  assert.ok(days > 12 && days < 12.5, `${days} days`);
});

test.run();
