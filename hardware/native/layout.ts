/** device/journal/layout.ts with its loops in C. */
import { natives } from './natives.ts';

export * from '../../device/journal/layout.ts';

/** As there; nothing stands between the caller and C, as this runs before every answer. */
export const sealBody: (payload: Uint8Array, body: Uint8Array, before: number) => number = natives.recordSeal;
