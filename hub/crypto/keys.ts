/**
 * The hub's signing key. It sits behind SecureKey, so that a key in a security module or a threshold of several hubs
 * can take its place.
 */
import { createRequire } from 'node:module';
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { fromHex } from '../../protocol/bytes.ts';
import type { HubCrypto } from './crypto.ts';

interface Signer {
  ecdsaSign(digest: Uint8Array, secret: Uint8Array): { signature: Uint8Array; recid: number };
}

/** A key in memory, signing with the native library where it was loaded. Throws when the secret is no key. */
export function memoryKey(secret: string, crypto: HubCrypto): SecureKey {
  const bytes = fromHex(secret, 32);
  const reference = nobleKey(bytes);
  if (crypto.kind === 'noble') return reference;
  const library = createRequire(import.meta.url)('secp256k1/bindings') as Signer;
  return {
    scheme: 'secp256k1',
    address: reference.address,
    async sign(digest) {
      // Deterministic (RFC 6979) and low-S, the same bytes as the reference makes.
      const { signature, recid } = library.ecdsaSign(digest, bytes);
      signature[32] = signature[32]! | (recid << 7);
      return signature;
    },
  };
}
