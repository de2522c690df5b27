/**
 * From records to books. The same function serves live records and replay, so a restart can't see anything else than
 * what was there. Records in the ledger were verified before they were written; nothing is verified here.
 */
import { type Bytes16, type Bytes32, equalBytes, type Signature, toHex } from '../../protocol/bytes.ts';
import { type ChannelId, type Seq, UINT48_MAX, ZERO_AMOUNT } from '../../protocol/integers.ts';
import { decodeOwn, type Message } from '../../protocol/wire/messages.ts';
import type { HubRecord, RecordOf } from '../ledger/records.ts';
import { withEnded, withReservation, withSold } from './clearances.ts';
import { EntryList } from './entry-list.ts';
import { layersEntries, layersGet, layersSet, layersWithout } from './layers.ts';
import { pack, unpack } from './packed.ts';
import type { CollectedMessage } from './prepare.ts';
import type { Booking, Books, ChannelBook, Entry, Known, Lane, Member, Moment } from './state.ts';
import { withTicks, withVoucher } from './takings.ts';
import {
  bytesKey,
  type Edit,
  keyBytes,
  numberKey,
  trieEntries,
  trieForEach,
  trieGet,
  trieMinus,
  trieSet,
  trieWithout,
} from './trie.ts';

export const emptyChannel: ChannelBook = {
  entries: EntryList.empty<Entry>(),
  lanes: undefined,
  claims: undefined,
  countersigned: undefined,
  claimed: 0,
  ticks: 0,
  lease: undefined,
  booked: [],
  released: {},
  proof: undefined,
};

/** What the ledger holds of a channel; an empty book when nothing. */
export function channelBook(books: Books, channel: ChannelId): ChannelBook {
  return bookAt(books, numberKey(channel)) ?? emptyChannel;
}

const bookAt = (books: Books, key: string): ChannelBook | undefined =>
  trieGet(books.channels, key) ?? books.past?.channel(key);

/** All channels with something in the ledger, in the order of their keys. */
export function* channelsOf(books: Books): Generator<[key: string, book: ChannelBook]> {
  if (books.past === undefined) return yield* trieEntries(books.channels);
  for (const key of inOrder(trieEntries(books.channels), books.past.channels()))
    yield [key, bookAt(books, key)!];
}

/** Entries for which a payee signed a credit, channel after channel. */
export function* countersignedOf(books: Books): Generator<[key: string, entry: Entry]> {
  const keys = inOrder(trieEntries(books.channels), books.past?.countersigned() ?? []);
  for (const key of keys) yield* layersEntries(bookAt(books, key)!.countersigned);
}

/** The keys of both, each once. */
function* inOrder(
  held: readonly (readonly [string, unknown])[],
  others: Iterable<string>,
): Generator<string> {
  let next = 0;
  for (const key of others) {
    for (; next < held.length && held[next]![0] < key; next += 1) yield held[next]![0];
    if (held[next]?.[0] !== key) yield key;
  }
  for (; next < held.length; next += 1) yield held[next]![0];
}

/** Where a message says that an entry stands. Whoever asks may say anything. */
export interface Place {
  readonly channel: ChannelId;
  readonly seq: Seq;
}

/** What is known of a digest, wherever it stands. */
export function knownEntry({ known, past }: Books, id: Bytes32): Known | undefined {
  const key = bytesKey(id);
  return trieGet(known, key) ?? past?.known(key);
}

/** Digests (keys) that begin with these hex digits, and what is known of them. */
export function* knownFrom({ known, past }: Books, prefix: string): Generator<[string, Known]> {
  const held = trieEntries(known).filter(([key]) => key.startsWith(prefix));
  yield* held;
  const keys = new Set(held.map(([key]) => key));
  for (const [key, found] of past?.knownFrom(prefix) ?? []) if (!keys.has(key)) yield [key, found];
}

/** Is the first one's request newer, or of the same time and come later? */
export const isNewer = (one: Moment, other: Moment): boolean =>
  one.at > other.at || (one.at === other.at && one.token > other.token);

