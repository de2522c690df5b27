/**
 * Reservations for requests above the offline limits: what is held, until when, and which requests are over. A request is
 * cleared once. Its reservation is free again when its voucher is in the ledger, when its terminal said that it was dropped
 * or that everything up to it is handed in, and when nobody can bring a voucher for it any more.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import type { ChannelId } from '../../protocol/integers.ts';
import type { Timing } from '../../protocol/limits.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import { clockErrorMax, watchLagMax } from '../limits.ts';
import type { RecordOf } from '../ledger/records.ts';
import { bytesKey, type Edit, numberKey, type Trie, trieGet, trieSet } from './trie.ts';

export type Reservation = RecordOf<'clearance'>;

export interface Clearances {
  /** Not sold and not dropped, by channel. */
  readonly held: Trie<readonly Reservation[]>;
  /** The channel of each of these, by the key of its request. */
  readonly channels: Trie<ChannelId | undefined>;
  /** Requests that are over, in two halves: the older one goes when nobody may ask for any of them anew. */
  readonly over: Trie<true>;
  readonly overBefore: Trie<true>;
  /** L2 time at which the newer half began. */
  readonly since: number;
}

export const NO_CLEARANCES: Clearances = {
  held: undefined,
  channels: undefined,
  over: undefined,
  overBefore: undefined,
  since: 0,
};

/** Seconds by which the time of a request may differ from the newest block's when it is asked about. */
export const requestAge = ({ watchLag, clockError }: Pick<Timing, 'watchLag' | 'clockError'>): number =>
  watchLag + clockError;

/**
 * Seconds after which a request that is over can't be asked about any more. The books know no timing of a site, so at the
 * longest that a configuration may have.
 */
const OVER_SECONDS = 2 * requestAge({ watchLag: watchLagMax, clockError: clockErrorMax });

/** What is reserved on a channel at this L2 time. */
export function reservedOn(
  books: { readonly clearances: Clearances; readonly synced: Trie<Pick<RecordOf<'synced'>, 'at'>> },
  channel: ChannelId,
  now: number,
  { payeeOfflineMax }: Timing,
): readonly Reservation[] {
  const held = trieGet(books.clearances.held, numberKey(channel));
  if (held === undefined) return [];
  return held.filter(
    ({ terminal, at, expiresAt }) =>
      // It has handed in everything up to there, and this was not in it: it takes no voucher for it any more.
      (trieGet(books.synced, bytesKey(terminal))?.at ?? 0) < at && now <= expiresAt + payeeOfflineMax,
  );
}

/** The reservation for the request with this key, sold or dropped ones aside. */
export function reservationOf({ held, channels }: Clearances, key: string): Reservation | undefined {
  const channel = trieGet(channels, key);
  if (channel === undefined) return undefined;
  return trieGet(held, numberKey(channel))?.find(({ request }) => bytesKey(request) === key);
}

/** Was the request sold, or dropped by its terminal? */
export const isOver = ({ over, overBefore }: Clearances, key: string): boolean =>
  trieGet(over, key) === true || trieGet(overBefore, key) === true;

/** One more reservation. */
export function withReservation(
  clearances: Clearances,
  record: Reservation,
  edit: Edit | undefined,
): Clearances {
  const { held, channels } = clearances;
  const key = numberKey(record.channel);
  return {
    ...clearances,
    held: trieSet(held, key, [...(trieGet(held, key) ?? []), record], edit),
    channels: trieSet(channels, bytesKey(record.request), record.channel, edit),
  };
}

/** The request is over at this L2 time: what is reserved for it is free, and it is never cleared again. */
export function withEnded(
  clearances: Clearances,
  key: string,
  at: number,
  edit: Edit | undefined,
): Clearances {
  const { held, channels, over, overBefore, since } = clearances;
  const channel = trieGet(channels, key);
  const rest =
    channel === undefined
      ? { held, channels }
      : {
          held: trieSet(
            held,
            numberKey(channel),
            (trieGet(held, numberKey(channel)) ?? []).filter(({ request }) => bytesKey(request) !== key),
            edit,
          ),
          channels: trieSet(channels, key, undefined, edit),
        };
  const turned = at > since + OVER_SECONDS;
  return {
    ...rest,
    over: trieSet(turned ? undefined : over, key, true, edit),
    overBefore: turned ? over : overBefore,
    since: turned ? at : since,
  };
}

/** A voucher came into the ledger: what was reserved for its request is sold. */
export function withSold(
  clearances: Clearances,
  message: Message,
  at: number,
  edit: Edit | undefined,
): Clearances {
  if (message.type !== 'collectedVoucher') return clearances;
  const sold = trieGet(clearances.held, numberKey(message.channel))?.find(
    (one) =>
      one.amount === message.amount &&
      one.at === message.at &&
      equalBytes(one.terminal, message.terminal) &&
      equalBytes(one.detail, message.detail),
  );
  return sold === undefined ? clearances : withEnded(clearances, bytesKey(sold.request), at, edit);
}
