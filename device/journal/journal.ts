/**
 * The device's journal: an append-only list of records in NOR flash that survives a power cut at any word, and that
 * freezes the device rather than forget a record when the flash is damaged. A record is written first and its commit
 * mark last; when a bank is full, the next bank gets a snapshot and becomes the active one, round and round, so that all
 * blocks wear alike. Start with `openJournal`; bank.ts reads and writes one bank, layout.ts has the bytes.
 */
import type { Flash } from '../../hardware/interfaces/index.ts';
import { SundialError } from '../../protocol/errors.ts';
import {
  DAMAGED_REMEDY,
  newerJournal,
  RECORD_MIN_READER,
  RECORD_VERSION,
} from '../../protocol/wire/records.ts';
import { Bank, corrupt, type Tail } from './bank.ts';
import { bankBytesOf, type BankHead } from './layout.ts';

/** Bytes of the largest record: a voucher with its answer is below 500. Revocation lists take 5 bytes a channel. */
export const RECORD_BYTES_MAX = 6 * 1024;

export interface JournalOptions {
  /** Banks that the region is split into; at least 2, more spread the wear. */
  readonly banks: number;
  /** True when there must be a journal: an erased flash is then a lost one. */
  readonly begun?: boolean;
  /** Release of the records, and the oldest that may act on them. Other than the defaults only in tests. */
  readonly version?: number;
  readonly minReader?: number;
}

export interface Journal {
  /**
   * Payloads in the order they were written, each read from flash and checked when its turn comes: a bank holds more
   * small records than a chip's RAM does. To be read before the first append; throws `journal_replay` after a bank was
   * started, and `journal_corrupt`.
   */
  readonly replayed: Iterable<Uint8Array>;
  /**
   * Durable when it returns. `snapshot` gives the records that stand for everything before this one; it is called
   * only when the bank is full. Throws `journal_full` or `flash_worn`: nothing of the record counts then, but as after a
   * cut the next start may find it.
   */
  append(payload: Uint8Array, snapshot: () => Iterable<Uint8Array>): void;
  /** Bytes left in the active bank, for records and their marks. */
  readonly bytesFree: number;
  /** Banks started since the flash was new: the wear of every block is about this over the number of banks. */
  readonly generation: number;
}

const replayOver = (): SundialError =>
  new SundialError('journal_replay', 'what was stored is read after another bank was started', {
    severity: 'process',
    remedy: 'Read it to the end before the first append.',
  });

const worn = (): SundialError =>
  new SundialError('flash_worn', 'no bank takes what is written to it', {
    severity: 'device',
    remedy: DAMAGED_REMEDY,
  });

const missing = (): SundialError =>
  new SundialError('journal_missing', 'the flash is erased, and there was a journal', {
    severity: 'device',
    remedy: 'Put it back as it was. Without its journal a device must neither pay nor be paid.',
  });

const firstLayout = (): SundialError =>
  new SundialError('journal_layout', 'the journal was written in the first layout', {
    severity: 'device',
    remedy: 'Read it out and settle what it holds with the release that wrote it; then make the device anew.',
  });

const TRIES_PER_BANK = 2;

class BankedJournal implements Journal {
  private bank: Bank;
  replayed: Iterable<Uint8Array> = [];
  generation = 0;
  private readonly flash: Flash;
  private readonly banks: readonly Bank[];
  private readonly bankBytes: number;
  private active = -1;
  /** Highest generation that any head may have, so that no two banks share one. */
  private highest = 0;
  private readonly version: number;
  private readonly minReader: number;

  constructor(flash: Flash, options: JournalOptions) {
    this.flash = flash;
    this.version = options.version ?? RECORD_VERSION;
    this.minReader = options.minReader ?? RECORD_MIN_READER;
    this.bankBytes = bankBytesOf(flash, options.banks);
    if (options.banks < 2 || this.bankBytes < 1) {
      throw this.geometry(`${flash.size} bytes are no ${options.banks} banks`, options.banks);
    }
    this.banks = Array.from({ length: options.banks }, (_, i) => new Bank(flash, i, this.bankBytes));
    this.bank = this.banks[0]!;
  }

