/**
 * Refunds of sales that no longer stand last on their lane, such as one of another day. The machine has forgotten them; what
 * they were worth, and what was given back before, is its host's word. A part that a terminal is given: a board without
 * such a host has no use for it.
 */
import { equalBytes } from '../../bytes.ts';
import type { Amount, ChannelId } from '../../integers.ts';
import type { RefusalName } from '../../refusals.ts';
import { creditEntry } from '../../vouchers.ts';
import { makePlace, placeOfCredit } from './place.ts';
import type { Sold, TerminalTurn } from './state.ts';

/** Gives back `credited` in all on `sold`. Says `busy`, `credit_range` or `outbox_full` when it does not. */
export function refundEarlier(turn: TerminalTurn, channel: ChannelId, credited: Amount, sold: Sold): void {
  const { voucher, seq } = sold;
  // Who stands at the terminal now has nothing to do with it.
  const no = (code: RefusalName): void => turn.notify({ type: 'refused', code, by: 'us' });
  if (turn.volatile.pendingCredit !== undefined) return no('busy');
  const waits = turn.books.outbox.some(
    (entry) => entry.kind === 'credit' && equalBytes(entry.voucher, voucher) && entry.credited >= credited,
  );
  if (waits || credited > sold.amount || credited <= sold.credited) return no('credit_range');
  const place = placeOfCredit(turn, channel);
  if ('refusal' in place) return no(place.refusal);
  makePlace(turn, place);
  const entry = creditEntry(turn.context.signing, voucher, credited);
  turn.set({ pendingCredit: { channel, voucher, credited, entry, seq } });
  turn.sign(entry);
}
