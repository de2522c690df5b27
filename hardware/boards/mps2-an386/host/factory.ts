/**
 * What a factory does to a board: read the address of the key that it made for itself, and write settings and the
 * first records of the journal into its flash, while it is off.
 */
import { type Journal, openJournal } from '../../../../device/journal/journal.ts';
import { crc32 } from '../../../../device/crc32.ts';
import type { Flash } from '../../../interfaces/index.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { journalBanks } from '../limits.ts';
import { type BoardMemory, Emulator } from './emulator.ts';

const blockSize = 4096;
/** Of the journal; behind them lie the settings, and behind those the key. */
const blocks = 64;
const settingsMagic = 0x53444e53;
const keyMagic = 0x4b444e53;

/** The flash of a board that is off, seen by this computer. */
class StoppedFlash implements Flash {
  readonly size = blocks * blockSize;
  readonly blockSize = blockSize;
  readonly wordSize = 4;
  readonly rewritable = true;
  private readonly memory: BoardMemory;

  constructor(memory: BoardMemory) {
    this.memory = memory;
  }

  read(offset: number, length: number): Uint8Array {
    return this.memory.flash(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    const before = this.read(offset, bytes.length);
    if (bytes.some((byte, i) => (byte & ~before[i]!) !== 0)) {
      throw new SundialError('flash_fault', `a bit would have to go from 0 to 1 at byte ${offset}`, {
        severity: 'device',
        remedy: 'Erase the block first.',
      });
    }
    this.memory.program(offset, bytes);
  }

  erase(offset: number): void {
    this.memory.program(offset, new Uint8Array(blockSize).fill(0xff));
  }
}

/** What a board has stored, read from a copy: it may be running meanwhile. */
export function storedBy(memory: BoardMemory): Uint8Array[] {
  const content = memory.flash(0, blocks * blockSize);
  const copy: Flash = {
    size: content.length,
    blockSize,
    wordSize: 4,
    rewritable: true,
    read: (offset, length) => content.slice(offset, offset + length),
    write: (offset, bytes) => content.set(bytes, offset),
    erase: (offset) => {
      content.fill(0xff, offset, offset + blockSize);
    },
  };
  return [...openJournal(copy, { banks: journalBanks }).replayed];
}

/** The journal of a board that is off. */
export const journalOf = (memory: BoardMemory): Journal =>
  openJournal(new StoppedFlash(memory), { banks: journalBanks });

/** Bytes of the part that the journal has. */
export const partBytes = blocks * blockSize;

/** Settings as settings.ts reads them: hex with 0x, amounts in token units, times in seconds. */
export type SettingsFile = Readonly<Record<string, string | number>>;

export function writeSettings(memory: BoardMemory, settings: SettingsFile): void {
  const text = new TextEncoder().encode(JSON.stringify(settings));
  const head = new DataView(new ArrayBuffer(12));
  head.setUint32(0, settingsMagic, true);
  head.setUint32(4, text.length, true);
  head.setUint32(8, crc32(text), true);
  const at = blocks * blockSize;
  memory.program(at, new Uint8Array(head.buffer));
  memory.program(at + 12, text);
}

/** Puts a key into a board that has made none yet: for devices whose channel was opened before the board was built. */
export function injectKey(memory: BoardMemory, secret: Uint8Array): void {
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, keyMagic, true);
  head.setUint32(4, crc32(secret), true);
  const at = (blocks + 1) * blockSize;
  memory.program(at, new Uint8Array(head.buffer));
  memory.program(at + 8, secret);
}

/** Starts a board for a moment, so that it makes its key if it has none, and returns its address. */
export async function addressOf(image: string, memory: BoardMemory): Promise<Uint8Array> {
  const board = new Emulator({ image, memory });
  try {
    const line = await board.line(/"event":"board"/);
    const { address } = JSON.parse(line) as { address: string };
    return new Uint8Array(Buffer.from(address.slice(2), 'hex'));
  } finally {
    await board.kill();
  }
}
