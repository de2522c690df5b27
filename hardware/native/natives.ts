/**
 * The functions that C offers to JavaScript, as `globalThis.natives`. Those of this file exist on every host of XS
 * here; a board's own stand beside its code. Functions with an `out` fill the array that the caller made.
 */
import type { Writer } from '../../protocol/wire/cbor.ts';

export interface Natives {
  print(text: string): void;
  /** Since power-up; wraps at 2^32. */
  milliseconds(): number;
  /** Calls `onAlarm` after `delayMs`; there is one alarm, a second call replaces the first. */
  alarm(delayMs: number): void;
  /** False when there is no entropy; `out` is then unchanged. */
  random(out: Uint8Array): boolean;
  entropyCertified(): boolean;
  /** What the loop does while nobody waits: collects garbage when there is much. */
  idle(): void;
  /**
   * Bytes of the arena by use, at their highest: 0 all of it, of which 1 chunks, 2 slots, 3 value stack; 4 chunks and 5
   * slots in use now, garbage since the last collection included.
   */
  memory(use: number): number;
  keccak256(bytes: Uint8Array, out: Uint8Array): void;
  sha256(bytes: Uint8Array, out: Uint8Array): void;
  crc32(bytes: Uint8Array, before: number): number;
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** Writes the frame of a message; returns its bytes, 0 when `out` is too small. */
  frameEncode(message: Uint8Array, out: Uint8Array): number;
  /**
   * Writes the message of the frame in the first `size` bytes, its closing zero left out; `out` may be the frame itself.
   * Returns the message's bytes, -1 for garbage.
   */
  frameDecode(frame: Uint8Array, out: Uint8Array, size: number): number;
  /** Writes a record of the journal but its commit mark, with 0xff to the end of `out`; returns its sum. */
  recordSeal(payload: Uint8Array, out: Uint8Array, before: number): number;
  /**
   * Writes the fields that `codecs` names, laid out as struct.ts says; false when one does not fit its layout or the
   * buffer is too small. Nothing is written then.
   */
  structWrite?(writer: Writer, layout: Uint8Array, codecs: object, values: object): boolean;
  /** `start` and the fields behind it; undefined where structWrite is false, and for more than a tap's message. */
  structEncode?(
    start: Uint8Array,
    layout: Uint8Array,
    codecs: object,
    values: object,
  ): Uint8Array | undefined;
  /** Reads them from `start` to the end of the bytes, behind a property `type`; undefined when they are anything else. */
  structDecode?(
    bytes: Uint8Array,
    layout: Uint8Array,
    codecs: object,
    start: number,
    type: string,
  ): object | undefined;
  /** False when `secret` is no valid key. */
  secpAddress(secret: Uint8Array, out: Uint8Array): boolean;
  secpSign(digest: Uint8Array, secret: Uint8Array, out: Uint8Array): boolean;
  /** False when the signature is not valid. */
  secpRecover(digest: Uint8Array, signature: Uint8Array, out: Uint8Array): boolean;
}

export const natives = (globalThis as unknown as { natives: Natives }).natives;
