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

type Address = Context['self'];
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

/** The machine of a payer whose key has the address `self`. */
export function payerMachine(
  signing: Context['signing'],
  settings: PayerSettings,
  self: Address,
): PayerMachine {
  const context: Context = { signing, self };
  return {
    emptyBooks: payerBooks.EMPTY_PAYER,
    records: payerBooks.payerRecords,
    apply: payerBooks.applyRecord,
    snapshot: payerBooks.snapshot,
    afterPowerUp: payerAfterPowerUp,
    step: (state, event, nowMs) => payerStep(context, settings, state, event, nowMs),
  };
}

/** The machine of a terminal whose key has the address `self`. Throws `terminal_settings`. */
export function terminalMachine(
  signing: Context['signing'],
  settings: TerminalSettings,
  self: Address,
): TerminalMachine {
  checkTerminalSettings(settings);
  const context: Context = { signing, self };
  return {
    emptyBooks: terminalBooks.EMPTY_TERMINAL,
    records: terminalBooks.terminalRecords,
    apply: terminalBooks.applyRecord,
    snapshot: terminalBooks.snapshot,
    afterPowerUp: terminalAfterPowerUp,
    step: (state, event, nowMs) => terminalStep(context, settings, state, event, nowMs),
  };
}

/** A payer's device (wearable, car). Not started yet. */
export function payerDevice(
  signing: Context['signing'],
  settings: PayerSettings,
  host: Host,
  openJournal: () => Journal,
  observer?: Observer<payerBooks.PayerRecord>,
): PayerDevice {
  return new Runtime(payerMachine(signing, settings, host.key.address), host, openJournal, observer);
}

/** A payee's terminal (POS, charger). Not started yet. Throws `terminal_settings`. */
export function terminalDevice(
  signing: Context['signing'],
  settings: TerminalSettings,
  host: Host,
  openJournal: () => Journal,
  observer?: Observer<terminalBooks.TerminalRecord>,
): TerminalDevice {
  return new Runtime(terminalMachine(signing, settings, host.key.address), host, openJournal, observer);
}
