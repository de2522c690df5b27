/**
 * NOR flash that never fails: for the journals of devices whose flash a scenario leaves alone. It keeps only the blocks
 * that hold something, so that a large fleet costs no more memory than what it wrote.
 */
import type { Flash } from '../../../hardware/interfaces/index.ts';

const BLOCK_BYTES = 4096;

export class SoundFlash implements Flash {
  readonly size: number;
  readonly blockSize = BLOCK_BYTES;
  readonly wordSize = 4;
  readonly rewritable = true;
  /** Erased blocks are absent. */
  private blocks: (Uint8Array | undefined)[] = [];

  /** `size`: a multiple of 4096. */
  constructor(size: number) {
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    const at = offset % BLOCK_BYTES;
    const block = this.blocks[(offset - at) / BLOCK_BYTES];
    if (at + length <= BLOCK_BYTES)
      return block === undefined ? new Uint8Array(length).fill(0xff) : block.slice(at, at + length);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const part = this.read(offset + done, Math.min(length - done, this.leftOfBlock(offset + done)));
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  private leftOfBlock(offset: number): number {
    return BLOCK_BYTES - (offset % BLOCK_BYTES);
  }

  write(offset: number, bytes: Uint8Array): void {
    let at = offset % BLOCK_BYTES;
    let block = this.block(offset);
    for (let i = 0; i < bytes.length; i += 1, at += 1) {
      if (at === BLOCK_BYTES) {
        at = 0;
        block = this.block(offset + i);
      }
      const value = bytes[i]!;
      if ((block[at]! & value) !== value)
        throw new Error(`byte ${offset + i} of the flash would have to go from 0 to 1`);
      block[at] = value;
    }
  }

  private block(offset: number): Uint8Array {
    const index = Math.floor(offset / BLOCK_BYTES);
    if (offset >= this.size) throw new Error(`byte ${offset} is behind the end of the flash`);
    const found = this.blocks[index];
    if (found !== undefined) return found;
    const made = new Uint8Array(BLOCK_BYTES).fill(0xff);
    this.blocks[index] = made;
    return made;
  }

  readonly holds = (offset: number, bytes: Uint8Array): boolean => {
    let at = offset % BLOCK_BYTES;
    let block = this.blocks[(offset - at) / BLOCK_BYTES];
    for (let i = 0; i < bytes.length; i += 1, at += 1) {
      if (at === BLOCK_BYTES) {
        at = 0;
        block = this.blocks[(offset + i) / BLOCK_BYTES];
      }
      if (bytes[i] !== (block === undefined ? 0xff : block[at])) return false;
    }
    return true;
  };

  isErased(offset: number, length: number): boolean {
    for (let at = offset; at < offset + length; ) {
      const end = Math.min(at + this.leftOfBlock(at), offset + length);
      const block = this.blocks[Math.floor(at / BLOCK_BYTES)];
      for (let i = at; block !== undefined && i < end; i += 1)
        if (block[i % BLOCK_BYTES] !== 0xff) return false;
      at = end;
    }
    return true;
  }

  erase(offset: number): void {
    this.blocks[offset / BLOCK_BYTES] = undefined;
  }

  /** Everything, as it comes from the factory. */
  eraseAll(): void {
    this.blocks = [];
  }
}
