/**
 * Flash in memory with the faults of the real part: a power cut at any word write or erase, which leaves that word or
 * block half done, with bits that read differently from read to read until they are erased or written again; words that
 * stick; bits that rot; reads that go wrong. In three kinds: plain NOR, parts with ECC and encrypted ones, which take a
 * word once. Everything is decided by the seed that is handed in.
 */
import type { Flash } from '../../../hardware/interfaces/index.ts';
import { SundialError } from '../../../protocol/errors.ts';

/** Thrown at the cut. Not a SundialError: nothing in the device may handle the loss of power. */
export class PowerCut extends Error {
  constructor(at: string) {
    super(`power cut at ${at}`);
    this.name = 'PowerCut';
  }
}

/** A small deterministic generator (mulberry32): numbers below 2^32. */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  };
}

/** nor: words are written as often as bits can be cleared. ecc and encrypted: once; what is erased reads as noise in the last. */
export const FLASH_KINDS = ['nor', 'ecc', 'encrypted'] as const;
export type FlashKind = (typeof FLASH_KINDS)[number];

const WORD_BYTES: Readonly<Record<FlashKind, number>> = { nor: 4, ecc: 16, encrypted: 16 };

function allOnes(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0xff) return false;
  return true;
}

export class RamFlash implements Flash {
  readonly size: number;
  readonly blockSize: number;
  readonly wordSize: number;
  readonly rewritable: boolean;
  readonly kind: FlashKind;
  /** What the cells hold; bits of `unstable` read as they please. */
  readonly content: Uint8Array;
  /** Bits that a cut left between the two values, set; undefined where no cut ever was. */
  private unstable: Uint8Array | undefined;
  /** Word writes and block erases so far. */
  operations = 0;
  /** The operation that the power does not survive; undefined: it does. */
  cutAt: number | undefined;
  /** Erases of each block. */
  readonly erases: number[];
  /** Words that no longer take a write, by offset. */
  readonly stuck = new Set<number>();
  /** Reads so far, and what the part makes of one: for reads that go wrong. */
  reads = 0;
  onRead: ((read: number, offset: number, bytes: Uint8Array) => void) | undefined;
  /** Words that were written since their block was erased. */
  private readonly written: Uint8Array;
  private readonly next: () => number;

  constructor(
    options: {
      readonly size?: number;
      readonly blockSize?: number;
      readonly wordSize?: number;
      readonly kind?: FlashKind;
      readonly seed?: number;
    } = {},
  ) {
    this.kind = options.kind ?? 'nor';
    this.size = options.size ?? 64 * 1024;
    this.blockSize = options.blockSize ?? 4096;
    this.wordSize = options.wordSize ?? WORD_BYTES[this.kind];
    this.rewritable = this.kind === 'nor';
    this.content = new Uint8Array(this.size).fill(0xff);
    this.erases = new Array<number>(this.size / this.blockSize).fill(0);
    this.written = new Uint8Array(this.size / this.wordSize);
    this.next = numbersFrom(options.seed ?? 1);
  }

  /** Another part with the same cells, unstable ones too. */
  copy(seed = 1): RamFlash {
    const { size, blockSize, wordSize, kind } = this;
    const other = new RamFlash({ size, blockSize, wordSize, kind, seed });
    other.content.set(this.content);
    other.written.set(this.written);
    other.unstable = this.unstable?.slice();
    return other;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = this.content.slice(offset, offset + length);
    const { unstable } = this;
    if (unstable !== undefined)
      for (let i = 0; i < length; i++) {
        const loose = unstable[offset + i]!;
        if (loose !== 0) bytes[i] = (bytes[i]! & ~loose) | (this.next() & loose);
      }
    if (this.kind === 'encrypted') this.decipherErased(offset, bytes);
    this.reads += 1;
    this.onRead?.(this.reads, offset, bytes);
    return bytes;
  }

