/** Values with byte arrays as JSON and back: bytes are 0x and lower-case hex. */
import { fromHex, toHex } from '../../protocol/bytes.ts';

/** For JSON: bytes become hex; absent fields stay absent. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [name, plain(item)]),
  );
}

/** From JSON: every text that begins with 0x becomes bytes. */
export function revived(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith('0x') ? fromHex(value) : value;
  if (Array.isArray(value)) return value.map(revived);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, revived(item)]));
}
