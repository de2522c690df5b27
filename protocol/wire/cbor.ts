/**
 * The subset of deterministic CBOR (RFC 8949, 4.2.1) that Sundial speaks: unsigned integers, byte strings, UTF-8
 * text, definite arrays and null. The reader takes only the shortest form of each head, so bytes that it accepts
 * are the only bytes that encode the value: nothing has to be re-encoded to prove it.
 */
import { SundialError } from '../errors.ts';

const UINT = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const NULL = 0xf6;
const TWO_32 = 0x1_0000_0000;

/** Why bytes were refused: `malformed` are not our CBOR, `not_canonical` have a shorter form, `field_range` don't fit. */
export type DecodeFault = 'malformed' | 'not_canonical' | 'field_range';

/** Thrown by Reader; the wire layer turns it into a refusal, so it never leaves protocol/wire. */
export class DecodeError extends SundialError {
  readonly fault: DecodeFault;
  constructor(fault: DecodeFault, message: string, offset: number) {
    super(fault, `${message} at byte ${offset}`, {
      severity: 'message',
      remedy: 'Drop the message; the sender resends what still matters.',
      facts: { offset },
    });
    this.fault = fault;
  }
}

/** Bytes of the head of an integer, or of the length of a string or an array, up to `max`. */
export const headSize = (max: number): number =>
  max < 24 ? 1 : max < 0x100 ? 2 : max < 0x10000 ? 3 : max < TWO_32 ? 5 : 9;

/** A tap's message fits; longer ones double it. */
const BUFFER_BYTES = 256;
/** The buffer of the last writer that finished, for the next one: most messages are written without allocating one. */
let spare: Uint8Array | undefined;

/** Appends values to a growing buffer. */
export class Writer {
  private buffer: Uint8Array;
  /** Bytes that were written. */
  private at = 0;

  constructor() {
    this.buffer = spare ?? new Uint8Array(BUFFER_BYTES);
    spare = undefined;
  }

  private reserve(count: number): number {
    const start = this.at;
    const end = start + count;
    if (end > this.buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.buffer.length * 2));
      larger.set(this.buffer.subarray(0, start));
      this.buffer = larger;
    }
    this.at = end;
    return start;
  }

  private head(major: number, value: number): void {
    const size = value < 24 ? 0 : value < 0x100 ? 1 : value < 0x10000 ? 2 : value < TWO_32 ? 4 : 8;
    const start = this.reserve(1 + size);
    const buffer = this.buffer;
    if (size === 0) {
      buffer[start] = (major << 5) | value;
      return;
    }
    buffer[start] = (major << 5) | (size === 1 ? 24 : size === 2 ? 25 : size === 4 ? 26 : 27);
    let rest = value;
    for (let i = start + size; i > start; i--) {
      buffer[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }

  /** Bytes that are encoded already. */
  encoded(bytes: Uint8Array): void {
    const start = this.reserve(bytes.length);
    this.buffer.set(bytes, start);
  }

  /** A whole number below 2^53. */
  uint(value: number): void {
    this.head(UINT, value);
  }

  /** A byte string. */
  bytes(value: Uint8Array): void {
    this.head(BYTES, value.length);
    const start = this.reserve(value.length);
    this.buffer.set(value, start);
  }

  /** `value` already as UTF-8. */
  text(value: Uint8Array): void {
    this.head(TEXT, value.length);
    const start = this.reserve(value.length);
    this.buffer.set(value, start);
  }

  /** The head of an array; its items follow. */
  array(length: number): void {
    this.head(ARRAY, length);
  }

  /** An absent field. */
  null(): void {
    const start = this.reserve(1);
    this.buffer[start] = NULL;
  }

  /** A copy of what was written. Ends the writer: its buffer is the next one's. */
  finish(): Uint8Array {
    const written = this.buffer.slice(0, this.at);
    // A chip keeps no large one.
    if (this.buffer.length === BUFFER_BYTES) spare = this.buffer;
    return written;
  }
}

/** Reads values in order; every method throws DecodeError and leaves nothing half read that a caller would keep. */
export class Reader {
  private readonly buffer: Uint8Array;
  private at = 0;

  /** Begins at byte `start`. */
  constructor(buffer: Uint8Array, start = 0) {
    this.buffer = buffer;
    this.at = start;
  }

  private fail(fault: DecodeFault, message: string): never {
    throw new DecodeError(fault, message, this.at);
  }

  private head(wanted: number): number {
    const buffer = this.buffer;
    const first = buffer[this.at];
    if (first === undefined) this.fail('malformed', 'the message ends early');
    if (first >> 5 !== wanted) this.fail('malformed', `major type ${first >> 5}, want ${wanted}`);
    const low = first & 31;
    if (low < 24) {
      this.at += 1;
      return low;
    }
    if (low > 27) this.fail('malformed', 'an indefinite or reserved length');
    const size = 1 << (low - 24);
    if (this.at + 1 + size > buffer.length) this.fail('malformed', 'the message ends early');
    let value = 0;
    for (let i = 1; i <= size; i++) value = value * 256 + buffer[this.at + i]!;
    const least = size === 1 ? 24 : size === 2 ? 0x100 : size === 4 ? 0x10000 : TWO_32;
    if (value < least) this.fail('not_canonical', `${value} has a shorter form`);
    if (value > Number.MAX_SAFE_INTEGER) this.fail('field_range', 'an integer above 2^53');
    this.at += 1 + size;
    return value;
  }

  private take(length: number): Uint8Array {
    const start = this.at;
    if (length > this.buffer.length - start) this.fail('malformed', 'a string runs past the end');
    this.at = start + length;
    return this.buffer.slice(start, this.at);
  }

  /** A whole number up to `max`. Like all below it fails with the name of the refusal. */
  uint(max: number): number {
    const value = this.head(UINT);
    if (value > max) this.fail('field_range', `${value} is above ${max}`);
    return value;
  }

  /** A byte string of so many bytes. */
  bytes(lengthMin: number, lengthMax: number): Uint8Array {
    const length = this.head(BYTES);
    if (length < lengthMin || length > lengthMax)
      this.fail('field_range', `${length} bytes, want ${lengthMin} to ${lengthMax}`);
    return this.take(length);
  }

  /** A text as UTF-8, of at most so many bytes. */
  text(lengthMax: number): Uint8Array {
    const length = this.head(TEXT);
    if (length > lengthMax) this.fail('field_range', `${length} bytes of text, want at most ${lengthMax}`);
    return this.take(length);
  }

  /** The length of an array of at most so many items, which follow. */
  array(lengthMax: number): number {
    const length = this.head(ARRAY);
    if (length > lengthMax) this.fail('field_range', `${length} items, want at most ${lengthMax}`);
    return length;
  }

  /** Consumes a null when one stands next. */
  null(): boolean {
    if (this.buffer[this.at] !== NULL) return false;
    this.at += 1;
    return true;
  }

  /** Bytes that were read, from the start of the buffer. */
  get position(): number {
    return this.at;
  }

  /** Skips nothing: throws unless all bytes were read. */
  finish(): void {
    if (this.at !== this.buffer.length) this.fail('malformed', 'bytes follow the message');
  }
}
