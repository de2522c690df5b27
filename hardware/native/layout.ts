/** device/journal/layout.ts with its loops in C. */
import { RECORD_HEAD_BYTES } from '../../device/journal/layout.ts';
import { natives } from './natives.ts';

export * from '../../device/journal/layout.ts';

export function encodeBody(payload: Uint8Array, unit: number): Uint8Array {
  const size = RECORD_HEAD_BYTES + payload.length;
  const over = size % unit;
  const bytes = new Uint8Array(over === 0 ? size : size + unit - over);
  natives.recordEncode(payload, bytes);
  return bytes;
}
