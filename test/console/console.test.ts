/**
 * The console in headless Chromium, against a real hub, broker and chain: signed in by a link, a till enrolled by a code,
 * a tap that arrives while one looks, "4.50 on that day" found, a till revoked and turned away, each page judged by
 * axe-core at desktop and phone width, in the dark and in Chinese, and what a stranger writes shown as text. Pictures of
 * every page are left in build/console for people. Not checked here: other browsers, screen readers, 100,000 payments.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import type { Hub } from '../../hub/hub.ts';
import { toHex } from '../../protocol/bytes.ts';
import { Receiver } from '../hub/receiver.ts';
import { NOW, otherTerminal, payee, tap, terminal } from '../hub/fleet.ts';
import { Connected, registration, type Site, startSite } from '../hub/site.ts';

const PICTURES = join('build', 'console');
const PAGES = [
  'now',
  'payments',
  'devices',
  'channels',
  'settlements',
  'limits',
  'merchants',
  'webhooks',
  'audit',
] as const;
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const PATIENCE_MS = 30_000;
const axe = readFileSync(
  createRequire(join(process.cwd(), 'package.json')).resolve('axe-core/axe.min.js'),
  'utf8',
);

const folder = mkdtempSync(join(tmpdir(), 'sundial-console-'));
let site: Site;
let hub: Hub;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const troubles: string[] = [];

const ask = (path: string, method: 'GET' | 'POST' | 'DELETE' = 'GET', body?: object) =>
  askHub({ url: hub.statusUrl, tokenFile: operatorTokenPath(folder) }, path, method, body) as Promise<
    Record<string, never>
  >;

/** A context that is signed in, at this size. */
async function signedIn(options: Parameters<Browser['newContext']>[0]): Promise<[BrowserContext, Page]> {
  const made = await browser.newContext({ timezoneId: 'UTC', locale: 'en-GB', ...options });
  made.setDefaultTimeout(PATIENCE_MS);
  const opened = await made.newPage();
  opened.on('console', (message) => {
    if (message.type() === 'error') troubles.push(message.text());
  });
  opened.on('pageerror', (error) => troubles.push(error.message));
  await opened.goto(hub.consoleLink());
  await opened.waitForSelector('nav a[aria-current]');
  return [made, opened];
}

const show = async (name: string, of = page): Promise<void> => {
  await of.goto(`${hub.statusUrl}/#/${name}`);
  await of.waitForSelector('main h1');
  await of.waitForLoadState('networkidle');
};

test.before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  site = await startSite(1_000_000_000);
  hub = await site.start(folder, { development: true, scopes: [{ id: `0x${'5c'.repeat(32)}`, payees: [] }] });
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  [context, page] = await signedIn({ viewport: DESKTOP });
  await ask('/v1/payees', 'POST', { name: 'Corner shop', address: toHex(payee.address) });
  await ask('/v1/payees', 'POST', { name: "Ada's bakery", key: `0x${'77'.repeat(32)}` });
});
test.after(async () => {
  await browser.close();
  await hub.stop();
  await site.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a till is enrolled by the code that the page shows', async () => {
  await show('devices');
  await page.getByText('Enrol a device').click();
  await page.getByLabel('Name').fill('till 1');
  await page.getByRole('combobox', { name: 'Merchant' }).selectOption("Ada's bakery");
  await page.getByRole('button', { name: 'Make a code' }).click();
  const code = (await page.locator('p.code').textContent())!;
  const device = toHex(terminal.address);
  const given = await ask('/v1/enrolments/redeem', 'POST', { code, device });
  assert.is(given.role, 'pos');
  await show('now');
  await show('devices');
  await page.getByRole('row', { name: /till 1.*never registered/ }).waitFor();
});

