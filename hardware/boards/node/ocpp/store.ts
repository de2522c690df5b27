/**
 * The gateway's own records: a file a session, whole at any moment. `open/` holds what goes on, `closed/<charge point>/`
 * what is over, named by the transaction, so that a message that comes again, days later, finds it. And which connector
 * has which terminal.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SundialError } from '../../../../protocol/errors.ts';
import { syncFolder, writeDurably } from '../storage/durable-file.ts';
import { readJson } from '../storage/read-json.ts';
import type { Session } from './session.ts';
import { Settlements, type Unsettled, unsettledOf } from './settlements.ts';

/** A name that no folder takes apart. */
const fileName = (text: string): string =>
  `${encodeURIComponent(text).replaceAll('.', '%2E').slice(0, 200)}.json`;
/** The same for a folder. */
export const folderName = (text: string): string =>
  encodeURIComponent(text).replaceAll('.', '%2E').slice(0, 200);

const READ = {
  severity: 'process',
  remedy: 'Restore it from a backup; sessions are only in these files until they are settled.',
} as const;

export class SessionStore {
  private readonly folder: string;
  private readonly settlements: Settlements;

  /** Throws `bad_settlement`. */
  constructor(folder: string) {
    this.folder = folder;
    for (const name of ['open', 'closed', 'served']) mkdirSync(join(folder, name), { recursive: true });
    this.settlements = new Settlements(join(folder, 'unsettled'));
    syncFolder(folder);
  }

  private settlementName({ chargePoint, transaction }: Unsettled): string {
    return fileName(`${chargePoint} ${transaction}`);
  }

  private openPath({ chargePoint, id }: Session): string {
    return join(this.folder, 'open', fileName(`${chargePoint} ${id}`));
  }

  private closedPath(chargePoint: string, name: string): string {
    return join(this.folder, 'closed', folderName(chargePoint), fileName(name));
  }

  private nameOf({ transaction, id, streams }: Session): string {
    return transaction?.id ?? `${id}-${streams.at(-1)?.voucher?.slice(2, 10) ?? 'none'}`;
  }

  /** Durable when it returns. */
  save(session: Session): void {
    writeDurably(this.openPath(session), JSON.stringify(session));
  }

  /** A session that is over: durable in the records before it leaves what goes on. */
  close(session: Session): void {
    const unsettled = unsettledOf(session);
    // Before the record: a cut between the two leaves a session that is closed again.
    if (unsettled !== undefined) this.settlements.add(this.settlementName(unsettled), unsettled);
    // Nothing was paid, nothing was delivered, nobody began anything: no record.
    const empty =
      session.transaction === undefined && session.streams.every(({ voucher }) => voucher === undefined);
    if (!empty)
      writeDurably(this.closedPath(session.chargePoint, this.nameOf(session)), JSON.stringify(session));
    rmSync(this.openPath(session), { force: true });
    syncFolder(join(this.folder, 'open'));
  }

  /** Replaces a record by one that knows more. */
  amend(session: Session): void {
    writeDurably(this.closedPath(session.chargePoint, this.nameOf(session)), JSON.stringify(session));
  }

  /**
   * Closed sessions of a connector that L2 has settled whole, by where it stands on each channel. `tell` is called with
   * each before it is forgotten, again after a kill in between. Throws `bad_session`.
   */
  settle(
    connector: { readonly chargePoint: string; readonly number: number },
    settledOn: (channel: number) => number,
    settled: NonNullable<Session['settled']>,
    tell: (session: Session) => void,
  ): void {
    for (const [name, it] of this.settlements.over(connector.chargePoint, connector.number, settledOn)) {
      const session = this.closed(it.chargePoint, it.transaction);
      // A cut before its record: it is closed again, and looked at then.
      if (session === undefined) continue;
      const told = { ...session, settled: session.settled ?? settled };
      this.amend(told);
      tell(told);
      this.settlements.drop(name);
    }
  }

  /** All that go on: for the one process that writes them. Throws `bad_session`. */
  open(): Session[] {
    const folder = join(this.folder, 'open');
    // What was being written when a process was killed counts for nothing.
    for (const name of readdirSync(folder))
      if (!name.endsWith('.json')) rmSync(join(folder, name), { force: true });
    const sessions = readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => readJson(join(folder, name), 'bad_session', READ) as Session);
    // A cut between the record and the removal leaves both.
    return sessions.filter((session) => {
      const closed = this.closedPath(session.chargePoint, this.nameOf(session));
      if (!existsSync(closed) || (readJson(closed, 'bad_session', READ) as Session).id !== session.id)
        return true;
      rmSync(this.openPath(session), { force: true });
      return false;
    });
  }

  /** A session that is over, by its transaction. Throws `bad_session`. */
  closed(chargePoint: string, transaction: string): Session | undefined {
    const path = this.closedPath(chargePoint, transaction);
    return existsSync(path) ? (readJson(path, 'bad_session', READ) as Session) : undefined;
  }

  /** All that are over, by charge point and transaction. Throws `bad_session`. */
  *records(): Generator<Session> {
    const root = join(this.folder, 'closed');
    for (const chargePoint of readdirSync(root).sort())
      for (const name of readdirSync(join(root, chargePoint)).sort())
        if (name.endsWith('.json'))
          yield readJson(join(root, chargePoint, name), 'bad_session', READ) as Session;
  }

  private servedPath(plug: string): string {
    return join(this.folder, 'served', fileName(plug));
  }

  /** Has whoever is plugged in there had a session? */
  served(plug: string): boolean {
    return existsSync(this.servedPath(plug));
  }

  /** Durable when it returns. */
  serve(plug: string, served: boolean): void {
    const path = this.servedPath(plug);
    if (served) return writeDurably(path, '{}');
    rmSync(path, { force: true });
    syncFolder(join(this.folder, 'served'));
  }

  /** Which terminal's folder each connector has, by `charge point/connector`. Throws `bad_plugs`. */
  plugs(): Record<string, string> {
    const path = join(this.folder, 'plugs.json');
    if (!existsSync(path)) return {};
    const found = readJson(path, 'bad_plugs', READ);
    if (typeof found === 'object' && found !== null) return found as Record<string, string>;
    throw new SundialError('bad_plugs', `${path} is no list of connectors`, READ);
  }

  /** Durable when it returns. */
  savePlugs(plugs: Readonly<Record<string, string>>): void {
    writeDurably(join(this.folder, 'plugs.json'), `${JSON.stringify(plugs, undefined, 2)}\n`);
  }
}
