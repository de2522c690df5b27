/**
 * What is planned, the earliest first: a heap whose nodes have four children. The keys stand side by side in arrays of
 * numbers, so that a search among tens of thousands of plans touches few lines of memory and none of the plans.
 */
/** Something that was planned; `cancelled` set makes it never happen. */
export interface Planned {
  readonly at: number;
  readonly action: () => void;
  cancelled: boolean;
}

const CHILDREN = 4;
const ROOM = 1024;

export class Queue {
  length = 0;
  private times = new Float64Array(ROOM);
  private orders = new Float64Array(ROOM);
  private readonly items: Planned[] = [];

  /** Milliseconds of the earliest; only while there is one. */
  get firstAt(): number {
    return this.times[0]!;
  }

  /** `order` decides among plans of one time. */
  push(order: number, item: Planned): void {
    if (this.length === this.times.length) this.grow();
    const { times, orders } = this;
    const { at } = item;
    let index = this.length;
    this.length += 1;
    while (index > 0) {
      const parent = Math.floor((index - 1) / CHILDREN);
      // What is pushed has the highest order so far: of one time it stands behind.
      if (times[parent]! <= at) break;
      this.move(parent, index);
      index = parent;
    }
    times[index] = at;
    orders[index] = order;
    this.items[index] = item;
  }

  /** Takes the earliest away; only while there is one. */
  pop(): Planned {
    const { times, orders, items } = this;
    const first = items[0]!;
    this.length -= 1;
    const end = this.length;
    const last = items.pop()!;
    if (end === 0) return first;
    const at = times[end]!;
    const order = orders[end]!;
    let index = 0;
    for (let child = 1; child < end; child = CHILDREN * index + 1) {
      const best = this.earliest(child, Math.min(child + CHILDREN, end));
      const time = times[best]!;
      if (time > at || (time === at && orders[best]! > order)) break;
      this.move(best, index);
      index = best;
    }
    times[index] = at;
    orders[index] = order;
    items[index] = last;
    return first;
  }

  /** The earliest of the places from `start` to before `end`. */
  private earliest(start: number, end: number): number {
    const { times, orders } = this;
    let best = start;
    for (let i = start + 1; i < end; i += 1) {
      const earlier = times[i]! < times[best]! || (times[i] === times[best] && orders[i]! < orders[best]!);
      if (earlier) best = i;
    }
    return best;
  }

  private move(from: number, to: number): void {
    this.times[to] = this.times[from]!;
    this.orders[to] = this.orders[from]!;
    this.items[to] = this.items[from]!;
  }

  private grow(): void {
    const { times, orders } = this;
    this.times = new Float64Array(2 * times.length);
    this.orders = new Float64Array(2 * orders.length);
    this.times.set(times);
    this.orders.set(orders);
  }
}
