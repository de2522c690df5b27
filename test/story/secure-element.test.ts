/** A wearable with a (simulated) secure element, from opening its channel to the vault, with real processes. */
import { execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { p256 } from '@noble/curves/nist.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceChild } from '../../simulators/demo/device-child.ts';

const CLI = join(process.cwd(), 'tools', 'sundial.mjs');
const WAIT_MS = 120_000;
const folder = mkdtempSync(join(tmpdir(), 'sundial-element-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

function sundial(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { timeout: WAIT_MS }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
  });
}

async function json(...args: string[]) {
  const { code, stdout, stderr } = await sundial(...args, '--json');
  assert.is(code, 0, stderr);
  return JSON.parse(stdout);
}

/** What the element has counted: the higher of its two slots. */
const counterOf = (state: string): number => {
  const bytes = readFileSync(join(state, 'element', 'counter'));
  return Math.max(bytes.readUInt32LE(0), bytes.readUInt32LE(8));
};

test('opens a channel, pays a till offline, survives kill -9, settles on L2, and an earlier copy of its element is refused', async () => {
  const site = join(folder, 'site');
  const demo = spawn(process.execPath, [CLI, 'demo', '--state', site], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((resolve) => demo.once('exit', resolve));
  const state = join(folder, 'wearable');
  const tap = `unix:${join(folder, 'tap.sock')}`;
  const wearable = new DeviceChild(CLI, { role: 'wearable', state, tap }, () => undefined);
  const pos = new DeviceChild(CLI, { role: 'pos', state: join(site, 'pos'), tap }, () => undefined);
  try {
    let told = '';
    await new Promise<void>((resolve, reject) => {
      demo.stdout.on('data', (data) => {
        told += data;
        if (told.includes('Ctrl-C here')) resolve();
      });
      demo.once('exit', () => reject(new Error(`the story ended early: ${told.slice(-500)}`)));
    });
    const { mqttUrl, statusUrl, tokenFile } = JSON.parse(readFileSync(join(site, 'site.json'), 'utf8'));
    const act = ['--site', site] as const;

    const open = ['channel', 'open', ...act, '--device', state, '--key', 'p256', '--amount', '300'] as const;
    const { channel, payer } = await json(...open);
    const secret = readFileSync(join(state, 'element', 'secret'), 'utf8').slice(2);
    const publicKey = p256.getPublicKey(Uint8Array.from(Buffer.from(secret, 'hex')), false).slice(1);
    const signer = `0x${Buffer.from(keccak_256(publicKey).slice(12)).toString('hex')}`;
    assert.is(payer, signer);
    const shown = await json('channel', 'show', ...act, '--channel', String(channel));
    assert.is(shown.payer.toLowerCase(), signer, 'L2 knows the channel under the hash of the key');
    const again = await sundial(...open);
    assert.match(again.stderr, /device_exists/);
    const tooMuch = await sundial('channel', 'open', ...act, '--payer', signer, '--amount', '9000');
    assert.match(tooMuch.stderr, /owner_funds: the owner holds [\d.]+ TIME/);
    assert.not(JSON.stringify(readFileSync(join(state, 'device.json'), 'utf8')).includes(secret));

    // The hub checks the lease request with the key beside it; then both are offline.
    await Promise.all([wearable.start(), pos.start()]);
    wearable.command({ connect: mqttUrl });
    await wearable.next('lease');
    wearable.command({ disconnect: true });
    await wearable.next('disconnected');
    const counted = counterOf(state);
    assert.ok(counted > 0);

    const { mark } = wearable;
    pos.command({ sale: '1.50' });
    await wearable.next('paid', () => true, mark);
    copyFileSync(join(state, 'element', 'counter'), join(folder, 'earlier'));

    // Killed with the voucher signed: the same voucher goes out after the start, signed once more.
    wearable.command({ haltAt: 'send:voucher' });
    await wearable.status();
    pos.command({ sale: '0.75' });
    await wearable.next('halted');
    const atHalt = counterOf(state);
    await wearable.kill();
    await wearable.start();
    await wearable.until((status) => status.unconfirmed === 0 && status.spent === 2_250_000);
    assert.ok(counterOf(state) > atHalt, 'the counter only rises');

    pos.command({ connect: mqttUrl });
    await pos.until((status) => status.outbox === 0);
    await askHub({ url: statusUrl, tokenFile }, '/v1/settlements', 'POST');
    const reconcile = () => sundial('reconcile', ...act, '--json');
    let books = await reconcile();
    for (let look = 0; !JSON.parse(books.stdout).reconciled && look < 5; look++) {
      await askHub({ url: statusUrl, tokenFile }, '/v1/settlements', 'POST');
      books = await reconcile();
    }
    const { reconciled, lanes } = JSON.parse(books.stdout);
    assert.is(reconciled, true, books.stdout);
    const lane = lanes.find((entry: { channel: number }) => entry.channel === channel);
    assert.equal(
      [lane.payer, lane.terminals, lane.hub, lane.vault],
      [2_250_000, 2_250_000, 2_250_000, 2_250_000],
    );

    await wearable.stop();
    copyFileSync(join(folder, 'earlier'), join(state, 'element', 'counter'));
    const rolledBack = await sundial('wearable', '--state', state, '--tap', tap);
    assert.is(rolledBack.code, 1);
    assert.match(rolledBack.stderr, /counter_went_back: .* it is an earlier copy/);
    const onBoard = await sundial('board', 'wearable', '--state', state);
    assert.is(onBoard.code, 1);
    assert.match(onBoard.stderr, /key_unsupported: .*P-256/);
  } finally {
    await Promise.all([pos.stop(), wearable.stop()]);
    demo.kill('SIGINT');
    await ended;
  }
});

test.run();
