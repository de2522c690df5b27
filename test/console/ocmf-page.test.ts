/**
 * The page in which anybody checks meter records, in headless Chromium, opened as a file: at desktop and phone width, in the
 * dark and in Chinese, judged by axe-core; pictures are left in build/ocmf-page for people. Not checked here: the check itself
 * (ocpp/verifier.test.ts), other browsers.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { verifierPage } from '../../hardware/boards/node/ocpp/verifier/page.ts';
import { madeRecord as made } from '../ocpp/made-record.ts';

const PICTURES = join('build', 'ocmf-page');
const axe = readFileSync(
  createRequire(join(process.cwd(), 'package.json')).resolve('axe-core/axe.min.js'),
  'utf8',
);
const file = resolve(PICTURES, 'page.html');
const troubles: string[] = [];
let browser: Browser;

test.before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  writeFileSync(file, await verifierPage());
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
});
test.after(() => browser.close());

async function opened(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && troubles.push(message.text()));
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith('file:')) troubles.push(`asked for ${request.url()}`);
  });
  await page.goto(pathToFileURL(file).href);
  return page;
}
async function judged(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
  assert.ok((wide as number) <= 0, `${name} is ${wide} pixels too wide`);
  // The policy lets nothing in: the judge comes through the debugger.
  const found = await page.evaluate(
    `${axe}; axe.run({ resultTypes: ['violations'] }).then((found) => found.violations.map(({ id, impact, nodes }) => [id, impact, nodes[0].html]))`,
  );
  const serious = (found as string[][]).filter(([, impact]) => ['serious', 'critical'].includes(impact!));
  assert.equal(serious, [], name);
}
const answer = async (page: Page): Promise<string> => (await page.locator('#answer').textContent()) ?? '';
async function give(page: Page, record: string, key = ''): Promise<void> {
  await page.fill('#record', record);
  await page.fill('#key', key);
  await page.click('button[type=submit]');
}

test('in a browser, from a file: what was signed, what was changed, and whose key it was', async () => {
  const page = await opened({ viewport: { width: 1280, height: 900 } });
  const { record, der } = made('secp256k1', 'ECDSA-secp256k1-SHA256', { ID: 'channel 7', TT: '0.50 a kWh' });
  await judged(page, 'desktop-empty');
  await give(page, record, der);
  assert.match(await answer(page), /The meter signed just this[\s\S]*8\.75 kWh[\s\S]*7\.5 kWh/);
  await judged(page, 'desktop-good');
  await give(page, record.replace('8.75', '7.75'), der);
  assert.match(await answer(page), /Not signed by this meter/);
  await judged(page, 'desktop-changed');
  await give(page, record);
  assert.match(await answer(page), /comes with none/);
  await give(page, record, 'zz');
  assert.match(await answer(page), /no public key/);
  await give(page, '{"energy":1}', der);
  assert.match(await answer(page), /no signed meter record/);
  const xml = `<values><value><signedData>${record.replaceAll('"', '&quot;')}</signedData><publicKey>${der}</publicKey></value></values>`;
  await give(page, xml);
  assert.match(await answer(page), /Signed with the key that came with it[\s\S]*Compare that key/);
  await page.context().close();
});

test('at a phone, in the dark and in Chinese', async () => {
  const page = await opened({
    viewport: { width: 390, height: 844 },
    colorScheme: 'dark',
    locale: 'zh-CN',
  });
  const { record, der } = made('brainpoolP256r1', 'ECDSA-brainpool256r1-SHA256');
  await give(page, record, der);
  assert.match(await answer(page), /电表签署的正是这些内容/);
  await judged(page, 'phone-good');
  await page.click('#language button');
  assert.match(await answer(page), /The meter signed just this/);
  await give(page, record.replace('8.75', '7.75'), der);
  await judged(page, 'phone-changed');
  await page.context().close();
});

test('what a record says is shown as text, and a file is read', async () => {
  const page = await opened();
  const evil = '<img src=x onerror="document.title=`owned`"><script>document.title="owned"</script>';
  const { record, der } = made('prime256v1', 'ECDSA-secp256r1-SHA256', { MS: evil, ID: evil, TT: evil });
  await page.fill('#key', der);
  await page.setInputFiles('#file', { name: 'x.ocmf', mimeType: 'text/plain', buffer: Buffer.from(record) });
  await page.waitForSelector('#answer .card');
  assert.match(await answer(page), /onerror/);
  assert.is(await page.title(), 'Is this what the meter measured?');
  await page.setInputFiles('#file', {
    name: 'y.xml',
    mimeType: 'text/xml',
    buffer: Buffer.alloc((1 << 20) + 1),
  });
  await page.waitForFunction('document.querySelector("#answer").textContent.includes("larger")');
  assert.equal(troubles, []);
  await page.context().close();
});

test.run();
