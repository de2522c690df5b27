/**
 * Bytes as an endless sequence of parts, of which any that are a few more than the bytes have will do: for displays that
 * are filmed, where a camera misses frames. The first parts are the bytes themselves, each later one the XOR of some of
 * them, chosen by its number. Sender and receiver need nothing but that number.
 */
import { crc32 } from '../crc32.ts';

/** Bytes that may be sent at once, and parts that they may take. */
export const FOUNTAIN_BYTES_MAX = 32 * 1024;
export const PARTS_MAX = 256;
const HEAD = 10;

/** Which of `count` parts the part of this number holds, as flags. */
function chosen(number: number, count: number): Uint8Array {
  const flags = new Uint8Array(count);
  if (number < count) {
    flags[number] = 1;
    return flags;
  }
  // mulberry32, the same on every device. Half of the parts each: nearly every new one tells something new. A generator of
  // shifts and XOR alone would not do: all that it draws stands in 32 dimensions.
  let state = Math.imul(number + 1, 0x9e3779b1) ^ Math.imul(count, 0x85ebca6b);
  let any = false;
  for (let i = 0; i < count; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    if ((value ^ (value >>> 14)) & 1) {
      flags[i] = 1;
      any = true;
    }
  }
  if (!any) flags[number % count] = 1;
  return flags;
}

/**
 * The part of a number (0 to 65535): bytes in all (2), bytes a part (2), number (2), CRC-32 of all (4), each big-endian,
 * then the part. Throws RangeError when the bytes are too many.
 */
export function fountainPart(bytes: Uint8Array, partBytes: number, number: number): Uint8Array {
  const count = Math.ceil(bytes.length / partBytes);
  if (bytes.length === 0 || bytes.length > FOUNTAIN_BYTES_MAX || count > PARTS_MAX)
    throw new RangeError(`${bytes.length} bytes in parts of ${partBytes}`);
  const part = new Uint8Array(HEAD + partBytes);
  const sum = crc32(bytes);
  part.set([
    bytes.length >> 8,
    bytes.length & 255,
    partBytes >> 8,
    partBytes & 255,
    (number >> 8) & 255,
    number & 255,
  ]);
  for (let i = 0; i < 4; i++) part[6 + i] = (sum >>> (24 - 8 * i)) & 255;
  const flags = chosen(number & 0xffff, count);
  for (let i = 0; i < count; i++)
    if (flags[i]) xor(part, HEAD, bytes.subarray(i * partBytes, (i + 1) * partBytes));
  return part;
}

function xor(into: Uint8Array, at: number, bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) into[at + i]! ^= bytes[i]!;
}

/** Puts parts together; another sequence begins anew. */
export class FountainDecoder {
  private key = '';
  private length = 0;
  private partBytes = 0;
  private sum = 0;
  /** Solved so far: row i begins with part i. */
  private rows: ({ readonly flags: Uint8Array; readonly data: Uint8Array } | undefined)[] = [];
  private known = 0;

  /** Takes a part; the bytes when they are complete, each time again. Garbage is not taken. */
  push(part: Uint8Array): Uint8Array | undefined {
    if (part.length <= HEAD) return undefined;
    const length = (part[0]! << 8) | part[1]!;
    const partBytes = (part[2]! << 8) | part[3]!;
    const count = partBytes === 0 ? 0 : Math.ceil(length / partBytes);
    if (count === 0 || count > PARTS_MAX || length > FOUNTAIN_BYTES_MAX || part.length !== HEAD + partBytes)
      return undefined;
    const sum = part.slice(6, HEAD).reduce((value, byte) => value * 256 + byte, 0);
    const key = `${length} ${partBytes} ${sum}`;
    if (key !== this.key) {
      this.key = key;
      this.length = length;
      this.partBytes = partBytes;
      this.sum = sum;
      this.rows = new Array(count).fill(undefined);
      this.known = 0;
    }
    this.reduce(chosen((part[4]! << 8) | part[5]!, count), part.slice(HEAD));
    return this.known === count ? this.solve() : undefined;
  }

  /** Gauss: takes away what is known, and keeps what is left. */
  private reduce(flags: Uint8Array, data: Uint8Array): void {
    for (let i = 0; i < flags.length; i++) {
      if (flags[i] === 0) continue;
      const row = this.rows[i];
      if (row === undefined) {
        this.rows[i] = { flags, data };
        this.known += 1;
        return;
      }
      xor(flags, 0, row.flags);
      xor(data, 0, row.data);
    }
  }

  private solve(): Uint8Array | undefined {
    const bytes = new Uint8Array(this.rows.length * this.partBytes);
    for (let i = this.rows.length - 1; i >= 0; i--) {
      const { flags, data } = this.rows[i]!;
      const part = data.slice();
      for (let j = i + 1; j < flags.length; j++)
        if (flags[j]) xor(part, 0, bytes.subarray(j * this.partBytes, (j + 1) * this.partBytes));
      bytes.set(part, i * this.partBytes);
    }
    const whole = bytes.slice(0, this.length);
    if (crc32(whole) >>> 0 === this.sum >>> 0) return whole;
    // A part was misread: all of them are in doubt.
    this.key = '';
    return undefined;
  }
}