test('a tap arrives while one looks', async () => {
  await show('now');
  await page.getByText('All is well').waitFor();
  const pos = new Connected(hub, terminal.address);
  try {
    await pos.ready();
    pos.send(await registration(site.signing, terminal, payee, 1));
    await page.locator('.figure', { hasText: 'devices online' }).getByText('1', { exact: true }).waitFor();
    const { signing: on, channel } = site;
    const [first, second] = [
      await tap({ on, channel, seq: 1, amount: 4_500_000, spent: 4_500_000, paid: 4_500_000 }),
      await tap({ on, channel, seq: 2, amount: 2_000_000, spent: 6_500_000, paid: 6_500_000 }),
    ];
    pos.send({ type: 'pack', entries: [first.bytes, second.bytes] });
    await page.locator('.figure', { hasText: 'not settled yet' }).getByText('6.50').waitFor();
    await page.getByRole('row', { name: /4\.50.*acknowledged.*till 1.*Corner shop/ }).waitFor();
  } finally {
    pos.close();
  }
});

test('"4.50 on that day" is found, and its life told', async () => {
  await show('payments');
  await page.getByLabel('Amount').fill('4.50');
  await page.getByLabel('Day').fill(new Date(NOW * 1000).toISOString().slice(0, 10));
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByText('1 payments, 4.50 in all').waitFor();
  await page.getByRole('link', { name: '4.50' }).click();
  await page.getByText("it is safe in the hub's ledger").waitFor();
  await page.screenshot({ path: join(PICTURES, 'payment.png'), fullPage: true });
  // Another day has none.
  await show('payments');
  await page.getByLabel('Day').fill('2001-01-01');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByText('Nothing fits.').waitFor();
});

test('settled from the page, and the statement follows', async () => {
  await show('settlements');
  await page.getByRole('button', { name: 'Settle now' }).click();
  await page.getByRole('row', { name: /mined/ }).waitFor();
  await show('merchants');
  const shop = page.locator('section', { hasText: 'Corner shop' });
  await shop.locator('div', { hasText: 'closing' }).getByText('6.50').last().waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), shop.getByText('as CSV').click()]);
  assert.match(readFileSync(await download.path(), 'utf8'), /closing,"6\.50"/);
});

test('what a copied key may cost is told for any deposit and any number of terminals', async () => {
  await page.goto(`${hub.statusUrl}/#/limits`);
  await page.getByLabel('Deposit of a channel').fill('50');
  await page.getByLabel('Terminals offline at once').fill('300');
  const { cases } = (await ask('/v1/limits?deposit=50000000&terminals=300')) as unknown as {
    cases: { leases: string; worst: number }[];
  };
  const [scope, any] = cases;
  assert.ok(scope!.worst === 0 && any!.worst > 0);
  const worst = new Intl.NumberFormat('en-GB', { minimumFractionDigits: 2 }).format(any!.worst / 1_000_000);
  await page.getByRole('cell', { name: worst, exact: true }).waitFor();
  await page.getByLabel('Terminals offline at once').fill('1001');
  await page.getByRole('alert').waitFor();
});

test('a webhook is added, tried, found failing, and removed from the page', async () => {
  const receiver = new Receiver();
  await receiver.start();
  await show('webhooks');
  await page.getByText('Add a webhook').click();
  await page.getByLabel('Name').fill('Stock & co');
  await page.getByLabel('Address (https)').fill('http://192.168.0.1/hook');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('alert').getByText('https it must be').waitFor();
  await page.getByLabel('Address (https)').fill(receiver.url);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  receiver.secrets = [(await page.locator('.banner code').textContent())!];
  await page.getByRole('button', { name: 'Test Stock & co' }).click();
  await page.getByText('The receiver took it.').waitFor();
  assert.equal(
    receiver.got.map(({ signedBy }) => signedBy),
    [[0]],
  );
  await receiver.kill();
  await page.getByRole('button', { name: 'Test Stock & co' }).click();
  await page.getByText('hook_away').waitFor();
  await page.screenshot({ path: join(PICTURES, 'webhooks-added.png'), fullPage: true });
  // What it asked for and was refused is no fault of the page.
  troubles.length = 0;
});

