/** The two kinds of device: a machine joined with its records, ready for a Runtime. */
import { LANES_MAX } from '../protocol/limits.ts';
import type { Context, DeviceEvent } from '../protocol/machines/effects.ts';
import * as payerBooks from '../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../protocol/machines/payer/payer.ts';
import { checkPayerRoom } from '../protocol/machines/payer/room.ts';
import type { PayerSettings, PayerState } from '../protocol/machines/payer/state.ts';
import * as terminalBooks from '../protocol/machines/terminal/books.ts';
import { checkTerminalRoom } from '../protocol/machines/terminal/room.ts';
import type { TerminalSettings, TerminalState } from '../protocol/machines/terminal/state.ts';
import {
  checkTerminalSettings,
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../protocol/machines/terminal/terminal.ts';
import type { Storage } from './journal/capacity.ts';
import type { Journal, JournalSource } from './journal/journal.ts';
import { type Host, type Machine, type Observer, Runtime } from './runtime.ts';

type PayerMachine = Machine<
  payerBooks.PayerBooks,
  PayerState,
  PayerEvent | DeviceEvent,
  payerBooks.PayerRecord
>;
type TerminalMachine = Machine<
  terminalBooks.TerminalBooks,
  TerminalState,
  TerminalEvent | DeviceEvent,
  terminalBooks.TerminalRecord
>;

export type PayerDevice = Runtime<payerBooks.PayerBooks, PayerState, PayerEvent, payerBooks.PayerRecord>;
export type TerminalDevice = Runtime<
  terminalBooks.TerminalBooks,
  TerminalState,
  TerminalEvent,
  terminalBooks.TerminalRecord
>;

/** The machine of a payer; `context` names its own key's address, and the room that its journal has. */
export function payerMachine(context: Context, settings: PayerSettings): PayerMachine {
  return {
    emptyBooks: payerBooks.EMPTY_PAYER,
    records: payerBooks.payerRecords,
    apply: payerBooks.applyRecord,
    snapshot: payerBooks.eachRecord,
    afterPowerUp: payerAfterPowerUp,
    step: (state, event, nowMs) => payerStep(context, settings, state, event, nowMs),
  };
}

/** The machine of a terminal. Throws `terminal_settings`. */
export function terminalMachine(context: Context, settings: TerminalSettings): TerminalMachine {
  checkTerminalSettings(settings);
  return {
    emptyBooks: terminalBooks.EMPTY_TERMINAL,
    records: terminalBooks.terminalRecords,
    apply: terminalBooks.applyRecord,
    follows: (books, record) => terminalBooks.follows(context.signing.suite, books, record),
    snapshot: terminalBooks.eachRecord,
    afterPowerUp: terminalAfterPowerUp,
    step: (state, event, nowMs) => terminalStep(context, settings, state, event, nowMs),
  };
}

/** Where a device's journal is. Only what is not bounded by flash, a test or a tool, gives how to open it alone. */
export type JournalPlace = JournalSource | Storage | (() => Journal);

const sourceOf = (place: JournalPlace): JournalSource => ('open' in place ? place : { open: place });

function contextOf(signing: Context['signing'], host: Host, place: JournalPlace): Context {
  const context = { signing, self: host.key.address };
  return 'room' in place ? { ...context, room: place.room } : context;
}

/** A payer's device (wearable, car). Not started yet. Throws `flash_too_small`. */
export function payerDevice(
  signing: Context['signing'],
  settings: PayerSettings,
  host: Host,
  place: JournalPlace,
  observer?: Observer<payerBooks.PayerRecord>,
): PayerDevice {
  const context = contextOf(signing, host, place);
  if (context.room !== undefined) checkPayerRoom(context.room, settings.lanesMax ?? LANES_MAX);
  return new Runtime(payerMachine(context, settings), host, sourceOf(place), observer);
}

/** A payee's terminal (POS, charger). Not started yet. Throws `terminal_settings` and `flash_too_small`. */
export function terminalDevice(
  signing: Context['signing'],
  settings: TerminalSettings,
  host: Host,
  place: JournalPlace,
  observer?: Observer<terminalBooks.TerminalRecord>,
): TerminalDevice {
  const context = contextOf(signing, host, place);
  if (context.room !== undefined) checkTerminalRoom(context.room, checkTerminalSettings(settings));
  return new Runtime(terminalMachine(context, settings), host, sourceOf(place), observer);
}
