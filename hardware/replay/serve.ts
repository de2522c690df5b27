/** The chip's end of lines.ts: takes lines as they come, plays them, prints what the device does. */
import type { Host, Observer, Runtime } from '../../device/runtime.ts';
import type { SecureKey } from '../interfaces/index.ts';
import type { RecordTable } from '../../protocol/wire/records.ts';
import type { Domain } from '../../protocol/signing/digests.ts';
import { readTold, type Say, sayText } from './lines.ts';
import { ReplayedDevice, type Told } from './replayed-device.ts';

/** What a device is told once after power-up. */
export interface Setup {
  readonly domain: Domain;
  /** PayerSettings or TerminalSettings. */
  readonly settings: object;
  /** 1: its journal stands on the chip's part, which may fail and bounds it; absent: on one that never does. */
  readonly part?: number;
  /** The device's key, 32 bytes, for a host that keeps none of its own. */
  readonly secret?: Uint8Array;
}

export interface Chip {
  print(text: string): void;
  key(setup: Setup): SecureKey;
  // biome-ignore lint/suspicious/noExplicitAny: payers and terminals are served alike
  device(setup: Setup, host: Host, observer: Observer<any>): Runtime<any, any, any, any>;
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  readonly records: RecordTable<any>;
}

/** A line: the largest messages of the hub that a chip takes (4 KB), twice for hex, and what stands around them. */
const LINE_BYTES_MAX = 12 * 1024;
/** Characters turned into text at once; each takes a slot of the engine's stack meanwhile. */
const PIECE = 64;

/** Returns what is to be called with the bytes that arrive. A line too long is answered with `fault line_too_long`. */
export function serveReplay(chip: Chip): (bytes: Uint8Array) => void {
  const say: Say = (words, bytes) => sayText(chip.print, words, bytes);
  let device: ReplayedDevice | undefined;
  let pieces: string[] = [];
  let length = 0;

  const obey = (line: string): void => {
    const told = readTold(line);
    if (device === undefined) {
      const setup = told as Setup;
      const start = (host: Host, observer: Observer<never>) => chip.device(setup, host, observer);
      device = new ReplayedDevice(start, chip.key(setup), chip.records, say);
      return say('done');
    }
    void device.play(told as Told).then(() => say('done'));
  };

  const take = (bytes: Uint8Array): void => {
    length += bytes.length;
    if (length > LINE_BYTES_MAX) return;
    for (let at = 0; at < bytes.length; at += PIECE)
      pieces.push(String.fromCharCode(...bytes.subarray(at, at + PIECE)));
  };

  return (bytes) => {
    let at = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
      take(bytes.subarray(at, end));
      at = end + 1;
      const line = pieces.join('');
      const tooLong = length > LINE_BYTES_MAX;
      pieces = [];
      length = 0;
      if (!tooLong) obey(line);
      else {
        say('fault line_too_long');
        say('done');
      }
    }
    take(bytes.subarray(at));
  };
}
