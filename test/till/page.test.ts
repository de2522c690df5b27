/**
 * The till's page in headless Chromium, with a real till and a real wearable: a sale from the keypad to "paid", one that the
 * customer's device refuses and the cashier cancels, a hold and its capture, a refund, the day's close, a reload in the
 * middle of a sale, a till that is killed meanwhile; each page judged by axe-core at phone and tablet width, in the dark
 * and in Chinese. Pictures are left in build/till-page for people. Not checked here: other browsers, screen readers.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { quoteDigest } from '../../hardware/boards/node/till/quotes.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { Bench } from './bench.ts';

const PICTURES = join('build', 'till-page');
const PHONE = { width: 390, height: 844 };
const TABLET = { width: 1024, height: 768 };
const PATIENCE_MS = 60_000;
const axe = readFileSync(
  createRequire(join(process.cwd(), 'package.json')).resolve('axe-core/axe.min.js'),
  'utf8',
);

const own = mkdtempSync(join(tmpdir(), 'sundial-till-page-'));
const quotesFile = join(own, 'quotes.json');
const source = nobleKey(new Uint8Array(32).fill(7));
const bench = new Bench('--quotes', quotesFile, '--quote-signer', toHex(source.address));
let where: { url: string; token: string };
let browser: Browser;
let page: Page;
const troubles: string[] = [];

async function opened(options: Parameters<Browser['newContext']>[0]): Promise<[BrowserContext, Page]> {
  const context = await browser.newContext({ timezoneId: 'UTC', locale: 'en-GB', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const made = await context.newPage();
  // A till that is away is part of the story; what a script or the policy says is not.
  made.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource|ERR_/.test(message.text()))
      troubles.push(message.text());
  });
  made.on('pageerror', (error) => troubles.push(error.message));
  await made.goto(`${where.url}/#${where.token}`);
  await made.waitForSelector('header .badge');
  return [context, made];
}

async function judged(of: Page, name: string): Promise<void> {
  await of.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  const found = await of.evaluate(
    `${axe}; axe.run({ resultTypes: ['violations'] }).then((found) => found.violations.map(({ id, impact, nodes }) => [id, impact, nodes[0].html]))`,
  );
  const serious = (found as [string, string, string][]).filter(([, impact]) =>
    ['serious', 'critical'].includes(impact),
  );
  assert.equal(serious, [], name);
  const wide = await of.evaluate('document.documentElement.scrollWidth - innerWidth');
  assert.ok((wide as number) <= 0, `${name} is ${wide} pixels too wide`);
}

const press = async (keys: string): Promise<void> => {
  for (const key of keys) await page.getByRole('button', { name: key, exact: true }).click();
};
const go = (name: string, of = page) => of.getByRole('link', { name, exact: true }).click();

/** A rate that counts today. */
async function quoteEuros(): Promise<void> {
  const signing = makeSigning(nobleSuite, { chainId: 31337, vault: fromHex(`0x${'be'.repeat(20)}`, 20) });
  const from = Math.floor(Date.now() / 1000) - 60;
  const fields = {
    currency: 'EUR',
    digits: 2,
    rate: '1.0875',
    source: 'Central bank, daily fixing',
    from,
    until: from + 86_400,
  };
  const signature = toHex(await source.sign(quoteDigest(signing, fields)));
  writeFileSync(quotesFile, JSON.stringify([{ ...fields, signature }]));
}

test.before(async () => {
  await quoteEuros();
  mkdirSync(PICTURES, { recursive: true });
  where = await bench.open();
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  [, page] = await opened({ viewport: PHONE, hasTouch: true });
});
test.after(async () => {
  await browser.close();
  await bench.close();
  rmSync(own, { recursive: true, force: true });
});

test('the token is gone from the address, and nobody gets in without', async () => {
  assert.is(new URL(page.url()).hash, '');
  const other = await (await browser.newContext()).newPage();
  await other.goto(where.url);
  await other.getByText('opened by the link').waitFor();
  await other.close();
});

