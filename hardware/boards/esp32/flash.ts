/** A flash partition of the SDK behind the Flash interface. The partition `sundial` stands in the board's table. */
import FlashPart from 'flash';
import { SundialError } from '../../../protocol/errors.ts';
import type { Flash } from '../../interfaces/index.ts';

function failed(offset: number, cause: unknown): SundialError {
  return new SundialError('flash_fault', `the partition refused at byte ${offset}`, {
    severity: 'device',
    remedy: 'The journal goes on in another bank; replace the device when none is left.',
    facts: { offset },
    cause,
  });
}

export function partitionFlash(name: string): Flash {
  const part = new FlashPart(name);
  return {
    size: part.byteLength,
    blockSize: part.blockSize,
    // ESP-IDF writes in words of four bytes; a torn word is what the journal expects.
    wordSize: 4,
    rewritable: true,
    read(offset, length) {
      return new Uint8Array(part.read(offset, length) as ArrayBuffer);
    },
    write(offset, bytes) {
      try {
        part.write(offset, bytes.length, bytes.slice().buffer);
      } catch (cause) {
        throw failed(offset, cause);
      }
    },
    erase(offset) {
      try {
        part.erase(offset / part.blockSize);
      } catch (cause) {
        throw failed(offset, cause);
      }
    },
  };
}