/** Vouchers and streams by the time of their request, the newest first; those before a moment, when one is given. */
export function* newestFirst(books: Books, before?: Moment): Generator<Entry> {
  const held: Entry[] = [];
  for (const [, book] of trieEntries(books.channels))
    for (const entry of book.entries.held())
      if (before === undefined || isNewer(before, entry)) held.push(entry);
  held.sort((one, other) => (isNewer(one, other) ? -1 : 1));
  let next = 0;
  for (const entry of books.past?.newest(before) ?? []) {
    for (; next < held.length && isNewer(held[next]!, entry); next += 1) yield held[next]!;
    // What is held is the same one, changed since.
    if (held[next]?.token !== entry.token) yield entry;
  }
  for (; next < held.length; next += 1) yield held[next]!;
}

/** What is known of a voucher's digest. It names its place itself: nothing else is looked through. */
export function knownVoucher(books: Books, id: Bytes32, place: Place): Known | undefined {
  const key = bytesKey(id);
  const found = trieGet(books.known, key);
  if (found !== undefined || books.past === undefined) return found;
  const entry = entryAt(books, key, place);
  return entry && { token: entry.token, ...place };
}

/** The voucher or stream with this digest, or undefined. `place`: where it is looked for first. */
export function findEntry(books: Books, id: Bytes32, place?: Place): Entry | undefined {
  const key = bytesKey(id);
  const named = place && books.past && entryAt(books, key, place);
  if (named !== undefined) return named;
  const { channel, seq } = knownEntry(books, id) ?? {};
  return channel === undefined || seq === undefined ? undefined : entryAt(books, key, { channel, seq });
}

function entryAt(books: Books, key: string, { channel, seq }: Place): Entry | undefined {
  for (const entry of channelBook(books, channel).entries.from(seq)) {
    if (entry.key === key) return entry;
    if (entry.seq > seq) break;
  }
  return undefined;
}

/** The books when what `written` holds in memory, which was durable, stands in their `past` by now. */
export function withoutWritten(books: Books, written: Books): Books {
  let { channels, owed } = books;
  trieForEach(written.channels, (was, key) => {
    const book = trieGet(books.channels, key);
    if (book === was) channels = trieWithout(channels, key);
    else if (book !== undefined)
      channels = trieSet(channels, key, lighter(book, was, books.past!.channel(key)!));
  });
  // What nobody owes any more need not be remembered as that.
  trieForEach(written.owed, (credit, key) => {
    if (credit === undefined && trieGet(owed, key) === undefined) owed = trieWithout(owed, key);
  });
  return { ...books, channels, known: trieMinus(books.known, written.known), owed };
}

/** A book that went on since it was written. */
function lighter(book: ChannelBook, was: ChannelBook, stored: ChannelBook): ChannelBook {
  return {
    ...book,
    entries: book.entries.without(was.entries, stored.entries.under),
    lanes: layersWithout(book.lanes, was.lanes, stored.lanes?.under),
    claims: layersWithout(book.claims, was.claims, stored.claims?.under),
    countersigned: layersWithout(book.countersigned, was.countersigned, stored.countersigned?.under),
  };
}

/** The digest of an entry. */
export const entryId = ({ key }: Entry): Bytes32 => keyBytes(key);

/** What the entry's terminal handed in. */
export function entryMessage({ message }: Entry): CollectedMessage {
  const collected = decodeOwn(unpack(message));
  if (collected.type !== 'collectedVoucher' && collected.type !== 'collectedStream')
    throw new TypeError('an entry holds a collected voucher or stream');
  return collected;
}

/** Whether the entry's voucher was signed over this hash of the payer's other lanes. */
export function commitsTo(entry: Entry, lanes: Bytes16): boolean {
  const message = entryMessage(entry);
  return message.type === 'collectedVoucher' && equalBytes(message.lanes, lanes);
}

/** The voucher or stream that another durable record names. Throws when the ledger lost it. */
export function namedEntry(books: Books, id: Bytes32): Entry {
  const entry = findEntry(books, id);
  if (entry === undefined) throw new Error(`the ledger lost ${toHex(id)}, which it names`);
  return entry;
}

/** Value of the ticks known so far. Ticks are bounded by the stream's own check, so the product is exact. */
export const ticksValueOf = (entry: Entry): number =>
  entry.stream === undefined ? 0 : entry.stream.k * entry.stream.tickValue;
