/** The reference crypto: @noble everywhere that no native code is bound. */
import { p256 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import type { CryptoSuite, SecureKey } from '../../hardware/interfaces/index.ts';
import { concatBytes } from '../bytes.ts';

const keccak256 = (bytes: Uint8Array): Uint8Array => keccak_256(bytes);

/** Address of an uncompressed public key given as 64 bytes x, y. */
export function addressOfKey(publicKey: Uint8Array): Uint8Array {
  return keccak256(publicKey).slice(12);
}

/** secp256k1: signer of an EIP-2098 signature, or undefined when it is malformed, high-S or of no point. */
function recoverSecp256k1(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  const parity = signature[32]! >> 7;
  const compact = signature.slice();
  compact[32] = compact[32]! & 0x7f;
  try {
    const parsed = secp256k1.Signature.fromBytes(compact, 'compact').addRecoveryBit(parity);
    if (parsed.hasHighS()) return undefined;
    return addressOfKey(parsed.recoverPublicKey(digest).toBytes(false).slice(1));
  } catch {
    // noble throws for r or s outside the field and for a point at infinity; to us both mean "not signed".
    return undefined;
  }
}

function verifyP256(digest: Uint8Array, signature: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  try {
    const point = concatBytes(Uint8Array.of(4), key);
    // Secure elements emit either S; the message is deduplicated by digest, so both are taken.
    return p256.verify(signature, digest, point, { prehash: false, lowS: false })
      ? addressOfKey(key)
      : undefined;
  } catch {
    // A key that is no point of the curve signs nothing.
    return undefined;
  }
}

/** CryptoSuite in plain JavaScript. */
export const nobleSuite: CryptoSuite = {
  p256: true,
  keccak256,
  recover(digest, signature, publicKey) {
    if (digest.length !== 32 || signature.length !== 64) return undefined;
    if (publicKey === undefined) return recoverSecp256k1(digest, signature);
    return publicKey.length === 64 ? verifyP256(digest, signature, publicKey) : undefined;
  },
};

/** A secp256k1 key in memory. `secret` is 32 bytes; throws when it is zero or not below the curve's order. */
export function nobleKey(secret: Uint8Array): SecureKey {
  const address = addressOfKey(secp256k1.getPublicKey(secret, false).slice(1));
  return {
    scheme: 'secp256k1',
    address,
    async sign(digest) {
      const recovered = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' });
      const compact = recovered.slice(1);
      compact[32] = compact[32]! | (recovered[0]! << 7);
      return compact;
    },
  };
}
