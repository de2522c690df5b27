/** The vector files against the code. No Node here: the same file runs on the chip's engine. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fromHex, toHex, utf8 } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { STRUCTS, type StructName } from '../../protocol/signing/structs.ts';
import { detailHash, hashChain, lanesHash, tickEntry } from '../../protocol/vouchers.ts';
import { DecodeError, Reader } from '../../protocol/wire/cbor.ts';
import { decodeMessage, encodeMessage, type Message, MESSAGES } from '../../protocol/wire/messages.ts';
import { RECORD_VERSION } from '../../protocol/wire/records.ts';
import { codeOf } from '../errors.ts';
import cbor from '../vectors/cbor.json';
import digests from '../vectors/digests.json';
import { plain, revived } from '../vectors/json.ts';
import recordVectors from '../vectors/records.json';
import signatures from '../vectors/signatures.json';
import vouchers from '../vectors/vouchers.json';
import wire from '../vectors/wire.json';

test('every message encodes to its vector, and the vector decodes to the message', () => {
  for (const { name, number, fields, hex } of wire) {
    const message = { type: name, ...(revived(fields) as object) } as Message;
    assert.is(toHex(encodeMessage(message)), hex, name);
    assert.is(MESSAGES[message.type].number, number, name);
    const decoded = decodeMessage(fromHex(hex), 'sync');
    assert.ok(decoded.ok && decoded.message, name);
    if (decoded.ok) assert.equal(plain(decoded.message), { type: name, ...fields });
  }
  const named = new Set(wire.map((vector) => vector.name));
  assert.equal([...named].sort(), Object.keys(MESSAGES).sort(), 'no message without vectors');
});

test('every record encodes to its vector, and the vector decodes to the record', () => {
  for (const { machine, type, fields, hex } of recordVectors) {
    const table = machine === 'payer' ? payerRecords : terminalRecords;
    const record = { type, ...(revived(fields) as object) };
    assert.is(toHex(table.encode(record as never)), hex, type);
    assert.equal(plain(table.decode(fromHex(hex))), { type, ...fields });
  }
});

test('a record of a newer rule set is refused by name, a damaged one as damaged', () => {
  const read = (bytes: Uint8Array): string => codeOf(() => payerRecords.decode(bytes));
  const good = fromHex(recordVectors[0]!.hex);
  assert.is(read(good), 'done');
  const newer = good.slice();
  newer[2] = RECORD_VERSION + 1;
  assert.is(read(newer), 'journal_newer');
  // A newer writer whose records an old reader may still follow.
  const compatible = good.slice();
  compatible[1] = RECORD_VERSION + 1;
  assert.is(read(compatible), 'done');
  const older = good.slice();
  older[1] = 1;
  older[2] = 1;
  assert.is(read(older), 'journal_older');
  for (let length = 0; length < good.length; length++)
    assert.is(read(good.slice(0, length)), 'journal_corrupt');
  assert.is(read(Uint8Array.from([...good, 0])), 'journal_corrupt');
});

test('every struct hashes to the digest that viem computes', () => {
  for (const { struct, domain, message, structHash, digest } of digests) {
    const signing = makeSigning(nobleSuite, {
      chainId: domain.chainId,
      vault: fromHex(domain.verifyingContract),
    });
    const name = struct as StructName;
    const fields = revived(message) as never;
    assert.is(toHex(signing.structHash(name, fields)), structHash, name);
    assert.is(toHex(signing.digest(name, fields)), digest, name);
  }
  const named = new Set(digests.map((vector) => vector.struct));
  assert.equal([...named].sort(), Object.keys(STRUCTS).sort(), 'no struct without vectors');
});

test('a byte field of the wrong length is an error, never a shifted word', () => {
  const signing = makeSigning(nobleSuite, { chainId: 1, vault: new Uint8Array(20) });
  for (const length of [0, 31, 33])
    assert.throws(
      () => signing.digest('Receipt', { voucher: new Uint8Array(length) }),
      (error: SundialError) => error.code === 'wrong_length',
    );
});

test('good signatures give their signer, and keys sign them again, byte for byte', async () => {
  for (const vector of signatures.good) {
    const key = 'publicKey' in vector && vector.publicKey ? fromHex(vector.publicKey) : undefined;
    const signer = nobleSuite.recover(fromHex(vector.digest), fromHex(vector.signature), key);
    assert.is(signer && toHex(signer), vector.address);
    if (vector.scheme !== 'secp256k1' || !('secret' in vector) || !vector.secret) continue;
    const signed = await nobleKey(fromHex(vector.secret)).sign(fromHex(vector.digest));
    assert.is(toHex(signed), vector.signature);
  }
});

test('high-S, zero, mirrored and garbage signatures give no signer', () => {
  for (const { digest, signature, why, ...rest } of signatures.bad) {
    const key = 'publicKey' in rest && rest.publicKey ? fromHex(rest.publicKey) : undefined;
    const signer = nobleSuite.recover(fromHex(digest), fromHex(signature), key);
    if ('not' in rest && rest.not) assert.is.not(signer && toHex(signer), rest.not, why);
    else assert.is(signer, undefined, why);
  }
});

test('chains, lists of lanes, details and tick entries', () => {
  const bytes = (text: string): Uint8Array => fromHex(text);
  for (const { ticks, seed, anchor, first } of vouchers.chains) {
    assert.is(toHex(hashChain(nobleSuite, bytes(seed), ticks)), anchor);
    assert.is(toHex(nobleSuite.keccak256(bytes(first))), anchor, 'the first preimage hashes to the anchor');
  }
  for (const { lanes, hash } of vouchers.lanes)
    assert.is(toHex(lanesHash(nobleSuite, revived(lanes) as never)), hash);
  for (const { detail, ...parts } of vouchers.details)
    assert.is(toHex(detailHash(nobleSuite, revived(parts) as never)), detail);
  for (const { stream, k, preimage, entry } of vouchers.ticks)
    assert.is(toHex(tickEntry(nobleSuite, bytes(stream), k, bytes(preimage))), entry);
});

type Read = (reader: Reader) => unknown;

/** How to read a value of this shape. */
function readerOf(value: unknown): Read {
  if (value === null) return (reader) => (reader.null() ? null : reader.uint(0));
  if (typeof value === 'number') return (reader) => reader.uint(Number.MAX_SAFE_INTEGER);
  if (Array.isArray(value))
    return (reader) => {
      const length = reader.array(value.length);
      return value.slice(0, length).map((item) => readerOf(item)(reader));
    };
  if (value instanceof Uint8Array) return (reader) => reader.bytes(0, 65_535);
  return (reader) => reader.text(65_535);
}

