/**
 * A lowdb adapter for human-sized state that must survive a power cut: the new text is written beside the old,
 * synced, renamed over it, and the folder is synced. At any moment the file is the old or the new one, whole.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Adapter } from 'lowdb';
import { SundialError } from '../../protocol/errors.ts';

interface Caller {
  resolve(): void;
  reject(error: unknown): void;
}

/** Reads and writes one JSON file. One process a folder: see lock.ts. */
export class JsonFile<T> implements Adapter<T> {
  private readonly path: string;
  private writing = false;
  private next: { text: string; callers: Caller[] } | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** The parsed content, or null when there is no file. Throws `state_unreadable` when it is not JSON. */
  async read(): Promise<T | null> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new SundialError('state_unreadable', `${this.path} is not JSON`, {
        severity: 'process',
        remedy: 'Restore the file from a copy, or move it away to start with an empty one.',
        facts: { file: this.path },
        cause,
      });
    }
  }

  /**
   * Resolves when `data`, as it is at the call, is durable. Calls that arrive while a write is under way share the
   * next one, which holds the newest data: a caller waits for two writes at most, however many there are.
   */
  write(data: T): Promise<void> {
    const text = `${JSON.stringify(data, null, 2)}\n`;
    const done = new Promise<void>((resolve, reject) => {
      this.next ??= { text, callers: [] };
      this.next.text = text;
      this.next.callers.push({ resolve, reject });
    });
    if (!this.writing) void this.writeAll();
    return done;
  }

  private async writeAll(): Promise<void> {
    this.writing = true;
    while (this.next !== undefined) {
      const { text, callers } = this.next;
      this.next = undefined;
      try {
        await this.replace(text);
        for (const caller of callers) caller.resolve();
      } catch (error) {
        for (const caller of callers) caller.reject(error);
      }
    }
    this.writing = false;
  }

  private async replace(text: string): Promise<void> {
    const folder = dirname(this.path);
    const temporary = join(folder, `.${basename(this.path)}.new`);
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
