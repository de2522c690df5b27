/**
 * The payee's own decision (rule 4): a terminal's credit is a promise, and money moves back on L2 only with the payee's
 * signature. It follows when nothing can contradict the credit any more: a dishonest payer can invent a closed request
 * at one terminal while its real vouchers still wait in another terminal's outbox.
 */
import { type Address, type Bytes32, equalBytes, type Signature, toHex } from '../bytes.ts';
import { type Amount, type Seconds, seconds } from '../integers.ts';
import type { Timing } from '../limits.ts';
import type { Signing } from '../signing/digests.ts';
import { voucherDigest } from '../vouchers.ts';
import { decodeMessage } from '../wire/messages.ts';
import { collectedFrom } from './collected.ts';

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
  /** What is told of it doesn't check: another voucher, time or amount than somebody signed, or no terminal of the payee's. */
  | 'unproved'
  /** Nothing is promised beyond what was signed. */
  | 'nothing'
  /** Vouchers of this channel contradict each other: the bond answers, not the payee. */
  | 'proved'
  /** A terminal may still hold a voucher that contradicts the credit. */
  | 'wait';

/** What somebody says of a terminal: until when everything is in the ledger, with the terminal's own signature. */
export interface SyncedWord {
  readonly terminal: Address;
  readonly at: Seconds;
  readonly signature: Signature | undefined;
}

/**
 * When each of a payee's terminals said that everything before is in the ledger; 0 for one that never did. `own` is the
 * payee's own list, which a hub that leaves a terminal out doesn't shorten; a terminal that the hub alone names counts as
 * well. Of what it says of them only the terminal's own signature counts.
 */
export function terminalsSynced(
  signing: Signing,
  own: readonly Address[],
  said: readonly SyncedWord[],
): Seconds[] {
  const times = new Map(own.map((terminal) => [toHex(terminal), seconds(0)]));
  for (const { terminal, at, signature } of said) {
    const isItsOwn =
      signature !== undefined && signing.signedBy('Synced', { terminal, at }, signature, terminal);
    times.set(toHex(terminal), isItsOwn ? at : seconds(0));
  }
  return [...times.values()];
}

/** What somebody tells of a credit that a terminal promised. */
export interface ToldCredit {
  readonly voucher: Bytes32;
  readonly requestAt: Seconds;
  readonly promised: Amount;
  /** The message that carried the voucher to the hub. */
  readonly collected: Uint8Array;
  /** The terminal's, over voucher and amount. */
  readonly signature: Signature;
}

/**
 * Whether a credit is one that a terminal of the payee's own list promised, on a voucher to this payee, of a request of this
 * time: the voucher's digest holds the request, and the terminal's signature digest and amount. A request that is dated
 * earlier than it was would be countersigned before all terminals have said that nothing contradicts it.
 */
export function isPromised(
  signing: Signing,
  payee: Address,
  terminals: readonly Address[],
  { voucher, requestAt, promised, collected, signature }: ToldCredit,
): boolean {
  const decoded = decodeMessage(collected, 'sync');
  const message = decoded.ok ? decoded.message : undefined;
  if (message?.type !== 'collectedVoucher' && message?.type !== 'collectedStream') return false;
  const own = collectedFrom(signing, message);
  const { terminal, at } = own.request;
  return (
    equalBytes(voucherDigest(signing, own.voucher), voucher) &&
    equalBytes(own.voucher.payee, payee) &&
    at === requestAt &&
    terminals.some((known) => equalBytes(known, terminal)) &&
    signing.signedBy('Credit', { voucher, credited: promised }, signature, terminal)
  );
}

/** May the payee sign now? `now` is L2 time. */
export function countersign(
  credit: PromisedCredit,
  now: Seconds,
  timing: Pick<Timing, 'payeeOfflineMax'>,
): CountersignAnswer {
  if (credit.promised <= credit.countersigned) return 'nothing';
  if (credit.proved) return 'proved';
  const synced = credit.terminalsSyncedAt.every((at) => at >= credit.requestAt);
  // A terminal that stayed away longer than it may has no claim that the others must wait for.
  const overdue = now > credit.requestAt + timing.payeeOfflineMax;
  return synced || overdue ? 'sign' : 'wait';
}

/** Leases of a channel that ended, and what a payee of their scopes knows of it. */
export interface EndedLeases {
  /** When the last of them ended, L2 time. */
  readonly until: Seconds;
  /** When each of the payee's terminals last said that everything before is in the ledger; 0 for never. */
  readonly terminalsSyncedAt: readonly Seconds[];
  /** Money of the payee's on this channel is not settled on L2, as far as it knows. */
  readonly unsettled: boolean;
  /** The payer was proved dishonest: its leases are what the payee claims on. */
  readonly slashed: boolean;
}

/**
 * May the payee sign that none of its terminals holds a voucher under these leases? What it signs takes its claim on the
 * channel's bond away for ever, so all its terminals must have handed in what they took under them, and all of it must be
 * paid. `now` is L2 time.
 */
export function releasable(leases: EndedLeases, now: Seconds): boolean {
  const { until, terminalsSyncedAt, unsettled, slashed } = leases;
  if (until > now || unsettled || slashed || terminalsSyncedAt.length === 0) return false;
  return terminalsSyncedAt.every((at) => at > until);
}
