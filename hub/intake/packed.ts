/**
 * Bytes as text, one character a byte, for what is kept in large numbers: an array of its own costs a message of 200
 * bytes some 300 more, outside V8's heap, where each has to be found and freed by itself.
 */

declare const packed: unique symbol;
/** Bytes that `pack` made a text of. */
export type Packed = string & { readonly [packed]: true };

/** The bytes as a text; `unpack` gives them back. */
export function pack(bytes: Uint8Array): Packed {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1') as Packed;
}

/** A new array with the bytes of a text. */
export function unpack(text: Packed): Uint8Array {
  const bytes = new Uint8Array(text.length);
  Buffer.from(bytes.buffer).write(text, 'latin1');
  return bytes;
}
