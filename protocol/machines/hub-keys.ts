/** The hub's keys as a device knows them (rule 6a): which one signed, and how a next key is taken. */
import { type Address, equalBytes, type Signature } from '../bytes.ts';
import type { Seconds } from '../integers.ts';
import { HUB_KEYS_MAX } from '../limits.ts';
import type { Signing } from '../signing/digests.ts';
import type { StructMessage, StructName } from '../signing/structs.ts';

export interface HubKey {
  readonly address: Address;
  readonly from: Seconds;
  readonly until: Seconds;
}

/**
 * True when a key of the hub, valid at `at`, signed the struct. Without `at` any key that the device keeps counts:
 * an acknowledgement or a beacon proves itself by the key alone.
 */
export function signedByHub<N extends StructName>(
  signing: Signing,
  keys: readonly HubKey[],
  name: N,
  message: StructMessage<N>,
  signature: Signature,
  at?: Seconds,
): boolean {
  const signer = signing.suite.recover(signing.digest(name, message), signature);
  if (signer === undefined) return false;
  return keys.some(
    (key) => equalBytes(key.address, signer) && (at === undefined || (key.from <= at && at <= key.until)),
  );
}

/** Adds a key; the one that ends first goes when there are too many. A known key's dates are replaced. */
export function withHubKey(keys: readonly HubKey[], { address, from, until }: HubKey): readonly HubKey[] {
  const others = keys.filter((key) => !equalBytes(key.address, address));
  const all = [...others, { address, from, until }].sort((a, b) => a.until - b.until);
  return all.length > HUB_KEYS_MAX ? all.slice(all.length - HUB_KEYS_MAX) : all;
}
