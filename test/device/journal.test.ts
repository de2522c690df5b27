import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Journal, type JournalOptions, openJournal } from '../../device/journal/journal.ts';
import { SundialError } from '../../protocol/errors.ts';
import { numbersFrom, PowerCut, RamFlash } from '../../simulators/stage/flash/ram-flash.ts';

const BANKS: JournalOptions = { banks: 3 };
const GEOMETRY = { size: 12 * 1024, blockSize: 1024 };
const SEED = 20261122;

const payloadOf = (n: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length).fill(n & 255);
  new DataView(bytes.buffer).setUint32(0, n, true);
  return bytes;
};
const numberOf = (payload: Uint8Array): number =>
  new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
const codeOf = (action: () => unknown): string => {
  try {
    action();
    return 'nothing thrown';
  } catch (error) {
    if (!(error instanceof SundialError)) throw error;
    return error.code;
  }
};

/** A log whose meaning is its last KEPT numbers, so that a snapshot is short. */
const KEPT = 8;
const append = (journal: Journal, kept: number[], n: number, length: number): void => {
  journal.append(payloadOf(n, length), () => kept.map((old) => payloadOf(old, 24)));
};

for (const rewritable of [true, false]) {
  test(`what was appended is there after a cut anywhere (${rewritable ? 'plain NOR' : 'a part with ECC'})`, () => {
    console.log(`seed ${SEED}`);
    const next = numbersFrom(SEED);
    const flash = new RamFlash({ ...GEOMETRY, rewritable, wordSize: rewritable ? 4 : 8, seed: SEED });
    let kept: number[] = [];
    let n = 0;
    let cuts = 0;
    for (let life = 0; life < 400; life++) {
      flash.cutAt = undefined;
      flash.operations = 0;
      flash.cutAt = 1 + (next() % 400);
      // The record that was under way when the power went may be there or not; everything before it must be.
      let pending: number | undefined;
      try {
        const journal = openJournal(flash, BANKS);
        const found = [...journal.replayed].map(numberOf);
        const tail = found.slice(-kept.length);
        if (kept.length > 0)
          assert.equal(tail.slice(-1), kept.slice(-1), `life ${life}: the last record is lost`);
        assert.equal(tail, kept, `life ${life}`);
        for (;;) {
          n += 1;
          pending = n;
          append(journal, kept, n, 8 + (next() % 120));
          kept = [...kept, n].slice(-KEPT);
          pending = undefined;
        }
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        cuts += 1;
      }
      flash.cutAt = undefined;
      const after = [...openJournal(flash, BANKS).replayed].map(numberOf);
      const last = after.at(-1);
      if (pending !== undefined && last === pending) kept = [...kept, pending].slice(-KEPT);
    }
    assert.ok(cuts > 300);
    const [least, most] = [Math.min(...flash.erases), Math.max(...flash.erases)];
    assert.ok(most - least <= most / 4 + 4, `blocks wear alike: ${flash.erases}`);
  });
}

test('a flipped bit in a committed record freezes the device', () => {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  for (let n = 1; n <= 5; n++) append(journal, [], n, 40);
  const bank = GEOMETRY.size / 3;
  let frozen = 0;
  for (let offset = 24; offset < 24 + 5 * 52; offset++) {
    const copy = new RamFlash(GEOMETRY);
    copy.content.set(flash.content);
    if (copy.content[offset] === 0xff) continue;
    copy.content[offset] = copy.content[offset]! ^ 0x10;
    const code = codeOf(() => openJournal(copy, BANKS));
    // A flipped commit mark still reads as a mark: the record behind it is whole.
    if (code !== 'nothing thrown') {
      assert.is(code, 'journal_corrupt');
      frozen += 1;
    }
  }
  assert.ok(bank > 0 && frozen > 150, `${frozen} flips were noticed`);
});

test('a damaged newest bank never lets an older one come back', () => {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  for (let n = 1; journal.generation < 2; n++) append(journal, [1], n, 100);
  const bank = GEOMETRY.size / 3;
  flash.content[bank + 2] = 0;
  assert.is(
    codeOf(() => openJournal(flash, BANKS)),
    'journal_corrupt',
  );
});

