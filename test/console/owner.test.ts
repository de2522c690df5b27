/**
 * The owner's page in headless Chromium, against a real hub, broker and chain, with a wallet that is put into the browser:
 * signed in, limits that the hub keeps to, a top-up, receipts that a (fake) camera reads, a lost device whose key is
 * replaced, leaving, and a first channel; each page judged by axe-core at desktop and phone width, in the dark and in
 * Chinese. Pictures of every page are left in build/owner for people. Not checked here: real wallets, other browsers, a
 * lens, screen readers; who may do what at the API is test/hub/owners.test.ts.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeFunctionData, toEventSelector, toFunctionSelector } from 'viem';
import { timeAbi, vaultAbi } from '../../hub/l2/abi.ts';
import { mandatesAbi } from '../../hub/l2/mandates-abi.ts';
import type { Hub } from '../../hub/hub.ts';
import { toHex } from '../../protocol/bytes.ts';
import { amount, channelId, seconds, seq } from '../../protocol/integers.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { key, payer, tap } from '../hub/fleet.ts';
import { Connected, type Site, startSite, startTerminal } from '../hub/site.ts';
import { FakeCamera } from '../till/fake-camera.ts';
import { TestWallet } from './wallet.ts';
// What the page itself runs.
import { deviceIn, receiptIn, SELECTORS, TOPICS } from '../../hub/console/owner/wallet.js';

const PICTURES = join('build', 'owner');
const PAGES = ['home', 'payments', 'limits', 'topup', 'lost', 'leave', 'open'] as const;
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const PATIENCE_MS = 30_000;
const axe = readFileSync(
  createRequire(join(process.cwd(), 'package.json')).resolve('axe-core/axe.min.js'),
  'utf8',
);
const newDevice = key(700);
const firstDevice = key(701);

const folder = mkdtempSync(join(tmpdir(), 'sundial-owner-'));
const camera = new FakeCamera(folder);
let site: Site;
let hub: Hub;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let wallet: TestWallet;
const troubles: string[] = [];

type Options = Parameters<Browser['newContext']>[0];

/** A browser with the owner's wallet in it, at the owner's page. */
async function opened(options: Options, own = wallet): Promise<[BrowserContext, Page]> {
  const made = await browser.newContext({ timezoneId: 'UTC', locale: 'en-GB', ...options });
  made.setDefaultTimeout(PATIENCE_MS);
  await own.inject(made);
  const shown = await made.newPage();
  shown.on('console', (message) => {
    // That nobody is signed in yet, Chromium calls an error.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      troubles.push(message.text());
  });
  shown.on('pageerror', (error) => troubles.push(error.message));
  await shown.goto(`${hub.statusUrl}/owner`);
  await shown.waitForSelector('main h1');
  return [made, shown];
}

const show = async (name: string, of = page): Promise<void> => {
  await of.goto(`${hub.statusUrl}/owner#/${name}`);
  await of.reload();
  await of.waitForSelector('main h1');
  await of.waitForLoadState('networkidle');
};
const picture = (name: string, of = page) =>
  of.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
const press = (name: string | RegExp) => page.getByRole('button', { name }).click();

/** Waits until the camera has filled a device in. */
async function scanned(of: Page, device: string): Promise<void> {
  const field = of.locator('input[name=device]');
  for (const end = Date.now() + PATIENCE_MS; (await field.inputValue()) !== device; ) {
    assert.ok(Date.now() < end, `never read ${device}`);
    await of.waitForTimeout(50);
  }
}

/** Lets days of chain time pass. */
async function pass(span: number): Promise<void> {
  const { client } = site.vault;
  await client.request({ method: 'evm_increaseTime', params: [span] } as never);
  await client.request({ method: 'evm_mine', params: [] } as never);
}

