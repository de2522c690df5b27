/** A file as flash in the shape of ECMA-419, so that Linux uses the same provider as the chips. */
import type { Flash } from 'embedded:storage/flash';
import { journalFlash } from './limits.ts';
import { linux } from './linux.ts';

const { size, blockSize: blockLength, wordSize } = journalFlash;

/** Throws when the file can't be opened or has another size. */
export function fileFlash(path: string): Flash {
  if (!linux.flashOpen(path, size)) throw new Error(`${path} is no flash of ${size} bytes`);
  const must = (done: boolean): void => {
    if (!done) throw new Error('the file refused');
  };
  return {
    close() {},
    read(length, offset) {
      const bytes = new Uint8Array(length);
      must(linux.flashRead(offset, bytes));
      return bytes.buffer;
    },
    write(bytes, offset) {
      must(linux.flashWrite(offset, bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)));
    },
    eraseBlock(start, end = start + 1) {
      must(linux.flashErase(start * blockLength, (end - start) * blockLength));
    },
    status: () => ({ size, blockLength, blocks: size / blockLength, writeAlign: wordSize }),
  };
}
