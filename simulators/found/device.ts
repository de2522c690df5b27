/**
 * A device that really ran, as its flash was found: a copy in memory, which is read, told about and gone on from. The file
 * itself is only read. `flash.img` alone says what the device knew; with `device.json` beside it there is a key and a
 * hub to go on with.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { openJournal, salvageJournal } from '../../device/journal/journal.ts';
import {
  type DeviceFile,
  type DeviceFolder,
  hasDevice,
  JOURNAL_BANKS,
  readAnyDevice,
} from '../../hardware/boards/node/cli/device-folder.ts';
import { DEFAULT_GEOMETRY } from '../../hardware/boards/node/flash.ts';
import { journalBanks, journalFlash } from '../../hardware/boards/mps2-an386/limits.ts';
import { SundialError } from '../../protocol/errors.ts';
import {
  applyRecord,
  EMPTY_PAYER,
  type PayerBooks,
  payerRecords,
} from '../../protocol/machines/payer/books.ts';
import {
  applyRecord as applyTerminal,
  EMPTY_TERMINAL,
  type TerminalBooks,
  terminalRecords,
} from '../../protocol/machines/terminal/books.ts';
import { SoundFlash } from '../stage/flash/sound-flash.ts';

/** What a flash said. */
export type FoundBooks =
  | { readonly kind: 'payer'; readonly books: PayerBooks }
  | { readonly kind: 'terminal'; readonly books: TerminalBooks };

export type FoundDevice = FoundBooks & {
  readonly path: string;
  readonly name: string;
  /** Who it is; absent: nobody knows, and it can't be gone on with. */
  readonly folder: DeviceFolder | undefined;
  /** Journal records that were read. */
  readonly records: number;
  /** Why the device trusts its storage no more; its books are then what still checks. */
  readonly damage: SundialError | undefined;
  readonly flash: SoundFlash;
  readonly banks: number;
};

const unreadable = (path: string, why: string, remedy: string): SundialError =>
  new SundialError('no_flash', `${path} ${why}`, { severity: 'call', remedy });

/** The journal's part of an image: of a process's device the whole file, of the emulated board what its journal has. */
function journalOf(path: string, bytes: Uint8Array): { flash: SoundFlash; banks: number } {
  const isNode = bytes.length === DEFAULT_GEOMETRY.size;
  if (!isNode && bytes.length <= journalFlash.size)
    throw unreadable(
      path,
      `has ${bytes.length} bytes, and is no flash of a device`,
      `Name a flash.img: ${DEFAULT_GEOMETRY.size} bytes from a process, more than ${journalFlash.size} from the emulated board.`,
    );
  const size = isNode ? DEFAULT_GEOMETRY.size : journalFlash.size;
  const flash = new SoundFlash(size);
  for (let at = 0; at < size; at += flash.blockSize) {
    const block = bytes.subarray(at, at + flash.blockSize);
    if (block.some((byte) => byte !== 0xff)) flash.write(at, block);
  }
  return { flash, banks: isNode ? JOURNAL_BANKS : journalBanks };
}

const isPayer = ({ role }: DeviceFile): boolean => role === 'wearable' || role === 'car';

/** Reads records as those of one kind of device. Throws where they are not. */
function readAs(kind: FoundBooks['kind'], payloads: readonly Uint8Array[]): FoundBooks {
  if (kind === 'payer') {
    const records = payloads.map((bytes) => payerRecords.decode(bytes));
    return { kind, books: records.reduce(applyRecord, EMPTY_PAYER) };
  }
  const records = payloads.map((bytes) => terminalRecords.decode(bytes));
  return { kind, books: records.reduce(applyTerminal, EMPTY_TERMINAL) };
}

/** What the records are of, where nobody says so: one kind's do not read as the other's. */
function booksOf(path: string, payloads: readonly Uint8Array[], file: DeviceFile | undefined): FoundBooks {
  if (file !== undefined) return readAs(isPayer(file) ? 'payer' : 'terminal', payloads);
  for (const kind of ['payer', 'terminal'] as const) {
    try {
      return readAs(kind, payloads);
    } catch {
      // The other kind's.
    }
  }
  throw unreadable(
    path,
    'holds records of no device',
    'Name the flash.img of a wearable, a car, a till or a charge point.',
  );
}

/**
 * Reads a flash image, or the state folder that holds one. Throws `no_flash`, and what a damaged `device.json` is refused
 * with. A journal that is damaged is told in `damage`: the device would start frozen.
 */
export function readFound(given: string): FoundDevice {
  const isFolder = statSync(given, { throwIfNoEntry: false })?.isDirectory() === true;
  const board = join(given, 'board', 'flash.img');
  const path = !isFolder ? given : existsSync(board) ? board : join(given, 'flash.img');
  if (!existsSync(path))
    throw unreadable(path, 'is not there', 'Name a flash.img, or the state folder of a device.');
  const parent = dirname(path);
  const state = basename(parent) === 'board' && !hasDevice(parent) ? dirname(parent) : parent;
  const folder = hasDevice(state) ? readAnyDevice(state) : undefined;
  const { flash, banks } = journalOf(path, readFileSync(path));
  const found = { path, name: folder?.file.name ?? basename(state), folder, flash, banks };
  const read = (payloads: Iterable<Uint8Array>, damage?: SundialError): FoundDevice => {
    const all = [...payloads];
    return { ...found, ...booksOf(path, all, folder?.file), records: all.length, damage };
  };
  if (flash.isErased(0, flash.size))
    throw unreadable(
      path,
      'is erased',
      'A device without its journal must not go on; bring back the file as it was.',
    );
  try {
    // On a copy: what a journal makes safe when it is opened is nothing that a reader may do.
    return read(openJournal(journalOf(path, readFileSync(path)).flash, { banks, begun: true }).replayed);
  } catch (error) {
    if (!(error instanceof SundialError) || error.code === 'no_flash') throw error;
    return read(salvageJournal(flash, { banks }), error);
  }
}
