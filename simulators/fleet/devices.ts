/** The two kinds of device in a fleet, as types. */
import type { PayerBooks, PayerRecord } from '../../protocol/machines/payer/books.ts';
import type { PayerEvent } from '../../protocol/machines/payer/payer.ts';
import type { PayerState } from '../../protocol/machines/payer/state.ts';
import type { TerminalBooks, TerminalRecord } from '../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../protocol/machines/terminal/state.ts';
import type { TerminalEvent } from '../../protocol/machines/terminal/terminal.ts';
import type { Device } from './device.ts';

export type PayerDevice = Device<PayerBooks, PayerState, PayerEvent, PayerRecord>;
export type TerminalDevice = Device<TerminalBooks, TerminalState, TerminalEvent, TerminalRecord>;
