/** Reading a file of a folder in one piece. */
import type { Disk } from '../ports.ts';

/** All bytes of the file, or undefined when there is none. */
export async function readWhole(disk: Disk, name: string): Promise<Uint8Array | undefined> {
  let file: Awaited<ReturnType<Disk['open']>>;
  try {
    file = await disk.open(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return await file.read(0, await file.size());
  } finally {
    await file.close();
  }
}
