/**
 * A secure element, simulated: P-256, a key that can't be read, and a counter that only rises and is spent before a
 * signature leaves. Real parts (ATECC608 and its kin) work so; their command framing is not simulated. The counter is
 * what a restored or duplicated device can't roll back: the hub may compare it with what its ledger has seen.
 */
import { p256 } from '@noble/curves/nist.js';
import { addressOfKey } from '../../protocol/crypto/noble.ts';
import type { SecureKey } from '../interfaces/index.ts';
import { KeyFault } from './key-fault.ts';

/** Where a counter outlives the power. Returns only when the value is stored. */
export interface CounterStore {
  read(): number;
  write(value: number): void;
}

/** As on the ATECC608: its counters end here, and so does the key's life. */
export const COUNTER_MAX = 2_097_151;

export interface SecureElement extends SecureKey {
  readonly publicKey: Uint8Array;
  /** Signatures that this element has ever begun. */
  readonly counter: number;
}

/** `secret`: 32 bytes. Throws `key_invalid` when it is no P-256 key. */
export function simulatedSecureElement(secret: Uint8Array, store: CounterStore): SecureElement {
  if (!p256.utils.isValidSecretKey(secret))
    throw new KeyFault('key_invalid', 'A P-256 key is 32 bytes, above zero and below the group order.');
  const publicKey = p256.getPublicKey(secret, false).slice(1);
  return {
    scheme: 'p256',
    address: addressOfKey(publicKey),
    publicKey,
    get counter() {
      return store.read();
    },
    async sign(digest) {
      if (digest.length !== 32) throw new KeyFault('digest_invalid', 'A digest is 32 bytes.');
      const counter = store.read();
      if (counter >= COUNTER_MAX) throw new KeyFault('key_refused', 'The counter is at its end.');
      // Spent first: a power cut costs a count, never gives one back.
      store.write(counter + 1);
      // Parts like these emit either S.
      return p256.sign(digest, secret, { prehash: false, lowS: false });
    },
  };
}
