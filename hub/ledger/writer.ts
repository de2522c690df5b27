/**
 * Who may write a ledger, where no lock of the kernel holds: the last one that opened it. Each opening takes the next
 * epoch, in a file that is replaced whole; a writer looks there after every sync, and acknowledges nothing once another
 * has come. Whatever it wrote since is superseded: the other one counted what was there after it took its epoch, goes on
 * in a segment of its own, and a segment of an earlier epoch behind that is not read (reader.ts).
 *
 * It relies on the volume showing a file that was replaced to whoever opens it afterwards.
 */
import { SundialError } from '../../protocol/errors.ts';
import type { Disk } from '../ports.ts';
import { readWhole } from './files.ts';

const WRITER = 'writer.json';

interface Claim {
  readonly epoch: number;
  /** Two that took the same epoch at once are told apart by it. */
  readonly token: number;
}

/** A ledger's writer: this process, as long as no other one took its place. */
export class Writer {
  readonly epoch: number;
  private readonly disk: Disk;
  private readonly text: string;

  private constructor(disk: Disk, epoch: number, text: string) {
    this.disk = disk;
    this.epoch = epoch;
    this.text = text;
  }

  /** Takes the ledger over, with an epoch above `above` and all before; durable when it resolves. */
  static async claim(disk: Disk, token: number, above = 0): Promise<Writer> {
    const before = await readClaim(disk);
    const epoch = Math.max(before, above) + 1;
    const text = `${JSON.stringify({ epoch, token } satisfies Claim)}\n`;
    await disk.replace(WRITER, new TextEncoder().encode(text));
    return new Writer(disk, epoch, text);
  }

  /** Throws `ledger_fenced` (severity process) when another writer has taken the ledger over. */
  async check(): Promise<void> {
    const found = await readWhole(this.disk, WRITER);
    if (found !== undefined && new TextDecoder().decode(found) === this.text) return;
    throw new SundialError('ledger_fenced', 'Another hub has opened this ledger.', {
      severity: 'process',
      facts: { epoch: this.epoch },
      remedy:
        'Two hubs ran on one folder whose volume takes no locks. Let the other one run, and give this one a folder of its own; nothing that this one acknowledged is lost.',
    });
  }
}

async function readClaim(disk: Disk): Promise<number> {
  const bytes = await readWhole(disk, WRITER);
  if (bytes === undefined) return 0;
  try {
    const { epoch } = JSON.parse(new TextDecoder().decode(bytes)) as Claim;
    if (Number.isSafeInteger(epoch) && epoch >= 0) return epoch;
  } catch {
    // Said below: it is no claim.
  }
  throw new SundialError('ledger_corrupt', `${WRITER} is damaged.`, {
    severity: 'process',
    facts: { file: WRITER },
    remedy: `Make sure that no other hub uses the folder, then remove ${WRITER}: the epoch is also in the segments.`,
  });
}
