/**
 * All transitions of a walk. A row is [payer, terminals..., hub, vault, what payees were promised..., messages sent...]: numbers
 * of local states, and one bit a message, since a message that was sent once may arrive never, once, or again, at any
 * time. Loss and order need no transitions of their own.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import type { Outcome } from './actors/device.ts';
import { type Handed, type HubLocal, HubTable } from './actors/hub.ts';
import { awaitedByPayer, payerResolved, payerTable, type PayerTable, SEED, takes } from './actors/payer.ts';
import { ownEvents, type TerminalTable, terminalTable, tickPlace, uploads } from './actors/terminal.ts';
import { exitMayEnd, type Stages, VaultTable } from './actors/vault.ts';
import type { Config } from './config.ts';
import { type Drop, watched } from './drops.ts';
import { Ledgers } from './ledgers.ts';
import { Scene } from './scene.ts';
import { canonical, Interner } from './space.ts';

/** Messages that one walk may hold: 32 a word. */
const MESSAGE_WORDS = 24;
const MESSAGES_MAX = 32 * MESSAGE_WORDS;

/** Keys of events that are no messages; a message's own number is its key. */
const KEY = {
  leave: 1000,
  cut: 1001,
  meet: 1010,
  own: 1100,
  expire: 1200,
  opened: 4000,
  acknowledged: 2000,
  answered: 3000,
} as const;

export type Emit = (name: () => string, row: Int32Array) => void;

export class World {
  readonly scene: Scene;
  readonly payer: PayerTable;
  readonly terminals: readonly TerminalTable[];
  readonly hub: HubTable;
  readonly vault: VaultTable;
  readonly first: Int32Array;
  /** Places in a row. */
  readonly hubAt: number;
  readonly vaultAt: number;
  readonly promisedAt: number;
  readonly sentAt: number;
  private readonly config: Config;
  readonly drop: Drop;
  /** How often something went otherwise than the dropped rule asks for. */
  broke = 0;
  private readonly bytes = new Interner<Uint8Array>();
  private readonly ids = new Interner<string>();
  private readonly owned = new Map<string, ReturnType<typeof ownEvents>>();
  private readonly handed = new Map<string, readonly Handed[]>();
  private readonly awaits = new Map<number, readonly string[]>();
  private readonly scratch: Int32Array;

  /** What was handed in, when devices are walked without the hub; see ledgers.ts. */
  readonly ledgers: Ledgers | undefined;

  /** `apart`: hub and L2 take no part in the interleavings of the devices, if no device can tell what they do. */
  constructor(config: Config, drop: Drop, apart = false) {
    this.config = config;
    this.drop = watched(drop, () => this.noteBreak());
    this.scene = new Scene(config);
    const payer = payerTable(this.scene, this.drop);
    const terminals = config.terminals.map((_, index) => terminalTable(this.scene, index, this.drop));
    this.payer = payer.table;
    this.terminals = terminals.map(({ table }) => table);
    this.hub = new HubTable(this.scene, drop.transportAcknowledges === true);
    this.vault = new VaultTable(this.scene);
    this.hubAt = 1 + terminals.length;
    this.vaultAt = this.hubAt + 1;
    this.promisedAt = this.vaultAt + 1;
    this.sentAt = this.promisedAt + 2;
    this.first = new Int32Array(this.sentAt + MESSAGE_WORDS);
    this.first[0] = payer.first;
    terminals.forEach(({ first }, index) => {
      this.first[1 + index] = first;
    });
    this.first[this.hubAt] = this.hub.first();
    this.first[this.vaultAt] = this.vault.first();
    this.scratch = new Int32Array(this.first.length);
    if (apart && devicesAreAlone(config, drop)) this.ledgers = new Ledgers(config, this.hub, this.vault);
  }

  noteBreak(): void {
    this.broke += 1;
  }

