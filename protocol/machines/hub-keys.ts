/**
 * The hub's keys as a device knows them (rule 6a). The device pins the hub's root, a key that is kept offline; the root
 * certifies the keys that sign from day to day, each for a month at most, and revokes any of them for ever. Whoever
 * steals one of those reaches its end or its revocation, names no other, and moves time no further than its window.
 *
 * An epoch is the root's last resort, when time itself was moved by a thief or a defect: a certificate of a higher one
 * sets the device's time to the moment of its signing, backwards too, and ends every key of the epochs before.
 */
import type { CryptoSuite, SecureKey } from '../../hardware/interfaces/index.ts';
import { type Address, equalBytes, type Signature, utf8 } from '../bytes.ts';
import { type Seconds, seconds, UINT40_MAX } from '../integers.ts';
import { HUB_KEY_AHEAD_MAX, HUB_KEY_LIFE_MAX, HUB_KEYS_MAX, REVOKED_KEYS_MAX } from '../limits.ts';
import type { Signing } from '../signing/digests.ts';
import type { StructMessage, StructName } from '../signing/structs.ts';
import type { MessageOf } from '../wire/messages.ts';
import { addressField, secondsField, struct, u32 } from '../wire/schema.ts';

/** A key that the root certified. */
export interface HubKey {
  readonly address: Address;
  readonly from: Seconds;
  readonly until: Seconds;
  readonly epoch: number;
  readonly signedAt: Seconds;
}

/** A key that the root took back. */
export interface RevokedKey {
  readonly address: Address;
  readonly at: Seconds;
}

/** Which keys of its hub a device knows. */
export interface HubTrust {
  readonly epoch: number;
  readonly certified: readonly HubKey[];
  /** Kept until no certificate of theirs can be in time any more, so that none brings them back. */
  readonly revoked: readonly RevokedKey[];
}

/** What every device pins when it is provisioned. */
export interface HubPin {
  /** keccak256 of the hub's name. */
  readonly id: Uint8Array;
  readonly root: Address;
}

/** The pin of a hub, by its name and its root's address. */
export const hubPin = (suite: CryptoSuite, name: string, root: Address): HubPin => ({
  id: suite.keccak256(utf8(name)),
  root,
});

export const NO_TRUST: HubTrust = { epoch: 0, certified: [], revoked: [] };

/** Fields of the stored records, the same in every device. */
export const hubKeyFields = struct({
  address: addressField,
  from: secondsField,
  until: secondsField,
  epoch: u32,
  signedAt: secondsField,
});
export const revokedKeyFields = struct({ address: addressField, at: secondsField });

/** The first of the keys that signed the struct and was in its window at `at`, or undefined. */
export function hubKeyOf<N extends StructName>(
  signing: Signing,
  keys: readonly HubKey[],
  name: N,
  message: StructMessage<N>,
  signature: Signature,
  at: Seconds,
): HubKey | undefined {
  const signer = signing.suite.recover(signing.digest(name, message), signature);
  if (signer === undefined) return undefined;
  return keys.find((key) => equalBytes(key.address, signer) && key.from <= at && at <= key.until);
}

/** Is it a certificate that the root may give? Longer ones, and ones given too far ahead, would outlive a theft. */
export const certifiable = ({ from, until, signedAt }: Omit<HubKey, 'address'>): boolean =>
  from <= until && until - from <= HUB_KEY_LIFE_MAX && from - signedAt <= HUB_KEY_AHEAD_MAX;

/** Did the root take this key back? */
export const isRevoked = (trust: HubTrust, address: Address): boolean =>
  trust.revoked.some((key) => equalBytes(key.address, address));

/**
 * Is a certificate of this key and moment of signing one that the root may have taken back? A full list may have lost the
 * oldest one taken back: all of a key's certificates are older than its end, so then none counts that is as old as the
 * oldest that is left.
 */