  private geometry(what: string, banks: number): SundialError {
    return new SundialError('journal_geometry', what, {
      severity: 'process',
      remedy: 'Give the journal at least two banks of one block each, and always the same number of them.',
      facts: { size: this.flash.size, blockSize: this.flash.blockSize, banks },
    });
  }

  private enter(number: number, generation: number): void {
    this.active = number;
    this.bank = this.banks[number]!;
    this.generation = generation;
  }

  /** Finds the newest bank, reads it, and makes its tail safe before anything is signed (rule 13). */
  open(begun: boolean): void {
    const newest = this.newest();
    if (newest === undefined) return this.startNew(begun);
    this.enter(newest.bank, newest.generation);
    this.highest = newest.generation;
    if (newest.minReader > this.version) throw newerJournal(newest.version, newest.minReader);
    const { bank } = this;
    if (bank.superseded) throw corrupt(bank.start, 'the bank that replaced this one is damaged');
    const { clean, tail } = bank.scan(newest);
    const older = newest.version < this.version;
    if (older || !clean || !this.flash.rewritable || !bank.confirm(tail)) this.begin(() => this.stored(tail));
    else this.supersedeOthers();
    this.replayed = this.stored();
  }

  /** Of the bank that is the newest by what can be read of all. */
  salvage(): Iterable<Uint8Array> {
    let best: Bank | undefined;
    let most = -1;
    for (const bank of this.banks) {
      const head = bank.anyHead();
      if (head !== undefined && (head.minReader > this.version || head.banks !== this.banks.length))
        return [];
      // A replaced bank counts least; one that replaced it and lost its heads less than one that has them.
      const rank = (bank.superseded ? 0 : 0x200000000) + (head === undefined ? 0 : 1 + head.generation);
      if (rank <= most) continue;
      most = rank;
      best = bank;
    }
    return best?.salvage() ?? [];
  }

  /** The newest head of all banks. Throws when the heads can't all be of this journal. */
  private newest(): BankHead | undefined {
    let newest: BankHead | undefined;
    for (let i = 0; i < this.banks.length; i++) {
      const head = this.banks[i]!.head();
      if (head === undefined) continue;
      if (head.banks !== this.banks.length)
        throw this.geometry(`the journal was begun with ${head.banks} banks`, this.banks.length);
      if (head.bank !== i || head.generation === newest?.generation)
        throw corrupt(this.banks[i]!.start, 'a bank of another place');
      if (newest === undefined || head.generation > newest.generation) newest = head;
    }
    return newest;
  }

  /** No bank was ever completed, so nothing was ever promised: but only when the whole flash says so. */
  private startNew(begun: boolean): void {
    if (this.banks[0]!.isFirstLayout()) throw firstLayout();
    const used = this.banks.find((bank, i) => !bank.isEmpty(i === 0));
    if (used !== undefined) throw corrupt(used.start, 'no bank has a head, and the flash is not erased');
    if (begun) throw missing();
    this.begin(() => []);
    this.replayed = [];
  }

  /** The records that now stand in the active bank; the last one from memory when it was read already. */
  private stored(tail?: Tail): Iterable<Uint8Array> {
    const { bank, generation } = this;
    const { end } = bank;
    return { [Symbol.iterator]: () => this.reader(bank, end, generation, tail) };
  }

  private reader(bank: Bank, end: number, generation: number, tail?: Tail): Iterator<Uint8Array> {
    let at = bank.records;
    let chain = bank.seed;
    return {
      next: () => {
        if (at >= end) return { done: true, value: undefined };
        if (this.generation !== generation) throw replayOver();
        if (at === tail?.at) {
          at = end;
          return { done: false, value: tail.payload };
        }
        const found = bank.find(at, chain);
        if (found === undefined) throw corrupt(at, 'a committed record with a wrong checksum');
        at = found.next;
        chain = found.sum;
        return { done: false, value: found.payload };
      },
    };
  }

