/**
 * One bank of the journal: how its heads, records and marks are written and read. Nothing that one read, one bit or one
 * word says alone is believed when it would mean that there is less: see protocol/decisions/0018.
 */
import type { Flash } from '../../hardware/interfaces/index.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { DAMAGED_REMEDY } from '../../protocol/wire/records.ts';
import {
  type BankHead,
  bodyLength,
  bodySum,
  decodeHead,
  edgeOf,
  encodeHead,
  FIRST_MAGIC,
  guardOf,
  HEAD_BYTES,
  isMark,
  padded,
  RECORD_HEAD_BYTES,
  sealBody,
  unitOf,
} from './layout.ts';

/** Reads of something that would count as damaged or missing otherwise. */
const READS = 3;
const ONES = new Uint8Array(256).fill(0xff);
const ZEROS = new Uint8Array(256);
/** What a word that the part can't give reads as: neither erased nor a mark. */
const UNREADABLE = 0x5a;

/** `journal_corrupt`: the device must not sign any more. */
export function corrupt(position: number, what: string): SundialError {
  return new SundialError('journal_corrupt', `${what} at byte ${position} of the flash`, {
    severity: 'device',
    remedy: DAMAGED_REMEDY,
    facts: { position },
  });
}

/** False when the part itself gave up, which the journal survives; anything else is thrown on. */
function refused(error: unknown): false {
  if (error instanceof SundialError && error.code === 'flash_fault') return false;
  throw error;
}

/** The sum in a record's head. */
const storedSum = (head: Uint8Array): number =>
  new DataView(head.buffer, head.byteOffset, RECORD_HEAD_BYTES).getUint32(4, true);

/** A record that was read and checked. */
export interface Found {
  readonly payload: Uint8Array;
  /** What the next record's sum goes on from. */
  readonly sum: number;
  /** The first byte behind it. */
  readonly next: number;
}

/** The last record as it was read: one that was being written when the power went may read otherwise later. */
export interface Tail {
  readonly at: number;
  readonly payload: Uint8Array;
  /** Sum of the record before. */
  readonly before: number;
}

/** What a scan saw. */
export interface Scan {
  /** False when the bank must be copied before anything is appended: a torn tail, or a mark or bits that went. */
  readonly clean: boolean;
  readonly tail: Tail | undefined;
}

/** One bank of the journal: records from its front, marks from its back, a head at either end. */
export class Bank {
  // What an append needs comes first: XS searches the properties of an object in their order.
  /** Next free byte, and the lowest mark. */
  end: number;
  private marked: number;
  private readonly unit: number;
  private readonly guard: number;
  /** Sum of the last record. */
  private chain = 0;
  private readonly flash: Flash;
  private readonly holds: (offset: number, bytes: Uint8Array) => boolean;
  private readonly mark: Uint8Array;
  /** Whether what was written must be read back here. */
  private readonly readsBack: boolean;
  readonly start: number;
  readonly limit: number;
  /** Where the first record stands, and the first byte behind the marks. */
  readonly records: number;
  readonly marks: number;
  private headBytes: Uint8Array = ONES;

  constructor(flash: Flash, number: number, bytes: number) {
    this.flash = flash;
    this.holds = flash.holds ?? ((offset, wanted) => equalBytes(flash.read(offset, wanted.length), wanted));
    this.unit = unitOf(flash);
    this.guard = guardOf(bytes, this.unit);
    this.start = number * bytes;
    this.limit = this.start + bytes;
    this.records = this.start + edgeOf(this.unit);
    this.marks = this.limit - edgeOf(this.unit);
    this.end = this.records;
    this.marked = this.marks;
    this.mark = ZEROS.subarray(0, this.unit);
    this.readsBack = flash.verifies !== true;
  }

  /** Bytes that records and their marks may still take. */
  get bytesFree(): number {
    return Math.max(0, this.marked - this.end - this.guard);
  }

  // ---- reading ----

  /** As the part gives it; what it can't give reads as damage. */
  private read(offset: number, length: number): Uint8Array {
    try {
      return this.flash.read(offset, length);
    } catch (error) {
      refused(error);
      return new Uint8Array(length).fill(UNREADABLE);
    }
  }

  private same(offset: number, bytes: Uint8Array): boolean {
    try {
      return this.holds(offset, bytes);
    } catch (error) {
      return refused(error);
    }
  }

  /** Where the two heads stand. */
  private get headsAt(): readonly [number, number] {
    return [this.start, this.limit - padded(HEAD_BYTES, this.unit)];
  }

  private get supersededAt(): readonly [number, number] {
    return [this.records - this.unit, this.marks];
  }

  /** The head, from either place; undefined when neither has one. Throws when they tell different things. */
  head(): BankHead | undefined {
    const [first, second] = this.headsAt.map((at) => this.headAt(at));
    if (first === undefined || second === undefined) return first ?? second;
    if (first.generation !== second.generation) throw corrupt(this.start, 'a bank with two different heads');
    return first;
  }

