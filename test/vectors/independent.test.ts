/** The vector files against implementations that are not ours: viem, cbor-x, Node's crypto; and against the code. */
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Decoder, Encoder } from 'cbor-x/index-no-eval';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  compactSignatureToSignature,
  concat,
  encodeAbiParameters,
  encodePacked,
  hashStruct,
  hashTypedData,
  type Hex,
  keccak256,
  parseCompactSignature,
  recoverAddress,
  stringToHex,
} from 'viem';
import { fromHex } from '../../protocol/bytes.ts';
import { messageBytesMax, type MessageName } from '../../protocol/wire/messages.ts';
import { STRUCTS, type StructName } from '../../protocol/signing/structs.ts';
import cbor from './cbor.json';
import claims from './claims.json';
import digests from './digests.json';
import { plain, revived } from './json.ts';
import { files } from './make.ts';
import signatures from './signatures.json';
import { fieldsOf } from './spec.ts';
import vouchers from './vouchers.json';
import wire from './wire.json';

test('the stored files are what the code computes; after a change of format: node test/vectors/write.mjs', async () => {
  for (const [name, text] of Object.entries(await files()))
    assert.ok(readFileSync(join('test/vectors', name), 'utf8') === text, `${name} differs`);
});

test('viem computes the same struct hashes and digests', () => {
  for (const { struct, domain, message, structHash, digest } of digests) {
    const fields = Object.entries(STRUCTS[struct as StructName]).map(([name, type]) => ({ name, type }));
    const types = { [struct]: fields };
    const typed = {
      domain: { name: 'Sundial', version: '1', ...domain },
      types,
      primaryType: struct,
      message: message as Record<string, unknown>,
    };
    assert.is(hashStruct({ types, primaryType: struct, data: message as never }), structHash, struct);
    assert.is(hashTypedData(typed as never), digest, struct);
  }
});

const options = { useRecords: false, tagUint8Array: false, mapsAsObjects: true, variableMapSize: true } as const;
const decoder = new Decoder(options);
const encoder = new Encoder(options);

/** What cbor-x reads, with its Buffers and bigints as ours. */
function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (typeof value === 'bigint') return Number(value);
  return Array.isArray(value) ? value.map(normal) : value;
}

/** What cbor-x must be given to write the shortest form: bigints above 32 bits, Buffers for bytes. */
function given(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (typeof value === 'number' && value > 0xffff_ffff) return BigInt(value);
  return Array.isArray(value) ? value.map(given) : value;
}

/** A message as positional arrays, made from the written-down table instead of protocol/wire. */
function positional(name: string, number: number, fields: Record<string, unknown>): unknown {
  const items = fieldsOf(name).map(({ name: field, type }) => {
    const value = revived(fields[field]) ?? null;
    if (type === 'list<lane>') return (value as { payee: unknown; paid: unknown }[]).map((lane) => [lane.payee, lane.paid]);
    return value;
  });
  return [2, number, items];
}

test('cbor-x reads every message to the same values', () => {
  for (const { name, number, fields, hex } of wire)
    assert.equal(normal(decoder.decode(fromHex(hex))), positional(name, number, fields), name);
});

test('cbor-x writes every message, from the written-down table, to the same bytes', () => {
  for (const { name, number, fields, hex } of wire) {
    const bytes = encoder.encode(given(positional(name, number, fields)));
    assert.equal(Uint8Array.from(bytes), fromHex(hex), name);
  }
});

test('the largest sample of each message is as long as its stated largest size', () => {
  for (const { name, style, hex } of wire) {
    if (style !== 'most' || name === 'revocations') continue;
    const stated = messageBytesMax(name as MessageName);
    const length = fromHex(hex).length;
    // Numbers below 24 take one byte less in the head than the bound allows for, and so do short numbers.
    assert.ok(length <= stated && length >= stated - 8, `${name}: ${length} of ${stated}`);
  }
});

test('cbor-x reads the accepted part of RFC 8949 to the same values', () => {
  for (const [hex, value] of cbor.accept as [string, unknown][])
    assert.equal(plain(normal(decoder.decode(fromHex(hex)))), value, hex);
});

test('viem recovers the same signers', async () => {
  for (const vector of signatures.good) {
    if (vector.scheme !== 'secp256k1') continue;
    const hash = vector.digest as Hex;
    const address = await recoverAddress({
      hash,
      signature: compactSignatureToSignature(parseCompactSignature(vector.signature as Hex)),
    });
    assert.is(address.toLowerCase(), vector.address);
  }
});

