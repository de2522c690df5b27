/**
 * The Node board's flash in a file: it keeps the rules of the real part. Not checked here: the journal on it
 * (journal.test.ts), full disks (test/cli), power cuts of the machine below.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileFlash } from '../../hardware/boards/node/flash.ts';
import { codeOf } from '../errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'sundial-flash-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const GEOMETRY = { size: 4096, blockSize: 1024 };

test('bits only clear: a write that would set one is refused and changes nothing, in memory or in the file', () => {
  const path = join(folder, 'bits');
  const flash = new FileFlash(path, GEOMETRY);
  flash.write(8, Uint8Array.of(0xf0, 0xff, 0x0f, 0x00));
  flash.write(8, Uint8Array.of(0x70, 0xfe, 0x0f, 0x00));
  for (const word of [
    [0x71, 0xfe, 0x0f, 0x00],
    [0x70, 0xff, 0x0f, 0x00],
    [0x70, 0xfe, 0x0f, 0x80],
  ])
    assert.is(
      codeOf(() => flash.write(8, Uint8Array.from(word))),
      'flash_fault',
    );
  assert.equal([...flash.read(8, 4)], [0x70, 0xfe, 0x0f, 0x00]);
  assert.equal([...readFileSync(path).subarray(8, 12)], [0x70, 0xfe, 0x0f, 0x00]);
  flash.erase(0);
  flash.write(8, Uint8Array.of(0xff, 0xff, 0x0f, 0x80));
  flash.close();
  const again = new FileFlash(path, GEOMETRY);
  assert.equal([...again.read(8, 4)], [0xff, 0xff, 0x0f, 0x80]);
  again.close();
});

test('an erase clears its block and no other', () => {
  const flash = new FileFlash(join(folder, 'blocks'), GEOMETRY);
  for (const at of [1020, 1024, 2044, 2048]) flash.write(at, new Uint8Array(4));
  flash.erase(1024);
  assert.equal(
    [1020, 1024, 2044, 2048].map((at) => flash.read(at, 1)[0]),
    [0, 0xff, 0xff, 0],
  );
  flash.close();
});

test('an address beyond the part or between words, and a file of another size, are refused', () => {
  const path = join(folder, 'addresses');
  const flash = new FileFlash(path, GEOMETRY);
  for (const [at, length] of [
    [4096, 4],
    [4094, 2],
    [2, 4],
    [-4, 4],
    [0, 3],
  ] as const)
    assert.is(
      codeOf(() => flash.write(at, new Uint8Array(length))),
      'flash_address',
    );
  assert.is(
    codeOf(() => flash.erase(512)),
    'flash_address',
  );
  assert.is(
    codeOf(() => flash.read(4095, 2)),
    'flash_address',
  );
  flash.close();
  writeFileSync(path, new Uint8Array(100));
  assert.is(
    codeOf(() => new FileFlash(path, GEOMETRY)),
    'flash_size',
  );
});

test('a flash that is only looked at leaves its file alone', () => {
  const path = join(folder, 'looked-at');
  new FileFlash(path, GEOMETRY).close();
  const before = readFileSync(path);
  const flash = new FileFlash(path, GEOMETRY, true);
  flash.write(0, new Uint8Array(4));
  assert.equal([...flash.read(0, 4)], [0, 0, 0, 0]);
  flash.close();
  assert.equal(readFileSync(path), before);
});

test.run();
