/**
 * The hub recovers signers with bitcoin-core's C library where its binary loads, 28 times faster than JavaScript.
 * The npm package falls back to a slow library silently, so the binding is asked for by its own name and tried out.
 */
import { createRequire } from 'node:module';
import type { CryptoSuite } from '../../hardware/interfaces/index.ts';
import { addressOfKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { makeKeccak256 } from './keccak.ts';

interface Secp256k1 {
  ecdsaRecover(signature: Uint8Array, recovery: number, digest: Uint8Array, compressed: boolean): Uint8Array;
  publicKeyCreate(secret: Uint8Array, compressed: boolean): Uint8Array;
  ecdsaSign(digest: Uint8Array, secret: Uint8Array): { signature: Uint8Array; recid: number };
}

/** The curves that a hub runs on. */
export interface HubCrypto {
  readonly suite: CryptoSuite;
  /** What verifies: `native` (libsecp256k1) or `noble`; the hub says so when it starts. */
  readonly kind: 'native' | 'noble';
  /** Why the native library is not used. */
  readonly reason?: string;
}

/** Half the order of secp256k1, big-endian: s above it is refused, or one voucher would have two signatures. */
export const HALF_ORDER = Uint8Array.from(
  Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex'),
);

/** The fastest suite that works on this machine. */
export function loadCrypto(): HubCrypto {
  let library: Secp256k1;
  try {
    library = createRequire(import.meta.url)('secp256k1/bindings') as Secp256k1;
  } catch (error) {
    return { suite: nobleSuite, kind: 'noble', reason: String((error as Error).message).split('\n')[0]! };
  }
  const suite = nativeSuite(library);
  if (!agrees(library, suite)) {
    return { suite: nobleSuite, kind: 'noble', reason: 'the native library failed its trial signature' };
  }
  return { suite, kind: 'native' };
}

function nativeSuite(library: Secp256k1): CryptoSuite {
  const keccak256 = makeKeccak256() ?? nobleSuite.keccak256;
  return {
    p256: true,
    keccak256,
    recover(digest, signature, publicKey) {
      if (publicKey !== undefined) return nobleSuite.recover(digest, signature, publicKey);
      if (digest.length !== 32 || signature.length !== 64) return undefined;
      const compact = Uint8Array.from(signature);
      const parity = compact[32]! >> 7;
      compact[32] = compact[32]! & 0x7f;
      if (aboveHalfOrder(compact)) return undefined;
      let key: Uint8Array;
      try {
        key = library.ecdsaRecover(compact, parity, digest, false);
      } catch {
        // The library throws for r or s that are zero or too large, and where no key fits: not signed.
        return undefined;
      }
      return keccak256(key.subarray(1)).slice(12);
    },
  };
}

function aboveHalfOrder(compact: Uint8Array): boolean {
  for (let i = 0; i < 32; i += 1) {
    const difference = compact[32 + i]! - HALF_ORDER[i]!;
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** One trial against the reference: a binding for another machine or version shows here, not in a payment. */
function agrees(library: Secp256k1, suite: CryptoSuite): boolean {
  try {
    const secret = new Uint8Array(32).fill(7);
    const digest = nobleSuite.keccak256(secret);
    const { signature, recid } = library.ecdsaSign(digest, secret);
    const compact = Uint8Array.from(signature);
    compact[32] = compact[32]! | (recid << 7);
    const expected = addressOfKey(library.publicKeyCreate(secret, false).slice(1));
    const found = suite.recover(digest, compact);
    const reference = nobleSuite.recover(digest, compact);
    return [found, reference].every(
      (address) => address !== undefined && Buffer.from(address).equals(expected),
    );
  } catch {
    return false;
  }
}
