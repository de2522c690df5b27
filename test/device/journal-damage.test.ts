/**
 * What a part does to a journal beyond cuts: words that were half written, words that are worn, lengths that rot.
 * Not checked here: cuts at any word, flipped bits and upgrades (journal.test.ts), and what the device says (runtime).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openJournal } from '../../device/journal/journal.ts';
import { SundialError } from '../../protocol/errors.ts';
import { RamFlash } from '../../simulators/stage/flash/ram-flash.ts';

const GEOMETRY = { size: 8 * 1024, blockSize: 1024 };
const BANKS = { banks: 2 };
/** Where things stand in the first bank, see layout.ts: head, two marks of a word each, then records. */
const READY = 16;
const SUPERSEDED = 20;
const RECORDS = 24;
const BANK = GEOMETRY.size / 2;

const payload = (n: number, length = 40): Uint8Array => new Uint8Array(length).fill(n);
const numbers = (flash: RamFlash): number[] =>
  [...openJournal(flash, BANKS).replayed].map((found) => found[0]!);
const wordAt = (flash: RamFlash, at: number): number[] => [...flash.read(at, 4)];

/** A flash with records 1 to `count`. */
function written(count: number): RamFlash {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  for (let n = 1; n <= count; n++) journal.append(payload(n), () => []);
  return flash;
}

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'nothing thrown';
  } catch (error) {
    if (!(error instanceof SundialError)) throw error;
    return error.code;
  }
}

test('a length whose complement rotted freezes the device, bit by bit', () => {
  for (let bit = 0; bit < 16; bit++) {
    const flash = written(2);
    const at = RECORDS + 4 + 2 + (bit >> 3);
    flash.content[at] = flash.content[at]! ^ (1 << (bit & 7));
    assert.is(
      codeOf(() => openJournal(flash, BANKS)),
      'journal_corrupt',
    );
  }
});

test('a commit mark that was half written is written again before anything is signed', () => {
  const flash = written(2);
  const last = RECORDS + 4 + 48;
  assert.equal(wordAt(flash, last), [0, 0, 0, 0]);
  // The power went while the mark was written: one bit is cleared, and reads so today.
  flash.content.set([0xff, 0xfe, 0xff, 0xff], last);
  assert.equal(numbers(flash), [1, 2]);
  assert.equal(wordAt(flash, last), [0, 0, 0, 0], 'as well as the others');
});

test('a ready mark that was half written is written again at start', () => {
  const flash = written(2);
  assert.equal(wordAt(flash, READY), [0, 0, 0, 0]);
  flash.content.set([0xff, 0xff, 0x7f, 0xff], READY);
  assert.equal(numbers(flash), [1, 2]);
  assert.equal(wordAt(flash, READY), [0, 0, 0, 0]);
});

test('a weak mark that takes no write any more sends the journal to another bank', () => {
  for (const at of [READY, RECORDS + 4 + 48]) {
    const flash = written(2);
    flash.content.set([0xff, 0xff, 0x7f, 0xff], at);
    flash.stuck.add(at);
    assert.equal(numbers(flash), [1, 2]);
    // Tomorrow the weak bits read as they were before.
    flash.content.set([0xff, 0xff, 0xff, 0xff], at);
    assert.equal(numbers(flash), [1, 2]);
  }
});

test('a bank that can not be marked as replaced never comes back', () => {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  flash.stuck.add(SUPERSEDED);
  for (let n = 1; journal.generation < 2; n++) journal.append(payload(n & 127), () => [payload(200)]);
  assert.is(numbers(flash)[0], 200);
  assert.is(
    codeOf(() => openJournal(flash, BANKS)),
    'nothing thrown',
  );
  // The bank that replaced it is lost: what the first one held was paid since, and must not be believed again.
  flash.content.fill(0xff, BANK, BANK + 16);
  let found: number[] = [];
  try {
    found = numbers(flash);
  } catch (error) {
    assert.is((error as SundialError).code, 'journal_corrupt');
  }
  assert.equal(found, []);
});

test('a record may have 6 KiB, and no byte more', () => {
  const flash = new RamFlash({ size: 32 * 1024, blockSize: 1024 });
  const journal = openJournal(flash, BANKS);
  journal.append(payload(7, 6144), () => []);
  assert.is([...openJournal(flash, BANKS).replayed][0]?.length, 6144);
  assert.is(
    codeOf(() => journal.append(payload(7, 6145), () => [])),
    'journal_corrupt',
  );
  assert.equal(numbers(flash), [7]);
});

test.run();
