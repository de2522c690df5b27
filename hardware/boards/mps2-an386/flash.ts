/** The board's NOR flash behind the Flash interface. */
import type { Flash } from '../../interfaces/index.ts';
import { board, flashResult } from './natives.ts';

/** Why the flash refused; the journal answers each by freezing or by moving to another block. */
export class FlashFault extends Error {
  readonly code: (typeof flashResult)[number];
  readonly offset: number;
  constructor(code: FlashFault['code'], offset: number) {
    super(`${code} at ${offset}`);
    this.name = 'FlashFault';
    this.code = code;
    this.offset = offset;
  }
}

function check(result: number, offset: number): void {
  if (result !== 0) throw new FlashFault(flashResult[result] ?? 'flash_range', offset);
}

/** 128 blocks of 4 KB, as in board.h. */
export const boardFlash: Flash = {
  size: 128 * 4096,
  blockSize: 4096,
  wordSize: 4,
  rewritable: true,
  read(offset, length) {
    const bytes = new Uint8Array(length);
    check(board.flashRead(offset, bytes), offset);
    return bytes;
  },
  write(offset, bytes) {
    check(board.flashWrite(offset, bytes), offset);
  },
  erase(offset) {
    check(board.flashErase(offset), offset);
  },
};
