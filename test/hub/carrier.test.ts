/**
 * What the hub tells its registry on L2 by itself: on a real chain, and by the numbers against a registry that is made up.
 *
 * Not checked here: what the registry makes of it (contracts/test/Registry.t.sol), and a hub of several workers, where the elected
 * one tells (rounds.ts asks as for everything else).
 */
import { privateKeyToAccount } from 'viem/accounts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import type { Hub } from '../../hub/hub.ts';
import { carriedAtOnceMax, carriedDayMax } from '../../hub/limits.ts';
import { createLogger } from '../../hub/log.ts';
import type { Block, Hex, L2, RegistryL2, Vouched } from '../../hub/ports.ts';
import { registryAbi } from '../../hub/l2/registry-abi.ts';
import { Carrier, type CarrierOptions, type PayeeWish } from '../../hub/settle/carrier.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { seconds } from '../../protocol/integers.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { key, root } from './fleet.ts';
import { type Site, startSite } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(() => site.close());

const onRegistry = () => ({ address: site.vault.registry, abi: registryAbi }) as const;
const nonceOf = (secret: Hex) =>
  site.vault.client.getTransactionCount({ address: privateKeyToAccount(secret).address });

/** A hub with its operator's account, that looks often. */
const start = (folder: string, registry = { everyMs: 200, anchorEvery: 1 }): Promise<Hub> => {
  const config = site.config(folder);
  return site.start(folder, {
    keys: { ...config.keys, operator: site.anvil.keys[0]! },
    registry,
  });
};

const post = (hub: Hub, folder: string, path: string, method: string, body?: object) =>
  askHub({ url: hub.statusUrl, tokenFile: operatorTokenPath(folder) }, path, method as 'POST', body as never);

test('keys, revocations, payees and the log reach L2 without a command, once', () =>
  inTemporaryFolder(async (folder) => {
    const { vault } = site;
    const operator = site.anvil.keys[0]!;
    let hub = await start(folder);
    // A certificate of the next key, and that it is taken back.
    const next = key(901);
    const now = seconds(Number((await vault.client.getBlock()).timestamp));
    const word = await certifyHubKey(site.signing, root, {
      address: next.address,
      from: now,
      epoch: 0,
      signedAt: now,
    });
    await post(hub, folder, '/v1/hub-keys', 'POST', { word: toHex(encodeMessage(word)) });
    await until(
      'the certificate is on L2',
      async () => (await vault.readHubKey(toHex(next.address))).addedAt !== 0,
    );
    const fields = { key: next.address, at: now };
    const signature = await root.sign(site.signing.digest('HubKeyRevoked', fields));
    const back = toHex(encodeMessage({ type: 'hubKeyRevoked', ...fields, signature }));
    await post(hub, folder, '/v1/hub-keys', 'POST', { word: back });
    await until(
      'the revocation is on L2',
      async () => (await vault.readHubKey(toHex(next.address))).revokedAt !== 0,
    );

    // A merchant comes, grows, and goes.
    const merchant = toHex(key(902).address);
    const accreditation = async () => {
      const id = await vault.payeeId(fromHex(merchant, 20));
      return id === undefined ? undefined : vault.readAccreditation(id);
    };
    await post(hub, folder, '/v1/payees', 'POST', { name: 'Corner shop', address: merchant, terminals: 3 });
    await until('the merchant is vouched for', async () => (await accreditation())?.terminals === 3);
    await post(hub, folder, '/v1/payees', 'POST', { name: 'Corner shop', address: merchant, terminals: 4 });
    await until('the merchant grew', async () => (await accreditation())?.next === 4);
    await post(hub, folder, '/v1/payees/Corner%20shop', 'DELETE');
    await until('the merchant is let go', async () => (await accreditation())?.until !== 0);

    // Something in the log: its root is anchored under its size.
    await hub.revoke(site.channel, true);
    await until('the log is anchored', async () => (await vault.readAnchored()).size === 1);
    const proof = (await post(hub, folder, '/proof?position=0', 'GET')) as { root: Hex };
    const anchored = await vault.client.readContract({
      ...onRegistry(),
      functionName: 'anchorOf',
      args: [1],
    });
    assert.is(anchored, proof.root);
    await until('nothing waits', async () => hub.status().registry!.waiting.length === 0);
    await until('the anchor was seen', async () => hub.status().registry!.anchored!.size === 1);
    const metrics = await (
      await fetch(`${hub.statusUrl}/metrics`, { headers: await tokenOf(folder) })
    ).text();
    for (const act of ['certificate', 'revocation', 'accreditation', 'removal', 'anchor'])
      assert.match(metrics, new RegExp(`registry_acts_total\\{act="${act}",outcome="done"\\} [1-9]`));

    // Started again it asks, and tells nothing twice.
    await hub.stop();
    const sent = await nonceOf(operator);
    hub = await start(folder);
    await until('the anchor was seen', async () => hub.status().registry!.anchored?.size === 1);
    await hub.settleNow();
    assert.is(await nonceOf(operator), sent);
    await hub.stop();
  }));

