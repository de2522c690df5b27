/**
 * A ledger in a store that several processes share: the port of the file ledger over it. What the workers of a hub decide
 * they append through `SharedIntake`, which says what it was decided by; what is appended here was decided by nothing.
 * Groups gather while one is being written, as in a file.
 */
import { SundialError } from '../../protocol/errors.ts';
import {
  groupBytesMax,
  groupRecordsMax,
  ledgerQueueBytesMax,
  ledgerQueueRecordsMax,
  recordBytesMax,
} from '../limits.ts';
import type { Ledger, LedgerPhase, LedgerRecord } from '../ledger/ledger.ts';
import type { LedgerOptions, SharedStore } from '../ports.ts';

interface Waiting {
  readonly bytes: Uint8Array;
  resolve(position: number): void;
  reject(error: unknown): void;
}

/** The log `ledger` of a store; it does not own the store. */
export class SharedLedger implements Ledger {
  /** Records that are known to be there. */
  size: number;
  phase: LedgerPhase = 'writing';
  private readonly store: SharedStore;
  private readonly onPhase: LedgerOptions['onPhase'];
  private queue: Waiting[] = [];
  private queuedBytes = 0;
  private running: Promise<void> | undefined;

  private constructor(store: SharedStore, size: number, onPhase: LedgerOptions['onPhase']) {
    this.store = store;
    this.size = size;
    this.onPhase = onPhase;
  }

  /**
   * The ledger as it is now. Rejects with `ledger_corrupt` when it has fewer records than somebody was told, and with
   * `ledger_unavailable`.
   */
  static async open(
    store: SharedStore,
    { sizeKnown = 0, onPhase = () => undefined }: Partial<LedgerOptions> = {},
  ): Promise<SharedLedger> {
    const { sizes } = await store.look('');
    if (sizes.ledger < sizeKnown)
      throw new SundialError('ledger_corrupt', 'The database holds fewer records than were published.', {
        severity: 'process',
        facts: { records: sizes.ledger, published: sizeKnown },
        remedy: 'An earlier state was restored: bring the newest one back, with its write-ahead log.',
      });
    return new SharedLedger(store, sizes.ledger, onPhase);
  }

  append(bytes: Uint8Array): Promise<number> {
    const refusal = this.refuse(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      this.queue.push({ bytes: new Uint8Array(bytes), resolve, reject });
      this.queuedBytes += bytes.length;
      this.running ??= this.drain();
    });
  }

  private refuse(bytes: Uint8Array): SundialError | undefined {
    if (this.phase === 'closed')
      return new SundialError('ledger_closed', 'The ledger is closed.', {
        severity: 'process',
        remedy: 'Start the hub again.',
      });
    if (bytes.length === 0 || bytes.length > recordBytesMax) return recordSize(bytes.length);
    if (this.queue.length >= ledgerQueueRecordsMax || this.queuedBytes + bytes.length > ledgerQueueBytesMax)
      return new SundialError('ledger_busy', 'More records arrive than the database can take.', {
        severity: 'call',
        facts: { queuedRecords: this.queue.length, queuedBytes: this.queuedBytes },
        remedy: 'Send again later; give the database a faster disk when this persists.',
      });
    return undefined;
  }

  private async drain(): Promise<void> {
    // One microtask later, so that all appends of one turn of the event loop share the first group.
    await undefined;
    while (this.queue.length > 0) {
      const group = this.takeGroup();
      try {
        const records = group.map(({ bytes }) => bytes);
        const verdict = await this.store.append('ledger', { records, subjects: [], size: this.size });
        if (typeof verdict === 'string') throw new Error(`a record without subjects was ${verdict}`);
        const { first } = verdict;
        this.size = first + group.length;
        this.tell('writing');
        for (const [index, { resolve }] of group.entries()) resolve(first + index);
      } catch (error) {
        this.failed(error);
        for (const { reject } of group) reject(error);
      }
    }
    this.running = undefined;
  }

  private takeGroup(): Waiting[] {
    let count = 0;
    let bytes = 0;
    while (count < this.queue.length && count < groupRecordsMax) {
      const next = this.queue[count]!.bytes.length;
      if (count > 0 && bytes + next > groupBytesMax) break;
      bytes += next;
      count += 1;
    }
    this.queuedBytes -= bytes;
    return this.queue.splice(0, count);
  }

  /** The store answered. */
  tell(phase: 'writing'): void {
    if (this.phase !== 'waiting') return;
    this.phase = phase;
    this.onPhase(phase);
  }

  /** The store failed: what only that worker can't go on with closes the ledger, the rest is waited for. */
  failed(error: unknown): void {
    const isOver = error instanceof SundialError && error.severity === 'process';
    if (this.phase === 'closed' || (this.phase === 'waiting' && !isOver)) return;
    this.phase = isOver ? 'closed' : 'waiting';
    this.onPhase(this.phase, error instanceof SundialError ? error : undefined);
  }

  async *replay(from = 0): AsyncGenerator<LedgerRecord> {
    const end = this.size;
    for (let at = from; at < end; ) {
      const records = await this.store.read('ledger', at);
      if (records.length === 0) throw lostRecord(at);
      for (const record of records) {
        if (record.position !== at) throw lostRecord(at);
        if (at >= end) return;
        yield record;
        at += 1;
      }
    }
  }

  async verify(from: number): Promise<number | undefined> {
    // What the database gives it has checked; here it is that nothing is missing between.
    const records = await this.store.read('ledger', from);
    for (const [index, { position }] of records.entries())
      if (position !== from + index) throw lostRecord(from + index);
    if (records.length === 0 && from < this.size) throw lostRecord(from);
    const end = from + records.length;
    return end < this.size ? end : undefined;
  }

  async close(): Promise<void> {
    if (this.phase !== 'closed') {
      this.phase = 'closed';
      this.onPhase('closed');
    }
    await this.running;
  }
}

/** Why a record of so many bytes is not taken. */
const recordSize = (bytes: number): SundialError =>
  new SundialError('record_size', `A record has 1 to ${recordBytesMax} bytes.`, {
    severity: 'call',
    facts: { bytes, bytesMax: recordBytesMax },
    remedy: 'Split the record.',
  });

/** A position that the store should have. */
export const lostRecord = (position: number): SundialError =>
  new SundialError('ledger_corrupt', `The database has lost the record at position ${position}.`, {
    severity: 'process',
    facts: { position },
    remedy: 'Stop all workers, keep the database as it is, and restore a copy with its write-ahead log.',
  });