  /** The key makes noise of what is erased, the same every time. */
  private decipherErased(offset: number, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++)
      if (this.written[Math.floor((offset + i) / this.wordSize)] === 0)
        bytes[i] = (Math.imul(offset + i + 1, 0x9e3779b1) >>> 13) & 0xff & bytes[i]!;
  }

  /** Bits that a cut left between the two values have settled: from now on they read as they did just now. */
  settle(): void {
    if (this.unstable === undefined) return;
    this.content.set(this.unstable.map((loose, at) => (this.content[at]! & ~loose) | (this.next() & loose)));
    this.unstable = undefined;
  }

  /** Every part can tell: most by their 0xff, an encrypted one by the cells behind its cipher. */
  isErased(offset: number, length: number): boolean {
    this.reads += 1;
    const { content, unstable, onRead } = this;
    if (unstable === undefined && onRead === undefined) return allOnes(content, offset, offset + length);
    const cells = content.slice(offset, offset + length);
    for (let i = 0; unstable !== undefined && i < length; i++) {
      const loose = unstable[offset + i]!;
      if (loose !== 0) cells[i] = (cells[i]! & ~loose) | (this.next() & loose);
    }
    onRead?.(this.reads, offset, cells);
    return allOnes(cells, 0, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    if (offset % this.wordSize !== 0 || bytes.length % this.wordSize !== 0)
      throw new Error('unaligned write');
    for (let at = 0; at < bytes.length; at += this.wordSize) {
      this.writeWord(offset + at, bytes.subarray(at, at + this.wordSize));
    }
  }

  private writeWord(offset: number, word: Uint8Array): void {
    const cut = this.isCut();
    if (this.stuck.has(offset)) throw this.fault('a worn word', offset);
    const index = offset / this.wordSize;
    if (!this.rewritable && this.written[index] === 1) throw this.fault('a word written twice', offset);
    for (let i = 0; i < word.length; i++) this.writeByte(offset + i, word[i]!, cut);
    this.written[index] = 1;
    if (cut) throw new PowerCut(`word ${offset}`);
  }

  private writeByte(at: number, wanted: number, cut: boolean): void {
    const loose = this.unstable?.[at] ?? 0;
    const old = this.content[at]! | loose;
    if ((old & wanted) !== wanted) throw this.fault('a bit would have to go from 0 to 1', at);
    if (!cut) {
      this.content[at] = old & wanted;
      if (loose !== 0) this.unstable![at] = loose & wanted;
      return;
    }
    // Where the power went, some of the bits had been cleared already, and some stay between the two values.
    const going = old & ~wanted;
    const [done, half] = [going & this.next(), going & this.next()];
    this.content[at] = old & ~done;
    this.loosen(at, (half & ~done) | (loose & wanted));
  }

  private loosen(at: number, bits: number): void {
    this.unstable ??= new Uint8Array(this.size);
    this.unstable[at] = bits;
  }

  erase(offset: number): void {
    if (offset % this.blockSize !== 0) throw new Error('unaligned erase');
    const cut = this.isCut();
    const end = offset + this.blockSize;
    this.erases[offset / this.blockSize]! += 1;
    if (!cut) {
      this.content.fill(0xff, offset, end);
      this.unstable?.fill(0, offset, end);
      this.written.fill(0, offset / this.wordSize, end / this.wordSize);
      return;
    }
    for (let at = offset; at < end; at++) {
      const coming = ~this.content[at]! & 0xff;
      const [done, half] = [coming & this.next(), coming & this.next()];
      this.content[at] = this.content[at]! | done;
      this.loosen(at, (half & ~done) | (this.unstable?.[at] ?? 0));
    }
    throw new PowerCut(`erase ${offset}`);
  }

  private isCut(): boolean {
    this.operations += 1;
    return this.operations === this.cutAt;
  }

  private fault(what: string, offset: number): SundialError {
    return new SundialError('flash_fault', `${what} at byte ${offset}`, {
      severity: 'device',
      remedy: 'Replace the part.',
      facts: { offset },
    });
  }
}
