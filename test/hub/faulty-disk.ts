/**
 * A disk in memory that fails the way disks do: full, short writes, failing fsync that drops pages and then calls
 * them clean, and power cuts that keep any part of what was not synced, in any order, torn anywhere.
 */
import { randomInt } from 'node:crypto';
import { FileLedger, type FileLedgerOptions } from '../../hub/ledger/file-ledger.ts';
import { systemTime } from '../../hub/node/time.ts';
import type { Disk, DiskFile } from '../../hub/ports.ts';
import type { Random } from './random.ts';

type Change = { kind: 'write'; offset: number; bytes: Uint8Array } | { kind: 'truncate'; size: number };

interface Stored {
  /** What programs see. */
  seen: Uint8Array;
  /** What the platter holds. */
  durable: Uint8Array;
  unsynced: Change[];
}

function apply(content: Uint8Array, change: Change): Uint8Array {
  if (change.kind === 'truncate') {
    const result = new Uint8Array(change.size);
    result.set(content.subarray(0, change.size));
    return result;
  }
  const result = new Uint8Array(Math.max(content.length, change.offset + change.bytes.length));
  result.set(content);
  result.set(change.bytes, change.offset);
  return result;
}

function diskError(code: string): Error {
  return Object.assign(new Error(`simulated ${code}`), { code });
}

export class FaultyDisk {
  /** Chance that a write hits a full disk, that a sync fails, that creating or removing a file fails. */
  faults = { write: 0, sync: 0, create: 0, remove: 0 };
  private readonly random: Random;
  private named = new Map<string, Stored>();
  private durableNames = new Map<string, Stored>();
  private life = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** The power goes: open files are dead; the next `files()` sees what the platter kept. */
  powerCut(): void {
    this.life += 1;
    const kept = new Map<string, Stored>();
    for (const name of new Set([...this.named.keys(), ...this.durableNames.keys()])) {
      const now = this.named.get(name);
      const durable = this.durableNames.get(name);
      const stored = now === durable ? durable : this.random.chance(0.5) ? now : durable;
      if (stored === undefined) continue;
      const content = this.keepSome(stored);
      kept.set(name, { seen: content, durable: content, unsynced: [] });
    }
    this.named = kept;
    this.durableNames = new Map(kept);
  }

  /** The process dies, the power stays: what it wrote is seen by the next, synced or not. */
  kill(): void {
    this.life += 1;
  }

  /** Flips one bit of a stored file, as a failing part does. */
  damage(name: string, offset: number): void {
    const stored = this.named.get(name)!;
    stored.seen[offset] = stored.seen[offset]! ^ 1;
    stored.durable = stored.seen;
  }

  contents(name: string): Uint8Array {
    return this.named.get(name)!.seen;
  }

  names(): string[] {
    return [...this.named.keys()].sort();
  }

  private keepSome(stored: Stored): Uint8Array {
    let content = stored.durable;
    for (const change of stored.unsynced) {
      if (this.random.chance(0.4)) continue;
      if (change.kind === 'write' && this.random.chance(0.5)) {
        // Part of the write reached the platter: any piece of it, not only its beginning.
        const start = this.random.chance(0.5) ? 0 : this.random.below(change.bytes.length);
        const end = start + this.random.below(change.bytes.length - start + 1);
        content = apply(content, {
          kind: 'write',
          offset: change.offset + start,
          bytes: change.bytes.subarray(start, end),
        });
      } else {
        content = apply(content, change);
      }
    }
    return content.slice();
  }

  files(): Disk {
    const life = this.life;
    const alive = () => {
      if (life !== this.life) throw diskError('EIO');
    };
    const handle = (stored: Stored): DiskFile => ({
      size: async () => {
        alive();
        return stored.seen.length;
      },
      read: async (offset, length) => {
        alive();
        return stored.seen.slice(offset, offset + length);
      },
      write: async (offset, bytes) => {
        alive();
        const full = this.random.chance(this.faults.write);
        const taken = full ? bytes.slice(0, this.random.below(bytes.length)) : bytes.slice();
        const change: Change = { kind: 'write', offset, bytes: taken };
        stored.seen = apply(stored.seen, change);
        stored.unsynced.push(change);
        if (full) throw diskError('ENOSPC');
      },
      sync: async () => {
        // Sometimes it takes a while, and whoever asked does not live to see it.
        if (this.random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
        alive();
        if (this.random.chance(this.faults.sync)) {
          // Pages that could not be written are called clean: a later fsync succeeds without them.
          stored.durable = this.keepSome(stored);
          stored.unsynced = [];
          throw diskError('EIO');
        }
        for (const change of stored.unsynced) stored.durable = apply(stored.durable, change);
        stored.unsynced = [];
      },
      truncate: async (size) => {
        if (this.random.chance(0.5)) await new Promise((resolve) => setImmediate(resolve));
        alive();
        const change: Change = { kind: 'truncate', size };
        stored.seen = apply(stored.seen, change);
        stored.unsynced.push(change);
      },
      close: async () => {},
    });
    return {
      list: async () => {
        alive();
        return this.names();
      },
      create: async (name) => {
        alive();
        if (this.random.chance(this.faults.create)) throw diskError('ENOSPC');
        if (this.named.has(name)) throw diskError('EEXIST');
        const stored: Stored = { seen: new Uint8Array(0), durable: new Uint8Array(0), unsynced: [] };
        this.named.set(name, stored);
        return handle(stored);
      },
      open: async (name) => {
        alive();
        const stored = this.named.get(name);
        if (stored === undefined) throw diskError('ENOENT');
        return handle(stored);
      },
      remove: async (name) => {
        alive();
        if (this.random.chance(this.faults.remove)) throw diskError('EIO');
        this.named.delete(name);
      },
      syncFolder: async () => {
        alive();
        this.durableNames = new Map(this.named);
      },
      replace: async (name, bytes) => {
        alive();
        if (this.random.chance(this.faults.create)) throw diskError('ENOSPC');
        // The new file is whole before it gets the name; the name may be lost with the power.
        const content = bytes.slice();
        this.named.set(name, { seen: content, durable: content, unsynced: [] });
        if (this.random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
        alive();
        if (this.random.chance(this.faults.sync)) throw diskError('EIO');
        this.durableNames.set(name, this.named.get(name)!);
      },
    };
  }
}

/** A ledger over a disk, with this machine's time and salts that no run repeats. */
export const openLedger = (
  options: Omit<FileLedgerOptions, 'time' | 'salt'> & Partial<Pick<FileLedgerOptions, 'time' | 'salt'>>,
): Promise<FileLedger> => FileLedger.open({ time: systemTime, salt: () => randomInt(2 ** 32), ...options });
