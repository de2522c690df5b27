/** device/links/framing.ts with its loops in C. */
import { frameOverhead } from '../../device/links/framing.ts';
import { natives } from './natives.ts';

export { frameOverhead };

export function encodeFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(message.length + frameOverhead(message.length) + 1);
  return frame.slice(0, natives.frameEncode(message, frame));
}

export function decodeFrame(frame: Uint8Array): Uint8Array | undefined {
  const message = new Uint8Array(frame.length);
  const length = natives.frameDecode(frame, message, frame.length);
  return length < 0 ? undefined : message.slice(0, length);
}

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

  push(bytes: Uint8Array): void {
    const { length } = bytes;
    let zero = bytes.indexOf(0);
    // Most links deliver frame by frame.
    if (zero === length - 1 && this.length === 0 && !this.skipping && zero <= this.buffer.length)
      return this.take(bytes, zero);
    for (let at = 0; at < length; at = zero + 1) {
      zero = bytes.indexOf(0, at);
      const end = zero < 0 ? length : zero;
      const room = this.buffer.length - this.length;
      if (end - at > room) this.skipping = true;
      this.buffer.set(bytes.subarray(at, Math.min(end, at + room)), this.length);
      this.length += Math.min(end - at, room);
      if (zero < 0) return;
      const { length: held, skipping } = this;
      this.reset();
      if (skipping) this.onGarbage('too_large');
      else this.take(this.buffer, held);
    }
  }

  reset(): void {
    this.length = 0;
    this.skipping = false;
  }

  /** Hands on the frame in the first `length` bytes. */
  private take(frame: Uint8Array, length: number): void {
    if (length === 0) return;
    const size = natives.frameDecode(frame, this.buffer, length);
    if (size < 0) this.onGarbage('malformed');
    else this.onMessage(this.buffer.slice(0, size));
  }
}
