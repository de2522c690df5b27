/**
 * Owners at the hub's API, with a chain: signing in with a wallet, once for each text, under this hub's own name alone;
 * what an owner sees of others; limits that only the owner signs, in order, and that are there after a start; a smart
 * account. Not checked here: the page (test/console/owner.test.ts), what limits do (owner-limits.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { limitsHash } from '../../hub/api/owners.ts';
import { Challenges } from '../../hub/desk/challenges.ts';
import { Tokens } from '../../hub/desk/tokens.ts';
import type { Hub } from '../../hub/hub.ts';
import { accountSigned } from '../../hub/l2/account-signed.ts';
import { challengesMax, tokensMax } from '../../hub/limits.ts';
import { toHex } from '../../protocol/bytes.ts';
import { otherPayee } from './fleet.ts';
import { type Site, startSite } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

let site: Site;
let owner: ReturnType<typeof privateKeyToAccount>;
let stranger: ReturnType<typeof privateKeyToAccount>;
test.before(async () => {
  site = await startSite();
  owner = site.owner;
  stranger = privateKeyToAccount(site.anvil.keys[5]!);
});
test.after(() => site.close());

// biome-ignore lint/suspicious/noExplicitAny: what a hub answers is what is tested
type Any = any;

/** A browser: it keeps one cookie. */
class Browser {
  cookie: string | undefined;
  private readonly url: string;

  constructor(hub: Hub) {
    this.url = hub.statusUrl;
  }

