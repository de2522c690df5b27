/**
 * Leases: when the hub promises that a channel is funded. It promises only what L2 showed at finality, only while it
 * sees L2, and only to a device that is not behind the ledger.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import {
  type Amount,
  amount,
  type ChannelId,
  type Seconds,
  seconds,
  UINT40_MAX,
  ZERO_AMOUNT,
} from '../../protocol/integers.ts';
import {
  CHANNEL_CAP_TAPS,
  SCOPE_TERMINALS_MAX,
  shareOf,
  TAP_LIMIT_PER_10000,
  TICK_VALUE_DIVISOR,
  terminalCapOf,
} from '../../protocol/limits.ts';
import { firstRefusal, type RefusalName } from '../../protocol/refusals.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import type { MessageOf } from '../../protocol/wire/messages.ts';
import { leasedEntriesMax } from '../limits.ts';
import type { RecordOf } from '../ledger/records.ts';
import { channelBook, channelsOf, findEntry, highest } from './books.ts';
import { reservedOn } from './clearances.ts';
import { beyondLedger } from './cover.ts';
import { leftToday, limitsOf } from './owner-limits.ts';
import {
  type Booking,
  type ChannelBook,
  type ChannelFacts,
  heldEntries,
  type IntakeContext,
  type IntakeState,
} from './state.ts';
import { bytesKey, keyNumber, numberKey, trieEntries, trieGet } from './trie.ts';

export type LeaseAnswer =
  | { readonly refusal: RefusalName }
  /** `known`: the same lease as before is still good, so nothing new goes into the ledger. */
  | { readonly lease: RecordOf<'lease'>; readonly known: boolean };

/** The most one tap may take: a share of the deposit, and no more than a whole scope of terminals is covered for. */
export function tapLimitOf(facts: ChannelFacts, scope: Uint8Array): Amount {
  const share = shareOf(facts.deposited, TAP_LIMIT_PER_10000);
  if (equalBytes(scope, SCOPE_ANY)) return share;
  const each = Math.floor(facts.bond / SCOPE_TERMINALS_MAX);
  // terminalCapOf(tap) <= each; a quarter of the tap is rounded down there.
  const covered = Math.floor(each / (CHANNEL_CAP_TAPS + 1 / TICK_VALUE_DIVISOR));
  return amount(Math.min(share, covered));
}

/**
 * What can't be lent any more of a channel: what the payer says it has spent, or what the ledger shows and the hub reserved,
 * whichever is more. A voucher for a reservation may be in what the payer says, so the two are not added.
 */
export function committed(
  context: IntakeContext,
  state: IntakeState,
  channel: ChannelId,
  spent: Amount,
): number {
  const { books, block } = state;
  const book = channelBook(books, channel);
  const reserved = reservedOn(books, channel, block?.at ?? 0, context.timing).reduce(
    (sum, one) => sum + one.amount,
    0,
  );
  const own = Math.max(spent, Math.max(highest(book).spent, book.claimed) + reserved);
  // What L2 paid, or will, of which the ledger knows nothing: nobody is lent that again (rule 20).
  return own + beyondLedger(state, channel);
}

/** No payee's key, so that it signs nothing away. */
const UNTOLD = '';

/**
 * Whose terminals may hold vouchers under what was lent in a scope: the payees of now, and those whose terminals were members
 * while it was good. Who was taken out of the scope since holds vouchers all the same. A terminal of which nobody knows whose it
 * is stands in it as UNTOLD.
 */
export function payeesBehind(
  { timing, scopes }: Pick<IntakeContext, 'timing' | 'scopes'>,
  payeesOf: IntakeState['payeesOf'],
  members: IntakeState['books']['members'],
  booking: Booking,
): ReadonlySet<string> {
  const key = bytesKey(booking.scope);
  const payees = new Set(scopes[key]);
  for (const { terminal, expiresAt } of members[key] ?? []) {
    if (expiresAt + timing.leaseLifetime < booking.expiresAt) continue;
    const certified = trieGet(payeesOf, bytesKey(terminal));
    if (certified === undefined) payees.add(UNTOLD);
    for (const payee of certified ?? []) payees.add(bytesKey(payee));
  }
  return payees;
}