test("without the operator's key the root's words are carried by the account that settles, and no more", () =>
  inTemporaryFolder(async (folder) => {
    const { vault } = site;
    const sent = await nonceOf(site.anvil.keys[0]!);
    const hub = await site.start(folder, { registry: { everyMs: 200, anchorEvery: 1 } });
    const next = key(903);
    const now = seconds(Number((await vault.client.getBlock()).timestamp));
    const word = await certifyHubKey(site.signing, root, {
      address: next.address,
      from: now,
      epoch: 0,
      signedAt: now,
    });
    await post(hub, folder, '/v1/payees', 'POST', {
      name: 'Shop',
      address: toHex(key(904).address),
      terminals: 3,
    });
    await post(hub, folder, '/v1/hub-keys', 'POST', { word: toHex(encodeMessage(word)) });
    await hub.settleNow();
    await until(
      'the certificate is on L2',
      async () => (await vault.readHubKey(toHex(next.address))).addedAt !== 0,
    );
    assert.is(await vault.payeeId(key(904).address), undefined);
    assert.is(await nonceOf(site.anvil.keys[0]!), sent);
    await hub.stop();
  }));

test("an operator's key that is none is refused before it costs gas, said, and holds up no word of the root", () =>
  inTemporaryFolder(async (folder) => {
    const config = site.config(folder);
    const wrong = site.anvil.keys[5]!;
    const hub = await site.start(folder, {
      keys: { ...config.keys, operator: wrong },
      registry: { everyMs: 200, anchorEvery: 1 },
    });
    await post(hub, folder, '/v1/payees', 'POST', {
      name: 'Shop',
      address: toHex(key(1).address),
      terminals: 3,
    });
    await until('it is refused', async () =>
      hub.status().registry!.waiting.some(({ reason }) => reason !== undefined),
    );
    const sent = await nonceOf(wrong);
    const [first] = hub.status().registry!.waiting;
    assert.is(first!.act, 'accreditation');
    await hub.settleNow();
    assert.is(await nonceOf(wrong), sent);
    await hub.stop();
  }));

const tokenOf = async (folder: string) => {
  const { readFileSync } = await import('node:fs');
  return { authorization: `Bearer ${readFileSync(operatorTokenPath(folder), 'utf8').trim()}` };
};

// ---- by the numbers ----

/** A registry in memory; `refuses`: what it says no to. */
class MadeUp {
  at = 1_800_000_000;
  readonly vouched = new Map<string, Vouched>();
  size = 0;
  anchoredAt = this.at;
  sent = 0;
  refuses: string | undefined;
  wishes: PayeeWish[] = [];
  logSize = 0;
  readonly outcomes: string[] = [];

