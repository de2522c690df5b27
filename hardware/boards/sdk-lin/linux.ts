/** What Linux adds to the natives of the SDK's boards: program.c. */
import install from 'sundial/linux';

interface Linux {
  /** The program's arguments without its name. */
  arguments(): string;
  /** A whole text file, or undefined when it can't be read; at most 16 KiB. */
  readText(path: string): string | undefined;
  /**
   * Locks a device folder as the Node processes do. 0, or the process that has it, or -1 when the folder can't be
   * written.
   */
  lock(folder: string): number;
  /** Opens a file as NOR flash, made erased when it is not there; false when it can't be or has another size. */
  flashOpen(path: string, size: number): boolean;
  flashRead(offset: number, out: Uint8Array): boolean;
  /** Returns when the bytes are on the disk; false when it refuses or a bit would have to go from 0 to 1. */
  flashWrite(offset: number, bytes: Uint8Array): boolean;
  flashErase(offset: number, size: number): boolean;
  exit(code: number): never;
}

install();

export const linux = (globalThis as unknown as { natives: Linux }).natives;
