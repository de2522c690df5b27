/** The board's NOR flash behind the Flash interface. */
import type { Flash } from '../../interfaces/index.ts';
import { SundialError } from '../../../protocol/errors.ts';
import { journalFlash } from './limits.ts';
import { board, flashResult } from './natives.ts';

const outside = flashResult.indexOf('flash_range');

/** `flash_fault` is the part's failure, which the journal survives; `flash_address` is the caller's. */
function fail(result: number, offset: number, length: number): never {
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

/** Bytes of a block, as in nor.h, and blocks for journals; behind them lie the settings. */
export const { blockSize } = journalFlash;
export const blocks = journalFlash.size / blockSize;

/** The blocks from `first` on: all of them, unless two devices share the part. */
export function boardFlash(first = 0, count = blocks - first): Flash {
  const base = first * blockSize;
  const size = count * blockSize;
  return {
    size,
    blockSize,
    wordSize: journalFlash.wordSize,
    rewritable: true,
    verifies: true,
    read(offset, length) {
      if (offset + length > size) fail(outside, offset, length);
      const bytes = new Uint8Array(length);
      const result = board.flashRead(base + offset, bytes);
      return result === 0 ? bytes : fail(result, offset, length);
    },
    write(offset, bytes) {
      if (offset + bytes.length > size) fail(outside, offset, bytes.length);
      const result = board.flashWrite(base + offset, bytes);
      if (result !== 0) fail(result, offset, bytes.length);
    },
    holds: (offset, bytes) => board.flashHolds(base + offset, bytes),
    erase(offset) {
      if (offset + blockSize > size) fail(outside, offset, blockSize);
      const result = board.flashErase(base + offset);
      if (result !== 0) fail(result, offset, blockSize);
    },
  };
}
