/**
 * State of a few megabytes that must survive a power cut and changes a little at a time: a snapshot, replaced whole and
 * readable in an editor, and beside it a log of patches (RFC 7396), each a line behind its CRC-32, written and synced
 * before the change counts as durable. When the log has grown large, or a write failed, a new snapshot begins a new log;
 * the snapshot names its log, so an old one is never read again.
 */
import { crc32 } from 'node:zlib';
import { SundialError } from '../../protocol/errors.ts';
import { registryLogBytesMin } from '../limits.ts';
import type { Disk, DiskFile } from '../ports.ts';

/** A change: what is named is set, `null` takes away, objects are merged. */
export type Patch<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Patch<T[K]> | (string extends K ? null : never) }
    : T;

type Json = { [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Sets a key as JSON.parse would: `__proto__` is a name as any other. */
function put(target: Json, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

const own = (target: Json, key: string): unknown => (Object.hasOwn(target, key) ? target[key] : undefined);

/** Applies a patch to the object itself. */
export function merge(target: Json, patch: Json): void {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete target[key];
    else if (isObject(value)) {
      let inner = own(target, key);
      if (!isObject(inner)) {
        inner = {};
        put(target, key, inner);
      }
      merge(inner as Json, value);
    } else put(target, key, value);
  }
}

/** Joins a later patch to an earlier one that was not written yet: what takes away stays. */
function join(earlier: Json, later: Json): void {
  for (const [key, value] of Object.entries(later)) {
    const before = own(earlier, key);
    if (isObject(value) && isObject(before)) join(before, value);
    else put(earlier, key, structuredClone(value));
  }
}

interface Caller {
  resolve(): void;
  reject(error: unknown): void;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

const line = (patch: Json): Uint8Array => {
  const text = JSON.stringify(patch);
  return encode(`${crc32(encode(text)).toString(16).padStart(8, '0')} ${text}\n`);
};

/** The patch in a line, or undefined when the line is not whole. */
function readLine(text: string): Json | undefined {
  const body = text.slice(9);
  if (text[8] !== ' ' || crc32(encode(body)) !== Number.parseInt(text.slice(0, 8), 16)) return undefined;
  return JSON.parse(body) as Json;
}

/** A snapshot and its log on a disk. The state itself is its caller's. */
export class PatchLog {
  private readonly disk: Disk;
  private readonly name: string;
  private readonly state: () => Json;
  private generation: number;
  /** The log that is written to; undefined: the next write begins with a snapshot. */
  private file: DiskFile | undefined;
  private end = 0;
  private snapshotBytes = 0;
  private waiting: { patch: Json; callers: Caller[] } | undefined;
  private writing: Promise<void> | undefined;

  private constructor(disk: Disk, name: string, generation: number, state: () => Json) {
    this.disk = disk;
    this.name = name;
    this.generation = generation;
    this.state = state;
  }

  /**
   * What stands on the disk, as JSON, and the log to go on with; `state` gives what the next snapshot is made of.
   * Throws `state_unreadable`.
   */
  static async open(
    disk: Disk,
    name: string,
    state: () => Json,
  ): Promise<{ stored: Json | undefined; log: PatchLog }> {
    const names = await disk.list();
    const snapshot = names.includes(`${name}.json`) ? await readSnapshot(disk, `${name}.json`) : undefined;
    const generation = Number(snapshot?.generation ?? 0);
    const log = new PatchLog(disk, name, generation, state);
    // What a crash left of earlier logs is in the snapshot.
    for (const other of names)
      if (other.startsWith(`${name}-`) && other.endsWith('.log') && other !== log.logName)
        await disk.remove(other).catch(() => {});
    if (snapshot === undefined) return { stored: undefined, log };
    const { generation: _, ...stored } = snapshot;
    if (names.includes(log.logName)) await log.readLog(stored);
    return { stored, log };
  }

  private get logName(): string {
    return `${this.name}-${this.generation}.log`;
  }

  /** Applies every whole line, and cuts off an end that the power did not let be written. */
  private async readLog(stored: Json): Promise<void> {
    const file = await this.disk.open(this.logName);
    const bytes = await file.read(0, await file.size());
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const patch = readLine(textOf(bytes.subarray(start, end)));
      if (patch === undefined) break;
      merge(stored, patch);
      start = end + 1;
    }
    // Only what was never synced can be torn, and that is one line.
    if (bytes.subarray(start).indexOf(10) !== bytes.subarray(start).lastIndexOf(10)) {
      await file.close();
      throw unreadable(this.logName, 'a line in the middle is damaged');
    }
    if (start < bytes.length) await file.truncate(start);
    this.file = file;
    this.end = start;
  }

  /**
   * Resolves when the patch is durable; the caller has applied it to the state. Calls that arrive while a write is under
   * way share the next one: a caller waits for two writes at most. Rejects with the system's error; what the patch says
   * then goes to the disk with the next write that succeeds.
   */
  write(patch: Json): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.waiting ??= { patch: {}, callers: [] };
      join(this.waiting.patch, patch);
      this.waiting.callers.push({ resolve, reject });
    });
    this.writing ??= this.writeAll();
    return done;
  }

  private async writeAll(): Promise<void> {
    while (this.waiting !== undefined) {
      const { patch, callers } = this.waiting;
      this.waiting = undefined;
      try {
        await this.writeOne(patch);
        for (const caller of callers) caller.resolve();
      } catch (error) {
        // What stands at the end of the log is not known any more: the next write begins anew, from the whole state.
        const { file } = this;
        this.file = undefined;
        await file?.close().catch(() => {});
        for (const caller of callers) caller.reject(error);
      }
    }
    // In the same turn as the last look at what waits: nothing comes in between.
    this.writing = undefined;
  }

  private async writeOne(patch: Json): Promise<void> {
    const bytes = line(patch);
    const isLarge = this.end + bytes.length > Math.max(registryLogBytesMin, 2 * this.snapshotBytes);
    if (this.file === undefined || isLarge) return this.snapshot();
    await this.file.write(this.end, bytes);
    await this.file.sync();
    this.end += bytes.length;
  }

  /** A snapshot of the state as it is, and an empty log behind it. */
  private async snapshot(): Promise<void> {
    const old = this.logName;
    const before = this.file;
    const generation = this.generation + 1;
    const bytes = encode(`${JSON.stringify({ generation, ...this.state() }, undefined, 2)}\n`);
    // The log comes first: a snapshot never names one that a crash left behind with other patches.
    const name = `${this.name}-${generation}.log`;
    if ((await this.disk.list()).includes(name)) await this.disk.remove(name);
    const file = await this.disk.create(name);
    await this.disk.syncFolder();
    await this.disk.replace(`${this.name}.json`, bytes);
    this.generation = generation;
    this.file = file;
    this.end = 0;
    this.snapshotBytes = bytes.length;
    await before?.close().catch(() => {});
    await this.disk.remove(old).catch(() => {});
  }

  /** Writes what waits, and a snapshot for people to read. */
  async close(): Promise<void> {
    await this.writing;
    await this.snapshot();
    await this.abandon();
  }

  /** Gives the file back and writes nothing. */
  async abandon(): Promise<void> {
    await this.file?.close();
  }
}

const textOf = (bytes: Uint8Array): string => {
  try {
    return decode(bytes);
  } catch {
    return '';
  }
};

async function readSnapshot(disk: Disk, name: string): Promise<Json> {
  const file = await disk.open(name);
  try {
    return JSON.parse(decode(await file.read(0, await file.size()))) as Json;
  } catch (cause) {
    throw unreadable(name, 'it is not JSON', cause);
  } finally {
    await file.close();
  }
}

const unreadable = (name: string, why: string, cause?: unknown): SundialError =>
  new SundialError('state_unreadable', `${name}: ${why}`, {
    severity: 'process',
    remedy: 'Restore the file from a copy, or move it away to start with an empty one.',
    facts: { file: name },
    ...(cause !== undefined && { cause }),
  });
