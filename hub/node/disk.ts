/** Folders and files of a real disk. */
import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk, DiskFile } from '../ports.ts';

class NodeFile implements DiskFile {
  private readonly handle: FileHandle;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.handle.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let done = 0;
    // A write may be short (disk nearly full, signal); the rest then fails with its reason on the next round.
    while (done < bytes.length) {
      const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.handle.datasync();
  }

  truncate(size: number): Promise<void> {
    return this.handle.truncate(size);
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** The files of a folder on a real disk; creates the folder when it is missing. */
export async function nodeDisk(folder: string): Promise<Disk> {
  await mkdir(folder, { recursive: true });
  const syncFolder = async () => {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  };
  return {
    list: () => readdir(folder),
    create: async (name) => new NodeFile(await open(join(folder, name), 'wx+')),
    open: async (name) => new NodeFile(await open(join(folder, name), 'r+')),
    remove: (name) => unlink(join(folder, name)),
    syncFolder,
    replace: async (name, bytes) => {
      const temporary = join(folder, `.${name}.new`);
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(folder, name));
      await syncFolder();
    },
  };
}
