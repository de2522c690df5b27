/** What a journal holds, from the bytes of its banks: where the limits of a device come from. */
import type { Flash } from '../../hardware/interfaces/index.ts';
import type { Room } from '../../protocol/machines/room.ts';
import { type JournalOptions, type JournalSource, openJournal, salvageJournal } from './journal.ts';
import { bankBytesOf, edgeOf, guardOf, recordCost, unitOf } from './layout.ts';

/** What the bounds follow from: bytes of the flash, of a block of it, and of the smallest write. */
export type Geometry = Pick<Flash, 'size' | 'blockSize' | 'wordSize'>;

/** What one bank of a journal in such a flash holds. */
export function journalRoom(geometry: Geometry, banks: number): Room {
  const unit = unitOf(geometry);
  const bank = bankBytesOf(geometry, banks);
  return {
    bytes: bank - 2 * edgeOf(unit) - guardOf(bank, unit),
    cost: (length) => recordCost(length, unit),
  };
}

/** Where a device keeps its journal. */
export interface Storage extends JournalSource {
  readonly room: Room;
}

/** A journal in a flash, which is opened when the device starts, and again whenever `open` is called. */
export const journalIn = (flash: Flash, options: JournalOptions): Storage => ({
  room: journalRoom(flash, options.banks),
  open: () => openJournal(flash, options),
  salvage: () => salvageJournal(flash, options),
});
