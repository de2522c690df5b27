/** protocol/bytes.ts with its loop in C. */
import { natives } from './natives.ts';

export * from '../../protocol/bytes.ts';

export const equalBytes = natives.equal;
