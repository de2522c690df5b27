/**
 * A Merkle tree over the ledger's records, built as RFC 6962 section 2.1 says, with keccak256 instead of SHA-256 so
 * that a contract can check it: leaf = keccak256(0x00, record), node = keccak256(0x01, left, right). It lets anyone
 * who holds two checkpoints see that the hub only ever appended.
 */
import { SundialError } from '../../protocol/errors.ts';

export type Keccak256 = (bytes: Uint8Array) => Uint8Array;

const hashBytes = 32;
/** Hashes of one tile. */
const tileHashes = 256;

/** Hashes of one level, 256 side by side, the last tile of a level fewer: where they stand that memory need not hold. */
export interface Tiles {
  tile(level: number, index: number): Uint8Array | undefined;
}

/** A tile to be stored. */
export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/**
 * The append-only tree, with all hashes of complete subtrees, 64 bytes a record, for proofs of any size. What was stored
 * as tiles is read there.
 */
export class MerkleTree {
  private readonly keccak: Keccak256;
  private readonly tiles: Tiles | undefined;
  /** levels[h] holds the hashes of the complete subtrees of 2^h leaves, one after the other. */
  private readonly levels: HashList[] = [];

  /** `size`: leaves that `tiles` have. */
  constructor(keccak256: Keccak256, tiles?: Tiles, size = 0) {
    this.keccak = keccak256;
    this.tiles = tiles;
    for (let level = 0; size >= 2 ** level; level += 1) {
      const list = this.list(level);
      list.begin(Math.floor(size / 2 ** level));
    }
  }

  /** The tiles of the first `size` leaves that those of the first `from` don't have, or not whole. */
  *tilesOf(from: number, size: number): Generator<Tile> {
    for (let level = 0; size >= 2 ** level; level += 1) {
      const count = Math.floor(size / 2 ** level);
      const first = Math.floor(Math.floor(from / 2 ** level) / tileHashes);
      for (let index = first; index * tileHashes < count; index += 1) {
        const end = Math.min(count, (index + 1) * tileHashes);
        yield { level, index, bytes: this.levels[level]!.slice(index * tileHashes, end) };
      }
    }
  }

  /** The tiles of the first `size` leaves are stored: memory need not hold what is whole in them. */
  stored(size: number): void {
    for (const [level, list] of this.levels.entries()) list.drop(Math.floor(size / 2 ** level));
  }

  private list(level: number): HashList {
    const { tiles } = this;
    this.levels[level] ??= new HashList(tiles && ((index) => tiles.tile(level, index)));
    return this.levels[level];
  }

  /** The hash of one leaf, below `size`. */
  leaf(index: number): Uint8Array {
    return this.levels[0]!.at(index).slice();
  }

  /** Leaves so far. */
  get size(): number {
    return this.levels[0]?.length ?? 0;
  }

  /** Adds the next record. */
  append(record: Uint8Array): void {
    let hash = leafHash(this.keccak, record);
    for (let level = 0; ; level += 1) {
      const list = this.list(level);
      list.push(hash);
      if (list.length % 2 === 1) return;
      hash = this.node(list.at(list.length - 2), hash);
    }
  }

  /** 32 bytes: the root of the first `size` leaves (all by default); keccak256 of nothing for the empty tree. */
  root(size = this.size): Uint8Array {
    this.check(size);
    if (size === 0) return this.keccak(new Uint8Array(0));
    return this.subtree(0, size).slice();
  }

  /** The audit path of leaf `index` in the tree of the first `size` leaves, lowest first, 32 bytes each. */
  proof(index: number, size = this.size): Uint8Array[] {
    this.check(size);
    if (!Number.isInteger(index) || index < 0 || index >= size) {
      throw new SundialError('proof_range', `Position ${index} is not below ${size}.`, {
        severity: 'call',
        facts: { index, size },
        remedy: 'Ask for a position below the size of the checkpoint.',
      });
    }
    const path: Uint8Array[] = [];
    let start = 0;
    let count = size;
    while (count > 1) {
      const left = splitPoint(count);
      if (index - start < left) {
        path.unshift(this.subtree(start + left, count - left));
        count = left;
      } else {
        path.unshift(this.subtree(start, left));
        start += left;
        count -= left;
      }
    }
    return path;
  }

  /** The hash over leaves start to start + count - 1; `start` is a multiple of the power of two that covers count. */
  private subtree(start: number, count: number): Uint8Array {
    const level = Math.log2(count);
    if (Number.isInteger(level)) return this.levels[level]!.at(start / count);
    const left = splitPoint(count);
    return this.node(this.subtree(start, left), this.subtree(start + left, count - left));
  }