  /** Every row that one step leads to. `emit` gets a row that it must copy to keep. */
  next(row: Int32Array, emit: Emit): void {
    if (this.ledgers !== undefined) return this.nextOfDevices(row, this.ledgers, emit);
    this.payerSteps(row, emit);
    for (let t = 0; t < this.terminals.length; t++) {
      this.terminalSteps(row, t, emit);
      this.acknowledgements(row, t, emit);
    }
    this.hubSteps(row, emit);
    if (this.config.exit || this.config.carry) this.vaultSteps(row, emit);
  }

  /** The same where no device can tell what hub and L2 do: what was stored is handed in before anything else happens. */
  private nextOfDevices(row: Int32Array, ledgers: Ledgers, emit: Emit): void {
    // An acknowledgement that is late comes before the next one; it must clear nothing that is newer.
    for (let t = 0; t < this.terminals.length; t++) this.acknowledgements(row, t, emit);
    const after = this.handIn(row, ledgers);
    if (after !== undefined)
      return emit(() => 'what is stored is handed in, written and acknowledged', after);
    this.payerSteps(row, emit);
    for (let t = 0; t < this.terminals.length; t++) this.terminalSteps(row, t, emit);
    if (this.config.exit) this.leave(row, emit);
  }

  private copy(row: Int32Array): Int32Array {
    this.scratch.set(row);
    return this.scratch;
  }

  /** Applies an outcome of a device to a row: its new state, what it sent, what it promised. */
  private apply(row: Int32Array, at: number, { next, emits }: Outcome): Int32Array {
    const after = this.copy(row);
    after[at] = next;
    for (const number of emits) this.markSent(after, number);
    return after;
  }

  markSent(row: Int32Array, number: number): void {
    if (number >= MESSAGES_MAX) throw new RangeError(`more than ${MESSAGES_MAX} messages in one walk`);
    row[this.sentAt + (number >> 5)]! |= 1 << (number & 31);
    const { promise } = this.scene.sent.values[number]!;
    if (promise !== undefined) {
      const at = this.promisedAt + promise.payee;
      if (promise.top > row[at]!) row[at] = promise.top;
    }
  }

