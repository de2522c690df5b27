/**
 * What a payer remembers: the books, the records that change them, and the snapshot that rebuilds them. The books are
 * the fold of the records; nothing else changes them. Start with PayerBooks, then `applyRecord`.
 */
import { type Address, type Bytes32, equalBytes } from '../../bytes.ts';
import { unreachable } from '../../errors.ts';
import {
  addAmounts,
  type Amount,
  type ChannelId,
  type Seconds,
  type Seq,
  ZERO_AMOUNT,
  ZERO_SEQ,
} from '../../integers.ts';
import { CERTIFICATES_MAX, PAYER_OUTBOX_MAX, UNCONFIRMED_MAX } from '../../limits.ts';
import { type Request, spentTop, topOf, type Voucher } from '../../vouchers.ts';
import { leaseFields, type MessageOf } from '../../wire/messages.ts';
import { recordTable, requestField, voucherField } from '../../wire/records.ts';
import {
  addressField,
  amountField,
  bytes32Field,
  channelField,
  type Infer,
  keyField,
  optional,
  secondsField,
  seqField,
  signatureField,
  struct,
  type TaggedOf,
  u16,
  u32,
} from '../../wire/schema.ts';
import { type Collected, collectedFields } from '../collected.ts';
import {
  type HubTrust,
  hubKeyFields,
  NO_TRUST,
  revokedKeyFields,
  withHubKey,
  withoutHubKey,
} from '../hub-keys.ts';

/** One payee that was ever paid. Never evicted: a forgotten lane would start again at zero. */
export interface PayerLane {
  readonly payee: Address;
  /** Promised: every voucher and tick that may have left the chip. */
  readonly paid: Amount;
  /** Where the newest confirmed voucher (or answered tick) stood; what other vouchers list. */
  readonly confirmedPaid: Amount;
  readonly confirmedSeq: Seq;
}

/** A voucher that may have reached its terminal; counted as spent, resent until it is answered. */
export interface UnconfirmedVoucher {
  readonly kind: 'voucher';
  readonly digest: Bytes32;
  readonly voucher: Voucher;
  readonly request: Request;
}

/** A tick that was revealed on a stream that is closed since, and never answered. */
export interface UnconfirmedTick {
  readonly kind: 'tick';
  readonly stream: Bytes32;
  readonly terminal: Address;
  readonly seq: Seq;
  readonly k: number;
  readonly preimage: Bytes32;
  readonly payee: Address;
  /** Where the tick left its lane. */
  readonly top: Amount;
}

export type Unconfirmed = UnconfirmedVoucher | UnconfirmedTick;

/** The stream that ticks may still be revealed on. Guarantees: spent and lane count `revealed` ticks already. */
export interface OpenStream {
  readonly digest: Bytes32;
  readonly voucher: Voucher & { readonly kind: 'stream' };
  readonly terminal: Address;
  readonly seed: Bytes32;
  readonly revealed: number;
}

export interface Certificate {
  readonly terminal: Address;
  readonly payee: Address;
  readonly expiresAt: Seconds;
}

/** A lease, and the hub's key that signed it: when that is taken back, the lease ends. */
export type Lease = MessageOf<'lease'> & { readonly signer: Address };

export interface PayerBooks {
  readonly channel: ChannelId | undefined;
  readonly seq: Seq;
  readonly spent: Amount;
  readonly lanes: readonly PayerLane[];
  readonly unconfirmed: readonly Unconfirmed[];
  /**
   * Vouchers that their terminal never took, by the hub's word: they hold up nothing and still count as spent. Kept for the
   * day on which the terminal is met and gives its credit; the oldest goes.
   */
  readonly writtenOff: readonly UnconfirmedVoucher[];
  readonly stream: OpenStream | undefined;
  readonly lease: Lease | undefined;
  readonly hub: HubTrust;
  /** Of the last registration: it only grows, so that no recorded one counts again. */
  readonly counter: number;
  readonly certificates: readonly Certificate[];
  /** Second copies for the hub, oldest first. */
  readonly outbox: readonly { readonly digest: Bytes32; readonly collected: Collected }[];
  /** Highest hub-signed time that was stored. */
  readonly time: Seconds;
  /** What it signed above its limits on the newest UTC day on which it did. */
  readonly cleared: ClearedDay;
}

