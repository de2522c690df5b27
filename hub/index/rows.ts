/**
 * The rows of the index: how books are put into bytes and taken out again. Values are CBOR arrays; keys begin with the
 * channel, so that what belongs together lies together. Numbers of records are positions here, never tokens.
 */
import { Decoder, Encoder } from 'cbor-x';
import type { EntryList } from '../intake/entry-list.ts';
import { pack, unpack } from '../intake/packed.ts';
import type { ChannelBook, Entry, Known, Lane } from '../intake/state.ts';
import { bytesKey, keyBytes, keyNumber } from '../intake/trie.ts';
import { decodeRecord, encodeRecord, type HubRecord } from '../ledger/records.ts';
import type { BatchHistory, FinishedBatch } from '../settle/batches.ts';

const OPTIONS = { useRecords: false, tagUint8Array: false, structuredClone: false, variableMapSize: true };
const encoder = new Encoder(OPTIONS);
const decoder = new Decoder(OPTIONS);

/** Any value of plain data. */
export const encode = (value: unknown): Uint8Array => encoder.encode(value);
/** What `encode` was given; bytes in it are views. */
export const decode = (bytes: Uint8Array): unknown => decoder.decode(bytes);

/** Bytes of a key's parts. */
export const CHANNEL_BYTES = 4;
const SEQ_BYTES = 6;
const POSITION_BYTES = 6;
const AT_BYTES = 5;

/** Key of what a channel has under a payee or a digest; both as hex. */
export const underChannel = (channel: string, key: string): Buffer => Buffer.from(channel + key, 'hex');

/** Key of an entry; entries of a channel lie by seq, then by arrival. */
export function entryKey(channel: string, seq: number, position: number): Buffer {
  const key = Buffer.alloc(CHANNEL_BYTES + SEQ_BYTES + POSITION_BYTES);
  key.write(channel, 'hex');
  key.writeUIntBE(seq, CHANNEL_BYTES, SEQ_BYTES);
  key.writeUIntBE(position, CHANNEL_BYTES + SEQ_BYTES, POSITION_BYTES);
  return key;
}

/** Seq and position in an entry's key. */
export const entryPlace = (key: Buffer): { seq: number; position: number } => ({
  seq: key.readUIntBE(CHANNEL_BYTES, SEQ_BYTES),
  position: key.readUIntBE(CHANNEL_BYTES + SEQ_BYTES, POSITION_BYTES),
});

/** Key of an entry in the order of time: of its request, then of arrival. */
export function timeKey(at: number, position: number): Buffer {
  const key = Buffer.alloc(AT_BYTES + POSITION_BYTES);
  key.writeUIntBE(at, 0, AT_BYTES);
  key.writeUIntBE(position, AT_BYTES, POSITION_BYTES);
  return key;
}

/** Position in such a key. */
export const timePosition = (key: Buffer): number => key.readUIntBE(AT_BYTES, POSITION_BYTES);

const own = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

/** An entry without its place. */
export function encodeEntry(entry: Entry): Uint8Array {
  const { stream, payeeCredit, list } = entry;
  return encode([
    keyBytes(entry.key),
    entry.kind === 'stream',
    entry.payee,
    entry.amount,
    entry.at,
    entry.spent,
    entry.paid,
    entry.voided,
    entry.credited,
    unpack(entry.message),
    stream === undefined ? null : [stream.tickValue, stream.ticks, stream.k, stream.preimage],
    payeeCredit === undefined ? null : [payeeCredit.credited, payeeCredit.signature],
    list === undefined ? null : list.map(({ payee, paid }) => [payee, paid]),
  ]);
}

type EntryRow = [
  Uint8Array,
  boolean,
  Uint8Array,
  number,
  number,
  number,
  number,
  boolean,
  number,
  Uint8Array,
  [number, number, number, Uint8Array] | null,
  [number, Uint8Array] | null,
  [Uint8Array, number][] | null,
];

/** The entry whose place its key says. What it holds of the bytes is a copy. */
export function decodeEntry(channel: string, seq: number, token: number, bytes: Uint8Array): Entry {
  const row = decode(bytes) as EntryRow;
  const [
    key,
    isStream,
    payee,
    amount,
    at,
    spent,
    paid,
    voided,
    credited,
    message,
    stream,
    payeeCredit,
    list,
  ] = row;
  return {
    key: bytesKey(key),
    token,
    channel: keyNumber(channel),
    seq,
    kind: isStream ? 'stream' : 'voucher',
    payee: own(payee),
    amount,
    at,
    spent,
    paid,
    list: list?.map(([lane, sum]) => ({ payee: own(lane), paid: sum })) ?? undefined,
    stream:
      stream === null
        ? undefined
        : { tickValue: stream[0], ticks: stream[1], k: stream[2], preimage: own(stream[3]) },
    voided,
    credited,
    payeeCredit:
      payeeCredit === null ? undefined : { credited: payeeCredit[0], signature: own(payeeCredit[1]) },
    message: pack(message),
  } as Entry;
}

