/**
 * What is left of a damaged journal, record by record. Not looked at here: what a device makes of it
 * (test/edges/salvage.test.ts), and bits that read differently from read to read.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openJournal, salvageJournal } from '../../device/journal/journal.ts';
import { encodeHead } from '../../device/journal/layout.ts';
import { FLASH_KINDS, RamFlash } from '../../simulators/stage/flash/ram-flash.ts';

const BANKS = { banks: 3 };
const GEOMETRY = { size: 3 * 1024, blockSize: 1024 };
const BANK = GEOMETRY.size / BANKS.banks;
const RECORDS = 8;
const BYTES = 40;

const payloadOf = (n: number): Uint8Array => new Uint8Array(BYTES).fill(n);
const NUMBERS = Array.from({ length: RECORDS }, (_, i) => i + 1);

function journalOf(kind: 'nor' | 'ecc' | 'encrypted' = 'nor', version?: number): RamFlash {
  const flash = new RamFlash({ ...GEOMETRY, kind });
  const options = version === undefined ? BANKS : { ...BANKS, version, minReader: version };
  const journal = openJournal(flash, options);
  for (const n of NUMBERS) journal.append(payloadOf(n), () => []);
  return flash;
}

/** Numbers of the records that are left; none may be anything else than what was written. */
function left(flash: RamFlash): number[] {
  return [...salvageJournal(flash, BANKS)].map((payload) => {
    assert.equal(payload, payloadOf(payload[0]!));
    return payload[0]!;
  });
}

for (const kind of FLASH_KINDS) {
  const unit = kind === 'nor' ? 4 : 16;
  const edge = Math.ceil(20 / unit) * unit + unit;
  const size = Math.ceil((8 + BYTES) / unit) * unit;
  /** The record that a byte of the first bank belongs to; 0: none. */
  const recordAt = (at: number): number => Math.floor((at - edge) / size) + 1;

  test(`a flipped bit costs no other record than its own (${kind})`, () => {
    const flash = journalOf(kind);
    for (let at = 0; at < BANK; at++) {
      const copy = flash.copy();
      copy.content[at]! ^= 1 << (at & 7);
      const hit = at < edge ? 0 : recordAt(at);
      assert.equal(
        left(copy).filter((n) => n !== hit),
        NUMBERS.filter((n) => n !== hit),
        `byte ${at}`,
      );
    }
  });

  test(`a page that is gone costs what stood in it, and the record whose forerunner it took (${kind})`, () => {
    const flash = journalOf(kind);
    for (let at = edge; at + 64 < edge + RECORDS * size; at += unit) {
      const copy = flash.copy();
      copy.content.fill(0, at, at + 64);
      const [first, last] = [recordAt(at), recordAt(at + 63)];
      const found = left(copy);
      for (const n of NUMBERS)
        if (n < first || n > last + 1) assert.ok(found.includes(n), `${n} of page ${at}`);
      assert.not(found.includes(first), `page ${at}`);
    }
  });

  test(`a bank without heads gives all but the record that nothing stands before (${kind})`, () => {
    const flash = journalOf(kind);
    flash.content.fill(0, 0, 20);
    flash.content.fill(0, BANK - Math.ceil(20 / unit) * unit, BANK);
    assert.equal(left(flash), NUMBERS.slice(1));
  });
}

test('of two banks the one that replaced the other is read, with heads or without', () => {
  const flash = journalOf();
  const journal = openJournal(flash, BANKS);
  let n = RECORDS;
  while (journal.generation === 1) journal.append(payloadOf(++n), () => [payloadOf(100), payloadOf(101)]);
  assert.equal(left(flash), [100, 101, n]);
  flash.content.fill(0, BANK, BANK + 20);
  flash.content.fill(0, 2 * BANK - 20, 2 * BANK);
  assert.equal(left(flash), [101, n]);
});

test('of a journal that a newer release wrote nothing is read, nor of one with other banks', () => {
  assert.equal(left(journalOf('nor', 99)), []);
  const other = journalOf();
  const { bytes } = encodeHead({ generation: 1, version: 1, minReader: 1, bank: 0, banks: 2 }, 4);
  other.content.set(bytes, 0);
  assert.equal(left(other), []);
});

test.run();
