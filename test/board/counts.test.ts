/**
 * The next build may not cost more, or less, than the committed counts say: 3 % either way, changed on purpose with
 * npm run bench:board -- --save.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BoardMemory, buildImage, Emulator } from '../../hardware/boards/mps2-an386/host/emulator.ts';

const test = suite('instruction counts');
const tolerance = 0.03;
/** Instructions of a tick at any fill of the outbox. */
const TICK_BUDGET = 100_000;
/** Bytes of flash that every role's image leaves free: what comes next must not begin with a search for room. */
const FLASH_SPARE = 6 * 1024;
const gated = [
  'payer',
  'payeeCold',
  'payeeCached',
  'tapInstructions',
  'receipt',
  'tick',
  'tickFull',
  'tickReveal',
  'sync',
  'sign',
  'recover',
];

test('a tap, a tick, a sync and the primitives cost what the committed file says', async () => {
  const committed = JSON.parse(readFileSync('test/board/counts.json', 'utf8')) as Record<string, number>;
  const { image } = await buildImage(process.cwd(), 'bench');
  const folder = mkdtempSync(join(tmpdir(), 'sundial-counts-'));
  const memory = new BoardMemory(folder);
  const board = new Emulator({ image, memory, icount: true, seed: new Uint8Array(32).fill(1) });
  try {
    const counts = await board.event('bench', { timeoutMs: 240_000 });
    assert.is(counts.ticksMeasured, 16, 'every tick was taken');
    assert.is(counts.tickFullMeasured, 16, 'and beside a full outbox, too');
    for (const name of ['tick', 'tickFull']) assert.ok((counts[name] as number) <= TICK_BUDGET, name);
    assert.is(counts.syncLeft, 0, 'every acknowledgement cleared its voucher');
    const off = gated
      .map((name) => ({ name, was: committed[name]!, is: counts[name] as number }))
      .filter(({ was, is }) => !(Math.abs(is - was) <= was * tolerance))
      .map(({ name, was, is }) => `${name}: ${was} -> ${is} (${(((is - was) / was) * 100).toFixed(1)} %)`);
    assert.equal(off, []);
  } finally {
    await board.kill();
    rmSync(folder, { recursive: true });
  }
});

test('the images fit the flash that the committed file says, and every role its RAM', async () => {
  const committed = JSON.parse(readFileSync('test/board/counts.json', 'utf8')) as {
    flashBytes: Record<string, number>;
    ramBytes: Record<string, number>;
    ramFull: Record<string, number>;
  };
  for (const [role, was] of Object.entries(committed.flashBytes)) {
    const { flashBytes } = await buildImage(process.cwd(), role);
    assert.ok(
      Math.abs(flashBytes - was) <= was * tolerance,
      `${role}: ${was} -> ${flashBytes} bytes of flash`,
    );
    assert.ok(
      flashBytes <= 640 * 1024 - FLASH_SPARE,
      `${role} leaves ${640 * 1024 - flashBytes} bytes of flash`,
    );
  }
  for (const [role, bytes] of Object.entries(committed.ramBytes))
    assert.ok(bytes <= 128 * 1024, `${role} takes ${bytes} bytes of RAM`);
  for (const [role, bytes] of Object.entries(committed.ramFull))
    assert.ok(bytes <= 192 * 1024, `${role} with full books takes ${bytes} bytes of RAM`);
});

test('an image that outgrows its flash or its RAM is not built, and the error says by how much', async () => {
  const build = (...limit: string[]) =>
    spawnSync(
      process.execPath,
      ['hardware/boards/mps2-an386/build.mjs', '--role', 'pos', '--profile', 'native', ...limit],
      { encoding: 'utf8' },
    );
  const { flashBytes, ramCapBytes } = await buildImage(process.cwd(), 'pos');
  assert.is(ramCapBytes, 192 * 1024);
  assert.ok(flashBytes <= 640 * 1024);
  const enough = build('--flash', String(flashBytes));
  assert.is(enough.status, 0, enough.stderr);
  const flash = build('--flash', String(flashBytes - 1));
  assert.is(flash.status, 1);
  assert.match(flash.stderr, `flash_budget: pos (native) takes ${flashBytes} bytes of flash, 1 more than`);
  // Code alone outgrows this one: the linker finds it.
  const linked = build('--flash', '200000');
  assert.is(linked.status, 1);
  assert.match(linked.stderr, /^flash_budget: /);
  const ram = build('--ram', String(100 * 1024));
  assert.is(ram.status, 1);
  assert.match(ram.stderr, /^ram_budget: /);
});

test.run();