  async ask(method: string, path: string, body?: object, more: Record<string, string> = {}) {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        'x-sundial': 'console',
        ...(this.cookie !== undefined && { cookie: this.cookie }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...more,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const [set] = response.headers.getSetCookie();
    // One that is taken away says so by its time.
    if (set !== undefined && !set.startsWith('sundial_session=;')) {
      assert.match(set, /HttpOnly; SameSite=Strict/);
      this.cookie = set.split(';')[0];
    }
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').includes('json');
    return { status: response.status, body: (isJson ? JSON.parse(text) : text) as Any, response };
  }

  challenge(account: { address: string }): Promise<{ status: number; body: Any }> {
    return this.ask('POST', '/v1/signin/challenge', { account: account.address });
  }

  async signIn(account: typeof owner, signer = account) {
    const { nonce, text } = (await this.challenge(account)).body;
    return this.ask('POST', '/v1/signin', { nonce, signature: await signer.signMessage({ message: text }) });
  }
}

const withHub = (act: (hub: Hub, folder: string) => Promise<void>) => () =>
  inTemporaryFolder(async (folder) => {
    const hub = await site.start(folder);
    try {
      await act(hub, folder);
    } finally {
      await hub.stop();
    }
  });

test(
  'a wallet signs in, sees its own channels, and signs out',
  withHub(async (hub) => {
    const browser = new Browser(hub);
    const { text } = (await browser.challenge(owner)).body;
    const { host } = new URL(hub.statusUrl);
    assert.match(
      text,
      new RegExp(`^${host} wants you to sign in with your Ethereum account:\n${owner.address}\n`),
    );
    assert.match(
      text,
      new RegExp(`\nURI: http://${host}/owner\nVersion: 1\nChain ID: 31337\nNonce: [0-9a-f]{32}\n`),
    );
    const signed = await browser.signIn(owner);
    assert.equal([signed.status, signed.body.role], [200, 'owner']);
    const me = (await browser.ask('GET', '/v1/me')).body;
    assert.equal([me.role, me.account], ['owner', owner.address.toLowerCase()]);
    const { channels } = (await browser.ask('GET', '/v1/account')).body;
    assert.equal(
      channels.map(({ channel, deposit, left }: Any) => [channel, deposit, left]),
      [[site.channel, 100_000_000, 80_000_000]],
    );
    assert.is((await browser.ask('GET', '/v1/channels')).body.channels.length, 1);
    assert.is((await browser.ask('GET', `/v1/payments?channel=${site.channel}`)).status, 200);
    assert.is((await browser.ask('GET', '/v1/payments?channel=999')).body.code, 'channel_unknown');
    assert.is((await browser.ask('GET', '/v1/devices')).status, 403);
    assert.is((await browser.ask('POST', '/v1/channels/999/revoke', {})).body.code, 'channel_unknown');
    // Another site's page can't ask with this cookie.
    assert.is(
      (await browser.ask('POST', `/v1/channels/${site.channel}/revoke`, {}, { 'x-sundial': 'no' })).body.code,
      'not_from_here',
    );
    await browser.ask('POST', '/signout', {});
    assert.is((await browser.ask('GET', '/v1/me', undefined, { cookie: browser.cookie! })).status, 401);
  }),
);

test(
  'a text is signed by its account, once, and by nobody else',
  withHub(async (hub) => {
    const browser = new Browser(hub);
    const { nonce, text } = (await browser.challenge(owner)).body;
    const bad = { nonce, signature: await stranger.signMessage({ message: text }) };
    assert.is((await browser.ask('POST', '/v1/signin', bad)).body.code, 'bad_signature');
    const late = { nonce, signature: await owner.signMessage({ message: text }) };
    assert.is((await browser.ask('POST', '/v1/signin', late)).body.code, 'challenge_over', 'one try each');
    const again = (await browser.challenge(owner)).body;
    const good = { nonce: again.nonce, signature: await owner.signMessage({ message: again.text }) };
    assert.is((await browser.ask('POST', '/v1/signin', good)).status, 200);
    assert.is((await new Browser(hub).ask('POST', '/v1/signin', good)).body.code, 'challenge_over');
    // Nor does a key that makes acts happen once give one stranger's sign-in to another.
    const key = { 'idempotency-key': 'mine' };
    const third = (await browser.challenge(owner)).body;
    const body = { nonce: third.nonce, signature: await owner.signMessage({ message: third.text }) };
    const [one, other] = [new Browser(hub), new Browser(hub)];
    assert.is((await one.ask('POST', '/v1/signin', body, key)).status, 200);
    assert.is((await other.ask('POST', '/v1/signin', body, key)).body.code, 'challenge_over');
    assert.is(other.cookie, undefined);
    assert.is((await browser.signIn(stranger)).body.code, 'no_channel');
  }),
);

test('a text names this hub and never another site, and is good for five minutes', () => {
  let now = 1_000_000;
  const { address } = owner;
  const at = (origin: string | undefined) => new Challenges({ origin, chainId: 1, nowSeconds: () => now });
  const local = at(undefined);
  for (const host of ['localhost:9464', '127.0.0.1:80', '[::1]:9464'])
    assert.match(local.make(address, host).text, host);
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example:80',
    '',
    '192.0.2.1:9464',
  ])
    assert.throws(() => local.make(address, host), /other_address/);
  // What a browser calls it does not matter behind a proxy.
  const open = at('https://hub.example');
  assert.match(
    open.make(address, 'evil.example').text,
    /^hub\.example wants[\s\S]*URI: https:\/\/hub\.example\/owner\n/,
  );
  const { nonce } = open.make(address, 'hub.example');
  now += 299;
  assert.is(open.take(nonce).account, address);
  const late = open.make(address, 'hub.example').nonce;
  now += 300;
  assert.throws(() => open.take(late), /challenge_over/);
  // A bound, and the oldest makes room.
  const first = open.make(address, 'hub.example').nonce;
  for (let i = 0; i < challengesMax; i += 1) open.make(address, 'hub.example');
  assert.throws(() => open.take(first), /challenge_over/);
});

test('sign-ins of wallets push out no operator, and of one wallet its own oldest', () =>
  inTemporaryFolder(async (folder) => {
    const tokens = new Tokens(folder, () => 1000);
    const operator = tokens.signIn(tokens.link({ name: 'operator', role: 'operator', expiresAt: Infinity }))!;
    const other = tokens.signInOwner('0xother');
    const first = tokens.signInOwner('0xone');
    for (let i = 0; i < 8; i += 1) tokens.signInOwner('0xone');
    assert.is(tokens.session(first), undefined);
    assert.is(tokens.session(other)?.account, '0xother');
    for (let i = 0; i < tokensMax; i += 1) tokens.signInOwner(`0x${i}`);
    assert.is(tokens.session(operator)?.role, 'operator');
  }));

