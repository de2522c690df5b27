/**
 * Frames on a byte link: COBS around message and CRC-32 (little-endian), ended by a zero byte. COBS leaves no zero
 * inside a frame, so after lost or garbled bytes the next zero is always the start of sense again.
 */
import { crc32 } from '../crc32.ts';

/** Bytes that a frame adds to a message of `length` bytes, at most. */
export const frameOverhead = (length: number): number => 4 + Math.ceil((length + 4) / 254) + 1;

/** The frame of one message. */
export function encodeFrame(message: Uint8Array): Uint8Array {
  const { length } = message;
  const sum = crc32(message) | 0;
  const size = length + 4;
  // A code byte in front and the zero behind; only where no zero comes in 254 bytes there are more codes.
  const frame = new Uint8Array(size + 2 + (size < 254 ? 0 : Math.ceil(size / 254)));
  let codeAt = 0;
  let at = 1;
  let code = 1;
  for (let i = 0; i < size; i++) {
    const byte = i < length ? message[i]! : (sum >> (8 * (i - length))) & 255;
    if (byte !== 0) {
      frame[at++] = byte;
      code += 1;
    }
    if (byte === 0 || code === 0xff) {
      frame[codeAt] = code;
      codeAt = at++;
      code = 1;
    }
  }
  frame[codeAt] = code;
  frame[at++] = 0;
  return at === frame.length ? frame : frame.slice(0, at);
}

/** The message of one frame without its ending zero; undefined when it is torn or garbled. */
export function decodeFrame(frame: Uint8Array): Uint8Array | undefined {
  return decodeUntil(frame, frame.length);
}

/** As decodeFrame, of the bytes before `end`. */
function decodeUntil(frame: Uint8Array, end: number): Uint8Array | undefined {
  const body = new Uint8Array(end);
  let length = 0;
  let at = 0;
  while (at < end) {
    const code = frame[at]!;
    if (code === 0 || at + code > end) return undefined;
    for (let i = 1; i < code; i++) body[length++] = frame[at + i]!;
    at += code;
    if (code !== 0xff && at < end) body[length++] = 0;
  }
  if (length < 4) return undefined;
  const message = body.subarray(0, length - 4);
  const sum = crc32(message) | 0;
  for (let i = 0; i < 4; i++) if (body[length - 4 + i] !== ((sum >> (8 * i)) & 255)) return undefined;
  return message;
}

/**
 * Cuts a byte stream into messages. A frame that is longer than `messageBytesMax` allows is skipped up to the next
 * zero, so garbage never fills the memory.
 */
export class Deframer {
  private readonly buffer: Uint8Array;
  private length = 0;
  private skipping = false;
  private readonly onMessage: (message: Uint8Array) => void;
  private readonly onGarbage: (reason: 'too_large' | 'malformed') => void;

  constructor(
    messageBytesMax: number,
    onMessage: (message: Uint8Array) => void,
    onGarbage: (reason: 'too_large' | 'malformed') => void,
  ) {
    this.buffer = new Uint8Array(messageBytesMax + frameOverhead(messageBytesMax));
    this.onMessage = onMessage;
    this.onGarbage = onGarbage;
  }

  /** Takes whatever the link delivered. */
  push(bytes: Uint8Array): void {
    // Nearly always one whole frame, as a radio's packet is: it needs no copy.
    const { length } = bytes;
    if (
      this.length === 0 &&
      !this.skipping &&
      length <= this.buffer.length &&
      bytes.indexOf(0) === length - 1
    )
      return this.take(bytes, length - 1);
    for (let i = 0; i < length; i++) {
      const byte = bytes[i]!;
      if (byte === 0) this.end();
      else if (this.length === this.buffer.length) this.skipping = true;
      else this.buffer[this.length++] = byte;
    }
  }

  /** Forgets a half frame: the link was cut. */
  reset(): void {
    this.length = 0;
    this.skipping = false;
  }

  private end(): void {
    const { length, skipping } = this;
    this.reset();
    if (skipping) return this.onGarbage('too_large');
    this.take(this.buffer, length);
  }

  private take(frame: Uint8Array, length: number): void {
    if (length <= 0) return;
    const message = decodeUntil(frame, length);
    if (message === undefined) this.onGarbage('malformed');
    else this.onMessage(message);
  }
}
