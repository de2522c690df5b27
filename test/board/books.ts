/** What two boards have stored, read from their flash while they run. */
import type { BoardMemory } from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { storedBy } from '../../hardware/boards/mps2-an386/host/factory.ts';
import {
  applyRecord as applyPayer,
  EMPTY_PAYER,
  type PayerBooks,
  payerRecords,
} from '../../protocol/machines/payer/books.ts';
import {
  applyRecord as applyTerminal,
  EMPTY_TERMINAL,
  type TerminalBooks,
  terminalRecords,
} from '../../protocol/machines/terminal/books.ts';

export const payerBooks = (memory: BoardMemory): PayerBooks =>
  storedBy(memory).reduce((books, bytes) => applyPayer(books, payerRecords.decode(bytes)), EMPTY_PAYER);
export const terminalBooks = (memory: BoardMemory): TerminalBooks =>
  storedBy(memory).reduce(
    (books, bytes) => applyTerminal(books, terminalRecords.decode(bytes)),
    EMPTY_TERMINAL,
  );

/**
 * Waits until nothing is under way between the two: a payment that was asked for twice, because the first was only
 * slow, may still come. Returns after 20 s in any case; what is wrong then is for the caller's checks to say.
 */
export async function untilQuiet(terminal: BoardMemory, payer: BoardMemory): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    const { unconfirmed, spent } = payerBooks(payer);
    if (unconfirmed.length === 0 && spent === terminalBooks(terminal).lanes[0]?.base) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
