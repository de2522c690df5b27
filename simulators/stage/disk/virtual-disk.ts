/**
 * A disk in virtual time. What is written is seen at once, a sync takes its time and may fail; what was not synced when
 * the power goes stands there in part, in any order, torn anywhere. A name that was not synced may be there or not.
 *
 * Not simulated: a sync that fails and drops the pages it calls clean (test/hub/faulty-disk.ts does that), and bits
 * that rot.
 */
import type { Disk, DiskFile } from '../../../hub/ports.ts';
import type { Random } from '../world/random.ts';
import type { World } from '../world/world.ts';

/** Milliseconds of an fdatasync: what an SSD of a small machine takes. */
const SYNC_MS = { least: 2, most: 9 };
/** Shares in 1,000 of what a power cut does with an unsynced change. */
const LOST = 400;
const TORN = 500;
const ROOM = 64 * 1024;

/** One change that was not synced, and what takes it back. */
interface Change {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly before: Uint8Array;
  readonly lengthBefore: number;
  readonly lengthAfter: number;
}

class Stored {
  bytes = new Uint8Array(ROOM);
  length = 0;
  unsynced: Change[] = [];
  /** Its name survives a power cut. */
  named = false;

  content(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private put(offset: number, bytes: Uint8Array, lengthAfter: number): void {
    if (lengthAfter > this.bytes.length) {
      const more = new Uint8Array(Math.max(lengthAfter, 2 * this.bytes.length));
      more.set(this.content());
      this.bytes = more;
    }
    if (offset > this.length) this.bytes.fill(0, this.length, offset);
    this.bytes.set(bytes, offset);
    this.length = lengthAfter;
  }

  write(offset: number, bytes: Uint8Array): void {
    const before = this.bytes.slice(offset, Math.min(this.length, offset + bytes.length));
    const lengthAfter = Math.max(this.length, offset + bytes.length);
    this.note({ offset, bytes: bytes.slice(), before, lengthBefore: this.length, lengthAfter });
  }

  truncate(size: number): void {
    if (size >= this.length) return;
    const before = this.bytes.slice(size, this.length);
    this.note({
      offset: size,
      bytes: before.subarray(0, 0),
      before,
      lengthBefore: this.length,
      lengthAfter: size,
    });
  }

  private note(change: Change): void {
    this.unsynced.push(change);
    this.put(change.offset, change.bytes, change.lengthAfter);
  }

  /** Takes back all that was not synced, then lets some pieces of it stand. */
  powerCut(random: Random): void {
    for (const change of this.unsynced.slice().reverse())
      this.put(change.offset, change.before, change.lengthBefore);
    for (const change of this.unsynced) if (!random.chance(LOST)) this.keep(random, change);
    this.unsynced = [];
  }

  private keep(random: Random, { offset, bytes, lengthBefore, lengthAfter }: Change): void {
    if (lengthAfter < lengthBefore) {
      this.length = Math.min(this.length, lengthAfter);
      return;
    }
    if (bytes.length === 0) return;
    const start = random.chance(TORN) ? random.below(bytes.length) : 0;
    const end = random.chance(TORN) ? start + random.below(bytes.length - start + 1) : bytes.length;
    this.put(offset + start, bytes.subarray(start, end), Math.max(this.length, offset + end));
  }
}

const diskError = (code: string): Error => Object.assign(new Error(`simulated ${code}`), { code });

export class VirtualDisk {
  /** Milliseconds that every sync takes longer. */
  slowMs = 0;
  /** Nothing can be written. */
  fails = false;
  private readonly folders = new Map<string, Map<string, Stored>>();
  private life = 0;
  private readonly world: World;
  private readonly random: Random;

  constructor(world: World, random: Random) {
    this.world = world;
    this.random = random;
  }

  /** The process is dead, the power with it: promises that it waits for stay open, so none of its code runs on. */
  powerCut(): void {
    this.life += 1;
    for (const folder of this.folders.values())
      for (const [name, stored] of [...folder]) {
        stored.powerCut(this.random);
        if (stored.named || this.random.chance(TORN)) stored.named = true;
        else folder.delete(name);
      }
  }

  /** Puts a file there, as if it always had been: before the run. */
  place(folder: string, name: string, bytes: Uint8Array): void {
    const stored = new Stored();
    stored.write(0, bytes);
    stored.unsynced = [];
    stored.named = true;
    const files = this.folders.get(folder) ?? new Map<string, Stored>();
    this.folders.set(folder, files.set(name, stored));
  }

  /** What stands there, by folder and name: for tests that compare two runs. */
  *contents(): Generator<[path: string, bytes: Uint8Array]> {
    for (const [folder, files] of this.folders)
      for (const [name, stored] of files) yield [`${folder}/${name}`, stored.content()];
  }

  /** After so long, while the same process lives, unless the disk fails by then. */
  private takes(action: () => void): Promise<void> {
    const { life, world } = this;
    return new Promise((resolve, reject) => {
      world.after(this.random.between(SYNC_MS.least, SYNC_MS.most) + this.slowMs, () => {
        if (life !== this.life) return;
        world.touched = true;
        if (this.fails) return reject(diskError('EIO'));
        action();
        resolve();
      });
    });
  }

  private file(stored: Stored): DiskFile {
    const { life } = this;
    const writable = (): void => {
      if (life !== this.life) throw new Error('a dead process touched its disk');
      if (this.fails) throw diskError('ENOSPC');
    };
    return {
      size: async () => stored.length,
      read: async (offset, length) => stored.bytes.slice(offset, Math.min(stored.length, offset + length)),
      write: async (offset, bytes) => {
        writable();
        stored.write(offset, bytes);
      },
      sync: () => {
        const upTo = stored.unsynced.length;
        return this.takes(() => {
          stored.unsynced = stored.unsynced.slice(upTo);
        });
      },
      truncate: async (size) => {
        writable();
        stored.truncate(size);
      },
      close: async () => {},
    };
  }

  /** A folder as one process of the hub uses it, until the power goes. */
  folder(path: string): Disk {
    const files = this.folders.get(path) ?? new Map<string, Stored>();
    this.folders.set(path, files);
    const { life } = this;
    const writable = (): void => {
      if (life !== this.life) throw new Error('a dead process touched its disk');
      if (this.fails) throw diskError('ENOSPC');
    };
    return {
      list: async () => [...files.keys()].sort(),
      create: async (name) => {
        writable();
        if (files.has(name)) throw diskError('EEXIST');
        const stored = new Stored();
        files.set(name, stored);
        return this.file(stored);
      },
      open: async (name) => {
        const stored = files.get(name);
        if (stored === undefined) throw diskError('ENOENT');
        return this.file(stored);
      },
      remove: async (name) => {
        writable();
        files.delete(name);
      },
      syncFolder: () =>
        this.takes(() => {
          for (const stored of files.values()) stored.named = true;
        }),
      replace: async (name, bytes) => {
        writable();
        const content = bytes.slice();
        // The new file is synced before it takes the name, and the name with its folder.
        await this.takes(() => {
          const stored = new Stored();
          stored.write(0, content);
          stored.unsynced = [];
          stored.named = true;
          files.set(name, stored);
        });
      },
    };
  }
}
