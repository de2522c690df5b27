/**
 * Rule 9: what an honest payer's vouchers can never look like, found by comparing a new one with its neighbours in
 * the ledger. An honest payer's numbers rise along the one line of its seqs, so neighbours suffice: among entries
 * without proof the numbers rise already, and after the first proof the channel is revoked.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { shownRowsMax } from '../limits.ts';
import type { RecordOf } from '../ledger/records.ts';
import { type Rule, RULES } from '../l2/fraud.ts';
import { baseOf, entryId, highest, spentBaseOf, spentTopOf, topOf } from './books.ts';
import type { ChannelBook, Entry } from './state.ts';
import { layersEntries, layersGet } from './layers.ts';
import { bytesKey } from './trie.ts';

/** The first proof of fraud that `entry` gives together with what the book holds, or undefined. */
export function findProof(book: ChannelBook, entry: Entry): RecordOf<'evidence'> | undefined {
  const { entries } = book;
  let after: Entry | undefined;
  for (const other of entries.from(entry.seq)) {
    if (other.seq > entry.seq) {
      after = other;
      break;
    }
    if (other.key !== entry.key) return evidence(RULES.equivocation, [other, entry]);
  }
  const before = first(entries.before(entry.seq));
  if (before !== undefined && overlaps(before, entry)) return evidence(RULES.regression, [before, entry]);
  if (after !== undefined && overlaps(entry, after)) return evidence(RULES.regression, [entry, after]);
  const [laneBefore, laneAfter] = laneNeighbours(book, entry);
  if (laneBefore !== undefined && overlaps(laneBefore, entry))
    return evidence(RULES.regression, [laneBefore, entry]);
  if (laneAfter !== undefined && overlaps(entry, laneAfter))
    return evidence(RULES.regression, [entry, laneAfter]);
  return overspent(book);
}

/** The first proof of fraud that the entries of a book give, whichever of them came last; undefined for an honest payer. */
export function anyProof(book: ChannelBook): RecordOf<'evidence'> | undefined {
  if (book.entries.under !== undefined) return newProof(book);
  const lanes = new Map<string, Entry>();
  let before: Entry | undefined;
  for (const entry of book.entries) {
    if (before?.seq === entry.seq) return evidence(RULES.equivocation, [before, entry]);
    const key = bytesKey(entry.payee);
    for (const other of [before, lanes.get(key)])
      if (other !== undefined && overlaps(other, entry)) return evidence(RULES.regression, [other, entry]);
    lanes.set(key, entry);
    before = entry;
  }
  return overspent(book);
}

/** The same over an index: what it has was looked through before it was written. */
function newProof(book: ChannelBook): RecordOf<'evidence'> | undefined {
  for (const entry of book.entries.held()) {
    const proof = findProof(book, entry);
    if (proof !== undefined) return proof;
  }
  return overspent(book);
}

/**
 * E3: the lanes, each at the most that was signed for it, add up to more than the payer ever said it had spent. An
 * honest payer's newest voucher covers all of them. Shown are the claims that had spent least, as few as suffice: the
 * last of them says how much was spent. All claims together suffice, but may not fit a transaction.
 */
function overspent(book: ChannelBook): RecordOf<'evidence'> | undefined {
  if (book.claimed <= highest(book).spent) return undefined;
  const claims = [...layersEntries(book.claims)].map(([, claim]) => claim);
  claims.sort((a, b) => spentTopOf(a) - spentTopOf(b));
  let lanes = 0;
  for (const [index, claim] of claims.slice(0, shownRowsMax).entries()) {
    lanes += topOf(claim);
    if (lanes > spentTopOf(claim)) return evidence(RULES.overspent, claims.slice(0, index + 1));
  }
  return undefined;
}

/** The entries of the same payee next to it. Of the last one of a lane, as it usually is, nothing is looked through. */
function laneNeighbours(
  { entries, lanes }: ChannelBook,
  { seq, payee }: Entry,
): [before: Entry | undefined, after: Entry | undefined] {
  const isSame = (other: Entry): boolean => equalBytes(other.payee, payee);
  const end = layersGet(lanes, bytesKey(payee));
  if (end?.seq !== seq) return [first(entries.before(seq), isSame), first(entries.from(seq + 1), isSame)];
  if (end.before === undefined) return [undefined, undefined];
  // Of several of one seq the one that came last.
  return [first(entries.before(end.before + 1), isSame), undefined];
}

/** The first one that fits. */
function first(entries: Iterable<Entry>, fits: (entry: Entry) => boolean = () => true): Entry | undefined {
  for (const entry of entries) if (fits(entry)) return entry;
  return undefined;
}

/** E2 for i before j: j began below where i ended, on the channel or on the lane they share. */
function overlaps(i: Entry, j: Entry): boolean {
  if (spentBaseOf(j) < spentTopOf(i)) return true;
  return equalBytes(i.payee, j.payee) && baseOf(j) < topOf(i);
}

function evidence(proof: Rule, entries: readonly Entry[]): RecordOf<'evidence'> {
  return { type: 'evidence', proof, channel: entries[0]!.channel, entries: entries.map(entryId) };
}
