/** protocol/bytes.ts with its loops in C. */
import { natives } from './natives.ts';

export * from '../../protocol/bytes.ts';

export const equalBytes = natives.equal;
export const writeUint = (target: Uint8Array, end: number, value: number): void => {
  natives.writeUint(target, end, value);
};
export function uintBytes(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  natives.writeUint(bytes, length, value);
  return bytes;
}