/** Is a lease in a scope still booked? Until its claims are over, or all payees behind it said that none comes. */
function isBooked(
  context: IntakeContext,
  { books, payeesOf }: IntakeState,
  book: ChannelBook,
  booking: Booking,
  now: Seconds,
): boolean {
  const { payeeOfflineMax, claimMargin } = context.timing;
  if (booking.expiresAt + payeeOfflineMax + claimMargin < now) return false;
  const payees = payeesBehind(context, payeesOf, books.members, booking);
  if (payees.size === 0) return true;
  return [...payees].some((payee) => (book.released[payee] ?? 0) < booking.expiresAt);
}

/** Leases of a channel that ended, as a payee that may sign them away is told of them. */
export interface EndedLease {
  readonly channel: ChannelId;
  /** When the last of them ended, L2 time. */
  readonly until: Seconds;
  /** Up to when it signed before; 0: never. */
  readonly released: Seconds;
}

/**
 * Leases that ended and still hold a payer's bond, as a payee (key) behind them has not signed them away, of `most` channels.
 * Those of a payer that is proved dishonest are left out: a payee claims on them.
 */
export function endedLeases(
  context: Pick<IntakeContext, 'timing' | 'scopes'>,
  { books, channels, payeesOf, block }: Pick<IntakeState, 'books' | 'channels' | 'payeesOf' | 'block'>,
  payee: string,
  most: number,
): EndedLease[] {
  const now = block?.at ?? 0;
  const leases: EndedLease[] = [];
  for (const [key, book] of channelsOf(books)) {
    if (book.proof !== undefined || trieGet(channels, key)?.slashed === true) continue;
    const ends = book.booked.filter(
      (booking) =>
        booking.expiresAt <= now && payeesBehind(context, payeesOf, books.members, booking).has(payee),
    );
    const until = seconds(Math.max(0, ...ends.map(({ expiresAt }) => expiresAt)));
    const released = book.released[payee] ?? seconds(0);
    if (until > released) leases.push({ channel: keyNumber(key) as ChannelId, until, released });
    if (leases.length === most) break;
  }
  return leases;
}

/**
 * Does the bond cover what this lease lends, beside all that is lent in other scopes? Leases add up: a copy can pay in each.
 * A lease for any terminal has no number of terminals; who allows it bears it.
 */
function isCovered(
  context: IntakeContext,
  state: IntakeState,
  book: ChannelBook,
  facts: ChannelFacts,
  lease: Pick<RecordOf<'lease'>, 'scope' | 'cap'>,
  now: Seconds,
): boolean {
  if (equalBytes(lease.scope, SCOPE_ANY)) return true;
  let each: number = lease.cap;
  for (const booking of book.booked) {
    if (equalBytes(booking.scope, SCOPE_ANY) || !isBooked(context, state, book, booking, now)) continue;
    if (equalBytes(booking.scope, lease.scope)) each += Math.max(0, booking.cap - lease.cap);
    else each += booking.cap;
  }
  return SCOPE_TERMINALS_MAX * each <= facts.bond;
}

