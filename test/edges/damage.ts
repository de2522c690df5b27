/**
 * Damaged flash: every fault is put into a flash whose right books are known, and the device is started. It has exactly
 * those, or it is frozen by name; then it goes on, and is started once more.
 */
import { type Journal, openJournal } from '../../device/journal/journal.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { numbersFrom, type RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { BANKS } from '../device/pair.ts';
import { booksOf, type Image, laterRecord } from './images.ts';

/** What a start came to. */
export type Verdict = 'right' | 'frozen' | 'forgotten' | 'doubledSeq';

export interface Tally {
  cases: number;
  forgotten: number;
  doubledSeq: number;
  frozen: number;
  right: number;
  /** The first cases that were neither right nor frozen, in words. */
  readonly wrong: string[];
}

export const emptyTally = (): Tally => ({
  cases: 0,
  forgotten: 0,
  doubledSeq: 0,
  frozen: 0,
  right: 0,
  wrong: [],
});

/** Codes of a journal that refuses to be acted on. Anything else that is thrown is a defect. */
const NAMES: ReadonlySet<string> = new Set(['journal_corrupt', 'journal_missing', 'flash_worn']);
const WRONG_MAX = 20;

/** Undefined: frozen by name. */
function start(flash: RamFlash): { readonly journal: Journal; readonly payloads: Uint8Array[] } | undefined {
  try {
    const journal = openJournal(flash, BANKS);
    return { journal, payloads: [...journal.replayed] };
  } catch (error) {
    if (error instanceof SundialError && NAMES.has(error.code)) return undefined;
    throw error;
  }
}

const same = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a.length === b.length && a.every((bytes, i) => equalBytes(bytes, b[i]!));

/** What was judged right once already: making books of thousands of equal lists takes most of the time. */
interface Judged {
  readonly payloads: Uint8Array[];
  readonly snapshot: Uint8Array[];
}
const judged = new WeakMap<Image, Judged[]>();

/** The records that stand for the payloads' books when these are right. */
function rightSnapshot(image: Image, payloads: Uint8Array[]): Uint8Array[] | undefined {
  const known = judged.get(image) ?? [];
  const before = known.find((one) => same(one.payloads, payloads));
  if (before !== undefined) return before.snapshot;
  const { text, snapshot } = booksOf(image.side, payloads);
  if (!image.right.some((books) => books.text === text)) return undefined;
  judged.set(image, [...known, { payloads, snapshot }]);
  return snapshot;
}

/** Starts the device, lets it store one more record, and starts it once more. */
function judge(image: Image, flash: RamFlash): Verdict {
  const first = start(flash);
  if (first === undefined) return 'frozen';
  const { journal, payloads } = first;
  const snapshot = rightSnapshot(image, payloads);
  if (snapshot === undefined) return verdictOf(image, booksOf(image.side, payloads).highest);
  const record = laterRecord(image.side, 1);
  try {
    journal.append(record, () => snapshot);
  } catch (error) {
    if (error instanceof SundialError && NAMES.has(error.code)) return 'frozen';
    throw error;
  }
  const again = start(flash);
  if (again === undefined) return 'frozen';
  if ([payloads, snapshot].some((list) => same(again.payloads, [...list, record]))) return 'right';
  return verdictOf(image, booksOf(image.side, again.payloads).highest);
}

/** Books that are not right: a payer whose seq stands lower signs one twice. */
function verdictOf({ side, right }: Image, highest: number): Verdict {
  const least = Math.min(...right.map((books) => books.highest));
  return side === 'payer' && highest < least ? 'doubledSeq' : 'forgotten';
}

/** Puts a fault in, or has reads go wrong. */
type Damage = (flash: RamFlash) => void;

function run(tally: Tally, image: Image, what: string, damage: Damage): void {
  const flash = image.flash.copy(tally.cases);
  damage(flash);
  const verdict = judge(image, flash);
  tally.cases += 1;
  tally[verdict] += 1;
  if ((verdict === 'forgotten' || verdict === 'doubledSeq') && tally.wrong.length < WRONG_MAX)
    tally.wrong.push(`${image.name}: ${what}: ${verdict}`);
}

