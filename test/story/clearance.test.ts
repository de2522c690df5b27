/**
 * A lunch above the offline limits, with real processes: till, wearable, hub, broker and chain. The till loses its power
 * with the voucher in hand, and what was reserved is free again.
 *
 * Not checked here: every interleaving (`test/walk/clearance.test.ts`).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceChild } from '../../simulators/demo/device-child.ts';

const CLI = join(process.cwd(), 'tools', 'sundial.mjs');
const folder = mkdtempSync(join(tmpdir(), 'sundial-clearance-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('a till asks the hub, a wearable asks its person, and a cut neither loses nor doubles', async () => {
  const site = join(folder, 'site');
  const demo = spawn(process.execPath, [CLI, 'demo', '--state', site], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((resolve) => demo.once('exit', resolve));
  const tap = `unix:${join(folder, 'tap.sock')}`;
  const wearable = new DeviceChild(
    CLI,
    { role: 'wearable', state: join(site, 'wearable'), tap },
    () => undefined,
  );
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
    const { mqttUrl } = JSON.parse(readFileSync(join(site, 'site.json'), 'utf8'));
    await Promise.all([wearable.start(), pos.start()]);
    const before = Number((await wearable.status()).spent);

    // With no network it is what it was.
    let { mark } = wearable;
    pos.command({ sale: '21.00' });
    const refused = await wearable.next('refused', () => true, mark);
    assert.is(refused.code, 'over_tap_limit');
    pos.command({ cancel: true });

    pos.command({ connect: mqttUrl });
    await pos.next('time');
    mark = wearable.mark;
    const sold = pos.mark;
    pos.command({ sale: '21.00' });
    await wearable.next('confirmWanted', ({ amount }) => amount === 21_000_000, mark);
    const started = performance.now();
    wearable.command({ confirm: true });
    await pos.next('approved', ({ amount }) => amount === 21_000_000, sold);
    console.log(`cleared and approved ${Math.round(performance.now() - started)} ms after the yes`);
    await wearable.next('paid', ({ amount }) => amount === 21_000_000, mark);
    await pos.until((status) => status.outbox === 0);

    // The power goes with the clearance in RAM and the voucher in hand.
    pos.command({ haltAt: 'persist:cleared' });
    await pos.status();
    mark = wearable.mark;
    pos.command({ sale: '15.00' });
    await pos.next('halted');
    await pos.kill();
    await pos.start();
    await wearable.next('voided', ({ amount }) => amount === 15_000_000, mark);
    pos.command({ connect: mqttUrl });
    await pos.until((status) => status.outbox === 0);

    // The void came into the ledger: nothing stays reserved, and the next one is cleared.
    mark = wearable.mark;
    pos.command({ sale: '12.00' });
    await wearable.next('paid', ({ amount }) => amount === 12_000_000, mark);
    await pos.until((status) => status.outbox === 0);
    const { spent, unconfirmed } = await wearable.status();
    assert.equal([Number(spent) - before, unconfirmed], [48_000_000, 0]);
  } finally {
    await Promise.all([pos.stop(), wearable.stop()]);
    demo.kill('SIGINT');
    await ended;
  }
});

test.run();
