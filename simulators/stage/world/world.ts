/**
 * Virtual time: a queue of actions ordered by (time, insertion). Milliseconds are integers from the start of the
 * simulation; the wall clock that devices and L2 see is `startSeconds` plus them.
 */
import { type Planned, Queue } from './queue.ts';
import { Quiescence } from './quiescence.ts';

export type { Planned };

/** When a run begins unless somebody says otherwise. 2027-01-15 08:00:00 UTC: any date behind the first release would do. */
export const START_SECONDS = 1_800_000_000;
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A seed that plans more than this at once has a loop: some 400 MB of planned actions. */
const PLANNED_MAX = 4_000_000;

export class World {
  /** Unix seconds at which the run begins. */
  readonly startSeconds: number;
  nowMs = 0;
  /** Actions that were run. */
  events = 0;
  /** Set by an action that made a promise or settled one: what follows from it happens before the next action. */
  touched = false;
  private failure: { readonly error: unknown } | undefined;
  private order = 0;
  private readonly queue = new Queue();

  constructor(startSeconds: number = START_SECONDS) {
    this.startSeconds = startSeconds;
  }

  get nowSeconds(): number {
    return this.startSeconds + Math.floor(this.nowMs / SECOND);
  }

  get planned(): number {
    return this.queue.length;
  }

  /** Plans an action; a time that has passed means now. */
  at(timeMs: number, action: () => void): Planned {
    if (this.queue.length >= PLANNED_MAX) throw new Error(`more than ${PLANNED_MAX} actions are planned`);
    const planned = { at: timeMs < this.nowMs ? this.nowMs : timeMs, action, cancelled: false };
    this.queue.push(this.order, planned);
    this.order += 1;
    return planned;
  }

  after(delayMs: number, action: () => void): Planned {
    return this.at(this.nowMs + delayMs, action);
  }

  /** An error that somebody met behind a promise, where nobody could throw it: the run ends with it. */
  fail(error: unknown): void {
    this.failure ??= { error };
  }

  /**
   * Runs everything that is due up to and including `untilMs`; the clock then stands there. After an action that
   * touched a promise it waits until no promise has anything left to do, so that the same actions come in the same order
   * however long a chain of promises is; after the others it goes on at once.
   */
  async run(untilMs: number): Promise<void> {
    const { queue } = this;
    const quiescence = new Quiescence();
    try {
      while (queue.length > 0 && queue.firstAt <= untilMs) {
        const planned = queue.pop();
        if (planned.cancelled) continue;
        this.nowMs = planned.at;
        this.events += 1;
        planned.action();
        if (this.touched) {
          await quiescence.reached();
          this.touched = false;
        }
        if (this.failure !== undefined) throw this.failure.error;
      }
    } finally {
      quiescence.close();
    }
    this.nowMs = untilMs;
  }
}
