/**
 * An immutable map from hex text to values. `set` shares everything that did not change, so that the intake's state
 * can be a value (kept, compared, gone back to) and still take tens of thousands of vouchers a second. The shape
 * follows from the content alone, whatever the order of insertion.
 */

/**
 * A few entries side by side: their tags, then their keys, then their values, in the order of the keys. A tag is what
 * comes next of the key, as a number: with millions of entries every line of memory that is looked at counts, and so
 * a search reads one list of numbers and a single key.
 */
type Bucket = readonly unknown[];
/** Sixteen children, by the next digit of the key; missing ones are undefined. */
type Branch<V> = readonly (Node<V> | undefined)[];
type Node<V> = Bucket | Branch<V>;

/** Empty is undefined. */
export type Trie<V> = Node<V> | undefined;

const CHILDREN = 16;
/** Most entries of a bucket: one more, and it becomes a branch. */
const BUCKET_MAX = 32;
/** Digits of a tag: as many as a small integer holds. */
const TAG_DIGITS = 7;

interface Marked {
  madeWith?: Edit;
}

/**
 * Lists that were made with it and that nobody else holds: these are changed where they stand instead of copied. For
 * building something large in one go, such as the books at a start; whoever drops it has made everything immutable.
 */
export class Edit {
  /** `list` itself when it was made with this, else a copy that is from now on. */
  own<T>(list: readonly T[]): T[] {
    // The mark is a property beside the items: whoever walks or copies the list doesn't meet it.
    if ((list as Marked).madeWith === this) return list as T[];
    return this.made(list.slice());
  }

  /** `list`, which is nobody else's yet. */
  made<T>(list: T[]): T[] {
    (list as Marked).madeWith = this;
    return list;
  }

  private readonly shared = new Map<string, Uint8Array>();

  /** The same bytes, kept once: a small array costs ten times what is in it. For what many entries name. */
  share(bytes: Uint8Array): Uint8Array {
    const key = bytesKey(bytes);
    const found = this.shared.get(key);
    if (found !== undefined) return found;
    this.shared.set(key, bytes);
    return bytes;
  }
}

/** A bucket's length is three times its entries, so never that of a branch. */
const isBranch = <V>(node: Node<V>): node is Branch<V> => node.length === CHILDREN;

/** Code of '0' to '9' and 'a' to 'f' as 0 to 15. */
function digit(key: string, depth: number): number {
  const code = key.charCodeAt(depth);
  return code < 58 ? code - 48 : code - 87;
}

/** The digits from `depth` on, as far as the key goes. */
function tagOf(key: string, depth: number): number {
  const end = Math.min(depth + TAG_DIGITS, key.length);
  let tag = 0;
  for (let i = depth; i < end; i += 1) tag = (tag << 4) | digit(key, i);
  return tag;
}

/** Index of the first entry of a bucket whose key is not below `key`. */
function placeOf(bucket: Bucket, key: string, tag: number): number {
  const count = bucket.length / 3;
  let index = 0;
  while (index < count && (bucket[index] as number) < tag) index += 1;
  while (index < count && bucket[index] === tag && (bucket[count + index] as string) < key) index += 1;
  return index;
}

/** Value of `key` (lower-case hex digits, all keys of one map of the same length). */
export function trieGet<V>(trie: Trie<V>, key: string): V | undefined {
  return found(trie, key, 2) as V | undefined;
}

/** The map's own text of a key, so that another map can share it; undefined when the map has no such key. */
export function trieKey(trie: Trie<unknown>, key: string): string | undefined {
  return found(trie, key, 1) as string | undefined;
}

/** `part` of the entry: 1 is its key, 2 its value. */
function found<V>(trie: Trie<V>, key: string, part: 1 | 2): unknown {
  let node = trie;
  let depth = 0;
  for (; node !== undefined && isBranch(node); depth += 1) node = node[digit(key, depth)];
  if (node === undefined) return undefined;
  const count = node.length / 3;
  const index = placeOf(node, key, tagOf(key, depth));
  return index < count && node[count + index] === key ? node[part * count + index] : undefined;
}

/** The map with `key` set to `value`; the old map stays as it was, apart from what was made with `edit`. */
export function trieSet<V>(trie: Trie<V>, key: string, value: V, edit?: Edit): Trie<V> {
  return insert(trie, key, value, 0, edit);
}

function insert<V>(
  node: Node<V> | undefined,
  key: string,
  value: V,
  depth: number,
  edit: Edit | undefined,
): Node<V> {
  if (node === undefined) return [tagOf(key, depth), key, value];
  if (isBranch(node)) {
    const own = edit === undefined ? node.slice() : edit.own(node);
    const index = digit(key, depth);
    own[index] = insert(node[index], key, value, depth + 1, edit);
    return own;
  }
  const count = node.length / 3;
  const tag = tagOf(key, depth);
  const index = placeOf(node, key, tag);
  if (index < count && node[count + index] === key) {
    const changed = node.slice();
    changed[2 * count + index] = value;
    return changed;
  }
  const next = inserted(node, index, tag, key, value);
  return count < BUCKET_MAX ? next : burst(next, depth, edit);
}

