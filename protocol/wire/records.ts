/**
 * Stored records: the journal's counterpart of messages.ts. A record is the CBOR array
 * [version, minReader, number, fields]. A reader older than minReader must not act on the journal at all.
 */
import { SundialError } from '../errors.ts';
import type { PlainVoucher, Request, StreamVoucher, Voucher } from '../vouchers.ts';
import { DecodeError, Reader } from './cbor.ts';
import {
  addressField,
  amountField,
  arrayStart,
  bytes16Field,
  bytes32Field,
  type Codec,
  channelField,
  secondsField,
  seqField,
  struct,
  type TaggedOf,
  u8,
  u16,
  type Variant,
} from './schema.ts';

/** Version of the records that this release writes. */
export const RECORD_VERSION = 4;
/** The oldest release whose rules these records still follow. */
export const RECORD_MIN_READER = 4;

/** The oldest version of records that this release can read, all of version 2 or 3: before it leases and hub keys were others. */
const OLDEST_VERSION = 2;

/** What is left to do with a device whose storage can't be trusted. */
export const DAMAGED_REMEDY =
  'The device signs nothing more. Let it meet its hub, which takes what still checks; then replace the device.';

const common = {
  channel: channelField,
  seq: seqField,
  spent: amountField,
  payee: addressField,
  paid: amountField,
  request: bytes32Field,
} as const;
const plain = struct({ ...common, lanes: bytes16Field });
const stream = struct({ ...common, anchor: bytes32Field, tickValue: amountField, ticks: u16 });

/** Bytes of a voucher's field at most, by kind. */
export const VOUCHER_BYTES = { voucher: 2 + plain.sizeMax, stream: 2 + stream.sizeMax } as const;

/** A voucher of either kind: [0, plain] or [1, stream]. */
export const voucherField: Codec<Voucher> = {
  name: 'voucher',
  sizeMax: Math.max(VOUCHER_BYTES.voucher, VOUCHER_BYTES.stream),
  write(writer, value) {
    writer.array(2);
    writer.uint(value.kind === 'stream' ? 1 : 0);
    if (value.kind === 'stream') stream.write(writer, value);
    else plain.write(writer, value);
  },
  read(reader) {
    if (reader.array(2) !== 2) throw new DecodeError('malformed', 'a voucher has two parts', 0);
    return reader.uint(1) === 1
      ? ({ kind: 'stream', ...stream.read(reader) } satisfies StreamVoucher)
      : ({ kind: 'voucher', ...plain.read(reader) } satisfies PlainVoucher);
  },
};

/** The opened request. */
export const requestField: Codec<Request> = struct({
  terminal: addressField,
  amount: amountField,
  at: secondsField,
  detail: bytes32Field,
});

export const flag: Codec<boolean> = {
  name: 'flag',
  sizeMax: u8.sizeMax,
  item: { kind: 'flag' },
  write: (writer, value) => writer.uint(value ? 1 : 0),
  read: (reader) => reader.uint(1) === 1,
};

/** Encodes and decodes the records of one machine. */
export interface RecordTable<R extends { readonly type: string }> {
  /** Every type of record. */
  readonly names: readonly string[];
  /** Bytes as they stand in the journal. */
  encode(record: R): Uint8Array;
  /** Throws SundialError `journal_newer` for a record of a newer rule set, `journal_corrupt` for anything else. */
  decode(bytes: Uint8Array): R;
  /** Bytes of the largest record of a type. */
  sizeMax(type: R['type']): number;
}

/** Makes the codec of a table of records. */
export function recordTable<const T extends Record<string, Variant>>(table: T): RecordTable<TaggedOf<T>> {
  const byNumber = new Map<number, { name: string; codec: Variant['codec'] }>();
  const starts: Record<string, Uint8Array> = {};
  const names: string[] = [];
  for (const [name, { number, codec }] of Object.entries(table)) {
    byNumber.set(number, { name, codec });
    starts[name] = arrayStart(4, RECORD_VERSION, RECORD_MIN_READER, number);
    names.push(name);
  }
  return {
    names,
    encode: (record) => table[record.type]!.codec.encode(starts[record.type]!, record),
    sizeMax: (type) => starts[type]!.length + table[type]!.codec.sizeMax,
    decode(bytes) {
      try {
        const reader = new Reader(bytes);
        if (reader.array(4) !== 4) throw new DecodeError('malformed', 'a record has four parts', 0);
        const version = reader.uint(0xffff);
        const minReader = reader.uint(0xffff);
        if (minReader > RECORD_VERSION) throw newerJournal(version, minReader);
        if (version < OLDEST_VERSION) throw olderJournal(version);
        const row = byNumber.get(reader.uint(0xffff));
        if (row === undefined) throw new DecodeError('malformed', 'an unknown record', 0);
        return row.codec.decode(bytes, reader.position, row.name) as TaggedOf<T>;
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        throw new SundialError('journal_corrupt', 'a stored record does not decode', {
          severity: 'device',
          remedy: DAMAGED_REMEDY,
          cause: error,
        });
      }
    },
  };
}

/** What is said of a journal from before the first release of this wire. */
function olderJournal(version: number): SundialError {
  return new SundialError('journal_older', `the journal is of version ${version}`, {
    severity: 'device',
    remedy: 'Run the firmware that wrote it until its outbox is empty, then provision the device anew.',
    facts: { version },
  });
}

/** What an older reader says of a newer journal. */
export function newerJournal(version: number, minReader: number): SundialError {
  return new SundialError('journal_newer', `the journal needs a reader of version ${minReader}`, {
    severity: 'device',
    remedy: 'Install the firmware that wrote this journal, or a newer one; nothing is lost meanwhile.',
    facts: { version, minReader, reader: RECORD_VERSION },
  });
}