/** Answers a payer's request for a lease. `now` is the hub's clock: it can only refuse, never date. */
export function answerLeaseRequest(
  context: IntakeContext,
  state: IntakeState,
  request: MessageOf<'leaseRequest'>,
  now: Seconds,
): LeaseAnswer {
  const facts = trieGet(state.channels, numberKey(request.channel));
  if (facts === undefined) return { refusal: 'channel_unknown' };
  const { signing } = context;
  if (!signing.signedBy('LeaseRequest', request, request.signature, facts.payer, request.key)) {
    return { refusal: 'signature' };
  }
  const { block } = state;
  const book = channelBook(state.books, request.channel);
  const seen = highest(book);
  // What is reserved is lent to nobody; what the payer says it has signed already is counted once.
  const held = committed(context, state, request.channel, request.spent) - request.spent;
  // The owner may want less than the channel has.
  const today = leftToday(context, state, request.channel, request.spent, block?.at ?? 0);
  const free = Math.min(facts.spendable - held, request.spent + today);
  const spendLimit = amount(Math.max(request.spent, free));
  const tapLimit = amount(Math.min(tapLimitOf(facts, request.scope), limitsOf(state, request.channel).tap));
  const cap = terminalCapOf(tapLimit);
  const refusal = firstRefusal([
    request.spent > facts.spendable ? 'over_spend_limit' : undefined,
    scopeAllowed(context, request.scope) ? undefined : 'lease_scope',
    creditsOverdue(context, state, request.scope) ? 'credits_overdue' : undefined,
    book.proof !== undefined || facts.slashed || state.books.revoked.includes(request.channel)
      ? 'revoked'
      : undefined,
    request.seq < seen.seq || request.spent < seen.spent ? 'behind_ledger' : undefined,
    block === undefined || state.doubted || now - block.at > context.timing.watchLag
      ? 'chain_stale'
      : undefined,
    facts.exiting ? 'exit_running' : undefined,
    heldEntries(state.books) >= leasedEntriesMax(context.indexedMax) ? 'index_full' : undefined,
    block === undefined || isCovered(context, state, book, facts, { scope: request.scope, cap }, block.at)
      ? undefined
      : 'not_covered',
  ]);
  if (refusal !== undefined) return { refusal };
  const lease: RecordOf<'lease'> = {
    type: 'lease',
    channel: request.channel,
    seq: request.seq,
    payer: facts.payer,
    spentFrom: request.spent,
    spendLimit,
    tapLimit,
    cap,
    guarantee: ZERO_AMOUNT,
    issuedAt: block!.at,
    expiresAt: seconds(Math.min(block!.at + context.timing.leaseLifetime, UINT40_MAX)),
    scope: request.scope,
  };
  const old = book.lease;
  const known = old !== undefined && stillGood(context, old, lease);
  return known ? { lease: old, known } : { lease, known };
}

/** A lease with the same numbers in the first half of its life is given again: retries cost no ledger record. */
function stillGood(context: IntakeContext, old: RecordOf<'lease'>, wanted: RecordOf<'lease'>): boolean {
  return (
    old.seq === wanted.seq &&
    old.spentFrom === wanted.spentFrom &&
    old.spendLimit === wanted.spendLimit &&
    old.tapLimit === wanted.tapLimit &&
    old.cap === wanted.cap &&
    old.guarantee === wanted.guarantee &&
    equalBytes(old.payer, wanted.payer) &&
    equalBytes(old.scope, wanted.scope) &&
    wanted.issuedAt < old.issuedAt + context.timing.leaseLifetime / 2
  );
}

/**
 * Does a payee of the scope owe a countersignature for longer than its terminals may stay away plus claimMargin? Then
 * payers would risk money in a scope that does not give it back (rule 4). It owes none to a payer that is proved
 * dishonest: the bond answers, and a cheater must not shut a scope for everybody.
 */
function creditsOverdue(context: IntakeContext, state: IntakeState, scope: Uint8Array): boolean {
  const payees = context.scopes[bytesKey(scope)];
  const { block, books } = state;
  if (payees === undefined || block === undefined) return false;
  const { payeeOfflineMax, claimMargin } = context.timing;
  for (const [, owed] of trieEntries(books.owed)) {
    if (owed === undefined || !payees.includes(bytesKey(owed.payee))) continue;
    if (owed.since + payeeOfflineMax + claimMargin >= block.at) continue;
    const entry = findEntry(books, owed.voucher);
    if (entry !== undefined && channelBook(books, entry.channel).proof === undefined) return true;
  }
  return false;
}

function scopeAllowed(context: IntakeContext, scope: Uint8Array): boolean {
  if (equalBytes(scope, SCOPE_ANY)) return context.leaseAnyScope;
  return context.scopes[bytesKey(scope)] !== undefined;
}
