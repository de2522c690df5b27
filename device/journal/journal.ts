/**
 * The device's journal: an append-only list of records in NOR flash that survives a power cut at any word. A record is
 * written first and its commit mark last; when a bank is full, the next bank gets a snapshot and becomes the active
 * one, round and round, so that all blocks wear alike. Start with `openJournal`.
 */
import type { Flash } from '../../hardware/interfaces/index.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import {
  DAMAGED_REMEDY,
  newerJournal,
  RECORD_MIN_READER,
  RECORD_VERSION,
} from '../../protocol/wire/records.ts';
import {
  type BankHead,
  bodySum,
  decodeHead,
  encodeBody,
  encodeHead,
  HEAD_BYTES,
  isErased,
  padded,
  RECORD_HEAD_BYTES,
} from './layout.ts';

/** Bytes of the largest record: a voucher with its answer is below 500. Revocation lists take 5 bytes a channel. */
export const RECORD_BYTES_MAX = 6 * 1024;

export interface JournalOptions {
  /** Banks that the region is split into; at least 2, more spread the wear. */
  readonly banks: number;
  /** Release of the records, and the oldest that may act on them. Other than the defaults only in tests. */
  readonly version?: number;
  readonly minReader?: number;
}

export interface Journal {
  /**
   * Payloads in the order they were written, each read from flash when its turn comes: a bank holds more small records
   * than a chip's RAM does. To be read before the first append; throws `journal_replay` after a bank was started.
   */
  readonly replayed: Iterable<Uint8Array>;
  /**
   * Durable when it returns. `snapshot` gives the records that stand for everything before this one; it is called
   * only when the bank is full. Throws `journal_full` or `flash_worn`: then nothing of the record counts.
   */
  append(payload: Uint8Array, snapshot: () => Iterable<Uint8Array>): void;
  /** Bytes left in the active bank. */
  readonly bytesFree: number;
  /** Banks started since the flash was new: the wear of every block is about this over the number of banks. */
  readonly generation: number;
}

