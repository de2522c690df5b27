// An immutable map from hex text to values. `set` shares everything that did not change, so that the intake's state
// can be a value (kept, compared, gone back to) and still take tens of thousands of vouchers a second. The shape
// follows from the content alone, whatever the order of insertion.

interface Leaf<V> {
  readonly key: string;
  readonly value: V;
}
/** Sixteen children, by the next digit of the key; missing ones are undefined. */
type Branch<V> = readonly (Node<V> | undefined)[];
type Node<V> = Leaf<V> | Branch<V>;

/** Empty is undefined. */
export type Trie<V> = Node<V> | undefined;

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

  readonly #shared = new Map<string, Uint8Array>();

  /** The same bytes, kept once: a small array costs ten times what is in it. For what many entries name. */
  share(bytes: Uint8Array): Uint8Array {
    const key = bytesKey(bytes);
    const found = this.#shared.get(key);
    if (found !== undefined) return found;
    this.#shared.set(key, bytes);
    return bytes;
  }
}

const isBranch = <V>(node: Node<V>): node is Branch<V> => Array.isArray(node);

/** Code of '0' to '9' and 'a' to 'f' as 0 to 15. */
function digit(key: string, depth: number): number {
  const code = key.charCodeAt(depth);
  return code < 58 ? code - 48 : code - 87;
}

/** Value of `key` (lower-case hex digits, all keys of one map of the same length). */
export function trieGet<V>(trie: Trie<V>, key: string): V | undefined {
  let node: Node<V> | undefined = trie;
  for (let depth = 0; node !== undefined; depth += 1) {
    if (!isBranch(node)) return node.key === key ? node.value : undefined;
    node = node[digit(key, depth)];
  }
  return undefined;
}

/** The map with `key` set to `value`; the old map stays as it was, apart from what was made with `edit`. */
export function trieSet<V>(trie: Trie<V>, key: string, value: V, edit?: Edit): Trie<V> {
  return insert(trie, { key, value }, 0, edit);
}

function insert<V>(node: Node<V> | undefined, leaf: Leaf<V>, depth: number, edit: Edit | undefined): Node<V> {
  if (node === undefined) return leaf;
  if (isBranch(node)) {
    const own = edit === undefined ? node.slice() : edit.own(node);
    const index = digit(leaf.key, depth);
    own[index] = insert(node[index], leaf, depth + 1, edit);
    return own;
  }
  if (node.key === leaf.key) return leaf;
  const branch: (Node<V> | undefined)[] = new Array(16).fill(undefined);
  branch[digit(node.key, depth)] = node;
  return insert(edit === undefined ? branch : edit.made(branch), leaf, depth, edit);
}

/** The map's own text of a key, so that another map can share it; undefined when the map has no such key. */
export function trieKey(trie: Trie<unknown>, key: string): string | undefined {
  let node: Node<unknown> | undefined = trie;
  for (let depth = 0; node !== undefined && isBranch(node); depth += 1) node = node[digit(key, depth)];
  return node?.key === key ? node.key : undefined;
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
  if (!isBranch(trie)) return visit(trie.value, trie.key);
  for (const child of trie) if (child !== undefined) trieForEach(child, visit);
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