test("Node's crypto verifies the P-256 vectors, and none of the bad ones", () => {
  const check = (publicKey: string, text: string, signature: string): boolean => {
    const bytes = fromHex(publicKey);
    const part = (from: number): string => Buffer.from(bytes.slice(from, from + 32)).toString('base64url');
    const key = createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: part(0), y: part(32) } });
    return verify('sha256', fromHex(text), { key, dsaEncoding: 'ieee-p1363' }, fromHex(signature));
  };
  let checked = 0;
  for (const { publicKey, text, signature } of signatures.good) {
    if (!publicKey || !text) continue;
    assert.ok(check(publicKey, text, signature));
    checked += 1;
  }
  for (const { why, publicKey, text, signature } of signatures.bad) {
    if (!publicKey || !text) continue;
    if (why === 'a key that is no point') assert.throws(() => check(publicKey, text, signature));
    else assert.not.ok(check(publicKey, text, signature), why);
    checked += 1;
  }
  assert.is(checked, 16);
});

test('chains, lists, details and tick entries agree with viem', () => {
  for (const { ticks, seed, anchor } of vouchers.chains) {
    let value = seed as Hex;
    for (let i = 0; i < ticks; i++) value = keccak256(value);
    assert.is(value, anchor);
  }
  for (const { lanes, hash } of vouchers.lanes) {
    const packed = lanes.map((lane) => encodePacked(['address', 'uint48'], [lane.payee as Hex, lane.paid]));
    assert.is(lanes.length === 0 ? `0x${'00'.repeat(16)}` : keccak256(concat(packed)).slice(0, 34), hash);
  }
  const zero = `0x${'00'.repeat(32)}` as Hex;
  for (const parts of vouchers.details) {
    const encoded = encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'bytes16' }, { type: 'bytes32' }, { type: 'bytes32' }],
      [
        keccak256(stringToHex(parts.currency)),
        parts.challenge as Hex,
        ('meter' in parts ? (parts.meter as Hex) : undefined) ?? zero,
        ('quote' in parts ? (parts.quote as Hex) : undefined) ?? zero,
      ],
    );
    assert.is(keccak256(encoded), parts.detail);
  }
  for (const { stream, k, preimage, entry } of vouchers.ticks)
    assert.is(keccak256(encodePacked(['bytes32', 'uint16', 'bytes32'], [stream as Hex, k, preimage as Hex])), entry);
});

test('leases as evidence: viem packs, hashes and recovers the same', async () => {
  for (const lease of claims.leases) {
    const { domain, members, scope, digest, signer, signature, hex } = lease;
    const packed = concat([
      '0x',
      ...members.map(({ payee, terminals }) => encodePacked(['uint32', 'uint8'], [payee, terminals])),
    ]);
    assert.is(members.length === 0 ? `0x${'00'.repeat(32)}` : keccak256(packed), scope);
    const fields = Object.entries(STRUCTS.Lease).map(([name, type]) => ({ name, type }));
    const typed = {
      domain: { name: 'Sundial', version: '1', ...domain },
      types: { Lease: fields },
      primaryType: 'Lease',
      message: lease,
    };
    assert.is(hashTypedData(typed as never), digest);
    const parsed = compactSignatureToSignature(parseCompactSignature(signature as Hex));
    assert.is((await recoverAddress({ hash: digest as Hex, signature: parsed })).toLowerCase(), signer);
    const head = encodePacked(
      ['uint8', 'uint48', 'uint48', 'uint48', 'uint48', 'uint48', 'uint40', 'uint40'],
      [
        members.length,
        lease.spentFrom,
        lease.spendLimit,
        lease.tapLimit,
        lease.cap,
        lease.guarantee,
        lease.issuedAt,
        lease.expiresAt,
      ],
    );
    assert.is(concat([head, signature as Hex, packed]), hex);
  }
});

test('pots pay no more than the bond, and the covered before all others', () => {
  for (const { claims: found, sum1, sumR, sum2, rest } of claims.pots) {
    const paid = found.reduce((sum, { share }) => sum + share, 0);
    assert.is(paid + rest, claims.bond);
    assert.ok(rest >= 0);
    if (sum1 <= claims.bond) for (const { share, c1 } of found) assert.ok(share >= c1);
    if (sum1 + sumR + sum2 <= claims.bond)
      for (const { share, c1, cR, c2 } of found) assert.is(share, c1 + cR + c2);
  }
  const some = (is: (pot: (typeof claims.pots)[number]) => boolean) => assert.ok(claims.pots.some(is));
  some(({ sum1 }) => sum1 > 0);
  some(({ sumR }) => sumR > 0);
  some(({ sum1, sumR, sum2 }) => sum1 + sumR + sum2 > claims.bond);
  some(({ claims: found }) => found.some(({ overlap }) => overlap > 0));
});

test.run();
