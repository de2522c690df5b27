/**
 * The keys that a hub signs with: which one when, what the root may say, and a running hub that is told.
 *
 * Not checked here: what devices believe (`test/protocol/hub-keys.test.ts`).
 */
import { execFile } from 'node:child_process';
import { chmod, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HubKeys, hubKeysMax, parseRootWord } from '../../hub/crypto/hub-keys.ts';
import { toHex } from '../../protocol/bytes.ts';
import { type Seconds, seconds } from '../../protocol/integers.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { hub, key, NOW, root, signing } from './fleet.ts';
import { type Site, startSite, startTerminal } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

const DAY = 86_400;
const second = key(31);
const day = (n: number): Seconds => seconds(NOW + n * DAY);

function certificate(address: Uint8Array, from: Seconds, epoch = 0, signedAt = from) {
  return certifyHubKey(signing, root, { address, from, epoch, signedAt });
}

async function revocation(address: Uint8Array, at: Seconds, by = root) {
  const fields = { key: address, at };
  const signature = await by.sign(signing.digest('HubKeyRevoked', fields));
  return { type: 'hubKeyRevoked' as const, ...fields, signature };
}

function hubKeys(secrets = [hub, second]) {
  const clock = { now: day(0) };
  return { clock, keys: new HubKeys(signing, root.address, secrets, () => clock.now) };
}

const codeOf = (act: () => unknown): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

test('the next key takes over by itself when its window begins', async () => {
  const { clock, keys } = hubKeys();
  assert.is(
    codeOf(() => keys.sign(new Uint8Array(32))),
    'hub_key_ended',
  );
  assert.is(keys.left, -1);
  keys.take(await certificate(hub.address, day(0)));
  keys.take(await certificate(second.address, day(20), 0, day(15)));
  assert.equal(keys.address, hub.address);
  assert.is(keys.left, 50 * DAY);
  clock.now = seconds(day(20) - 1);
  assert.equal(keys.address, hub.address);
  clock.now = day(20);
  assert.equal(keys.address, second.address);
  const digest = new Uint8Array(32).fill(5);
  assert.equal(await keys.sign(digest), await second.sign(digest));
  clock.now = seconds(day(50) + 1);
  assert.is(
    codeOf(() => keys.sign(digest)),
    'hub_key_ended',
  );
});

test('a key whose secret is not here is announced and signs nothing', async () => {
  const { keys } = hubKeys([hub]);
  keys.take(await certificate(second.address, day(0)));
  assert.is(
    codeOf(() => keys.sign(new Uint8Array(32))),
    'hub_key_ended',
  );
  assert.is(keys.left, -1);
  assert.is(keys.words().length, 1);
});

test('a revoked key signs nothing more, and devices hear of it before any certificate', async () => {
  const { keys } = hubKeys();
  keys.take(await certificate(hub.address, day(0)));
  keys.take(await certificate(second.address, day(-1)));
  keys.take(await revocation(hub.address, day(0)));
  assert.equal(keys.address, second.address);
  assert.equal(
    keys.words().map(({ type }) => type),
    ['hubKeyRevoked', 'hubKey'],
  );
});

test('with a higher epoch the keys of the ones before are over', async () => {
  const { keys } = hubKeys();
  keys.take(await certificate(hub.address, day(0)));
  keys.take(await certificate(second.address, day(-1), 1));
  assert.equal(keys.address, second.address);
  assert.is(keys.words().length, 1);
});

test('a new epoch is not forgotten with its certificate', async () => {
  const { clock, keys } = hubKeys();
  keys.take(await certificate(second.address, day(0), 1));
  for (let n = 1; n < hubKeysMax; n++) keys.take(await certificate(second.address, seconds(NOW + n), 1));
  clock.now = day(40);
  keys.take(await certificate(second.address, day(39), 1));
  keys.take(await certificate(hub.address, day(39), 0));
  assert.equal(keys.address, second.address);
});

