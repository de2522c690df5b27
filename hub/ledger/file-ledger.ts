/**
 * The ledger of one machine: segment files in a folder, one writer, group commit. While one group is being synced
 * the next one gathers, so the cost of an fdatasync is shared by whatever arrived meanwhile.
 *
 * After a failed write or fsync the kernel may have dropped the pages and call them clean, so the segment is never
 * written again: what was durable before is read back and checked, and the next group goes into a fresh segment that
 * starts at the last durable position. Whatever the failed group left in the old file is thereby superseded. The same
 * holds for a start: what another writer may still put into the old file (writer.ts) is superseded with it.
 */
import { SundialError } from '../../protocol/errors.ts';
import { causeText } from '../errors.ts';
import {
  groupBytesMax,
  groupRecordsMax,
  ledgerQueueBytesMax,
  ledgerQueueRecordsMax,
  ledgerRetryMs,
  positionMax,
  recordBytesMax,
  segmentBytesMax,
} from '../limits.ts';
import type { Disk, DiskFile, LedgerOptions, Time } from '../ports.ts';
import { encodeGroup, encodeHeader, headerBytes, recordOverheadBytes } from './frame.ts';
import type { Ledger, LedgerPhase, LedgerRecord, TornTail } from './ledger.ts';
import {
  corrupt,
  type Opened,
  openSegments,
  replaySegments,
  type Segment,
  segmentIndexMax,
  segmentIndices,
  segmentName,
  verifySegment,
} from './reader.ts';
import { writeSeal } from './seal.ts';
import { Writer } from './writer.ts';

/** What a ledger stands on. */
export interface FileLedgerOptions extends Partial<LedgerOptions> {
  /** The ledger's own folder. */
  readonly disk: Disk;
  readonly time: Time;
  /** A number below 2^32 that no earlier segment was given: it tells an old segment's rests from a new one's. */
  salt(): number;
  /** Called when the ledger is closed: gives the folder back. */
  readonly released?: () => Promise<void>;
  /** Bytes after which a new segment begins. */
  readonly segmentBytesMax?: number;
  readonly retryMs?: { readonly first: number; readonly last: number };
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly resolve: (position: number) => void;
  readonly reject: (error: SundialError) => void;
}

/** The ledger in segment files; its methods do what the port says. */
export class FileLedger implements Ledger {
  /** What was cut off at the start, if anything. */
  readonly tornTail: TornTail | undefined;
  private readonly options: FileLedgerOptions;
  private readonly files: Disk;
  private readonly segments: Segment[];
  private readonly writer: Writer;
  private durableSize: number;
  private currentPhase: LedgerPhase = 'writing';
  private file: DiskFile | undefined;
  private end: number;
  private queue: Waiting[] = [];
  private queuedBytes = 0;
  private inFlight: readonly Waiting[] = [];
  private running: Promise<void> | undefined;
  private retry: { readonly cancel: () => void; readonly delayMs: number } | undefined;
  private failure: SundialError | undefined;
  private fatal: SundialError | undefined;

  private constructor(options: FileLedgerOptions, opened: Opened, writer: Writer) {
    this.options = options;
    this.files = options.disk;
    this.segments = opened.segments;
    this.durableSize = opened.size;
    this.end = opened.end;
    this.tornTail = opened.tornTail;
    this.writer = writer;
  }

  /** Opens over any files. Throws `ledger_corrupt` or `ledger_newer` (severity process), or what the files throw. */
  static async open(options: FileLedgerOptions): Promise<FileLedger> {
    const { disk } = options;
    let writer = await Writer.claim(disk, options.salt());
    let opened = await openSegments(disk, options.sizeKnown);
    const newest = opened.segments.at(-1)?.epoch ?? 0;
    if (newest >= writer.epoch) {
      // The writer's file was lost. What the other one wrote until now counts.
      writer = await Writer.claim(disk, options.salt(), newest);
      opened = await openSegments(disk, options.sizeKnown);
    }
    return new FileLedger(options, opened, writer);
  }

  get size(): number {
    return this.durableSize;
  }

  get phase(): LedgerPhase {
    return this.currentPhase;
  }

  /** Records taken and not yet durable. */
  get queued(): number {
    return this.queue.length + this.inFlight.length;
  }

