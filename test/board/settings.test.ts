/**
 * The block of settings of the emulated board, in this process: every flipped bit, every word that reads as erased or as zero,
 * and the whole block read as erased. A board that was provisioned has exactly its settings or says that they are damaged.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeSettings } from '../../hardware/boards/mps2-an386/host/factory.ts';

const JOURNAL = 64 * 4096;
const BLOCK = 4096;
/** What the part holds, and what a read makes of it. */
let part = new Uint8Array(JOURNAL + BLOCK);
let read = (_at: number, bytes: Uint8Array): Uint8Array => bytes;

class Stopped extends Error {}
(globalThis as unknown as { natives: object }).natives = {
  flashRead(offset: number, out: Uint8Array) {
    out.set(read(offset, part.slice(offset, offset + out.length)));
    return 0;
  },
  fault(name: string) {
    throw new Stopped(name);
  },
};
const { readSettings } = await import('../../hardware/boards/mps2-an386/settings.ts');

/** What the board makes of its settings: their text, `none`, or the fault that stops it. */
function found(): string {
  try {
    const settings = readSettings();
    return settings === undefined ? 'none' : JSON.stringify(settings);
  } catch (error) {
    if (error instanceof Stopped) return error.message;
    throw error;
  }
}

function provisioned(): string {
  part = new Uint8Array(JOURNAL + BLOCK).fill(0xff);
  const program = (at: number, bytes: Uint8Array) => part.set(bytes, at);
  const hex = (size: number): string => `0x${'5a'.repeat(size)}`;
  const settings = {
    role: 'pos',
    chainId: 31337,
    vault: hex(20),
    hub: hex(32),
    root: hex(20),
    payee: hex(20),
  };
  writeSettings({ program } as never, settings);
  // The first record of a journal.
  part[0] = 0;
  read = (_at, bytes) => bytes;
  return found();
}

test('a board that no factory saw says so', () => {
  provisioned();
  part.fill(0xff);
  assert.is(found(), 'none');
});

test('every flipped bit is harmless or named', () => {
  const right = provisioned();
  assert.match(right, /"role":"pos"/);
  let damaged = 0;
  for (let bit = 0; bit < 8 * 512; bit++) {
    part[JOURNAL + (bit >> 3)]! ^= 1 << (bit & 7);
    const said = found();
    damaged += said === 'settings_damaged' ? 1 : 0;
    assert.ok(said === right || said === 'settings_damaged', `bit ${bit}: ${said}`);
    part[JOURNAL + (bit >> 3)]! ^= 1 << (bit & 7);
  }
  assert.ok(damaged > 8 * 200, String(damaged));
});

test('every word that reads as erased or as zero is harmless or named', () => {
  const right = provisioned();
  for (const value of [0, 0xff])
    for (let word = 0; word < BLOCK / 4; word++) {
      read = (at, bytes) => (at === JOURNAL ? bytes.fill(value, 4 * word, 4 * word + 4) : bytes);
      const said = found();
      assert.ok(said === right || said === 'settings_damaged', `word ${word} as ${value}: ${said}`);
    }
});

test('a block that reads as erased beside a journal is damaged, wherever that begins', () => {
  provisioned();
  for (const first of [0, 17, 63]) {
    part.fill(0xff);
    part[first * BLOCK + 3] = 0x7f;
    assert.is(found(), 'settings_damaged', `journal in block ${first}`);
  }
  provisioned();
  read = (at, bytes) => (at === JOURNAL ? bytes.fill(0xff) : bytes);
  assert.is(found(), 'settings_damaged', 'one wrong read');
});

test.run();
