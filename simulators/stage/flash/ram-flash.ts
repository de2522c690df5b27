/**
 * NOR flash in memory with the faults of the real part: a power cut at any word write or erase, which leaves that word
 * or block half done; words that stick; bits that rot. Everything is decided by the seed that is handed in.
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

export class RamFlash implements Flash {
  readonly size: number;
  readonly blockSize: number;
  readonly wordSize: number;
  readonly rewritable: boolean;
  readonly content: Uint8Array;
  /** Word writes and block erases so far. */
  operations = 0;
  /** The operation that the power does not survive; undefined: it does. */
  cutAt: number | undefined;
  /** Erases of each block. */
  readonly erases: number[];
  /** Words that no longer take a write, by offset. */
  readonly stuck = new Set<number>();
  private readonly next: () => number;

  constructor(
    options: {
      readonly size?: number;
      readonly blockSize?: number;
      readonly wordSize?: number;
      readonly rewritable?: boolean;
      readonly seed?: number;
    } = {},
  ) {
    this.size = options.size ?? 64 * 1024;
    this.blockSize = options.blockSize ?? 4096;
    this.wordSize = options.wordSize ?? 4;
    this.rewritable = options.rewritable ?? true;
    this.content = new Uint8Array(this.size).fill(0xff);
    this.erases = new Array<number>(this.size / this.blockSize).fill(0);
    this.next = numbersFrom(options.seed ?? 1);
  }

  read(offset: number, length: number): Uint8Array {
    return this.content.slice(offset, offset + length);
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
    for (let i = 0; i < word.length; i++) {
      const old = this.content[offset + i]!;
      if ((old & word[i]!) !== word[i]) throw this.fault('a bit would have to go from 0 to 1', offset + i);
      // Where the power went, some of the bits had been cleared already.
      this.content[offset + i] = cut ? old & (word[i]! | (this.next() & 0xff)) : word[i]!;
    }
    if (!this.rewritable && !cut && word.every((byte) => byte === 0xff) === false) this.writtenOnce(offset);
    if (cut) throw new PowerCut(`word ${offset}`);
  }

  private readonly written = new Set<number>();

  /** Parts with ECC take each word once between erases. */
  private writtenOnce(offset: number): void {
    if (this.written.has(offset)) throw this.fault('a word written twice', offset);
    this.written.add(offset);
  }

  erase(offset: number): void {
    if (offset % this.blockSize !== 0) throw new Error('unaligned erase');
    const cut = this.isCut();
    this.erases[offset / this.blockSize]! += 1;
    for (let i = 0; i < this.blockSize; i++) {
      this.written.delete(offset + i);
      this.content[offset + i] = cut ? this.content[offset + i]! | (this.next() & 0xff) : 0xff;
    }
    if (cut) throw new PowerCut(`erase ${offset}`);
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
