/**
 * The intake of a hub that has several workers. Each of them follows the one log, so its books are those of all; and each
 * decides by turns: what came meanwhile is decided at once by the books as they are, and appended with one call, which
 * takes it only if nobody else has changed since what it was decided by. Otherwise the worker reads on and decides again:
 * a step is pure, so nothing has happened yet. Nothing is answered before its records are durable, and nothing refused
 * before the worker has looked what the others wrote meanwhile.
 *
 * Records of others that came to stand before a turn's own are about something else. They are put before them in the
 * books, too, so that these are always what a replay of the log gives.
 */
import { SundialError } from '../../protocol/errors.ts';
import { type IntakeHost, IntakeRuntime } from '../intake/runtime.ts';
import type { IntakeContext, IntakeEffect, IntakeEvent, IntakeState } from '../intake/state.ts';
import { decodeRecord, encodeRecord, type HubRecord } from '../ledger/records.ts';
import { groupBytesMax, sharedReadRecords, turnAttemptsMax, turnMessagesMax } from '../limits.ts';
import type { Fence, SharedStore, Verdict } from '../ports.ts';
import { lostRecord, type SharedLedger } from './ledger.ts';
import { SETTLING, subjectsOf } from './subjects.ts';

/** What it runs over, beside what any intake runs over. */
export interface SharedHost extends IntakeHost {
  readonly store: SharedStore;
  /** The ledger as the journal has it: told how long it is and whether the store answers. */
  readonly ledger: SharedLedger;
  /** Takes what others changed of the registry, by events of the intake; resolves with whether there was anything. */
  followRegistry(take: (event: IntakeEvent) => void): Promise<boolean>;
  /** A record of somebody else's counts from here on. */
  followed(record: HubRecord, position: number): void;
}

/** What has to wait for its turn: an event that may lead to records, a record that was decided elsewhere, or a look. */
type Waiting = { readonly done: (error?: unknown) => void } & (
  | { readonly type: 'event'; readonly event: IntakeEvent }
  | {
      readonly type: 'record';
      readonly record: HubRecord;
      readonly fence: Fence;
      readonly appended: (position: number) => void;
    }
  | { readonly type: 'look' }
);

/** A record, its bytes and where it stands. */
interface Placed {
  readonly record: HubRecord;
  readonly bytes: Uint8Array;
  readonly position: number;
}

/** The intake's runtime over a store that others write, too. */
export class SharedIntake extends IntakeRuntime {
  private readonly shared: SharedHost;
  private queue: Waiting[] = [];
  private running: Promise<void> | undefined;
  /** While a turn is under way nothing else changes the state: this comes afterwards. */
  private later: (() => void)[] = [];

  constructor(context: IntakeContext, host: SharedHost) {
    super(context, host);
    this.shared = host;
  }

  override handle(event: IntakeEvent): Promise<void> {
    if (mayDecide(event)) return this.inTurn((done) => ({ type: 'event', event, done }));
    if (this.running === undefined) return super.handle(event);
    return new Promise((resolve) => this.later.push(() => void super.handle(event).then(resolve)));
  }

  /** Reads what others wrote until now. Rejects with `ledger_unavailable`. */
  follow(): Promise<void> {
    return this.inTurn((done) => ({ type: 'look', done }));
  }

  /**
   * Appends what was decided by all settlements so far, while the lease is held; resolves with its position. Rejects with
   * `ledger_moved` when there was another one, with `not_elected` when the lease is lost, and as a ledger does.
   */
  async append(record: HubRecord, fence: Fence): Promise<number> {
    let position = -1;
    await this.inTurn((done) => ({
      type: 'record',
      record,
      fence,
      appended: (at) => {
        position = at;
      },
      done,
    }));
    return position;
  }

  private inTurn(waiting: (done: (error?: unknown) => void) => Waiting): Promise<void> {
    return new Promise((resolve, reject) => {
      this.queue.push(waiting((error) => (error === undefined ? resolve() : reject(error))));
      this.running ??= this.turns();
    });
  }