function corrupt(position: number, what: string): SundialError {
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

const replayOver = (): SundialError =>
  new SundialError('journal_replay', 'what was stored is read after another bank was started', {
    severity: 'process',
    remedy: 'Read it to the end before the first append.',
  });

const TRIES_PER_BANK = 2;

class BankedJournal implements Journal {
  replayed: Iterable<Uint8Array> = [];
  generation = 0;
  private readonly flash: Flash;
  private readonly holds: (offset: number, bytes: Uint8Array) => boolean;
  private readonly unit: number;
  /** Next free byte of the active bank, and the first behind it, from the start of the flash. */
  private end = 0;
  private limit = 0;
  private active = -1;
  /** A written mark. */
  private readonly marked: Uint8Array;
  private readonly bankBytes: number;
  private readonly banks: number;
  private readonly version: number;
  private readonly minReader: number;

  constructor(flash: Flash, options: JournalOptions) {
    this.flash = flash;
    this.holds = flash.holds ?? ((offset, bytes) => equalBytes(flash.read(offset, bytes.length), bytes));
    this.unit = Math.max(4, flash.wordSize);
    this.marked = new Uint8Array(this.unit);
    this.banks = options.banks;
    this.version = options.version ?? RECORD_VERSION;
    this.minReader = options.minReader ?? RECORD_MIN_READER;
    const blocks = Math.floor(flash.size / flash.blockSize / options.banks);
    this.bankBytes = blocks * flash.blockSize;
    if (options.banks < 2 || blocks < 1) {
      throw new SundialError('journal_geometry', `${flash.size} bytes are no ${options.banks} banks`, {
        severity: 'process',
        remedy: 'Give the journal at least two banks of one block each.',
        facts: { size: flash.size, blockSize: flash.blockSize, banks: options.banks },
      });
    }
  }

  private start(bank: number): number {
    return bank * this.bankBytes;
  }

  /** Where the marks and the first record of a bank stand. */
  private marks(bank: number): { ready: number; superseded: number; records: number } {
    const ready = this.start(bank) + padded(HEAD_BYTES, this.unit);
    return { ready, superseded: ready + this.unit, records: ready + 2 * this.unit };
  }

  private isMarked(offset: number): boolean {
    return !isErased(this.flash.read(offset, this.unit));
  }

  /** False when the flash does not take the mark. */
  private mark(offset: number): boolean {
    return this.writeChecked(offset, this.marked);
  }

  private readyHead(bank: number): BankHead | undefined {
    const head = decodeHead(this.flash.read(this.start(bank), HEAD_BYTES));
    return head !== undefined && this.isMarked(this.marks(bank).ready) ? head : undefined;
  }

  /** Finds the newest bank, reads it, and makes its tail safe before anything is signed (rule 13). */
  open(): void {
    let newest: BankHead | undefined;
    for (let bank = 0; bank < this.banks; bank++) {
      const head = this.readyHead(bank);
      if (head === undefined || (newest !== undefined && head.generation < newest.generation)) continue;
      newest = head;
      this.enter(bank);
    }
    if (newest === undefined) {
      // No bank was ever completed, so nothing was ever promised.
      this.begin([]);
      return;
    }
    this.generation = newest.generation;
    if (newest.minReader > this.version) throw newerJournal(newest.version, newest.minReader);
    const { ready, superseded } = this.marks(this.active);
    if (this.isMarked(superseded)) throw corrupt(superseded, 'the bank that replaced this one is damaged');
    // A mark that was cut may read as written today and not tomorrow: marks are written once more at start.
    const marked = !this.flash.rewritable || this.mark(ready);
    const clean = this.scan();
    const older = newest.version < this.version;
    if (older || !clean || !marked || !this.flash.rewritable) this.begin(this.stored());
    else this.supersedeOthers();
    this.replayed = this.stored();
  }

  /** The records that now stand in the active bank, which has been scanned. */
  private stored(): Iterable<Uint8Array> {
    const { active, end, generation } = this;
    return { [Symbol.iterator]: () => this.reader(active, end, generation) };
  }

  private reader(bank: number, end: number, generation: number): Iterator<Uint8Array> {
    const { flash, unit } = this;
    let at = this.marks(bank).records;
    return {
      next: () => {
        if (at >= end) return { done: true, value: undefined };
        if (this.generation !== generation) throw replayOver();
        const head = flash.read(at + unit, RECORD_HEAD_BYTES);
        const length = head[0]! | (head[1]! << 8);
        const value = flash.read(at + unit + RECORD_HEAD_BYTES, length);
        at += unit + padded(RECORD_HEAD_BYTES + length, unit);
        return { done: false, value };
      },
    };
  }

  /** Reads all records of the active bank. False when a torn or weak one stands at the end. */
  private scan(): boolean {
    const { flash, unit, limit } = this;
    let at = this.end;
    let tail = -1;
    while (at + unit + RECORD_HEAD_BYTES <= limit) {
      const mark = flash.read(at, unit);
      if (isErased(mark)) break;
      const head = flash.read(at + unit, RECORD_HEAD_BYTES);
      const view = new DataView(head.buffer, head.byteOffset, RECORD_HEAD_BYTES);
      const length = view.getUint16(0, true);
      const size = unit + padded(RECORD_HEAD_BYTES + length, unit);
      if (view.getUint16(2, true) !== (~length & 0xffff) || at + size > limit)
        throw corrupt(at, 'a committed record without a length');
      const payload = flash.read(at + unit + RECORD_HEAD_BYTES, length);
      if (bodySum(head, payload) !== view.getUint32(4, true))
        throw corrupt(at, 'a committed record with a wrong checksum');
      tail = at;
      at += size;
    }
    this.end = at;
    const rest = Math.min(limit - at, unit + RECORD_HEAD_BYTES + RECORD_BYTES_MAX);
    if (rest > 0 && !isErased(flash.read(at, rest))) return false;
    return tail < 0 || !flash.rewritable || this.mark(tail);
  }

  get bytesFree(): number {
    return this.limit - this.end;
  }

  append(payload: Uint8Array, snapshot: () => Iterable<Uint8Array>): void {
    if (payload.length > RECORD_BYTES_MAX) throw this.tooLong(payload);
    const body = encodeBody(payload, this.unit);
    if (this.write(body)) return;
    // The bank is full, or a word of it would not take its value: go on in the next one.
    this.begin(snapshot());
    if (this.write(body)) return;
    throw this.fits(body) ? this.worn() : this.full();
  }

  private fits(body: Uint8Array): boolean {
    return this.end + this.unit + body.length <= this.limit;
  }

  private tooLong(payload: Uint8Array): SundialError {
    return corrupt(this.end, `a record of ${payload.length} bytes`);
  }

  private full(): SundialError {
    return new SundialError('journal_full', 'the snapshot leaves no room in a bank', {
      severity: 'device',
      remedy: 'Meet the hub so that the outbox empties, or give the journal larger banks.',
      facts: { bankBytes: this.bankBytes },
    });
  }

  private worn(): SundialError {
    return new SundialError('flash_worn', 'no bank takes what is written to it', {
      severity: 'device',
      remedy: DAMAGED_REMEDY,
    });
  }

  /** Body, then mark, each read back. False when there is no room or the flash did not take it. */
  private write(body: Uint8Array): boolean {
    const at = this.end;
    const bodyAt = at + this.unit;
    const next = bodyAt + body.length;
    if (next > this.limit) return false;
    const { flash, marked } = this;
    try {
      flash.write(bodyAt, body);
      if (!this.holds(bodyAt, body)) return false;
      flash.write(at, marked);
      if (!this.holds(at, marked)) return false;
    } catch (error) {
      return refused(error);
    }
    this.end = next;
    return true;
  }

  private writeChecked(offset: number, bytes: Uint8Array): boolean {
    try {
      this.flash.write(offset, bytes);
    } catch (error) {
      return refused(error);
    }
    return this.holds(offset, bytes);
  }

  /** Starts the next bank with a snapshot. Until its ready mark is written the old bank stays the truth. */
  private begin(records: Iterable<Uint8Array>): void {
    const old = this.active;
    for (let step = 1; step <= this.banks * TRIES_PER_BANK; step++) {
      const bank = (old + step + this.banks) % this.banks;
      if (bank === old) continue;
      if (!this.fill(bank, records)) continue;
      this.generation += 1;
      this.supersedeOthers();
      return;
    }
    throw this.worn();
  }

  private fill(bank: number, records: Iterable<Uint8Array>): boolean {
    const start = this.start(bank);
    try {
      for (let at = start; at < start + this.bankBytes; at += this.flash.blockSize) this.flash.erase(at);
    } catch (error) {
      return refused(error);
    }
    const head = { generation: this.generation + 1, version: this.version, minReader: this.minReader };
    if (!this.writeChecked(start, encodeHead(head, this.unit))) return false;
    const { active, end, limit } = this;
    this.enter(bank);
    for (const record of records) {
      if (record.length > RECORD_BYTES_MAX) throw this.tooLong(record);
      const body = encodeBody(record, this.unit);
      if (this.write(body)) continue;
      const full = !this.fits(body);
      Object.assign(this, { active, end, limit });
      if (full) throw this.full();
      return false;
    }
    if (this.mark(this.marks(bank).ready)) return true;
    Object.assign(this, { active, end, limit });
    return false;
  }

  /** Goes on behind the marks of a bank. */
  private enter(bank: number): void {
    this.active = bank;
    this.end = this.marks(bank).records;
    this.limit = this.start(bank) + this.bankBytes;
  }

  /** Marks every other bank as replaced, so that none of them is ever taken for the newest again. */
  private supersedeOthers(): void {
    for (let bank = 0; bank < this.banks; bank++) {
      if (bank === this.active || this.readyHead(bank) === undefined) continue;
      const { superseded } = this.marks(bank);
      if (this.isMarked(superseded) || this.mark(superseded)) continue;
      // The mark's own word is worn: break the head instead, one word of it is enough.
      for (let at = this.start(bank); at < superseded && this.readyHead(bank) !== undefined; at += this.unit)
        this.mark(at);
    }
  }
}

/**
 * Opens the journal in a flash, or starts one in an empty flash. Throws `journal_newer` when a newer release wrote it
 * and `journal_corrupt` when a committed record is damaged: the device must then refuse to sign.
 */
export function openJournal(flash: Flash, options: JournalOptions): Journal {
  const journal = new BankedJournal(flash, options);
  journal.open();
  return journal;
}