  private node(left: Uint8Array, right: Uint8Array): Uint8Array {
    return nodeHash(this.keccak, left, right);
  }

  private check(size: number): void {
    if (Number.isInteger(size) && size >= 0 && size <= this.size) return;
    throw new SundialError('proof_range', `The tree has ${this.size} leaves, not ${size}.`, {
      severity: 'call',
      facts: { size, leaves: this.size },
      remedy: 'Ask for a size that the ledger has reached.',
    });
  }
}

/** The root that a record, its position and its audit path lead to, or undefined when the path has another length. */
export function rootFromProof(
  keccak256: Keccak256,
  record: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array | undefined {
  if (index >= size) return undefined;
  let hash = leafHash(keccak256, record);
  let node = index;
  let last = size - 1;
  let used = 0;
  while (last > 0) {
    const alone = node === last && node % 2 === 0;
    if (!alone) {
      const sibling = path[used];
      if (sibling === undefined) return undefined;
      used += 1;
      hash = node % 2 === 1 ? nodeHash(keccak256, sibling, hash) : nodeHash(keccak256, hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return used === path.length ? hash : undefined;
}

/** The value that beacons carry: keccak256 over the size as uint48 (6 bytes, big-endian) and the root. */
export function checkpoint(keccak256: Keccak256, size: number, root: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(6 + hashBytes);
  Buffer.from(bytes.buffer).writeUIntBE(size, 0, 6);
  bytes.set(root, 6);
  return keccak256(bytes);
}

/** The hash of a record as a leaf. */
export function leafHash(keccak256: Keccak256, record: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + record.length);
  bytes.set(record, 1);
  return keccak256(bytes);
}

function nodeHash(keccak256: Keccak256, left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * hashBytes);
  bytes[0] = 1;
  bytes.set(left, 1);
  bytes.set(right, 1 + hashBytes);
  return keccak256(bytes);
}

/** The largest power of two below `count` (RFC 6962's k). */
function splitPoint(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

/**
 * A growing list of hashes in one piece of memory: a million separate arrays would cost several times as much. Those below
 * `first`, a whole number of tiles, stand elsewhere.
 */
class HashList {
  private readonly tile: ((index: number) => Uint8Array | undefined) | undefined;
  private bytes = new Uint8Array(hashBytes * 16);
  private first = 0;
  /** The tile that was read last: neighbours are asked for together. */
  private last: { readonly index: number; readonly bytes: Uint8Array } | undefined;
  length = 0;

  constructor(tile?: (index: number) => Uint8Array | undefined) {
    this.tile = tile;
  }

  /** A list of so many, which stand in tiles. */
  begin(length: number): void {
    this.first = length - (length % tileHashes);
    this.length = this.first;
    if (length === this.first) return;
    // Not remembered: it grows.
    const bytes = this.tile?.(this.first / tileHashes);
    if (bytes === undefined) throw new Error('the tree lost its last tile');
    for (let at = 0; this.length < length; at += 1)
      this.push(bytes.subarray(at * hashBytes, (at + 1) * hashBytes));
  }

  push(hash: Uint8Array): void {
    const at = (this.length - this.first) * hashBytes;
    if (at + hashBytes > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(hash, at);
    this.length += 1;
  }

  at(index: number): Uint8Array {
    if (index >= this.first) {
      const at = (index - this.first) * hashBytes;
      return this.bytes.subarray(at, at + hashBytes);
    }
    const at = (index % tileHashes) * hashBytes;
    return this.read(Math.floor(index / tileHashes)).subarray(at, at + hashBytes);
  }

  slice(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array((to - from) * hashBytes);
    for (let index = from; index < to; index += 1) bytes.set(this.at(index), (index - from) * hashBytes);
    return bytes;
  }

  /** The first `count` stand in tiles by now. */
  drop(count: number): void {
    const first = count - (count % tileHashes);
    if (first <= this.first) return;
    this.bytes = this.bytes.slice((first - this.first) * hashBytes);
    this.first = first;
    if (this.bytes.length === 0) this.bytes = new Uint8Array(hashBytes * 16);
  }

  private read(index: number): Uint8Array {
    if (this.last?.index === index) return this.last.bytes;
    const bytes = this.tile?.(index);
    if (bytes === undefined) throw new Error(`the tree lost tile ${index}`);
    this.last = { index, bytes };
    return bytes;
  }
}
