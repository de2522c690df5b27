/**
 * A map of which the newer part is in memory and the rest in an index: what is set lies above, and is found first.
 * Without an index it is a map like any other.
 */
import { type Edit, type Trie, trieEntries, trieGet, trieMinus, trieSet } from './trie.ts';

/** The part that an index has. */
export interface Under<V> {
  get(key: string): V | undefined;
  /** In the order of the keys' digits. */
  entries(): Iterable<[string, V]>;
}

/** Immutable; undefined: an empty map in memory. */
export type Layers<V> = { readonly over: Trie<V>; readonly under: Under<V> | undefined } | undefined;

/** Value of a key, lower-case hex as a trie has it. */
export function layersGet<V>(layers: Layers<V>, key: string): V | undefined {
  return trieGet(layers?.over, key) ?? layers?.under?.get(key);
}

/** The map with `key` set to `value`. */
export function layersSet<V>(layers: Layers<V>, key: string, value: V, edit?: Edit): Layers<V> {
  return { over: trieSet(layers?.over, key, value, edit), under: layers?.under };
}

/** The same map when what `written` holds in memory stands in `under` by now. */
export function layersWithout<V>(
  layers: Layers<V>,
  written: Layers<V>,
  under: Under<V> | undefined,
): Layers<V> {
  return { over: trieMinus(layers?.over, written?.over), under };
}

/** All entries, in the order of their keys' digits. */
export function* layersEntries<V>(layers: Layers<V>): Generator<[string, V]> {
  const over = trieEntries(layers?.over);
  let next = 0;
  for (const entry of layers?.under?.entries() ?? []) {
    for (; next < over.length && over[next]![0] < entry[0]; next += 1) yield over[next]!;
    if (over[next]?.[0] !== entry[0]) yield entry;
  }
  for (; next < over.length; next += 1) yield over[next]!;
}
