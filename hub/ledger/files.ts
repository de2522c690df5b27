/** The few file operations a ledger needs, behind an interface so that tests can make every one of them fail. */
import { type FileHandle, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** One open file. Offsets and lengths are bytes. */
export interface LedgerFile {
  size(): Promise<number>;
  /** Reads up to `length` bytes; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written is in the part (fdatasync). */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** The folder of one ledger. Names are plain file names. */
export interface LedgerFiles {
  list(): Promise<string[]>;
  /** Creates a file that must not exist yet. */
  create(name: string): Promise<LedgerFile>;
  open(name: string): Promise<LedgerFile>;
  remove(name: string): Promise<void>;
  /** Makes created and removed names durable. */
  syncFolder(): Promise<void>;
}

class NodeFile implements LedgerFile {
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
export async function nodeFiles(folder: string): Promise<LedgerFiles> {
  await mkdir(folder, { recursive: true });
  return {
    list: () => readdir(folder),
    create: async (name) => new NodeFile(await open(join(folder, name), 'wx+')),
    open: async (name) => new NodeFile(await open(join(folder, name), 'r+')),
    remove: (name) => unlink(join(folder, name)),
    syncFolder: async () => {
      const handle = await open(folder, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}
