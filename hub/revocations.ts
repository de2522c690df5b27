/**
 * Which channels devices are told to refuse, and the operator's word on one: a lost wearable is refused by every
 * terminal that hears of it, and gets no lease any more.
 */
import { SundialError } from '../protocol/errors.ts';
import type { ChannelId, Seconds } from '../protocol/integers.ts';
import { REVOCATIONS_MAX, type Timing } from '../protocol/limits.ts';
import { channelBook } from './intake/books.ts';
import type { IntakeRuntime } from './intake/runtime.ts';
import type { Books } from './intake/state.ts';
import { numberKey, trieGet } from './intake/trie.ts';

/** The channels of the next list. */
export interface Listed {
  /** Rising, at most REVOCATIONS_MAX. */
  readonly channels: readonly ChannelId[];
  /** Channels that should stand on the list too, and don't fit. */
  readonly left: number;
}

/**
 * The revoked channels that some terminal might still accept: a lease that ran out is refused without a list, and a
 * revoked channel gets no new one, so the list does not grow for ever. A channel whose leases the ledger does not know
 * stays on it. Of more than fit, those are listed whose leases last longest. `now`: L2 time.
 */
export function listedRevocations(books: Books, timing: Timing, now: Seconds): Listed {
  const alive: { channel: ChannelId; until: number }[] = [];
  for (const channel of books.revoked) {
    const until = channelBook(books, channel).lease?.expiresAt ?? Number.POSITIVE_INFINITY;
    if (until + timing.clockError >= now) alive.push({ channel, until });
  }
  alive.sort((a, b) => b.until - a.until);
  const channels = alive.slice(0, REVOCATIONS_MAX).map(({ channel }) => channel);
  return { channels: channels.sort((a, b) => a - b), left: Math.max(0, alive.length - REVOCATIONS_MAX) };
}

/**
 * Revokes a channel by the operator's word, or takes that back. Resolves when it is durable. Throws `channel_unknown`,
 * `channel_proved` when its payer was proved dishonest, `not_written` while the disk refuses.
 */
export async function setRevoked(intake: IntakeRuntime, channel: ChannelId, revoked: boolean): Promise<void> {
  const book = trieGet(intake.state.books.channels, numberKey(channel));
  if (book === undefined && trieGet(intake.state.channels, numberKey(channel)) === undefined)
    throw refused(
      'channel_unknown',
      `neither L2 nor the ledger knows channel ${channel}`,
      'Give its number on L2.',
    );
  if (!revoked && book?.proof !== undefined)
    throw refused(
      'channel_proved',
      `the payer of channel ${channel} was proved dishonest`,
      'Open a new channel.',
    );
  await intake.handle({ type: 'revoke', channel, revoked });
  if (intake.durableBooks.revoked.includes(channel) !== revoked)
    throw refused('not_written', 'the ledger could not take it', 'Try again when the disk has room.');
}

const refused = (code: string, what: string, remedy: string): SundialError =>
  new SundialError(code, what, { severity: 'call', remedy });
