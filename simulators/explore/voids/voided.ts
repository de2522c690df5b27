/** Voids that wait for the hub, told apart by what stands in the outbox and not by the machine's own count. */
import { toHex } from '../../../protocol/bytes.ts';
import type { TerminalBooks } from '../../../protocol/machines/terminal/books.ts';

/** Digests of the vouchers that were given back and wait, as text. */
export const voidsOf = ({ outbox }: TerminalBooks): string[] =>
  outbox.flatMap((entry) =>
    entry.kind === 'voucher' && entry.collected.credit !== undefined ? [toHex(entry.entry)] : [],
  );
