/**
 * What the hub promised about a channel, as evidence for a pot: it signs its booked lease again, so that it counts
 * whichever key signed it first. The pots take a lease of any time of its key's term, up to watchLag after the proof.
 */
import { type HubKey, signAs } from '../crypto/sign-as.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import type { ChannelBook } from '../intake/state.ts';
import type { ShownLease } from '../l2/rows.ts';

/** The newest lease of a channel when any terminal may take it; a scope's members aren't known here. */
export async function promisedLeases(
  signing: Signing,
  key: HubKey,
  { lease }: ChannelBook,
): Promise<readonly ShownLease[]> {
  if (lease === undefined || !equalBytes(lease.scope, SCOPE_ANY)) return [];
  return [{ ...lease, signature: await signAs(signing, key, 'Lease', lease), members: [] }];
}
