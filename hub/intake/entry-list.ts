/**
 * The entries of one channel by seq, then by arrival: an immutable list in chunks, so that one more entry copies a chunk
 * and the list of chunks and not a channel's whole history, however long that is. Where the books stand over an index,
 * the list holds what changed since the index was written; the rest is read there when it is asked for.
 */
import type { Edit } from './trie.ts';

/** What is put in order. `token` rises with arrival. */
interface HasPlace {
  readonly seq: number;
  readonly token: number;
}

/** The part of a list that stands elsewhere. What has the same place here is newer. */
export interface EntrySource<E> {
  readonly length: number;
  /** Seq of its last one. */
  readonly lastSeq: number;
  /** Those whose seq is not below `seq`, in order. */
  from(seq: number): Iterable<E>;
  /** Those whose seq is below `seq`, the last one first. */
  before(seq: number): Iterable<E>;
}

type Chunk<E> = readonly E[];

/** Entries of a chunk at most: what one more entry copies is about this and a hundredth of the history. */
const CHUNK_MAX = 128;

/** A list that is never changed; what changes it gives another one. */
export class EntryList<E extends HasPlace> implements Iterable<E> {
  /** No chunk is empty. */
  private readonly chunks: readonly Chunk<E>[];
  readonly length: number;
  /** The part that stands elsewhere; undefined: there is none. */
  readonly under: EntrySource<E> | undefined;

  private constructor(chunks: readonly Chunk<E>[], length: number, under?: EntrySource<E>) {
    this.chunks = chunks;
    this.length = length;
    this.under = under;
  }

  /** A list without entries. */
  static empty<E extends HasPlace>(): EntryList<E> {
    return new EntryList<E>([], 0);
  }

  /** The list that stands in `under`. */
  static over<E extends HasPlace>(under: EntrySource<E>): EntryList<E> {
    return new EntryList<E>([], under.length, under);
  }

  /** The last one, undefined when there is none. */
  get last(): E | undefined {
    if (this.under === undefined) return this.chunks.at(-1)?.at(-1);
    for (const entry of this.before(Number.POSITIVE_INFINITY)) return entry;
    return undefined;
  }

  /** In order. */
  *[Symbol.iterator](): Generator<E> {
    if (this.under === undefined) yield* this.held();
    else yield* this.from(0);
  }

  /** Those that the list holds itself, in order: all, or what changed since the index was written. */
  *held(): Generator<E> {
    for (const chunk of this.chunks) yield* chunk;
  }

  /** Those whose seq is not below `seq`, in order. */
  from(seq: number): Generator<E> {
    const own = this.heldFrom(seq);
    // What is newer than all of it needs no look there.
    if (this.under === undefined || seq > this.under.lastSeq) return own;
    return merged(own, this.under.from(seq), isBehind);
  }

  /** Those whose seq is below `seq`, the last one first. */
  before(seq: number): Generator<E> {
    const own = this.heldBefore(seq);
    return this.under === undefined
      ? own
      : merged(own, this.under.before(seq), (one, other) => isBehind(other, one));
  }

  private *heldFrom(seq: number): Generator<E> {
    const [at, within] = this.placeOf(seq);
    for (let i = at; i < this.chunks.length; i += 1) {
      const chunk = this.chunks[i]!;
      for (let j = i === at ? within : 0; j < chunk.length; j += 1) yield chunk[j]!;
    }
  }

  private *heldBefore(seq: number): Generator<E> {
    const [at, within] = this.placeOf(seq);
    for (let i = at; i >= 0; i -= 1) {
      const chunk = this.chunks[i];
      if (chunk === undefined) continue;
      for (let j = (i === at ? within : chunk.length) - 1; j >= 0; j -= 1) yield chunk[j]!;
    }
  }

  /** The one at an index, counted from 0, or from the end when it is negative. */
  at(index: number): E | undefined {
    const place = index < 0 ? this.length + index : index;
    let left = place;
    if (left >= 0) for (const entry of this) if (left-- === 0) return entry;
    return undefined;
  }