test('a till is revoked, and turned away', async () => {
  await show('devices');
  page.once('dialog', (dialog) => void dialog.accept());
  await page.getByRole('button', { name: 'Revoke till 1' }).click();
  await page.getByRole('row', { name: /till 1.*Revoked/ }).waitFor();
  const gone = new Connected(hub, terminal.address);
  const other = new Connected(hub, otherTerminal.address);
  try {
    await Promise.all([gone.ready(), other.ready()]);
    gone.send(await registration(site.signing, terminal, payee, 2));
    other.send(await registration(site.signing, otherTerminal, payee, 1));
    await other.next('hubKey');
    assert.equal(
      gone.received.filter(({ type }) => type === 'hubKey' || type === 'member'),
      [],
    );
  } finally {
    gone.close();
    other.close();
  }
});

test('what a stranger writes is shown as text', async () => {
  const evil = '<img src=x onerror=alert(1)>';
  await ask(`/v1/payees/${encodeURIComponent(evil)}`, 'DELETE').catch(() => undefined);
  let alerted = false;
  page.once('dialog', (dialog) => {
    alerted = true;
    void dialog.dismiss();
  });
  await show('audit');
  await page.getByText(`payee=${evil}`).first().waitFor();
  assert.is(await page.locator('img').count(), 0);
  assert.not.ok(alerted);
});

for (const [name, options] of [
  ['desktop', { viewport: DESKTOP }],
  ['phone', { viewport: PHONE, hasTouch: true }],
  ['dark', { viewport: PHONE, colorScheme: 'dark' }],
] as const)
  test(`no page has a serious fault, nor is wider than the screen: ${name}`, async () => {
    const [own, opened] = await signedIn(options);
    for (const one of PAGES) {
      await show(one, opened);
      if (one === 'devices' || one === 'webhooks') await opened.locator('summary').click();
      await opened.screenshot({ path: join(PICTURES, `${one}-${name}.png`), fullPage: true });
      // By the debugger: the policy lets no other script in.
      const found = await opened.evaluate(
        `${axe}; axe.run({ resultTypes: ['violations'] }).then((found) => found.violations.map(({ id, impact, nodes }) => [id, impact, nodes[0].html]))`,
      );
      const serious = (found as [string, string, string][]).filter(([, impact]) =>
        ['serious', 'critical'].includes(impact),
      );
      assert.equal(serious, [], `${one} ${name}`);
      const wide = await opened.evaluate('document.documentElement.scrollWidth - innerWidth');
      assert.ok((wide as number) <= 0, `${one} ${name} is ${wide} pixels too wide`);
    }
    await own.close();
  });

test('by keyboard alone, and in Chinese', async () => {
  await show('now');
  await page.reload();
  await page.waitForSelector('.figures');
  await page.keyboard.press('Tab');
  assert.match(await page.evaluate('document.activeElement.className'), /skip/);
  for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.match(page.url(), /#\/devices|#\/payments/);
  await page.getByLabel('Language').selectOption('zh');
  await page.getByRole('link', { name: '概况' }).click();
  await page.getByText('一切正常').waitFor();
  assert.is(await page.evaluate('document.documentElement.lang'), 'zh');
  await page.screenshot({ path: join(PICTURES, 'now-chinese.png'), fullPage: true });
  await page.getByLabel('语言').selectOption('en');
});

test('nobody sees anything without a link; a used link is told so; a policy stands at every page', async () => {
  const stranger = await browser.newContext();
  const opened = await stranger.newPage();
  const answer = await opened.goto(hub.statusUrl);
  assert.match(answer!.headers()['content-security-policy']!, /default-src 'none'/);
  await opened.getByText('Nobody is signed in.').waitFor();
  const link = hub.consoleLink();
  await opened.goto(link);
  await opened.waitForSelector('nav');
  await opened.getByRole('button', { name: 'Sign out' }).click();
  await opened.getByText('Nobody is signed in.').waitFor();
  assert.is((await opened.goto(link))!.status(), 401);
  await stranger.close();
});

test('the page says when the hub is away, and nothing was wrong in any console before', async () => {
  assert.equal(troubles, []);
  await show('now');
  await hub.stop();
  await page.getByText('The hub does not answer').waitFor();
  await context.close();
});

test.run();
