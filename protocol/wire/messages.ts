/**
 * The one table of all messages: number, fields, types. Codec, TypeScript type and largest size follow from it.
 * On the wire a message is the CBOR array [version, number, ...fields]. Even numbers are mandatory (a receiver that
 * does not know one refuses it), odd ones may be skipped. Numbers are never used again.
 */
import { SundialError } from '../errors.ts';
import {
  CURRENCY_BYTES_MAX,
  LISTED_LANES_MAX,
  PACK_ENTRIES_MAX,
  PACK_ENTRY_BYTES_MAX,
  REVOCATIONS_MAX,
  SYNC_MESSAGE_BYTES_MAX,
  TAP_MESSAGE_BYTES_MAX,
} from '../limits.ts';
import type { RefusalName } from '../refusals.ts';
import { DecodeError, Reader } from './cbor.ts';
import {
  addressField,
  amountField,
  arrayStart,
  asciiText,
  bytes16Field,
  bytes32Field,
  bytesBetween,
  type Codec,
  channelField,
  heightField,
  type Infer,
  keyField,
  list,
  optional,
  positionField,
  secondsField,
  seqField,
  signatureField,
  type StructCodec,
  struct,
  type TaggedOf,
  u8,
  u16,
  u32,
  u48,
} from './schema.ts';

/** Version of the wire format, the first item of every message. */
export const WIRE_VERSION = 2;

const listedLane = struct({ payee: addressField, paid: amountField });

/** What is signed in a voucher, without what the terminal knows itself. */
const tapVoucher = {
  channel: channelField,
  seq: seqField,
  spent: amountField,
  paid: amountField,
} as const;

/** The terminal's side of a request that its hash commits to, without currency and challenge (they hide in detail). */
const opened = {
  terminal: addressField,
  amount: amountField,
  at: secondsField,
  detail: bytes32Field,
} as const;

/** What a stream commits to beside a voucher. */
const chain = { anchor: bytes32Field, tickValue: amountField, ticks: u16 } as const;

const details = {
  currency: asciiText(CURRENCY_BYTES_MAX),
  challenge: bytes16Field,
  meter: optional(bytes32Field),
  quote: optional(bytes32Field),
} as const;

/** A lease, as it is signed and carried. */
export const leaseFields = {
  channel: channelField,
  payer: addressField,
  spentFrom: amountField,
  spendLimit: amountField,
  tapLimit: amountField,
  /** Most that this channel may owe at one terminal, ticks included: H of them are what a copy can cost (rule 10). */
  cap: amountField,
  /** What the reserve answers for beside the bond. */
  guarantee: amountField,
  issuedAt: secondsField,
  expiresAt: secondsField,
  scope: bytes32Field,
  signature: signatureField,
} as const;

export type Direction =
  | 'payer to terminal'
  | 'terminal to payer'
  | 'both'
  | 'device to hub'
  | 'hub to device';

interface Row {
  readonly number: number;
  readonly direction: Direction;
  readonly codec: StructCodec<unknown>;
  /** The envelope's bytes in front of the fields. */
  readonly start: Uint8Array;
}

function row<const F extends Record<string, Codec<unknown>>>(
  number: number,
  direction: Direction,
  fields: F,
) {
  const start = arrayStart(3, WIRE_VERSION, number);
  return { number, direction, codec: struct(fields), start } as const;
}

