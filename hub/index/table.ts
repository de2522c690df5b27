/**
 * One table of the index: bytes by bytes, each value behind a CRC-32 over its key and itself. LMDB keeps its own order
 * after a cut; what the disk changes later only a sum shows.
 */
import { crc32 } from 'node:zlib';
import type { Database } from 'lmdb';
import { SundialError } from '../../protocol/errors.ts';

export type Bytes = Uint8Array;
type Key = Buffer;

const SUM_BYTES = 4;
/** Rows that are read at once: first few, since most who ask want one, then more. */
const PAGE = { first: 2, last: 256 };

/** Damage of the index. The ledger has it all. */
export const damaged = (table: string, cause?: unknown): SundialError =>
  new SundialError('index_damaged', `the index is damaged (table ${table})`, {
    severity: 'process',
    remedy: 'Start the hub again: it builds the index anew from the ledger, which has everything.',
    facts: { table },
    cause,
  });

/** Rows by their keys' bytes. Puts count with the transaction that they are made in. */
export class Table {
  private readonly rows: Database<Buffer, Key>;
  private readonly name: string;
  private readonly onDamage: (error: SundialError) => void;

  /** `onDamage`: told before the error is thrown. */
  constructor(rows: Database<Buffer, Key>, name: string, onDamage: (error: SundialError) => void) {
    this.rows = rows;
    this.name = name;
    this.onDamage = onDamage;
  }

  put(key: Key, value: Bytes): void {
    const bytes = Buffer.allocUnsafe(value.length + SUM_BYTES);
    bytes.set(value, 0);
    bytes.writeUInt32BE(sumOf(key, value), value.length);
    void this.rows.put(key, bytes);
  }

  remove(key: Key): void {
    void this.rows.remove(key);
  }

  get(key: Key): Buffer | undefined {
    const bytes = this.rows.get(key);
    return bytes && this.checked(key, bytes);
  }

  /** Rows from `start` on, below `end`; backwards, those below `start`, not below `end`. No cursor stays open. */
  *range(start: Key, end: Key, isBackward = false): Generator<[Key, Buffer]> {
    let from = start;
    let isAfter = isBackward;
    for (let limit = PAGE.first; ; limit = Math.min(limit * 8, PAGE.last)) {
      const options = { start: from, end, limit, reverse: isBackward, exclusiveStart: isAfter };
      const page = [...this.rows.getRange(options)].map(({ key, value }): [Key, Buffer] => [
        key,
        this.checked(key, value),
      ]);
      yield* page;
      if (page.length < limit) return;
      from = page.at(-1)![0];
      isAfter = true;
    }
  }

  /** Keys alone. */
  *keys(start: Key, end: Key): Generator<Key> {
    let from = start;
    let isAfter = false;
    for (;;) {
      const page = [...this.rows.getKeys({ start: from, end, limit: PAGE.last, exclusiveStart: isAfter })];
      yield* page;
      if (page.length < PAGE.last) return;
      from = page.at(-1)!;
      isAfter = true;
    }
  }

  private checked(key: Key, bytes: Buffer): Buffer {
    const end = bytes.length - SUM_BYTES;
    const value = bytes.subarray(0, Math.max(0, end));
    if (end < 0 || bytes.readUInt32BE(end) !== sumOf(key, value)) throw this.damage();
    return value;
  }

  /** The error of a row that can't be right. */
  damage(): SundialError {
    const error = damaged(this.name);
    this.onDamage(error);
    return error;
  }
}

const sumOf = (key: Bytes, value: Bytes): number => crc32(value, crc32(key));