test.before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  site = await startSite(1_000_000_000);
  hub = await site.start(folder);
  wallet = new TestWallet(site.anvil.url, site.anvil.keys[2]!);
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', ...camera.flags],
  });
  const till = await startTerminal(site, hub);
  const { signing: on, channel } = site;
  const taps = [
    await tap({ on, channel, seq: 1, amount: 4_500_000, spent: 4_500_000, paid: 4_500_000 }),
    await tap({ on, channel, seq: 2, amount: 2_000_000, spent: 6_500_000, paid: 6_500_000 }),
  ];
  till.send({ type: 'pack', entries: taps.map(({ bytes }) => bytes) });
  await till.next('acknowledgement');
  till.close();
});
test.after(async () => {
  await browser.close();
  await hub.stop();
  await site.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the page's calls are the contracts'", () => {
  const abis = { approve: timeAbi, balanceOf: timeAbi, allowance: timeAbi, openP256: mandatesAbi };
  for (const [name, selector] of Object.entries<string>(SELECTORS)) {
    const abi = (abis as Record<string, readonly unknown[]>)[name] ?? vaultAbi;
    const found = abi.find((one) => (one as { name?: string }).name === name);
    assert.is(toFunctionSelector(found as never), selector, name);
  }
  for (const [name, topic] of Object.entries<string>(TOPICS))
    assert.is(
      toEventSelector(vaultAbi.find((one) => 'name' in one && one.name === name) as never),
      topic,
      name,
    );
  const address = `0x${'Ab'.repeat(20)}`;
  for (const text of [
    address,
    ` ${address} `,
    `ethereum:${address}`,
    `https://hub.example/owner#/open/${address}`,
  ])
    assert.is(deviceIn(text), address.toLowerCase(), text);
  assert.is(deviceIn(`0x${'ab'.repeat(64)}`)?.length, 130);
  for (const text of ['', '0x12', `${address}00`, `<b>${address}</b>`, 'SD1:ABC'])
    assert.is(deviceIn(text), undefined, text);
});

test('a wallet signs in; a person who says no is told so, and a wrong chain is left', async () => {
  [context, page] = await opened({ viewport: DESKTOP });
  await picture('signin');
  wallet.declines = true;
  await press('Sign in with your wallet');
  await page.getByText('You said no in the wallet.').waitFor();
  wallet.declines = false;
  wallet.broken = '<img src=x onerror=alert(1)>';
  await press('Sign in with your wallet');
  await page.getByText('<img src=x onerror=alert(1)>').waitFor();
  assert.is(await page.locator('img').count(), 0);
  wallet.broken = undefined;
  wallet.chainId = 1;
  await press('Sign in with your wallet');
  await page.waitForSelector('nav a[aria-current]');
  assert.ok(wallet.asked.includes('wallet_switchEthereumChain'));
  await page.locator('.big', { hasText: '793.50 TIME' }).waitFor();
  await page.getByRole('row', { name: /4\.50/ }).waitFor();
});

test('a receipt is shown, and found by the code on paper', async () => {
  await show('payments');
  await page.getByText('2 payments, 6.50 in all').waitFor();
  const [receipt] = await Promise.all([
    context.waitForEvent('page'),
    page
      .getByRole('link', { name: /^Receipt/ })
      .first()
      .click(),
  ]);
  await receipt.getByText(/2\.00 TIME|4\.50 TIME/).waitFor();
  await receipt.getByRole('rowheader', { name: 'Ledger' }).waitFor();
  await receipt.screenshot({ path: join(PICTURES, 'receipt.png'), fullPage: true });
  await receipt.close();
  const bytes = new Uint8Array(167);
  bytes.set([site.channel >>> 24, site.channel >>> 16, site.channel >>> 8, site.channel], 40);
  bytes.set([0, 0, 0, 1], 44);
  const { vault } = site.deployment;
  const code = `sundial-receipt:1.31337.${vault.slice(2).toLowerCase()}.TIME.${Buffer.from(bytes).toString('base64url')}`;
  const place = { chainId: 31337, vault: vault.toLowerCase() };
  assert.equal(receiptIn(code, place), { channel: site.channel, seq: 1 });
  assert.is(receiptIn(code, { ...place, chainId: 1 }), undefined);
  camera.see('nothing of ours');
  await press('Scan a receipt');
  await page.getByText('This is no receipt of a till here.').waitFor();
  camera.see(code);
  await page.getByText("it is safe in the hub's ledger").waitFor();
  await page.getByText('4.50').first().waitFor();
  camera.see(undefined);
});

test('limits that the owner signs are what the hub lends', async () => {
  await show('limits');
  await page.getByLabel('One payment', { exact: true }).fill('2');
  await page.getByLabel('One day (UTC)').fill('10,5');
  await press('Sign these limits');
  await page.getByText('In force.').waitFor();
  await picture('limits-signed');
  const device = new Connected(hub, payer.address);
  try {
    await device.ready();
    const fields = {
      channel: channelId(site.channel),
      seq: seq(2),
      spent: amount(6_500_000),
      at: seconds(0),
      scope: SCOPE_ANY,
    };
    const signature = await payer.sign(site.signing.digest('LeaseRequest', fields));
    device.send({ type: 'leaseRequest', ...fields, signature });
    const lease = await device.next('lease');
    // What was paid is dated later than any block: it counts as paid today.
    assert.equal([lease.tapLimit, lease.spendLimit - lease.spentFrom], [2_000_000, 4_000_000]);
  } finally {
    device.close();
  }
  await show('home');
  await page.getByText('6.50 / 10.50 spent today').waitFor();
  await show('limits');
  for (const wrong of ['-1', '1e3', '<b>', '1.0000001']) {
    await page.getByLabel('One payment', { exact: true }).fill(wrong);
    await press('Sign these limits');
    assert.is(await page.locator('input[name=tap]:invalid').count(), 1, wrong);
  }
});