/** A sum of one UTC day, counted in days since 1970. */
export interface ClearedDay {
  readonly day: number;
  readonly sum: Amount;
}

export const EMPTY_PAYER: PayerBooks = {
  channel: undefined,
  seq: ZERO_SEQ,
  spent: ZERO_AMOUNT,
  lanes: [],
  unconfirmed: [],
  writtenOff: [],
  stream: undefined,
  lease: undefined,
  hub: NO_TRUST,
  counter: 0,
  certificates: [],
  outbox: [],
  time: 0 as Seconds,
  cleared: { day: 0, sum: ZERO_AMOUNT },
};

const RECORDS = {
  // ---- what happens ----
  channelOpened: { number: 1, codec: struct({ channel: channelField }) },
  /** A voucher is about to be signed. `seed` only for a stream. */
  intent: {
    number: 2,
    codec: struct({
      digest: bytes32Field,
      voucher: voucherField,
      request: requestField,
      seed: optional(bytes32Field),
    }),
  },
  /** `signature` and `receipt` make a second copy for the hub; both absent when the hub itself confirmed. */
  confirmed: {
    number: 3,
    codec: struct({
      digest: bytes32Field,
      signature: optional(signatureField),
      key: optional(keyField),
      receipt: optional(signatureField),
    }),
  },
  voided: { number: 4, codec: struct({ digest: bytes32Field }) },
  /** Tick k is about to be revealed; so k - 1 was answered. */
  tickRevealed: { number: 5, codec: struct({ k: u16 }) },
  /** No tick follows; `preimage` is that of the last one when it was never answered. */
  streamClosed: { number: 6, codec: struct({ preimage: optional(bytes32Field) }) },
  tickConfirmed: { number: 7, codec: struct({ stream: bytes32Field, k: u16 }) },
  /** The terminal forgot the stream: nobody can say what became of its last tick, so it is written off. */
  tickForgotten: { number: 13, codec: struct({ stream: bytes32Field, k: u16 }) },
  lease: { number: 8, codec: struct({ ...leaseFields, signer: addressField }) },
  hubKey: { number: 9, codec: hubKeyFields },
  hubKeyRevoked: { number: 14, codec: revokedKeyFields },
  registering: { number: 15, codec: struct({ counter: u32 }) },
  /** The terminal handed everything in and the hub never had this voucher: it was not taken, and is not sent again. */
  writtenOff: { number: 16, codec: struct({ digest: bytes32Field }) },
  /** As `intent`, of a request that the hub cleared; on which UTC day of the hub's time, counted from 1970. */
  clearedIntent: {
    number: 17,
    codec: struct({ digest: bytes32Field, voucher: voucherField, request: requestField, day: u32 }),
  },
  certificate: {
    number: 10,
    codec: struct({ terminal: addressField, payee: addressField, expiresAt: secondsField }),
  },
  time: { number: 11, codec: struct({ at: secondsField }) },
  acknowledged: { number: 12, codec: struct({ digest: bytes32Field }) },
  // ---- only in snapshots ----
  head: {
    number: 20,
    codec: struct({ seq: seqField, spent: amountField, time: secondsField, counter: u32, epoch: u32 }),
  },
  lane: {
    number: 21,
    codec: struct({
      payee: addressField,
      paid: amountField,
      confirmedPaid: amountField,
      confirmedSeq: seqField,
    }),
  },
  unconfirmedVoucher: {
    number: 22,
    codec: struct({ digest: bytes32Field, voucher: voucherField, request: requestField }),
  },
  writtenOffVoucher: {
    number: 26,
    codec: struct({ digest: bytes32Field, voucher: voucherField, request: requestField }),
  },
  unconfirmedTick: {
    number: 23,
    codec: struct({
      stream: bytes32Field,
      terminal: addressField,
      seq: seqField,
      k: u16,
      preimage: bytes32Field,
      payee: addressField,
      top: amountField,
    }),
  },
  openStream: {
    number: 24,
    codec: struct({
      digest: bytes32Field,
      voucher: voucherField,
      terminal: addressField,
      seed: bytes32Field,
      revealed: u16,
    }),
  },
  clearedDay: { number: 27, codec: struct({ day: u32, sum: amountField }) },
  copy: { number: 25, codec: struct({ digest: bytes32Field, ...collectedFields }) },
} as const;

