/**
 * The logs of a hub in PostgreSQL. Everything that is written is one statement in a transaction of its own, so no lock is
 * ever held while a worker thinks, sleeps or is gone. Start with APPEND.
 */
import { Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg';
import { SundialError } from '../../protocol/errors.ts';
import { causeText } from '../errors.ts';
import type { LedgerRecord } from '../ledger/ledger.ts';
import { sharedReadRecords } from '../limits.ts';
import type { Fence, LogName, Proposal, SharedLook, SharedStore, Verdict } from '../ports.ts';
import { MIGRATIONS } from './migrations.ts';

/** Which database, and whose. */
export interface PostgresOptions {
  /** postgres://user:password@host:port/database */
  readonly url: string;
  /** The hub's name: a database belongs to one hub. */
  readonly hub: string;
  /** Milliseconds for one statement. */
  readonly timeoutMs?: number;
}

const LOGS: Readonly<Record<LogName, number>> = { ledger: 1, registry: 2 };
const TIMEOUT_MS = 10_000;
const CONNECTIONS = 4;
/** Tables are made by one process at a time: others try again so often. */
const MIGRATE_ATTEMPTS = 20;

/**
 * Appends records, or nothing. $1 log, $2 epoch of the log, $3 records, $4 subjects, $5 size that was known, $6 and $7
 * lease and its epoch.
 *
 * The log's row is locked first and until the commit, so appends stand behind each other and positions follow each other.
 * Each subject's row then says where it was changed last: one that was changed since $5 is not updated. What PostgreSQL
 * compares there is the newest row, not the one of this statement's snapshot: that is why these are an `update` and an
 * `on conflict` and not a question. A subject that has moved gives no position (not null), a lease that is somebody
 * else's a negative one: each ends the statement, and with it everything that it did.
 */
const APPEND = `
with tail as (
  update logs set size = size + cardinality($3::bytea[]) where log = $1 and epoch = $2
  returning size - cardinality($3::bytea[]) as first
), held as (
  update leases set epoch = epoch where name = $6 and epoch = $7 returning 1
), changed as (
  insert into heads as h (log, subject, position)
  select $1, s.subject, tail.first + cardinality($3::bytea[]) - 1 from tail, unnest($4::bigint[]) s(subject)
  on conflict (log, subject) do update set position = excluded.position where h.position < $5
  returning 1
), verdict as (
  select tail.first,
    (select count(*) from changed) = cardinality($4::bigint[]) as still,
    ($6::text is null or exists (select 1 from held)) as ours
  from tail
)
insert into records (log, position, bytes)
select $1, case when not v.ours then -1 when v.still then v.first + r.place - 1 end, r.bytes
from verdict v, unnest($3::bytea[]) with ordinality r(bytes, place)
returning position`;

const READ = `select position, bytes from records where log = $1 and position >= $2 order by position limit ${sharedReadRecords}`;

const LOOK = `
select log, size, (select word from leases where name = $1) as word from logs order by log`;

/** A lease is taken over only when it has ended by the database's clock: nobody else's counts. */
const HOLD = `
insert into leases as l (name, holder, epoch, until, word)
values ($1, $2, 1, now() + $3 * interval '1 millisecond', $4)
on conflict (name) do update set
  holder = excluded.holder,
  epoch = case when l.holder = excluded.holder then l.epoch else l.epoch + 1 end,
  until = excluded.until,
  word = coalesce(excluded.word, l.word)
where l.holder = excluded.holder or l.until < now()
returning epoch`;

const RELEASE = `update leases set until = now() - interval '1 second' where name = $1 and epoch = $2`;

/** PostgreSQL's names for what went wrong. */
const NOT_NULL = '23502';
const CHECK = '23514';
/** An engine or a database that compares more than we ask for: nothing was written, as if a subject had moved. */
const SERIALIZATION = new Set(['40001', '40P01']);
const NO_TABLE = '42P01';

/** A hub's logs in one database. */
export class PostgresStore implements SharedStore {
  private readonly pool: Pool;
  /** Of each log when it was opened. */
  private epoch = 0;

  private constructor(pool: Pool) {
    this.pool = pool;
  }

  /**
   * Opens the database and brings its tables up to date. Rejects with `database` when it can't be used: it is another
   * hub's, or loses what it confirmed; with `ledger_unavailable` while it is away.
   */
  static async open({ url, hub, timeoutMs = TIMEOUT_MS }: PostgresOptions): Promise<PostgresStore> {
    const pool = new Pool({
      connectionString: url,
      max: CONNECTIONS,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      statement_timeout: timeoutMs,
      keepAlive: true,
      // What it confirms must be on its disk; the database may have been set up otherwise.
      options: '-c synchronous_commit=on',
    });
    // A connection that breaks while nobody uses it is replaced by the next question.
    pool.on('error', () => undefined);
    const store = new PostgresStore(pool);
    try {
      await store.migrate();
      await store.refuseUnsafe();
      await store.refuseOthers(hub);
      const { rows } = await store.ask<{ epoch: string }>('select epoch from logs where log = 1', []);
      store.epoch = Number(rows[0]!.epoch);
      return store;
    } catch (error) {
      await pool.end();
      throw error;
    }
  }

  // ---- the port ----

  async append(log: LogName, { records, subjects, size, fence }: Proposal): Promise<Verdict> {
    const values = [
      LOGS[log],
      this.epoch,
      records.map(buffer),
      subjects,
      size,
      fence?.name ?? null,
      fence?.epoch ?? null,
    ];
    let positions: { position: string }[];
    try {
      ({ rows: positions } = await this.pool.query({ name: 'append', text: APPEND, values }));
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === NOT_NULL || (code !== undefined && SERIALIZATION.has(code))) return 'moved';
      if (code === CHECK) return 'fenced';
      throw away(error);
    }
    if (positions.length === 0) throw takenOver();
    return { first: Math.min(...positions.map(({ position }) => Number(position))) };
  }

  async read(log: LogName, from: number): Promise<readonly LedgerRecord[]> {
    const { rows } = await this.ask<{ position: string; bytes: Buffer }>(READ, [LOGS[log], from], 'read');
    return rows.map(({ position, bytes }) => ({ position: Number(position), bytes: new Uint8Array(bytes) }));
  }

  async look(lease: string): Promise<SharedLook> {
    const { rows } = await this.ask<{ size: string; word: string | null }>(LOOK, [lease], 'look');
    const [ledger, registry] = rows;
    return {
      sizes: { ledger: Number(ledger!.size), registry: Number(registry!.size) },
      word: ledger!.word ?? undefined,
    };
  }

  async hold(lease: string, holder: string, forMs: number, word?: string): Promise<number | undefined> {
    const { rows } = await this.ask<{ epoch: string }>(HOLD, [lease, holder, forMs, word ?? null], 'hold');
    return rows[0] && Number(rows[0].epoch);
  }

  async release({ name, epoch }: Fence): Promise<void> {
    await this.ask(RELEASE, [name, epoch]);
  }

  async takeOver(): Promise<void> {
    const { rows } = await this.ask<{ epoch: string }>(
      'update logs set epoch = epoch + 1 returning epoch',
      [],
    );
    this.epoch = Number(rows[0]!.epoch);
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  // ---- opening ----

  private async ask<R extends QueryResultRow>(
    text: string,
    values: unknown[],
    name?: string,
  ): Promise<QueryResult<R>> {
    try {
      return await this.pool.query<R>({ text, values, ...(name !== undefined && { name }) });
    } catch (error) {
      throw away(error);
    }
  }

  /** Whoever comes second waits for the first at the table's name, and finds the work done. */
  private async migrate(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const done = await this.applied();
      if (done > MIGRATIONS.length) throw refused('a newer version made its tables', 'Start that version.');
      if (done === MIGRATIONS.length) return;
      let client: PoolClient | undefined;
      try {
        client = await this.pool.connect();
        await client.query('begin');
        await client.query('create table if not exists migrations (version int primary key)');
        await client.query('insert into migrations values ($1)', [done + 1]);
        await client.query(MIGRATIONS[done]!);
        await client.query('commit');
      } catch (error) {
        await client?.query('rollback').catch(() => undefined);
        if (attempt === MIGRATE_ATTEMPTS) throw away(error);
      } finally {
        client?.release();
      }
    }
  }

  private async applied(): Promise<number> {
    try {
      const { rows } = await this.pool.query('select max(version) as version from migrations');
      return Number(rows[0]?.version ?? 0);
    } catch (error) {
      if ((error as { code?: string }).code === NO_TABLE) return 0;
      throw away(error);
    }
  }

  /** A database that confirms what it has not written to its disk loses what was acknowledged. */
  private async refuseUnsafe(): Promise<void> {
    for (const setting of ['fsync', 'full_page_writes']) {
      const found = await this.pool.query(`show ${setting}`).catch(() => undefined);
      // Engines that only speak the language don't know the word.
      if (found !== undefined && Object.values(found.rows[0] as object)[0] === 'off')
        throw refused(`${setting} is off`, `Set ${setting} = on in postgresql.conf and start it again.`);
    }
  }

  private async refuseOthers(hub: string): Promise<void> {
    await this.ask('insert into hub (one, name) values (1, $1) on conflict do nothing', [hub]);
    const { rows } = await this.ask<{ name: string }>('select name from hub', []);
    const other = rows.find(({ name }) => name !== hub);
    if (other !== undefined)
      throw refused(`it belongs to the hub "${other.name}"`, 'Make a database for this hub alone.');
  }
}

/** The same memory as a Buffer, which the driver takes. */
const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const away = (cause: unknown): SundialError =>
  new SundialError('ledger_unavailable', `The database does not answer: ${causeText(cause)}.`, {
    severity: 'call',
    facts: { cause: causeText(cause) },
    remedy:
      'Nothing acknowledged is lost. Start the database, or correct database.url; the hub goes on by itself.',
    cause,
  });

const takenOver = (): SundialError =>
  new SundialError('ledger_fenced', 'Somebody else has taken this hub over.', {
    severity: 'process',
    remedy: 'Start this worker again if it is to serve the hub; nothing that it acknowledged is lost.',
  });

const refused = (why: string, remedy: string): SundialError =>
  new SundialError('database', `the database can't be used: ${why}`, { severity: 'process', remedy });
