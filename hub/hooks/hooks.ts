/**
 * Webhooks: others are told what happens at this hub, at least once and in order. The ledger is the queue of what is about
 * money: a hook remembers a place in it, so that nothing is lost however long its receiver is away, and a place costs a few
 * bytes. What stands in no ledger waits in a short list beside it, in `webhooks.json` of the hub's folder. A receiver that
 * takes nothing is tried ever more rarely, and disabled by name after days; enabled again, it goes on where it was.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { SundialError } from '../../protocol/errors.ts';
import { addressText, nameText } from '../desk/desk.ts';
import { errorFields } from '../errors.ts';
import type { HubRecord, RecordOf } from '../ledger/records.ts';
import {
  hookNotesMax,
  hookPatience,
  hookRecentMax,
  hookRetryMs,
  hookSecretOverlap,
  hookSliceMax,
  hooksMax,
  hookStoreMs,
} from '../limits.ts';
import type { Logger } from '../log.ts';
import { pause, type Time } from '../ports.ts';
import { type AddressRules, checkHookUrl } from './address.ts';
import {
  batchesAfter,
  concernsHooks,
  type Cursor,
  EVENT_TYPES,
  eventsOf,
  type HookEvent,
  type Sources,
} from './events.ts';
import { type Posted, post } from './post.ts';
import { freshSecret, signedHeaders } from './signature.ts';

/** What a hook can be asked for: all but the test, which is sent by hand. */
export const eventText = z.enum(EVENT_TYPES).exclude(['test']);

const cursorSchema = z.strictObject({
  position: z.int().min(0),
  told: z.int().min(0),
  batches: z.record(z.string(), z.int().min(0)),
});
const hookSchema = z.strictObject({
  name: nameText,
  url: z.string(),
  events: z.array(eventText).min(1),
  /** Only what is this merchant's, and nothing that is nobody's. */
  payee: addressText.optional(),
  /** The present one first; the one before it for a while. */
  secrets: z.array(z.strictObject({ secret: z.string(), until: z.int().optional() })).min(1),
  addedAt: z.int(),
  cursor: cursorSchema,
  /** The note that is told next. */
  note: z.int().min(0),
  /** Notes that made room before they were told. */
  lost: z.int().min(0),
  toldAt: z.int().optional(),
  failing: z.strictObject({ since: z.int(), attempts: z.int(), trouble: z.string() }).optional(),
  disabled: z.strictObject({ at: z.int(), why: z.string() }).optional(),
});
type HookState = z.infer<typeof hookSchema>;
const noteSchema = z.strictObject({
  number: z.int(),
  type: z.enum(EVENT_TYPES),
  at: z.int(),
  payee: z.string().optional(),
  data: z.record(z.string(), z.unknown()),
});
const fileSchema = z.strictObject({
  version: z.literal(1),
  /** Number of the next note. */
  nextNote: z.int().min(0),
  notes: z.array(noteSchema).max(hookNotesMax),
  /** Devices of which it was told that they are gone. */
  gone: z.array(z.string()),
  hooks: z.array(hookSchema).max(hooksMax),
});
type FileState = z.infer<typeof fileSchema>;

/** A hook as people see it: without its secrets. */
export type HookView = ReturnType<Hooks['list']>[number];

/** What hooks stand on. */
export interface HooksOptions {
  readonly folder: string;
  readonly hub: string;
  readonly rules: AddressRules;
  readonly time: Time;
  readonly log: Logger;
  /** Durable records from a position on, in order. */
  read(from: number): AsyncIterable<{ readonly position: number; readonly record: HubRecord }>;
  /** Records of the ledger, and those of them that the books have. */
  size(): number;
  known(): number;
  readonly entry: Sources['entry'];
  /** A hook was disabled: for the audit log. */
  onDisabled?(name: string, why: string): void;
  /** Milliseconds that a receiver may take. */
  readonly timeoutMs?: number;
}

interface Pending {
  readonly event: HookEvent;
  readonly after: Cursor | { readonly note: number };
}

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

