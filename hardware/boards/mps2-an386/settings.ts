/**
 * What the factory (or `sundial board`) wrote for this device: whose money, which hub, which limits. JSON in a block of
 * its own with a checksum, so that a damaged one is noticed; a device without settings has no role and says so.
 */
import type { Address, Signature } from '../../../protocol/bytes.ts';
import { type Amount, amount, type Seconds, seconds } from '../../../protocol/integers.ts';
import { DEFAULT_TIMING, type Timing } from '../../../protocol/limits.ts';
import type { HubPin } from '../../../protocol/machines/hub-keys.ts';
import { crc32 } from '../../../device/crc32.ts';
import { blocks, blockSize } from './flash.ts';
import { board } from './natives.ts';

export interface BoardSettings {
  readonly role: 'wearable' | 'car' | 'pos' | 'charger';
  readonly chainId: number;
  readonly vault: Address;
  /** What the device pins of its hub. */
  readonly hub: HubPin;
  readonly timing: Timing;
  /** Payers: most that one tap may take, and the group of terminals that leases are asked for; absent: any. */
  readonly tapMax: Amount;
  readonly scope: Uint8Array | undefined;
  /** Terminals. */
  readonly payee: Address;
  readonly certificate: { readonly expiresAt: Seconds; readonly signature: Signature };
  readonly capTotal: Amount;
  readonly wideMax: Amount | undefined;
  /** Chargers: price of a tick, its energy, and how many seconds of a session pass in one. */
  readonly tickValue: Amount;
  readonly tickEnergyWh: number;
  readonly speed: number;
}

/** The settings' block begins with three words, little-endian: this, the bytes of the text behind them, its CRC-32. */
const magic = 0x53444e53;
const headBytes = 12;

const digits = '0123456789abcdef';

/** Written out, because the image has no regular expressions. */
export function unhex(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (text.length !== 2 * length + 2 || !text.startsWith('0x')) return board.fault('settings_damaged');
  for (let i = 0; i < length; i++) {
    const high = digits.indexOf(text[2 * i + 2]!);
    const low = digits.indexOf(text[2 * i + 3]!);
    if (high < 0 || low < 0) return board.fault('settings_damaged');
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

export function hex(bytes: Uint8Array): string {
  let text = '0x';
  for (let i = 0; i < bytes.length; i++) text += digits[bytes[i]! >> 4]! + digits[bytes[i]! & 15]!;
  return text;
}

/** Does a block of the journals hold anything? The factory writes first records with the settings. */
function hasJournal(): boolean {
  const word = new Uint8Array(4);
  for (let block = 0; block < blocks; block++) {
    board.flashRead(block * blockSize, word);
    if (word.some((byte) => byte !== 0xff)) return true;
  }
  return false;
}

/**
 * The text that the factory wrote, in bytes. Undefined when it has not been here; a damaged block stops the board, and one
 * that reads as erased beside a journal is damaged.
 */
function settingsText(): Uint8Array | undefined {
  const block = new Uint8Array(blockSize);
  board.flashRead(blocks * blockSize, block);
  const head = new DataView(block.buffer);
  const length = head.getUint32(4, true);
  if (block.every((byte) => byte === 0xff) && !hasJournal()) return undefined;
  if (head.getUint32(0, true) !== magic || length > blockSize - headBytes)
    return board.fault('settings_damaged');
  const text = block.slice(headBytes, headBytes + length);
  return crc32(text) === head.getUint32(8, true) ? text : board.fault('settings_damaged');
}

/** The site's, as far as the factory wrote it. */
function timingOf(found: Record<string, string | number | undefined>): Timing {
  const timing: Record<string, number> = {};
  for (const [name, value] of Object.entries(DEFAULT_TIMING)) timing[name] = Number(found[name] ?? value);
  return timing as unknown as Timing;
}

/** Undefined when the factory has not been here. */
export function readSettings(): BoardSettings | undefined {
  const bytes = settingsText();
  if (bytes === undefined) return undefined;
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
  const found = JSON.parse(text) as Record<string, string | number | undefined>;
  const number = (name: string): number => Number(found[name] ?? 0);
  const bytesOf = (name: string, size: number): Uint8Array =>
    found[name] === undefined ? new Uint8Array(size) : unhex(String(found[name]), size);
  return {
    role: found.role as BoardSettings['role'],
    chainId: number('chainId'),
    vault: bytesOf('vault', 20),
    hub: { id: bytesOf('hub', 32), root: bytesOf('root', 20) },
    timing: timingOf(found),
    tapMax: amount(number('tapMax')),
    scope: found.scope === undefined ? undefined : bytesOf('scope', 32),
    payee: bytesOf('payee', 20),
    certificate: {
      expiresAt: seconds(number('certificateExpiresAt')),
      signature: bytesOf('certificateSignature', 64),
    },
    capTotal: amount(number('capTotal')),
    wideMax: found.wideMax === undefined ? undefined : amount(number('wideMax')),
    tickValue: amount(number('tickValue')),
    tickEnergyWh: number('tickEnergyWh'),
    speed: number('speed'),
  };
}