export type PayerRecord = TaggedOf<typeof RECORDS>;
type CopyRecord = Infer<(typeof RECORDS)['copy']['codec']>;
type TickEnded = PayerRecord & { readonly type: 'tickConfirmed' | 'tickForgotten' };
export const payerRecords = recordTable(RECORDS);

/** The lane of a payee, or an empty one. */
export function laneOf(books: PayerBooks, payee: Address): PayerLane {
  return (
    books.lanes.find((lane) => equalBytes(lane.payee, payee)) ?? {
      payee,
      paid: ZERO_AMOUNT,
      confirmedPaid: ZERO_AMOUNT,
      confirmedSeq: ZERO_SEQ,
    }
  );
}

function withLane(lanes: readonly PayerLane[], lane: PayerLane): readonly PayerLane[] {
  const index = lanes.findIndex((other) => equalBytes(other.payee, lane.payee));
  const next = lanes.slice();
  if (index < 0) next.push(lane);
  else next[index] = lane;
  return next;
}

/** The lane after a voucher or tick on it was confirmed; an older confirmation moves nothing. */
function confirmLane(books: PayerBooks, payee: Address, seq: Seq, top: Amount): readonly PayerLane[] {
  const lane = laneOf(books, payee);
  if (seq < lane.confirmedSeq || (seq === lane.confirmedSeq && top <= lane.confirmedPaid)) return books.lanes;
  return withLane(books.lanes, { ...lane, confirmedSeq: seq, confirmedPaid: top });
}

/** What was signed above the limits on this day; a day that is behind the newest counts as that one. */
export const clearedOn = ({ cleared }: PayerBooks, day: number): ClearedDay =>
  day > cleared.day ? { day, sum: ZERO_AMOUNT } : cleared;

function applyClearedIntent(books: PayerBooks, record: PayerRecord & { type: 'clearedIntent' }): PayerBooks {
  const { day, sum } = clearedOn(books, record.day);
  const cleared = { day, sum: addAmounts(sum, record.request.amount) };
  return { ...applyIntent(books, record), cleared };
}

function applyIntent(books: PayerBooks, record: Omit<PayerRecord & { type: 'intent' }, 'type'>): PayerBooks {
  const { voucher, request, digest, seed } = record;
  const stream: OpenStream | undefined =
    voucher.kind === 'stream' && seed !== undefined
      ? { digest, voucher, terminal: request.terminal, seed, revealed: 0 }
      : undefined;
  return {
    ...books,
    seq: voucher.seq,
    spent: voucher.spent,
    lanes: withLane(books.lanes, { ...laneOf(books, voucher.payee), paid: voucher.paid }),
    unconfirmed: [...books.unconfirmed, { kind: 'voucher', digest, voucher, request }],
    stream,
  };
}

function isVoucher(entry: Unconfirmed, digest: Bytes32): entry is UnconfirmedVoucher {
  return entry.kind === 'voucher' && equalBytes(entry.digest, digest);
}

/** The voucher with this digest that has no answer yet, written off or not. */
export const unansweredVoucher = (books: PayerBooks, digest: Bytes32): UnconfirmedVoucher | undefined =>
  unansweredVouchers(books).find((entry) => equalBytes(entry.digest, digest));

/** Every voucher that has no answer yet, written off or not. */
export const unansweredVouchers = (books: PayerBooks): readonly UnconfirmedVoucher[] => [
  ...books.unconfirmed.filter((entry): entry is UnconfirmedVoucher => entry.kind === 'voucher'),
  ...books.writtenOff,
];

