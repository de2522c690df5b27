/** What of a terminal's books says something about money in worlds where no key is taken back: two that differ in the rest are one state. */
import { EMPTY_TERMINAL, type TerminalBooks } from '../../protocol/machines/terminal/books.ts';

/** Without how often it registered and what it counted, and without what is kept, which never comes back. */
export const moneyBooks = (books: TerminalBooks): TerminalBooks => ({
  ...books,
  counts: EMPTY_TERMINAL.counts,
  counter: 0,
  kept: [],
});