function readAll(hex: string, read: Read): unknown {
  const reader = new Reader(fromHex(hex));
  const value = read(reader);
  reader.finish();
  return value;
}

test('the subset of RFC 8949 is read to its values', () => {
  const asBytes = (item: unknown): unknown => (typeof item === 'string' ? utf8(item) : item);
  for (const [hex, value] of cbor.accept as [string, unknown][])
    assert.equal(readAll(hex, readerOf(revived(value))), asBytes(revived(value)), hex);
});

/** The faults that reading the bytes as anything we know ends in. */
function faultsOf(hex: string): Set<string> {
  const shapes: unknown[] = [
    ...cbor.accept.map(([, value]) => revived(value)),
    [''],
    [[0]],
    ['', ''],
    ['', [0, 0]],
  ];
  const found = new Set<string>();
  for (const shape of shapes) {
    try {
      readAll(hex, readerOf(shape));
      found.add('accepted');
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      found.add(error.fault);
    }
  }
  return found;
}

test('all else of RFC 8949, longer forms, cut and trailing bytes are refused, whatever was expected', () => {
  const refused = (hexes: readonly string[], fault?: string): void => {
    for (const hex of hexes) {
      const faults = faultsOf(hex);
      assert.not.ok(faults.has('accepted'), hex);
      if (fault !== undefined) assert.ok(faults.has(fault), `${hex}: ${[...faults]}`);
    }
  };
  refused(cbor['outside the subset']);
  refused(cbor['longer than the shortest form'], 'not_canonical');
  refused(cbor['cut short'], 'malformed');
  refused(cbor['bytes behind'], 'malformed');
});

test('messages are refused by the name of their fault', () => {
  const cases: readonly (readonly [string, 'tap' | 'sync', string])[] = [
    ['', 'tap', 'malformed'],
    ['00'.repeat(245), 'tap', 'too_large'],
    ['00'.repeat(16_385), 'sync', 'too_large'],
    ['00'.repeat(245), 'sync', 'malformed'],
    ['83030880', 'tap', 'version_unknown'],
    ['83020880', 'tap', 'malformed'],
    ['8302088101', 'tap', 'decoded'],
    ['830208811818', 'tap', 'decoded'],
    ['830208811817', 'tap', 'not_canonical'],
    ['83020881190100', 'tap', 'field_range'],
    ['8302081801', 'tap', 'malformed'],
    ['83021902008101', 'tap', 'message_unknown'],
    ['83021902018101', 'tap', 'skipped'],
    ['830208810100', 'tap', 'malformed'],
    ['8402088101f6', 'tap', 'field_range'],
    ['82020881', 'tap', 'malformed'],
    ['830208820101', 'tap', 'field_range'],
    ['a1020881', 'tap', 'malformed'],
  ];
  for (const [hex, medium, wanted] of cases) {
    const decoded = decodeMessage(fromHex(hex), medium);
    const found = decoded.ok ? (decoded.message ? 'decoded' : 'skipped') : decoded.code;
    assert.is(found, wanted, hex.slice(0, 40));
  }
});

test('text outside printable ASCII is refused on both ways', () => {
  const vector = wire.find((entry) => entry.name === 'request' && entry.style === 'typical')!;
  const message = { type: 'request', ...(revived(vector.fields) as object) } as Message & { type: 'request' };
  for (const currency of ['EU R', 'E\u00dcR', 'ab\u0000', 'TOOLONGNAME'])
    assert.throws(
      () => encodeMessage({ ...message, currency }),
      (error: Error) => error instanceof SundialError,
    );
  const bytes = fromHex(vector.hex);
  const at = bytes.findIndex((_, i) => bytes[i] === 0x64 && bytes[i + 1] === 0x54 && bytes[i + 2] === 0x49);
  bytes[at + 1] = 0x20;
  const decoded = decodeMessage(bytes, 'tap');
  assert.equal(decoded, { ok: false, code: 'field_range' });
});

test.run();
