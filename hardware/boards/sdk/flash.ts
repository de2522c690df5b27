/** Flash of ECMA-419 (`embedded:storage/flash`) behind the Flash interface. */
import type { Flash as EcmaFlash } from 'embedded:storage/flash';
import { SundialError } from '../../../protocol/errors.ts';
import type { Flash } from '../../interfaces/index.ts';

/** The least write where the part doesn't say: ESP-IDF's. A torn word is what the journal expects. */
const wordSizeDefault = 4;

function failed(offset: number, cause: unknown): SundialError {
  return new SundialError('flash_fault', `the flash refused at byte ${offset}`, {
    severity: 'device',
    remedy: 'The journal goes on in another bank; replace the device when none is left.',
    facts: { offset },
    cause,
  });
}

export function sdkFlash(part: EcmaFlash): Flash {
  const { size, blockLength, writeAlign } = part.status();
  const attempt = <T>(offset: number, work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw failed(offset, cause);
    }
  };
  return {
    size,
    blockSize: blockLength,
    wordSize: writeAlign ?? wordSizeDefault,
    rewritable: true,
    read: (offset, length) => attempt(offset, () => new Uint8Array(part.read(length, offset))),
    write: (offset, bytes) => attempt(offset, () => part.write(bytes, offset)),
    erase: (offset) => attempt(offset, () => part.eraseBlock(offset / blockLength, offset / blockLength + 1)),
  };
}
