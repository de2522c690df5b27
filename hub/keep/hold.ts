/**
 * A folder that its hub must not go on with: it may be an earlier state of one that signed more. Going on would sign
 * different entries for positions that were signed already. `sundial hub recover` lifts it.
 */
import { SundialError } from '../../protocol/errors.ts';
import { readWhole } from '../ledger/files.ts';
import type { Disk } from '../ports.ts';

const HELD = 'held.json';

/** Why a folder is held. */
export interface Held {
  readonly code: string;
  readonly what: string;
}

/** Holds the folder; durable when it resolves. */
export const hold = (disk: Disk, held: Held): Promise<void> =>
  disk.replace(HELD, new TextEncoder().encode(`${JSON.stringify(held)}\n`));

/** Lets the folder go on; durable when it resolves. */
export async function release(disk: Disk): Promise<void> {
  if (!(await disk.list()).includes(HELD)) return;
  await disk.remove(HELD);
  await disk.syncFolder();
}

/** Why the folder is held; undefined when it is not. */
export async function readHeld(disk: Disk): Promise<Held | undefined> {
  const bytes = await readWhole(disk, HELD);
  return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Held);
}

/** Throws what holds the folder, if anything does. */
export async function refuseHeld(disk: Disk): Promise<void> {
  const held = await readHeld(disk);
  if (held === undefined) return;
  throw heldError(held);
}

/** The error that a held folder is refused with. */
export const heldError = ({ code, what }: Held): SundialError =>
  new SundialError(code, what, {
    severity: 'process',
    remedy:
      'Bring the newest state of the folder back if there is one. Otherwise run `sundial hub recover`: it goes on above all positions that may have been signed.',
  });
