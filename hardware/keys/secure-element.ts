/**
 * A secure element, simulated: P-256, a key that can't be read, and a counter that only rises and is spent before a
 * signature leaves. Real parts (ATECC608 and its kin) work so; their command framing is not simulated.
 *
 * The device beside it keeps a witness of the counter: a part that was put back to an earlier copy of itself has counted
 * less than it signed, and is refused.
 */
import { p256 } from '@noble/curves/nist.js';
import { addressOfKey } from '../../protocol/crypto/noble.ts';
import type { SecureKey } from '../interfaces/index.ts';
import { KeyFault } from './key-fault.ts';

/** Where a counter outlives the power. Reading throws when what is stored is damaged. Returns only when the value is stored. */
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
  /** Later: it is asked over a bus. Rejects with KeyFault. */
  sign(digest: Uint8Array): Promise<Uint8Array>;
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

/**
 * The element as a device uses it: it signs only while its counter stands at or above the witness, and no signature
 * leaves before the witness has it. Throws `counter_went_back` at once when it doesn't.
 */
export function witnessed(element: SecureElement, witness: CounterStore): SecureElement {
  const check = (): void => {
    const [counted, seen] = [element.counter, witness.read()];
    if (counted < seen)
      throw new KeyFault(
        'counter_went_back',
        `The secure element has counted ${counted} signatures, and this device has seen ${seen}: it is an earlier copy.`,
      );
  };
  check();
  return {
    scheme: 'p256',
    address: element.address,
    publicKey: element.publicKey,
    get counter() {
      return element.counter;
    },
    async sign(digest) {
      check();
      const signature = await element.sign(digest);
      witness.write(element.counter);
      return signature;
    },
  };
}
