/** device/crc32.ts in C. */
import { natives } from './natives.ts';

export const crc32 = natives.crc32;
