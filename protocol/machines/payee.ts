/**
 * The payee's own decision (rule 4): a terminal's credit is a promise, and money moves back on L2 only with the payee's
 * signature. It follows when nothing can contradict the credit any more: a dishonest payer can invent a closed request
 * at one terminal while its real vouchers still wait in another terminal's outbox.
 */
import type { Address, Signature } from '../bytes.ts';
import { type Amount, type Seconds, seconds } from '../integers.ts';
import type { Timing } from '../limits.ts';
import type { Signing } from '../signing/digests.ts';

/** A credit of one of the payee's terminals, and what is known around it. */
export interface PromisedCredit {
  readonly requestAt: Seconds;
  /** What the terminal promised on the voucher, and what the payee signed already. */
  readonly promised: Amount;
  readonly countersigned: Amount;
  /** True when the channel's vouchers, as the ledger shows them, prove its payer dishonest: E1, E2 or E3. */
  readonly proved: boolean;
  /** When each of the payee's terminals last said that everything before is in the ledger; 0 for never. */
  readonly terminalsSyncedAt: readonly Seconds[];
}

export type CountersignAnswer =
  | 'sign'
  /** Nothing is promised beyond what was signed. */
  | 'nothing'
  /** Vouchers of this channel contradict each other: the bond answers, not the payee. */
  | 'proved'
  /** A terminal may still hold a voucher that contradicts the credit. */
  | 'wait';

/**
 * When a terminal said that everything before is in the ledger; 0 when it never did. Only its own signature counts, not
 * the hub's word.
 */
export function syncedAt(
  signing: Signing,
  terminal: Address,
  at: Seconds,
  signature: Signature | undefined,
): Seconds {
  const isItsOwn =
    signature !== undefined && signing.signedBy('Synced', { terminal, at }, signature, terminal);
  return isItsOwn ? at : seconds(0);
}

/** May the payee sign now? `now` is L2 time. */
export function countersign(credit: PromisedCredit, now: Seconds, timing: Timing): CountersignAnswer {
  if (credit.promised <= credit.countersigned) return 'nothing';
  if (credit.proved) return 'proved';
  const synced = credit.terminalsSyncedAt.every((at) => at >= credit.requestAt);
  // A terminal that stayed away longer than it may has no claim that the others must wait for.
  const overdue = now > credit.requestAt + timing.payeeOfflineMax;
  return synced || overdue ? 'sign' : 'wait';
}
