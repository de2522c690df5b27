/**
 * Settlements as the ledger shows them: which transaction was signed for which rows, and what became of it. Follows
 * from records alone, so a restart goes on where the crash was.
 */
import type { HubRecord, RecordOf } from '../ledger/records.ts';

export const OUTCOME_STATES = { mined: 1, reverted: 2, replaced: 3 } as const;

/** All batches as the ledger tells them. */
export interface BatchHistory {
  /** Records of the ledger up to which it tells: what comes again changes nothing. */
  readonly size: number;
  readonly nextBatch: number;
  /** The highest nonce that was ever signed for; -1: none. */
  readonly nonce: number;
  /** Signed, maybe sent, and not known to be final: the oldest first, no channel in two of them. */
  readonly open: readonly OpenBatch[];
  /** Newest last; older ones are in the ledger. */
  readonly finished: readonly FinishedBatch[];
}

/** A batch under way. */
export interface OpenBatch {
  readonly newest: RecordOf<'batchIntent'>;
  /** Earlier transactions for the same rows: one of them may be the one that is mined. */
  readonly earlier: readonly RecordOf<'batchIntent'>[];
}

/** A batch that came to its end. */
export interface FinishedBatch {
  readonly batch: number;
  readonly transaction: Uint8Array;
  readonly rows: number;
  readonly outcome: RecordOf<'batchOutcome'>;
}

/** Finished batches kept in memory for the status page. */
const FINISHED_MAX = 100;

export const emptyHistory: BatchHistory = {
  size: 0,
  nextBatch: 1,
  nonce: -1,
  open: [],
  finished: [],
};

/** The history with one more record, at this position; other records change nothing. */
export function applyBatchRecord(
  history: BatchHistory,
  record: HubRecord,
  position: number = history.size,
): BatchHistory {
  if (position < history.size) return history;
  const size = position + 1;
  switch (record.type) {
    case 'batchIntent': {
      const known = history.open.findIndex(({ newest }) => newest.batch === record.batch);
      const nonce = Math.max(history.nonce, record.nonce);
      const nextBatch = Math.max(history.nextBatch, record.batch + 1);
      if (known < 0) {
        const open = [...history.open, { newest: record, earlier: [] }];
        return { ...history, size, open, nonce, nextBatch };
      }
      const { newest, earlier } = history.open[known]!;
      const again = { newest: record, earlier: [...earlier, newest] };
      return { ...history, size, open: history.open.with(known, again), nonce, nextBatch };
    }
    case 'batchOutcome': {
      const ended = history.open.find(({ newest }) => newest.batch === record.batch);
      if (ended === undefined) return history;
      const { batch, rows } = ended.newest;
      const { transaction } = record;
      const finished = [...history.finished, { batch, transaction, rows: rows.length, outcome: record }];
      const open = history.open.filter((other) => other !== ended);
      return { ...history, size, open, finished: finished.slice(-FINISHED_MAX) };
    }
    default:
      return history;
  }
}
