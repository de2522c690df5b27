/** NOR flash in a file, for devices that run as Node processes. Bits only clear, blocks erase, writes are synced. */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { SundialError } from '../../../protocol/errors.ts';
import type { Flash } from '../../interfaces/index.ts';

export interface FlashGeometry {
  readonly size: number;
  readonly blockSize: number;
}

/** 4 MiB in 4 KiB blocks: a bank, a quarter, holds all that the protocol lets a terminal have waiting. */
export const DEFAULT_GEOMETRY: FlashGeometry = { size: 4 * 1024 * 1024, blockSize: 4096 };
export const WORD_BYTES = 4;

export class FileFlash implements Flash {
  readonly size: number;
  readonly blockSize: number;
  readonly wordSize = WORD_BYTES;
  readonly rewritable = true;
  private readonly file: number;
  /** What the part holds; the file follows it write by write. */
  private readonly content: Uint8Array;

  private readonly readOnly: boolean;

  /**
   * Opens the file, or makes an erased part of it. Throws `flash_size` when the file has another size.
   * `readOnly`: writes stay in memory, so that the flash of a running device can be looked at.
   */
  constructor(path: string, geometry: FlashGeometry = DEFAULT_GEOMETRY, readOnly = false) {
    this.readOnly = readOnly;
    this.size = geometry.size;
    this.blockSize = geometry.blockSize;
    const fresh = !existsSync(path);
    this.file = openSync(path, readOnly ? 'r' : fresh ? 'wx+' : 'r+');
    this.content = new Uint8Array(this.size).fill(0xff);
    if (!readOnly && (fresh || fstatSync(this.file).size === 0)) {
      ftruncateSync(this.file, 0);
      writeSync(this.file, this.content, 0, this.size, 0);
      fdatasyncSync(this.file);
    }
    const found = fstatSync(this.file).size;
    if (found !== this.size) {
      closeSync(this.file);
      throw new SundialError('flash_size', `${path} has ${found} bytes, want ${this.size}`, {
        severity: 'device',
        remedy: 'Give the geometry that the file was made with; never cut or extend it.',
      });
    }
    readSync(this.file, this.content, 0, this.size, 0);
  }

  private check(offset: number, length: number, unit: number): void {
    if (offset < 0 || offset + length > this.size || offset % unit !== 0 || length % unit !== 0) {
      throw new SundialError('flash_address', `${length} bytes at ${offset}`, {
        severity: 'process',
        remedy: 'Report this with the version that you run.',
        facts: { offset, length },
      });
    }
  }

  read(offset: number, length: number): Uint8Array {
    this.check(offset, length, 1);
    return this.content.slice(offset, offset + length);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.check(offset, bytes.length, this.wordSize);
    const next = new Uint8Array(bytes.length);
    for (let i = 0; i < bytes.length; i++) {
      next[i] = this.content[offset + i]! & bytes[i]!;
      if (next[i] !== bytes[i]) throw this.fault('a bit would have to go from 0 to 1', offset + i);
    }
    this.store(offset, next);
  }

  erase(offset: number): void {
    this.check(offset, this.blockSize, this.blockSize);
    this.store(offset, new Uint8Array(this.blockSize).fill(0xff));
  }

  private store(offset: number, bytes: Uint8Array): void {
    try {
      if (!this.readOnly) {
        writeSync(this.file, bytes, 0, bytes.length, offset);
        fdatasyncSync(this.file);
      }
    } catch (cause) {
      throw this.fault('the file would not take the write', offset, cause);
    }
    this.content.set(bytes, offset);
  }

  private fault(what: string, offset: number, cause?: unknown): SundialError {
    return new SundialError('flash_fault', `${what} at byte ${offset}`, {
      severity: 'device',
      remedy: 'Free space on the disk that holds the state folder, or move it to another disk.',
      facts: { offset },
      cause,
    });
  }

  close(): void {
    closeSync(this.file);
  }
}