const bit =
  (at: number, number: number): Damage =>
  (flash) => {
    flash.content[at]! ^= 1 << number;
  };

const word =
  (at: number, value: number): Damage =>
  (flash) => {
    flash.content.fill(value, at, at + 4);
  };

/** The word reads so whatever is written. */
const deadWord =
  (at: number, value: number): Damage =>
  (flash) => {
    flash.onRead = (_, offset, bytes) => {
      for (let i = Math.max(at, offset); i < Math.min(at + 4, offset + bytes.length); i++)
        bytes[i - offset] = value;
    };
  };

/** The bytes of a flash that a fault is put into: all that are not erased, of the erased ones every so many. */
function* places({ flash }: Image, step: number, erasedEvery: number): Iterable<number> {
  for (let at = 0; at < flash.size; at += step) {
    const erased = flash.content.subarray(at, at + step).every((byte) => byte === 0xff);
    if (!erased || Math.floor(at / step) % erasedEvery === 0) yield at;
  }
}

/** What a read that goes wrong once gives instead. */
const MISREADS: readonly (readonly [string, (bytes: Uint8Array, next: () => number) => void])[] = [
  ['all ones', (bytes) => void bytes.fill(0xff)],
  ['all zero', (bytes) => void bytes.fill(0)],
  ['its first word ones', (bytes) => void bytes.fill(0xff, 0, 4)],
  ['its first word zero', (bytes) => void bytes.fill(0, 0, 4)],
  ['its last word ones', (bytes) => void bytes.fill(0xff, -4)],
  [
    'a flipped bit',
    (bytes, next) => {
      if (bytes.length > 0) bytes[next() % bytes.length]! ^= 1 << (next() & 7);
    },
  ],
];

/** How many places are looked at: one in so many, from an offset that the image decides. */
export interface Density {
  readonly bits: number;
  readonly erasedBits: number;
  readonly words: number;
  readonly erasedWords: number;
  readonly reads: number;
}

export const EVERYTHING: Density = { bits: 1, erasedBits: 1, words: 1, erasedWords: 1, reads: 1 };

/** All faults of one image. */
export function damageImage(tally: Tally, image: Image, density: Density): void {
  const next = numbersFrom(image.generation);
  let turn = next();
  const due = (every: number): boolean => {
    turn += 1;
    return turn % every === 0;
  };
  for (const at of places(image, 1, density.erasedBits))
    for (let number = 0; number < 8; number++)
      if (due(density.bits)) run(tally, image, `bit ${number} of byte ${at} flipped`, bit(at, number));
  for (const at of places(image, 4, density.erasedWords))
    for (const value of [0xff, 0]) {
      if (!due(density.words)) continue;
      run(tally, image, `word ${at} became ${value}`, word(at, value));
      run(tally, image, `word ${at} reads as ${value}`, deadWord(at, value));
    }
  const sound = image.flash.copy();
  start(sound);
  for (let number = 1; number <= sound.reads; number++)
    for (const [what, misread] of MISREADS) {
      if (!due(density.reads)) continue;
      run(tally, image, `read ${number} of the start gave ${what}`, (flash) => {
        flash.onRead = (count, _, bytes) => {
          if (count === number) misread(bytes, next);
        };
      });
    }
}

/** Where heads, superseded marks, commit marks and the ends of the records stand: faults there, without exception. */
export function damageVitals(tally: Tally, image: Image): void {
  const { size, wordSize } = image.flash;
  const bank = size / BANKS.banks;
  const edge = 8 * Math.max(4, wordSize);
  for (let start = 0; start < size; start += bank)
    for (const from of [start, start + bank - edge])
      for (let at = from; at < from + edge; at++) {
        for (let number = 0; number < 8; number++)
          run(tally, image, `bit ${number} of byte ${at} flipped`, bit(at, number));
        if (at % 4 !== 0) continue;
        for (const value of [0xff, 0]) {
          run(tally, image, `word ${at} became ${value}`, word(at, value));
          run(tally, image, `word ${at} reads as ${value}`, deadWord(at, value));
        }
      }
}
