/** What was paid, as running sums: figures of the desk that would else need a look at every voucher there ever was. */

/** What is looked at of a voucher or stream: L2 time of its request, and whether it counts. */
interface Taken {
  readonly at: number;
  readonly voided: boolean;
}

/** Units and numbers of vouchers and streams. */
export interface Takings {
  /** What was paid in all, and what void vouchers would have been. */
  readonly paid: number;
  readonly void: number;
  readonly voids: number;
  /** By hour of the request's L2 time, oldest first: those around the newest record. */
  readonly hours: readonly Hour[];
}

/** `at`: seconds at which it began. */
export interface Hour {
  readonly at: number;
  readonly payments: number;
  readonly amount: number;
}

/** Hours that are kept: a day and what is shown of the one before. */
const HOURS_MAX = 48;
const HOUR = 3600;

export const NO_TAKINGS: Takings = { paid: 0, void: 0, voids: 0, hours: [] };

/** The sums with a voucher or stream that was recorded at this L2 time; `amount`: what it paid. */
export function withVoucher(takings: Takings, entry: Taken, amount: number, recordedAt: number): Takings {
  if (entry.voided) return { ...takings, void: takings.void + amount, voids: takings.voids + 1 };
  return {
    ...takings,
    paid: takings.paid + amount,
    hours: withHour(takings.hours, entry.at, amount, recordedAt),
  };
}

/** The sums with ticks of a stream that paid so much more. */
export function withTicks(takings: Takings, entry: Taken, more: number): Takings {
  if (entry.voided) return { ...takings, void: takings.void + more };
  const at = hourOf(entry.at);
  const hours = takings.hours.map((hour) =>
    hour.at === at ? { ...hour, amount: hour.amount + more } : hour,
  );
  return { ...takings, paid: takings.paid + more, hours };
}

const hourOf = (at: number): number => at - (at % HOUR);

/** A request may carry any time; which hours are kept is decided by when it was recorded. */
function withHour(hours: readonly Hour[], at: number, amount: number, recordedAt: number): readonly Hour[] {
  const newest = hourOf(recordedAt) + HOUR;
  const own = hourOf(at);
  if (own > newest || own <= newest - HOURS_MAX * HOUR) return hours;
  const found = hours.find((hour) => hour.at === own) ?? { at: own, payments: 0, amount: 0 };
  const others = hours.filter((hour) => hour !== found && hour.at > newest - HOURS_MAX * HOUR);
  const changed = { at: own, payments: found.payments + 1, amount: found.amount + amount };
  return [...others, changed].sort((one, other) => one.at - other.at);
}
