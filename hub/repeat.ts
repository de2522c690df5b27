/**
 * Work that is done again and again: at a steady pace while it goes well, at growing distance while it fails, never
 * twice at once, and stopped for good by `stop`.
 */
import { causeText } from './errors.ts';
import type { Time } from './ports.ts';

/** How often, and who hears of failures. */
export interface RepeatOptions {
  readonly time: Time;
  readonly everyMs: number;
  /** Longest pause after failures, milliseconds. */
  readonly failureMsMax: number;
  /** Told on the first failure of a row and on the recovery, not on every attempt. */
  readonly onTrouble?: (error: unknown, attempts: number) => void;
  readonly onRecovered?: (attempts: number) => void;
}

/** Work that is done again and again, never beside itself; after a failure ever more rarely, up to `failureMsMax`. */
export class Repeat {
  private readonly work: () => Promise<void>;
  private readonly options: RepeatOptions;
  private cancel: (() => void) | undefined;
  private running: Promise<void> | undefined;
  private again = false;
  private failures = 0;
  private stopped = false;
  /** What failed last, while it fails. */
  lastError: string | undefined;
  private sinceMs: number | undefined;

  constructor(work: () => Promise<void>, options: RepeatOptions) {
    this.work = work;
    this.options = options;
  }

  /** Runs the work now, or once more after the run that is under way. Resolves after that run, failed or not. */
  async now(): Promise<void> {
    if (this.stopped) return;
    this.cancel?.();
    if (this.running !== undefined) {
      this.again = true;
      return this.running;
    }
    this.running = this.loop();
    return this.running;
  }

  private async loop(): Promise<void> {
    do {
      this.again = false;
      await this.once();
    } while (this.again && !this.stopped);
    this.running = undefined;
    if (this.stopped) return;
    const { time, everyMs, failureMsMax } = this.options;
    // 100 ms, 200 ms, ... so that a restarted chain is found quickly and a dead one is left in peace.
    const pauseMs =
      this.failures === 0 ? everyMs : Math.min(50 * 2 ** Math.min(this.failures, 20), failureMsMax);
    this.cancel = time.schedule(pauseMs, () => void this.now());
  }

  /** Milliseconds that the present run has taken so far; 0 between two runs. */
  get runningMs(): number {
    return this.sinceMs === undefined ? 0 : this.options.time.nowMs() - this.sinceMs;
  }

  private async once(): Promise<void> {
    this.sinceMs = this.options.time.nowMs();
    await this.attempt();
    this.sinceMs = undefined;
  }

  private async attempt(): Promise<void> {
    try {
      await this.work();
    } catch (error) {
      // What is given up at the end is no failure.
      if (this.stopped) return;
      this.failures += 1;
      this.lastError = causeText(error);
      if (this.failures === 1) this.options.onTrouble?.(error, this.failures);
      return;
    }
    if (this.failures > 0) this.options.onRecovered?.(this.failures);
    this.failures = 0;
    this.lastError = undefined;
  }

  /** No further run begins; resolves when the last one is over. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel?.();
    await this.running;
  }
}
