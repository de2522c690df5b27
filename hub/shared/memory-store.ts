/**
 * The shared store in memory, for tests and simulators: what postgres/store.ts does, in as few words as possible, so
 * that the two can be compared. Several processes are several `worker()`s of one store.
 */
import { SundialError } from '../../protocol/errors.ts';
import type { LedgerRecord } from '../ledger/ledger.ts';
import type { Fence, LogName, Proposal, SharedLook, SharedStore, Time, Verdict } from '../ports.ts';

interface Log {
  readonly records: Uint8Array[];
  /** Where each subject was changed last. */
  readonly heads: Map<number, number>;
}

interface Lease {
  holder: string;
  epoch: number;
  untilMs: number;
  word: string | undefined;
}

/** What all workers share. */
export class MemoryStore {
  private readonly logs: Record<LogName, Log> = {
    ledger: { records: [], heads: new Map() },
    registry: { records: [], heads: new Map() },
  };
  private readonly leases = new Map<string, Lease>();
  private epoch = 1;
  private readonly time: Pick<Time, 'nowMs'>;

  /** `time`: the store's own clock. */
  constructor(time: Pick<Time, 'nowMs'>) {
    this.time = time;
  }

  /** The store as one process opens it. */
  worker(): SharedStore {
    let epoch = this.epoch;
    return {
      append: async (log, proposal) => {
        if (epoch !== this.epoch) throw takenOver();
        return this.append(log, proposal);
      },
      read: async (log, from) => this.read(log, from),
      look: async (lease) => this.look(lease),
      hold: async (lease, holder, forMs, word) => this.hold(lease, holder, forMs, word),
      release: async (fence) => this.release(fence),
      takeOver: async () => {
        this.epoch += 1;
        epoch = this.epoch;
      },
      close: async () => undefined,
    };
  }

  private append(log: LogName, { records, subjects, size, fence }: Proposal): Verdict {
    const { records: all, heads } = this.logs[log];
    if (fence !== undefined && this.leases.get(fence.name)?.epoch !== fence.epoch) return 'fenced';
    if (subjects.some((subject) => (heads.get(subject) ?? -1) >= size)) return 'moved';
    const first = all.length;
    for (const bytes of records) all.push(new Uint8Array(bytes));
    for (const subject of subjects) heads.set(subject, all.length - 1);
    return { first };
  }

  private read(log: LogName, from: number): LedgerRecord[] {
    return this.logs[log].records.slice(from).map((bytes, index) => ({ position: from + index, bytes }));
  }

  private look(lease: string): SharedLook {
    const { ledger, registry } = this.logs;
    const sizes = { ledger: ledger.records.length, registry: registry.records.length };
    return { sizes, word: this.leases.get(lease)?.word };
  }

  private hold(name: string, holder: string, forMs: number, word?: string): number | undefined {
    const lease = this.leases.get(name);
    const now = this.time.nowMs();
    if (lease !== undefined && lease.holder !== holder && lease.untilMs >= now) return undefined;
    const before = lease?.epoch ?? 0;
    const epoch = lease?.holder === holder ? before : before + 1;
    this.leases.set(name, { holder, epoch, untilMs: now + forMs, word: word ?? lease?.word });
    return epoch;
  }

  private release({ name, epoch }: Fence): void {
    const lease = this.leases.get(name);
    if (lease?.epoch === epoch) lease.untilMs = this.time.nowMs() - 1;
  }
}

const takenOver = (): SundialError =>
  new SundialError('ledger_fenced', 'Somebody else has taken this hub over.', {
    severity: 'process',
    remedy: 'Open the store again.',
  });