  carrier(change: Partial<CarrierOptions> = {}): Carrier {
    const block = (): Block => ({ height: 1, at: this.at, hash: '0x', baseFee: 0n });
    const act = async (name: string, work: () => void): Promise<Hex> => {
      if (this.refuses === name) {
        const remedy = 'None: a test.';
        throw new SundialError('l2_reverted', 'no', { severity: 'call', remedy });
      }
      this.sent += 1;
      work();
      return '0x';
    };
    const vouch = (payee: Uint8Array, terminals: number, until: number) =>
      this.vouched.set(toHex(payee), { since: 1, until, terminals, next: 0, nextFrom: 0 });
    const registry = {
      vouched: async (payee: Uint8Array) => this.vouched.get(toHex(payee)),
      anchored: async () => ({ size: this.size, at: this.anchoredAt }),
      accredit: (payee: Uint8Array, terminals: number) => act('accredit', () => vouch(payee, terminals, 0)),
      endAccreditation: (payee: Uint8Array) => act('end', () => vouch(payee, 1, 9_999_999)),
      anchor: (size: number) => act('anchor', () => ([this.size, this.anchoredAt] = [size, this.at])),
    } as unknown as RegistryL2;
    const l2 = {
      newest: async () => ({ newest: block(), final: block() }),
      clock: async () => this.at,
    } as unknown as L2;
    return new Carrier({
      l2,
      registry,
      words: () => [],
      payees: () => this.wishes,
      ledger: () => ({ size: this.logSize, root: () => new Uint8Array(32) }),
      anchorEvery: 86_400,
      onAct: (name, outcome) => this.outcomes.push(`${name} ${outcome}`),
      log: createLogger('silent'),
      ...change,
    });
  }
}

const payees = (count: number, terminals = 1): PayeeWish[] =>
  Array.from({ length: count }, (_, i) => ({ payee: key(1000 + i).address, terminals }));

test('one look tells so much, and the next goes on', async () => {
  const world = new MadeUp();
  world.wishes = payees(carriedAtOnceMax + 2);
  const carrier = world.carrier();
  assert.is(await carrier.step(), true);
  assert.is(world.sent, carriedAtOnceMax);
  assert.is(carrier.waiting.length, 2);
  assert.is(await carrier.step(), false);
  assert.is(carrier.waiting.length, 0);
  await carrier.step();
  assert.is(world.sent, carriedAtOnceMax + 2);
});

test('a day has room for so many transactions, whatever is wrong', async () => {
  const world = new MadeUp();
  world.wishes = payees(1);
  const carrier = world.carrier();
  // A registry that forgets what it was told.
  for (let i = 0; i < carriedDayMax + 10; i++) {
    world.vouched.clear();
    carrier.forget();
    await carrier.step();
  }
  assert.is(world.sent, carriedDayMax);
  world.at += 86_400;
  await carrier.step();
  assert.is(world.sent, carriedDayMax + 1);
});

test('what is refused waits with its reason, holds up nothing, and is counted once', async () => {
  const world = new MadeUp();
  world.wishes = payees(2);
  world.logSize = 5;
  world.at += 86_400;
  world.refuses = 'accredit';
  const carrier = world.carrier();
  for (let i = 0; i < 3; i++) await carrier.step();
  assert.equal(
    carrier.waiting.map(({ act, reason }) => [act, reason]),
    [
      ['accreditation', 'l2_reverted: no'],
      ['accreditation', 'l2_reverted: no'],
    ],
  );
  assert.is(world.size, 5);
  assert.equal(world.outcomes, ['accreditation refused', 'accreditation refused', 'anchor done']);
  world.refuses = undefined;
  await carrier.step();
  assert.is(carrier.waiting.length, 0);
  assert.is(world.vouched.size, 2);
});

test('a payee that goes and comes back is told each time, and anchors keep their pace', async () => {
  const world = new MadeUp();
  const carrier = world.carrier();
  for (const terminals of [3, 0, 3]) {
    world.wishes = payees(1, terminals);
    await carrier.step();
    await carrier.step();
  }
  assert.is(world.sent, 3);
  world.logSize = 1;
  await carrier.step();
  assert.is(world.size, 0, 'not within a day of the last');
  world.at += 86_400;
  await carrier.step();
  assert.is(world.size, 1);
  world.logSize = 2;
  world.at += 86_399;
  await carrier.step();
  assert.is(world.size, 1);
  world.at += 1;
  await carrier.step();
  assert.is(world.size, 2);
  world.at += 86_400;
  await carrier.step();
  assert.is(world.sent, 5, 'a log that did not grow is not anchored again');
});

test.run();