export const mayBeRevoked = (
  trust: HubTrust,
  { address, signedAt }: Pick<HubKey, 'address' | 'signedAt'>,
): boolean =>
  isRevoked(trust, address) || (trust.revoked.length >= REVOKED_KEYS_MAX && signedAt <= trust.revoked[0]!.at);

/** From this time on no certificate of a key that was revoked can be in its window: the root signed none later. */
const forgettable = ({ at }: RevokedKey, time: Seconds): boolean =>
  time > at + HUB_KEY_AHEAD_MAX + HUB_KEY_LIFE_MAX;

/** Books that hold a device's trust and the highest time that was signed for it. */
export interface TrustBooks {
  readonly hub: HubTrust;
  readonly time: Seconds;
}

/** The books with a certified key. */
export function withHubKey<B extends TrustBooks>(books: B, key: HubKey): B {
  const { hub, time } = books;
  if (key.epoch < hub.epoch || mayBeRevoked(hub, key)) return books;
  if (key.epoch > hub.epoch) {
    // A key of this very epoch may have been taken back before this certificate was made.
    const revoked = hub.revoked.filter((gone) => !forgettable(gone, key.signedAt));
    return { ...books, time: key.signedAt, hub: { epoch: key.epoch, certified: [key], revoked } };
  }
  const known = hub.certified.find((other) => equalBytes(other.address, key.address));
  const now = seconds(Math.max(time, key.signedAt));
  // An older certificate of a known key, played again, takes nothing away.
  if (known !== undefined && known.signedAt > key.signedAt) return { ...books, time: now };
  let certified = [...hub.certified.filter((other) => other !== known), key].sort(
    (a, b) => a.until - b.until,
  );
  if (certified.length > HUB_KEYS_MAX) {
    // What has ended goes first; else what is farthest ahead, which will be shown again when its time comes.
    certified = certified[0]!.until < now ? certified.slice(1) : certified.slice(0, -1);
  }
  return { ...books, time: now, hub: { ...hub, certified } };
}

/** The books without a key that the root took back. */
export function withoutHubKey<B extends TrustBooks>(books: B, gone: RevokedKey): B {
  const { hub, time } = books;
  if (isRevoked(hub, gone.address)) return books;
  const certified = hub.certified.filter((key) => !equalBytes(key.address, gone.address));
  // Only for room, as in a snapshot's records time is the newest already: read back, they must forget nothing else.
  const isFull = hub.revoked.length >= REVOKED_KEYS_MAX;
  const kept = isFull ? hub.revoked.filter((key) => !forgettable(key, time)) : hub.revoked;
  const revoked = [...kept, gone].sort((a, b) => a.at - b.at).slice(-REVOKED_KEYS_MAX);
  return { ...books, hub: { ...hub, certified, revoked } };
}

/** What a certificate says of a key. */
export const hubKeyIn = ({ key, from, until, epoch, signedAt }: MessageOf<'hubKey'>): HubKey => ({
  address: key,
  from,
  until,
  epoch,
  signedAt,
});

/** A certificate of the root. `key`: the one that is certified; good for HUB_KEY_LIFE_MAX unless `until` says less. */
export async function certifyHubKey(
  signing: Signing,
  root: SecureKey,
  { address: key, from, epoch, signedAt, until }: Omit<HubKey, 'until'> & Partial<Pick<HubKey, 'until'>>,
): Promise<MessageOf<'hubKey'>> {
  const end = until ?? seconds(Math.min(from + HUB_KEY_LIFE_MAX, UINT40_MAX));
  const fields = { key, from, until: end, epoch, signedAt };
  return { type: 'hubKey', ...fields, signature: await root.sign(signing.digest('HubKey', fields)) };
}

/** The last moment at which a lease of this key counts: its own end, or `leaseLifetime` after the key's. */
export const leaseEnd = (key: HubKey, expiresAt: Seconds, leaseLifetime: number): Seconds =>
  seconds(Math.min(expiresAt, key.until + leaseLifetime, UINT40_MAX));
