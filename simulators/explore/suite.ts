/**
 * Keys and signatures of the walk: a signature is the digest and the signer's address, so that signing costs nothing
 * and a state holds no real curve points. Hashes are real. Nobody in the walk forges; the dishonest payer has its key.
 */
import type { CryptoSuite } from '../../hardware/interfaces/index.ts';
import { type Address, type Bytes32, equalBytes, toHex } from '../../protocol/bytes.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';

/** What `address` signs for `digest`: 32 bytes digest, 20 bytes address, 12 zero bytes. */
export function standInSignature(address: Address, digest: Bytes32): Uint8Array {
  const signature = new Uint8Array(64);
  signature.set(digest, 0);
  signature.set(address, 32);
  return signature;
}

/** The digest that a stand-in signature was made for. */
export const signedDigest = (signature: Uint8Array): Bytes32 => signature.slice(0, 32);

const hashes = new Map<string, Uint8Array>();

export const standInSuite: CryptoSuite = {
  p256: false,
  keccak256(bytes) {
    const key = toHex(bytes);
    let found = hashes.get(key);
    if (found === undefined) {
      found = nobleSuite.keccak256(bytes);
      if (hashes.size < 200_000) hashes.set(key, found);
    }
    return found;
  },
  recover(digest, signature) {
    return equalBytes(signedDigest(signature), digest) ? signature.slice(32, 52) : undefined;
  },
};

/** The address with this name: 20 equal bytes. */
export const addressNamed = (n: number): Address => new Uint8Array(20).fill(n);
