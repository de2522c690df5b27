/** device/crc32.ts in C. */
import { natives } from './natives.ts';

export const crc32 = (bytes: Uint8Array, before = 0): number => natives.crc32(bytes, before);