  /** With one more, behind those of the same seq. */
  with(entry: E, edit: Edit | undefined): EntryList<E> {
    return new EntryList(this.placed(entry, this.placeOf(entry.seq + 1), edit), this.length + 1, this.under);
  }

  /** With `changed` in the place of `old`, which is in the list and has the same place. */
  replacing(old: E, changed: E, edit: Edit | undefined): EntryList<E> {
    const [first] = this.placeOf(old.seq);
    for (let index = first; index < this.chunks.length; index += 1) {
      const within = this.chunks[index]!.indexOf(old);
      if (within < 0) continue;
      const chunks = own(this.chunks, edit);
      const chunk = own(this.chunks[index]!, edit);
      chunk[within] = changed;
      chunks[index] = chunk;
      return new EntryList(chunks, this.length, this.under);
    }
    if (this.under === undefined) throw new RangeError('the entry is not in the list');
    const place = this.placeOf(changed.seq, changed.token);
    return new EntryList(this.placed(changed, place, edit), this.length, this.under);
  }

  /** The same list when what `written` holds itself stands in `under` by now. */
  without(written: EntryList<E>, under: EntrySource<E> | undefined): EntryList<E> {
    const gone = new Set(written.held());
    const left = [...this.held()].filter((entry) => !gone.has(entry));
    const chunks: Chunk<E>[] = [];
    for (let at = 0; at < left.length; at += CHUNK_MAX) chunks.push(left.slice(at, at + CHUNK_MAX));
    return new EntryList(chunks, this.length, under);
  }

  /** The chunks with one more entry at a place. */
  private placed(
    entry: E,
    [at, within]: readonly [chunk: number, within: number],
    edit: Edit | undefined,
  ): readonly Chunk<E>[] {
    const chunks = own(this.chunks, edit);
    // Between two chunks it goes to the end of the first: usually the last one of all.
    const isBetween = within === 0 && at > 0;
    const index = isBetween ? at - 1 : at;
    const chunk = own(this.chunks[index] ?? [], edit);
    chunk.splice(isBetween ? chunk.length : within, 0, entry);
    chunks[index] = chunk;
    if (chunk.length > CHUNK_MAX) {
      // A chunk that grew at its end stays full: a history that comes in order fills all of them.
      const cut = chunk.at(-1) === entry ? CHUNK_MAX : CHUNK_MAX / 2;
      chunks.splice(index, 1, own(chunk.slice(0, cut), edit), own(chunk.slice(cut), edit));
    }
    return chunks;
  }

  /** Chunk and index within it of the first entry whose place is not below; absent, `token` is that of any entry. */
  private placeOf(seq: number, token = -1): [chunk: number, within: number] {
    const reaches = (entry: E): boolean => entry.seq > seq || (entry.seq === seq && entry.token >= token);
    const at = firstIndex(this.chunks, (chunk) => reaches(chunk.at(-1)!));
    const chunk = this.chunks[at];
    return [at, chunk === undefined ? 0 : firstIndex(chunk, reaches)];
  }
}

const isSamePlace = (one: HasPlace, other: HasPlace): boolean =>
  one.seq === other.seq && one.token === other.token;
const isBehind = (one: HasPlace, other: HasPlace): boolean =>
  one.seq > other.seq || (one.seq === other.seq && one.token > other.token);

/** Both in their common order; of two with the same place the first list's. */
function* merged<E extends HasPlace>(
  first: Iterator<E>,
  second: Iterable<E>,
  isLater: (one: E, other: E) => boolean,
): Generator<E> {
  let next = first.next();
  for (const entry of second) {
    for (; !next.done && isLater(entry, next.value); next = first.next()) yield next.value;
    if (!next.done && isSamePlace(entry, next.value)) continue;
    yield entry;
  }
  for (; !next.done; next = first.next()) yield next.value;
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