  private async turns(): Promise<void> {
    // One microtask later, so that all that came in one turn of the event loop is decided together.
    await undefined;
    while (this.queue.length > 0) {
      const [first] = this.queue;
      if (first!.type === 'event') await this.decide(this.takeEvents());
      else await this.takeOne(this.queue.shift()!);
      for (const action of this.later.splice(0)) action();
    }
    // In the same turn of the event loop as the last look at what waits.
    this.running = undefined;
  }

  private takeEvents(): (Waiting & { type: 'event' })[] {
    const taken: (Waiting & { type: 'event' })[] = [];
    let bytes = 0;
    while (taken.length < turnMessagesMax) {
      const [next] = this.queue;
      if (next?.type !== 'event') break;
      bytes += next.event.type === 'message' ? next.event.bytes.length : 0;
      if (taken.length > 0 && bytes > groupBytesMax) break;
      taken.push(next);
      this.queue.shift();
    }
    return taken;
  }

  private async takeOne(waiting: Waiting): Promise<void> {
    try {
      if (waiting.type === 'look') await this.readOn();
      else if (waiting.type === 'record')
        waiting.appended(await this.appendOne(waiting.record, waiting.fence));
      waiting.done();
    } catch (error) {
      waiting.done(error);
    }
  }

  // ---- a turn ----

  private async decide(waiting: readonly (Waiting & { type: 'event' })[]): Promise<void> {
    let effects: readonly IntakeEffect[];
    try {
      effects = await this.decided(waiting.map(({ event }) => event));
    } catch (error) {
      // A record that can't be read, or a mistake: whoever goes on may answer wrongly.
      this.host.fatal(error);
      effects = [];
    }
    const told = (error?: unknown): void => {
      for (const { done } of waiting) done(error);
    };
    // Answers go out while the next turn is decided.
    void this.carryOut(effects).then(() => told(), told);
  }

  /** Decides these events for good, and resolves with what is to be done about them now that it is durable. */
  private async decided(events: readonly IntakeEvent[]): Promise<readonly IntakeEffect[]> {
    let hasLooked = false;
    for (let attempt = 1; ; attempt += 1) {
      const base = this.state;
      let state = base;
      const effects: IntakeEffect[] = [];
      const records: HubRecord[] = [];
      for (const event of events) {
        const step = this.stepped(state, event);
        state = step.state;
        for (const effect of step.effects)
          if (effect.type === 'persist') records.push(effect.record);
          else effects.push(effect);
      }
      if (!hasLooked && effects.some(isDenial)) {
        hasLooked = true;
        // Who can't look says no by what it knows: that may be late, and is never wrong about what is there.
        if (await this.readOn().catch(() => false)) continue;
      }
      if (records.length === 0) {
        this.state = state;
        return effects;
      }
      const bytes = records.map(encodeRecord);
      const subjects = subjectsOf(state.books, records);
      const verdict = await this.propose({ records: bytes, subjects, size: base.size });
      if (typeof verdict === 'object') {
        const others = await this.between(base.size, verdict.first);
        if (others !== undefined)
          return [...effects, ...this.land(state, others, placed(records, bytes, verdict.first))];
      } else if (verdict === 'moved' && attempt < turnAttemptsMax) {
        if (
          await this.readOn().then(
            () => true,
            () => false,
          )
        )
          continue;
      }
      return [...effects, ...this.failed(state, base)];
    }
  }

  /** The verdict; undefined when nobody knows what became of it. */
  private async propose(proposal: Parameters<SharedStore['append']>[1]): Promise<Verdict | undefined> {
    const { store, ledger, metrics } = this.shared;
    const done = metrics.persistSeconds.startTimer();
    try {
      const verdict = await store.append('ledger', proposal);
      ledger.tell('writing');
      done();
      return verdict;
    } catch (error) {
      ledger.failed(error);
      return undefined;
    }
  }

  /** Records of others before one's own; undefined: they can't be read now. */
  private async between(from: number, to: number): Promise<readonly Placed[] | undefined> {
    const others: Placed[] = [];
    try {
      while (from + others.length < to)
        for (const placed of await this.read(from + others.length))
          if (placed.position < to) others.push(placed);
      return others;
    } catch {
      return undefined;
    }
  }

