import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from '../../device/crc32.ts';
import { type Journal, type JournalOptions, openJournal } from '../../device/journal/journal.ts';
import { decodeHead, encodeHead, FIRST_MAGIC } from '../../device/journal/layout.ts';
import { FLASH_KINDS, numbersFrom, PowerCut, RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { codeOf, DONE } from '../errors.ts';

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
/** A log whose meaning is its last KEPT numbers, so that a snapshot is short. */
const KEPT = 8;
const append = (journal: Journal, kept: number[], n: number, length: number): void => {
  journal.append(payloadOf(n, length), () => kept.map((old) => payloadOf(old, 24)));
};

for (const kind of FLASH_KINDS) {
  test(`what was appended is there after a cut anywhere (${kind})`, () => {
    console.log(`seed ${SEED}`);
    const next = numbersFrom(SEED);
    const flash = new RamFlash({ ...GEOMETRY, kind, seed: SEED });
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

/** Offsets of what stands in an 8-record journal of 40-byte payloads, in 4 KiB banks with words of 4 bytes. */
const BANK = GEOMETRY.size / BANKS.banks;
const EDGE = 24;
const RECORD = 48;

const flip = (flash: RamFlash, at: number, bits: number): void => {
  flash.content[at] = flash.content[at]! ^ bits;
};

/** What a start of a changed flash finds, or the name of the refusal. */
function startOf(flash: RamFlash, change: (copy: RamFlash) => void): number[] | string {
  const copy = flash.copy();
  change(copy);
  let found: number[] = [];
  const code = codeOf(() => {
    found = [...openJournal(copy, BANKS).replayed].map(numberOf);
  });
  return code === DONE ? found : code;
}

function eightRecords(): RamFlash {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  for (let n = 1; n <= 8; n++) append(journal, [], n, 40);
  return flash;
}
const EIGHT = [1, 2, 3, 4, 5, 6, 7, 8];

test('a flipped bit in a committed record freezes the device', () => {
  const flash = eightRecords();
  for (let offset = EDGE; offset < EDGE + 8 * RECORD; offset++)
    assert.is(
      startOf(flash, (copy) => flip(copy, offset, 0x10)),
      'journal_corrupt',
      `byte ${offset}`,
    );
});

test('a record whose commit mark reads erased is still there, the last one too', () => {
  const flash = eightRecords();
  for (let mark = 1; mark <= 8; mark++)
    assert.equal(
      startOf(
        flash,
        (copy) => void copy.content.fill(0xff, BANK - EDGE - 4 * mark, BANK - EDGE - 4 * mark + 4),
      ),
      EIGHT,
    );
});

test('a head that went is made good from the other one, and two that went freeze the device', () => {
  const flash = eightRecords();
  const first = (copy: RamFlash): void => flip(copy, 2, 1);
  const second = (copy: RamFlash): void => flip(copy, BANK - EDGE + 5, 1);
  assert.equal(startOf(flash, first), EIGHT);
  assert.equal(startOf(flash, second), EIGHT);
  const both = (copy: RamFlash): void => {
    first(copy);
    second(copy);
  };
  assert.is(startOf(flash, both), 'journal_corrupt');
});

test('a first bank that is erased as a whole is no new flash', () => {
  const erased = (copy: RamFlash): void => void copy.content.fill(0xff, 0, BANK);
  assert.is(startOf(eightRecords(), erased), 'journal_corrupt');
});

test('a page that is lost anywhere loses no record without a word', () => {
  const flash = eightRecords();
  for (let page = 0; page < GEOMETRY.size; page += 256)
    for (const value of [0xff, 0]) {
      const found = startOf(flash, (copy) => void copy.content.fill(value, page, page + 256));
      assert.ok(typeof found === 'string' || found.length === 8, `page ${page} as ${value}: ${found}`);
    }
});

test('a page that is lost from a full bank takes no record together with its mark', () => {
  // Where records and marks meet lies elsewhere in its page with every length.
  for (let length = 4; length <= 64; length += 4) {
    const flash = new RamFlash(GEOMETRY);
    const journal = openJournal(flash, BANKS);
    let full = flash;
    let n = 0;
    for (; journal.generation === 1; n++) {
      full = flash.copy();
      append(journal, [], n + 1, length);
    }
    for (let page = 0; page < BANK; page += 128) {
      const found = startOf(full, (copy) => void copy.content.fill(0xff, page, page + 128));
      assert.ok(
        typeof found === 'string' || found.length === n - 1,
        `page ${page}: ${found.length} of ${n - 1}`,
      );
    }
  }
});

test('an erased flash of a device that had a journal is refused by name', () => {
  assert.is(
    codeOf(() => openJournal(new RamFlash(GEOMETRY), { ...BANKS, begun: true })),
    'journal_missing',
  );
  openJournal(eightRecords(), { ...BANKS, begun: true });
});

test('a journal of the first layout, and one with another number of banks, are refused by name', () => {
  const old = new RamFlash(GEOMETRY);
  old.content.set([0x53, 0x55, 0x4e, 0x31]);
  assert.is(
    codeOf(() => openJournal(old, BANKS)),
    'journal_layout',
  );
  assert.is(
    codeOf(() => openJournal(eightRecords(), { banks: 2 })),
    'journal_geometry',
  );
});

test('a flash that is neither erased nor a journal is not begun anew', () => {
  const used = new RamFlash(GEOMETRY);
  used.content.fill(0, 5000, 5004);
  assert.is(
    codeOf(() => openJournal(used, BANKS)),
    'journal_corrupt',
  );
});

test('a damaged newest bank never lets an older one come back', () => {
  const flash = new RamFlash(GEOMETRY);
  const journal = openJournal(flash, BANKS);
  for (let n = 1; journal.generation < 2; n++) append(journal, [1], n, 100);
  const bank = GEOMETRY.size / 3;
  flash.content[bank + 2] = 0;
  flash.content[2 * bank - 2] = 0;
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

test('a record may have 6 KiB, and no byte more', () => {
  const flash = new RamFlash({ size: 48 * 1024, blockSize: 1024 });
  const journal = openJournal(flash, BANKS);
  journal.append(payloadOf(7, 6144), () => []);
  assert.is([...openJournal(flash, BANKS).replayed][0]?.length, 6144);
  assert.is(
    codeOf(() => journal.append(payloadOf(7, 6145), () => [])),
    'journal_corrupt',
  );
  assert.equal([...openJournal(flash, BANKS).replayed].map(numberOf), [7]);
});

test('a head with a right sum is no head when it is not of this layout', () => {
  const head = { generation: 3, version: 1, minReader: 1, bank: 0, banks: 2 };
  const { bytes } = encodeHead(head, 4);
  assert.equal(decodeHead(bytes), head);
  const other = bytes.slice();
  const view = new DataView(other.buffer);
  view.setUint32(0, FIRST_MAGIC, true);
  view.setUint32(16, crc32(other.subarray(0, 16)), true);
  assert.is(decodeHead(other), undefined);
});

test.run();
