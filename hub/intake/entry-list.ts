/**
 * The entries of one channel by seq, then by arrival: an immutable list in chunks, so that one more entry copies a chunk
 * and the list of chunks and not a channel's whole history, however long that is.
 */
import type { Edit } from './trie.ts';

/** What is put in order. */
interface HasSeq {
  readonly seq: number;
}

type Chunk<E> = readonly E[];

/** Entries of a chunk at most: what one more entry copies is about this and a hundredth of the history. */
const CHUNK_MAX = 128;

/** A list that is never changed; what changes it gives another one. */
export class EntryList<E extends HasSeq> implements Iterable<E> {
  /** No chunk is empty. */
  private readonly chunks: readonly Chunk<E>[];
  readonly length: number;

  private constructor(chunks: readonly Chunk<E>[], length: number) {
    this.chunks = chunks;
    this.length = length;
  }

  /** A list without entries. */
  static empty<E extends HasSeq>(): EntryList<E> {
    return new EntryList<E>([], 0);
  }

  /** The last one, undefined when there is none. */
  get last(): E | undefined {
    return this.chunks.at(-1)?.at(-1);
  }

  /** In order. */
  *[Symbol.iterator](): Generator<E> {
    for (const chunk of this.chunks) yield* chunk;
  }

  /** Those whose seq is not below `seq`, in order. */
  *from(seq: number): Generator<E> {
    const [at, within] = this.placeOf(seq);
    for (let i = at; i < this.chunks.length; i += 1) {
      const chunk = this.chunks[i]!;
      for (let j = i === at ? within : 0; j < chunk.length; j += 1) yield chunk[j]!;
    }
  }

  /** Those whose seq is below `seq`, the last one first. */
  *before(seq: number): Generator<E> {
    const [at, within] = this.placeOf(seq);
    for (let i = at; i >= 0; i -= 1) {
      const chunk = this.chunks[i];
      if (chunk === undefined) continue;
      for (let j = (i === at ? within : chunk.length) - 1; j >= 0; j -= 1) yield chunk[j]!;
    }
  }

  /** The one at an index, counted from 0, or from the end when it is negative. */
  at(index: number): E | undefined {
    let left = index < 0 ? this.length + index : index;
    if (left < 0) return undefined;
    for (const chunk of this.chunks) {
      if (left < chunk.length) return chunk[left];
      left -= chunk.length;
    }
    return undefined;
  }

  /** With one more, behind those of the same seq. */
  with(entry: E, edit: Edit | undefined): EntryList<E> {
    const [at, within] = this.placeOf(entry.seq + 1);
    const chunks = own(this.chunks, edit);
    // Between two chunks it goes to the end of the first: usually the last one of all.
    const isBehind = within === 0 && at > 0;
    const index = isBehind ? at - 1 : at;
    const chunk = own(this.chunks[index] ?? [], edit);
    chunk.splice(isBehind ? chunk.length : within, 0, entry);
    chunks[index] = chunk;
    if (chunk.length > CHUNK_MAX) {
      // A chunk that grew at its end stays full: a history that comes in order fills all of them.
      const cut = chunk.at(-1) === entry ? CHUNK_MAX : CHUNK_MAX / 2;
      chunks.splice(index, 1, own(chunk.slice(0, cut), edit), own(chunk.slice(cut), edit));
    }
    return new EntryList(chunks, this.length + 1);
  }

  /** With `changed` in the place of `old`, which is in the list and has the same seq. */
  replacing(old: E, changed: E, edit: Edit | undefined): EntryList<E> {
    const [first] = this.placeOf(old.seq);
    for (let index = first; index < this.chunks.length; index += 1) {
      const within = this.chunks[index]!.indexOf(old);
      if (within < 0) continue;
      const chunks = own(this.chunks, edit);
      const chunk = own(this.chunks[index]!, edit);
      chunk[within] = changed;
      chunks[index] = chunk;
      return new EntryList(chunks, this.length);
    }
    throw new RangeError('the entry is not in the list');
  }

  /** Chunk and index within it of the first entry whose seq is not below `seq`. */
  private placeOf(seq: number): [chunk: number, within: number] {
    const at = firstIndex(this.chunks, (chunk) => chunk.at(-1)!.seq >= seq);
    const chunk = this.chunks[at];
    return [at, chunk === undefined ? 0 : firstIndex(chunk, (entry) => entry.seq >= seq)];
  }
}

/** A list that may be changed: itself where `edit` made it, else a copy. */
const own = <T>(list: readonly T[], edit: Edit | undefined): T[] =>
  edit === undefined ? list.slice() : edit.own(list);

/** Index of the first one for which it holds; it holds for all behind it. */
function firstIndex<T>(list: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(list[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