test('two items and a tip are paid by a device that is held to it', async () => {
  await press('300');
  await page.getByRole('button', { name: 'Next item' }).click();
  await press('150');
  await page.getByLabel('10 %').check();
  await page.getByLabel('Order').fill('table 7');
  await judged(page, 'sell-phone');
  await page.getByRole('button', { name: 'Take 4.95' }).click();
  await page.getByText('Hold your device here').waitFor();
  await judged(page, 'waiting-phone');
  await bench.wearable.start();
  await page.getByText('Paid', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Receipt' }).click();
  await page.getByText('table 7').waitFor();
  await judged(page, 'paid-phone');
  await page.getByRole('button', { name: 'Next sale' }).click();
  await page.getByText('0.00', { exact: true }).first().waitFor();
});

test('a refusal is told in words, and the cashier cancels', async () => {
  await press('900');
  await page.getByRole('button', { name: 'Take 9.00' }).click();
  await page.getByText('above what this device pays with no network').waitFor();
  await judged(page, 'refused-phone');
  await page.getByRole('button', { name: 'Take only 7.00' }).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Not paid').waitFor();
  await page.getByText('cancelled').waitFor();
  await judged(page, 'unpaid-phone');
  await page.getByRole('button', { name: 'Next sale' }).click();
});

test('a sale goes on where it was when the page is loaded anew and the till was killed', async () => {
  await bench.wearable.end();
  await press('125');
  await page.getByRole('button', { name: 'Take 1.25' }).click();
  await page.getByText('Hold your device here').waitFor();
  await page.reload();
  await page.getByText('Hold your device here').waitFor();
  await bench.wearable.start();
  await page.getByText('Paid', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Next sale' }).click();
});

test('a hold is captured for less, and a payment given back in part', async () => {
  await press('600');
  await page.getByLabel('Hold').check();
  await page.getByRole('button', { name: 'Take 6.00' }).click();
  await page.getByText('Held', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Next sale' }).click();
  await go('Payments');
  const hold = page.locator('.sale', { hasText: 'held' });
  await hold.locator('summary').click();
  await hold.getByLabel(/Capture/).fill('2.00');
  await hold.getByRole('button', { name: 'Capture' }).click();
  await page.getByText('given back: 4.00').waitFor();
  const first = page.locator('.sale', { hasText: 'table 7' });
  await first.locator('summary').click();
  await first.getByLabel(/Refund/).fill('99');
  await first.getByRole('button', { name: 'Give back' }).click();
  await first.getByText(/refund_too_large/).waitFor();
  await first.getByLabel(/Refund/).fill('0.95');
  await first.getByRole('button', { name: 'Give back' }).click();
  await first.getByText('given back: 0.95').waitFor();
  await judged(page, 'payments-phone');
});

test('a price in euros: what it comes to, by whose word, and the same in the report', async () => {
  // Nobody is near while people look at the price.
  await bench.wearable.end();
  await go('Sell');
  await page.getByLabel('EUR').check();
  await press('110');
  await page.getByLabel('10 %').check();
  await judged(page, 'sell-euros-phone');
  await page.getByRole('button', { name: 'Take €1.21' }).click();
  await page.getByText('1 EUR = 1.0875 TIME').waitFor();
  await judged(page, 'waiting-euros-phone');
  await page.setViewportSize(TABLET);
  await judged(page, 'waiting-euros-tablet');
  await page.setViewportSize(PHONE);
  await bench.wearable.start();
  await page.getByText('Paid', { exact: true }).waitFor();
  assert.match((await page.locator('.stage .sum').textContent()) ?? '', /1\.315875/);
  await judged(page, 'paid-euros-phone');
  await page.getByRole('button', { name: 'Next sale' }).click();
  await page.getByLabel('TIME').check();
  await go('Day');
  await page.getByRole('row', { name: /EUR/ }).getByText('€1.21').waitFor();
  await judged(page, 'day-euros-phone');
});

test('the day is closed, after a question', async () => {
  await go('Day');
  const net = page.locator('tr.net td').first();
  await net.getByText('8.565875').waitFor();
  await page.getByRole('button', { name: 'Close the day' }).click();
  await judged(page, 'day-phone');
  await page.getByRole('button', { name: 'Yes, close it' }).click();
  await page.getByText('Closed days').waitFor();
  await net.getByText('0.00').waitFor();
});

test('in training the page says so everywhere', async () => {
  await page.getByRole('button', { name: 'Begin training' }).click();
  await page.getByText('Training: no money moves').waitFor();
  await go('Sell');
  await press('5000');
  await page.getByRole('button', { name: 'Take 50.00' }).click();
  await page.getByText('Paid', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Next sale' }).click();
  await go('Day');
  await page.getByRole('button', { name: 'End training' }).click();
  await page.getByText('Training: no money moves').waitFor({ state: 'detached' });
});

test('a till that is away is said to be, and found again', async () => {
  const port = new URL(where.url).port;
  await bench.till.end();
  await page.getByText('The till does not answer').waitFor();
  await judged(page, 'away-phone');
  // Loaded anew the page opens from what it keeps, and knows nothing of what was sold.
  await page.reload();
  await page.getByText('The till does not answer').waitFor();
  assert.equal(
    await page.evaluate(
      "caches.open('till-page').then((kept) => kept.keys()).then((keys) => keys.map(({ url }) => new URL(url).pathname).filter((path) => path !== '/' && !path.startsWith('/till/')))",
    ),
    [],
  );
  where = await bench.open('--http', port);
  await page.getByText('The till does not answer').waitFor({ state: 'detached' });
});

for (const [name, options] of [
  ['tablet', { viewport: TABLET, hasTouch: true }],
  ['dark', { viewport: PHONE, colorScheme: 'dark' }],
  ['chinese', { viewport: PHONE, locale: 'zh-CN' }],
] as const)
  test(`every page is right on a ${name} one`, async () => {
    const [context, own] = await opened(options);
    const links = own.locator('nav a');
    for (const index of [0, 1, 2]) {
      await links.nth(index).click();
      await own.waitForSelector(['.sell', '.sales', '.day'][index]!);
      await judged(own, `${['sell', 'payments', 'day'][index]}-${name}`);
    }
    if (name === 'chinese') assert.is(await links.first().textContent(), '收款');
    await context.close();
  });

test('nothing was said on the console of the browser', () => {
  assert.equal(troubles, []);
});

test.run();