function applyConfirmed(books: PayerBooks, record: PayerRecord & { type: 'confirmed' }): PayerBooks {
  const found = unansweredVoucher(books, record.digest);
  if (found === undefined) return books;
  const { voucher, request } = found;
  const { signature, receipt, key } = record;
  const copy =
    signature && receipt
      ? [
          {
            digest: found.digest,
            collected: { voucher, request, signature, receipt, ...(key && { key }) },
          },
        ]
      : [];
  return {
    ...books,
    unconfirmed: books.unconfirmed.filter((entry) => entry !== found),
    writtenOff: books.writtenOff.filter((entry) => entry !== found),
    lanes: confirmLane(books, voucher.payee, voucher.seq, voucher.paid),
    outbox: [...books.outbox, ...copy].slice(-PAYER_OUTBOX_MAX),
  };
}

function applyTick(books: PayerBooks, k: number): PayerBooks {
  const { stream } = books;
  if (stream === undefined) return books;
  const { voucher } = stream;
  const answered = confirmLane(books, voucher.payee, voucher.seq, topOf(voucher, k - 1));
  const lanes = withLane(answered, {
    ...laneOf({ ...books, lanes: answered }, voucher.payee),
    paid: topOf(voucher, k),
  });
  return { ...books, spent: spentTop(voucher, k), lanes, stream: { ...stream, revealed: k } };
}

function applyClosed(books: PayerBooks, preimage: Bytes32 | undefined): PayerBooks {
  const { stream } = books;
  if (stream === undefined) return books;
  const { voucher, revealed } = stream;
  if (preimage === undefined) {
    const confirmed = books.unconfirmed.some((entry) => isVoucher(entry, stream.digest))
      ? books.lanes
      : confirmLane(books, voucher.payee, voucher.seq, topOf(voucher, revealed));
    return { ...books, stream: undefined, lanes: confirmed };
  }
  const tick: UnconfirmedTick = {
    kind: 'tick',
    stream: stream.digest,
    terminal: stream.terminal,
    seq: voucher.seq,
    k: revealed,
    preimage,
    payee: voucher.payee,
    top: topOf(voucher, revealed),
  };
  return { ...books, stream: undefined, unconfirmed: [...books.unconfirmed, tick] };
}

function applyTickEnded(books: PayerBooks, { type, stream, k }: TickEnded): PayerBooks {
  const found = books.unconfirmed.find(
    (entry): entry is UnconfirmedTick =>
      entry.kind === 'tick' && entry.k === k && equalBytes(entry.stream, stream),
  );
  if (found === undefined) return books;
  return {
    ...books,
    unconfirmed: books.unconfirmed.filter((entry) => entry !== found),
    lanes: type === 'tickConfirmed' ? confirmLane(books, found.payee, found.seq, found.top) : books.lanes,
  };
}

function applyVoided(books: PayerBooks, digest: Bytes32): PayerBooks {
  const stream = books.stream && equalBytes(books.stream.digest, digest) ? undefined : books.stream;
  return {
    ...books,
    stream,
    unconfirmed: books.unconfirmed.filter((entry) => !isVoucher(entry, digest)),
    writtenOff: books.writtenOff.filter((entry) => !isVoucher(entry, digest)),
  };
}

function applyWrittenOff(books: PayerBooks, digest: Bytes32): PayerBooks {
  const found = books.unconfirmed.find((entry): entry is UnconfirmedVoucher => isVoucher(entry, digest));
  if (found === undefined) return books;
  const writtenOff = [...books.writtenOff, found].slice(-UNCONFIRMED_MAX);
  return { ...applyVoided(books, digest), writtenOff };
}