export const MESSAGES = {
  // ---- tap link ----
  hello: row(2, 'payer to terminal', {
    channel: channelField,
    payer: addressField,
    key: optional(keyField),
    lease: optional(bytes32Field),
  }),
  request: row(4, 'terminal to payer', {
    terminal: addressField,
    payee: addressField,
    amount: amountField,
    at: secondsField,
    ...details,
  }),
  streamRequest: row(6, 'terminal to payer', {
    terminal: addressField,
    payee: addressField,
    at: secondsField,
    ...details,
    tickValue: amountField,
    ticks: u16,
  }),
  need: row(8, 'both', { what: u8 }),
  certificate: row(10, 'terminal to payer', {
    terminal: addressField,
    payee: addressField,
    expiresAt: secondsField,
    signature: signatureField,
  }),
  lease: row(12, 'both', leaseFields),
  voucher: row(14, 'payer to terminal', {
    ...tapVoucher,
    lanes: bytes16Field,
    signature: signatureField,
  }),
  stream: row(16, 'payer to terminal', { ...tapVoucher, anchor: bytes32Field, signature: signatureField }),
  resolveVoucher: row(18, 'payer to terminal', {
    ...tapVoucher,
    lanes: bytes16Field,
    ...opened,
    signature: signatureField,
  }),
  resolveStream: row(20, 'payer to terminal', {
    ...tapVoucher,
    ...chain,
    terminal: addressField,
    at: secondsField,
    detail: bytes32Field,
    signature: signatureField,
  }),
  tick: row(22, 'payer to terminal', {
    channel: channelField,
    seq: seqField,
    k: u16,
    preimage: bytes32Field,
  }),
  tickAnswer: row(24, 'terminal to payer', { channel: channelField, seq: seqField, k: u16 }),
  receipt: row(26, 'terminal to payer', { voucher: bytes32Field, signature: signatureField }),
  credit: row(28, 'terminal to payer', {
    voucher: bytes32Field,
    credited: amountField,
    signature: signatureField,
  }),
  refusal: row(30, 'both', { code: u8, subject: optional(bytes32Field), bound: optional(u48) }),
  end: row(32, 'payer to terminal', { channel: channelField, seq: seqField }),
  cancel: row(34, 'terminal to payer', { request: bytes32Field }),
  /**
   * The hub's word, which a payer carries to its terminal: a ledger of `size` entries holds no such entry, although
   * `terminal` had said by then that everything up to `synced` is handed in (0: it said nothing, or was not asked about).
   */
  unknown: row(36, 'both', {
    entry: bytes32Field,
    size: positionField,
    terminal: addressField,
    synced: secondsField,
    signature: signatureField,
  }),
  /** A request above the offline limits, shown before it is one: will the customer sign for it, should the hub cover it? */
  clearanceQuestion: row(38, 'terminal to payer', {
    terminal: addressField,
    payee: addressField,
    amount: amountField,
    at: secondsField,
    ...details,
  }),

  // ---- device and hub ----
  /** Signed over Register{hub, device, payee, counter}; the payee is zero where there is none. */
  register: row(40, 'device to hub', {
    device: addressField,
    role: u8,
    channel: optional(channelField),
    payee: optional(addressField),
    certificateExpiresAt: optional(secondsField),
    certificate: optional(signatureField),
    entropyCertified: u8,
    counter: u32,
    signature: signatureField,
    key: optional(keyField),
  }),
  collectedVoucher: row(42, 'device to hub', {
    ...tapVoucher,
    payee: addressField,
    lanes: bytes16Field,
    ...opened,
    signature: signatureField,
    key: optional(keyField),
    receipt: optional(signatureField),
    credit: optional(signatureField),
    lease: optional(bytes32Field),
  }),
  collectedStream: row(44, 'device to hub', {
    ...tapVoucher,
    payee: addressField,
    ...chain,
    terminal: addressField,
    at: secondsField,
    detail: bytes32Field,
    signature: signatureField,
    key: optional(keyField),
    receipt: optional(signatureField),
    credit: optional(signatureField),
    lease: optional(bytes32Field),
  }),
  collectedTick: row(46, 'device to hub', {
    channel: channelField,
    seq: seqField,
    stream: bytes32Field,
    k: u16,
    preimage: bytes32Field,
  }),
  collectedCredit: row(48, 'device to hub', {
    channel: channelField,
    seq: seqField,
    voucher: bytes32Field,
    credited: amountField,
    signature: signatureField,
    byPayee: u8,
  }),
  pack: row(50, 'device to hub', { entries: list(bytesBetween(1, PACK_ENTRY_BYTES_MAX), PACK_ENTRIES_MAX) }),
  acknowledgement: row(52, 'hub to device', {
    entry: bytes32Field,
    position: positionField,
    at: secondsField,
    signature: signatureField,
  }),
  rejection: row(54, 'hub to device', { entry: bytes32Field, code: u8 }),
  leaseRequest: row(56, 'device to hub', {
    channel: channelField,
    seq: seqField,
    spent: amountField,
    at: secondsField,
    scope: bytes32Field,
    signature: signatureField,
    key: optional(keyField),
  }),
  beacon: row(58, 'hub to device', {
    at: secondsField,
    height: heightField,
    revocations: bytes32Field,
    checkpoint: bytes32Field,
    /** Of the question that it answers; zero in a beacon to all. */
    nonce: bytes16Field,
    signature: signatureField,
  }),
  revocations: row(60, 'hub to device', { channels: list(u32, REVOCATIONS_MAX) }),
  /** A certificate of the hub's root for a key that signs from day to day. */
  hubKey: row(62, 'both', {
    key: addressField,
    from: secondsField,
    until: secondsField,
    epoch: u32,
    signedAt: secondsField,
    signature: signatureField,
  }),
  member: row(64, 'hub to device', {
    scope: bytes32Field,
    terminal: addressField,
    expiresAt: secondsField,
    signature: signatureField,
  }),
  statement: row(66, 'device to hub', {
    channel: channelField,
    seq: seqField,
    lanes: list(listedLane, LISTED_LANES_MAX),
  }),
  query: row(68, 'device to hub', {
    channel: channelField,
    seq: seqField,
    entry: bytes32Field,
    terminal: optional(addressField),
  }),
  synced: row(70, 'device to hub', { terminal: addressField, at: secondsField, signature: signatureField }),
  settled: row(71, 'hub to device', {
    channel: channelField,
    payee: addressField,
    paid: amountField,
    transaction: bytes32Field,
  }),
  /** The password of a connection: signed over Login{hub, device, counter}. */
  login: row(72, 'device to hub', {
    device: addressField,
    counter: u32,
    signature: signatureField,
    key: optional(keyField),
  }),
  /** What time is it? Only a beacon with this nonce is a time basis. */
  timeQuestion: row(74, 'device to hub', { nonce: bytes16Field }),
  /** The root's word that a key counts no more, never to be undone. */
  hubKeyRevoked: row(76, 'both', { key: addressField, at: secondsField, signature: signatureField }),
  /** A payee's word that none of its terminals holds a voucher of this channel under a lease that ended by `until`. */
  released: row(78, 'device to hub', {
    channel: channelField,
    payee: addressField,
    until: secondsField,
    signature: signatureField,
  }),
  /** The entry is durable in the ledger, but not covered yet: it leaves the outbox and still counts against the caps. */
  kept: row(80, 'hub to device', {
    entry: bytes32Field,
    position: positionField,
    at: secondsField,
    signature: signatureField,
  }),
  /** A payer's LeaseRequest whose scope is the hash of this opened request: will the hub reserve the amount? */
  clearanceRequest: row(82, 'device to hub', {
    channel: channelField,
    seq: seqField,
    spent: amountField,
    askedAt: secondsField,
    ...opened,
    signature: signatureField,
    key: optional(keyField),
  }),
  /** The terminal's word that the request was dropped and that it takes no voucher for it any more. */
  clearanceEnded: row(84, 'device to hub', { request: bytes32Field, signature: signatureField }),
} as const satisfies Record<string, Row>;

