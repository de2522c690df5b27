/**
 * What a ledger held at least: written when a segment begins and when the hub stops. The end of a log can't say that more
 * came after it, so this file does: a last segment that is gone, or a folder that was emptied but for it, is seen.
 */
import { SundialError } from '../../protocol/errors.ts';
import type { Disk } from '../ports.ts';
import { readWhole } from './files.ts';

const SEAL = 'seal.json';

/** The newest segment that was begun, and records that were durable. */
export interface Seal {
  readonly segment: number;
  readonly size: number;
}

/** The seal of a ledger; undefined before its first. Throws `ledger_corrupt` when it can't be read. */
export async function readSeal(disk: Disk): Promise<Seal | undefined> {
  const bytes = await readWhole(disk, SEAL);
  if (bytes === undefined) return undefined;
  try {
    const { segment, size } = JSON.parse(new TextDecoder().decode(bytes)) as Seal;
    if (Number.isSafeInteger(segment) && Number.isSafeInteger(size)) return { segment, size };
  } catch {
    // Said below: it is no seal.
  }
  throw new SundialError('ledger_corrupt', `${SEAL} is damaged.`, {
    severity: 'process',
    facts: { file: SEAL },
    remedy: `Check the ledger with \`sundial hub verify\`; when all segments are there, remove ${SEAL}.`,
  });
}

/** Seals the ledger; durable when it resolves. */
export const writeSeal = (disk: Disk, seal: Seal): Promise<void> =>
  disk.replace(SEAL, new TextEncoder().encode(`${JSON.stringify(seal)}\n`));