/** A lane. */
export const encodeLane = ({ seq, before, vouchers, credited, top }: Lane): Uint8Array =>
  encode([seq, before ?? null, vouchers, credited, top]);

/** The lane of such a row. */
export function decodeLane(bytes: Uint8Array): Lane {
  const row = decode(bytes) as [number, number | null, number, number, number];
  const [seq, before, vouchers, credited, top] = row;
  return { seq, before: before ?? undefined, vouchers, credited, top } as Lane;
}

/** Where an entry stands in its channel. */
export const encodePlace = (seq: number, position: number): Uint8Array => encode([seq, position]);
/** Seq and position of such a row. */
export const decodePlace = (bytes: Uint8Array): [seq: number, position: number] =>
  decode(bytes) as [number, number];

/** `position` in the place of the token. */
export const encodeKnown = ({ channel, seq }: Known, position: number): Uint8Array =>
  encode(channel === undefined ? [position] : [position, channel, seq]);

/** What such a row says, with a position instead of a token. */
export function decodeKnown(bytes: Uint8Array): { position: number } & Omit<Known, 'token'> {
  const [position, channel, seq] = decode(bytes) as [number, number?, number?];
  return { position, channel, seq } as { position: number } & Omit<Known, 'token'>;
}

/** What a channel's row has: all that is neither an entry nor under a payee. */
export type Head = Pick<ChannelBook, 'claimed' | 'ticks' | 'lease' | 'booked' | 'released' | 'proof'> & {
  readonly vouchers: EntryList<Entry>['length'];
  /** Place of the last entry by seq; undefined: there is none. */
  readonly last: { readonly seq: number; readonly position: number } | undefined;
};

/** The head of a book. */
export const encodeHead = (book: ChannelBook, last: Head['last']): Uint8Array =>
  encode([
    last === undefined ? null : [last.seq, last.position],
    book.claimed,
    book.ticks,
    book.entries.length,
    recordOrNull(book.lease),
    book.booked.map(({ scope, cap, expiresAt }) => [scope, cap, expiresAt]),
    Object.entries(book.released),
    recordOrNull(book.proof),
  ]);

/** The head of such a row. What it holds of the bytes is a copy. */
export function decodeHead(bytes: Uint8Array): Head {
  const [last, claimed, ticks, vouchers, lease, booked, released, proof] = decode(bytes) as [
    [number, number] | null,
    number,
    number,
    number,
    Uint8Array | null,
    [Uint8Array, number, number][],
    [string, number][],
    Uint8Array | null,
  ];
  return {
    last: last === null ? undefined : { seq: last[0], position: last[1] },
    claimed,
    ticks,
    vouchers,
    lease: recordFrom(lease),
    booked: booked.map(([scope, cap, expiresAt]) => ({ scope: own(scope), cap, expiresAt })),
    released: Object.fromEntries(released),
    proof: recordFrom(proof),
  } as unknown as Head;
}

const recordOrNull = (record: HubRecord | undefined): Uint8Array | null =>
  record === undefined ? null : encodeRecord(record);
const recordFrom = (bytes: Uint8Array | null): HubRecord | undefined =>
  bytes === null ? undefined : decodeOne(bytes);

/** A record as the ledger has it. */
export const encodeOne = (record: HubRecord): Uint8Array => encodeRecord(record);
/** What it holds of the bytes is a copy. */
export const decodeOne = <R extends HubRecord>(bytes: Uint8Array): R => decodeRecord(own(bytes), 0) as R;

/** The batches as the ledger told them. */
export const historyRow = ({ size, nextBatch, nonce, open, finished }: BatchHistory): unknown => [
  size,
  nextBatch,
  nonce,
  open.map(({ newest, earlier }) => [newest, ...earlier].map(encodeRecord)),
  finished.map(({ batch, transaction, rows, outcome }) => [batch, transaction, rows, encodeRecord(outcome)]),
];

/** The batches of such a row. */
export function historyFrom(row: unknown): BatchHistory {
  const [size, nextBatch, nonce, open, finished] = row as [
    number,
    number,
    number,
    [Uint8Array, ...Uint8Array[]][],
    [number, Uint8Array, number, Uint8Array][],
  ];
  return {
    size,
    nextBatch,
    nonce,
    open: open.map(([newest, ...earlier]) => ({
      newest: decodeOne(newest),
      earlier: earlier.map((bytes) => decodeOne(bytes)),
    })),
    finished: finished.map(
      ([batch, transaction, rows, outcome]): FinishedBatch => ({
        batch,
        transaction: own(transaction),
        rows,
        outcome: decodeOne(outcome),
      }),
    ),
  };
}
