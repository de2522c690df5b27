/** What a customer or a charger does instead, where ticks come late or never; see drops.ts. */
import { amount } from '../../../protocol/integers.ts';
import { applyRecord as applyPayer, type PayerRecord } from '../../../protocol/machines/payer/books.ts';
import type { PayerEvent } from '../../../protocol/machines/payer/payer.ts';
import type { PayerState } from '../../../protocol/machines/payer/state.ts';
import {
  applyRecord as applyTerminal,
  type TerminalRecord,
} from '../../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../../protocol/machines/terminal/state.ts';
import type { TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import type { Ran, Told } from '../actors/device.ts';
import type { Scene } from '../scene.ts';

type PayerRan = Ran<PayerState, Told<PayerRecord>>;
type TerminalRan = Ran<TerminalState, Told<TerminalRecord>>;

export interface TickDrop {
  readonly payer?: (
    run: (state: PayerState, event: PayerEvent) => PayerRan,
    scene: Scene,
    state: PayerState,
    event: PayerEvent,
  ) => PayerRan | undefined;
  readonly terminal?: (
    run: (state: TerminalState, event: TerminalEvent) => TerminalRan,
    state: TerminalState,
    event: TerminalEvent,
  ) => TerminalRan | undefined;
}

const isWord = (event: PayerEvent): boolean =>
  event.type === 'hubMessage' && event.message.type === 'unknown';

/** The books after the trail, from the real ones. */
function folded(ran: PayerRan, books: PayerState['books']): PayerRan {
  const records = ran.trail.flatMap((one) => (one.type === 'persist' ? [one.record] : []));
  return { trail: ran.trail, state: { ...ran.state, books: records.reduce(applyPayer, books) } };
}

/** The hub's word that it has no such tick changes nothing. */
export const neverOff: TickDrop = {
  payer: (_run, _scene, state, event) => (isWord(event) ? { state, trail: [] } : undefined),
};

/** A tick is written off although the payer could keep it. */
export const offAtOnce: TickDrop = {
  payer: (run, _scene, state, event) => {
    const [first] = state.books.unconfirmed;
    if (!isWord(event) || first === undefined) return undefined;
    const unconfirmed = [...state.books.unconfirmed, ...Array.from({ length: 8 }, () => first)];
    return folded(run({ ...state, books: { ...state.books, unconfirmed } }, event), state.books);
  },
};

/** Whoever says that the hub has no such tick is believed. */
export const anyWord: TickDrop = {
  payer: (run, scene, state, event) => {
    if (event.type !== 'hubMessage' || event.message.type !== 'unknown') return undefined;
    const { entry, size, terminal, synced } = event.message;
    return run(state, { type: 'hubMessage', message: scene.unknown(entry, size, terminal, synced) });
  },
};

/** What is written off comes off what was spent. */
export const offIsUnspent: TickDrop = {
  payer: (run, _scene, state, event) => {
    const ran = run(state, event);
    if (!ran.trail.some((one) => one.type === 'persist' && one.record.type === 'tickForgotten'))
      return undefined;
    const { books } = ran.state;
    const lanes = books.lanes.map((lane) => ({ ...lane, paid: amount(lane.paid - 1) }));
    return {
      ...ran,
      state: { ...ran.state, books: { ...books, spent: amount(books.spent - 1), lanes } },
    };
  },
};

/** The tick that is open counts as nothing when somebody else asks. */
export const openIsFree: TickDrop = {
  payer: (run, _scene, state, event) => {
    const asked = event.type === 'message' && event.message.type === 'request';
    const { stream, unconfirmed } = state.books;
    if (!asked || stream === undefined || state.volatile.answered >= stream.revealed) return undefined;
    return folded(
      run({ ...state, books: { ...state.books, unconfirmed: unconfirmed.slice(1) } }, event),
      state.books,
    );
  },
};

/** A stream is closed without its open tick. */
export const openIsForgotten: TickDrop = {
  payer: (run, _scene, state, event) => {
    const ran = run(state, event);
    const closes = (one: Told<PayerRecord>): boolean =>
      one.type === 'persist' && one.record.type === 'streamClosed' && one.record.preimage !== undefined;
    if (!ran.trail.some(closes)) return undefined;
    const trail = ran.trail.map(
      (one): Told<PayerRecord> => (closes(one) ? { type: 'persist', record: { type: 'streamClosed' } } : one),
    );
    return folded({ ...ran, trail }, state.books);
  },
};

const isTick = (event: TerminalEvent): boolean => event.type === 'message' && event.message.type === 'tick';

/** A late tick is answered without the word that nothing is delivered any more. */
export const answeredAlone: TickDrop = {
  terminal: (run, state, event) => {
    if (!isTick(event)) return undefined;
    const ran = run(state, event);
    const trail = ran.trail.filter((one) => !(one.type === 'send' && one.message.type === 'refusal'));
    return { ...ran, trail };
  },
};

/** A late tick is stored, and nothing is owed for it. */
export const lateIsSold: TickDrop = {
  terminal: (run, state, event) => {
    if (!isTick(event)) return undefined;
    const ran = run(state, event);
    const isLate = ran.trail.some(
      (one) => one.type === 'persist' && one.record.type === 'tick' && one.record.late,
    );
    if (!isLate) return undefined;
    const trail = ran.trail.filter(
      (one) =>
        !(one.type === 'persist' && one.record.type === 'credited') &&
        !(one.type === 'send' && one.message.type === 'credit'),
    );
    const records = trail.flatMap((one) => (one.type === 'persist' ? [one.record] : []));
    const books = records.reduce(applyTerminal, state.books);
    const lanes = books.lanes.map((lane) => ({ ...lane, owed: lane.credited }));
    return { trail, state: { ...ran.state, books: { ...books, lanes } } };
  },
};
