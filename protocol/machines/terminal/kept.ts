/**
 * What the hub acknowledged is kept for a while (rule 6a): whoever stole one of the hub's keys can acknowledge what the hub
 * never had. When the root takes a key back, or begins a new epoch, all that is kept goes up once more. An honest hub knows
 * it and says so again; what only the thief had said reaches the hub now. What is kept takes no place that anything new
 * needs: the oldest goes first (`room.ts`).
 */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import { KEPT_MAX } from '../../limits.ts';
import { exposed, type OutboxEntry, type TerminalBooks } from './lanes.ts';

/** Is the first of no use beside the second? A tick counts those before it, and credits on one voucher only grow. */
function isCovered(entry: OutboxEntry, by: OutboxEntry): boolean {
  if (entry.kind === 'tick') return by.kind === 'tick' && equalBytes(entry.stream, by.stream);
  return entry.kind === 'credit' && by.kind === 'credit' && equalBytes(entry.voucher, by.voucher);
}

/** Is it about this voucher, which the hub must have before it takes the entry? */
function isAbout(entry: OutboxEntry, voucher: OutboxEntry): boolean {
  if (voucher.kind !== 'voucher' || entry.kind === 'voucher') return false;
  return equalBytes(entry.kind === 'tick' ? entry.stream : entry.voucher, voucher.entry);
}

/** Without the oldest `count`, and what is about them. */
export function withoutOldestKept(kept: readonly OutboxEntry[], count: number): readonly OutboxEntry[] {
  const gone = kept.slice(0, count);
  return kept.slice(count).filter((entry) => !gone.some((voucher) => isAbout(entry, voucher)));
}

/** With one more, which left the outbox: KEPT_MAX at most. */
export function withKept(kept: readonly OutboxEntry[], entry: OutboxEntry): readonly OutboxEntry[] {
  const all = [...kept.filter((old) => !isCovered(old, entry)), entry];
  return all.length > KEPT_MAX ? withoutOldestKept(all, 1) : all;
}

/** The books where all that waits is only kept: how a snapshot tells of it. */
export function keptOf(books: TerminalBooks): TerminalBooks {
  let after: TerminalBooks = { ...books, outbox: [], kept: books.outbox };
  for (const entry of books.outbox) after = exposed(after, entry.channel, -entry.exposure);
  return after;
}

/** The books where what waits about this voucher is only kept: no hub takes it. */
export function asideOf(books: TerminalBooks, voucher: Bytes32): TerminalBooks {
  let after = books;
  for (const entry of books.outbox) {
    if (entry.kind === 'voucher') continue;
    if (!equalBytes(entry.kind === 'tick' ? entry.stream : entry.voucher, voucher)) continue;
    const outbox = after.outbox.filter((other) => other !== entry);
    after = exposed({ ...after, outbox, kept: withKept(after.kept, entry) }, entry.channel, -entry.exposure);
  }
  return after;
}

/** The books where all that is kept waits again, before what waits already. */
export function broughtBack(books: TerminalBooks): TerminalBooks {
  const { kept, outbox } = books;
  const back = kept.filter((entry) => !outbox.some((newer) => isCovered(entry, newer)));
  let after: TerminalBooks = { ...books, outbox: [...back, ...outbox], kept: [] };
  for (const entry of back) after = exposed(after, entry.channel, entry.exposure);
  return after;
}
