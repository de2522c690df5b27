/**
 * Who did and who read what: one JSON line each, synced before the answer goes out, so that nobody learns anything that
 * is not in it. A file that has grown full is set aside by number; nothing is removed.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { auditFileBytesMax } from '../limits.ts';

/** One act or one reading. */
export interface AuditLine {
  /** Seconds since 1970, by this machine's clock. */
  readonly at: number;
  /** Name of the token, or `nobody`. */
  readonly who: string;
  /** Method and path, as they were asked. */
  readonly what: string;
  /** What it was about, without secrets. */
  readonly about?: string;
  /** HTTP status of the answer. */
  readonly status: number;
}

/** The file `audit.jsonl` in a hub's folder. */
export class Audit {
  private readonly path: string;
  private handle: number;
  private size: number;

  constructor(folder: string) {
    this.path = join(folder, 'audit.jsonl');
    this.handle = openSync(this.path, 'a', 0o600);
    this.size = statSync(this.path).size;
  }

  /** Durable when it returns. */
  write(line: AuditLine): void {
    if (this.size >= auditFileBytesMax) this.setAside();
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    writeSync(this.handle, bytes);
    fdatasyncSync(this.handle);
    this.size += bytes.length;
  }

  private setAside(): void {
    closeSync(this.handle);
    let number = 1;
    while (existsSync(`${this.path}.${number}`)) number += 1;
    renameSync(this.path, `${this.path}.${number}`);
    this.handle = openSync(this.path, 'a', 0o600);
    this.size = 0;
  }

  /** The newest lines of the file in use, newest first. A torn last line of a crash is left out. */
  newest(count: number): AuditLine[] {
    const lines = readFileSync(this.path, 'utf8').split('\n').slice(0, -1);
    return lines
      .slice(-count)
      .reverse()
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as AuditLine];
        } catch {
          return [];
        }
      });
  }

  close(): void {
    closeSync(this.handle);
  }
}
