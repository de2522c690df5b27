/** What the devices of a lab said, numbered, and who waits for the next. */

export interface LabEvent {
  readonly number: number;
  readonly event: string;
  readonly [fact: string]: unknown;
}

/** Events of one device that are kept: a charge session of 300 ticks says a thousand. */
const KEPT_MAX = 5_000;

/** A list that grows; the oldest go. */
export class EventLog {
  private readonly kept: LabEvent[] = [];
  private readonly wakers = new Set<() => void>();
  private count = 0;

  /** The number of the newest. */
  get last(): number {
    return this.count;
  }

  add(line: { readonly event: string; readonly [fact: string]: unknown }): void {
    this.count += 1;
    this.kept.push({ ...line, number: this.count });
    if (this.kept.length > KEPT_MAX) this.kept.shift();
    for (const wake of [...this.wakers]) wake();
  }

  /** Those behind number `after` whose name is one of `names`; all names where it is absent. */
  since(after: number, names?: readonly string[]): readonly LabEvent[] {
    return this.kept.filter(
      ({ number, event }) => number > after && (names === undefined || names.includes(event)),
    );
  }

  /** Resolves when there is one that `since` gives, or with none after `waitMs`. */
  async next(
    after: number,
    names: readonly string[] | undefined,
    waitMs: number,
  ): Promise<readonly LabEvent[]> {
    const found = await this.until(() => this.since(after, names).length > 0, waitMs);
    return found ? this.since(after, names) : [];
  }

  /** Resolves true when `holds` does; it is looked at with every event. False after `waitMs`. */
  until(holds: () => boolean, waitMs: number): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (held: boolean): void => {
        clearTimeout(timer);
        this.wakers.delete(look);
        resolve(held);
      };
      const look = (): void => {
        if (holds()) end(true);
      };
      const timer = setTimeout(() => end(false), waitMs);
      this.wakers.add(look);
    });
  }
}
