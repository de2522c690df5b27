/**
 * The registry of a hub that has several workers: one log of patches in the shared store, which all of them follow. What
 * the watch and the rounds write counts only while their worker is elected; devices that register are anybody's.
 */
import { SundialError } from '../../protocol/errors.ts';
import type { Fence, SharedStore } from '../ports.ts';
import { merge } from '../registry/patch-log.ts';
import type { PatchSink, RegistryPatch } from '../registry/registry.ts';
import { notElected } from './intake.ts';

type Json = { [key: string]: unknown };

/** What stands in the log: a patch, who wrote it, and whether as the elected one. */
interface Line {
  readonly by: string;
  readonly elected: boolean;
  readonly patch: Json;
}

interface Waiting {
  readonly line: Line;
  /** It counts only while this is held. */
  readonly fence: Fence | undefined;
  resolve(): void;
  reject(error: unknown): void;
}

/** A line as it stands in the log. */
export const encodeLine = (by: string, elected: boolean, patch: Json): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ by, elected, patch } satisfies Line));

/** What any worker may change. */
const ANYBODYS = new Set(['devices', 'limits', 'logins', 'rootWords']);

/** Writes patches, and reads those of others. */
export class SharedPatchLog implements PatchSink {
  /** Patches that are in the state by now. */
  size = 0;
  private written = 0;
  private readonly store: SharedStore;
  private readonly name: string;
  private readonly fence: () => Fence | undefined;
  private queue: Waiting[] = [];
  private running: Promise<void> | undefined;
  /** In the state, and not known to be in the log: they go there first when the store answers again. */
  private unwritten: Waiting[] = [];

  /** `name`: of this worker; `fence`: of the lease that it holds, if it is elected. */
  constructor(store: SharedStore, name: string, fence: () => Fence | undefined) {
    this.store = store;
    this.name = name;
    this.fence = fence;
  }

  /** Patches up to the last one that this worker wrote or read. */
  get known(): number {
    return Math.max(this.size, this.written);
  }

  /** What all patches together say; `size` is then up to them. */
  async readAll(): Promise<Json> {
    const state: Json = {};
    let size = 0;
    for (;;) {
      const records = await this.store.read('registry', size);
      if (records.length === 0) break;
      for (const { position, bytes } of records) {
        merge(state, lineOf(bytes).patch);
        size = position + 1;
      }
    }
    for (const { line } of this.unwritten) if (!line.elected) merge(state, line.patch);
    this.size = size;
    return state;
  }

  /**
   * Reads patches that came since; resolves with whether there were any. One's own are among them: those that anybody may
   * write are applied again in their place, so that all workers come to the same.
   */
  async follow(apply: (patch: RegistryPatch) => void): Promise<boolean> {
    if (this.unwritten.length > 0) this.running ??= this.drain();
    const before = this.size;
    for (;;) {
      const records = await this.store.read('registry', this.size);
      for (const { position, bytes } of records) {
        // Somebody else who follows was faster, or all was read anew meanwhile.
        if (position !== this.size) continue;
        this.size = position + 1;
        const { by, elected, patch } = lineOf(bytes);
        if (by !== this.name || !elected) apply(patch as RegistryPatch);
      }
      if (records.length === 0) return this.size > before;
    }
  }

  write(patch: Json): Promise<void> {
    const elected = !Object.keys(patch).every((key) => ANYBODYS.has(key));
    const fence = elected ? this.fence() : undefined;
    if (elected && fence === undefined) return Promise.reject(notElected());
    return new Promise((resolve, reject) => {
      const line = { by: this.name, elected, patch: structuredClone(patch) };
      this.queue.push({ line, fence, resolve, reject });
      this.running ??= this.drain();
    });
  }

  private async drain(): Promise<void> {
    await undefined;
    this.queue.unshift(...this.unwritten.splice(0));
    while (this.queue.length > 0 && this.unwritten.length === 0) {
      const { fence } = this.queue[0]!;
      const other = this.queue.findIndex((waiting) => waiting.fence?.epoch !== fence?.epoch);
      await this.append(this.queue.splice(0, other < 0 ? this.queue.length : other), fence);
    }
    // Behind what could not be written nothing else is.
    this.unwritten.push(...this.queue.splice(0).map(rejected(away())));
    this.running = undefined;
  }

  private async append(group: Waiting[], fence: Fence | undefined): Promise<void> {
    const records = group.map(({ line: { by, elected, patch } }) => encodeLine(by, elected, patch));
    try {
      const verdict = await this.store.append('registry', { records, subjects: [], size: 0, fence });
      if (typeof verdict === 'object') {
        this.written = verdict.first + group.length;
        for (const { resolve } of group) resolve();
      } else if (verdict === 'fenced') {
        // Who is elected again begins with what the log says.
        for (const { reject } of group) reject(notElected());
      } else this.unwritten.push(...group.map(rejected(away())));
    } catch (error) {
      this.unwritten.push(...group.map(rejected(error)));
    }
  }

  async close(): Promise<void> {
    if (this.unwritten.length > 0) this.running ??= this.drain();
    await this.running;
  }
}

const lineOf = (bytes: Uint8Array): Line => JSON.parse(new TextDecoder().decode(bytes)) as Line;

/** The caller is told; the patch itself waits. */
const rejected =
  (error: unknown) =>
  (waiting: Waiting): Waiting => {
    waiting.reject(error);
    return { ...waiting, resolve: () => undefined, reject: () => undefined };
  };

const away = (): SundialError =>
  new SundialError('ledger_unavailable', 'the registry can not be written now', {
    severity: 'call',
    remedy: 'It is written when the database answers again.',
  });
