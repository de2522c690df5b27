/**
 * A tap by two displays on the till's page: Chromium's fake camera sees the code of a wearable that runs, the page sends what
 * it read to a till that runs, and the wearable is told what stands on the page's picture, read by the pixels. Pictures are
 * left in build/till-page for people.
 *
 * Not checked here: a lens, light, a hand that shakes; a phone that is no Chromium.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Bench, Device } from './bench.ts';
import { FakeCamera } from './fake-camera.ts';

const PICTURES = join('build', 'till-page');
const bench = new Bench('--tap', 'qr:');
const wearable = new Device(bench.folder, ['wearable', '--tap', 'qr:']);
const camera = new FakeCamera(bench.folder);
let where: { url: string; token: string };
let browser: Browser;
let page: Page;
const troubles: string[] = [];

test.before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  where = await bench.open();
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', ...camera.flags],
  });
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 390, height: 844 } });
  context.setDefaultTimeout(60_000);
  page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      troubles.push(message.text());
  });
  page.on('pageerror', (error) => troubles.push(error.message));
  await page.goto(`${where.url}/#${where.token}`);
  await page.waitForSelector('header .badge');
});
test.after(async () => {
  await browser.close();
  await wearable.end('SIGTERM');
  await bench.close();
});

/** The text that stands on the page's code, read off its pixels; undefined while there is none. */
const codeOnPage = (): Promise<string | undefined> =>
  page.evaluate(`(() => {
    const image = document.querySelector('.codes img');
    if (image === null || !image.complete) return undefined;
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 600;
    const context = canvas.getContext('2d');
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, 600, 600);
    const { data } = context.getImageData(0, 0, 600, 600);
    return jsQR(data, 600, 600, { inversionAttempts: 'dontInvert' })?.data;
  })()`);

/** What the wearable's display shows now. */
const codeOnWearable = (): string | undefined =>
  wearable.lines.flatMap(({ state }) => /^(SD[12]:[^\n]+)/.exec(String(state))?.[1] ?? []).at(-1);

test('a customer and a till look at each other, turn by turn, until it is paid', async () => {
  for (const key of ['4', '5', '0']) await page.getByRole('button', { name: key, exact: true }).click();
  await page.getByRole('button', { name: 'Take 4.50' }).click();
  await page.getByText("Scan the customer's code first").waitFor();
  await page.screenshot({ path: join(PICTURES, 'codes-first-phone.png'), fullPage: true });
  await wearable.start();
  wearable.tell({ press: true });
  // Two displays, two cameras: each side is shown what the other one shows, whenever that changes.
  let shownTo: { camera?: string | undefined; wearable?: string | undefined } = {};
  const paid = (): boolean => wearable.lines.some(({ event }) => event === 'paid');
  let pictured = false;
  while (!paid()) {
    const onWearable = codeOnWearable();
    if (onWearable !== shownTo.camera) {
      camera.see(onWearable);
      shownTo = { ...shownTo, camera: onWearable };
    }
    const onPage = await codeOnPage();
    if (onPage !== undefined && onPage !== shownTo.wearable) {
      if (!pictured) await page.screenshot({ path: join(PICTURES, 'codes-phone.png'), fullPage: true });
      pictured = true;
      wearable.tell({ scan: onPage });
      shownTo = { ...shownTo, wearable: onPage };
    }
    await page.waitForTimeout(50);
  }
  await page.getByText('Paid', { exact: true }).waitFor();
  await page.screenshot({ path: join(PICTURES, 'codes-paid-phone.png'), fullPage: true });
  await page.setViewportSize({ width: 1024, height: 768 });
  await page.screenshot({ path: join(PICTURES, 'codes-paid-tablet.png'), fullPage: true });
  assert.is(wearable.lines.find(({ event }) => event === 'paid')?.amount, 4_500_000);
  assert.equal(troubles, [], 'the policy and the scripts say nothing');
});

test('nobody without the token sees a code or brings one; what is none of ours does nothing', async () => {
  const { url, token } = where;
  assert.is((await fetch(`${url}/v1/code`)).status, 401);
  const seen = (text: string) =>
    fetch(`${url}/v1/code`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ seen: text }),
    });
  assert.is((await seen('nothing of ours')).status, 200);
  assert.is((await seen('x'.repeat(4297))).status, 400);
});

test.run();