  private each(row: Int32Array, visit: (message: number) => void): void {
    for (let word = 0; word < MESSAGE_WORDS; word++) {
      let bits = row[this.sentAt + word]!;
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        visit(32 * word + bit);
      }
    }
  }

  private emitOutcomes(
    row: Int32Array,
    at: number,
    outcomes: readonly Outcome[],
    name: string,
    emit: Emit,
  ): void {
    for (const outcome of outcomes) {
      const { cutAfter } = outcome;
      const told = () => (cutAfter < 0 ? name : `${name}, POWER CUT after ${cutAfter} of its effects`);
      emit(told, this.apply(row, at, outcome));
    }
  }

  // ---- payer ----

  private payerSteps(row: Int32Array, emit: Emit): void {
    const number = row[0]!;
    this.each(row, (message) => {
      const name = `payer gets ${this.scene.sent.values[message]!.name}`;
      this.emitOutcomes(row, 0, this.payerGets(number, message), name, emit);
    });
    for (let t = 0; t < this.terminals.length; t++)
      this.emitOutcomes(row, 0, this.payerMeets(number, t), `payer meets terminal ${t}`, emit);
    const left = this.payer.outcomes(number, KEY.leave, () => ({ type: 'linkDown' }));
    this.emitOutcomes(row, 0, left, 'payer leaves', emit);
    if (this.config.payerHub) this.payerAtHub(row, emit);
    emit(
      () => 'POWER CUT of the payer',
      this.apply(row, 0, { next: this.payer.cut(number), emits: [], cutAfter: 0 }),
    );
  }

  payerGets(number: number, message: number): readonly Outcome[] {
    const sent = this.scene.sent.values[message]!;
    if (sent.byPayer) return [];
    if (
      sent.request !== undefined &&
      !takes(this.payer.local(number), sent.request, this.config.repeats ?? 1)
    )
      return [];
    return this.payer.outcomes(number, message, () => ({
      type: 'message',
      message: sent.message,
      random: SEED,
    }));
  }

  payerMeets(number: number, terminal: number): readonly Outcome[] {
    const message = this.scene.certificate(terminal);
    return this.payer.outcomes(number, KEY.meet + terminal, () => ({ type: 'message', message }));
  }

  private payerAtHub(row: Int32Array, emit: Emit): void {
    for (const id of this.awaited(row[0]!))
      this.emitOutcomes(row, 0, this.payerAsks(row, id), 'payer gets an answer of the hub', emit);
  }

  /** The hub answers the payer's question for an entry. That it has none matters only to terminals that forget. */
  payerAsks(row: Int32Array, id: string): readonly Outcome[] {
    const message = this.hub.answer(row[this.hubAt]!, id);
    if (message === undefined || (message.type === 'unknown' && !this.config.evicts)) return [];
    const text = canonical(message);
    const key = KEY.answered + this.ids.number(text, () => text);
    return this.payer.outcomes(row[0]!, key, () => ({ type: 'hubMessage', message }));
  }

  awaited(number: number): readonly string[] {
    let found = this.awaits.get(number);
    if (found === undefined) {
      found = awaitedByPayer(this.scene, this.payer.local(number).state);
      this.awaits.set(number, found);
    }
    return found;
  }

  // ---- terminals ----

  private terminalSteps(row: Int32Array, t: number, emit: Emit): void {
    const at = 1 + t;
    const number = row[at]!;
    const table = this.terminals[t]!;
    this.each(row, (message) => {
      const name = `terminal ${t} gets ${this.scene.sent.values[message]!.name}`;
      this.emitOutcomes(row, at, this.terminalGets(t, number, message), name, emit);
    });
    this.ownEvents(t, number).forEach((event, index) => {
      const outcomes = table.outcomes(number, KEY.own + index, () => event);
      this.emitOutcomes(row, at, outcomes, `terminal ${t}: ${event.type}`, emit);
    });
    const { ghost } = table.local(number);
    if (this.config.expiry && !ghost.expired) this.expire(row, emit);
    emit(
      () => `POWER CUT of terminal ${t}`,
      this.apply(row, at, { next: table.cut(number), emits: [], cutAfter: 0 }),
    );
  }

  terminalGets(t: number, number: number, message: number): readonly Outcome[] {
    const sent = this.scene.sent.values[message]!;
    if (!sent.byPayer) return [];
    const table = this.terminals[t]!;
    const outcomes = table.outcomes(number, message, () => ({ type: 'message', message: sent.message }));
    const { resolving } = sent;
    if (resolving === undefined) return outcomes;
    const opened = table.outcomes(number, KEY.opened + message, () => ({
      type: 'message',
      message: resolving,
    }));
    return outcomes.length === 0 ? opened : [...outcomes, ...opened];
  }

  ownEvents(t: number, number: number): ReturnType<typeof ownEvents> {
    const key = `${t}:${number}`;
    let found = this.owned.get(key);
    if (found === undefined) {
      const { state, ghost } = this.terminals[t]!.local(number);
      found = ownEvents(this.scene, t, state, ghost);
      this.owned.set(key, found);
    }
    return found;
  }

  own(t: number, number: number, index: number): readonly Outcome[] {
    return this.terminals[t]!.outcomes(number, KEY.own + index, () => this.ownEvents(t, number)[index]!);
  }

  /** All leases run out at one moment. */
  private expire(row: Int32Array, emit: Emit): void {
    const after = Int32Array.from(row);
    this.terminals.forEach((table, index) => {
      const [outcome] = table.outcomes(after[1 + index]!, KEY.expire, () => ({ type: 'expire' }));
      if (outcome !== undefined) after[1 + index] = outcome.next;
    });
    emit(() => 'leases run out', after);
  }

  private acknowledgements(row: Int32Array, t: number, emit: Emit): void {
    this.acknowledged(row, t, (outcomes) =>
      this.emitOutcomes(row, 1 + t, outcomes, `terminal ${t} gets an acknowledgement`, emit),
    );
  }

  /** Outcomes of each acknowledgement that the hub has for what stands in the outbox, and of late ones. */
  acknowledged(row: Int32Array, t: number, visit: (outcomes: readonly Outcome[]) => void): void {
    const number = row[1 + t]!;
    const { durable, arrived, ticks } = this.hub.local(row[this.hubAt]!);
    const acknowledges = this.drop.transportAcknowledges ? arrived : durable;
    for (const { id, place } of this.uploads(t, number)) {
      if (acknowledges.has(id) && !durable.has(id)) this.noteBreak();
      if (acknowledges.has(id)) visit(this.acknowledgement(t, number, id, durable.get(id) ?? 0, []));
      for (const tick of ticks)
        if (place.name === tickPlace(tick.stream) && place.rank > tick.k)
          visit(this.acknowledgement(t, number, toHex(tick.entry), 0, [tick]));
    }
  }

  private acknowledgement(
    t: number,
    number: number,
    id: string,
    at: number,
    late: HubLocal['ticks'],
  ): readonly Outcome[] {
    const position = this.config.evicts ? at : 0;
    const text = `${id}@${position}`;
    const key = KEY.acknowledged + this.ids.number(text, () => text);
    return this.terminals[t]!.outcomes(number, key, () => {
      const message = this.scene.acknowledgement(fromHex(id), position);
      return { type: 'acknowledged', message, late };
    });
  }

  // ---- hub ----

  /** What a terminal would upload, with the number of its bytes. */
  uploads(t: number, number: number): readonly Handed[] {
    const key = `${t}:${number}`;
    let found = this.handed.get(key);
    if (found === undefined) {
      found = uploads(this.scene, t, this.terminals[t]!.local(number).state).map((upload) => ({
        ...upload,
        number: this.bytes.number(toHex(upload.bytes), () => upload.bytes),
      }));
      this.handed.set(key, found);
    }
    return found;
  }

  /** The row once the hub has written and acknowledged what the terminals hold; undefined when that changes nothing. */
  private handIn(row: Int32Array, ledgers: Ledgers): Int32Array | undefined {
    const all = this.terminals.flatMap((_, t) => this.uploads(t, row[1 + t]!));
    if (all.length === 0) return undefined;
    const after = this.copy(row);
    after[this.hubAt] = ledgers.handIn(row[this.hubAt]!, all);
    this.takeAcknowledgements(after);
    return after.every((word, index) => word === row[index]) ? undefined : after;
  }

  /** Every terminal takes every acknowledgement that the hub has for it, uncut. */
  takeAcknowledgements(row: Int32Array): void {
    for (let t = 0; t < this.terminals.length; t++) {
      for (;;) {
        const before = row[1 + t]!;
        this.acknowledged(row, t, (outcomes) => {
          const whole = outcomes.find(({ cutAfter }) => cutAfter < 0);
          if (row[1 + t] === before && whole !== undefined) row[1 + t] = whole.next;
        });
        if (row[1 + t] === before) break;
      }
    }
  }

  private hubSteps(row: Int32Array, emit: Emit): void {
    const { hubAt } = this;
    const number = row[hubAt]!;
    const { durable, ram, inRam } = this.hub.local(number);
    const become = (next: number, name: string): void => {
      if (next === number) return;
      const after = this.copy(row);
      after[hubAt] = next;
      emit(() => name, after);
    };
    for (let t = 0; t < this.terminals.length; t++)
      for (const upload of this.uploads(t, row[1 + t]!)) {
        if (durable.has(upload.id) || ram.has(upload.id)) continue;
        const received = this.hub.receive(number, upload);
        become(
          this.config.hubAtomic ? this.hub.fsync(received) : received,
          `hub receives from terminal ${t}`,
        );
      }
    if (inRam.length === 0) return;
    become(this.hub.fsync(number), 'hub writes');
    become(this.hub.cut(number), 'POWER CUT of the hub');
  }

  // ---- L2 ----

  private vaultSteps(row: Int32Array, emit: Emit): void {
    const number = row[this.vaultAt]!;
    const { phase } = this.vault.local(number);
    if (phase === 'left') return;
    const become = (next: number, name: string): void => {
      if (next === number) return;
      const after = this.copy(row);
      after[this.vaultAt] = next;
      emit(() => name, after);
    };
    const settled = this.vault.settle(number, this.hub.durableBooks(row[this.hubAt]!));
    become(settled, 'the vault settles');
    if (this.config.carry)
      this.each(row, (message) => {
        const { voucher, name } = this.scene.sent.values[message]!;
        if (voucher !== undefined) become(this.vault.carry(number, voucher), `a stranger carries ${name}`);
      });
    if (!this.config.exit) return;
    if (phase === 'open') return become(this.vault.step(number, 'exit'), 'the owner asks to leave');
    const stages = this.stages(row, settled === number);
    const mayLeave = exitMayEnd(this.drop.timing ?? DEFAULT_TIMING, stages);
    if (mayLeave && !exitMayEnd(DEFAULT_TIMING, stages)) this.noteBreak();
    if (mayLeave) become(this.vault.step(number, 'final'), 'the owner leaves with the rest');
  }

  /** What of an exit's delay is over. */
  private stages(row: Int32Array, isSettled: boolean): Stages {
    const locals = this.terminals.map((table, t) => table.local(row[1 + t]!));
    const leasesOver = locals.every(({ ghost }) => ghost.expired);
    const stored = locals.every(({ state }) => state.books.outbox.length === 0);
    const handedIn = leasesOver && stored && this.hub.local(row[this.hubAt]!).inRam.length === 0;
    return { leasesOver, handedIn, settled: handedIn && isSettled };
  }

  /** The owner asks, all is settled, the owner leaves: what happens in between nobody in this walk sees. */
  private leave(row: Int32Array, emit: Emit): void {
    const number = row[this.vaultAt]!;
    if (this.vault.local(number).phase === 'left') return;
    if (!exitMayEnd(DEFAULT_TIMING, this.stages(row, true))) return;
    const books = this.hub.durableBooks(row[this.hubAt]!);
    const after = this.copy(row);
    after[this.vaultAt] = this.vault.step(this.vault.settle(this.vault.step(number, 'exit'), books), 'final');
    emit(() => 'the owner asks to leave, all is settled, the owner leaves with the rest', after);
  }

  /** What some state of some terminal shows. */
  reached(): { approved: boolean; voided: boolean; lateTick: boolean; forgot: boolean; left: boolean } {
    const locals = this.terminals.flatMap((table) => table.locals.values);
    return {
      approved: locals.some(({ ghost }) => ghost.approved > 0),
      voided: locals.some(({ state }) => state.books.lanes[0]?.answer === 'credit'),
      forgot: locals.some(({ state }) => state.books.lanes.length === 0 && state.books.evictedAt > 0),
      left: this.vault.locals.values.some(
        ({ phase, settled }) => phase === 'left' && settled.some((sum) => sum > 0),
      ),
      lateTick: locals.some(({ ghost }) => Object.values(ghost.streams).some(({ late }) => late > 0)),
    };
  }

  /** Nothing waits for anything any more. */
  resolved(row: Int32Array): boolean {
    if (this.hub.local(row[this.hubAt]!).inRam.length > 0) return false;
    if (!payerResolved(this.payer.local(row[0]!).state)) return false;
    return this.terminals.every((table, t) => {
      const { books, volatile } = table.local(row[1 + t]!).state;
      const owes = books.lanes.some(({ owed, credited }) => owed > credited);
      return books.outbox.length === 0 && (volatile.session?.delivering ?? 0) === 0 && !owes;
    });
  }
}

/**
 * No device can tell what hub and L2 do, beyond that what it stored is acknowledged at some time: then these need not take
 * part in the interleavings of the devices. The README says why that loses nothing.
 */
function devicesAreAlone({ payerHub, carry, evicts }: Config, drop: Drop): boolean {
  const heard = payerHub === true || evicts === true || drop.transportAcknowledges === true;
  return !heard && carry !== true && drop.timing === undefined;
}
