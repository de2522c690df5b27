/** What a customer or a terminal does instead, where a terminal never comes back; see drops.ts. */
import { amount, seconds } from '../../../protocol/integers.ts';
import type { PayerRecord } from '../../../protocol/machines/payer/books.ts';
import type { PayerEvent } from '../../../protocol/machines/payer/payer.ts';
import type { PayerState } from '../../../protocol/machines/payer/state.ts';
import { applyRecord, type TerminalRecord } from '../../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../../protocol/machines/terminal/state.ts';
import type { TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import type { MessageOf } from '../../../protocol/wire/messages.ts';
import type { Ran, Told } from '../actors/device.ts';
import { type Scene, START } from '../scene.ts';

export interface GoneDrop {
  readonly payer?: (
    run: (event: PayerEvent) => Ran<PayerState, Told<PayerRecord>>,
    scene: Scene,
    state: PayerState,
    event: PayerEvent,
  ) => Ran<PayerState, Told<PayerRecord>> | undefined;
  readonly terminal?: (
    run: (state: TerminalState) => Ran<TerminalState, Told<TerminalRecord>>,
    state: TerminalState,
    event: TerminalEvent,
    now: number,
  ) => Ran<TerminalState, Told<TerminalRecord>> | undefined;
}

const unknownIn = (event: PayerEvent): MessageOf<'unknown'> | undefined =>
  event.type === 'hubMessage' && event.message.type === 'unknown' ? event.message : undefined;

/** Does it end with the terminal's word on how far it has handed in? */
const says = ({ trail }: Ran<TerminalState, Told<TerminalRecord>>): boolean =>
  trail.some((one) => one.type === 'upload' && one.message.type === 'synced');

const withVolatile = (state: TerminalState, change: Partial<TerminalState['volatile']>): TerminalState => ({
  ...state,
  volatile: { ...state.volatile, ...change },
});

export const noWriteOff: GoneDrop = {
  payer: (_run, _scene, state, event) => (unknownIn(event) === undefined ? undefined : { state, trail: [] }),
};

/** The hub's word counts whatever time the terminal named. */
export const anyTime: GoneDrop = {
  payer: (run, scene, state, event) => {
    const word = unknownIn(event);
    const entry = state.books.unconfirmed.find((one) => one.kind === 'voucher');
    if (word === undefined || entry?.kind !== 'voucher') return undefined;
    const synced = Math.max(word.synced, entry.request.at);
    return run({ type: 'hubMessage', message: scene.unknown(word.entry, word.size, word.terminal, synced) });
  },
};

/** The hub's word counts whichever terminal it is about. */
export const anyTerminal: GoneDrop = {
  payer: (run, scene, _state, event) => {
    const word = unknownIn(event);
    if (word === undefined) return undefined;
    const message = scene.unknown(word.entry, word.size, scene.terminals[0], word.synced);
    return run({ type: 'hubMessage', message });
  },
};

/** The terminal names a time although it may still accept what it asked before. */
export const openAsWell: GoneDrop = {
  terminal: (run, state, event) => {
    const { open } = state.volatile;
    if (open === undefined || (event.type !== 'hubMessage' && event.type !== 'hubConnected'))
      return undefined;
    const ran = run(withVolatile(state, { open: undefined }));
    return says(ran) ? { ...ran, state: withVolatile(ran.state, { open }) } : undefined;
  },
};

/** The terminal says that all is handed in while something waits. */
export const waitingAsWell: GoneDrop = {
  terminal: (run, state, event) => {
    const { books } = state;
    if (books.outbox.length === 0 || event.type !== 'hubMessage') return undefined;
    const ran = run({ ...state, books: { ...books, outbox: [] } });
    if (!says(ran)) return undefined;
    const records = ran.trail.flatMap((one) => (one.type === 'persist' ? [one.record] : []));
    return { ...ran, state: { ...ran.state, books: records.reduce(applyRecord, books) } };
  },
};

/** The terminal names a time after the newest that the hub signed. */
export const aheadOfHub: GoneDrop = {
  terminal: (run, state, event, now) => {
    const { beaconAt } = state.volatile;
    if (event.type !== 'hubConnected' && event.type !== 'hubMessage') return undefined;
    const ran = run(withVolatile(state, { beaconAt: seconds(Math.max(beaconAt, START + now + 2)) }));
    return says(ran) ? ran : undefined;
  },
};

/** The time that was named is not stored: a clock that is behind may date a later request before it. */
export const notStored: GoneDrop = {
  terminal: (run, state) => {
    const ran = run(state);
    if (!says(ran)) return undefined;
    const trail = ran.trail.filter((one) => !(one.type === 'persist' && one.record.type === 'time'));
    const { books } = ran.state;
    return { trail, state: { ...ran.state, books: { ...books, time: state.books.time } } };
  },
};

/** What a thief acknowledged does not wait again when its key is taken back. */
export const staysCleared: GoneDrop = {
  terminal: (run, state, event) => {
    if (event.type !== 'hubMessage' || event.message.type !== 'hubKeyRevoked') return undefined;
    const ran = run(state);
    const { outbox, kept } = state.books;
    return { ...ran, state: { ...ran.state, books: { ...ran.state.books, outbox, kept } } };
  },
};

/** What is written off is spent again. */
export const offIsFree: GoneDrop = {
  payer: (run, _scene, state, event) => {
    const ran = run(event);
    const { books } = ran.state;
    if (books.writtenOff.length <= state.books.writtenOff.length) return undefined;
    const spent = amount(books.spent - 1);
    const lanes = books.lanes.map((lane) => ({ ...lane, paid: amount(lane.paid - 1) }));
    return { ...ran, state: { ...ran.state, books: { ...books, spent, lanes } } };
  },
};
