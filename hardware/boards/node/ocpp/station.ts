/**
 * A charge point as all versions of OCPP describe it: connectors, transactions, tokens. What comes late, or for a
 * transaction that no connector knows any more, is kept beside the connectors: nothing that a charge point delivers is lost,
 * and whoever stands at it now does not pay for it.
 */
import { createHash } from 'node:crypto';
import type { Tariff } from '../../../../device/tariff/tariff.ts';
import type { Connector } from './connector.ts';
import type { PlugStatus } from './plug.ts';
import {
  dueOf,
  newSession,
  type Session,
  type SignedRecord,
  type Transaction,
  withReading,
  withSigned,
  withTransaction,
} from './session.ts';
import type { SessionStore } from './store.ts';

/** What a meter said at a moment. */
export interface Reading {
  readonly at: number;
  readonly wh?: number;
  readonly idle?: boolean;
  readonly flowing?: boolean;
  readonly signed?: readonly SignedRecord[];
}

export interface Start {
  readonly connector: number;
  /** As the charge point names it; absent: it wants a number. */
  readonly id?: string;
  readonly key: string;
  readonly token?: string;
  readonly at: number;
  readonly wh: number;
  readonly flowing: boolean;
  /** The charge point says that it was offline then, or the moment is long over. */
  readonly late: boolean;
}

export interface StationParts {
  readonly identity: string;
  readonly protocol: string;
  readonly tariff: Tariff;
  readonly zone: (at: number) => number;
  readonly store: SessionStore;
  /** The connector of this number; made when it is first named. Undefined when there are too many. */
  readonly connector: (number: number) => Promise<Connector | undefined>;
  readonly connectors: () => readonly Connector[];
  readonly unpaid: boolean;
  /** Brings a payer to a connector, where one waits to be called; resolves when it is there or can't come. */
  readonly summon: (connector: Connector) => Promise<void>;
  /** Of a session beside the connectors that is over. */
  readonly closed: (session: Session) => void;
  readonly now: () => number;
}

/** How long a charge point waits for somebody who is here to open a stream. */
const AUTHORIZE_MS = 10_000;
const LATE_SECONDS = 120;
/** Units of a token. */
const UNITS = 1_000_000;
/** Before this no clock was set. */
const CLOCK_SET = 1_600_000_000;

export class Station {
  private readonly parts: StationParts;
  /** Transactions beside the connectors, by name. */
  private readonly others = new Map<string, Session>();

  constructor(parts: StationParts, stored: readonly Session[]) {
    this.parts = parts;
    for (const session of stored)
      if (session.transaction !== undefined) this.others.set(session.transaction.id, session);
  }

  get identity(): string {
    return this.parts.identity;
  }

  /** A moment as the charge point tells it, or now where its clock was not set or runs ahead. */
  moment(text: string | undefined): number {
    const now = this.parts.now();
    const at = text === undefined ? now : Math.floor(Date.parse(text) / 1000);
    return Number.isFinite(at) && at >= CLOCK_SET && at <= now ? at : now;
  }

  /** Is a moment so long over that the charge point must have been offline? */
  isLate(at: number): boolean {
    return this.parts.now() - at > LATE_SECONDS;
  }

  /** May a token start or end something now? By a stream that is open, never by a list. */
  async authorize(token: string): Promise<boolean> {
    const connectors = this.parts.connectors();
    if (this.parts.unpaid || connectors.some(({ session }) => session?.transaction?.token === token))
      return true;
    if (connectors.some(({ isPaid, session }) => isPaid && session?.transaction === undefined)) return true;
    // A token does not say for which connector: one where a vehicle is plugged in, or somebody to pay is.
    const free = connectors.filter(({ session }) => session === undefined);
    const first = free.find(({ isPlugged }) => isPlugged) ?? free.find(({ isHere }) => isHere) ?? free[0];
    if (first === undefined) return false;
    first.tell({ type: 'authorize' });
    if (!first.isPaid) await this.parts.summon(first);
    return first.paid(AUTHORIZE_MS);
  }

  /** May a transaction that runs go on with the token that was shown for it? */
  async authorizeFor(id: string): Promise<boolean> {
    const connector = this.holder(undefined, id);
    if (this.parts.unpaid || connector === undefined) return this.parts.unpaid;
    connector.tell({ type: 'authorize' });
    if (!connector.isPaid) await this.parts.summon(connector);
    return connector.paid(AUTHORIZE_MS);
  }

  status(number: number, status: PlugStatus): Promise<void> {
    return this.parts.connector(number).then((connector) => connector?.tell({ type: 'status', status }));
  }

