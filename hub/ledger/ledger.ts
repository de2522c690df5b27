/**
 * What the hub expects of a ledger: the append-only journal that is the truth about what was accepted. This file is
 * the port; file-ledger.ts is the implementation for one machine. A database can stand behind the same interface.
 * Start with file-ledger.ts; frame.ts has the bytes, reader.ts the start after a crash, merkle.ts the checkpoints.
 */

/** One record as it was appended. `position` counts from 0 without gaps and is the record's leaf in the tree. */
export interface LedgerRecord {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** `writing`: appends are taken. `waiting`: the disk failed and is tried again. `closed`: no further appends. */
export type LedgerPhase = 'writing' | 'waiting' | 'closed';

export interface Ledger {
  /** Durable records; the position that the next append gets. */
  readonly size: number;
  readonly phase: LedgerPhase;
  /**
   * Appends one opaque record (1 to recordBytesMax bytes; the bytes are copied). Resolves with its position only
   * when the record would survive a power cut. Rejects with SundialError:
   * - `ledger_busy` (call, send again later): the queue is full; nothing was taken.
   * - `ledger_unavailable` (call, send again later): the disk failed; the record is not acknowledged, though it may turn up in a
   *   replay after a crash, as any unacknowledged record may. Writing resumes by itself.
   * - `ledger_closed` (severity process), `record_size` (call), `ledger_full` (severity process).
   * Appends resolve in the order in which they were called.
   */
  append(bytes: Uint8Array): Promise<number>;
  /**
   * All durable records from position `from` on, in order. Throws `ledger_corrupt` (severity process) with file, offset and
   * position when a record that was durable can't be read back.
   */
  replay(from?: number): AsyncIterable<LedgerRecord>;
  /**
   * Reads the records of one file again, the one that has position `from`; resolves with the first position behind them, or
   * undefined when nothing durable follows. Throws `ledger_corrupt` as `replay` does.
   */
  verify(from: number): Promise<number | undefined>;
  /** Writes what is queued, then releases the files and the lock. Safe to call twice. */
  close(): Promise<void>;
}

/** The end of an interrupted write that was cut off at the start: never acknowledged, so nothing is lost. */
export interface TornTail {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}
