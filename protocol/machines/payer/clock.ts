/** When a payer's clock has something to do: for hosts that leave out the ticks that would change nothing. */
import { equalBytes } from '../../bytes.ts';
import { SYNC_RETRY_MS, type Timing } from '../../limits.ts';
import { earlier } from '../time.ts';
import { type Clocks, timeDue } from '../trusting.ts';
import { RESEND_MS } from './payer.ts';
import { leaseDue } from './renewal.ts';
import { type PayerState, terminalOf } from './state.ts';

/**
 * From when on, in the device's own milliseconds, the event `clock` could do anything in this state; undefined: never.
 * The first tick after power-up is not told of here: it always has to come.
 */
export function payerClockDue(
  { books, volatile }: PayerState,
  timing: Timing,
  clocks: Clocks,
): number | undefined {
  const resend = volatile.linkUp && waitsForTerminal(books, volatile);
  const upload = volatile.hubConnected && books.outbox.length > 0;
  const ask = volatile.hubConnected && books.unconfirmed.length > 0;
  const lease = leaseDue({ books, volatile });
  return earlier(
    earlier(timeDue(volatile, timing, clocks), resend ? volatile.sentAtMs + RESEND_MS : undefined),
    earlier(
      lease,
      earlier(
        upload ? volatile.uploadedAtMs + SYNC_RETRY_MS : undefined,
        ask ? volatile.askedAtMs + volatile.askPauseMs : undefined,
      ),
    ),
  );
}

/** Whether the payer has something that it sends again when the terminal it met does not answer. */
function waitsForTerminal(
  { unconfirmed, writtenOff, stream }: PayerState['books'],
  { pending, peer, answered, clearing }: PayerState['volatile'],
): boolean {
  if (pending !== undefined) return true;
  if (peer === undefined) return false;
  if (clearing?.confirmed) return true;
  return (
    (stream !== undefined && answered < stream.revealed && equalBytes(stream.terminal, peer)) ||
    [...unconfirmed, ...writtenOff].some((entry) => equalBytes(terminalOf(entry), peer))
  );
}
