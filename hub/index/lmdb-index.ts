/**
 * The index of a hub on its own disk, in LMDB: what the books hold that memory need not. It follows the ledger and is
 * never the truth: what is missing, damaged or of another ledger is built anew from there. Everything about a channel
 * lies together, so that a voucher touches a few neighbouring pages however long the history is; only the table of
 * digests is in no order, and is written in batches that are.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { open as openFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { SundialError } from '../../protocol/errors.ts';
import type { ChannelId } from '../../protocol/integers.ts';
import type { Clearances, Reservation } from '../intake/clearances.ts';
import { causeText } from '../errors.ts';
import { NO_CLEARANCES, withReservation } from '../intake/clearances.ts';
import { EntryList } from '../intake/entry-list.ts';
import type { Layers, Under } from '../intake/layers.ts';
import { positionOf, type Shift, tokenOf } from '../intake/positions.ts';
import {
  type Books,
  type ChannelBook,
  emptyBooks,
  type Entry,
  type Known,
  type Lane,
  type Moment,
} from '../intake/state.ts';
import type { Takings } from '../intake/takings.ts';
import { bytesKey, type Trie, trieEntries, trieForEach, trieMinus, trieSet } from '../intake/trie.ts';
import type { RecordOf } from '../ledger/records.ts';
import type { IndexSnapshot, IndexStore } from '../ports.ts';
import type { BatchHistory } from '../settle/batches.ts';
import {
  CHANNEL_BYTES,
  decode,
  decodeEntry,
  decodeHead,
  decodeKnown,
  decodeLane,
  decodeOne,
  decodePlace,
  encode,
  encodeEntry,
  encodeHead,
  encodeKnown,
  encodeLane,
  encodeOne,
  encodePlace,
  entryKey,
  entryPlace,
  type Head,
  historyFrom,
  historyRow,
  timeKey,
  timePosition,
  underChannel,
} from './rows.ts';
import { damaged, Table } from './table.ts';

/** Of the rows: another one is built anew. */
const VERSION = 6;
const TABLES = [
  'about',
  'heads',
  'entries',
  'lanes',
  'claims',
  'countersigned',
  'times',
  'known',
  'synced',
  'owed',
  'tiles',
] as const;
type TableName = (typeof TABLES)[number];

/** Says that the rest of the folder is not to be believed. */
const DAMAGED = 'damaged';
/** Named where no table is to blame. */
const FILE = 'file';
const ABOUT = Buffer.from('about');
/** Of a run that has just begun: tokens are positions. */
const NO_SHIFTS: readonly Shift[] = [{ token: 0, by: 0 }];
const LOWEST = Buffer.alloc(0);
const HIGHEST = Buffer.alloc(40, 0xff);
const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const HIGHEST_PLACE = Buffer.alloc(12, 0xff);

/** Why an index that was there could not be used. */
export type IndexTrouble = 'damaged' | 'other_version';

/** The index in one folder, which the hub has for itself. */
export class LmdbIndex implements IndexStore {
  applied = 0;
  indexed = 0;
  trouble: IndexTrouble | undefined;
  private readonly folder: string;
  private env!: RootDatabase;
  private tables!: Record<TableName, Table>;
  /** Where records stand that are named by tokens of this run. */
  private shifts: readonly Shift[] = NO_SHIFTS;
  private written: Pick<Books, 'synced' | 'owed'> = emptyBooks;
  private about: AboutRow | undefined;
  /** The book that was asked for last: a step asks for one several times. */
  private lastBook: { readonly key: string; readonly book: ChannelBook } | undefined;

  private readonly onDamage: (error: SundialError) => void;
  /** Has somebody taken what it holds? Until then damage is no reason to stop: it begins anew. */
  private isTaken = false;

  private constructor(folder: string, onDamage: (error: SundialError) => void) {
    this.folder = folder;
    this.onDamage = (error) => {
      // Whoever opens it next begins anew, however this process ends.
      writeFileSync(join(folder, DAMAGED), '');
      if (this.isTaken) onDamage(error);
    };
  }