export type MessageName = keyof typeof MESSAGES;
export type Message = TaggedOf<typeof MESSAGES>;
/** The fields of one message, with its `type`. */
export type MessageOf<N extends MessageName> = { readonly type: N } & Infer<(typeof MESSAGES)[N]['codec']>;

/** What `need` asks for. */
export const NEED = { hello: 1, certificate: 2, lease: 3 } as const;

/** What a device says it is when it registers. */
export const ROLES = { wearable: 1, pos: 2, charger: 3, car: 4 } as const;

const byNumber: { readonly name: MessageName; readonly codec: StructCodec<unknown> }[] = [];
for (const [name, { number, codec }] of Object.entries(MESSAGES) as [MessageName, Row][])
  byNumber[number] = { name, codec };

/** Heads of [version, number, ...]: the array head that the struct's size counts already, version, number. */
const ENVELOPE_BYTES = 1 + 3;

/** Largest size on the wire, bytes, of a message of this name. */
export function messageBytesMax(name: MessageName): number {
  return MESSAGES[name].codec.sizeMax + ENVELOPE_BYTES;
}

/** The bytes of a message. Throws SundialError when a field is out of its range. */
export function encodeMessage(message: Message): Uint8Array {
  const { codec, start }: Row = MESSAGES[message.type];
  return codec.encode(start, message);
}

export type Decoded =
  | { readonly ok: true; readonly message: Message }
  /** An unknown odd number: not an error. */
  | { readonly ok: true; readonly message: undefined }
  | { readonly ok: false; readonly code: RefusalName };

/** Which link the bytes came over: it bounds their size before anything is parsed. */
export type Medium = 'tap' | 'sync';

/** Strictly decodes one message; never throws on bytes from outside, names the refusal instead. */
export function decodeMessage(bytes: Uint8Array, medium: Medium): Decoded {
  if (bytes.length > (medium === 'tap' ? TAP_MESSAGE_BYTES_MAX : SYNC_MESSAGE_BYTES_MAX))
    return { ok: false, code: 'too_large' };
  try {
    // Almost always an envelope of this version and a number of one byte; what is not is read head by head.
    let number = bytes[2]!;
    let start = 3;
    if (number === 24) {
      number = bytes[3]!;
      start = 4;
    }
    if (bytes[0] !== 0x83 || bytes[1] !== WIRE_VERSION || !(start === 3 ? number < 24 : number >= 24)) {
      const reader = new Reader(bytes);
      if (reader.array(3) !== 3) return { ok: false, code: 'malformed' };
      if (reader.uint(255) !== WIRE_VERSION) return { ok: false, code: 'version_unknown' };
      number = reader.uint(0xffff);
      start = reader.position;
    }
    const found = byNumber[number];
    if (found === undefined)
      return number % 2 === 1 ? { ok: true, message: undefined } : { ok: false, code: 'message_unknown' };
    return { ok: true, message: found.codec.decode(bytes, start, found.name) as Message };
  } catch (error) {
    if (error instanceof DecodeError) return { ok: false, code: error.fault };
    throw error;
  }
}

/** decodeMessage for bytes that this program wrote itself: throws `own_bytes` when they don't decode. */
export function decodeOwn(bytes: Uint8Array): Message {
  const decoded = decodeMessage(bytes, 'sync');
  if (decoded.ok && decoded.message !== undefined) return decoded.message;
  throw new SundialError('own_bytes', 'stored bytes are no message of this version', {
    severity: 'device',
    remedy: 'Restore the storage from before the damage, or use the version that wrote it.',
  });
}