  /** A transaction began, or is told again. Gives its name, and whether it is paid for. */
  async started(start: Start): Promise<{ readonly id: string; readonly accepted: boolean }> {
    const connector = await this.parts.connector(start.connector);
    const { identity, store } = this.parts;
    const known = this.find(start);
    const id = known?.transaction?.id ?? start.id ?? this.number(start.key);
    const transaction: Transaction = {
      id,
      key: start.key,
      ...(start.token !== undefined && { token: start.token }),
      startedAt: start.at,
      startWh: start.wh,
    };
    if (store.closed(identity, id) !== undefined || this.others.has(id))
      return { id, accepted: this.parts.unpaid };
    const isOurs =
      known !== undefined || (start.token !== undefined && connector?.isOpenFor(start.token) === true);
    if (connector === undefined || (start.late && !isOurs)) {
      this.keep(withTransaction(this.fresh(start.connector, id), transaction));
      return { id, accepted: this.parts.unpaid };
    }
    const awaited = start.flowing && !this.parts.unpaid && !connector.isPaid;
    connector.tell({ type: 'started', transaction, flowing: start.flowing, awaited });
    if (awaited) await this.parts.summon(connector);
    const accepted = this.parts.unpaid || (await connector.paid(AUTHORIZE_MS));
    // After the answer: until then the charge point knows no transaction that it could stop.
    if (awaited && !accepted) setImmediate(() => connector.tell({ type: 'nobodyCame' }));
    return { id, accepted };
  }

  reading(connector: number | undefined, id: string | undefined, reading: Reading): void {
    const at = this.holder(connector, id);
    if (at !== undefined) return at.tell({ type: 'reading', ...reading });
    const other = id === undefined ? undefined : this.others.get(id);
    if (other !== undefined) this.keep(this.read(other, reading));
  }

  /** A transaction is over, or is told to be once more. */
  async ended(
    id: string,
    end: Reading & { readonly reason: string; readonly connector?: number; readonly token?: string },
  ): Promise<void> {
    const { reason, connector, token, ...reading } = end;
    const at = this.holder(undefined, id);
    if (at !== undefined) return at.tell({ type: 'ended', ...reading, reason });
    const { identity, store } = this.parts;
    const closed = store.closed(identity, id);
    if (closed !== undefined) {
      // Closed without its end: the charge point was given up, and came back after all.
      if (closed.ended?.reason !== 'gone' && closed.ended?.reason !== 'lost') return;
      const ended = { at: reading.at, reason };
      return store.amend({ ...this.read(closed, reading), ended });
    }
    const unknown: Transaction = {
      id,
      key: '',
      ...(token !== undefined && { token }),
      startedAt: reading.at,
      startWh: reading.wh ?? 0,
    };
    const session = this.others.get(id) ?? withTransaction(this.fresh(connector ?? 0, id), unknown);
    const over = {
      ...this.read(session, reading),
      ended: { at: reading.at, reason },
      closedAt: this.parts.now(),
    };
    store.close(over);
    this.others.delete(id);
    this.parts.closed(over);
  }

  /** Is a transaction known, going on or over? */
  knows(id: string): boolean {
    return this.sessionOf(id) !== undefined;
  }

  /** The session of a transaction, going on or over. */
  sessionOf(id: string): Session | undefined {
    return this.byId(id) ?? this.parts.store.closed(this.identity, id);
  }

  /** What a transaction costs so far, VAT included, in whole tokens. */
  costOf(id: string): number | undefined {
    const session = this.sessionOf(id);
    return session === undefined ? undefined : dueOf(session) / UNITS;
  }

  /** The connector that a transaction runs on. */
  private holder(number: number | undefined, id: string | undefined): Connector | undefined {
    return this.parts
      .connectors()
      .find(({ session, number: own }) =>
        id === undefined ? session !== undefined && own === number : session?.transaction?.id === id,
      );
  }

  private find({ key, id }: Start): Session | undefined {
    const sessions = [...this.parts.connectors().map(({ session }) => session), ...this.others.values()];
    return sessions.find((session) =>
      id === undefined ? session?.transaction?.key === key : session?.transaction?.id === id,
    );
  }

  /** The number of a transaction follows from what began it: a message that comes again gets the same one. */
  private number(key: string): string {
    const { identity, store } = this.parts;
    const hash = createHash('sha256')
      .update(JSON.stringify([identity, key]))
      .digest();
    for (let number = hash.readUInt32BE() >>> 1 || 1; ; number = (number % 0x7fff_ffff) + 1) {
      const taken = this.byId(String(number)) ?? store.closed(identity, String(number));
      if (taken === undefined || taken.transaction?.key === key) return String(number);
    }
  }

  private byId(id: string): Session | undefined {
    return this.others.get(id) ?? this.holder(undefined, id)?.session;
  }

  private fresh(connector: number, id: string): Session {
    const { identity, protocol, tariff, now } = this.parts;
    return {
      ...newSession({ id, chargePoint: identity, connector, protocol, tariff, openedAt: now() }),
      beside: true,
    };
  }

  private keep(session: Session): void {
    this.parts.store.save(session);
    this.others.set(session.transaction!.id, session);
  }

  private read(session: Session, { at, wh, idle, signed = [] }: Reading): Session {
    const next = signed.reduce(withSigned, withReading(session, at, wh, this.parts.zone(at)));
    return idle === undefined ? next : { ...next, idle };
  }
}
