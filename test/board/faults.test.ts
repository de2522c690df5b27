/** Everything that can go wrong on the board ends in a named fault and a restart that serves again. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BoardMemory, buildImage, Emulator } from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { hex, SelfTest, word } from './selftest-client.ts';

const test = suite('faults of the board');
let self: SelfTest;
test.before(async () => {
  self = await new SelfTest().start();
});
test.after(() => self.stop());

for (const [operation, fault] of [
  ['exhaustMemory', 'memory_full'],
  ['exhaustStack', 'stack_overflow'],
  ['throwLater', 'unhandled_exception'],
  ['rejectLater', 'unhandled_rejection'],
] as const)
  test(`${operation} ends as ${fault}, and the board serves again`, async () => {
    assert.is(await self.provoke(operation), fault);
    assert.match(await self.ask('address'), /^ok [0-9a-f]{40}$/);
  });

test('a program that never returns is ended by the watchdog', async () => {
  assert.is(await self.provoke('loopForever'), 'watchdog');
});

test('a storm of noise on the UART loses only itself', async () => {
  const noise = Buffer.alloc(40_000, 'ab');
  for (let i = 0; i < noise.length; i++) noise[i] = (i * 31 + (i >> 8)) & 0xff || 1;
  self.raw(noise.map((byte) => (byte === 10 ? 11 : byte)));
  self.raw('\n');
  // The noise was one line longer than any: it is skipped without an answer, and the next line is served.
  assert.match(await self.ask('address'), /^ok [0-9a-f]{40}$/);
});

test('flash refuses what NOR flash refuses, by name', async () => {
  const at = word(40 * 4096);
  assert.is(await self.ask('erase', at), 'ok ');
  assert.is(await self.ask('write', at, word(0xff00ff00)), 'ok ');
  assert.is(await self.ask('read', at, word(4)), 'ok ff00ff00');
  assert.is(await self.ask('write', at, word(0x0f000f00)), 'ok ', 'clearing more bits is a write');
  assert.is(await self.ask('write', at, word(0xff00ff00)), 'error flash_bit_set');
  assert.is(await self.ask('write', word(40 * 4096 + 2), word(0)), 'error flash_range');
  assert.is(await self.ask('write', word(64 * 4096), word(0)), 'error flash_range');
  assert.is(await self.ask('read', word(64 * 4096 - 2), word(4)), 'error flash_range');
  assert.is(await self.ask('read', at, word(4)), 'ok 0f000f00', 'a refused write changes nothing');
});

test('a worn-out block no longer erases, and says so', async () => {
  self.memory.set('wornBlock', 42);
  assert.is(await self.ask('erase', word(41 * 4096)), 'error flash_worn');
  self.memory.set('wornBlock', 0);
  assert.is(await self.ask('erase', word(41 * 4096)), 'ok ');
});

test('a power cut tears the word that was being written and keeps those before it', async () => {
  const at = word(42 * 4096);
  await self.ask('erase', at);
  const from = self.board.lines.length;
  self.memory.set('cutAfter', 3);
  self.tell('write', at, new Uint8Array(16));
  await self.board.line(/^selftest ready$/, { from });
  assert.is(self.memory.read('cuts'), 1);
  assert.is(hex(self.memory.flash(42 * 4096, 16)), '0000000000000000ffff0000ffffffff');
  assert.not(self.board.lines.slice(from).some((line) => line.startsWith('restarted after fault')));
});

test('without entropy no key is made: the board stops by name instead of signing with a guess', async () => {
  const { image } = await buildImage(process.cwd(), 'selftest');
  const memory = new BoardMemory(`${self.folder}/fresh`);
  memory.set('noEntropy', 1);
  const board = new Emulator({ image, memory });
  try {
    await board.line(/^fault: no_entropy$/);
    await board.line(/^halted: no_entropy$/);
    assert.not(board.lines.some((line) => line === 'selftest ready'));
  } finally {
    await board.kill();
  }
});

test('a file that is no flash of this board is refused by name, and stays as it is', () => {
  const folder = `${self.folder}/earlier`;
  mkdirSync(folder);
  // As earlier boards kept it: complements, so that what is erased reads as zero.
  writeFileSync(`${folder}/flash.img`, Buffer.alloc(66 * 4096));
  assert.throws(
    () => new BoardMemory(folder),
    (error: { code?: string }) => error.code === 'flash_format',
  );
  assert.ok(readFileSync(`${folder}/flash.img`).every((byte) => byte === 0));
});

test('a damaged key is a fault, not another key', async () => {
  await self.board.kill();
  const key = 65 * 4096;
  const before = self.memory.flash(key + 8, 1);
  self.memory.program(key + 8, Uint8Array.of(before[0]! ^ 1));
  const { image } = await buildImage(process.cwd(), 'selftest');
  const board = new Emulator({ image, memory: self.memory });
  try {
    await board.line(/^halted: key_corrupt$/);
  } finally {
    await board.kill();
  }
});

test.run();
