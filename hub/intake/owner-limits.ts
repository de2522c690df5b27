/**
 * What an owner lets a channel spend: in one payment, and in one UTC day. The hub keeps to it when it lends and when it
 * clears, so that it holds for a device that is lost or was tampered with, too. It can only refuse: a lease that is out
 * counts until its end, and what a device spends while it is away the hub counts when it hears of it.
 */
import { type Amount, type ChannelId, UINT48_MAX } from '../../protocol/integers.ts';
import type { RefusalName } from '../../protocol/refusals.ts';
import { channelBook, spentBaseOf, spentTopOf } from './books.ts';
import { reservedOn } from './clearances.ts';
import type { Books, IntakeContext, IntakeState, OwnerLimits } from './state.ts';

/** Nothing beyond what the channel itself allows. */
export const NO_LIMITS: OwnerLimits = { tap: UINT48_MAX, day: UINT48_MAX };

const DAY = 86_400;
/** Payments of one day that are added up; of a channel with more the day counts as spent. */
const LOOKED_MAX = 10_000;

/** The limits of a channel. */
export const limitsOf = (
  { ownerLimits }: Pick<IntakeState, 'ownerLimits'>,
  channel: ChannelId,
): OwnerLimits => ownerLimits[channel] ?? NO_LIMITS;

/** Units that the ledger shows a channel to have spent on the UTC day of `now`, seconds of L2; Infinity when it is too much. */
export function spentToday(books: Books, channel: ChannelId, now: number): number {
  const start = Math.floor(now / DAY) * DAY;
  let [sum, looked] = [0, 0];
  for (const entry of channelBook(books, channel).entries.before(Number.POSITIVE_INFINITY)) {
    if (entry.at < start) break;
    looked += 1;
    if (looked > LOOKED_MAX) return Number.POSITIVE_INFINITY;
    if (!entry.voided) sum += spentTopOf(entry) - spentBaseOf(entry);
  }
  return sum;
}

/**
 * Units that a channel may still spend today, beyond `spent`, which is what its device says: what the ledger does not show
 * of that counts as spent today. `now`: seconds of L2.
 */
export function leftToday(
  { timing }: Pick<IntakeContext, 'timing'>,
  state: IntakeState,
  channel: ChannelId,
  spent: Amount,
  now: number,
): number {
  const { day } = limitsOf(state, channel);
  if (day === UINT48_MAX) return day;
  const { books } = state;
  const { last } = channelBook(books, channel).entries;
  const unseen = Math.max(0, spent - (last === undefined ? 0 : spentTopOf(last)));
  const reserved = reservedOn(books, channel, now, timing).reduce((sum, one) => sum + one.amount, 0);
  return Math.max(0, day - spentToday(books, channel, now) - unseen - reserved);
}

/** Why a request may not be cleared, or undefined. */
export function ownersRefusal(
  context: Pick<IntakeContext, 'timing'>,
  state: IntakeState,
  asked: { readonly channel: ChannelId; readonly spent: Amount; readonly amount: Amount },
  now: number,
): RefusalName | undefined {
  const { channel, spent, amount } = asked;
  if (amount > limitsOf(state, channel).tap) return 'over_tap_limit';
  return amount > leftToday(context, state, channel, spent, now) ? 'over_day_limit' : undefined;
}