  get bytesFree(): number {
    return this.bank.bytesFree;
  }

  append(payload: Uint8Array, snapshot: () => Iterable<Uint8Array>): void {
    if (payload.length > RECORD_BYTES_MAX) throw this.tooLong(payload);
    if (this.bank.append(payload)) return;
    // The bank is full, or a word of it would not take its value: go on in the next one.
    this.begin(snapshot);
    if (this.bank.append(payload)) return;
    throw this.bank.fits(payload.length) ? worn() : this.full();
  }

  private tooLong(payload: Uint8Array): SundialError {
    return corrupt(this.bank.end, `a record of ${payload.length} bytes`);
  }

  private full(): SundialError {
    return new SundialError('journal_full', 'the snapshot leaves no room in a bank', {
      severity: 'device',
      remedy: 'Meet the hub so that the outbox empties, or give the journal larger banks.',
      facts: { bankBytes: this.bankBytes },
    });
  }

  /**
   * Starts the next bank with a snapshot, made anew for each bank that is tried. Until its heads are written the old bank
   * stays the truth.
   */
  private begin(snapshot: () => Iterable<Uint8Array>): void {
    const { length } = this.banks;
    const old = this.active;
    for (let step = 1; step <= length * TRIES_PER_BANK; step++) {
      const next = (old + step + length) % length;
      if (next === old) continue;
      if (!this.fill(next, snapshot())) continue;
      this.enter(next, this.highest);
      this.supersedeOthers();
      return;
    }
    throw worn();
  }

  private fill(number: number, records: Iterable<Uint8Array>): boolean {
    const bank = this.banks[number]!;
    const generation = this.highest + 1;
    // A flash that was never used is erased, and was looked at word by word: no block of it is worn for nothing.
    const fresh = this.active < 0 && bank.isEmpty();
    if (!fresh && !bank.erase()) return false;
    const { version, minReader } = this;
    bank.enter({ generation, version, minReader, bank: number, banks: this.banks.length });
    for (const record of records) {
      if (record.length > RECORD_BYTES_MAX) throw this.tooLong(record);
      if (bank.append(record)) continue;
      if (!bank.fits(record.length)) throw this.full();
      return false;
    }
    // From here on there may be a bank of this generation, whether its second head holds or not.
    this.highest = generation;
    return bank.ready();
  }

  /** Marks every other bank as replaced, used or not: an erased newest bank is then no new flash. */
  private supersedeOthers(): void {
    for (let i = 0; i < this.banks.length; i++) if (i !== this.active) this.banks[i]!.supersede();
  }
}

/**
 * Opens the journal in a flash, or starts one in an erased flash. Throws `journal_newer` when a newer release wrote it,
 * `journal_layout` when an older one did in another layout, `journal_missing` when it is gone, `journal_geometry` for
 * another number of banks, and `journal_corrupt` when it is damaged: the device must then refuse to sign.
 */
export function openJournal(flash: Flash, options: JournalOptions): Journal {
  const journal = new BankedJournal(flash, options);
  journal.open(options.begun ?? false);
  return journal;
}

/**
 * What still checks in a journal that `openJournal` refuses as damaged, in the order in which it was written; reads only.
 * Nothing may be signed on it: what is missing is not known. For the hub it is good all the same, which judges every entry
 * by its signatures.
 */
export const salvageJournal = (flash: Flash, options: JournalOptions): Iterable<Uint8Array> =>
  new BankedJournal(flash, options).salvage();

/** Where a journal is. */
export interface JournalSource {
  /** Throws what opening a journal throws: `journal_corrupt`, `journal_missing`, `journal_newer`, ... */
  open(): Journal;
  /** What still checks in one that `open` refuses as damaged: see salvageJournal. */
  salvage?(): Iterable<Uint8Array>;
}