/** All webhooks of a hub. */
export class Hooks {
  private readonly options: HooksOptions;
  private readonly path: string;
  private file: FileState;
  private readonly pumps = new Map<string, Pump>();
  /** The newest records, so far as they concern hooks; complete from `recentFrom` on. */
  private recent: { readonly position: number; readonly record: HubRecord }[] = [];
  private recentFrom: number | undefined;
  private cancelStore: (() => void) | undefined;
  private stopped = false;

  /** Throws `webhooks_invalid` when the file can't be read. */
  constructor(options: HooksOptions) {
    this.options = options;
    this.path = join(options.folder, 'webhooks.json');
    this.file = { version: 1, nextNote: 0, notes: [], gone: [], hooks: [] };
    if (!existsSync(this.path)) return;
    const how = {
      severity: 'process',
      remedy: 'Restore it, or remove it: then add the webhooks again.',
    } as const;
    const parsed = fileSchema.safeParse(readJson(this.path, 'webhooks_invalid', how));
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0]!;
      throw new SundialError('webhooks_invalid', `${this.path}: ${path.join('.')}: ${message}`, how);
    }
    this.file = parsed.data;
  }

  /** Begins to tell. */
  begin(): void {
    const size = this.options.size();
    for (const { name, cursor } of this.file.hooks) {
      // A ledger that was recovered may be shorter than what was told.
      if (cursor.position > size) this.change(name, { cursor: { position: size, told: 0, batches: {} } });
      this.startPump(name);
    }
  }

  /** A record became durable. Cheap where nobody listens. */
  stored(record: HubRecord, position: number): void {
    if (this.file.hooks.length === 0) {
      if (this.recentFrom !== undefined) this.recent = [];
      this.recentFrom = undefined;
      return;
    }
    this.recentFrom ??= position;
    if (concernsHooks(record)) this.recent.push({ position, record });
    if (this.recent.length > hookRecentMax) this.recentFrom = this.recent.shift()!.position + 1;
    for (const pump of this.pumps.values()) pump.wake();
  }

  // ---- what people do ----

  /** All hooks, without their secrets. */
  list() {
    const size = this.options.size();
    return this.file.hooks.map(({ secrets, cursor, note, failing, ...hook }) => ({
      ...hook,
      /** Records of the ledger that it has not read yet, and notes that wait. */
      behind: size - cursor.position + (this.file.nextNote - note),
      secretUntil: secrets[1]?.until,
      failing: failing && { ...failing, nextAt: this.pumps.get(hook.name)?.nextAt },
    }));
  }

  private find(name: string): HookState {
    const found = this.file.hooks.find((hook) => hook.name === name);
    if (found !== undefined) return found;
    throw refused('webhook_unknown', `no webhook "${name}"`, 'See `sundial webhook list`.');
  }

  /** Adds one that is told of what comes from now on; its secret is shown once. Throws `hook_address`, `webhook_exists`, `webhooks_full`. */
  add(wish: { name: string; url: string; events: HookState['events']; payee?: string | undefined }): {
    readonly secret: string;
  } {
    const { href } = checkHookUrl(wish.url, this.options.rules);
    if (this.file.hooks.some(({ name }) => name === wish.name))
      throw refused(
        'webhook_exists',
        `there is a webhook "${wish.name}"`,
        'Give another name, or remove it first.',
      );
    if (this.file.hooks.length >= hooksMax)
      throw refused('webhooks_full', `${hooksMax} webhooks are the most`, 'Remove one first.');
    const secret = freshSecret();
    const hook: HookState = {
      name: wish.name,
      url: href,
      events: [...new Set(wish.events)],
      ...(wish.payee !== undefined && { payee: wish.payee }),
      secrets: [{ secret }],
      addedAt: this.now(),
      cursor: { position: this.options.size(), told: 0, batches: {} },
      note: this.file.nextNote,
      lost: 0,
    };
    this.recentFrom ??= this.options.size();
    this.store({ hooks: [...this.file.hooks, hook] });
    this.startPump(hook.name);
    return { secret };
  }

  /** Resolves when nothing more is sent. Rejects with `webhook_unknown`. */
  async remove(name: string): Promise<void> {
    this.find(name);
    await this.endPump(name);
    this.store({ hooks: this.file.hooks.filter((hook) => hook.name !== name) });
  }

  private async endPump(name: string): Promise<void> {
    const pump = this.pumps.get(name);
    this.pumps.delete(name);
    pump?.stop();
    await pump?.ended;
  }

  /** A new secret, shown once; the one before it signs for a day beside it. Throws `webhook_unknown`. */
  rotate(name: string): { readonly secret: string; readonly until: number } {
    const [{ secret: old }] = this.find(name).secrets as [{ secret: string }];
    const secret = freshSecret();
    const until = this.now() + hookSecretOverlap;
    this.change(name, { secrets: [{ secret }, { secret: old, until }] });
    this.save();
    return { secret, until };
  }

  /** Takes up one that was disabled or is waiting: where it was, or from now on. Rejects with `webhook_unknown`. */
  async enable(name: string, from: 'there' | 'now'): Promise<void> {
    this.find(name);
    await this.endPump(name);
    const now = { cursor: { position: this.options.size(), told: 0, batches: {} }, note: this.file.nextNote };
    this.change(name, { disabled: undefined, failing: undefined, ...(from === 'now' && now) });
    this.save();
    this.startPump(name);
  }

  /** Sends a test at once, and says what became of it. Throws `webhook_unknown`. */
  async test(name: string): Promise<Posted> {
    const at = this.now();
    const id = `evt_${this.options.hub}_test_${at}`;
    return this.send(this.find(name), { id, type: 'test', at, data: { webhook: name } });
  }

  // ---- what the hub tells that is in no ledger ----

  /** Adds a note; durable when it returns. */
  private noted(
    type: 'device.gone' | 'alert',
    data: HookEvent['data'],
    payee?: string,
  ): FileState['notes'][number] {
    const number = this.file.nextNote;
    return { number, type, at: this.now(), ...(payee !== undefined && { payee }), data };
  }

  private addNote(note: FileState['notes'][number], change: Partial<FileState> = {}): void {
    const notes = [...this.file.notes, note].slice(-hookNotesMax);
    const first = notes[0]!.number;
    const hooks = this.file.hooks.map((hook) =>
      hook.note >= first ? hook : { ...hook, note: first, lost: hook.lost + first - hook.note },
    );
    this.store({ ...change, notes, hooks, nextNote: note.number + 1 });
    for (const pump of this.pumps.values()) pump.wake();
  }

  /** Something is wrong, or is well again. */
  alert(name: string, words: string, ended: boolean): void {
    if (this.file.hooks.length > 0) this.addNote(this.noted('alert', { name, words, ended }));
  }

  /** Devices that are gone now: those of which it was not told yet are told, and those that came back may go again. */
  gone(
    devices: readonly {
      readonly address: string;
      readonly payee?: string | undefined;
      readonly since: number;
    }[],
  ): void {
    if (this.file.hooks.length === 0) return;
    const before = new Set(this.file.gone);
    for (const { address, payee, since } of devices) {
      if (before.has(address)) continue;
      const data = { device: address, since, ...(payee !== undefined && { payee }) };
      this.addNote(this.noted('device.gone', data, payee), { gone: [...this.file.gone, address] });
    }
    const still = new Set(devices.map(({ address }) => address));
    const gone = this.file.gone.filter((address) => still.has(address));
    if (gone.length < this.file.gone.length) this.store({ gone });
  }

  // ---- telling ----

  private startPump(name: string): void {
    if (this.stopped || this.find(name).disabled !== undefined) return;
    const pump = new Pump(
      {
        next: () => this.next(name),
        send: (event) => this.send(this.find(name), event),
        told: (pending) => this.told(name, pending),
        failed: (why) => this.failed(name, why),
        onDefect: (error) =>
          this.options.log.error({ webhook: name, ...errorFields(error) }, 'a webhook can not go on'),
      },
      this.options.time,
    );
    this.pumps.set(name, pump);
    pump.wake();
  }

  private send({ url, secrets }: HookState, { id, type, at, data }: HookEvent): Promise<Posted> {
    const now = this.now();
    const good = secrets
      .filter(({ until }) => until === undefined || until > now)
      .map(({ secret }) => secret);
    // The same for every attempt: only the headers differ.
    const body = JSON.stringify({
      id,
      type,
      timestamp: new Date(at * 1000).toISOString(),
      hub: this.options.hub,
      data,
    });
    return post(url, signedHeaders(good, id, now, body), body, this.options.rules, this.options.timeoutMs);
  }

  /** What a hook tells next; notes first, since they are few. Empty: nothing yet. */
  private async next(name: string): Promise<readonly Pending[]> {
    const hook = this.find(name);
    const wants = ({ type, payee }: Pick<HookEvent, 'type' | 'payee'>): boolean =>
      hook.events.some((one) => one === type) && (hook.payee === undefined || hook.payee === payee);
    const notes = this.file.notes.filter(({ number }) => number >= hook.note);
    if (notes.length > 0) {
      const told = notes.filter(wants).map(({ number, ...note }) => ({
        event: { ...note, id: `evt_${this.options.hub}_n${number}` },
        after: { note: number + 1 },
      }));
      if (told.length > 0) return told as Pending[];
      this.change(name, { note: this.file.nextNote });
    }
    return this.fromLedger(name, hook.cursor, wants);
  }

  private async fromLedger(
    name: string,
    start: Cursor,
    wants: (event: HookEvent) => boolean,
  ): Promise<readonly Pending[]> {
    const { hub, entry, known, size, read } = this.options;
    const sources: Sources = { hub, entry, intent: (position) => this.intentAt(position) };
    const isRecent = this.recentFrom !== undefined && start.position >= this.recentFrom;
    // What is not among the recent concerns no hook: up to there it has read.
    const end = size();
    const records = isRecent
      ? this.recent.filter(({ position }) => position >= start.position)
      : read(start.position);
    const found: Pending[] = [];
    let cursor = start;
    let looked = 0;
    for await (const { position, record } of records) {
      looked += 1;
      // What arrives has its turn, however far behind a hook is.
      if (looked % hookSliceMax === 0) await pause(this.options.time, 0);
      // The books are about to have it: then it wakes up again.
      if (record.type === 'entry' && position >= known()) {
        this.options.time.schedule(10, () => this.pumps.get(name)?.wake());
        break;
      }
      const told = position === start.position ? start.told : 0;
      const events = (await eventsOf(record, position, cursor.batches, sources)).slice(told);
      const { batches } = cursor;
      for (const [index, event] of events.entries())
        if (wants(event)) found.push({ event, after: { position, told: told + index + 1, batches } });
      cursor = { position: position + 1, told: 0, batches: batchesAfter(batches, record, position) };
      if (found.length >= hookSliceMax) break;
    }
    const isThrough =
      isRecent && cursor.position < end && !this.recent.some(({ position }) => position >= cursor.position);
    if (isThrough) cursor = { ...cursor, position: end };
    const last = found.at(-1);
    if (last !== undefined) return [...found.slice(0, -1), { ...last, after: cursor }];
    if (cursor.position !== start.position) this.change(name, { cursor });
    return [];
  }

  private async intentAt(position: number): Promise<RecordOf<'batchIntent'> | undefined> {
    const near = this.recent.find((one) => one.position === position);
    if (near !== undefined) return near.record as RecordOf<'batchIntent'>;
    for await (const { record } of this.options.read(position))
      return record.type === 'batchIntent' ? record : undefined;
    return undefined;
  }

  private told(name: string, { after }: Pending): void {
    const at = 'note' in after ? { note: after.note } : { cursor: after };
    this.change(name, { ...at, toldAt: this.now(), failing: undefined });
  }

  /** An attempt failed: how often in a row by now; undefined when it was disabled by that. */
  private failed(name: string, { trouble, gone }: Extract<Posted, { ok: false }>): number | undefined {
    const now = this.now();
    const before = this.find(name).failing;
    const since = before?.since ?? now;
    const failing = { since, attempts: (before?.attempts ?? 0) + 1, trouble };
    if (!gone && (now - since < hookPatience.seconds || failing.attempts < hookPatience.attempts)) {
      this.change(name, { failing });
      if (before === undefined)
        this.options.log.warn({ webhook: name, trouble }, 'a webhook can not be told');
      return failing.attempts;
    }
    const why = gone ? 'its receiver wants no more (410)' : trouble;
    this.change(name, { failing, disabled: { at: now, why } });
    this.save();
    this.options.log.error({ webhook: name, why }, 'a webhook was disabled');
    this.options.onDisabled?.(name, why);
    return undefined;
  }

  // ---- the file ----

  private now(): number {
    return Math.floor(this.options.time.nowMs() / 1000);
  }

  /** Changes one in memory; the file has it within hookStoreMs. */
  private change(name: string, change: Partial<HookState>): void {
    const hooks = this.file.hooks.map((hook) => (hook.name === name ? { ...hook, ...change } : hook));
    this.file = { ...this.file, hooks, notes: this.waiting(hooks) };
    if (this.cancelStore === undefined && !this.stopped)
      this.cancelStore = this.options.time.schedule(hookStoreMs, () => this.save());
  }

  /** Notes that somebody has not been told. */
  private waiting(hooks: readonly HookState[]): FileState['notes'] {
    const first = Math.min(...hooks.map(({ note }) => note));
    return this.file.notes.filter(({ number }) => number >= first);
  }

  private store(change: Partial<FileState>): void {
    this.file = { ...this.file, ...change };
    this.save();
  }

  private save(): void {
    this.cancelStore?.();
    this.cancelStore = undefined;
    try {
      writeDurably(this.path, `${JSON.stringify(this.file)}\n`);
    } catch (error) {
      // Told again after a start, at worst; the disk's own trouble is told by the ledger.
      this.options.log.error(errorFields(error), 'webhooks.json could not be written');
    }
  }

  /** Stops telling; what was under way may be told again after the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    const all = [...this.pumps.values()];
    for (const pump of all) pump.stop();
    await Promise.all(all.map((pump) => pump.ended));
    if (this.cancelStore !== undefined) this.save();
  }
}

/** What a pump does. */
interface PumpActs {
  next(): Promise<readonly Pending[]>;
  send(event: HookEvent): Promise<Posted>;
  told(pending: Pending): void;
  failed(why: Extract<Posted, { ok: false }>): number | undefined;
  onDefect(error: unknown): void;
}