  /**
   * Opens what is in the folder, or begins an empty index. Rejects with `index_unavailable`. `onDamage`: told when
   * a row turns out to be damaged later; whoever goes on then answers wrongly.
   */
  static async open(folder: string, onDamage: (error: SundialError) => void): Promise<LmdbIndex> {
    const index = new LmdbIndex(folder, onDamage);
    try {
      mkdirSync(folder, { recursive: true });
      if (existsSync(join(folder, DAMAGED))) throw damaged(FILE);
      await refuseCut(join(folder, 'data.mdb'));
      index.begin();
    } catch (error) {
      if (isOfDisk(error)) throw unavailable(error, 'process');
      index.trouble = 'damaged';
      await index.clear();
    }
    if (index.about !== undefined && index.about.version !== VERSION) {
      index.trouble = 'other_version';
      await index.clear();
    }
    return index;
  }

  private begin(): void {
    // Batches of its own for each turn of the event loop would reject where nobody can catch it.
    const options = { maxDbs: TABLES.length, compression: false, eventTurnBatching: false };
    this.env = open({ path: join(this.folder, 'data.mdb'), ...options });
    const table = (name: TableName) =>
      new Table(this.env.openDB({ name, keyEncoding: 'binary', encoding: 'binary' }), name, this.onDamage);
    this.tables = Object.fromEntries(TABLES.map((name) => [name, table(name)])) as Record<TableName, Table>;
    const bytes = this.tables.about.get(ABOUT);
    this.about = bytes && (decode(bytes) as AboutRow);
    this.applied = this.about?.size ?? 0;
    this.indexed = this.about?.indexed ?? 0;
    this.shifts = NO_SHIFTS;
    this.written = emptyBooks;
    this.lastBook = undefined;
  }

