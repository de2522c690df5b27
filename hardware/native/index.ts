/**
 * The native providers of the hardware interfaces: keccak256 and secp256k1 in C, behind the same types as noble.
 * P-256 stays in JavaScript: a board that must check such signatures hands in a fallback (and pays noble's price).
 */
import type { CryptoSuite, SecureKey } from '../interfaces/index.ts';
import { KeyFault } from '../keys/key-fault.ts';
import { natives } from './natives.ts';

export { KeyFault };

export function keccak256(bytes: Uint8Array): Uint8Array {
  const hash = new Uint8Array(32);
  natives.keccak256(bytes, hash);
  return hash;
}

export function sha256(bytes: Uint8Array): Uint8Array {
  const hash = new Uint8Array(32);
  natives.sha256(bytes, hash);
  return hash;
}

/** @param p256 checks signatures that come with a public key; without it those are refused. */
export function nativeCrypto(p256?: CryptoSuite['recover']): CryptoSuite {
  return {
    p256: p256 !== undefined,
    keccak256,
    recover(digest, signature, publicKey) {
      if (publicKey) return p256?.(digest, signature, publicKey);
      if (digest.length !== 32 || signature.length !== 64) return undefined;
      const address = new Uint8Array(20);
      return natives.secpRecover(digest, signature, address) ? address : undefined;
    },
  };
}

/** Signs in C with a secret that JavaScript handed in; the boards keep theirs out of JavaScript altogether. */
export function nativeKey(secret: Uint8Array): SecureKey {
  const address = new Uint8Array(20);
  if (secret.length !== 32 || !natives.secpAddress(secret, address))
    throw new KeyFault('key_invalid', 'A secp256k1 key is 32 bytes, above zero and below the group order.');
  return {
    scheme: 'secp256k1',
    address,
    sign: async (digest) => {
      if (digest.length !== 32) throw new KeyFault('digest_invalid', 'A digest is 32 bytes.');
      const signature = new Uint8Array(64);
      if (!natives.secpSign(digest, secret, signature))
        throw new KeyFault('key_refused', 'The library refused to sign.');
      return signature;
    },
  };
}
