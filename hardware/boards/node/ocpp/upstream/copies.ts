/**
 * What a central system above is still to be told of one charge point: a folder, a file a message, in the order in which
 * they came, and the numbers under which it knows the transactions. Durable when a method returns, so that a gateway which
 * is killed goes on where it was.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SundialError } from '../../../../../protocol/errors.ts';
import { syncFolder, writeDurably } from '../../storage/durable-file.ts';
import { readJson } from '../../storage/read-json.ts';
import type { Params } from '../dialects/dialect.ts';

/** Some four hours of readings every 10 s, 1 MB: a charge point fills no more of the disk while nobody takes its words. */
export const COPIES_MAX = 2_000;
/** Of these a part is for starts and stops alone. */
const ENDS_ROOM = 500;
/** Transactions whose number above is remembered. */
const NUMBERS_MAX = 1_000;

const copySchema = z.object({
  method: z.string(),
  params: z.record(z.string(), z.unknown()),
  /** The transaction, as it is called here. */
  id: z.string().optional(),
});
export interface Copy {
  readonly method: string;
  readonly params: Params;
  readonly id?: string | undefined;
}

const numbersSchema = z.array(
  z.object({ ours: z.string(), theirs: z.string().optional(), over: z.boolean().optional() }),
);
type Numbers = z.infer<typeof numbersSchema>;

const READ = {
  severity: 'process',
  remedy: 'Remove it: what the central system above was to be told is lost with it, no payment is.',
} as const;

/** Throws `bad_copy` when a file is none of ours. */
function read<T>(path: string, schema: z.ZodType<T>): T {
  const found = schema.safeParse(readJson(path, 'bad_copy', READ));
  if (found.success) return found.data;
  throw new SundialError('bad_copy', `${path}: ${found.error.issues[0]!.message}`, READ);
}

export class Copies {
  private readonly folder: string;
  /** Numbers of the files, in order. */
  private readonly waiting: number[];
  private numbers: Numbers;

  /** Throws `bad_copy`. */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.waiting = readdirSync(folder)
      .filter((name) => /^\d+\.json$/.test(name))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);
    const path = this.numbersPath;
    this.numbers = existsSync(path) ? read(path, numbersSchema) : [];
  }

  private get numbersPath(): string {
    return join(this.folder, 'numbers.json');
  }

  private get bootPath(): string {
    return join(this.folder, 'boot.json');
  }

  private pathOf(number: number): string {
    return join(this.folder, `${String(number).padStart(12, '0')}.json`);
  }

  get length(): number {
    return this.waiting.length;
  }

  /** Adds one. False when there is no room: what begins or ends a transaction has room that readings do not get. */
  add(copy: Copy, begins: boolean): boolean {
    if (this.waiting.length >= (begins ? COPIES_MAX : COPIES_MAX - ENDS_ROOM)) return false;
    const number = (this.waiting.at(-1) ?? 0) + 1;
    writeDurably(this.pathOf(number), JSON.stringify(copy));
    this.waiting.push(number);
    return true;
  }

  /** The oldest. Throws `bad_copy`; `drop` passes over it. */
  first(): Copy | undefined {
    const number = this.waiting[0];
    return number === undefined ? undefined : read(this.pathOf(number), copySchema);
  }

  /** The oldest was taken, or refused for good. */
  drop(): void {
    const number = this.waiting.shift();
    if (number === undefined) return;
    rmSync(this.pathOf(number), { force: true });
    syncFolder(this.folder);
  }

  /** Was its start noted, and with `over` its end? */
  knows(ours: string, over: boolean): boolean {
    return this.numbers.some((entry) => entry.ours === ours && (!over || entry.over === true));
  }

  /** Notes something of a transaction. */
  note(ours: string, change: { readonly theirs?: string; readonly over?: boolean }): void {
    const known = this.numbers.find((entry) => entry.ours === ours);
    const next = { ...known, ours, ...change };
    if (known !== undefined && known.theirs === next.theirs && known.over === next.over) return;
    this.numbers = [...this.numbers.filter((entry) => entry !== known), next].slice(-NUMBERS_MAX);
    writeDurably(this.numbersPath, JSON.stringify(this.numbers));
  }

  /** How the charge point introduced itself last: it does so when it starts, not when it comes back. Throws `bad_copy`. */
  get boot(): Params | undefined {
    return existsSync(this.bootPath) ? read(this.bootPath, z.record(z.string(), z.unknown())) : undefined;
  }

  saveBoot(params: Params): void {
    writeDurably(this.bootPath, JSON.stringify(params));
  }

  /** The same number where none was given. */
  theirs(ours: string): string {
    return this.numbers.find((entry) => entry.ours === ours)?.theirs ?? ours;
  }

  ours(theirs: string): string {
    return this.numbers.findLast((entry) => entry.theirs === theirs)?.ours ?? theirs;
  }
}