/** Where the entry leaves its lane. */
export const topOf = (entry: Entry): number => entry.paid + ticksValueOf(entry);
/** Where the entry found its lane. */
export const baseOf = (entry: Entry): number => entry.paid - entry.amount;
/** Where the entry leaves the channel's spent. */
export const spentTopOf = (entry: Entry): number => entry.spent + ticksValueOf(entry);
/** Where the entry found the channel's spent. */
export const spentBaseOf = (entry: Entry): number => entry.spent - entry.amount;

/** Highest seq and spent that the ledger shows of a channel, leases included: a device behind them was rolled back. */
export function highest(book: ChannelBook): { seq: number; spent: number } {
  let seq = book.lease?.seq ?? 0;
  let spent: number = book.lease?.spentFrom ?? 0;
  const { last } = book.entries;
  if (last !== undefined && last.seq > seq) seq = last.seq;
  // An honest payer's last entry is the highest; of a dishonest one the channel is revoked anyway.
  if (last !== undefined && spentTopOf(last) > spent) spent = Math.min(spentTopOf(last), UINT48_MAX);
  return { seq, spent };
}

/** How a record comes into the books. */
export interface Applying {
  /** Serial number of the record, as in Pending; absent where nobody asks for positions. */
  readonly token?: number;
  /** What an entry's bytes say, where they were read already. */
  readonly message?: Message;
  /** The books so far are nobody else's: what was made with it is changed in place. */
  readonly edit?: Edit | undefined;
}

/** The books with one more record. */
export function applyRecord(books: Books, record: HubRecord, how: Applying = {}): Books {
  const { token = 0, edit } = how;
  switch (record.type) {
    case 'entry':
      return applyEntry(books, record, token, how.message ?? decodeOwn(record.message), edit);
    case 'evidence':
      return withChannel(
        { ...books, proved: withProved(books.proved, record.channel) },
        record.channel,
        edit,
        (book) => ({ ...book, proof: book.proof ?? record }),
      );
    case 'lease':
      return withChannel(books, record.channel, edit, (book) => ({
        ...book,
        lease: record,
        booked: withBooking(book.booked, record),
      }));
    case 'released':
      return withChannel(books, record.channel, edit, (book) => withReleased(book, record));
    case 'statement': {
      const entry = findEntry(books, record.voucher);
      return entry === undefined ? books : withEntry(books, entry, { ...entry, list: record.lanes }, edit);
    }
    case 'member':
      return withMember(books, record);
    case 'revocation':
      return { ...books, revoked: withRevoked(books.revoked, record) };
    case 'synced':
      return { ...books, synced: trieSet(books.synced, bytesKey(record.terminal), record, edit) };
    case 'clearance':
      return { ...books, clearances: withReservation(books.clearances, record, edit) };
    case 'clearanceEnded':
      return { ...books, clearances: withEnded(books.clearances, bytesKey(record.request), record.at, edit) };
    case 'batchIntent':
    case 'batchOutcome':
    case 'lost':
      return books;
  }
}

/** The largest lease of each scope counts, until the last one of it is over. */
function withBooking(
  booked: readonly Booking[],
  { scope, cap, expiresAt }: RecordOf<'lease'>,
): readonly Booking[] {
  const before = booked.find((other) => equalBytes(other.scope, scope));
  const others = booked.filter((other) => other !== before);
  const widest = before !== undefined && before.cap > cap ? before.cap : cap;
  const last = before !== undefined && before.expiresAt > expiresAt ? before.expiresAt : expiresAt;
  return [...others, { scope, cap: widest, expiresAt: last }];
}

function withReleased(book: ChannelBook, { payee, until }: RecordOf<'released'>): ChannelBook {
  const key = bytesKey(payee);
  if ((book.released[key] ?? 0) >= until) return book;
  return { ...book, released: { ...book.released, [key]: until } };
}

/** The books with the voucher among the credits that are owed, or no longer. `promise`: a terminal's signature over it. */
function withOwed(
  books: Books,
  entry: Entry,
  recordedAt: RecordOf<'entry'>['at'],
  promise: Signature | undefined,
  edit: Edit | undefined,
): Books {
  const { key, payee, at, credited, payeeCredit } = entry;
  const isOwed = credited > (payeeCredit?.credited ?? 0);
  const before = trieGet(books.owed, key);
  if (!isOwed && before === undefined) return books;
  const since = before?.since ?? (recordedAt > at ? recordedAt : at);
  const signature = promise ?? before?.signature;
  const owed =
    isOwed && signature !== undefined ? { voucher: entryId(entry), payee, since, signature } : undefined;
  return { ...books, owed: trieSet(books.owed, key, owed, edit) };
}

