/**
 * Computes the vector files from the code: wire.json, records.json, signatures.json, vouchers.json, claims.json. `write.mjs` stores
 * them, and the suite fails when a stored file differs. digests.json is not ours to compute: viem writes it
 * (contracts/tools/digests.mjs).
 */
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { addressOfKey, nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { type PayerRecord, payerRecords } from '../../protocol/machines/payer/books.ts';
import { type TerminalRecord, terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { detailHash, hashChain, lanesHash, tickEntry, type Voucher } from '../../protocol/vouchers.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { randomFrom } from '../protocol/random.ts';
import { claims } from './claims.ts';
import { plain } from './json.ts';
import { type Field, fieldsOf, SPEC } from './spec.ts';

type Style = 'least' | 'most' | 'typical';

const hexOf = (bytes: Uint8Array): string => toHex(bytes);

/** A value of a type: the least, the most, or a typical one that is the same in every run. */
function valueOf(type: string, style: Style, seed: number): unknown {
  const random = randomFrom(seed);
  if (type.startsWith('u')) {
    const max = 2 ** Number(type.slice(1)) - 1;
    if (style === 'least') return 0;
    return style === 'most' ? max : Math.floor((random.next() / 2 ** 32) * max);
  }
  if (type.startsWith('text')) {
    const longest = '~'.repeat(Number(type.slice(4)));
    return style === 'least' ? '' : style === 'most' ? longest : 'TIME';
  }
  const count = style === 'least' ? 0 : style === 'most' ? 32 : 3;
  const items = Array.from({ length: count }, (_, index) => seed + index);
  if (type === 'list<bytes>') return items.map((item) => randomFrom(item).bytes(style === 'most' ? 468 : 20));
  if (type === 'list<u32>') return items.map((item) => valueOf('u32', style, item));
  if (type === 'list<lane>')
    return items.map((item) => ({ payee: valueOf('20', style, item), paid: valueOf('u48', style, item + 1) }));
  const length = Number(type);
  if (style === 'typical') return random.bytes(length);
  return new Uint8Array(length).fill(style === 'least' ? 0 : 0xff);
}

/** A message of each style: `least` has no optional field, `most` has them all. */
function sample(name: string, style: Style): Message {
  const message: Record<string, unknown> = { type: name };
  fieldsOf(name).forEach((field: Field, index) => {
    if (field.optional && (style === 'least' || (style === 'typical' && index % 2 === 0))) return;
    message[field.name] = valueOf(field.type, style, SPEC[name]![0] * 100 + index);
  });
  return message as unknown as Message;
}

export function wire(): unknown {
  return Object.entries(SPEC).flatMap(([name, [number]]) =>
    (['least', 'most', 'typical'] as const).map((style) => {
      const message = sample(name, style);
      const { type: _, ...fields } = message;
      return { name, number, style, fields: plain(fields), hex: hexOf(encodeMessage(message)) };
    }),
  );
}

const bytes = (length: number, seed: number): Uint8Array => randomFrom(seed).bytes(length);
const shared = {
  channel: 7,
  seq: 3,
  spent: 281_474_976_710_655,
  payee: bytes(20, 1),
  paid: 4_294_967_296,
  request: bytes(32, 2),
} as never;
const plainVoucher = { kind: 'voucher', ...(shared as object), lanes: bytes(16, 3) } as Voucher;
const streamVoucher = {
  kind: 'stream',
  ...(shared as object),
  anchor: bytes(32, 4),
  tickValue: 20_000,
  ticks: 256,
} as Voucher;
const request = { terminal: bytes(20, 5), amount: 1_000, at: 1_790_000_000, detail: bytes(32, 6) } as never;
const digest = bytes(32, 7);
const signature = bytes(64, 8);
const key = bytes(64, 9);
const collected = { voucher: plainVoucher, request, signature };

const PAYER: readonly unknown[] = [
  { type: 'channelOpened', channel: 7 },
  { type: 'intent', digest, voucher: plainVoucher, request },
  { type: 'intent', digest, voucher: streamVoucher, request, seed: bytes(32, 10) },
  { type: 'clearedIntent', digest, voucher: plainVoucher, request, day: 20_717 },
  { type: 'clearedDay', day: 20_717, sum: 1_000 as never },
  { type: 'confirmed', digest },
  { type: 'confirmed', digest, signature, key, receipt: signature },
  { type: 'voided', digest },
  { type: 'tickRevealed', k: 256 },
  { type: 'streamClosed' },
  { type: 'streamClosed', preimage: digest },
  { type: 'tickConfirmed', stream: digest, k: 1 },
  { type: 'tickForgotten', stream: digest, k: 256 },
  { ...sample('lease', 'typical'), signer: bytes(20, 21) },
  { type: 'hubKey', address: bytes(20, 11), from: 0, until: 1_099_511_627_775, epoch: 0, signedAt: 7 },
  { type: 'hubKeyRevoked', address: bytes(20, 22), at: 1_790_000_000 },
  { type: 'registering', counter: 4_294_967_295 },
  { type: 'writtenOff', digest },
  { type: 'certificate', terminal: bytes(20, 12), payee: bytes(20, 13), expiresAt: 1_790_000_000 },
  { type: 'time', at: 1_790_000_000 },
  { type: 'acknowledged', digest },
  { type: 'head', seq: 4_294_967_295, spent: 1, time: 2, counter: 3, epoch: 4 },
  { type: 'lane', payee: bytes(20, 14), paid: 3, confirmedPaid: 2, confirmedSeq: 1 },
  { type: 'unconfirmedVoucher', digest, voucher: plainVoucher, request },
  { type: 'writtenOffVoucher', digest, voucher: plainVoucher, request },
  {
    type: 'unconfirmedTick',
    stream: digest,
    terminal: bytes(20, 15),
    seq: 1,
    k: 2,
    preimage: digest,
    payee: bytes(20, 16),
    top: 3,
  },
  { type: 'openStream', digest, voucher: streamVoucher, terminal: bytes(20, 17), seed: digest, revealed: 9 },
  { type: 'copy', digest, ...collected, key, receipt: signature },
];

const TERMINAL: readonly unknown[] = [
  { type: 'answered', digest, payer: bytes(20, 18), ...collected, receipt: signature },
  { type: 'cleared', digest, payer: bytes(20, 18), ...collected, receipt: signature },
  {
    type: 'answered',
    digest,
    payer: bytes(20, 18),
    ...collected,
    voucher: streamVoucher,
    key,
    credit: signature,
  },
  { type: 'tick', channel: 7, k: 1, preimage: digest, late: false },
  { type: 'tick', channel: 7, k: 256, preimage: digest, late: true },
  { type: 'credited', channel: 7, entry: digest, voucher: digest, credited: 10, signature },
  { type: 'acknowledged', entry: digest, position: 281_474_976_710_655 },
  { type: 'tickAcknowledged', stream: digest, k: 3 },
  { type: 'evicted', channel: 4_294_967_295 },
  { type: 'hubKey', address: bytes(20, 19), from: 1, until: 2, epoch: 4_294_967_295, signedAt: 0 },
  { type: 'hubKeyRevoked', address: bytes(20, 23), at: 0 },
  { type: 'registering', counter: 1 },
  { type: 'member', scope: digest, expiresAt: 1_790_000_000 },
  { type: 'revoked', at: 0, channels: [] },
  { type: 'revoked', at: 1_790_000_000, channels: [7, 65_536] },
  { type: 'time', at: 1_790_000_000 },
  { type: 'settled', channel: 7, paid: 5 },
  {
    type: 'head',
    time: 1,
    evictedAt: 2,
    evictedPosition: 7,
    accepted: 3,
    ticks: 4,
    voided: 5,
    acknowledged: 6,
    counter: 8,
    epoch: 9,
  },
  {
    type: 'lane',
    channel: 7,
    payer: bytes(20, 20),
    base: 1,
    seq: 2,
    at: 3,
    digest,
    amount: 4,
    receipt: true,
    signature,
    credited: 5,
    owed: 7,
    settled: 6,
    position: 8,
  },
  { type: 'laneStream', channel: 7, voucher: streamVoucher, k: 1, late: 0, preimage: digest },
  { type: 'waitingVoucher', channel: 7, entry: digest, exposure: 8, ...collected, receipt: signature },
  {
    type: 'waitingTick',
    channel: 7,
    stream: digest,
    seq: 12,
    exposure: 9,
    tickValue: 10,
    k: 11,
    preimage: digest,
  },
  { type: 'waitingCredit', channel: 7, seq: 13, entry: digest, voucher: digest, credited: 12, signature },
  { type: 'keptGone', count: 3 },
  { type: 'setAside', voucher: digest },
  { type: 'keptSoFar' },
];

export function records(): unknown {
  const row = (machine: string, record: { type: string }, encoded: Uint8Array): unknown => {
    const { type, ...fields } = record;
    return { machine, type, fields: plain(fields), hex: hexOf(encoded) };
  };
  return [
    ...(PAYER as PayerRecord[]).map((record) => row('payer', record, payerRecords.encode(record))),
    ...(TERMINAL as TerminalRecord[]).map((record) => row('terminal', record, terminalRecords.encode(record))),
  ];
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const toBig = (from: Uint8Array): bigint => BigInt(hexOf(from));
const fromBig = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, '0'), 32);

/** The other solution of the same signature, which must not count for secp256k1. */
function highS(compact: Uint8Array): Uint8Array {
  const parity = compact[32]! >> 7;
  const low = compact.slice(32);
  low[0] = low[0]! & 0x7f;
  const s = fromBig(ORDER - toBig(low));
  s[0] = s[0]! | ((1 - parity) << 7);
  return Uint8Array.from([...compact.slice(0, 32), ...s]);
}

export async function signatures(): Promise<unknown> {
  const good: unknown[] = [];
  const bad: unknown[] = [];
  const refuse = (why: string, scheme: string, fields: Record<string, Uint8Array>): void => {
    bad.push({ scheme, ...(plain(fields) as object), why });
  };
  for (let seed = 1; seed <= 4; seed++) {
    const secret = bytes(32, 1000 + seed);
    const message = nobleSuite.keccak256(bytes(8, 2000 + seed));
    const signer = nobleKey(secret);
    const compact = await signer.sign(message);
    good.push({
      scheme: 'secp256k1',
      ...(plain({ secret, address: signer.address, digest: message, signature: compact }) as object),
    });
    // In 64 bytes the top bit of s is the parity, so the mirrored signature reads as another one.
    const mirrored = highS(compact);
    bad.push({
      scheme: 'secp256k1',
      ...(plain({ digest: message, signature: mirrored, not: signer.address }) as object),
      why: 'mirrored: n - s',
    });

    // SHA-256 of a text that is given too: libraries that can't take a ready digest can check these as well.
    const text = bytes(40, 8000 + seed);
    const hash = sha256(text);
    const publicKey = p256.getPublicKey(secret, false).slice(1);
    const raw = p256.sign(hash, secret, { prehash: false, lowS: false });
    const address = addressOfKey(publicKey);
    const either = Uint8Array.from([...raw.slice(0, 32), ...fromBig(P256_ORDER - toBig(raw.slice(32)))]);
    for (const signature of [raw, either]) {
      const fields = { secret, publicKey, address, text, digest: hash, signature };
      good.push({ scheme: 'p256', ...(plain(fields) as object) });
    }
    const flipped = raw.slice();
    flipped[40] = flipped[40]! ^ 1;
    refuse('a flipped bit', 'p256', { publicKey, text, digest: hash, signature: flipped });
    const noPoint = publicKey.slice();
    noPoint[63] = noPoint[63]! ^ 1;
    refuse('a key that is no point', 'p256', { publicKey: noPoint, text, digest: hash, signature: raw });
  }
  const message = nobleSuite.keccak256(bytes(8, 2001));
  const zero = new Uint8Array(64);
  const ones = new Uint8Array(64).fill(0xff);
  const compact = await nobleKey(bytes(32, 1001)).sign(message);
  const withR = (r: Uint8Array): Uint8Array => Uint8Array.from([...r, ...compact.slice(32)]);
  refuse('all zero', 'secp256k1', { digest: message, signature: zero });
  refuse('all ones', 'secp256k1', { digest: message, signature: ones });
  refuse('r is zero', 'secp256k1', { digest: message, signature: withR(new Uint8Array(32)) });
  refuse('r is the order', 'secp256k1', { digest: message, signature: withR(fromBig(ORDER)) });
  refuse('r is no x of the curve', 'secp256k1', { digest: message, signature: withR(fromBig(5n)) });
  const justHigh = Uint8Array.from([...compact.slice(0, 32), ...fromBig(ORDER / 2n + 1n)]);
  refuse('the lowest high S', 'secp256k1', { digest: message, signature: justHigh });
  const noS = Uint8Array.from([...compact.slice(0, 32), ...new Uint8Array(32)]);
  refuse('s is zero', 'secp256k1', { digest: message, signature: noS });
  refuse('too short', 'secp256k1', { digest: message, signature: compact.slice(0, 63) });
  refuse('too long', 'secp256k1', { digest: message, signature: Uint8Array.from([...compact, 0]) });
  refuse('a short digest', 'secp256k1', { digest: message.slice(1), signature: compact });
  refuse('a zero key', 'p256', { publicKey: zero, digest: message, signature: compact });
  refuse('all zero', 'p256', { publicKey: p256.getPublicKey(bytes(32, 1001), false).slice(1), digest: message, signature: zero });
  return { good, bad };
}

export function vouchers(): unknown {
  const suite = nobleSuite;
  const chains = [1, 2, 100, 256].map((ticks) => {
    const seed = bytes(32, 3000 + ticks);
    const anchor = hashChain(suite, seed, ticks);
    return plain({ ticks, seed, anchor, first: hashChain(suite, seed, ticks - 1), last: seed });
  });
  const lanes = [0, 1, 2, 32].map((count) => {
    const list = Array.from({ length: count }, (_, index) => ({
      payee: bytes(20, 4000 + index),
      paid: Number(valueOf('u48', index === 0 ? 'most' : 'typical', 5000 + index)),
    }));
    return plain({ lanes: list, hash: lanesHash(suite, list as never) });
  });
  const details = [
    { currency: 'TIME', challenge: bytes(16, 6000) },
    { currency: 'EUR', challenge: bytes(16, 6001), meter: bytes(32, 6002) },
    { currency: '', challenge: bytes(16, 6003), quote: bytes(32, 6004) },
    { currency: '~~~~~~~~', challenge: bytes(16, 6005), meter: bytes(32, 6006), quote: bytes(32, 6007) },
  ].map((parts) => plain({ ...parts, detail: detailHash(suite, parts) }));
  const ticks = [1, 2, 255, 256, 65_535].map((k) => {
    const stream = bytes(32, 7000);
    const preimage = bytes(32, 7000 + k);
    return plain({ stream, k, preimage, entry: tickEntry(suite, stream, k, preimage) });
  });
  return { chains, lanes, details, ticks };
}

/** Every file with its content, as stored. */
export async function files(): Promise<Readonly<Record<string, string>>> {
  const text = (value: unknown): string => `${JSON.stringify(value, undefined, 1)}\n`;
  return {
    'wire.json': text(wire()),
    'records.json': text(records()),
    'signatures.json': text(await signatures()),
    'vouchers.json': text(vouchers()),
    'claims.json': text(await claims()),
  };
}
