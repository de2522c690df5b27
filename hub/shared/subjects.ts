/**
 * What a record was decided by, beside the past: its subjects. Two workers that decide about one subject at once can't both
 * be right, so the store takes the first of them only; the other one reads on and decides again. A channel is a subject of
 * its own, by its number; what is not about one channel alone shares a few.
 */
import { decodeOwn } from '../../protocol/wire/messages.ts';
import { findEntry, knownEntry } from '../intake/books.ts';
import type { Books } from '../intake/state.ts';
import type { HubRecord } from '../ledger/records.ts';

/** Leases, memberships, reservations, words of terminals and payees: seldom, and each decided by the others. */
export const LENDING = -1;
/** Settlements: one is under way at most. */
export const SETTLING = -2;

/** The subjects of records, each once; `books`: with these records. */
export const subjectsOf = (books: Books, records: readonly HubRecord[]): number[] => [
  ...new Set(records.flatMap((record) => subjects(books, record))),
];

function subjects(books: Books, record: HubRecord): readonly number[] {
  switch (record.type) {
    case 'entry':
      return entrySubjects(books, record);
    case 'statement': {
      const entry = findEntry(books, record.voucher);
      return [entry?.channel ?? LENDING];
    }
    case 'evidence':
    case 'revocation':
      return [record.channel];
    case 'lease':
    case 'released':
    case 'clearance':
      return [record.channel, LENDING];
    case 'batchIntent':
    case 'batchOutcome':
      return [SETTLING];
    case 'member':
    case 'synced':
    case 'clearanceEnded':
    case 'lost':
      return [LENDING];
  }
}

/** Of a tick or a credit the channel where its voucher stands, whatever place it names. */
function entrySubjects(books: Books, { id, message }: HubRecord & { type: 'entry' }): readonly number[] {
  const channel = knownEntry(books, id)?.channel;
  if (channel !== undefined) return [channel];
  const entry = decodeOwn(message);
  if (entry.type !== 'collectedTick' && entry.type !== 'collectedCredit') return [LENDING];
  const voucher = findEntry(books, entry.type === 'collectedTick' ? entry.stream : entry.voucher, entry);
  return [voucher?.channel ?? entry.channel];
}
