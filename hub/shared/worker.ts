/**
 * One of the workers of a hub. All of them take what devices send; one, which is elected by a lease in the store, also
 * watches L2, settles and publishes. What that one writes counts only while it has the lease: one that slept through its
 * end, however it did, finds another epoch there and has written nothing.
 */
import type { SundialError } from '../../protocol/errors.ts';
import { type Height, height, type Seconds, seconds } from '../../protocol/integers.ts';
import { causeText, isError } from '../errors.ts';
import { electedMs, sharedLookMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { Fence, SharedStore, Time } from '../ports.ts';

/** The newest block as the elected one tells it. `registry`: patches that were written before. */
export interface BlockWord {
  readonly at: number;
  readonly height: number;
  readonly registry: number;
  /** Why L2 is doubted, while it is. */
  readonly doubt?: string | undefined;
}

/** What a worker is made of. */
export interface WorkerOptions {
  readonly store: SharedStore;
  readonly time: Time;
  readonly log: Logger;
  /** A name that no other process has, not even the same one after a start. */
  readonly name: string;
  /** Reads what the others wrote. */
  follow(): Promise<void>;
  /** Records and patches that are in the books and in the registry. */
  sizes(): { readonly ledger: number; readonly registry: number };
  /** The elected one has seen this block. */
  block(at: Seconds, height: Height): void;
  doubt(): void;
  /** It is this worker's turn: brings what it knows of L2 to what the store has. Resolves when it may begin. */
  elected(): Promise<void>;
  /** Something that makes going on unsafe. */
  fatal(error: SundialError): void;
}

/** The lease of whoever watches and settles. */
const ELECTED = 'elected';

/** Looks at the store again and again, and stands for election. */
export class Worker {
  private readonly options: WorkerOptions;
  private fenceHeld: Fence | undefined;
  /** By this process's clock; it decides nothing that is written. */
  private heldUntilMs = 0;
  private nextHoldMs = 0;
  /** The clock at the last look: one that has gone back since says nothing of how long the lease is held. */
  private lookedMs = 0;
  private word: BlockWord | undefined;
  private isWordNew = false;
  private heard: string | undefined;
  private timer: (() => void) | undefined;
  private looking: Promise<void> | undefined;
  private isStopped = false;
  /** Why the store could not be looked at, while it can't. */
  trouble: string | undefined;

  constructor(options: WorkerOptions) {
    this.options = options;
  }

  /** Does this worker watch and settle? */
  get isElected(): boolean {
    return this.fenceHeld !== undefined && this.options.time.nowMs() < this.heldUntilMs;
  }

  /** Of the lease while it is held, as far as this process knows. */
  get fence(): Fence | undefined {
    return this.isElected ? this.fenceHeld : undefined;
  }

  /** What the others are told with the next look. */
  say(word: BlockWord): void {
    this.word = word;
    this.isWordNew = true;
  }

  /** Looks once, and again and again from then on. */
  async start(): Promise<void> {
    await this.look();
  }

  private look(): Promise<void> {
    this.looking ??= this.lookNow()
      .then(
        () => {
          if (this.trouble !== undefined) this.options.log.info('the database answers again');
          this.trouble = undefined;
        },
        (error: unknown) => {
          if (isError(error, 'ledger_fenced')) this.options.fatal(error);
          if (this.trouble === undefined)
            this.options.log.warn({ err: causeText(error) }, 'the database is away');
          this.trouble = causeText(error);
        },
      )
      .finally(() => {
        this.looking = undefined;
        if (!this.isStopped) this.timer = this.options.time.schedule(sharedLookMs, () => void this.look());
      });
    return this.looking;
  }

  private async lookNow(): Promise<void> {
    await this.stand();
    const { store, sizes, follow } = this.options;
    const { sizes: found, word } = await store.look(ELECTED);
    const known = sizes();
    if (found.ledger > known.ledger || found.registry > known.registry) await follow();
    if (!this.isElected && word !== undefined && word !== this.heard) this.hear(word);
  }

  /** Prolongs the lease, or takes it when its holder has let it end. */
  private async stand(): Promise<void> {
    const { store, time, name } = this.options;
    const now = time.nowMs();
    if (now < this.lookedMs) {
      this.heldUntilMs = 0;
      this.nextHoldMs = 0;
    }
    this.lookedMs = now;
    if (now < this.nextHoldMs && !(this.isWordNew && this.isElected)) return;
    this.nextHoldMs = now + electedMs / 3;
    // Only what the holder says is heard: whoever takes the lease over leaves the word as it was.
    const word = this.isElected && this.word !== undefined ? JSON.stringify(this.word) : undefined;
    this.isWordNew = false;
    const epoch = await store.hold(ELECTED, name, electedMs, word);
    if (epoch === undefined) return this.lose();
    const isNew = this.fenceHeld?.epoch !== epoch || now >= this.heldUntilMs;
    this.heldUntilMs = now + electedMs;
    if (isNew) await this.begin({ name: ELECTED, epoch });
  }

  private async begin(fence: Fence): Promise<void> {
    this.fenceHeld = undefined;
    await this.options.follow();
    await this.options.elected();
    this.fenceHeld = fence;
    this.options.log.info({ epoch: fence.epoch }, 'this worker watches L2 and settles');
  }

  private lose(): void {
    if (this.fenceHeld === undefined) return;
    this.fenceHeld = undefined;
    this.options.log.warn('another worker watches L2 and settles now');
  }

  private hear(text: string): void {
    const word = JSON.parse(text) as BlockWord;
    // What was seen at finality up to that block comes first.
    if (this.options.sizes().registry < word.registry) return;
    this.heard = text;
    if (word.doubt === undefined) this.options.block(seconds(word.at), height(word.height));
    else this.options.doubt();
  }

  /** Looks no more, and lets another worker take over at once. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.timer?.();
    await this.looking;
    this.timer?.();
    const { fenceHeld } = this;
    this.fenceHeld = undefined;
    if (fenceHeld !== undefined) await this.options.store.release(fenceHeld).catch(() => undefined);
  }
}