test('a journal of the first version is read by a later one, and then refused by the first', () => {
  const flash = new RamFlash(GEOMETRY);
  const first = openJournal(flash, { ...BANKS, version: 1, minReader: 1 });
  append(first, [], 1, 40);
  const later = openJournal(flash, { ...BANKS, version: 2, minReader: 2 });
  assert.equal([...later.replayed].map(numberOf), [1]);
  append(later, [1], 2, 40);
  assert.is(
    codeOf(() => openJournal(flash, { ...BANKS, version: 1, minReader: 1 })),
    'journal_newer',
  );
  const again = openJournal(flash, { ...BANKS, version: 2, minReader: 2 });
  assert.equal([...again.replayed].map(numberOf), [1, 2], 'the refusal changed nothing');
});

test('an upgrade that is cut anywhere leaves a journal that one of the two versions reads in full', () => {
  const upgrade = (cutAt: number | undefined): RamFlash => {
    const flash = new RamFlash(GEOMETRY);
    const first = openJournal(flash, { ...BANKS, version: 1, minReader: 1 });
    for (let n = 1; n <= 4; n++) append(first, [], n, 40);
    flash.operations = 0;
    flash.cutAt = cutAt;
    try {
      openJournal(flash, { ...BANKS, version: 2, minReader: 2 });
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    }
    flash.cutAt = undefined;
    return flash;
  };
  const { operations } = upgrade(undefined);
  for (let cutAt = 1; cutAt <= operations; cutAt++) {
    const later = openJournal(upgrade(cutAt), { ...BANKS, version: 2, minReader: 2 });
    assert.equal([...later.replayed].map(numberOf), [1, 2, 3, 4], `cut at ${cutAt} of ${operations}`);
  }
});

test('a worn word sends the journal to the next bank, and nothing is lost', () => {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  append(journal, [], 1, 40);
  const { generation } = journal;
  for (let offset = 0; offset < 1024; offset += 4) flash.stuck.add(offset);
  append(journal, [1], 2, 40);
  assert.is(journal.generation, generation + 1);
  assert.equal([...openJournal(flash, BANKS).replayed].map(numberOf), [1, 2]);
});

test('a part that takes no write any more is named, and what was stored stays readable', () => {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  append(journal, [], 1, 40);
  for (let offset = 200; offset < GEOMETRY.size; offset += 4) flash.stuck.add(offset);
  for (let bank = 1; bank < 3; bank++)
    for (let offset = 0; offset < 64; offset += 4) flash.stuck.add((bank * GEOMETRY.size) / 3 + offset);
  assert.is(
    codeOf(() => {
      for (let n = 2; n < 9; n++) append(journal, [1], n, 40);
    }),
    'flash_worn',
  );
});

test('a snapshot that fills a bank is refused before anything is promised', () => {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  const kept: number[] = [];
  assert.is(
    codeOf(() => {
      for (let n = 1; n < 1000; n++) {
        append(journal, kept, n, 100);
        kept.push(n);
      }
    }),
    'journal_full',
  );
  assert.equal([...openJournal(flash, BANKS).replayed].map(numberOf), kept);
});

test('what was stored is read record by record, as often as wanted, and not after another bank was started', () => {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  for (let number = 1; number <= 40; number++) journal.append(payloadOf(number, 8), () => []);
  const { generation, replayed } = openJournal(flash, BANKS);
  assert.is(generation, journal.generation);
  let read = 0;
  const read1 = flash.read.bind(flash);
  flash.read = (offset, length) => {
    read += length;
    return read1(offset, length);
  };
  const [first] = replayed;
  assert.is(numberOf(first!), 1);
  assert.ok(read < 100, `${read} bytes read for one record`);
  assert.equal([...replayed].map(numberOf), [...replayed].map(numberOf));
  assert.is([...replayed].length, 40);
  const again = openJournal(flash, BANKS);
  while (again.generation === generation) again.append(payloadOf(41, 8), () => []);
  assert.is(
    codeOf(() => [...again.replayed]),
    'journal_replay',
  );
});

test.run();
