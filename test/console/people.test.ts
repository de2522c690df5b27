/**
 * People at the console, in headless Chromium with a virtual authenticator: a passkey registered from a one-time link, signed
 * in with, used again by a thief who has all that went over the wire, gone with its token; and acts about money that two
 * operators have to agree on, against a real chain. Pictures are left in build/console. Not checked here: authenticators that
 * lie (the library's own tests), other browsers.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import type { Hub } from '../../hub/hub.ts';
import { toHex } from '../../protocol/bytes.ts';
import { payee, suite, tap } from '../hub/fleet.ts';
import { type Site, startSite, startTerminal } from '../hub/site.ts';

const PICTURES = join('build', 'console');
const PATIENCE_MS = 30_000;
const ABOVE = 3_000_000;
const PAYEE_SECRET = toHex(suite.keccak256(Uint8Array.of(0, 1, 77)));
const axe = readFileSync(
  createRequire(join(process.cwd(), 'package.json')).resolve('axe-core/axe.min.js'),
  'utf8',
);
const folder = mkdtempSync(join(tmpdir(), 'sundial-people-'));
// biome-ignore lint/suspicious/noExplicitAny: what a hub answers is what is tested
type Any = any;

let site: Site;
let hub: Hub;
let browser: Browser;
/** The hub by the name that passkeys are for. */
let url: string;
const tokens: Record<string, string> = {};

async function ask(
  token: string | undefined,
  method: string,
  path: string,
  body?: object,
  at = url,
): Promise<{ status: number; body: Any }> {
  const response = await fetch(`${at}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

/** A browser of a person, signed in by a one-time link, with an authenticator of its own. */
async function person(
  name: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<[BrowserContext, Page]> {
  const context = await browser.newContext({ timezoneId: 'UTC', locale: 'en-GB', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const { path } = (await ask(tokens[name], 'POST', '/v1/links')).body;
  await page.goto(`${url}${path}`);
  await page.waitForSelector('nav a[aria-current]');
  const debug = await context.newCDPSession(page);
  await debug.send('WebAuthn.enable');
  await debug.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return [context, page];
}

test.before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  site = await startSite();
  hub = await site.start(folder, { approvals: { above: ABOVE } });
  url = `http://localhost:${new URL(hub.statusUrl).port}`;
  tokens.operator = readFileSync(operatorTokenPath(folder), 'utf8').trim();
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  // The first other operator nobody else can make; the next one two have to agree on.
  const ann = await ask(tokens.operator, 'POST', '/v1/tokens', { name: 'Ann', role: 'operator' });
  tokens.Ann = ann.body.token;
  const bob = await ask(tokens.operator, 'POST', '/v1/tokens', { name: 'Bob', role: 'operator' });
  assert.is(bob.status, 202);
  const approved = await ask(tokens.Ann, 'POST', `/v1/approvals/${bob.body.approval.id}/approve`);
  tokens.Bob = approved.body.answer.token;
  tokens.Cy = (await ask(tokens.operator, 'POST', '/v1/tokens', { name: 'Cy', role: 'support' })).body.token;
});
test.after(async () => {
  await browser.close();
  await hub.stop();
  await site.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a passkey: registered from a link, signed in with, worth nothing to who copied what was said', async () => {
  const [context, page] = await person('Ann');
  const said = new Map<string, Any>();
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (request.method() === 'POST' && request.postData() !== null)
      said.set(pathname, JSON.parse(request.postData()!));
  });
  await page.goto(`${url}/#/passkeys`);
  await page.getByLabel('Name').fill("Ann's phone");
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('row', { name: /Ann's phone.*Ann/ }).waitFor();
  await page.screenshot({ path: join(PICTURES, 'passkeys-added.png'), fullPage: true });
  // The same once more, and as somebody else: what was asked is over, and was asked of Ann.
  for (const name of ['Ann', 'Bob']) {
    const again = await ask(tokens[name], 'POST', '/v1/passkeys', said.get('/v1/passkeys'));
    assert.equal([again.status, again.body.code], [403, 'passkey_refused']);
  }
  // A planted session is not taken over by who signs in.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('Nobody is signed in.').waitFor();
  await context.addCookies([{ name: 'sundial_session', value: 'planted', url }]);
  await page.reload();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.waitForSelector('nav a[aria-current]');
  const [cookie] = await context.cookies();
  assert.ok(cookie!.value !== 'planted' && cookie!.httpOnly && cookie!.sameSite === 'Strict');
  assert.is(await page.evaluate("fetch('/v1/me').then((one) => one.json()).then(({ name }) => name)"), 'Ann');
  const replayed = await ask(undefined, 'POST', '/v1/signin/passkey', said.get('/v1/signin/passkey'));
  assert.equal([replayed.status, replayed.body.code], [403, 'passkey_refused']);
  // A fresh question for an old answer, and an address that passkeys are not for.
  await ask(undefined, 'POST', '/v1/signin/passkey/options', {});
  assert.is((await ask(undefined, 'POST', '/v1/signin/passkey', said.get('/v1/signin/passkey'))).status, 403);
  const other = await ask(undefined, 'POST', '/v1/signin/passkey/options', {}, hub.statusUrl);
  assert.equal([other.status, other.body.code], [403, 'other_address']);
  // Others see their own only, and take nobody's away.
  const { passkeys } = (await ask(tokens.Bob, 'GET', '/v1/passkeys')).body;
  assert.is(passkeys.length, 1);
  assert.not.match(JSON.stringify(passkeys), /publicKey/);
  assert.equal((await ask(tokens.Cy, 'GET', '/v1/passkeys')).body.passkeys, []);
  const taken = await ask(tokens.Cy, 'DELETE', `/v1/passkeys/${encodeURIComponent(passkeys[0].id)}`);
  assert.equal([taken.status, taken.body.code], [404, 'passkey_unknown']);
  const { lines } = (await ask(tokens.Bob, 'GET', '/v1/audit?limit=500')).body;
  assert.ok(
    lines.some(
      ({ who, what, status }: Any) => who === 'Ann' && what === 'POST /v1/signin/passkey' && status === 200,
    ),
  );
  await context.close();
});