function applyEntry(
  books: Books,
  record: RecordOf<'entry'>,
  token: number,
  message: Message,
  edit: Edit | undefined,
): Books {
  // A record whose failure was reported can turn up all the same, and its sender has sent it again.
  const key = bytesKey(record.id);
  const isVoucher = message.type === 'collectedVoucher' || message.type === 'collectedStream';
  const known =
    (isVoucher ? knownVoucher(books, record.id, message) : knownEntry(books, record.id)) !== undefined;
  const countersigned = message.type === 'collectedCredit' && message.byPayee === 1;
  if (known && !countersigned) return books;
  switch (message.type) {
    case 'collectedVoucher':
    case 'collectedStream':
      return addVoucher(
        { ...books, clearances: withSold(books.clearances, message, record.at, edit) },
        entryOf(key, token, record.message, edit === undefined ? message : shared(message, edit)),
        record.at,
        message.credit,
        edit,
      );
    case 'collectedTick': {
      const entry = findEntry(books, message.stream, message);
      // Without its voucher it is as if it had never come: it will be sent again behind the voucher.
      if (entry?.stream === undefined) return books;
      const marked = withKnown(books, key, { token, channel: undefined, seq: undefined }, !known, edit);
      if (message.k <= entry.stream.k) return marked;
      const { k, preimage } = message;
      const changed = { ...entry, stream: { ...entry.stream, k, preimage } };
      const takings = withTicks(books.takings, entry, ticksValueOf(changed) - ticksValueOf(entry));
      return withEntry({ ...marked, takings }, entry, changed, edit);
    }
    case 'collectedCredit': {
      const entry = findEntry(books, message.voucher, message);
      if (entry === undefined) return books;
      const marked = withKnown(books, key, { token, channel: undefined, seq: undefined }, !known, edit);
      const { credited, signature } = message;
      const higher = credited > entry.credited ? credited : entry.credited;
      const own = entry.payeeCredit;
      const payeeCredit =
        message.byPayee === 1 && credited > (own?.credited ?? -1) ? { credited, signature } : own;
      const changed = { ...entry, credited: higher, payeeCredit };
      const promise = message.byPayee === 1 ? undefined : signature;
      return withOwed(withEntry(marked, entry, changed, edit), changed, record.at, promise, edit);
    }
    default:
      return books;
  }
}

/** The message with the payee's array that other entries have too. */
function shared(message: CollectedMessage, edit: Edit): CollectedMessage {
  return { ...message, payee: edit.share(message.payee) };
}

/** The entry that a collected message stands for; `key` is the key of its voucher's digest. */
export function entryOf(key: string, token: number, bytes: Uint8Array, message: CollectedMessage): Entry {
  const voided = message.receipt === undefined;
  const amount = message.type === 'collectedVoucher' ? message.amount : ZERO_AMOUNT;
  return {
    key,
    token,
    channel: message.channel,
    seq: message.seq,
    kind: message.type === 'collectedVoucher' ? 'voucher' : 'stream',
    payee: message.payee,
    amount,
    at: message.at,
    spent: message.spent,
    paid: message.paid,
    list: undefined,
    stream:
      message.type === 'collectedStream'
        ? { tickValue: message.tickValue, ticks: message.ticks, k: 0, preimage: message.anchor }
        : undefined,
    voided,
    credited: voided ? amount : ZERO_AMOUNT,
    payeeCredit: undefined,
    message: pack(bytes),
  };
}

function addVoucher(
  books: Books,
  entry: Entry,
  recordedAt: RecordOf<'entry'>['at'],
  credit: Signature | undefined,
  edit: Edit | undefined,
): Books {
  const { channel, seq, token } = entry;
  const added = withChannel(books, channel, edit, (book) => {
    const entries = book.entries.with(entry, edit);
    const payee = bytesKey(entry.payee);
    const lanes = layersSet(book.lanes, payee, withEnd(layersGet(book.lanes, payee), entry), edit);
    return withClaim({ ...book, entries, lanes }, entry, undefined, edit);
  });
  const known = withKnown(added, entry.key, { token, channel, seq }, true, edit);
  const takings = withVoucher(books.takings, entry, entry.amount, recordedAt);
  const counted = { ...known, vouchers: known.vouchers + 1, takings };
  // What was just taken owes something only when it came voided.
  return entry.voided ? withOwed(counted, entry, recordedAt, credit, edit) : counted;
}