/** The bucket with one more entry at `index`. */
function inserted(bucket: Bucket, index: number, tag: number, key: string, value: unknown): Bucket {
  const count = bucket.length / 3;
  const next: unknown[] = new Array(bucket.length + 3);
  const entry = [tag, key, value];
  for (let part = 0; part < 3; part += 1) {
    const from = part * count;
    const to = from + part;
    for (let i = 0; i < index; i += 1) next[to + i] = bucket[from + i];
    next[to + index] = entry[part];
    for (let i = index; i < count; i += 1) next[to + i + 1] = bucket[from + i];
  }
  return next;
}

/** A branch with the entries of a bucket that grew too large. */
function burst<V>(bucket: Bucket, depth: number, edit: Edit | undefined): Branch<V> {
  const count = bucket.length / 3;
  const branch: (Node<V> | undefined)[] = new Array(CHILDREN).fill(undefined);
  const own = edit === undefined ? branch : edit.made(branch);
  for (let i = 0; i < count; i += 1) {
    const key = bucket[count + i] as string;
    const index = digit(key, depth);
    own[index] = insert(own[index], key, bucket[2 * count + i] as V, depth + 1, edit);
  }
  return own;
}

/** The map without a key. Branches stay: what comes again finds its place. */
export function trieWithout<V>(trie: Trie<V>, key: string): Trie<V> {
  return removed(trie, key, 0);
}

function removed<V>(node: Trie<V>, key: string, depth: number): Trie<V> {
  if (node === undefined) return node;
  if (isBranch(node)) {
    const index = digit(key, depth);
    const child = removed(node[index], key, depth + 1);
    if (child === node[index]) return node;
    const own = node.slice() as (Node<V> | undefined)[];
    own[index] = child;
    return own.some((one) => one !== undefined) ? own : undefined;
  }
  const count = node.length / 3;
  const index = placeOf(node, key, tagOf(key, depth));
  if (index >= count || node[count + index] !== key) return node;
  if (count === 1) return undefined;
  return node.filter((_, at) => at % count !== index);
}

/** What `trie` has and `other` has not, or with another value. What the two share is not looked at. */
export function trieMinus<V>(trie: Trie<V>, other: Trie<V>): Trie<V> {
  let rest: Trie<V>;
  forEachBeside(trie, other, 0, (key, value) => {
    rest = trieSet(rest, key, value);
  });
  return rest;
}

function forEachBeside<V>(
  node: Trie<V>,
  other: Trie<V>,
  depth: number,
  visit: (key: string, value: V) => void,
): void {
  if (node === undefined || node === other) return;
  if (isBranch(node)) {
    // Of a bucket, each child is compared with all of it.
    for (let index = 0; index < CHILDREN; index += 1)
      forEachBeside(
        node[index],
        other !== undefined && isBranch(other) ? other[index] : other,
        depth + 1,
        visit,
      );
    return;
  }
  trieForEach<V>(node, (value, key) => {
    if (other === undefined || !hasAt(other, key, depth, value)) visit(key, value);
  });
}

/** Has the part of a map that lies at `depth` this value for the key? */
function hasAt<V>(part: Node<V>, key: string, depth: number, value: V): boolean {
  let node: Node<V> | undefined = part;
  let at = depth;
  for (; node !== undefined && isBranch(node); at += 1) node = node[digit(key, at)];
  if (node === undefined) return false;
  const count = node.length / 3;
  for (let index = 0; index < count; index += 1)
    if (node[count + index] === key) return node[2 * count + index] === value;
  return false;
}

/** All entries, in the order of their keys' digits. */
export function trieEntries<V>(trie: Trie<V>): [string, V][] {
  const found: [string, V][] = [];
  trieForEach(trie, (value, key) => found.push([key, value]));
  return found;
}

/** Calls `visit` with every value and its key, in the order of trieEntries. */
export function trieForEach<V>(trie: Trie<V>, visit: (value: V, key: string) => void): void {
  if (trie === undefined) return;
  if (isBranch(trie)) {
    for (const child of trie) trieForEach(child, visit);
    return;
  }
  const count = trie.length / 3;
  for (let i = 0; i < count; i += 1) visit(trie[2 * count + i] as V, trie[count + i] as string);
}

/** Key of a small number: eight hex digits, lowest first, so that neighbours spread at the root. */
export function numberKey(value: number): string {
  let key = '';
  let rest = value;
  for (let i = 0; i < 8; i += 1) {
    key += '0123456789abcdef'[rest % 16];
    rest = Math.floor(rest / 16);
  }
  return key;
}

/** The number behind numberKey. */
export function keyNumber(key: string): number {
  let value = 0;
  for (let i = 7; i >= 0; i -= 1) value = value * 16 + Number.parseInt(key[i]!, 16);
  return value;
}

/** The bytes behind a key. */
export function keyBytes(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length / 2);
  Buffer.from(bytes.buffer).write(key, 'hex');
  return bytes;
}

/** Longer than anything that is a key here. */
const KEY_BYTES_MAX = 64;
const scratch = Buffer.alloc(KEY_BYTES_MAX);

/** Key of at most KEY_BYTES_MAX bytes: lower-case hex without 0x. */
export function bytesKey(bytes: Uint8Array): string {
  // In one piece: a text that was put together digit by digit takes ten times the memory while it is kept.
  scratch.set(bytes);
  return scratch.toString('hex', 0, bytes.length);
}
