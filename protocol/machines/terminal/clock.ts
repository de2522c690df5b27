/** When a terminal's clock has something to do: for hosts that leave out the ticks that would change nothing. */
import { REQUEST_OPEN_SECONDS, SESSION_LOST_SECONDS, SYNC_RETRY_MS, type Timing } from '../../limits.ts';
import { earlier } from '../time.ts';
import { type Clocks, timeDue } from '../trusting.ts';
import type { TerminalState } from './state.ts';

const OPEN_MS = REQUEST_OPEN_SECONDS * 1000;
const SESSION_LOST_MS = SESSION_LOST_SECONDS * 1000;

/** As payerClockDue, for a terminal that takes no streams. */
export function posClockDue(
  { books, volatile }: TerminalState,
  timing: Timing,
  clocks: Clocks,
): number | undefined {
  const { open, session, linkUp, hubConnected } = volatile;
  const drop = open === undefined ? undefined : open.openedAtMs + OPEN_MS;
  const lost = session === undefined || linkUp ? undefined : volatile.linkLostAtMs + SESSION_LOST_MS;
  const upload = hubConnected && books.outbox.length > 0 ? volatile.uploadedAtMs + SYNC_RETRY_MS : undefined;
  return earlier(earlier(earlier(drop, lost), upload), timeDue(volatile, timing, clocks));
}

/** As payerClockDue, for any terminal: one that took streams also gives back what late ticks are owed. */
export function terminalClockDue(state: TerminalState, timing: Timing, clocks: Clocks): number | undefined {
  const owes = state.books.lanes.some((lane) => lane.stream !== undefined && lane.owed > lane.credited);
  return owes && !state.volatile.frozen ? 0 : posClockDue(state, timing, clocks);
}