/** A lane with one more entry. */
function withEnd(lane: Lane | undefined, { seq, credited }: Entry): Lane {
  if (lane === undefined) return { seq, before: undefined, vouchers: 1, credited, top: 0 };
  const { top } = lane;
  const sums = { vouchers: lane.vouchers + 1, credited: lane.credited + credited, top };
  if (seq > lane.seq) return { ...sums, seq, before: lane.seq };
  const isBetween = seq < lane.seq && seq > (lane.before ?? -1);
  return { ...sums, seq: lane.seq, before: isBetween ? seq : lane.before };
}

/** The book with `entry` as its payee's claim when it claims most. `old` is what the entry was before it changed. */
function withClaim(
  book: ChannelBook,
  entry: Entry,
  old: Entry | undefined,
  edit: Edit | undefined,
): ChannelBook {
  if (entry.voided) return book;
  const key = bytesKey(entry.payee);
  const best = layersGet(book.claims, key);
  if (best !== undefined && best.key !== old?.key) {
    // Of two with the same top the newer one: it may come with a list that settles more lanes at once.
    if (topOf(best) > topOf(entry)) return book;
    if (topOf(best) === topOf(entry) && best.seq > entry.seq) return book;
  }
  const claimed = book.claimed + topOf(entry) - (best === undefined ? 0 : topOf(best));
  const lane = { ...layersGet(book.lanes, key)!, top: topOf(entry) };
  const lanes = layersSet(book.lanes, key, lane, edit);
  return { ...book, claims: layersSet(book.claims, key, entry, edit), lanes, claimed };
}

function withEntry(books: Books, old: Entry, changed: Entry, edit: Edit | undefined): Books {
  return withChannel(books, old.channel, edit, (book) => {
    const entries = book.entries.replacing(old, changed, edit);
    const countersigned =
      changed.payeeCredit === undefined
        ? book.countersigned
        : layersSet(book.countersigned, changed.key, changed, edit);
    const payee = bytesKey(old.payee);
    const lane = layersGet(book.lanes, payee)!;
    const more = changed.credited - old.credited;
    const lanes =
      more === 0
        ? book.lanes
        : layersSet(book.lanes, payee, { ...lane, credited: lane.credited + more }, edit);
    const ticks = book.ticks + (changed.stream?.k ?? 0) - (old.stream?.k ?? 0);
    return withClaim({ ...book, entries, lanes, countersigned, ticks }, changed, old, edit);
  });
}

function withChannel(
  books: Books,
  channel: ChannelId,
  edit: Edit | undefined,
  change: (book: ChannelBook) => ChannelBook,
): Books {
  const key = numberKey(channel);
  const book = bookAt(books, key) ?? emptyChannel;
  return { ...books, channels: trieSet(books.channels, key, change(book), edit) };
}

function withKnown(books: Books, key: string, known: Known, isNew: boolean, edit: Edit | undefined): Books {
  const indexed = isNew ? books.indexed + 1 : books.indexed;
  return { ...books, known: trieSet(books.known, key, known, edit), indexed };
}

function withMember(books: Books, { scope, terminal, expiresAt }: RecordOf<'member'>): Books {
  const key = bytesKey(scope);
  const own = bytesKey(terminal);
  const others = (books.members[key] ?? []).filter((member) => bytesKey(member.terminal) !== own);
  const members: readonly Member[] = [...others, { terminal, expiresAt }];
  return { ...books, members: { ...books.members, [key]: members } };
}

function withProved(proved: readonly ChannelId[], channel: ChannelId): readonly ChannelId[] {
  if (proved.includes(channel)) return proved;
  return [...proved, channel].sort((a, b) => (numberKey(a) < numberKey(b) ? -1 : 1));
}

function withRevoked(revoked: readonly ChannelId[], record: RecordOf<'revocation'>): readonly ChannelId[] {
  const others = revoked.filter((channel) => channel !== record.channel);
  return record.revoked === 1 ? [...others, record.channel].sort((a, b) => a - b) : others;
}
