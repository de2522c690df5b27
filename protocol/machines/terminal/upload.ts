/** What waits in the outbox on its way to the hub. */
import { equalBytes } from '../../bytes.ts';
import { PACK_ENTRIES_MAX } from '../../limits.ts';
import { tickEntry } from '../../vouchers.ts';
import { encodeMessage, type Message } from '../../wire/messages.ts';
import { collectedMessage } from '../collected.ts';
import type { OutboxEntry } from './books.ts';
import type { TerminalTurn } from './state.ts';

function entryMessage(entry: OutboxEntry): Message {
  switch (entry.kind) {
    case 'voucher':
      return collectedMessage(entry.collected);
    case 'tick': {
      const { channel, seq, stream, k, preimage } = entry;
      return { type: 'collectedTick', channel, seq, stream, k, preimage };
    }
    case 'credit': {
      const { channel, seq, voucher, credited, signature } = entry;
      return { type: 'collectedCredit', channel, seq, voucher, credited, signature, byPayee: 0 };
    }
  }
}

/** Sends entries from `from` on, as many as one message holds; the next ones follow the acknowledgements. */
export function uploadOutbox(turn: TerminalTurn, from: number): void {
  const { outbox } = turn.books;
  const uploadFrom = from < outbox.length ? from : 0;
  const entries = outbox.slice(uploadFrom, uploadFrom + PACK_ENTRIES_MAX);
  if (!turn.volatile.hubConnected || entries.length === 0) return;
  let { uploadedTicks } = turn.volatile;
  for (const entry of entries) {
    if (entry.kind !== 'tick') continue;
    const { stream, k, preimage } = entry;
    const id = tickEntry(turn.context.signing.suite, stream, k, preimage);
    const others = uploadedTicks.filter((known) => !equalBytes(known.entry, id));
    uploadedTicks = [...others, { stream, k, entry: id }].slice(-2 * PACK_ENTRIES_MAX);
  }
  turn.set({ uploadedAtMs: turn.nowMs, uploadedTicks, inFlight: entries.length, uploadFrom });
  turn.upload({ type: 'pack', entries: entries.map((entry) => encodeMessage(entryMessage(entry))) });
}
