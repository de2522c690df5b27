/**
 * Sessions that are over and paid, and wait for L2: a file a session, from before its record is closed until its terminal
 * heard that the hub settled all of it. Whoever is told of it (a central system above, the record) is told once.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SundialError } from '../../../../protocol/errors.ts';
import { syncFolder, writeDurably } from '../storage/durable-file.ts';
import { readJson } from '../storage/read-json.ts';
import { paidOf, type Session } from './session.ts';

/** Some weeks of a busy site with no hub, a few hundred bytes each. Further ones are recorded without their settlement. */
export const UNSETTLED_MAX = 10_000;

const unsettledSchema = z.strictObject({
  chargePoint: z.string(),
  connector: z.int(),
  /** The session's record: its transaction. */
  transaction: z.string(),
  streams: z.array(z.strictObject({ channel: z.int(), upTo: z.int() })).min(1),
});
/** What a session waits for: that L2 stands at `upTo` (units) on each channel. */
export type Unsettled = z.infer<typeof unsettledSchema>;

const READ = {
  severity: 'process',
  remedy: 'Remove it: its session is recorded all the same, without the moment of its settlement.',
} as const;

/** What a session waits for; undefined: nothing was paid, or nobody knows where. */
export function unsettledOf(session: Session): Unsettled | undefined {
  const { chargePoint, connector, transaction, streams } = session;
  const paid = streams.flatMap(({ channel, upTo, k }) =>
    channel === undefined || upTo === undefined || k === 0 ? [] : [{ channel, upTo }],
  );
  if (transaction === undefined || paid.length === 0 || paidOf(session) === 0) return undefined;
  return { chargePoint, connector, transaction: transaction.id, streams: paid };
}

/** Throws `bad_settlement`. */
function read(path: string): Unsettled {
  const found = unsettledSchema.safeParse(readJson(path, 'bad_settlement', READ));
  if (found.success) return found.data;
  throw new SundialError('bad_settlement', `${path}: ${found.error.issues[0]!.message}`, READ);
}

export class Settlements {
  private readonly folder: string;
  /** By the names of their files. */
  private readonly waiting = new Map<string, Unsettled>();

  /** Throws `bad_settlement` when a file is none of ours. */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) {
      // What was being written when a process was killed counts for nothing.
      if (!name.endsWith('.json')) rmSync(join(folder, name), { force: true });
      else this.waiting.set(name, read(join(folder, name)));
    }
  }

  /** Durable when it returns. False when there is no room. */
  add(name: string, unsettled: Unsettled): boolean {
    if (!this.waiting.has(name) && this.waiting.size >= UNSETTLED_MAX) return false;
    writeDurably(join(this.folder, name), JSON.stringify(unsettled));
    this.waiting.set(name, unsettled);
    return true;
  }

  /** Those of a connector that L2 has settled whole, by where it stands on each channel. */
  over(
    chargePoint: string,
    connector: number,
    settledOn: (channel: number) => number,
  ): readonly (readonly [name: string, Unsettled])[] {
    return [...this.waiting].filter(
      ([, it]) =>
        it.chargePoint === chargePoint &&
        it.connector === connector &&
        it.streams.every(({ channel, upTo }) => settledOn(channel) >= upTo),
    );
  }

  /** All who had to be told are. */
  drop(name: string): void {
    this.waiting.delete(name);
    if (!existsSync(join(this.folder, name))) return;
    rmSync(join(this.folder, name), { force: true });
    syncFolder(this.folder);
  }
}
