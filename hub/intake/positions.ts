/**
 * Where records stand in the ledger. Tokens and positions rise together, so a position is its token plus a number that
 * changes only where writes failed: one pair for each time that the disk took records again, instead of a second index
 * over all entries.
 */

/** From `token` on, a record stands at its token plus `by`. */
export interface Shift {
  readonly token: number;
  readonly by: number;
}

/** The shifts with where one more record came to stand; `token` is above all before it. */
export function withPosition(shifts: readonly Shift[], token: number, position: number): readonly Shift[] {
  const by = position - token;
  return shifts.at(-1)?.by === by ? shifts : [...shifts, { token, by }];
}

/** Token of the record at this position, which is durable. */
export function tokenOf(shifts: readonly Shift[], position: number): number {
  const shift = shifts.findLast(({ token, by }) => token + by <= position);
  return position - (shift?.by ?? 0);
}

/** Position of the record with this token; undefined while it is on its way to the disk. */
export function positionOf(
  {
    pending,
    shifts,
  }: { readonly pending: readonly { readonly token: number }[]; readonly shifts: readonly Shift[] },
  token: number,
): number | undefined {
  const [oldest] = pending;
  if (oldest !== undefined && token >= oldest.token) return undefined;
  const shift = shifts.findLast((known) => known.token <= token);
  return shift && token + shift.by;
}