test('with its token a passkey ends, and its sign-ins; another of that name has none', async () => {
  const [context, page] = await person('Cy');
  await page.goto(`${url}/#/passkeys`);
  await page.getByLabel('Name').fill('stick');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('row', { name: /stick/ }).waitFor();
  await ask(tokens.Bob, 'DELETE', '/v1/tokens/Cy');
  assert.is(await page.evaluate("fetch('/v1/me').then(({ status }) => status)"), 401);
  assert.is((await ask(tokens.Bob, 'POST', '/v1/tokens', { name: 'Cy', role: 'auditor' })).status, 200);
  await page.reload();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByText('nobody here has this passkey').waitFor();
  await page.screenshot({ path: join(PICTURES, 'passkeys-refused.png'), fullPage: true });
  await context.close();
});

test('merchants come and go, and much money leaves, only when two agree; what waits is done once', async () => {
  const wish = { name: 'Corner shop', key: PAYEE_SECRET };
  const asked = await ask(tokens.Ann, 'POST', '/v1/payees', wish);
  assert.is(asked.status, 202);
  const { id } = asked.body.approval;
  const own = await ask(tokens.Ann, 'POST', `/v1/approvals/${id}/approve`);
  assert.equal([own.status, own.body.code], [403, 'same_person']);
  assert.equal((await ask(tokens.Ann, 'GET', '/v1/payees')).body.payees, []);
  const [context, page] = await person('Bob', { viewport: { width: 1280, height: 900 } });
  await page.goto(`${url}/#/approvals`);
  await page.getByRole('row', { name: /adds merchant Corner shop.*Ann/ }).waitFor();
  await page.screenshot({ path: join(PICTURES, 'approvals-waiting.png'), fullPage: true });
  page.once('dialog', (dialog) => void dialog.accept());
  await page.getByRole('button', { name: 'Approve: adds merchant Corner shop' }).click();
  await page.getByText('Nothing waits.').waitFor();
  assert.is((await ask(tokens.Ann, 'GET', '/v1/payees')).body.payees[0].address, toHex(payee.address));
  assert.is((await ask(tokens.Bob, 'POST', `/v1/approvals/${id}/approve`)).body.code, 'approval_unknown');

  // Money: a day's small withdrawals by one person, up to the sum; then two.
  const pos = await startTerminal(site, hub);
  const { signing: on, channel } = site;
  const paid = await tap({ on, channel, seq: 1, amount: 8_000_000, spent: 8_000_000, paid: 8_000_000 });
  pos.send({ type: 'pack', entries: [paid.bytes] });
  await pos.next('acknowledgement');
  pos.close();
  await ask(tokens.Ann, 'POST', '/v1/settlements', {});
  const take = (amount: number) =>
    ask(tokens.Ann, 'POST', '/v1/withdrawals', { payee: 'Corner shop', amount });
  const first = await take(2_000_000);
  assert.is(first.status, 200, JSON.stringify(first.body));
  await site.vault.mandates.carry(site.owner, first.body);
  assert.is(await site.vault.readPayeeBalance(payee.address), 6_000_000);
  const second = await take(1_000_001);
  assert.is(second.status, 202, 'together they are above it');
  assert.is((await take(1_000_000)).status, 200, 'what was not signed does not count');
  assert.is((await take(ABOVE + 1)).status, 202);
  const done = await ask(tokens.Bob, 'POST', `/v1/approvals/${second.body.approval.id}/approve`);
  assert.is(done.body.answer.amount, 1_000_001);
  await site.vault.mandates.carry(site.owner, done.body.answer);
  assert.is(await site.vault.readPayeeBalance(payee.address), 4_999_999);
  // The other one is refused, by who asked.
  const { approvals } = (await ask(tokens.Ann, 'GET', '/v1/approvals')).body;
  assert.is(approvals.length, 1);
  assert.is((await ask(tokens.Ann, 'POST', `/v1/approvals/${approvals[0].id}/refuse`)).status, 200);
  // Who does it alone can't, by another way: an operator more, or one less.
  assert.is((await ask(tokens.Ann, 'DELETE', '/v1/payees/Corner shop')).status, 202);
  assert.is((await ask(tokens.Ann, 'POST', '/v1/tokens', { name: 'Eve', role: 'operator' })).status, 202);
  assert.is((await ask(tokens.Ann, 'DELETE', '/v1/tokens/Bob')).status, 202);
  // The log has who asked for what and who let it happen, and nothing secret.
  const log = readFileSync(join(folder, 'audit.jsonl'), 'utf8');
  assert.not.match(log, new RegExp(PAYEE_SECRET.slice(2)));
  const lines = log
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Any);
  assert.ok(
    lines.some(
      ({ who, status, about }) =>
        who === 'Ann' && status === 202 && about === `id=${id}: adds merchant Corner shop`,
    ),
  );
  assert.ok(
    lines.some(
      ({ who, what, status, about }) =>
        who === 'Bob' && what.endsWith('/approve') && status === 200 && about === `id=${id}`,
    ),
  );
  await context.close();
});

for (const [name, options] of [
  ['desktop', { viewport: { width: 1280, height: 900 } }],
  ['phone', { viewport: { width: 390, height: 844 }, hasTouch: true }],
  ['dark', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }],
] as const)
  test(`no serious fault, nor wider than the screen, in English and Chinese: ${name}`, async () => {
    const [context, page] = await person('Bob', options);
    for (const language of ['en', 'zh'])
      for (const one of ['passkeys', 'approvals']) {
        await page.goto(`${url}/#/${one}`);
        await page.locator('#language').selectOption(language);
        await page.waitForSelector('main table');
        await page.screenshot({ path: join(PICTURES, `${one}-${name}-${language}.png`), fullPage: true });
        const found = (await page.evaluate(
          `${axe}; axe.run({ resultTypes: ['violations'] }).then((found) => found.violations.map(({ id, impact, nodes }) => [id, impact, nodes[0].html]))`,
        )) as [string, string, string][];
        assert.equal(
          found.filter(([, impact]) => ['serious', 'critical'].includes(impact)),
          [],
          `${one} ${name}`,
        );
        const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        assert.ok((wide as number) <= 0, `${one} ${name} is ${wide} pixels too wide`);
      }
    await context.close();
  });

test.run();