  /** What a turn decided is durable. */
  private land(
    state: IntakeState,
    others: readonly Placed[],
    own: readonly Placed[],
  ): readonly IntakeEffect[] {
    const first = own[0]!.position;
    const step = this.stepped(state, {
      type: 'landed',
      others: others.map(({ record }) => record),
      own: own.map(({ record }) => record),
      first,
    });
    this.state = step.state;
    for (const one of others) this.took(one, true);
    for (const one of own) this.took(one, false);
    this.grown();
    return step.effects;
  }

  /**
   * Nothing was written, or it is not known: devices send again, and what did come into the log is then found there. The
   * books are as before the turn.
   */
  private failed(state: IntakeState, { nextToken }: IntakeState): readonly IntakeEffect[] {
    const step = this.stepped(state, { type: 'persistFailed', token: nextToken, code: 'storage_failed' });
    this.state = { ...step.state, nextToken };
    return step.effects;
  }

  private async appendOne(record: HubRecord, fence: Fence): Promise<number> {
    const base = this.state;
    const bytes = encodeRecord(record);
    const { store, ledger } = this.shared;
    let verdict: Verdict;
    try {
      verdict = await store.append('ledger', {
        records: [bytes],
        subjects: [SETTLING],
        size: base.size,
        fence,
      });
    } catch (error) {
      ledger.failed(error);
      throw error;
    }
    if (typeof verdict === 'string') {
      await this.readOn();
      throw verdict === 'moved' ? moved() : notElected();
    }
    const others = await this.between(base.size, verdict.first);
    if (others === undefined) throw moved();
    this.land(base, others, [{ record, bytes, position: verdict.first }]);
    return verdict.first;
  }

  // ---- what others wrote ----

  /** Reads all that is there; resolves with whether there was anything. */
  private async readOn(): Promise<boolean> {
    let isNew = await this.shared.followRegistry((event) => {
      this.state = this.stepped(this.state, event).state;
    });
    for (;;) {
      const records = await this.read(this.state.size);
      for (const one of records) {
        const { record, position } = one;
        const step = this.stepped(this.state, { type: 'replayed', record, position });
        this.state = step.state;
        this.took(one, true);
      }
      if (records.length > 0) isNew = true;
      if (records.length > 0) this.grown();
      if (records.length < sharedReadRecords) return isNew;
    }
  }

  /** Damage, or a store that is away, the ledger is told: it says what becomes of the hub. */
  private async read(from: number): Promise<readonly Placed[]> {
    const { store, ledger } = this.shared;
    try {
      const records = await store.read('ledger', from);
      ledger.tell('writing');
      return records.map(({ position, bytes }, index) => {
        if (position !== from + index) throw lostRecord(from + index);
        return { record: decodeRecord(bytes, position), bytes, position };
      });
    } catch (error) {
      ledger.failed(error);
      throw error;
    }
  }

  private took({ record, bytes, position }: Placed, isOthers: boolean): void {
    this.host.journal.took(record, bytes, position);
    if (isOthers) this.shared.followed(record, position);
  }

  private grown(): void {
    const { size } = this.state;
    this.shared.ledger.size = size;
    this.host.metrics.ledgerSize.set(size);
    this.watchRoom();
    this.host.durable?.();
  }
}

const placed = (records: readonly HubRecord[], bytes: readonly Uint8Array[], first: number): Placed[] =>
  records.map((record, index) => ({ record, bytes: bytes[index]!, position: first + index }));

/** Can it lead to records? */
const mayDecide = ({ type }: IntakeEvent): boolean =>
  type === 'message' || type === 'revoke' || type === 'recheck';

/** Says that something is not so. What the log said since may be the contrary. */
const isDenial = ({ type }: IntakeEffect): boolean => type === 'reject' || type === 'unknown';

const moved = (): SundialError =>
  new SundialError('ledger_moved', 'another worker has written about settlements meanwhile', {
    severity: 'call',
    remedy: 'Nothing to do: it is decided again by what stands there now.',
  });

/** Whoever is not elected neither watches nor settles. */
export const notElected = (): SundialError =>
  new SundialError('not_elected', 'another worker of this hub watches L2 and settles', {
    severity: 'call',
    remedy: 'Ask that one, or stop it: another worker is elected within seconds.',
  });