  append(bytes: Uint8Array): Promise<number> {
    const refusal = this.refuse(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      // A copy: Buffer's own slice would share the caller's memory.
      this.queue.push({ bytes: new Uint8Array(bytes), resolve, reject });
      this.queuedBytes += bytes.length + recordOverheadBytes;
      this.run();
    });
  }

  private refuse(bytes: Uint8Array): SundialError | undefined {
    if (this.currentPhase === 'closed') {
      return (
        this.fatal ??
        new SundialError('ledger_closed', 'The ledger is closed.', {
          severity: 'process',
          remedy: 'Start the hub again.',
        })
      );
    }
    if (bytes.length === 0 || bytes.length > recordBytesMax) {
      return new SundialError('record_size', `A record has 1 to ${recordBytesMax} bytes.`, {
        severity: 'call',
        facts: { bytes: bytes.length, bytesMax: recordBytesMax },
        remedy: 'Split the record.',
      });
    }
    if (this.failure !== undefined) return this.failure;
    if (this.durableSize + this.queued > positionMax) {
      return new SundialError('ledger_full', 'All ledger positions are used.', {
        severity: 'process',
        facts: { positionMax },
        remedy: 'Start a new ledger under a new hub name.',
      });
    }
    if (
      this.queue.length >= ledgerQueueRecordsMax ||
      this.queuedBytes + bytes.length + recordOverheadBytes > ledgerQueueBytesMax
    ) {
      return new SundialError('ledger_busy', 'More records arrive than the disk can take.', {
        severity: 'call',
        facts: { queuedRecords: this.queue.length, queuedBytes: this.queuedBytes },
        remedy: 'Send again later; use a faster disk when this persists.',
      });
    }
    return undefined;
  }

  async *replay(from = 0): AsyncGenerator<LedgerRecord> {
    yield* replaySegments(this.files, this.segments.slice(), from, this.durableSize);
  }

  async verify(from: number): Promise<number | undefined> {
    const segments = this.segments.slice();
    const size = this.durableSize;
    const order = segments.findLastIndex(({ first }) => first <= from);
    const segment = segments[order];
    if (segment === undefined) return undefined;
    const end = segments[order + 1]?.first ?? size;
    const file = await this.files.open(segment.name);
    try {
      if (!(await verifySegment(file, segment, end)))
        throw corrupt(segment.name, segment.start, segment.first, 'its records are damaged');
    } finally {
      await file.close();
    }
    return end < size ? end : undefined;
  }

  /** Starts `work` unless work is under way; afterwards drains whatever was queued while it was ending. */
  private run(work: () => Promise<void> = () => this.drain()): void {
    this.running ??= work().finally(() => {
      this.running = undefined;
      if (this.queue.length > 0) this.run();
    });
  }

  private async drain(): Promise<void> {
    // One microtask later, so that all appends of one turn of the event loop share the first group.
    await undefined;
    while (this.queue.length > 0 && this.failure === undefined) {
      const group = this.takeGroup();
      try {
        if (this.file === undefined || this.end >= (this.options.segmentBytesMax ?? segmentBytesMax)) {
          await this.nextSegment();
        }
        await this.writeGroup(group);
      } catch (cause) {
        this.inFlight = [];
        await this.fail(cause, group);
        return;
      }
      this.inFlight = [];
    }
  }

  private takeGroup(): Waiting[] {
    let count = 0;
    let bytes = 0;
    while (count < this.queue.length && count < groupRecordsMax) {
      const next = this.queue[count]!.bytes.length + recordOverheadBytes;
      if (bytes + next > groupBytesMax) break;
      bytes += next;
      count += 1;
    }
    const group = this.queue.splice(0, count);
    this.queuedBytes -= bytes;
    this.inFlight = group;
    return group;
  }

  private async writeGroup(group: readonly Waiting[]): Promise<void> {
    const segment = this.segments.at(-1)!;
    const bytes = encodeGroup(
      segment.salt,
      this.durableSize,
      group.map((waiting) => waiting.bytes),
    );
    await this.file!.write(this.end, bytes);
    await this.file!.sync();
    // After the sync: what another writer found when it came is then known to be less than this, or to hold it.
    await this.writer.check();
    const first = this.durableSize;
    this.end += bytes.length;
    this.durableSize += group.length;
    for (const [index, waiting] of group.entries()) waiting.resolve(first + index);
  }

  /** Begins a segment at the last durable position; its header and its name are durable before the first group. */
  private async nextSegment(): Promise<void> {
    const taken = (await segmentIndices(this.files)).at(-1) ?? 0;
    const index = Math.max(taken, this.segments.at(-1)?.index ?? 0) + 1;
    if (index > segmentIndexMax) throw new Error('all segment names are used');
    const name = segmentName(index);
    const salt = this.options.salt();
    const { epoch } = this.writer;
    await this.writer.check();
    const before = { index: this.segments.at(-1)?.index ?? 0, bytes: this.end };
    const file = await this.files.create(name);
    try {
      await file.write(0, encodeHeader({ first: this.durableSize, salt, epoch, before }));
      await file.sync();
      await this.files.syncFolder();
    } catch (error) {
      // Best effort: a header without records is harmless and is removed at the next start.
      await file.close().catch(() => {});
      await this.files.remove(name).catch(() => {});
      throw error;
    }
    await this.file?.close().catch(() => {});
    this.segments.push({ name, index, first: this.durableSize, salt, epoch, start: headerBytes });
    this.file = file;
    this.end = headerBytes;
    // Only now, when the file is there for certain: a seal of what never was would hold up every start.
    await writeSeal(this.files, { segment: index, size: this.durableSize });
  }

  private async fail(cause: unknown, group: readonly Waiting[]): Promise<void> {
    if (isFatal(cause)) return this.giveUp(cause, group);
    const failure = new SundialError('ledger_unavailable', `The ledger can't write: ${causeText(cause)}.`, {
      severity: 'call',
      facts: { position: this.durableSize, cause: causeText(cause) },
      remedy: 'Nothing acknowledged is lost. Free space or repair the disk; writing resumes by itself.',
      cause,
    });
    this.failure = failure;
    const closing = this.currentPhase === 'closed';
    if (!closing) this.currentPhase = 'waiting';
    const rejected = [...group, ...this.queue];
    this.queue = [];
    this.queuedBytes = 0;
    for (const waiting of rejected) waiting.reject(failure);
    if (!closing) this.options.onPhase?.('waiting', failure);
    await this.abandonSegment();
    this.scheduleRetry();
  }

  /** Nothing is written any more, and what the folder holds is left as it is. */
  private async giveUp(cause: SundialError, group: readonly Waiting[]): Promise<void> {
    const rejected = [...group, ...this.queue];
    this.queue = [];
    this.queuedBytes = 0;
    this.failure = cause;
    this.fatal = cause;
    const told = this.currentPhase !== 'closed';
    this.currentPhase = 'closed';
    for (const waiting of rejected) waiting.reject(cause);
    const { file } = this;
    this.file = undefined;
    await file?.close().catch(() => {});
    if (told) this.options.onPhase?.('closed', cause);
  }

  /** Gives the current file up: frees the space of the failed group where possible, and never writes there again. */
  private async abandonSegment(): Promise<void> {
    const file = this.file;
    this.file = undefined;
    if (file === undefined) return;
    await file.truncate(this.end).catch(() => {});
    await file.close().catch(() => {});
  }

  private scheduleRetry(): void {
    if (this.currentPhase === 'closed') return;
    const bounds = this.options.retryMs ?? ledgerRetryMs;
    const delayMs = Math.min(this.retry === undefined ? bounds.first : this.retry.delayMs * 2, bounds.last);
    const cancel = this.options.time.schedule(delayMs, () => this.run(() => this.resume()));
    this.retry = { cancel, delayMs };
  }

  private async resume(): Promise<void> {
    try {
      await this.verifyLast();
      await this.nextSegment();
    } catch (cause) {
      if (isFatal(cause)) return this.giveUp(cause, []);
      this.scheduleRetry();
      return;
    }
    if (this.currentPhase === 'closed') return;
    this.retry = undefined;
    this.failure = undefined;
    this.currentPhase = 'writing';
    this.options.onPhase?.('writing');
  }

  /** After a failure: are the records that were durable still there? Anything else is damage, not a full disk. */
  private async verifyLast(): Promise<void> {
    const segment = this.segments.at(-1);
    if (segment === undefined) return;
    const file = await this.files.open(segment.name);
    try {
      if (await verifySegment(file, segment, this.durableSize)) return;
    } finally {
      await file.close();
    }
    throw new SundialError('ledger_corrupt', `Records of ${segment.name} are gone after a disk failure.`, {
      severity: 'process',
      facts: { file: segment.name, position: this.durableSize },
      remedy: 'Keep the folder as it is, check the disk, and restore the file from a copy.',
    });
  }

  async close(): Promise<void> {
    if (this.currentPhase !== 'closed') {
      // New appends are refused from here on; what is queued is still written.
      this.currentPhase = 'closed';
      this.retry?.cancel();
      this.options.onPhase?.('closed');
    }
    while (this.running !== undefined) await this.running;
    await this.file?.close().catch(() => {});
    this.file = undefined;
    if (this.failure === undefined && this.segments.length > 0) await this.seal().catch(() => {});
    await this.options.released?.();
  }

  private async seal(): Promise<void> {
    await this.writer.check();
    await writeSeal(this.files, { segment: this.segments.at(-1)!.index, size: this.durableSize });
  }
}

const isFatal = (cause: unknown): cause is SundialError =>
  cause instanceof SundialError && cause.severity === 'process';
