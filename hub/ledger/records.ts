/**
 * What stands in the ledger: one table of record kinds, in the same CBOR as the wire. Every record carries the
 * version that wrote it and the oldest reader that understands it. Kinds are never used again for something else.
 */
import { SundialError } from '../../protocol/errors.ts';
import { LISTED_LANES_MAX, PACK_ENTRY_BYTES_MAX } from '../../protocol/limits.ts';
import { DecodeError, Reader, Writer } from '../../protocol/wire/cbor.ts';
import {
  addressField,
  amountField,
  bytes32Field,
  bytesBetween,
  channelField,
  heightField,
  type Codec,
  list,
  optional,
  secondsField,
  seqField,
  signatureField,
  struct,
  type TaggedOf,
  u8,
  u16,
  u32,
} from '../../protocol/wire/schema.ts';
import { batchLanesMax, evidenceMax, transactionBytesMax } from '../limits.ts';

const listedLane = struct({ payee: addressField, paid: amountField });

/** One row of a batch: which entry, and how it was put. `k`: ticks revealed, 0 for none. */
const batchRow = struct({
  entry: bytes32Field,
  k: u16,
  lanes: list(listedLane, LISTED_LANES_MAX),
  credited: optional(amountField),
});

export const RECORDS = {
  /** A voucher, stream, tick or credit as the device sent it; `id` is what gets acknowledged, `at` the L2 time. */
  entry: {
    number: 1,
    codec: struct({ id: bytes32Field, at: secondsField, message: bytesBetween(1, PACK_ENTRY_BYTES_MAX) }),
  },
  /**
   * Vouchers of one channel that prove fraud; `proof` 1: two with one seq (E1), 2: two whose amounts overlap (E2),
   * 3: as many as show lanes above what was spent (E3).
   */
  evidence: {
    number: 2,
    codec: struct({ proof: u8, channel: channelField, entries: list(bytes32Field, evidenceMax) }),
  },
  /** A lease before it is signed; `seq` is what the payer declared. */
  lease: {
    number: 3,
    codec: struct({
      channel: channelField,
      seq: seqField,
      payer: addressField,
      spentFrom: amountField,
      spendLimit: amountField,
      tapLimit: amountField,
      cap: amountField,
      guarantee: amountField,
      issuedAt: secondsField,
      expiresAt: secondsField,
      scope: bytes32Field,
    }),
  },
  /** The list behind a voucher's `lanes`. */
  statement: {
    number: 4,
    codec: struct({ voucher: bytes32Field, lanes: list(listedLane, LISTED_LANES_MAX) }),
  },
  /** A terminal that may take leases of a scope. */
  member: {
    number: 5,
    codec: struct({ scope: bytes32Field, terminal: addressField, expiresAt: secondsField }),
  },
  /** A channel on the revocation list (1) or off it again (0). */
  revocation: { number: 6, codec: struct({ channel: channelField, revoked: u8 }) },
  /** A signed settlement before it is sent for the first time. */
  batchIntent: {
    number: 7,
    codec: struct({
      batch: u32,
      transaction: bytes32Field,
      nonce: u32,
      raw: bytesBetween(1, transactionBytesMax),
      rows: list(batchRow, batchLanesMax),
    }),
  },
  /** What became of it. `state` 1: mined, 2: reverted, 3: another transaction took its nonce. */
  batchOutcome: {
    number: 8,
    codec: struct({ batch: u32, transaction: bytes32Field, state: u8, gas: u32, block: heightField }),
  },
  /** A terminal's word that everything it accepted for requests up to `at` is in the ledger. */
  synced: {
    number: 9,
    codec: struct({ terminal: addressField, at: secondsField, signature: signatureField }),
  },
  /** What is reserved for one request (its hash in `request`, opened beside it), before the clearance is signed. */
  clearance: {
    number: 11,
    codec: struct({
      channel: channelField,
      payer: addressField,
      spentFrom: amountField,
      spendLimit: amountField,
      request: bytes32Field,
      terminal: addressField,
      amount: amountField,
      at: secondsField,
      detail: bytes32Field,
      issuedAt: secondsField,
      expiresAt: secondsField,
    }),
  },
  /** The terminal of a request said, at this L2 time, that it takes no voucher for it any more. */
  clearanceEnded: {
    number: 12,
    codec: struct({ request: bytes32Field, at: secondsField, signature: signatureField }),
  },
  /** A payee's word that none of its terminals holds a voucher of the channel under a lease that ended by `until`. */
  released: {
    number: 10,
    codec: struct({
      channel: channelField,
      payee: addressField,
      until: secondsField,
      signature: signatureField,
    }),
  },
  /** A position that may have been signed for a record that is gone: `sundial hub recover` passes over it. */
  lost: { number: 20, codec: struct({ at: secondsField }) },
} as const satisfies Record<string, { number: number; codec: Codec<unknown> }>;

/** One record, `type` naming its kind. */
export type HubRecord = TaggedOf<typeof RECORDS>;
export type RecordOf<N extends HubRecord['type']> = Extract<HubRecord, { type: N }>;

const VERSION = 2;
const MIN_READER = 2;

const byNumber = new Map<number, { name: HubRecord['type']; codec: Codec<unknown> }>(
  (Object.entries(RECORDS) as [HubRecord['type'], { number: number; codec: Codec<unknown> }][]).map(
    ([name, { number, codec }]) => [number, { name, codec }],
  ),
);

/** The bytes of a record: the array [version, minReader, kind, fields]. */
export function encodeRecord(record: HubRecord): Uint8Array {
  const writer = new Writer();
  const { number, codec }: { number: number; codec: Codec<unknown> } = RECORDS[record.type];
  writer.array(4);
  writer.uint(VERSION);
  writer.uint(MIN_READER);
  writer.uint(number);
  codec.write(writer, record);
  return writer.finish();
}

/** Reads a record of the ledger. Throws `record_newer` or `record_damaged` (severity process) with its position. */
export function decodeRecord(bytes: Uint8Array, position: number): HubRecord {
  try {
    const reader = new Reader(bytes);
    if (reader.array(4) !== 4) throw new DecodeError('malformed', 'not four fields', 0);
    reader.uint(0xffff);
    const minReader = reader.uint(0xffff);
    const kind = byNumber.get(reader.uint(0xffff));
    if (minReader > VERSION || kind === undefined) {
      throw new SundialError('record_newer', `the record at position ${position} is of a newer version`, {
        severity: 'process',
        remedy: 'Start the version of the hub that wrote it, or a later one.',
        facts: { position, minReader },
      });
    }
    const fields = kind.codec.read(reader) as object;
    reader.finish();
    return { type: kind.name, ...fields } as HubRecord;
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new SundialError('record_damaged', `the record at position ${position} can't be read`, {
      severity: 'process',
      remedy: 'Its checksum is right, so this is a mistake of the program: report it with the record.',
      facts: { position },
      cause,
    });
  }
}