/** Tells one receiver, one event after the other: the next only when it has the one before. */
class Pump {
  private readonly acts: PumpActs;
  private readonly time: Time;
  private stopped = false;
  private isWoken = false;
  private cancel: (() => void) | undefined;
  private running: Promise<void> | undefined;
  /** When it tries again, seconds; undefined while nothing fails. */
  nextAt: number | undefined;

  constructor(acts: PumpActs, time: Time) {
    this.acts = acts;
    this.time = time;
  }

  get ended(): Promise<void> {
    return this.running ?? Promise.resolve();
  }

  /** There may be something to tell. */
  wake(): void {
    this.isWoken = true;
    if (this.running !== undefined || this.stopped || this.cancel !== undefined) return;
    this.running = this.run()
      .catch((error: unknown) => {
        this.acts.onDefect(error);
        this.again(hookRetryMs.last);
      })
      .finally(() => {
        this.running = undefined;
        if (this.isWoken) this.wake();
      });
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
  }

  private again(afterMs: number): void {
    if (this.stopped) return;
    this.nextAt = Math.ceil((this.time.nowMs() + afterMs) / 1000);
    this.cancel = this.time.schedule(afterMs, () => {
      this.cancel = undefined;
      this.nextAt = undefined;
      this.wake();
    });
  }

  private async run(): Promise<void> {
    while (this.isWoken && !this.stopped) {
      this.isWoken = false;
      for (const pending of await this.acts.next()) {
        this.isWoken = true;
        if (this.stopped) return;
        const posted = await this.acts.send(pending.event);
        // Stopped meanwhile: whoever has it may get it again.
        if (this.stopped) return;
        if (posted.ok) {
          this.acts.told(pending);
          continue;
        }
        const attempts = this.acts.failed(posted);
        if (attempts === undefined) this.stop();
        else this.again(Math.min(hookRetryMs.first * 2 ** Math.min(attempts - 1, 20), hookRetryMs.last));
        return;
      }
    }
  }
}
