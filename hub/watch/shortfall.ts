/**
 * What a payee shows the pots after a proved fraud: what isn't settled of its lane, and the vouchers by which copies of
 * the payer were given the same stretch of the lane at several of its terminals. In the order that the vault asks for: by what
 * the lane held before each voucher, then by digest.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { baseOf, topOf } from '../intake/books.ts';
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
  /** Units that the entries moved. */
  readonly shown: number;
}

/**
 * What `payee` can show on its lane of the channel, or undefined when there is nothing. The pots count at most what the
 * vouchers shown moved, so all that isn't settled is shown, highest first when not all fit.
 * @param settled units that L2 has settled on the lane
 */
export function shortfallOf(book: ChannelBook, payee: Uint8Array, settled: number): Shortfall | undefined {
  // Only what the payee gave something for and kept: voids and refunds are no loss.
  const kept = [...book.entries]
    .filter((entry) => equalBytes(entry.payee, payee) && !entry.voided && entry.credited === 0)
    .sort((a, b) => baseOf(a) - baseOf(b) || (a.key < b.key ? -1 : 1));
  const open = kept.filter((entry) => topOf(entry) > settled).sort((a, b) => topOf(b) - topOf(a));
  const shown = new Set(
    [...new Set([...open.slice(0, 1), ...overlapping(kept), ...open])].slice(0, shownRowsMax),
  );
  const entries = kept.filter((entry) => shown.has(entry));
  if (entries.length === 0) return undefined;
  const top = entries.reduce((most, entry) => Math.max(most, topOf(entry)), 0);
  const moved = entries.reduce((sum, entry) => sum + topOf(entry) - baseOf(entry), 0);
  return { entries, top, overlap: overlapOf(entries), shown: moved };
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
