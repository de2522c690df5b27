/** The native primitives against noble, on the engine that chips run. */
import { p256 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { padded, sealBody as inSteps } from '../../device/journal/layout.ts';
import { keccak256, nativeCrypto, nativeKey, sha256 } from '../../hardware/native/index.ts';
import { sealBody } from '../../hardware/native/layout.ts';
import { natives } from '../../hardware/native/natives.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';

const test = suite('native primitives');
const crypto = nativeCrypto();

/** Bytes that look random and are the same in every run. */
const bytesOf = (size: number, salt: number): Uint8Array => {
  const out = new Uint8Array(size);
  let state = (salt * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
};

/** EIP-2098: r, then s with the parity of R in its top bit. */
const compact = (digest: Uint8Array, secret: Uint8Array): Uint8Array => {
  const recovered = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' });
  const out = recovered.slice(1);
  out[32]! |= recovered[0]! << 7;
  return out;
};

const addressOf = (secret: Uint8Array): Uint8Array =>
  keccak_256(secp256k1.getPublicKey(secret, false).slice(1)).slice(12);

test('keccak256 and sha256 agree with noble around every block edge', () => {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 135, 136, 137, 271, 272, 273, 600]) {
    const bytes = bytesOf(size, size);
    assert.equal(keccak256(bytes), keccak_256(bytes), `keccak256 of ${size} bytes`);
    assert.equal(sha256(bytes), nobleSha256(bytes), `sha256 of ${size} bytes`);
  }
});

test('crc32 has the check value of the standard', () => {
  assert.is(natives.crc32(new Uint8Array([...'123456789'].map((c) => c.charCodeAt(0))), 0), 0xcbf43926);
});

test('a record of the journal is the one that JavaScript writes', () => {
  for (const size of [0, 1, 3, 4, 255, 256, 6144])
    for (const unit of [4, 8, 16])
      for (const before of [0, 1, 0x80000000, 0xffffffff]) {
        const [native, steps] = [0, 1].map(() => new Uint8Array(padded(8 + size, unit))) as [
          Uint8Array,
          Uint8Array,
        ];
        const payload = bytesOf(size, unit);
        assert.is(sealBody(payload, native, before), inSteps(payload, steps, before), `${size} bytes`);
        assert.equal(native, steps, `${size} bytes`);
      }
});

test('signatures are byte-identical to noble and recover to the same address', async () => {
  for (let i = 1; i <= 3; i++) {
    const secret = bytesOf(32, i);
    const digest = bytesOf(32, 100 + i);
    const key = nativeKey(secret);
    const signature = await key.sign(digest);
    assert.equal(key.address, addressOf(secret));
    assert.equal(signature, compact(digest, secret));
    assert.equal(crypto.recover(digest, signature), key.address);
  }
});

test('a high S, a zero, a wrong length and a foreign digest are not this signer', async () => {
  const key = nativeKey(bytesOf(32, 7));
  const digest = bytesOf(32, 8);
  const signature = await key.sign(digest);
  // The only high S that 255 bits can hold lie between half the order and 2^255.
  const half = (secp256k1.Point.CURVE().n >> 1n).toString(16).padStart(64, '0');
  const highest = signature.slice();
  for (let i = 0; i < 32; i++) highest[32 + i] = Number.parseInt(half.slice(2 * i, 2 * i + 2), 16);
  const high = highest.slice();
  high[63]! += 1;
  assert.ok(crypto.recover(digest, highest));
  assert.is(crypto.recover(digest, high), undefined);
  assert.is(crypto.recover(digest, new Uint8Array(64)), undefined);
  assert.is(crypto.recover(digest, signature.slice(1)), undefined);
  const foreign = crypto.recover(bytesOf(32, 9), signature);
  assert.ok(foreign === undefined || foreign.some((byte, i) => byte !== key.address[i]));
});

test('a key of zero or of the wrong size is refused', () => {
  assert.throws(() => nativeKey(new Uint8Array(32)), /key_invalid|above zero/);
  assert.throws(() => nativeKey(new Uint8Array(31).fill(1)), /32 bytes/);
  assert.throws(() => nativeKey(new Uint8Array(32).fill(0xff)), /group order/);
});

test('P-256 runs on noble and is refused where no fallback was handed in', () => {
  const secret = bytesOf(32, 20);
  const digest = bytesOf(32, 21);
  const signature = p256.sign(digest, secret, { prehash: false });
  const publicKey = p256.getPublicKey(secret, false).slice(1);
  assert.ok(p256.verify(signature, digest, p256.getPublicKey(secret), { prehash: false }));
  assert.is(crypto.recover(digest, signature, publicKey), undefined);
  assert.is(crypto.p256, false, 'and a terminal on it says so at the greeting');
  assert.is(nativeCrypto(nobleSuite.recover).p256, true);
});

test.run();
