/**
 * From books to settlement rows: the newest voucher of each lane that L2 does not know yet, as few rows as possible.
 * A voucher whose list is known settles all lanes of the list with one signature. Pure functions.
 */
import { equalBytes, ZERO_BYTES16 } from '../../protocol/bytes.ts';
import type { Amount, ChannelId } from '../../protocol/integers.ts';
import { LISTED_LANES_MAX } from '../../protocol/limits.ts';
import { type Collected, collectedFrom } from '../../protocol/machines/collected.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { lanesHash, type ListedLane } from '../../protocol/vouchers.ts';
import { channelBook, channelsOf, entryId, entryMessage, topOf } from '../intake/books.ts';
import { layersEntries, layersGet } from '../intake/layers.ts';
import type { Books, ChannelBook, Entry } from '../intake/state.ts';
import { bytesKey, keyNumber, numberKey } from '../intake/trie.ts';
import type { RecordOf } from '../ledger/records.ts';
import type { Row } from '../l2/rows.ts';

/** A row by reference, as it stands in the ledger's batchIntent. */
export type RowReference = RecordOf<'batchIntent'>['rows'][number];

/** A row that would be worth sending. */
export interface PlannedRow {
  readonly entry: Entry;
  readonly reference: RowReference;
  /** Payees (keys) whose lanes it settles. */
  readonly payees: readonly string[];
}

/** What the plan is measured against. */
export interface SettledView {
  /** Units that L2 has settled on a lane, by payee key. */
  settled(channel: number, payee: string): number;
  /** Keys of the channels that may have something to settle or to give back, in order; absent: all. */
  open?(books: Books): readonly string[];
  /** Are all lanes of the channel settled as high as its book claims? */
  isWhole(channel: number, book: ChannelBook): boolean;
  /** Units by which a lane of the channel must rise to be worth its gas. */
  least(channel: number): number;
  /** True when the payee has an id in the vault: only such payees fit into a row. */
  registered(payee: string): boolean;
  /** Units that L2 has credited on a voucher; undefined when it is yet to be asked. */
  credited(voucher: string): number | undefined;
  /** True when this very row was refused before and nothing has changed since. */
  blocked(reference: RowReference): boolean;
}

/**
 * All rows worth sending: settlements by channel, then the credits that need them. At most `rowsMax`; what is beyond
 * comes next when the next plan starts behind the last row's channel (`after`), so that busy channels leave the others
 * their turn.
 */
export function planRows(
  signing: Signing,
  books: Books,
  view: SettledView,
  rowsMax: number,
  after?: number,
): PlannedRow[] {
  const rows: PlannedRow[] = [];
  const credits: PlannedRow[] = [];
  for (const [key, book] of channelsFrom(books, view, after)) {
    if (rows.length + credits.length >= rowsMax) break;
    const channel = keyNumber(key);
    const settling = view.isWhole(channel, book) ? [] : channelRows(signing, channel, book, view);
    rows.push(...settling);
    credits.push(...creditRows(channel, book, view, new Set(settling.flatMap(({ payees }) => payees))));
  }
  return [...rows, ...credits].slice(0, rowsMax);
}

/** The channels where something may be left to do, beginning behind one of them. */
function* channelsFrom(
  books: Books,
  view: SettledView,
  after: number | undefined,
): Generator<[string, ChannelBook]> {
  const keys = view.open?.(books) ?? [...channelsOf(books)].map(([key]) => key);
  const last = after === undefined ? '' : numberKey(after);
  const first = Math.max(
    0,
    keys.findIndex((key) => key > last),
  );
  for (const key of [...keys.slice(first), ...keys.slice(0, first)])
    yield [key, channelBook(books, keyNumber(key) as ChannelId)];
}

/** The rows of one channel: newest first, since a newer list covers what older vouchers would settle one by one. */
function channelRows(signing: Signing, channel: number, book: ChannelBook, view: SettledView): PlannedRow[] {
  const open: [payee: string, claim: Entry][] = [];
  const least = view.least(channel);
  const owing = least > 1 ? owingPayees(book, view) : undefined;
  for (const [payee, claim] of layersEntries(book.claims)) {
    const rise = topOf(claim) - view.settled(channel, payee);
    const isWorth = rise >= least || (rise > 0 && owing?.has(payee));
    if (isWorth && view.registered(payee)) open.push([payee, claim]);
  }
  open.sort(([, a], [, b]) => b.seq - a.seq || topOf(b) - topOf(a));
  const covered = new Set<string>();
  const rows: PlannedRow[] = [];
  const wanted = new Map(open.map(([payee, claim]) => [payee, topOf(claim)]));
  for (const [payee, entry] of open) {
    if (covered.has(payee)) continue;
    const list = listOf(signing, book, entry);
    const others = usable(list, view)
      .filter((lane) => wanted.get(bytesKey(lane.payee)) === lane.paid)
      .map((lane) => bytesKey(lane.payee));
    const fresh = others.filter((other) => !covered.has(other) && other !== payee);
    const statement = { ...reference(entry), lanes: fresh.length > 0 ? list : [] };
    // A statement that the vault refused is tried as single vouchers.
    const chosen = fresh.length > 0 && view.blocked(statement) ? reference(entry) : statement;
    if (view.blocked(chosen)) continue;
    const payees = chosen.lanes.length > 0 ? [payee, ...fresh] : [payee];
    for (const settled of payees) covered.add(settled);
    rows.push({ entry, reference: chosen, payees });
  }
  return rows;
}

