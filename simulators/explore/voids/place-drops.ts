/** What a terminal does instead, where a thief named the places of what it forgot; see drops.ts. */
import type { Position } from '../../../protocol/integers.ts';
import { applyRecord } from '../../../protocol/machines/terminal/books.ts';
import { NOTHING_HANDED_IN, type TerminalState } from '../../../protocol/machines/terminal/state.ts';
import type { TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import type { TillRan } from './till-run.ts';

type Run = (state: TerminalState, event: TerminalEvent) => TillRan;
type Ledger = TerminalState['volatile']['handed']['ledger'];

export interface PlaceDrop {
  readonly terminal?: (run: Run, state: TerminalState, event: TerminalEvent) => TillRan | undefined;
}

const isShown = (event: TerminalEvent): boolean =>
  event.type === 'message' && event.message.type === 'resolveVoucher';

const isFromHub = (event: TerminalEvent, type: 'acknowledgement' | 'hubKeyRevoked'): boolean =>
  event.type === 'hubMessage' && event.message.type === type;

const withLedger = ({ books, volatile }: TerminalState, ledger: Ledger): TerminalState => ({
  books,
  volatile: { ...volatile, handed: { ...volatile.handed, ledger } },
});

/** The late voucher is judged as if the ledger were another. */
const judgedWith = (change: (ledger: Ledger) => Ledger): PlaceDrop => ({
  terminal: (run, state, event) => {
    if (!isShown(event)) return undefined;
    const { ledger } = state.volatile.handed;
    const ran = run(withLedger(state, change(ledger)), event);
    return { ...ran, state: withLedger(ran.state, { ...ran.state.volatile.handed.ledger, ...ledger }) };
  },
});

/** Only the places that were acknowledged count. */
export const placesAlone = judgedWith(() => NOTHING_HANDED_IN.ledger);

/** No sale of this time need be acknowledged. */
export const anyOldSale = judgedWith((ledger) => ({ ...ledger, isNew: true }));

/** The word may be of a shorter ledger. */
export const anyOldWord = judgedWith((ledger) => ({ ...ledger, to: -1 as Position }));

/** What was acknowledged before keys were taken back still counts in how long the ledger is. */
export const ledgerStays: PlaceDrop = {
  terminal: (run, state, event) =>
    isFromHub(event, 'hubKeyRevoked')
      ? { ...run(state, event), state: withLedger(run(state, event).state, state.volatile.handed.ledger) }
      : undefined,
};

/** A voucher that waits or is kept is not looked for when its lane is forgotten. */
export const heldUnseen: PlaceDrop = {
  terminal: (run, state, event) => {
    if (!isShown(event) || state.volatile.open !== undefined) return undefined;
    const { books } = state;
    const hidden = (entries: typeof books.outbox) => entries.filter(({ kind }) => kind !== 'voucher');
    const ran = run(
      { ...state, books: { ...books, outbox: hidden(books.outbox), kept: hidden(books.kept) } },
      event,
    );
    const records = ran.trail.flatMap((one) => (one.type === 'persist' ? [one.record] : []));
    const after = records.reduce(applyRecord, books);
    return { ...ran, state: { ...ran.state, books: after } };
  },
};

/** The place of what came back is forgotten where its lane is. */
export const placeForgotten: PlaceDrop = {
  terminal: (run, state, event) => {
    if (!isFromHub(event, 'acknowledgement')) return undefined;
    const ran = run(state, event);
    const { evictedPosition } = state.books;
    return { ...ran, state: { ...ran.state, books: { ...ran.state.books, evictedPosition } } };
  },
};
