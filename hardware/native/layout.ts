/** device/journal/layout.ts with its loops in C. */
import { padded, RECORD_HEAD_BYTES } from '../../device/journal/layout.ts';
import { natives } from './natives.ts';

export * from '../../device/journal/layout.ts';

export function encodeBody(payload: Uint8Array, unit: number): Uint8Array {
  const bytes = new Uint8Array(padded(RECORD_HEAD_BYTES + payload.length, unit));
  natives.recordEncode(payload, bytes);
  return bytes;
}
