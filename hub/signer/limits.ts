/**
 * What a signer refuses whoever asks: leases above its bounds, and a second entry at a position. Pure; where positions are
 * kept is the store's matter.
 */
import type { StructMessage } from '../../protocol/signing/structs.ts';

/** Bounds of one lease, units and seconds. A clearance is a lease that lends for one request. */
export interface LeaseBounds {
  readonly capMax: number;
  readonly guaranteeMax: number;
  readonly tapMax: number;
  /** Of what may be spent on it: `spendLimit - spentFrom`. */
  readonly spendMax: number;
  readonly lifetimeMax: number;
}

/** Why a lease is above the bounds; undefined: it isn't. */
export function leaseRefusal(bounds: LeaseBounds, lease: StructMessage<'Lease'>): string | undefined {
  const above = (what: string, value: number, max: number): string | undefined =>
    value > max ? `${what} ${value} is above ${max}` : undefined;
  return (
    above('cap', lease.cap, bounds.capMax) ??
    above('guarantee', lease.guarantee, bounds.guaranteeMax) ??
    above('tapLimit', lease.tapLimit, bounds.tapMax) ??
    above('what may be spent', lease.spendLimit - lease.spentFrom, bounds.spendMax) ??
    above('its life', lease.expiresAt - lease.issuedAt, bounds.lifetimeMax)
  );
}

/** Remembers which entry was signed at which position, durably and for ever. */
export interface Positions {
  /**
   * Keeps the entries, each at its position, and resolves once they are on the disk: for each whether it may be signed, that
   * is, whether the position is new or its own.
   */
  take(
    entries: readonly { readonly position: number; readonly entry: Uint8Array }[],
  ): Promise<readonly boolean[]>;
  close(): Promise<void>;
}
