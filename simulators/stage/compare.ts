/**
 * Compares two values field by field, with no help from the code that made them: books that a snapshot forgets a field
 * of, or that are kept another way than they are written, differ here all the same.
 */

/**
 * Where the two differ first, as a path such as `lanes[3].stream.k: 4 instead of 5`; undefined when they are equal.
 * A field that is absent is equal to one that is undefined, since nothing can read the difference; the order of fields
 * and of a Map's or Set's entries counts for nothing, that of a list does. Tries are lists of lists: their shape follows
 * from what they hold. Functions are equal only when they are the same one.
 */
export function sameBooks(a: unknown, b: unknown): string | undefined {
  const found = differs(a, b, '');
  return found === undefined ? undefined : found.replace(/^\./, '');
}

function differs(a: unknown, b: unknown, path: string): string | undefined {
  if (Object.is(a, b)) return undefined;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return said(path, a, b);
  if (kindOf(a) !== kindOf(b)) return said(path, a, b);
  if (ArrayBuffer.isView(a)) return differsInBytes(a, b as ArrayBufferView, path);
  if (a instanceof Map) return differsInMap(a, b as Map<unknown, unknown>, path);
  if (a instanceof Set) return differsInSet(a, b as Set<unknown>, path);
  if (Array.isArray(a)) return differsInList(a, b as unknown[], path);
  return differsInFields(a, b, path);
}

/** What decides how two values are walked. */
const kindOf = (value: object): unknown => {
  // A value from a JSON or CBOR reader has no prototype where one that was built has.
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null ? Object.prototype : prototype;
};

function differsInBytes(a: ArrayBufferView, b: ArrayBufferView, path: string): string | undefined {
  const [left, right] = [bytesOf(a), bytesOf(b)];
  if (left.length !== right.length) return said(`${path}.length`, left.length, right.length);
  for (let i = 0; i < left.length; i += 1)
    if (left[i] !== right[i]) return said(`${path}[${i}]`, left[i], right[i]);
  return undefined;
}

const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

function differsInList(a: readonly unknown[], b: readonly unknown[], path: string): string | undefined {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const found = differs(a[i], b[i], `${path}[${i}]`);
    if (found !== undefined) return found;
  }
  return a.length === b.length ? undefined : said(`${path}.length`, a.length, b.length);
}

function differsInMap(
  a: ReadonlyMap<unknown, unknown>,
  b: ReadonlyMap<unknown, unknown>,
  path: string,
): string | undefined {
  for (const [key, value] of a) {
    const at = `${path}{${String(key)}}`;
    if (!b.has(key)) return said(at, value, undefined);
    const found = differs(value, b.get(key), at);
    if (found !== undefined) return found;
  }
  for (const [key, value] of b) if (!a.has(key)) return said(`${path}{${String(key)}}`, undefined, value);
  return undefined;
}

function differsInSet(a: ReadonlySet<unknown>, b: ReadonlySet<unknown>, path: string): string | undefined {
  for (const value of a) if (!b.has(value)) return said(`${path}{${String(value)}}`, value, undefined);
  for (const value of b) if (!a.has(value)) return said(`${path}{${String(value)}}`, undefined, value);
  return undefined;
}

function differsInFields(a: object, b: object, path: string): string | undefined {
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const found = differs(left[name], right[name], `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function said(path: string, a: unknown, b: unknown): string {
  return `${path || 'the whole'}: ${text(a)} instead of ${text(b)}`;
}

/** A value in a few words: what is large is only named. */
function text(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return `{${Object.keys(value).join(', ')}}`;
  return typeof value === 'function' ? 'a function' : String(value);
}
