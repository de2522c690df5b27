/** Signatures of the hub's key, asked for by what is signed: a signer elsewhere wants to see it, and not a digest. */
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { StructMessage, StructName } from '../../protocol/signing/structs.ts';

/** What the hub's own key signs. */
export const HUB_WORDS = [
  'Acknowledgement',
  'Kept',
  'Lease',
  'Member',
  'Unknown',
  'Beacon',
] as const satisfies readonly StructName[];
export type HubWord = (typeof HUB_WORDS)[number];

/** A key that may want to see what it signs. */
export interface HubKey extends SecureKey {
  /** Signs the struct by its fields; absent: its digest is enough. Rejects as `sign` does. */
  signWord?<N extends HubWord>(name: N, message: StructMessage<N>): Promise<Uint8Array> | Uint8Array;
}

/** The hub's signature of a struct. */
export function signAs<N extends HubWord>(
  signing: Signing,
  key: HubKey,
  name: N,
  message: StructMessage<N>,
): Promise<Uint8Array> | Uint8Array {
  return key.signWord?.(name, message) ?? key.sign(signing.digest(name, message));
}