test('limits: only the owner signs them, each once, and they are there after a start', () =>
  inTemporaryFolder(async (folder) => {
    const { channel } = site;
    const now = Math.floor(Date.now() / 1000);
    const signed = async (fields: { tap: number; day: number; at: number; of?: number }, by = owner) => ({
      tap: fields.tap,
      day: fields.day,
      at: fields.at,
      signature: await by.sign({
        hash: limitsHash(
          { chainId: 31337, vault: site.deployment.vault },
          { channel: fields.of ?? channel, tap: fields.tap, day: fields.day, at: fields.at },
        ),
      }),
    });
    const path = `/v1/channels/${channel}/limits`;
    const wish = { tap: 1_000_000, day: 9_000_000, at: now };
    const limitsAt = async (browser: Browser) => {
      const { channels } = (await browser.ask('GET', '/v1/account')).body;
      return channels[0].limits;
    };
    const hub = await site.start(folder);
    try {
      const browser = new Browser(hub);
      await browser.signIn(owner);
      assert.equal(await limitsAt(browser), {});
      const set = async (body: object) => (await browser.ask('POST', path, body)).body;
      assert.is((await set(await signed(wish, stranger))).code, 'bad_signature');
      assert.is((await set({ ...(await signed(wish)), day: 90_000_000 })).code, 'bad_signature');
      assert.is((await set(await signed({ ...wish, of: channel + 1 }))).code, 'bad_signature');
      assert.is((await set(await signed({ ...wish, at: now - 3700 }))).code, 'limits_old');
      assert.is((await set(await signed({ ...wish, at: now + 3700 }))).code, 'limits_old');
      assert.equal((await set(await signed(wish))).limits, wish);
      assert.is(
        (await set(await signed({ ...wish, tap: 2 ** 40 }))).code,
        'limits_old',
        'of the same second',
      );
      assert.is((await set(await signed(wish))).code, 'limits_old', 'once');
      assert.is(
        (await browser.ask('POST', '/v1/channels/999/limits', await signed(wish))).body.code,
        'channel_unknown',
      );
    } finally {
      await hub.stop();
    }
    const later = await site.start(folder);
    try {
      const browser = new Browser(later);
      await browser.signIn(owner);
      assert.equal(await limitsAt(browser), wish);
    } finally {
      await later.stop();
    }
  }));

/** Runtime code that answers isValidSignature with ERC-1271's word, whatever it is asked. */
const YES = '0x7f1626ba7e0000000000000000000000000000000000000000000000000000000060005260206000f3';
let smart = 0;
/** Reverts at once. */
const NO = '0x60006000fd';
test('a smart account is asked, and an account that is none of both says nothing', async () => {
  const { client } = site.vault;
  const make = async (code: Hex) => {
    smart += 1;
    const address = `0x${smart.toString(16).padStart(40, 'c')}` as const;
    await client.request({ method: 'anvil_setCode', params: [address, code] } as never);
    return address;
  };
  const hash = `0x${'11'.repeat(32)}` as const;
  const signature = `0x${'22'.repeat(65)}` as const;
  assert.is(await accountSigned(client, await make(YES), hash, signature), true);
  assert.is(await accountSigned(client, await make(NO), hash, signature), false);
  assert.is(await accountSigned(client, toHex(otherPayee.address) as Hex, hash, '0x1234'), false);
  assert.is(await accountSigned(client, owner.address, hash, await owner.sign({ hash })), true);
  assert.is(await accountSigned(client, owner.address, hash, await stranger.sign({ hash })), false);
});

test(
  'an owner of several channels says which one it means',
  withHub(async (hub) => {
    const { channel } = await site.vault.openChannel(owner, {
      payer: toHex(otherPayee.address) as Hex,
      amount: 5_000_000,
    });
    const browser = new Browser(hub);
    await browser.signIn(owner);
    await until(
      'both are known',
      async () => (await browser.ask('GET', '/v1/account')).body.channels.length === 2,
    );
    assert.is((await browser.ask('GET', '/v1/payments')).body.code, 'which_channel');
    assert.is((await browser.ask('GET', `/v1/payments?channel=${channel}`)).body.total, 0);
  }),
);

test.run();
