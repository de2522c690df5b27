/** A device introduces itself to its hub: signed, and with a counter that only grows, so that nobody can do it for it. */
import { type Address, type Bytes32, ZERO_ADDRESS } from '../bytes.ts';
import type { Context } from './effects.ts';
import type { HubPin } from './hub-keys.ts';

/** What is signed; `payee` only by a terminal. */
export function registerDigest(
  { signing, self }: Context,
  hub: HubPin,
  counter: number,
  payee: Address = ZERO_ADDRESS,
): Bytes32 {
  return signing.digest('Register', { hub: hub.id, device: self, payee, counter });
}
