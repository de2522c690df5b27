/**
 * Two crypto suites for simulated devices. The stand-in is fast and holds inside the simulation: its hash has no
 * collisions that chance would find, and only who holds a key object can sign with it. The real one is the project's
 * own. Decisions must not depend on which is used: the same seed gives the same trace.
 */
import type { CryptoSuite, Scheme } from '../../../hardware/interfaces/index.ts';
import { p256 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { equalBytes } from '../../../protocol/bytes.ts';
import { addressOfKey } from '../../../protocol/crypto/noble.ts';

/** A key whose signature is there at once: virtual time stands still meanwhile. */
export interface SimulatedKey {
  readonly scheme: Scheme;
  /** 32 bytes: for a chip that lives the same day with the same key. */
  readonly secret: Uint8Array;
  readonly address: Uint8Array;
  /** 64 bytes; of P-256 keys. */
  readonly publicKey?: Uint8Array;
  sign(digest: Uint8Array): Uint8Array;
}

export interface SimulatedSuite extends CryptoSuite {
  readonly kind: 'standIn' | 'real';
  /** The key of a secret, 32 bytes from the seed; of secp256k1 unless another scheme is named. */
  key(secret: Uint8Array, scheme?: Scheme): SimulatedKey;
}

function finish(value: number): number {
  let h = value;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}

/** A word of the state in the first half of the hash, and one made of it in the second. */
function spread(hash: Uint8Array, index: number, word: number): void {
  putWord(hash, 4 * index, word);
  putWord(hash, 16 + 4 * index, finish((word + Math.imul(index + 4, 0x9e3779b1)) | 0));
}

/** 256 bits spread from 128 bits of state (murmur3's 128-bit variant): no cryptography, and never outside here. */
export function standInHash(bytes: Uint8Array): Uint8Array {
  const length = bytes.length;
  let a = length ^ 0x239b961b;
  let b = length ^ 0xab0e9789;
  let c = length ^ 0x38b34ae5;
  let d = length ^ 0xa1e38b93;
  for (let i = 0; i < length; i += 16) {
    a ^= Math.imul(rotate(Math.imul(word(bytes, i), 0x239b961b), 15), 0xab0e9789);
    a = (Math.imul(rotate(a, 19) + b, 5) + 0x561ccd1b) | 0;
    b ^= Math.imul(rotate(Math.imul(word(bytes, i + 4), 0xab0e9789), 16), 0x38b34ae5);
    b = (Math.imul(rotate(b, 17) + c, 5) + 0x0bcaa747) | 0;
    c ^= Math.imul(rotate(Math.imul(word(bytes, i + 8), 0x38b34ae5), 17), 0xa1e38b93);
    c = (Math.imul(rotate(c, 15) + d, 5) + 0x96cd1c35) | 0;
    d ^= Math.imul(rotate(Math.imul(word(bytes, i + 12), 0xa1e38b93), 18), 0x239b961b);
    d = (Math.imul(rotate(d, 13) + a, 5) + 0x32ac3b17) | 0;
  }
  a = (a + b + c + d) | 0;
  b = (b + a) | 0;
  c = (c + a) | 0;
  d = (d + a) | 0;
  const hash = new Uint8Array(32);
  spread(hash, 0, finish(a));
  spread(hash, 1, finish(b));
  spread(hash, 2, finish(c));
  spread(hash, 3, finish(d));
  return hash;
}

/** Four bytes, little-endian; zeros behind the end (the length is mixed in at the start). */
function word(bytes: Uint8Array, at: number): number {
  // Reading behind the end of an array is many times slower than looking first.
  if (at + 4 <= bytes.length)
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** 64 bytes that stand for x and y: nobody has the same ones for another secret. */
function standInPublicKey(secret: Uint8Array): Uint8Array {
  const key = new Uint8Array(64);
  const x = standInHash(secret);
  key.set(x);
  key.set(standInHash(x), 32);
  return key;
}

/** A key that travels is checked with its own scheme, and only with that. */
const sameKey = (known: Uint8Array | undefined, shown: Uint8Array | undefined): boolean =>
  known === undefined || shown === undefined ? known === shown : equalBytes(known, shown);

function isSealed(signature: Uint8Array, sealed: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) if (signature[4 + i] !== sealed[i]) return false;
  return true;
}

/** Signature: the key's number (4 bytes), then hash(secret, digest), then zeros to 64 bytes. */
export function standInSuite(): SimulatedSuite {
  const secrets: {
    readonly secret: Uint8Array;
    readonly address: Uint8Array;
    readonly publicKey?: Uint8Array;
  }[] = [];
  const both = new Uint8Array(64);
  const seal = (secret: Uint8Array, digest: Uint8Array): Uint8Array => {
    both.set(secret, 0);
    both.set(digest, 32);
    return standInHash(both);
  };
  return {
    kind: 'standIn',
    p256: true,
    keccak256: standInHash,
    recover(digest, signature, publicKey) {
      if (digest.length !== 32 || signature.length !== 64) return undefined;
      const number = word(signature, 0);
      const found = secrets[number];
      if (found === undefined || !sameKey(found.publicKey, publicKey)) return undefined;
      return isSealed(signature, seal(found.secret, digest)) ? found.address : undefined;
    },
    key(secret, scheme = 'secp256k1') {
      const number = secrets.length;
      const publicKey = scheme === 'p256' ? standInPublicKey(secret) : undefined;
      const address = standInHash(publicKey ?? secret).slice(12);
      const key = { secret, address, ...(publicKey && { publicKey }) };
      secrets.push(key);
      return {
        scheme,
        ...key,
        sign(digest) {
          const signature = new Uint8Array(64);
          putWord(signature, 0, number);
          signature.set(seal(secret, digest), 4);
          return signature;
        },
      };
    },
  };
}

/** The project's own crypto: `suite` recovers, noble signs. */
export function realSuite(suite: CryptoSuite): SimulatedSuite {
  return {
    kind: 'real',
    p256: suite.p256,
    keccak256: suite.keccak256,
    recover: suite.recover,
    key: (secret, scheme) => (scheme === 'p256' ? realElement(secret) : realKey(secret)),
  };
}

function realKey(secret: Uint8Array): SimulatedKey {
  return {
    scheme: 'secp256k1',
    secret,
    address: addressOfKey(secp256k1.getPublicKey(secret, false).slice(1)),
    sign(digest) {
      const recovered = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' });
      const compact = recovered.slice(1);
      compact[32] = compact[32]! | (recovered[0]! << 7);
      return compact;
    },
  };
}

function realElement(secret: Uint8Array): SimulatedKey {
  const publicKey = p256.getPublicKey(secret, false).slice(1);
  return {
    scheme: 'p256',
    secret,
    address: addressOfKey(publicKey),
    publicKey,
    // Elements emit either S.
    sign: (digest) => p256.sign(digest, secret, { prehash: false, lowS: false }),
  };
}
