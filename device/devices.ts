/** The two kinds of device: a machine joined with its records, ready for a Runtime. */
import type { Context, DeviceEvent } from '../protocol/machines/effects.ts';
import * as payerBooks from '../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../protocol/machines/payer/state.ts';
import * as terminalBooks from '../protocol/machines/terminal/books.ts';
import type { TerminalSettings, TerminalState } from '../protocol/machines/terminal/state.ts';
import {
  checkTerminalSettings,
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../protocol/machines/terminal/terminal.ts';
import type { Journal } from './journal/journal.ts';
import { type Host, type Machine, type Observer, Runtime } from './runtime.ts';

export type PayerDevice = Runtime<payerBooks.PayerBooks, PayerState, PayerEvent, payerBooks.PayerRecord>;
export type TerminalDevice = Runtime<
  terminalBooks.TerminalBooks,
  TerminalState,
  TerminalEvent,
  terminalBooks.TerminalRecord
>;

/** A payer's device (wearable, car). Not started yet. */
export function payerDevice(
  signing: Context['signing'],
  settings: PayerSettings,
  host: Host,
  openJournal: () => Journal,
  observer?: Observer<payerBooks.PayerRecord>,
): PayerDevice {
  const context: Context = { signing, self: host.key.address };
  const machine: Machine<
    payerBooks.PayerBooks,
    PayerState,
    PayerEvent | DeviceEvent,
    payerBooks.PayerRecord
  > = {
    emptyBooks: payerBooks.EMPTY_PAYER,
    records: payerBooks.payerRecords,
    apply: payerBooks.applyRecord,
    snapshot: payerBooks.snapshot,
    afterPowerUp: payerAfterPowerUp,
    step: (state, event, nowMs) => payerStep(context, settings, state, event, nowMs),
  };
  return new Runtime(machine, host, openJournal, observer);
}

/** A payee's terminal (POS, charger). Not started yet. Throws `terminal_settings`. */
export function terminalDevice(
  signing: Context['signing'],
  settings: TerminalSettings,
  host: Host,
  openJournal: () => Journal,
  observer?: Observer<terminalBooks.TerminalRecord>,
): TerminalDevice {
  checkTerminalSettings(settings);
  const context: Context = { signing, self: host.key.address };
  const machine: Machine<
    terminalBooks.TerminalBooks,
    TerminalState,
    TerminalEvent | DeviceEvent,
    terminalBooks.TerminalRecord
  > = {
    emptyBooks: terminalBooks.EMPTY_TERMINAL,
    records: terminalBooks.terminalRecords,
    apply: terminalBooks.applyRecord,
    snapshot: terminalBooks.snapshot,
    afterPowerUp: terminalAfterPowerUp,
    step: (state, event, nowMs) => terminalStep(context, settings, state, event, nowMs),
  };
  return new Runtime(machine, host, openJournal, observer);
}
