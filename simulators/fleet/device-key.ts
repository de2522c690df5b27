/**
 * A device's key in virtual time: it answers at once, or later as one behind a bus does, or refuses, for a time or for
 * good. What it signs is the same in all cases.
 */
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { KeyFault } from '../../hardware/keys/key-fault.ts';
import type { SimulatedKey } from '../stage/world/suite.ts';

/** Has something happen after so many milliseconds, unless the power goes before. */
export type Later = (delayMs: number, action: () => void) => void;

/** A secure element signs in some 60 ms, and is asked over a bus. */
const ELEMENT_MS = 60;
const lateMsOf = ({ scheme }: SimulatedKey): number => (scheme === 'p256' ? ELEMENT_MS : 0);

export class DeviceKey implements SecureKey {
  readonly scheme: SecureKey['scheme'];
  readonly address: Uint8Array;
  readonly publicKey?: Uint8Array;
  readonly made: SimulatedKey;
  /** How long an answer takes, milliseconds; 0: the key is in the device's own processor. */
  lateMs: number;
  /** Faults that make it refuse right now. */
  failing = 0;
  /** It refuses for good. */
  dead = false;
  private readonly later: Later;

  constructor(made: SimulatedKey, later: Later) {
    this.made = made;
    this.scheme = made.scheme;
    this.address = made.address;
    if (made.publicKey !== undefined) this.publicKey = made.publicKey;
    this.later = later;
    this.lateMs = lateMsOf(made);
  }

  /** The time of faults is over; a dead key stays dead. */
  heal(): void {
    this.lateMs = lateMsOf(this.made);
    this.failing = 0;
  }

  /** A device whose day is lived again elsewhere has a key that answers at once: a recording holds no delays. */
  answerAtOnce(): void {
    this.lateMs = 0;
  }

  sign(digest: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (this.lateMs === 0) return this.answer(digest);
    return new Promise((resolve, reject) => {
      this.later(this.lateMs, () => {
        try {
          resolve(this.answer(digest));
        } catch (error) {
          reject(error as KeyFault);
        }
      });
    });
  }

  private answer(digest: Uint8Array): Uint8Array {
    if (this.dead || this.failing > 0) throw new KeyFault('key_refused', 'The key does not answer.');
    return this.made.sign(digest);
  }
}
