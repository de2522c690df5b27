/** The two kinds of device that can be played, each with the records of its journal. A program holds one of them. */
import { type JournalPlace, payerDevice, terminalDevice } from '../../device/devices.ts';
import type { Storage } from '../../device/journal/capacity.ts';
import type { CryptoSuite } from '../interfaces/index.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import type { PayerSettings } from '../../protocol/machines/payer/state.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings } from '../../protocol/machines/terminal/state.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import type { Chip, Setup } from './serve.ts';

/** A kind of device on a chip's crypto and journal. */
export type Kind = (crypto: CryptoSuite, journal: Storage) => Pick<Chip, 'device' | 'records'>;

/** The journal as the fleet's device had it: one that never fails has no bounds, and nothing to salvage. */
const placeOf = ({ part }: Setup, { open, ...rest }: Storage): JournalPlace =>
  part === undefined ? { open } : { open, ...rest };

export const payer: Kind = (crypto, journal) => ({
  records: payerRecords,
  device: (setup, host, observer) =>
    payerDevice(
      makeSigning(crypto, setup.domain),
      setup.settings as PayerSettings,
      host,
      placeOf(setup, journal),
      observer,
    ),
});

export const terminal: Kind = (crypto, journal) => ({
  records: terminalRecords,
  device: (setup, host, observer) =>
    terminalDevice(
      makeSigning(crypto, setup.domain),
      setup.settings as TerminalSettings,
      host,
      placeOf(setup, journal),
      observer,
    ),
});
