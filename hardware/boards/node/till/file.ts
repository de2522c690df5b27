/**
 * The till's file: what stood when it was begun, then one event a line, each behind its CRC-32 and synced before it
 * counts. An end that the power did not let be written is cut off; damage before the end is refused by name. When it has
 * grown, a new one takes its place in one step, so that the space is bounded.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { SundialError } from '../../../../protocol/errors.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { TillBooks } from './books.ts';
import { event as eventSchema, standing as standingSchema, type TillEvent } from './schema.ts';

/** Events that a file holds behind what stood: with 10,000 sales it stays below 48 MiB. */
export const FILE_EVENTS_MAX = 20_000;

/** Where a till's device keeps it. */
export const tillLog = (folder: string): string => join(folder, 'till.log');

const lineOf = (value: unknown): string => {
  const text = JSON.stringify(value);
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
};

/** What a line holds; undefined when it is not whole. */
function readLine(line: string): unknown {
  const text = line.slice(9);
  if (line[8] !== ' ' || crc32(text) !== Number.parseInt(line.slice(0, 8), 16)) return undefined;
  return JSON.parse(text);
}

const damaged = (path: string, line: number, why: string): SundialError =>
  new SundialError('till_book_damaged', `${path}, line ${line}: ${why}`, {
    severity: 'process',
    remedy:
      'Restore it from a copy, or move it away: the till then begins an empty book. The money is in flash.img, whole, and none of it is lost.',
  });

/** What a till's file holds. `end`: bytes of it that are whole. Changes nothing. Throws `till_book_damaged`. */
export function readTill(path: string): {
  readonly books: TillBooks;
  readonly events: TillEvent[];
  readonly end: number;
} {
  const bytes = readFileSync(path);
  const whole = bytes.lastIndexOf(10) + 1;
  const [first, ...rest] = bytes.subarray(0, whole).toString('utf8').split('\n').slice(0, -1);
  const stood = standingSchema.safeParse(first === undefined ? undefined : readLine(first));
  if (!stood.success) throw damaged(path, 1, 'what stood at its beginning does not read');
  const books = new TillBooks(stood.data);
  const events: TillEvent[] = [];
  let end = Buffer.byteLength(first!) + 1;
  for (const [index, line] of rest.entries()) {
    const value = readLine(line);
    // Only the last line was never synced.
    if (value === undefined && index === rest.length - 1) break;
    const read = eventSchema.safeParse(value);
    if (!read.success || read.data.id !== books.lastId + 1)
      throw damaged(path, index + 2, read.success ? 'events are missing before it' : 'it does not read');
    books.apply(read.data);
    events.push(read.data);
    end += Buffer.byteLength(line) + 1;
  }
  return { books, events, end };
}

/** A till's events on disk, with the books that they come to. One process holds it: the device's folder is locked. */
export class TillFile {
  readonly books: TillBooks;
  /** Events since the file was begun, oldest first. */
  readonly events: TillEvent[];
  private readonly path: string;
  private file: number;
  private end: number;

  /** Opens it, or begins one at `now`. Throws `till_book_damaged`. */
  constructor(path: string, now: number) {
    this.path = path;
    if (!existsSync(path)) writeDurably(path, lineOf(new TillBooks(undefined, now).standing()));
    ({ books: this.books, events: this.events, end: this.end } = readTill(path));
    this.file = openSync(path, 'r+');
    if (fstatSync(this.file).size > this.end) {
      ftruncateSync(this.file, this.end);
      fdatasyncSync(this.file);
    }
  }

  private take(event: TillEvent): void {
    this.books.apply(event);
    this.events.push(event);
  }

  /** Durable when it returns; then it counts. Throws the system's error: the process must end, and begin again from the file. */
  append(event: TillEvent): void {
    const bytes = Buffer.from(lineOf(event));
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.file, bytes, done, bytes.length - done, this.end + done);
    fdatasyncSync(this.file);
    this.end += bytes.length;
    this.take(event);
    if (this.events.length >= FILE_EVENTS_MAX) this.begin();
  }

  /** Begins a new file with what stands now. */
  private begin(): void {
    writeDurably(this.path, lineOf(this.books.standing()));
    closeSync(this.file);
    this.file = openSync(this.path, 'r+');
    this.end = fstatSync(this.file).size;
    this.events.length = 0;
  }

  close(): void {
    closeSync(this.file);
  }
}