test('a top-up goes through the wallet, and what was allowed before is not allowed again', async () => {
  await show('topup');
  wallet.asked.length = 0;
  await page.getByLabel('Amount').fill('50');
  await press('Top up');
  await page.getByText('50.00 TIME: deposited.').waitFor();
  const sent = wallet.asked.filter((method) => method === 'eth_sendTransaction').length;
  assert.is(sent, 2);
  await page.goto(`${hub.statusUrl}/owner#/home`);
  await page.locator('.big', { hasText: '833.50 TIME' }).waitFor();
  await show('topup');
  await page.getByLabel('Amount').fill('99999999');
  await press('Top up');
  await page.getByText(/This account holds/).waitFor();
});

for (const [name, options] of [
  ['desktop', { viewport: DESKTOP }],
  ['phone', { viewport: PHONE, hasTouch: true }],
  ['dark', { viewport: PHONE, colorScheme: 'dark' }],
] as const)
  test(`no page has a serious fault, nor is wider than the screen: ${name}`, async () => {
    const [own, shown] = await opened(options);
    const judge = async (one: string) => {
      await picture(`${one}-${name}`, shown);
      const found = await shown.evaluate(
        `${axe}; axe.run({ resultTypes: ['violations'] }).then((found) => found.violations.map(({ id, impact, nodes }) => [id, impact, nodes[0].html]))`,
      );
      const serious = (found as [string, string, string][]).filter(([, impact]) =>
        ['serious', 'critical'].includes(impact),
      );
      assert.equal(serious, [], `${one} ${name}`);
      const wide = await shown.evaluate('document.documentElement.scrollWidth - innerWidth');
      assert.ok((wide as number) <= 0, `${one} ${name} is ${wide} pixels too wide`);
    };
    await judge('signin');
    await shown.getByRole('button', { name: 'Sign in with your wallet' }).click();
    await shown.waitForSelector('nav a[aria-current]');
    for (const one of PAGES) {
      await show(one, shown);
      if (one === 'open') {
        await shown.getByRole('button', { name: "Scan the device's code" }).click();
        await shown.waitForSelector('video:not(.dark)');
      }
      await judge(one);
    }
    await shown.goto(`${hub.statusUrl}/owner#/payments`);
    await shown.getByRole('link', { name: '4.50' }).click();
    await shown.getByText('Paid').first().waitFor();
    await judge('payment');
    await own.close();
  });