/** Payees with a credit that L2 doesn't have yet: it counts only once their lanes are settled. */
function owingPayees(book: ChannelBook, view: SettledView): ReadonlySet<string> {
  const payees = new Set<string>();
  for (const [, entry] of layersEntries(book.countersigned))
    if (entry.payeeCredit!.credited > (view.credited(entry.key) ?? 0)) payees.add(bytesKey(entry.payee));
  return payees;
}

/** The list when every payee on it has an id; none can be left out, for the list must hash to what was signed. */
function usable(list: readonly ListedLane[], view: SettledView): readonly ListedLane[] {
  return list.every((lane) => view.registered(bytesKey(lane.payee))) ? list : [];
}

/** Lists that were rebuilt. What a hash fits stays right whatever else arrives. */
const rebuilt = new WeakMap<Entry, readonly ListedLane[]>();

/** The list behind a voucher's `lanes`: what the payer handed in, or rebuilt from the ledger when that fits. */
export function listOf(signing: Signing, book: ChannelBook, entry: Entry): readonly ListedLane[] {
  const known = entry.list ?? rebuilt.get(entry);
  if (known !== undefined) return known;
  const message = entryMessage(entry);
  if (message.type === 'collectedStream' || equalBytes(message.lanes, ZERO_BYTES16)) return [];
  const newest = new Map<string, ListedLane>();
  for (const other of book.entries.before(entry.seq)) {
    if (newest.size >= LISTED_LANES_MAX) break;
    const key = bytesKey(other.payee);
    // A voided voucher was never confirmed, so the payer lists the lane at the one before.
    if (other.voided || newest.has(key) || equalBytes(other.payee, entry.payee)) continue;
    newest.set(key, { payee: other.payee, paid: topOf(other) as Amount });
  }
  const lanes = [...newest.values()];
  if (!equalBytes(lanesHash(signing.suite, lanes), message.lanes)) return [];
  rebuilt.set(entry, lanes);
  return lanes;
}

/**
 * Credits whose vouchers are settled, or will be by the rows before: `settling` are the payees whose lanes the plan
 * settles up to their claims. The vault skips any other, and a voucher that is void may wait for a later one of its lane.
 */
function creditRows(
  channel: number,
  { countersigned, claims }: ChannelBook,
  view: SettledView,
  settling: ReadonlySet<string>,
): PlannedRow[] {
  const rows: PlannedRow[] = [];
  const reached = (payee: string): number => {
    const claim = settling.has(payee) ? layersGet(claims, payee) : undefined;
    return Math.max(view.settled(channel, payee), claim === undefined ? 0 : topOf(claim));
  };
  for (const [, entry] of layersEntries(countersigned)) {
    if (reached(bytesKey(entry.payee)) < topOf(entry)) continue;
    const { credited } = entry.payeeCredit!;
    const known = view.credited(entry.key);
    if (known === undefined || credited <= known || !view.registered(bytesKey(entry.payee))) continue;
    const row = { ...reference(entry), credited };
    if (!view.blocked(row)) rows.push({ entry, reference: row, payees: [] });
  }
  return rows;
}

function reference(entry: Entry): RowReference {
  return { entry: entryId(entry), k: entry.stream?.k ?? 0, lanes: [] };
}

/** The row as the vault takes it. `entry` is the voucher that the reference names, with at least its ticks. */
export function rowOf(signing: Signing, entry: Entry, reference: RowReference): Row {
  return rowFrom(collectedOf(signing, entry), entry, reference);
}

/** The row of an entry with its request opened: what proofs and shortfalls show. It lists no other lanes. */
export function openedRowOf(signing: Signing, entry: Entry): Row {
  const collected = collectedOf(signing, entry);
  return { ...rowFrom(collected, entry, reference(entry)), opened: collected.request };
}

function collectedOf(signing: Signing, entry: Entry): Collected {
  return collectedFrom(signing, entryMessage(entry));
}

function rowFrom(
  { voucher, signature, key, request }: Collected,
  entry: Entry,
  reference: RowReference,
): Row {
  const { payeeCredit, stream } = entry;
  return {
    voucher,
    signature,
    ...(key && { key }),
    ...(reference.lanes.length > 0 && { list: reference.lanes }),
    ...(stream !== undefined && reference.k > 0 && { reveal: { k: stream.k, preimage: stream.preimage } }),
    ...(reference.credited !== undefined &&
      payeeCredit !== undefined && {
        opened: request,
        credit: { credited: payeeCredit.credited, signature: payeeCredit.signature },
      }),
  };
}

/** A text that is the same for the same row, to remember refused ones by. */
export function rowKey({ entry, k, lanes, credited }: RowReference): string {
  return `${bytesKey(entry)}/${k}/${lanes.length}/${credited ?? ''}`;
}
