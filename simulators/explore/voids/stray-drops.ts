import { NOTHING_HANDED_IN, type TerminalState } from '../../../protocol/machines/terminal/state.ts';
import type { TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import type { Position } from '../../../protocol/integers.ts';
import type { TillRan } from './till-run.ts';

type Run = (state: TerminalState, event: TerminalEvent) => TillRan;

export interface StrayDrop {
  readonly terminal?: (run: Run, state: TerminalState, event: TerminalEvent) => TillRan | undefined;
}

const isFromHub = (event: TerminalEvent, type: 'unknown' | 'rejection'): boolean =>
  event.type === 'hubMessage' && event.message.type === type;

const withHanded = (
  state: TerminalState,
  change: Partial<TerminalState['volatile']['handed']>,
): TerminalState => ({
  ...state,
  volatile: { ...state.volatile, handed: { ...state.volatile.handed, ...change } },
});

/** The hub's word that it has no such voucher changes nothing. */
export const neverGone: StrayDrop = {
  terminal: (run, state, event) =>
    isFromHub(event, 'unknown') ? run(withHanded(state, NOTHING_HANDED_IN), event) : undefined,
};

/** A refusal alone says that the hub has no such voucher. */
export const refusalIsWord: StrayDrop = {
  terminal: (run, state, event) => {
    if (!isFromHub(event, 'rejection')) return undefined;
    const ran = run(state, event);
    const { strays } = ran.state.volatile.handed;
    return {
      ...ran,
      state: withHanded(ran.state, { strays: strays.map((one) => ({ ...one, isGone: true })) }),
    };
  },
};

/** A word from before counts as one of now. */
export const anyLength: StrayDrop = {
  terminal: (run, state, event) => {
    if (!isFromHub(event, 'unknown')) return undefined;
    const { ledger } = state.volatile.handed;
    const ran = run(withHanded(state, { ledger: { ...ledger, to: -1 as Position, isNew: true } }), event);
    return { ...ran, state: withHanded(ran.state, { ledger }) };
  },
};

/** What was sold before counts in how long the ledger is. */
export const anySale: StrayDrop = {
  terminal: (run, state, event) => {
    if (event.type !== 'hubMessage' || event.message.type !== 'acknowledgement') return undefined;
    const ran = run(state, event);
    const { ledger } = ran.state.volatile.handed;
    return { ...ran, state: withHanded(ran.state, { ledger: { ...ledger, isNew: true } }) };
  },
};

/** The terminal doesn't look whether it has the voucher itself. */
export const heldAsWell: StrayDrop = {
  terminal: (run, state, event) => {
    if (!isFromHub(event, 'rejection') && !isFromHub(event, 'unknown')) return undefined;
    const { books } = state;
    const outbox = books.outbox.filter(({ kind }) => kind !== 'voucher');
    if (outbox.length === books.outbox.length && books.kept.length === 0) return undefined;
    const { strays } = run({ ...state, books: { ...books, outbox, kept: [] } }, event).state.volatile.handed;
    const ran = run(state, event);
    return { ...ran, state: withHanded(ran.state, { strays }) };
  },
};