  async clear(): Promise<void> {
    await this.env?.close();
    await rm(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
    this.begin();
  }

  get leaf(): Uint8Array | undefined {
    return this.about?.leaf;
  }

  restore(): { readonly books: Books; readonly history: BatchHistory | undefined } {
    const { about } = this;
    if (about === undefined) {
      this.isTaken = true;
      return { books: { ...emptyBooks, past: this }, history: undefined };
    }
    let synced: Trie<RecordOf<'synced'>>;
    for (const [key, bytes] of this.tables.synced.range(LOWEST, HIGHEST))
      synced = trieSet(synced, bytesKey(key), decodeOne<RecordOf<'synced'>>(bytes));
    let owed: Books['owed'];
    for (const [key, bytes] of this.tables.owed.range(LOWEST, HIGHEST)) {
      const [payee, since, signature] = decode(bytes) as [Uint8Array, number, Uint8Array];
      const credit = {
        voucher: new Uint8Array(key),
        payee: new Uint8Array(payee),
        since: since as never,
        signature: new Uint8Array(signature),
      };
      owed = trieSet(owed, bytesKey(key), credit);
    }
    this.written = { synced, owed };
    this.isTaken = true;
    const books: Books = {
      past: this,
      channels: undefined,
      known: undefined,
      vouchers: about.vouchers,
      indexed: about.indexed,
      takings: about.takings,
      revoked: about.revoked,
      proved: about.proved,
      members: Object.fromEntries(
        about.members.map(([scope, members]) => [
          scope,
          members.map(([terminal, expiresAt]) => ({ terminal: new Uint8Array(terminal), expiresAt })),
        ]),
      ) as unknown as Books['members'],
      synced,
      owed,
      clearances: clearancesFrom(about.clearances),
    };
    return { books, history: historyFrom(about.history) };
  }

  async write({ size, leaf, books, shifts, history, tiles }: IndexSnapshot): Promise<void> {
    const position = (token: number): number => positionOf({ pending: [], shifts }, token)!;
    const about: AboutRow = {
      version: VERSION,
      size,
      leaf,
      indexed: books.indexed,
      vouchers: books.vouchers,
      takings: books.takings,
      revoked: books.revoked,
      proved: books.proved,
      members: Object.entries(books.members).map(([scope, members]) => [
        scope,
        members.map(({ terminal, expiresAt }) => [terminal, expiresAt]),
      ]),
      clearances: clearancesRow(books.clearances),
      history: historyRow(history),
    };
    // Valid for all rows before: it only ever grows at its end.
    this.shifts = shifts;
    // Everything of one batch counts, or nothing does.
    const committed = this.env.batch(() => {
      for (const [channel, book] of trieEntries(books.channels)) this.putBook(channel, book, position);
      for (const [digest, known] of trieEntries(books.known))
        this.tables.known.put(hex(digest), encodeKnown(known, position(known.token)));
      this.putOwed(books.owed);
      trieForEach(trieMinus(books.synced, this.written.synced), (record, key) =>
        this.tables.synced.put(hex(key), encodeOne(record)),
      );
      for (const { level, index, bytes } of tiles) this.tables.tiles.put(tileKey(level, index), bytes);
      this.tables.about.put(ABOUT, encode(about));
    });
    await committed.catch(refuse);
    this.about = about;
    this.lastBook = undefined;
    this.applied = size;
    this.indexed = books.indexed;
    // What is read from here on is read behind it.
    this.env.resetReadTxn();
    this.written = { synced: books.synced, owed: books.owed };
  }

  private putBook(channel: string, book: ChannelBook, position: (token: number) => number): void {
    const { heads, entries, lanes, claims, countersigned, times } = this.tables;
    const place = ({ seq, token }: Entry): Uint8Array => encodePlace(seq, position(token));
    const { last } = book.entries;
    heads.put(hex(channel), encodeHead(book, last && { seq: last.seq, position: position(last.token) }));
    for (const entry of book.entries.held()) {
      const at = position(entry.token);
      entries.put(entryKey(channel, entry.seq, at), encodeEntry(entry));
      times.put(timeKey(entry.at, at), encode([channel, entry.seq]));
    }
    trieForEach(book.lanes?.over, (lane, key) => lanes.put(underChannel(channel, key), encodeLane(lane)));
    trieForEach(book.claims?.over, (entry, key) => claims.put(underChannel(channel, key), place(entry)));
    trieForEach(book.countersigned?.over, (entry, key) =>
      countersigned.put(underChannel(channel, key), place(entry)),
    );
  }

  private putOwed(owed: Books['owed']): void {
    trieForEach(trieMinus(owed, this.written.owed), (credit, key) => {
      if (credit === undefined) this.tables.owed.remove(hex(key));
      else this.tables.owed.put(hex(key), encode([credit.payee, credit.since, credit.signature]));
    });
  }

  // ---- what the books ask ----

  channel(key: string): ChannelBook | undefined {
    if (this.lastBook?.key === key) return this.lastBook.book;
    const bytes = this.tables.heads.get(hex(key));
    if (bytes === undefined) return undefined;
    const book = this.bookFrom(key, decodeHead(bytes));
    this.lastBook = { key, book };
    return book;
  }

  private bookFrom(key: string, { vouchers, last, ...head }: Head): ChannelBook {
    return {
      ...head,
      entries: EntryList.over({
        length: vouchers,
        lastSeq: last?.seq ?? -1,
        from: (seq) => this.entries(key, seq, false),
        before: (seq) => this.entriesBefore(key, seq, last),
      }),
      lanes: this.under<Lane>('lanes', key, decodeLane),
      claims: this.under<Entry>('claims', key, (bytes) => this.entryAt(key, bytes)),
      countersigned: this.under<Entry>('countersigned', key, (bytes) => this.entryAt(key, bytes)),
    };
  }

  /** The last one, as it usually is, without looking for it. */
  private *entriesBefore(channel: string, seq: number, last: Head['last']): Generator<Entry> {
    if (last === undefined) return;
    if (last.seq >= seq) return yield* this.entries(channel, seq, true);
    yield this.entryOf(channel, last.seq, last.position);
    for (const entry of this.entries(channel, last.seq + 1, true))
      if (entry.token !== tokenOf(this.shifts, last.position)) yield entry;
  }

  private *entries(channel: string, seq: number, isBackward: boolean): Generator<Entry> {
    const place = Number.isFinite(seq)
      ? entryKey(channel, seq, 0)
      : Buffer.concat([hex(channel), HIGHEST_PLACE]);
    const end = isBackward ? hex(channel) : Buffer.concat([hex(channel), HIGHEST_PLACE]);
    for (const [key, bytes] of this.tables.entries.range(place, end, isBackward)) {
      const { seq: own, position } = entryPlace(key);
      yield decodeEntry(channel, own, tokenOf(this.shifts, position), bytes);
    }
  }

  private under<V>(name: TableName, channel: string, read: (bytes: Buffer) => V): Layers<V> {
    const table = this.tables[name];
    const under: Under<V> = {
      get: (key) => {
        const bytes = table.get(underChannel(channel, key));
        return bytes && read(bytes);
      },
      entries: function* () {
        const end = Buffer.concat([hex(channel), HIGHEST]);
        for (const [key, bytes] of table.range(hex(channel), end))
          yield [bytesKey(key.subarray(CHANNEL_BYTES)), read(bytes)];
      },
    };
    return { over: undefined, under };
  }

  private entryAt(channel: string, place: Buffer): Entry {
    return this.entryOf(channel, ...decodePlace(place));
  }

  private entryOf(channel: string, seq: number, position: number): Entry {
    const bytes = this.tables.entries.get(entryKey(channel, seq, position));
    if (bytes === undefined) throw this.tables.entries.damage();
    return decodeEntry(channel, seq, tokenOf(this.shifts, position), bytes);
  }

  *channels(): Generator<string> {
    for (const key of this.tables.heads.keys(LOWEST, HIGHEST)) yield bytesKey(key);
  }

  *countersigned(): Generator<string> {
    let start: Buffer = LOWEST;
    for (;;) {
      const [first] = this.tables.countersigned.range(start, HIGHEST);
      if (first === undefined) return;
      const channel = first[0].subarray(0, CHANNEL_BYTES);
      yield bytesKey(channel);
      start = Buffer.concat([channel, HIGHEST]);
    }
  }

  *newest(before?: Moment): Generator<Entry> {
    const { shifts } = this;
    const position = before && (positionOf({ pending: [], shifts }, before.token) ?? 0);
    const end = before === undefined ? HIGHEST : timeKey(before.at, position!);
    for (const [key, bytes] of this.tables.times.range(end, LOWEST, true)) {
      const [channel, seq] = decode(bytes) as [string, number];
      yield this.entryOf(channel, seq, timePosition(key));
    }
  }

  known(key: string): Known | undefined {
    const bytes = this.tables.known.get(hex(key));
    return bytes && this.knownFromRow(bytes);
  }

  *knownFrom(prefix: string): Generator<[string, Known]> {
    const start = hex(prefix.padEnd(64, '0'));
    for (const [key, bytes] of this.tables.known.range(start, HIGHEST)) {
      const digest = bytesKey(key);
      if (!digest.startsWith(prefix)) return;
      yield [digest, this.knownFromRow(bytes)];
    }
  }

  private knownFromRow(bytes: Buffer): Known {
    const { position, channel, seq } = decodeKnown(bytes);
    return { token: tokenOf(this.shifts, position), channel, seq };
  }

  tile(level: number, index: number): Uint8Array | undefined {
    const bytes = this.tables.tiles.get(tileKey(level, index));
    return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  async close(): Promise<void> {
    // What could not be written is in the ledger.
    await Promise.resolve(this.env.flushed).catch(() => undefined);
    await this.env.close();
  }
}

/** What stands beside channels and tiles. */
interface AboutRow {
  readonly version: number;
  /** Records of the ledger that are applied, and the tree's hash of the last of them. */
  readonly size: number;
  readonly leaf: Uint8Array | undefined;
  readonly indexed: number;
  readonly vouchers: number;
  readonly takings: Takings;
  readonly revoked: readonly ChannelId[];
  readonly proved: readonly ChannelId[];
  readonly members: readonly (readonly [
    scope: string,
    members: readonly (readonly [terminal: Uint8Array, expiresAt: number])[],
  ])[];
  readonly clearances: ClearancesRow;
  readonly history: unknown;
}

interface ClearancesRow {
  readonly held: readonly Uint8Array[];
  readonly over: readonly string[];
  readonly overBefore: readonly string[];
  readonly since: number;
}

const clearancesRow = ({ held, over, overBefore, since }: Clearances): ClearancesRow => ({
  held: trieEntries(held).flatMap(([, all]) => all.map(encodeOne)),
  over: trieEntries(over).map(([key]) => key),
  overBefore: trieEntries(overBefore).map(([key]) => key),
  since,
});

function clearancesFrom({ held, over, overBefore, since }: ClearancesRow): Clearances {
  const all = (keys: readonly string[]) =>
    keys.reduce<Trie<true>>((trie, key) => trieSet(trie, key, true), undefined);
  return held.reduce<Clearances>(
    (clearances, bytes) => withReservation(clearances, decodeOne<Reservation>(bytes), undefined),
    { ...NO_CLEARANCES, over: all(over), overBefore: all(overBefore), since },
  );
}

function tileKey(level: number, index: number): Buffer {
  const key = Buffer.alloc(7);
  key.writeUInt8(level, 0);
  key.writeUIntBE(index, 1, 6);
  return key;
}

/** The index can't be used for now; its rows are as they were. */
const unavailable = (cause: unknown, severity: 'call' | 'process'): SundialError =>
  new SundialError('index_unavailable', `the index can't be used: ${causeText(cause)}`, {
    severity,
    remedy:
      'Nothing is lost. Free space or repair the disk of the folder `index`; a hub that runs catches up by itself.',
    cause,
  });

/** Throws what LMDB refused a batch with; nothing of it counts. */
async function refuse(error: Error & { readonly commitError?: Promise<never> }): Promise<never> {
  throw unavailable((await error.commitError?.catch((why: unknown) => why)) ?? error, 'call');
}

/** The disk itself fails, by the system's words or numbers: nothing is said about the index. LMDB's own are negative. */
function isOfDisk(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return (
    !(error instanceof SundialError) && (typeof code === 'string' || (typeof code === 'number' && code > 0))
  );
}

/** Where LMDB's two meta pages have what is looked at, bytes from their beginning. */
const META = {
  magicAt: 24,
  magic: 0xbeefc0de,
  pageBytesAt: 48,
  lastPageAt: 144,
  transactionAt: 152,
  bytes: 160,
};
const PAGE_BYTES_MAX = 65_536;

/**
 * A file that ends before its pages do ends the process when they are looked at. Throws `index_damaged` when this one
 * does, or is no file of LMDB; one that is not there, or empty, is begun.
 */
async function refuseCut(path: string): Promise<void> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size === 0) return;
  const head = Buffer.alloc(PAGE_BYTES_MAX + META.bytes);
  const file = await openFile(path, 'r');
  try {
    await file.read(head, 0, head.length, 0);
  } finally {
    await file.close();
  }
  const pageBytes = head.readUInt32LE(META.pageBytesAt);
  if (pageBytes > PAGE_BYTES_MAX) throw damaged(FILE);
  const metas = [head, head.subarray(pageBytes)];
  if (metas.some((meta) => meta.readUInt32LE(META.magicAt) !== META.magic)) throw damaged(FILE);
  const [newest] = metas.sort((one, other) =>
    Number(other.readBigUInt64LE(META.transactionAt) - one.readBigUInt64LE(META.transactionAt)),
  );
  const lastPage = Number(newest!.readBigUInt64LE(META.lastPageAt));
  if ((lastPage + 1) * pageBytes > size) throw damaged(FILE);
}
