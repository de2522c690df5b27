/**
 * A device as a table: (local state, event) -> outcomes. The real step function runs once an entry. An outcome is
 * the whole list of effects carried out, or the power cut after some of them: what was stored and sent by then stays,
 * all else is forgotten, and the device boots again from its books.
 */
import type { Effect } from '../../../protocol/machines/effects.ts';
import type { Message } from '../../../protocol/wire/messages.ts';
import { sameBooks } from '../../stage/compare.ts';
import { canonical, Interner } from '../space.ts';

/** What an effect leaves behind that others, or the device after a cut, can see. */
export type Trail<R> =
  | { readonly type: 'persist'; readonly record: R }
  | { readonly type: 'send'; readonly message: Message };

export interface Outcome {
  /** Number of the local state after it. */
  readonly next: number;
  /** Numbers of the messages sent. */
  readonly emits: readonly number[];
  /** The power was cut after this many stored or sent things; -1: not at all. */
  readonly cutAfter: number;
}

/**
 * Messages that travel. The others carry no money: who is there and what it holds is given from the start, and
 * refusals and cancellations may be lost, so the walk always loses them.
 */
const CARRIED: ReadonlySet<string> = new Set([
  'request',
  'streamRequest',
  'voucher',
  'stream',
  'resolveVoucher',
  'resolveStream',
  'tick',
  'tickAnswer',
  'receipt',
  'credit',
  'unknown',
]);

/** A state of one device with what the walk remembers about it beside the books. */
export interface Local<S, G> {
  readonly state: S;
  readonly ghost: G;
}

/** The same, and what goes up to the hub. */
export type Told<R> = Trail<R> | { readonly type: 'upload'; readonly message: Message };

/** The state after a step, and what it left behind. */
export interface Ran<S, T> {
  readonly state: S;
  readonly trail: readonly T[];
}

/** Carries out a step with all signatures it asks for; `sign` effects are answered at once, as the runtime does. */
export function carryOutAll<S, R, E>(
  step: (state: S, event: E) => { readonly state: S; readonly effects: readonly Effect<R>[] },
  signed: (digest: Uint8Array) => E,
  state: S,
  event: E,
): Ran<S, Told<R>> {
  const trail: Told<R>[] = [];
  const { state: after, effects } = step(state, event);
  let current = after;
  for (const effect of effects) {
    if (effect.type === 'persist' || effect.type === 'send' || effect.type === 'upload') trail.push(effect);
    else if (effect.type === 'sign') {
      const inner = carryOutAll(step, signed, current, signed(effect.digest));
      current = inner.state;
      trail.push(...inner.trail);
    }
  }
  return { state: current, trail };
}

/** The same where the hub listens in another way: without what goes up. */
export function carryOut<S, R, E>(
  ...[step, signed, state, event]: Parameters<typeof carryOutAll<S, R, E>>
): { state: S; trail: Trail<R>[] } {
  const ran = carryOutAll(step, signed, state, event);
  return { state: ran.state, trail: ran.trail.flatMap((one) => (one.type === 'upload' ? [] : [one])) };
}

/** What a machine's module says of its books. */
export interface BooksOf<B, R> {
  readonly empty: B;
  snapshot(books: B): readonly R[];
  apply(books: B, record: R): B;
}

/**
 * The books as a device reads them back from their snapshot. Throws when any field comes back as another one: the
 * walk would go on with less than the device had.
 */
export function readBack<B, R>({ empty, snapshot, apply }: BooksOf<B, R>, books: B): B {
  const read = snapshot(books).reduce(apply, empty);
  const difference = sameBooks(read, books);
  if (difference !== undefined) throw new Error(`the snapshot lost something: ${difference}`);
  return read;
}

/** What one kind of device adds to the table. */
export interface Kind<S, B, R, G, E> {
  run(state: S, event: E): { state: S; trail: Trail<R>[] };
  apply(books: B, record: R): B;
  booksOf(state: S): B;
  /** After a power cut, booted. */
  reboot(books: B): S;
  /** Fields that nothing in the walk reads, set to one value, so that states that differ only there are one. */
  normal(state: S): S;
  /** What the walk remembers after the event and the part of its trail that happened. */
  remember(ghost: G, event: E, trail: readonly Trail<R>[]): G;
  /** Number of a message that was sent; `books` as they were then. */
  emit(message: Message, books: B): number;
}

export class DeviceTable<S, B, R, G, E> {
  readonly locals = new Interner<Local<S, G>>();
  private readonly kind: Kind<S, B, R, G, E>;
  private readonly rows = new Map<number, readonly Outcome[]>();
  private readonly cuts = new Map<number, number>();

  constructor(kind: Kind<S, B, R, G, E>) {
    this.kind = kind;
  }

  number(state: S, ghost: G): number {
    const normal = this.kind.normal(state);
    return this.locals.number(`${canonical(normal)}|${canonical(ghost)}`, () => ({ state: normal, ghost }));
  }

  local(number: number): Local<S, G> {
    return this.locals.values[number]!;
  }

  /** Outcomes of an event, the uncut one first. `key` names the event: an integer below 2^20. */
  outcomes(number: number, key: number, event: () => E): readonly Outcome[] {
    const row = number * 0x10_0000 + key;
    let found = this.rows.get(row);
    if (found === undefined) {
      found = this.compute(number, event());
      this.rows.set(row, found);
    }
    return found;
  }

  private compute(number: number, event: E): readonly Outcome[] {
    const { state, ghost } = this.local(number);
    const { kind } = this;
    const { state: after, trail } = kind.run(state, event);
    const outcomes: Outcome[] = [];
    const seen = new Set<string>();
    const add = (next: number, done: readonly Trail<R>[], sentWith: B, cutAfter: number): void => {
      const emits = done.flatMap((one) =>
        one.type === 'send' && CARRIED.has(one.message.type) ? [kind.emit(one.message, sentWith)] : [],
      );
      const text = `${next}:${emits.join()}`;
      if (seen.has(text) || (next === number && emits.length === 0)) return;
      seen.add(text);
      outcomes.push({ next, emits, cutAfter });
    };
    add(this.number(after, kind.remember(ghost, event, trail)), trail, kind.booksOf(after), -1);
    let books = kind.booksOf(state);
    for (let done = 0; done < trail.length; done++) {
      if (done > 0) {
        const last = trail[done - 1]!;
        if (last.type === 'persist') books = kind.apply(books, last.record);
      }
      const part = trail.slice(0, done);
      add(this.number(kind.reboot(books), kind.remember(ghost, event, part)), part, books, done);
    }
    return outcomes;
  }

  /** The power is cut while the device does nothing. */
  cut(number: number): number {
    let found = this.cuts.get(number);
    if (found === undefined) {
      const { state, ghost } = this.local(number);
      found = this.number(this.kind.reboot(this.kind.booksOf(state)), ghost);
      this.cuts.set(number, found);
    }
    return found;
  }
}
