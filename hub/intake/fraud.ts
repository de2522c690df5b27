// Rule 9: what an honest payer's vouchers can never look like, found by comparing a new one with its neighbours in
// the ledger. An honest payer's numbers rise along the one line of its seqs, so neighbours suffice: among entries
// without proof the numbers rise already, and after the first proof the channel is revoked.
import { equalBytes } from '../../protocol/bytes.ts';
import type { RecordOf } from '../records.ts';
import { baseOf, firstFrom, highest, spentBaseOf, spentTopOf, topOf } from './books.ts';
import type { ChannelBook, Entry } from './state.ts';
import { trieEntries } from './trie.ts';

export const PROOFS = { E1: 1, E2: 2 } as const;

/** The first proof of fraud that `entry` gives together with what the book holds, or undefined. */
export function findProof(book: ChannelBook, entry: Entry): RecordOf<'evidence'> | undefined {
  const { entries } = book;
  const start = firstFrom(entries, entry.seq);
  const end = firstFrom(entries, entry.seq + 1);
  for (let i = start; i < end; i += 1) {
    const other = entries[i]!;
    if (!equalBytes(other.id, entry.id)) return evidence(PROOFS.E1, other, entry);
  }
  const before = entries[start - 1];
  if (before !== undefined && overlaps(before, entry)) return evidence(PROOFS.E2, before, entry);
  const after = entries[end];
  if (after !== undefined && overlaps(entry, after)) return evidence(PROOFS.E2, entry, after);
  for (let i = start - 1; i >= 0; i -= 1) {
    const other = entries[i]!;
    if (!equalBytes(other.payee, entry.payee)) continue;
    if (overlaps(other, entry)) return evidence(PROOFS.E2, other, entry);
    break;
  }
  for (let i = end; i < entries.length; i += 1) {
    const other = entries[i]!;
    if (!equalBytes(other.payee, entry.payee)) continue;
    if (overlaps(entry, other)) return evidence(PROOFS.E2, entry, other);
    break;
  }
  return undefined;
}

/**
 * E3: the lanes, each at the most that was signed for it, add up to more than the payer ever said it had spent. An
 * honest payer's newest voucher covers all of them. Two messages needn't show it, so the ledger keeps no proof of it; a
 * payee asks before it gives money back.
 */
export function overspends(book: ChannelBook): boolean {
  let lanes = 0;
  for (const [, claim] of trieEntries(book.claims)) lanes += topOf(claim);
  return lanes > highest(book).spent;
}

/** E2 for i before j: j began below where i ended, on the channel or on the lane they share. */
function overlaps(i: Entry, j: Entry): boolean {
  if (spentBaseOf(j) < spentTopOf(i)) return true;
  return equalBytes(i.payee, j.payee) && baseOf(j) < topOf(i);
}

function evidence(proof: number, first: Entry, second: Entry): RecordOf<'evidence'> {
  return { type: 'evidence', proof, channel: first.channel, first: first.id, second: second.id };
}
