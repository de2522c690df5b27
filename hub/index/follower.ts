/**
 * Brings the index up to the ledger: what is durable is written there in batches, and then forgotten in memory. The index
 * is behind by a bounded number of records, never ahead. What it has was looked through for fraud: evidence and revocation
 * go there with the vouchers that they are about, so that a start looks only at what it replays.
 */
import { errorFields } from '../errors.ts';
import type { IntakeRuntime } from '../intake/runtime.ts';
import { type Books, durableBooks } from '../intake/state.ts';
import { trieEntries } from '../intake/trie.ts';
import type { Journal } from '../ledger/journal.ts';
import { indexBatchRecords, indexRestMs, indexRetryMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { IndexStore, Time } from '../ports.ts';
import type { SettleLoop } from '../settle/loop.ts';

/** What it works on. */
export interface FollowerParts {
  readonly time: Time;
  readonly store: IndexStore;
  readonly intake: IntakeRuntime;
  readonly journal: Journal;
  readonly settle: SettleLoop;
  readonly log: Logger;
}

/** Writes the index, one batch after the other. */
export class IndexFollower {
  private readonly parts: FollowerParts;
  private running: Promise<void> | undefined;
  /** Why it could not be written, while it can't. */
  trouble: unknown;
  private isClosed = false;
  private timer: (() => void) | undefined;

  constructor(parts: FollowerParts) {
    this.parts = parts;
  }

  /** Durable records that the index doesn't have yet. */
  get lag(): number {
    return this.parts.intake.state.size - this.parts.store.applied;
  }

  /** A record became durable: writes when there are enough, or after a while. */
  poke(): void {
    if (this.running !== undefined || this.isClosed) return;
    if (this.lag >= indexBatchRecords && this.trouble === undefined) void this.write();
    else
      this.timer ??= this.parts.time.schedule(this.trouble === undefined ? indexRestMs : indexRetryMs, () => {
        this.timer = undefined;
        void this.write();
      });
  }

  /** Writes what is durable a last time. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.timer?.();
    await this.write();
  }

  /** Writes what is durable; resolves when that is done, or can't be now. Never rejects. */
  async write(): Promise<void> {
    while (this.running !== undefined) await this.running;
    this.running = this.writeNow()
      .catch((error: unknown) => {
        // What is not written stays in memory, which has a bound; the next batch tries again.
        if (this.trouble === undefined)
          this.parts.log.error(errorFields(error), 'the index can not be written');
        this.trouble = error;
      })
      .finally(() => {
        this.running = undefined;
        // Also when it could not be written: again after a while.
        if (this.lag > 0) this.poke();
      });
    await this.running;
  }

  private async writeNow(): Promise<void> {
    const { store, intake, journal, settle, log } = this.parts;
    const { state } = intake;
    const { size, shifts } = state;
    const books = durableBooks(state);
    if (size === store.applied || !this.isLookedThrough(books)) return;
    const { tree } = journal;
    await store.write({
      size,
      leaf: tree.leaf(size - 1),
      books,
      shifts,
      history: settle.history,
      tiles: tree.tilesOf(store.applied, size),
    });
    tree.stored(size);
    settle.lanes.indexed(trieEntries(books.channels).map(([key]) => key));
    await intake.handle({ type: 'indexed', books });
    if (this.trouble !== undefined) log.info({ records: size }, 'the index is written again');
    this.trouble = undefined;
  }

  /** Is no evidence on its way? While the disk fails there is some that nobody has written. */
  private isLookedThrough({ proved, revoked }: Books): boolean {
    const { books } = this.parts.intake.state;
    return (
      this.parts.journal.ledger.phase === 'writing' && books.proved === proved && books.revoked === revoked
    );
  }
}
