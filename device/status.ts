/**
 * What a device says of itself when somebody asks: the same on every board. Amounts in units, times in seconds. Of the lanes
 * it tells how many there are, and the last ones in the books.
 */
import type { PayerBooks } from '../protocol/machines/payer/books.ts';
import type { TerminalBooks } from '../protocol/machines/terminal/books.ts';

/** Lanes that a status tells: what a line holds, and a chip's RAM beside full books. */
export const STATUS_LANES_MAX = 16;

/** A payer: where its numbers stand, what it may spend, and how much has no answer or no acknowledgement yet. */
export const payerStatus = ({ seq, spent, unconfirmed, outbox, lanes, lease }: PayerBooks) => ({
  seq,
  spent,
  unconfirmed: unconfirmed.length,
  outbox: outbox.length,
  lease: lease && {
    spendLimit: lease.spendLimit,
    tapLimit: lease.tapLimit,
    expiresAt: lease.expiresAt,
  },
  laneCount: lanes.length,
  lanes: lanes.slice(-STATUS_LANES_MAX).map(({ payee, paid }) => ({ payee, paid })),
});

/** A terminal: what it took, whose member it is, how much waits for the hub, and its lanes. */
export const terminalStatus = ({ counts, member, outbox, lanes }: TerminalBooks) => ({
  counts,
  scope: member?.scope,
  outbox: outbox.length,
  laneCount: lanes.length,
  lanes: lanes.slice(-STATUS_LANES_MAX).map(({ channel, base, settled, stream }) => ({
    channel,
    base,
    settled,
    ticks: stream?.k ?? 0,
  })),
});
