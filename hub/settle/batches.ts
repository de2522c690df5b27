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
  /** Signed, maybe sent, and not known to be final: at most one. */
  readonly open: RecordOf<'batchIntent'> | undefined;
  /** Earlier transactions of the open batch with the same nonce: one of them may be the one that is mined. */
  readonly earlier: readonly RecordOf<'batchIntent'>[];
  /** Newest last; older ones are in the ledger. */
  readonly finished: readonly FinishedBatch[];
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
  open: undefined,
  earlier: [],
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
      const { open } = history;
      const earlier = open?.batch === record.batch ? [...history.earlier, open] : [];
      const nonce = Math.max(history.nonce, record.nonce);
      return { ...history, size, open: record, earlier, nonce, nextBatch: record.batch + 1 };
    }
    case 'batchOutcome': {
      const { open } = history;
      if (open === undefined || open.batch !== record.batch) return history;
      const { batch, rows } = open;
      const { transaction } = record;
      const finished = [...history.finished, { batch, transaction, rows: rows.length, outcome: record }];
      return { ...history, size, open: undefined, earlier: [], finished: finished.slice(-FINISHED_MAX) };
    }
    default:
      return history;
  }
}