  /** A head from either place, whatever the other one says. */
  anyHead(): BankHead | undefined {
    const [first, second] = this.headsAt;
    return this.headAt(first) ?? this.headAt(second);
  }

  private headAt(at: number): BankHead | undefined {
    for (let reads = 0; reads < READS; reads++) {
      const head = decodeHead(this.read(at, HEAD_BYTES));
      if (head !== undefined) return head;
    }
    return undefined;
  }

  /** Was it written by a release with the first layout? */
  isFirstLayout(): boolean {
    const bytes = this.read(this.start, 4);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) === FIRST_MAGIC;
  }

  /** Is a mark written? Two reads must say so. */
  private isMarked(at: number): boolean {
    return isMark(this.read(at, this.unit)) && isMark(this.read(at, this.unit));
  }

  /** Whether either of the two marks says that a later bank was ready. */
  get superseded(): boolean {
    return this.supersededAt.some((at) => this.isMarked(at));
  }

  /** Two reads must find nothing. */
  private isErased(offset: number, length: number): boolean {
    const { flash } = this;
    for (let reads = 0; reads < 2; reads++) {
      const erased = flash.isErased?.(offset, length) ?? this.same(offset, ONES.subarray(0, length));
      if (!erased) return false;
    }
    return true;
  }

  /** Units between two places that are not erased; counts no further than `most`. */
  private dirtyUnits(from: number, to: number, most: number): number {
    let found = 0;
    // A part that can tell is asked about the whole first: nearly all of a bank is erased.
    if (this.flash.isErased !== undefined && this.isErased(from, to - from)) return 0;
    for (let at = from; at < to && found < most; at += ONES.length) {
      const end = Math.min(at + ONES.length, to);
      if (this.isErased(at, end - at)) continue;
      for (let unit = at; unit < end && found < most; unit += this.unit)
        if (!this.isErased(unit, this.unit) && !this.isErased(unit, this.unit)) found += 1;
    }
    return found;
  }

  /** Is nothing written in the whole bank, or nothing but what a first start that was cut may have left? */
  isEmpty(butHead = false): boolean {
    return this.dirtyUnits(butHead ? this.records - this.unit : this.start, this.limit, 1) === 0;
  }

  /** The record at `at` that goes on from `chain`; undefined when there is none. */
  find(at: number, chain: number): Found | undefined {
    for (let reads = 0; reads < READS; reads++) {
      if (at + RECORD_HEAD_BYTES > this.marks) return undefined;
      const head = this.read(at, RECORD_HEAD_BYTES);
      const length = bodyLength(head);
      if (length === undefined) continue;
      const next = at + padded(RECORD_HEAD_BYTES + length, this.unit);
      if (next > this.marks) continue;
      const payload = this.read(at + RECORD_HEAD_BYTES, length);
      const sum = bodySum(head, payload, chain);
      if (sum === storedSum(head)) return { payload, sum, next };
    }
    return undefined;
  }

  /**
   * Payloads of all records that still check in a damaged bank, whatever stands between them: for a device that signs
   * nothing more. A record goes on from the sum that stands in the one before, whether that one is whole or not.
   */
  *salvage(): Generator<Uint8Array, void> {
    const head = this.anyHead();
    if (head !== undefined) this.enter(head);
    let chain = head && this.chain;
    let lost = false;
    for (let at = this.records; at + RECORD_HEAD_BYTES <= this.marks; ) {
      const found = this.findDamaged(at, chain);
      if (found !== undefined) {
        if (found.payload !== undefined) yield found.payload;
        at = found.next;
        chain = found.sum;
      } else {
        // Where this one ends is lost: the next one stands somewhere behind, and goes on from this one's sum.
        if (!lost) chain = storedSum(this.read(at, RECORD_HEAD_BYTES));
        at += this.unit;
      }
      lost = found === undefined;
    }
  }

  /** As `find`; of a record that does not check, but that the one behind it goes on from, what is sure. */
  private findDamaged(
    at: number,
    chain: number | undefined,
  ): (Pick<Found, 'sum' | 'next'> & Partial<Found>) | undefined {
    const found = chain === undefined ? undefined : this.find(at, chain);
    if (found !== undefined) return found;
    const head = this.read(at, RECORD_HEAD_BYTES);
    const length = bodyLength(head);
    if (length === undefined) return undefined;
    const next = at + padded(RECORD_HEAD_BYTES + length, this.unit);
    const stored = storedSum(head);
    if (this.find(next, stored) !== undefined) return { sum: stored, next };
    if (chain === undefined || next > this.marks) return undefined;
    // Its own sum may be what is damaged: the next one shows what it was.
    const payload = this.read(at + RECORD_HEAD_BYTES, length);
    const sum = bodySum(head, payload, chain);
    return this.find(next, sum) === undefined ? undefined : { payload, sum, next };
  }

  /** The sum that the first record goes on from. */
  get seed(): number {
    return new DataView(this.headBytes.buffer).getUint32(HEAD_BYTES - 4, true);
  }

  /** Goes behind all records of a bank that has a head. Throws `journal_corrupt` when one that was committed is gone. */
  scan(head: BankHead): Scan {
    this.enter(head);
    let tail: Tail | undefined;
    let committed = true;
    let whole = true;
    for (;;) {
      const { end, chain } = this;
      const found = this.find(end, chain);
      if (found === undefined) break;
      // A record proves itself. A mark that went is one fault: a copy brings it back. The last may still lack its own.
      if (!committed) whole = false;
      tail = { at: end, payload: found.payload, before: chain };
      this.end = found.next;
      this.chain = found.sum;
      this.marked -= this.unit;
      committed = this.same(this.marked, this.mark) || this.same(this.marked, this.mark);
    }
    return { clean: this.endsHere() && whole, tail };
  }

  /**
   * Proves that nothing follows: no commit mark for a further record, and nothing but erased words, or what a cut left
   * of one record. False when that, or a single word that went bad, stands there.
   */
  private endsHere(): boolean {
    const { end, marked, unit } = this;
    if (marked - unit < end) return true;
    if (this.isMarked(marked - unit)) throw corrupt(end, 'a committed record with a wrong checksum');
    const length = bodyLength(this.read(end, RECORD_HEAD_BYTES));
    const torn = length === undefined ? unit : padded(RECORD_HEAD_BYTES + length, unit);
    const behind = Math.min(end + torn, marked);
    // Words are written in rising order, and a bank is left after a torn record: whatever stands further is damage.
    const further = this.dirtyUnits(behind, marked, 2);
    if (further > 1) throw corrupt(behind, 'something behind the last record');
    return further === 0 && this.dirtyUnits(end, behind, 1) === 0;
  }

  // ---- writing ----

  /** False when the part does not take it. */
  private put(offset: number, bytes: Uint8Array): boolean {
    try {
      this.flash.write(offset, bytes);
      return this.holds(offset, bytes);
    } catch (error) {
      return refused(error);
    }
  }

  /** Goes to the first record of the bank that this head describes; nothing is written. */
  enter(head: BankHead): void {
    const { bytes, sum } = encodeHead(head, this.unit);
    this.headBytes = bytes;
    this.chain = sum;
    this.end = this.records;
    this.marked = this.marks;
  }

  /** Erases the bank. False when it is not all erased then. */
  erase(): boolean {
    try {
      for (let at = this.start; at < this.limit; at += this.flash.blockSize) this.flash.erase(at);
    } catch (error) {
      return refused(error);
    }
    return this.isEmpty();
  }

  /** Is there room for a record of so many bytes? */
  fits(length: number): boolean {
    return this.end + padded(RECORD_HEAD_BYTES + length, this.unit) + this.guard <= this.marked - this.unit;
  }

  /** Record, then mark, each read back. False when there is no room or the flash did not take it. */
  append(payload: Uint8Array): boolean {
    const { end: at, unit } = this;
    const body = new Uint8Array(padded(RECORD_HEAD_BYTES + payload.length, unit));
    const next = at + body.length;
    const markAt = this.marked - unit;
    if (next + this.guard > markAt) return false;
    const sum = sealBody(payload, body, this.chain);
    const { flash, mark, readsBack } = this;
    try {
      flash.write(at, body);
      if (readsBack && !this.holds(at, body)) return false;
      flash.write(markAt, mark);
      if (readsBack && !this.holds(markAt, mark)) return false;
    } catch (error) {
      return refused(error);
    }
    this.end = next;
    this.marked = markAt;
    this.chain = sum;
    return true;
  }

  /** Writes both heads: the bank is ready. False when the part does not take one. */
  ready(): boolean {
    return this.headsAt.every((at) => this.put(at, this.headBytes));
  }

  /**
   * Writes heads and the last record once more, since what a cut left may read so today and otherwise tomorrow. Only
   * where words may be written twice. False when one does not hold.
   */
  confirm(tail: Tail | undefined): boolean {
    if (!this.ready()) return false;
    if (tail === undefined) return true;
    const { at, payload, before } = tail;
    const body = new Uint8Array(this.end - at);
    sealBody(payload, body, before);
    return this.put(at, body) && this.put(this.marked, this.mark);
  }

  /** Says that a later bank is ready, so that this one is never taken for the newest again. */
  supersede(): void {
    const left = this.supersededAt.filter((at) => !this.isMarked(at) && !this.put(at, this.mark));
    // The marks' own words are worn. Without heads it is no bank at all.
    if (left.length > 0 && this.head() !== undefined) this.erase();
  }
}
