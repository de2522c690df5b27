/** The board's key and entropy behind the hardware interfaces; the secret itself stays in C. */
import type { Clock, Entropy, SecureKey } from '../../interfaces/index.ts';
import { KeyFault } from '../../native/index.ts';
import { clearTimer, monotonicMs, setTimer } from '../../native/prelude.ts';
import { board, control } from './natives.ts';

export function boardKey(): SecureKey {
  const address = new Uint8Array(20);
  board.keyAddress(address);
  return {
    scheme: 'secp256k1',
    address,
    sign: async (digest) => {
      const signature = new Uint8Array(64);
      if (!board.keySign(digest, signature))
        throw new KeyFault('key_refused', 'The library refused to sign.');
      return signature;
    },
  };
}

/** An emulated board has no source of randomness of its own, and says so: see key.c. */
export const boardEntropy: Entropy = {
  certified: board.entropyCertified(),
  random(length) {
    const bytes = new Uint8Array(length);
    if (!board.random(bytes)) board.fault('no_entropy');
    return bytes;
  },
};

export const boardClock: Clock = {
  monotonicMs,
  realTimeSeconds() {
    const atStart = board.control(control.rtc);
    return atStart === 0 ? undefined : atStart + Math.floor(monotonicMs() / 1000);
  },
  schedule(delayMs, callback) {
    const id = setTimer(callback, delayMs);
    return () => clearTimer(id);
  },
};
