/** What the hub says to everyone: L2 time and height, the revoked channels, and a checkpoint of its ledger. */
import { type HubKey, signAs } from './crypto/sign-as.ts';
import { type Bytes16, concatBytes, uintBytes, ZERO_BYTES16 } from '../protocol/bytes.ts';
import type { Timing } from '../protocol/limits.ts';
import type { Signing } from '../protocol/signing/digests.ts';
import { encodeMessage } from '../protocol/wire/messages.ts';
import { durableBooks, type IntakeState } from './intake/state.ts';
import type { Journal } from './ledger/journal.ts';
import { listedRevocations } from './revocations.ts';

/** A beacon and its revocation list, as bytes for devices. */
export interface SignedBeacon {
  readonly beacon: Uint8Array;
  readonly revocations: Uint8Array;
  /** Ledger records that the checkpoint covers. */
  readonly size: number;
  /** Its L2 time. */
  readonly at: number;
  /** Channels on the list. */
  readonly revoked: number;
  /** Revoked channels for which the list has no room. */
  readonly unlisted: number;
}

/** The present beacon (to whoever asked with `nonce`, or to all) and the list it commits to, or undefined before the first L2 block was seen. */
export async function signBeacon(
  signing: Signing,
  key: HubKey,
  state: IntakeState,
  journal: Journal,
  timing: Timing,
  nonce: Bytes16 = ZERO_BYTES16,
): Promise<SignedBeacon | undefined> {
  if (state.block === undefined) return undefined;
  // Only what is durable is published: a revocation that is still being written follows with the next beacon.
  const { channels, left: unlisted } = listedRevocations(durableBooks(state), timing, state.block.at);
  const { size, hash } = journal.checkpoint();
  const fields = {
    at: state.block.at,
    height: state.block.height,
    revocations: signing.suite.keccak256(concatBytes(...channels.map((id) => uintBytes(id, 4)))),
    checkpoint: hash,
    nonce,
  };
  const signature = await signAs(signing, key, 'Beacon', fields);
  return {
    beacon: encodeMessage({ type: 'beacon', ...fields, signature }),
    revocations: encodeMessage({ type: 'revocations', channels }),
    size,
    at: fields.at,
    revoked: channels.length,
    unlisted,
  };
}