test('by keyboard alone, and in Chinese', async () => {
  await show('home');
  await page.keyboard.press('Tab');
  assert.match(await page.evaluate('document.activeElement.className'), /skip/);
  for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.match(page.url(), /#\/limits|#\/payments/);
  await page.getByLabel('Language').selectOption('zh');
  assert.is(await page.evaluate('document.documentElement.lang'), 'zh');
  const english: string[] = [];
  for (const one of PAGES) {
    await show(one);
    await picture(`${one}-chinese`);
    const words = ((await page.evaluate('document.querySelector("main").innerText')) as string).replace(
      /0x\w+…?\w*|TIME|L2|UTC|\(|\)/g,
      '',
    );
    // Sentences of English that nobody translated.
    for (const [found] of words.matchAll(/[A-Za-z]+ [a-z]+ [a-z]+[^\n]*/g)) english.push(`${one}: ${found}`);
  }
  assert.equal(english, []);
  await page.getByLabel('语言').selectOption('en');
});

test('what a stranger writes is shown as text', async () => {
  const evil = '<img src=x onerror=alert(1)>';
  page.once('dialog', (dialog) => {
    troubles.push('alerted');
    void dialog.dismiss();
  });
  await show(`payment/${encodeURIComponent(evil)}`);
  await page.locator('.trouble').first().waitFor();
  await show(`open/${evil}`);
  await page.getByLabel('Device', { exact: true }).fill(evil);
  await page.getByLabel('Deposit').fill(evil);
  await press('Open a channel');
  assert.is(await page.locator('img').count(), 0);
});

test('several wallets: one is chosen by its name, which is text', async () => {
  const made = await browser.newContext({ locale: 'en-GB' });
  await wallet.inject(made);
  await made.addInitScript(`addEventListener('eip6963:requestProvider', () => {
    for (const uuid of ['1', '2']) dispatchEvent(new CustomEvent('eip6963:announceProvider', {
      detail: { info: { uuid, name: '<img src=x onerror=alert(1)>' + uuid }, provider: window.ethereum } }));
  })`);
  const shown = await made.newPage();
  shown.on('dialog', () => troubles.push('alerted'));
  await shown.goto(`${hub.statusUrl}/owner`);
  await shown.getByLabel('Wallet').selectOption({ label: '<img src=x onerror=alert(1)>2' });
  assert.is(await shown.locator('img').count(), 0);
  await shown.getByRole('button', { name: 'Sign in with your wallet' }).click();
  await shown.waitForSelector('nav a[aria-current]');
  await made.close();
});

test('without a wallet there is nothing to sign in with, and the page says so; the policy stands', async () => {
  const bare = await browser.newContext();
  const shown = await bare.newPage();
  const answer = await shown.goto(`${hub.statusUrl}/owner`);
  assert.match(answer!.headers()['content-security-policy']!, /^default-src 'none'; script-src 'self';/);
  await shown.getByText('There is no wallet in this browser.').waitFor();
  await bare.close();
});

test('a first channel is opened for a device whose code the camera reads, and signed in to', async () => {
  const other = new TestWallet(site.anvil.url, site.anvil.keys[6]!);
  const { client, token } = site.vault;
  const transfer = { address: token, abi: timeAbi, functionName: 'transfer' } as const;
  const data = encodeFunctionData({ ...transfer, args: [other.account.address, 400_000_000n] });
  const from = site.owner.address;
  const hash = (await client.request({
    method: 'eth_sendTransaction',
    params: [{ from, to: token, data }],
  } as never)) as `0x${string}`;
  await client.waitForTransactionReceipt({ hash });
  const [own, shown] = await opened({ viewport: PHONE, hasTouch: true }, other);
  await shown.getByRole('button', { name: 'Sign in with your wallet' }).click();
  await shown.getByText('This account owns no channel yet').waitFor();
  camera.see(toHex(firstDevice.address));
  await shown.getByRole('button', { name: "Scan the device's code" }).click();
  await scanned(shown, toHex(firstDevice.address));
  await shown.getByLabel('Deposit').fill('300');
  await shown.getByRole('button', { name: 'Open a channel' }).click();
  await shown.getByText(/Channel 2: opened\./).waitFor();
  await picture('opened-phone', shown);
  await shown.getByRole('button', { name: 'Sign in with your wallet' }).click();
  await shown.locator('.big', { hasText: '240.00 TIME' }).waitFor();
  assert.is((await site.vault.readChannel(2)).payer.toLowerCase(), toHex(firstDevice.address));
  camera.see(undefined);
  await own.close();
});

test('a lost device is refused, and its key replaced when the delay is over', async () => {
  await show('lost');
  await press('Refuse this device');
  await press(/^Yes, refuse it/);
  await page.getByText('This device is refused.').waitFor();
  assert.equal(hub.status().revoked, [site.channel]);
  await page.getByLabel('New device').fill(toHex(payer.address));
  await press('Replace the key');
  await page.getByText('This is the address of the lost device.').waitFor();
  camera.see(toHex(newDevice.address));
  await press("Scan the device's code");
  await scanned(page, toHex(newDevice.address));
  await press('Replace the key');
  await page.getByText('It can be finished from').waitFor();
  assert.is(await page.getByRole('button', { name: 'Finish' }).isDisabled(), true);
  await picture('lost-started');
  await hub.settleNow();
  await pass(
    await site.vault.client.readContract({
      address: site.vault.address,
      abi: vaultAbi,
      functionName: 'exitDelay',
    }),
  );
  await show('lost');
  await press('Finish');
  await page.getByText(/Channel 3: opened\./).waitFor();
  await picture('lost-finished');
  const successor = await site.vault.readChannel(3);
  assert.is(successor.payer.toLowerCase(), toHex(newDevice.address));
  assert.is(successor.deposited, 1_050_000_000 - 6_500_000);
});

test('an owner leaves, and the rest comes home', async () => {
  await page.goto(`${hub.statusUrl}/owner#/leave`);
  await page.getByLabel('Channel').selectOption('3');
  await press('Leave');
  await press('Yes, leave');
  await page.getByText('You are leaving this channel.').waitFor();
  await pass(
    await site.vault.client.readContract({
      address: site.vault.address,
      abi: vaultAbi,
      functionName: 'exitDelay',
    }),
  );
  await show('leave');
  await page.getByLabel('Channel').selectOption('3');
  await press('Finish');
  await page.getByText('1,043.50 TIME came back to your account.').waitFor();
  await page.getByText('This channel is closed.').waitFor();
  await picture('left');
});

test('nothing was wrong in any console, and nobody is signed in after signing out', async () => {
  assert.equal(troubles, []);
  await press('Sign out');
  await page.getByRole('button', { name: 'Sign in with your wallet' }).waitFor();
  await context.close();
});

test.run();
