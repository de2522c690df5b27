/**
 * The tables of a hub's database, one step after the other. A step that was released never changes. Types, tables and
 * indexes only: no extension, no function, no trigger, so that engines which speak PostgreSQL's language run them, too.
 */

/** Each is one transaction; its number is its place. */
export const MIGRATIONS: readonly string[] = [
  `-- What a log has: how long it is, and the epoch that whoever writes must have opened it in.
  create table logs (
    log smallint primary key,
    size bigint not null default 0,
    epoch bigint not null default 1
  );
  insert into logs (log) values (1), (2);
  -- The logs themselves. A record without a position, or with a negative one, can't be: appending relies on it.
  create table records (
    log smallint not null,
    position bigint not null constraint not_fenced check (position >= 0),
    bytes bytea not null,
    primary key (log, position)
  );
  -- Where each subject was changed last.
  create table heads (
    log smallint not null,
    subject bigint not null,
    position bigint not null,
    primary key (log, subject)
  );
  create table leases (
    name text primary key,
    holder text not null,
    epoch bigint not null,
    until timestamptz not null,
    word text
  );
  -- Whose database it is.
  create table hub (one smallint primary key check (one = 1), name text not null)`,
];
