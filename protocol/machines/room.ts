/**
 * Room in flash: what a machine must know of the journal below it, so that a limit with a name is met before a write
 * fails (rule 16). A device's books, as a snapshot, and one more record must always fit one bank.
 */
import { SundialError } from '../errors.ts';

/** What one bank of a journal holds. */
export interface Room {
  /** Bytes for records and what the journal adds to them. */
  readonly bytes: number;
  /** Bytes of a bank that a record of `length` bytes takes. */
  cost(length: number): number;
}

/**
 * Bytes beside the books that a bank must have left: for the record that comes next, of `largest` bytes at most, and
 * enough that a device with full books does not start a bank with every record.
 */
export const slackOf = (room: Room, largest: number): number =>
  Math.max(room.cost(largest), Math.floor(room.bytes / 8));

/** Throws `flash_too_small` when a bank does not hold what a board promises; `needed` in bytes of a bank. */
export function checkRoom(room: Room, needed: number, promised: string): void {
  if (needed <= room.bytes) return;
  throw new SundialError('flash_too_small', `a bank has ${room.bytes} bytes, ${promised} take ${needed}`, {
    severity: 'process',
    remedy: 'Give the journal fewer or larger banks, or the device lower limits.',
    facts: { bytes: room.bytes, needed },
  });
}
