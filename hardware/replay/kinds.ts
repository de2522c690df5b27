/** The two kinds of device that can be played, each with the records of its journal. A program holds one of them. */
import { payerDevice, terminalDevice } from '../../device/devices.ts';
import type { Journal } from '../../device/journal/journal.ts';
import type { CryptoSuite } from '../interfaces/index.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import type { PayerSettings } from '../../protocol/machines/payer/state.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings } from '../../protocol/machines/terminal/state.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import type { Chip } from './serve.ts';

/** A kind of device on a chip's crypto and journal. */
export type Kind = (crypto: CryptoSuite, openJournal: () => Journal) => Pick<Chip, 'device' | 'records'>;

export const payer: Kind = (crypto, openJournal) => ({
  records: payerRecords,
  device: ({ domain, settings }, host, observer) =>
    payerDevice(makeSigning(crypto, domain), settings as PayerSettings, host, openJournal, observer),
});

export const terminal: Kind = (crypto, openJournal) => ({
  records: terminalRecords,
  device: ({ domain, settings }, host, observer) =>
    terminalDevice(makeSigning(crypto, domain), settings as TerminalSettings, host, openJournal, observer),
});
