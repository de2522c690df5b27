/**
 * The simulated secure element of a Node device: a folder that holds what is inside the part, and a counter file. And
 * the counter files themselves, which a power cut at any byte leaves readable.
 */
import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fromHex } from '../../../protocol/bytes.ts';
import { KeyFault } from '../../keys/key-fault.ts';
import {
  type CounterStore,
  type SecureElement,
  simulatedSecureElement,
  witnessed,
} from '../../keys/secure-element.ts';

/** Value and complement, 4 bytes each. */
const SLOT_BYTES = 8;

/** The value of a slot, or undefined when a cut tore it. */
function slotValue(bytes: Buffer, slot: number): number | undefined {
  const value = bytes.readUInt32LE(slot * SLOT_BYTES);
  return (value ^ bytes.readInt32LE(slot * SLOT_BYTES + 4)) === -1 ? value : undefined;
}

/**
 * A counter in a file of two slots: the lower one is overwritten, so that the higher one survives a torn write. Reading
 * throws `key_refused` when neither slot holds or the file is gone: a lost counter is no zero.
 */
export class CounterFile implements CounterStore {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes the file, at zero. Throws when there is one. */
  static create(path: string): void {
    const zero = Buffer.alloc(2 * SLOT_BYTES);
    zero.writeInt32LE(~0, 4);
    writeFileSync(path, zero, { mode: 0o600, flag: 'wx', flush: true });
  }

  private slots(): (number | undefined)[] {
    try {
      const bytes = readFileSync(this.path);
      return [slotValue(bytes, 0), slotValue(bytes, 1)];
    } catch (cause) {
      throw new KeyFault('key_refused', `The counter in ${this.path} can't be read.`, cause);
    }
  }

  read(): number {
    const found = this.slots().filter((value) => value !== undefined);
    if (found.length === 0) throw new KeyFault('key_refused', `The counter in ${this.path} is damaged.`);
    return Math.max(...found);
  }

  write(value: number): void {
    const bytes = Buffer.alloc(SLOT_BYTES);
    bytes.writeUInt32LE(value);
    bytes.writeInt32LE(~value, 4);
    const [first = -1, second = -1] = this.slots();
    try {
      const file = openSync(this.path, 'r+');
      try {
        writeSync(file, bytes, 0, SLOT_BYTES, first <= second ? 0 : SLOT_BYTES);
        fdatasyncSync(file);
      } finally {
        closeSync(file);
      }
    } catch (cause) {
      throw new KeyFault('key_refused', `The counter in ${this.path} can't be stored.`, cause);
    }
  }
}

const secretPath = (folder: string): string => join(folder, 'secret');
const counterPath = (folder: string): string => join(folder, 'counter');

/**
 * Makes an element with this secret (32 bytes, as `0x` and hex) in `folder`, and the device's witness beside it. Throws
 * when there is one already.
 */
export function makeElement(folder: string, witness: string, secret: string): void {
  mkdirSync(folder, { recursive: true });
  CounterFile.create(witness);
  CounterFile.create(counterPath(folder));
  writeFileSync(secretPath(folder), secret, { mode: 0o600, flag: 'wx', flush: true });
}

/** What the (simulated) part in `folder` never shows to a device: its secret, 32 bytes. */
export const elementSecret = (folder: string): Uint8Array =>
  fromHex(readFileSync(secretPath(folder), 'utf8'), 32);

/** The element in `folder`, not yet held against its device's witness. Throws `key_invalid`. */
export function readElement(folder: string): SecureElement {
  return simulatedSecureElement(elementSecret(folder), new CounterFile(counterPath(folder)));
}

/** The element as a device signs with it; `witness` is the device's own counter file. Throws `counter_went_back`. */
export const openElement = (folder: string, witness: string): SecureElement =>
  witnessed(readElement(folder), new CounterFile(witness));
