/** Helpers on byte arrays that run the same on a chip and on Node. */
import { SundialError } from './errors.ts';

/** 20 bytes: an L2 account or a device's key. */
export type Address = Uint8Array;
/** 16 bytes. */
export type Bytes16 = Uint8Array;
/** 32 bytes. */
export type Bytes32 = Uint8Array;
/** 64 bytes: EIP-2098 compact for secp256k1 (yParity in the top bit of s), r and s for P-256. */
export type Signature = Uint8Array;

export const ZERO_ADDRESS: Address = new Uint8Array(20);
export const ZERO_BYTES16: Bytes16 = new Uint8Array(16);
export const ZERO_BYTES32: Bytes32 = new Uint8Array(32);

/** True when both hold the same bytes. Not constant time: never compare secrets with it. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  const length = a.length;
  if (length !== b.length) return false;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** All parts, one after the other, in new bytes. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** `value` as `length` bytes, big-endian. `value` must be a safe integer that fits. */
export function uintBytes(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  writeUint(bytes, length, value);
  return bytes;
}

/** Writes `value` big-endian so that its last byte stands just before `end`. */
export function writeUint(target: Uint8Array, end: number, value: number): void {
  let rest = value;
  for (let i = end - 1; rest > 0; i--) {
    target[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

const HEX = '0123456789abcdef';

/** Lower-case hex with 0x. */
export function toHex(bytes: Uint8Array): `0x${string}` {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    text += HEX[byte >> 4]! + HEX[byte & 15]!;
  }
  return `0x${text}`;
}

/** Bytes of a hex text with or without 0x; throws `bad_hex` when it is not hex or not `length` bytes. */
export function fromHex(text: string, length?: number): Uint8Array {
  const digits = text.startsWith('0x') ? text.slice(2) : text;
  if (!/^([0-9a-fA-F]{2})*$/.test(digits) || (length !== undefined && digits.length !== 2 * length)) {
    throw new SundialError('bad_hex', `"${text.slice(0, 80)}" is not ${length ?? 'whole'} bytes of hex`, {
      severity: 'call',
      remedy: 'Give the value as 0x followed by two hex digits a byte.',
    });
  }
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** UTF-8 bytes. Chips have no TextEncoder, so it is written out. */
export function utf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else
      bytes.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      );
  }
  return Uint8Array.from(bytes);
}