test('only the root speaks, within its bounds, and each word is taken once', async () => {
  const { clock, keys } = hubKeys();
  const good = await certificate(hub.address, day(0));
  assert.is(keys.take(good), true);
  assert.is(keys.take(good), false);
  const foreign = await certifyHubKey(signing, hub, {
    address: second.address,
    from: day(0),
    epoch: 0,
    signedAt: day(0),
  });
  for (const word of [
    foreign,
    { ...good, until: seconds(good.until + 1) },
    await revocation(second.address, day(0), hub),
  ])
    assert.is(
      codeOf(() => keys.take(word)),
      'hub_key_word',
    );
  for (let n = 1; n < hubKeysMax; n++) keys.take(await certificate(second.address, seconds(NOW + n)));
  const more = await certificate(second.address, seconds(NOW - 1));
  assert.is(
    codeOf(() => keys.take(more)),
    'hub_key_word',
    'one too many',
  );
  clock.now = seconds(good.until + hubKeysMax);
  assert.is(keys.take(await certificate(hub.address, clock.now)), true);
  assert.is(keys.words().length, 1, 'what has ended went');
});

test('what is no word of a root is refused by name', async () => {
  const word = toHex(encodeMessage(await certificate(hub.address, day(0))));
  assert.is(parseRootWord(word).type, 'hubKey');
  const other = toHex(encodeMessage({ type: 'need', what: 1 }));
  for (const text of ['', '0x', '0x12', 'hello', word.slice(0, -2), other])
    assert.is(
      codeOf(() => parseRootWord(text)),
      'hub_key_word',
      text.slice(0, 12),
    );
});

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(() => site.close());

const run = promisify(execFile);
const cli = async (...args: string[]) =>
  JSON.parse((await run(process.execPath, ['tools/sundial.mjs', ...args, '--json'])).stdout) as Record<
    string,
    string
  >;

test('from the offline root to the device: new, certify, install, revoke', () =>
  inTemporaryFolder(async (folder) => {
    const file = (name: string): string => join(folder, name);
    const rootKey = await cli('hub-key', 'new', '--out', file('root'));
    const [first, next] = [
      await cli('hub-key', 'new', '--out', file('a')),
      await cli('hub-key', 'new', '--out', file('b')),
    ];
    assert.is((await stat(file('root'))).mode & 0o777, 0o600);
    const { chainId, vault } = site.deployment;
    const domain = ['--vault', vault, '--chain-id', String(chainId), '--root', file('root')];
    const certify = (address: string): ReturnType<typeof cli> =>
      cli('hub-key', 'certify', '--key', address, ...domain);
    const secret = async (name: string): Promise<`0x${string}`> =>
      (await readFile(file(name), 'utf8')).trim() as `0x${string}`;
    const words = [(await certify(first!.address!)).word!];
    const signingKeys = [await secret('a'), await secret('b')];
    const { settlement } = site.config(folder).keys;
    const running = await site.start(join(folder, 'hub'), {
      keys: { signing: signingKeys, settlement, root: rootKey.address!, words },
    });
    try {
      assert.is(running.address, first!.address);
      const till = await startTerminal(site, running);
      assert.equal(toHex((await till.next('hubKey')).key), first!.address);
      const { word } = await certify(next!.address!);
      // A site whose blocks may be older: the key counts from the oldest one on.
      const lag = ['--watch-lag', '60'];
      const early = await cli('hub-key', 'certify', '--key', next!.address!, ...lag, ...domain);
      assert.is(Number(early.signedAt) - Number(early.from), 60);
      await cli('hub-key', 'install', word!, '--hub', running.statusUrl);
      await till.next('hubKey', ({ key: told }) => toHex(told) === next!.address);
      const gone = await cli('hub-key', 'revoke', '--key', first!.address!, ...domain);
      await cli('hub-key', 'install', gone.word!, '--hub', running.statusUrl);
      await till.next('hubKeyRevoked');
      await until('the other key signs', async () => running.address === next!.address);
      till.close();
    } finally {
      await running.stop();
    }
    // The words stand in the registry: the configuration is as before.
    const again = await site.start(join(folder, 'hub'), {
      keys: { signing: signingKeys, settlement, root: rootKey.address!, words },
    });
    assert.is(again.address, next!.address);
    await again.stop();
    await chmod(file('root'), 0o644);
    const failed = await cli('hub-key', 'revoke', '--key', first!.address!, ...domain).catch(
      (error: { stderr: string }) => error.stderr,
    );
    assert.match(String(failed), 'chmod 600');
  }));

test.run();
