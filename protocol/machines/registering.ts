/** A device introduces itself to its hub: signed, and with a counter that only grows, so that nobody can do it for it. */
import { type Address, type Bytes32, ZERO_ADDRESS } from '../bytes.ts';
import { SundialError } from '../errors.ts';
import type { Context } from './effects.ts';
import type { HubPin } from './hub-keys.ts';

/** Registrations that a device can make: one a second for 136 years. */
const COUNTER_MAX = 2 ** 32 - 1;

/** The counter after this one. Throws `counter_exhausted`. */
export function nextCounter(counter: number): number {
  if (counter < COUNTER_MAX) return counter + 1;
  throw new SundialError('counter_exhausted', 'the device registered as often as it can', {
    severity: 'device',
    remedy: 'Read the journal out, settle what it holds, replace the device.',
  });
}

/** What is signed; `payee` only by a terminal. */
export function registerDigest(
  { signing, self }: Context,
  hub: HubPin,
  counter: number,
  payee: Address = ZERO_ADDRESS,
): Bytes32 {
  return signing.digest('Register', { hub: hub.id, device: self, payee, counter });
}