/** The books after a record. Total: a record that no longer applies changes nothing. */
export function applyRecord(books: PayerBooks, record: PayerRecord): PayerBooks {
  switch (record.type) {
    case 'channelOpened':
      return { ...books, channel: record.channel };
    case 'intent':
      return applyIntent(books, record);
    case 'clearedIntent':
      return applyClearedIntent(books, record);
    case 'clearedDay':
      return { ...books, cleared: { day: record.day, sum: record.sum } };
    case 'confirmed':
      return applyConfirmed(books, record);
    case 'voided':
      return applyVoided(books, record.digest);
    case 'writtenOff':
      return applyWrittenOff(books, record.digest);
    case 'tickRevealed':
      return applyTick(books, record.k);
    case 'streamClosed':
      return applyClosed(books, record.preimage);
    case 'tickConfirmed':
    case 'tickForgotten':
      return applyTickEnded(books, record);
    case 'lease':
      return { ...books, lease: record };
    case 'hubKey': {
      const { type: _, ...key } = record;
      // With a new epoch nothing counts that keys of the epochs before have signed.
      const lease = key.epoch > books.hub.epoch ? undefined : books.lease;
      return withHubKey({ ...books, lease }, key);
    }
    case 'hubKeyRevoked': {
      const { address, at } = record;
      const ends = books.lease !== undefined && equalBytes(books.lease.signer, address);
      return withoutHubKey({ ...books, lease: ends ? undefined : books.lease }, { address, at });
    }
    case 'registering':
      return { ...books, counter: record.counter };
    case 'certificate': {
      // By terminal and payee: any payee can certify any terminal, and must not push out the right one's.
      const others = books.certificates.filter(
        (known) => !equalBytes(known.terminal, record.terminal) || !equalBytes(known.payee, record.payee),
      );
      const { type: _, ...certificate } = record;
      return { ...books, certificates: [...others, certificate].slice(-CERTIFICATES_MAX) };
    }
    case 'time':
      return { ...books, time: record.at > books.time ? record.at : books.time };
    case 'acknowledged':
      return { ...books, outbox: books.outbox.filter((entry) => !equalBytes(entry.digest, record.digest)) };
    case 'head':
      return {
        ...books,
        seq: record.seq,
        spent: record.spent,
        time: record.time,
        counter: record.counter,
        hub: { ...NO_TRUST, epoch: record.epoch },
      };
    case 'lane': {
      const { type: _, ...lane } = record;
      return { ...books, lanes: withLane(books.lanes, lane) };
    }
    case 'unconfirmedVoucher': {
      const { type: _, ...fields } = record;
      return { ...books, unconfirmed: [...books.unconfirmed, { ...fields, kind: 'voucher' }] };
    }
    case 'writtenOffVoucher': {
      const { type: _, ...fields } = record;
      return { ...books, writtenOff: [...books.writtenOff, { ...fields, kind: 'voucher' }] };
    }
    case 'unconfirmedTick': {
      const { type: _, ...fields } = record;
      return { ...books, unconfirmed: [...books.unconfirmed, { ...fields, kind: 'tick' }] };
    }
    case 'openStream': {
      const { type: _, voucher, ...fields } = record;
      return voucher.kind === 'stream' ? { ...books, stream: { ...fields, voucher } } : books;
    }
    case 'copy': {
      const { type: _, digest, ...collected } = record;
      return { ...books, outbox: [...books.outbox, { digest, collected }] };
    }
    default:
      return unreachable(record);
  }
}

/** Records that rebuild the books from EMPTY_PAYER, made one by one: all at once would not fit a chip beside full books. */
export function* eachRecord(books: PayerBooks): Generator<PayerRecord, void> {
  if (books.channel !== undefined) yield { type: 'channelOpened', channel: books.channel };
  const { seq, spent, time, counter, hub } = books;
  yield { type: 'head', seq, spent, time, counter, epoch: hub.epoch };
  for (const key of hub.certified) yield { ...key, type: 'hubKey' };
  for (const key of hub.revoked) yield { ...key, type: 'hubKeyRevoked' };
  if (books.cleared.sum > 0) yield { type: 'clearedDay', ...books.cleared };
  if (books.lease !== undefined) yield books.lease;
  for (const certificate of books.certificates) yield { ...certificate, type: 'certificate' };
  for (const lane of books.lanes) yield { ...lane, type: 'lane' };
  for (const entry of books.unconfirmed) {
    if (entry.kind === 'voucher') yield { ...entry, type: 'unconfirmedVoucher' };
    else yield { ...entry, type: 'unconfirmedTick' };
  }
  for (const entry of books.writtenOff) yield { ...entry, type: 'writtenOffVoucher' };
  if (books.stream !== undefined) yield { ...books.stream, type: 'openStream' };
  for (const { digest, collected } of books.outbox)
    yield { type: 'copy', digest, ...collected } satisfies { type: 'copy' } & CopyRecord;
}

/** The same as a list. */
export const snapshot = (books: PayerBooks): PayerRecord[] => [...eachRecord(books)];
