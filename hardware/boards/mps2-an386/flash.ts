/** The board's NOR flash behind the Flash interface. */
import type { Flash } from '../../interfaces/index.ts';
import { SundialError } from '../../../protocol/errors.ts';
import { board, flashResult } from './natives.ts';

/** `flash_fault` is the part's failure, which the journal survives; `flash_address` is the caller's. */
function check(result: number, offset: number, length: number): void {
  if (result === 0) return;
  const reason = flashResult[result] ?? 'flash_range';
  const facts = { offset, length, reason };
  if (reason === 'flash_range') {
    throw new SundialError('flash_address', `${length} bytes at ${offset}`, {
      severity: 'process',
      remedy: 'Report this with the version that you run.',
      facts,
    });
  }
  throw new SundialError('flash_fault', `${reason} at byte ${offset}`, {
    severity: 'device',
    remedy: 'The journal goes on in another bank; replace the device when none is left.',
    facts,
  });
}

/** 64 blocks of 4 KB, as in board.h. */
export const boardFlash: Flash = {
  size: 64 * 4096,
  blockSize: 4096,
  wordSize: 4,
  rewritable: true,
  read(offset, length) {
    const bytes = new Uint8Array(length);
    check(board.flashRead(offset, bytes), offset, length);
    return bytes;
  },
  write(offset, bytes) {
    check(board.flashWrite(offset, bytes), offset, bytes.length);
  },
  erase(offset) {
    check(board.flashErase(offset), offset, this.blockSize);
  },
};
