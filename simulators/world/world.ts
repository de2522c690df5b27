/**
 * Virtual time: a queue of actions ordered by (time, insertion). Milliseconds are integers from the start of the
 * simulation; the wall clock that devices and L2 see is START_SECONDS plus them.
 */

/** 2027-01-15 08:00:00 UTC: any date behind the first release would do. */
export const START_SECONDS = 1_800_000_000;
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Something that was planned; `cancel` makes it never happen. */
export interface Planned {
  cancelled: boolean;
}

interface Slot {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
  readonly planned: Planned;
}

/** A seed that plans more than this at once has a loop: some 400 MB of planned actions. */
const PLANNED_MAX = 4_000_000;

export class World {
  nowMs = 0;
  /** Actions that were run. */
  events = 0;
  private order = 0;
  private readonly heap: Slot[] = [];

  get nowSeconds(): number {
    return START_SECONDS + Math.floor(this.nowMs / SECOND);
  }

  get planned(): number {
    return this.heap.length;
  }

  /** Plans an action; a time that has passed means now. */
  at(timeMs: number, action: () => void): Planned {
    if (this.heap.length >= PLANNED_MAX) throw new Error(`more than ${PLANNED_MAX} actions are planned`);
    const planned = { cancelled: false };
    const at = timeMs < this.nowMs ? this.nowMs : timeMs;
    this.push({ at, order: this.order++, action, planned });
    return planned;
  }

  after(delayMs: number, action: () => void): Planned {
    return this.at(this.nowMs + delayMs, action);
  }

  /** Runs everything that is due up to and including `untilMs`; the clock then stands there. */
  run(untilMs: number): void {
    for (let slot = this.heap[0]; slot !== undefined && slot.at <= untilMs; slot = this.heap[0]) {
      this.pop();
      if (slot.planned.cancelled) continue;
      this.nowMs = slot.at;
      this.events += 1;
      slot.action();
    }
    this.nowMs = untilMs;
  }

  private static before(a: Slot, b: Slot): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  private push(slot: Slot): void {
    const { heap } = this;
    let index = heap.length;
    heap.push(slot);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!World.before(slot, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = slot;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && World.before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!World.before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}
