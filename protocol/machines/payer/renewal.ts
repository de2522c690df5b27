/**
 * A payer that stays connected asks for its lease again: from half of the lease's life on, as the hub gives no other before,
 * and while there is none, as where the hub does not know its channel yet. Ever more rarely: each answer costs the hub a
 * signature, and a refusal may stand for days.
 */
import { ASK_PAUSE_MAX_MS } from '../../limits.ts';
import type { PayerState, PayerTurn } from './state.ts';
import { requestLease } from './sync.ts';

/** From when on, in the device's own milliseconds, the hub is asked for a lease; undefined: never, as things stand. */
export function leaseDue({ books, volatile }: PayerState): number | undefined {
  const { channel, lease } = books;
  if (!volatile.hubConnected || volatile.frozen || channel === undefined) return undefined;
  const againMs = volatile.leaseAskedAtMs + volatile.leasePauseMs;
  if (lease === undefined) return againMs;
  const { time } = volatile;
  const half = lease.expiresAt - Math.floor((lease.expiresAt - lease.issuedAt) / 2);
  return Math.max(againMs, time.sinceMs + (half - time.floor) * 1000);
}

/** Time passes: the lease is asked for again when that is due, unless the key is at work on such a request. */
export function onClockLease(turn: PayerTurn): void {
  const due = leaseDue(turn);
  if (due === undefined || turn.nowMs < due || turn.volatile.leaseRequest !== undefined) return;
  turn.set({ leasePauseMs: Math.min(2 * turn.volatile.leasePauseMs, ASK_PAUSE_MAX_MS) });
  requestLease(turn);
}
