/**
 * What a payee shows the vault after a proved fraud: its lane's highest voucher, and those by which copies of the payer
 * were given the same stretch of the lane at several of its terminals. In the order that the vault asks for: by what
 * the lane held before each voucher, then by digest.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { baseOf, spentTopOf, topOf } from '../intake/books.ts';
import type { ChannelBook, Entry } from '../intake/state.ts';
import { shownRowsMax } from '../limits.ts';

/** What a payee is short of on one channel, and the vouchers that show it. */
export interface Shortfall {
  /** At most shownRowsMax. */
  readonly entries: readonly Entry[];
  /** Units that the highest voucher says were paid on the lane. */
  readonly top: number;
  /** Units that more than one of the entries was given for. */
  readonly overlap: number;
}

/**
 * What `payee` can show on its lane of the channel, or undefined when there is nothing.
 * @param leasable units that a lease can have covered; the vault refuses evidence that holds a voucher beyond them
 */
export function shortfallOf(book: ChannelBook, payee: Uint8Array, leasable: number): Shortfall | undefined {
  // Only what the payee gave something for and kept: voids and refunds are no loss.
  const kept = book.entries
    .filter((entry) => equalBytes(entry.payee, payee) && !entry.voided && entry.credited === 0)
    .filter((entry) => topOf(entry) <= leasable && spentTopOf(entry) <= leasable)
    .sort((a, b) => baseOf(a) - baseOf(b) || (a.key < b.key ? -1 : 1));
  const highest = kept.reduce<Entry | undefined>(
    (best, entry) => (best === undefined || topOf(entry) > topOf(best) ? entry : best),
    undefined,
  );
  if (highest === undefined) return undefined;
  const shown = new Set([...new Set([highest, ...overlapping(kept)])].slice(0, shownRowsMax));
  const entries = kept.filter((entry) => shown.has(entry));
  return { entries, top: topOf(highest), overlap: overlapOf(entries) };
}

/** Of entries by base, those that share a stretch with another. */
function overlapping(entries: readonly Entry[]): Entry[] {
  const found = new Set<Entry>();
  let reaches: Entry | undefined;
  for (const entry of entries) {
    if (reaches !== undefined && topOf(reaches) > baseOf(entry) && topOf(entry) > baseOf(entry)) {
      found.add(reaches);
      found.add(entry);
    }
    if (reaches === undefined || topOf(entry) > topOf(reaches)) reaches = entry;
  }
  return entries.filter((entry) => found.has(entry));
}

/** The vault's sum over entries by base: each one's part that those before it reach into. */
function overlapOf(entries: readonly Entry[]): number {
  let top = 0;
  let overlap = 0;
  for (const entry of entries) {
    overlap += Math.max(0, Math.min(top, topOf(entry)) - baseOf(entry));
    top = Math.max(top, topOf(entry));
  }
  return overlap;
}
