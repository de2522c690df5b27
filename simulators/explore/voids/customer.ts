/**
 * An honest customer at a terminal that never meets the hub: whatever it voids keeps its place. The link delivers in order
 * and breaks at any time, and everything on it is lost then; the power of either is cut between any two effects.
 *
 * V1 at most VOIDS_WAITING_MAX voids of the channel wait.
 * V2 whatever the customer signed has its answer, at once, on a link that holds: nobody is stuck until the hub comes.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { VOIDS_WAITING_MAX } from '../../../protocol/limits.ts';
import type { Outcome } from '../actors/device.ts';
import { payerResolved, payerTable, type PayerTable, SEED } from '../actors/payer.ts';
import { ownEvents, type TerminalTable, terminalTable } from '../actors/terminal.ts';
import { watched } from '../drops.ts';
import { CHANNEL, Scene, type Sent } from '../scene.ts';
import type { VoidConfig } from './config.ts';
import { NO_VOID_DROP, type VoidDrop } from './drops.ts';
import { voidsOf } from './voided.ts';
import type { World } from './walk.ts';

interface State {
  readonly payer: number;
  readonly terminal: number;
  /** Numbers of the messages on the link, the first to arrive first. */
  readonly down: readonly number[];
  readonly up: readonly number[];
  /** Where requests outlive their link: those that may come at any time. */
  readonly old: readonly number[];
}

/** Keys of events that are no messages. */
const KEY = { leave: 100_000, meet: 100_001, hello: 100_002, own: 100_100, opened: 200_000 } as const;
/** Messages of one meeting: some vouchers, and an answer for each. */
const DELIVERIES = 60;
/** Steps of the terminal's own after something arrived: at most one for each voucher that is owed. */
const OWN_STEPS = 16;

export class CustomerWorld implements World<State> {
  readonly first: State;
  readonly reached = { voided: false, full: false, approved: false };
  broke = 0;
  private readonly scene: Scene;
  private readonly payer: PayerTable;
  private readonly terminal: TerminalTable;
  private readonly drop: VoidDrop;

  constructor(config: VoidConfig, drop: VoidDrop = NO_VOID_DROP) {
    const asks = Array.from({ length: config.sales + (config.before ?? 0) }, () => ({ at: 0, amount: 1 }));
    // A request may come twice, so that what keeps it from being paid twice is in the walk.
    this.scene = new Scene({ name: config.name, terminals: [0], asks, spendLimit: 20, repeats: 2 });
    this.drop = drop;
    const broken = watched({ ...drop }, () => this.noteBreak());
    const payer = payerTable(this.scene, broken);
    const terminal = terminalTable(this.scene, 0, broken);
    this.payer = payer.table;
    this.terminal = terminal.table;
    let first = this.linked({ payer: payer.first, terminal: terminal.first, down: [], up: [], old: [] });
    for (let n = 0; n < (config.before ?? 0); n++) first = this.voidedOnce(first);
    this.first = first;
  }

  /** A sale whose voucher comes late: the terminal lost its power before it came. */
  private voidedOnce(start: State): State {
    const sold = this.whole(this.own(start.terminal)[0]!.outcomes)!;
    const signed = this.whole(this.customerGets(start.payer, sold.emits[0]!))!;
    const cut = this.terminal.cut(sold.next);
    return this.quietLink({ ...start, payer: signed.next, terminal: cut });
  }

  private noteBreak(): void {
    this.broke += 1;
  }

  key({ payer, terminal, down, up, old }: State): string {
    return `${payer} ${terminal} ${down.join()} ${up.join()} ${old.join()}`;
  }

  private sent(number: number): Sent {
    return this.scene.sent.values[number]!;
  }

  /** The link is new: whatever was on it is gone, the customer greets, and the terminal says who it is. */
  private linked(state: State): State {
    const stays = this.drop.requestsStay === true;
    const kept = stays ? state.down.filter((one) => this.sent(one).request !== undefined) : [];
    if (kept.length > 0) this.noteBreak();
    const gone = this.whole(this.payer.outcomes(state.payer, KEY.leave, () => ({ type: 'linkDown' })));
    const left = gone?.next ?? state.payer;
    const message = this.scene.certificate(0);
    const met = this.whole(this.payer.outcomes(left, KEY.meet, () => ({ type: 'message', message })));
    const { payer } = this.scene;
    const greets = { type: 'message', message: { type: 'hello', channel: CHANNEL, payer } } as const;
    const greeted = this.whole(this.terminal.outcomes(state.terminal, KEY.hello, () => greets));
    return {
      payer: met?.next ?? left,
      terminal: greeted?.next ?? state.terminal,
      down: greeted?.emits ?? [],
      up: met?.emits ?? [],
      old: [...new Set([...state.old, ...kept])].sort((a, b) => a - b),
    };
  }

  private whole(outcomes: readonly Outcome[]): Outcome | undefined {
    return outcomes.find(({ cutAfter }) => cutAfter < 0);
  }

  next(state: State, emit: (name: string, next: State) => void): void {
    const { payer, terminal, down, up, old } = state;
    const cut = (name: string, { cutAfter }: Outcome): string =>
      `${name}, POWER CUT after ${cutAfter} effects`;
    const customer = (name: string, outcomes: readonly Outcome[], rest: readonly number[]): void => {
      for (const outcome of outcomes) {
        const { next, emits, cutAfter } = outcome;
        const after = { ...state, payer: next, down: rest, up: [...up, ...emits] };
        if (cutAfter < 0) emit(name, after);
        else emit(cut(name, outcome), this.linked(after));
      }
    };
    const till = (name: string, outcomes: readonly Outcome[], rest: readonly number[]): void => {
      for (const outcome of outcomes) {
        const { next, emits, cutAfter } = outcome;
        const after = { ...state, terminal: next, down: [...down, ...emits], up: rest };
        if (cutAfter < 0) emit(name, after);
        else emit(cut(name, outcome), this.linked(after));
      }
    };
    const [toCustomer, ...downAfter] = down;
    if (toCustomer !== undefined) {
      const name = `the customer gets ${this.sent(toCustomer).name}`;
      const outcomes = this.customerGets(payer, toCustomer);
      // What changes nothing is off the link all the same.
      if (outcomes.length === 0) emit(name, { ...state, down: downAfter });
      customer(name, outcomes, downAfter);
    }
    for (const number of old)
      for (const { next, emits, cutAfter } of this.customerGets(payer, number))
        if (cutAfter < 0) {
          const rest = old.filter((other) => other !== number);
          const name = `the customer gets an old ${this.sent(number).name}`;
          emit(name, { ...state, payer: next, up: [...up, ...emits], old: rest });
        }
    const [toTill, ...upAfter] = up;
    if (toTill !== undefined) {
      const name = `the terminal gets ${this.sent(toTill).name}`;
      const outcomes = this.tillGets(terminal, toTill);
      if (outcomes.length === 0) emit(name, { ...state, up: upAfter });
      till(name, outcomes, upAfter);
    }
    this.own(terminal).forEach(({ name, outcomes }) => {
      till(name, outcomes, up);
    });
    emit('the link breaks, and there is a new one', this.linked(state));
    emit('POWER CUT of the customer', this.linked({ ...state, payer: this.payer.cut(payer) }));
    emit('POWER CUT of the terminal', this.linked({ ...state, terminal: this.terminal.cut(terminal) }));
  }

  private customerGets(payer: number, number: number): readonly Outcome[] {
    const { message } = this.sent(number);
    return this.payer.outcomes(payer, number, () => ({ type: 'message', message, random: SEED }));
  }

  /** As the customer sends it: short while the terminal's request is this one, opened otherwise. */
  private tillGets(terminal: number, number: number): readonly Outcome[] {
    const { message, resolving } = this.sent(number);
    const { open } = this.terminal.local(terminal).state.volatile;
    const made = 'signature' in message ? this.scene.voucher(message.signature.slice(0, 32)) : undefined;
    const short = made === undefined || (open !== undefined && equalBytes(open.hash, made.voucher.request));
    if (short || resolving === undefined)
      return this.terminal.outcomes(terminal, number, () => ({ type: 'message', message }));
    return this.terminal.outcomes(terminal, KEY.opened + number, () => ({
      type: 'message',
      message: resolving,
    }));
  }

  private own(terminal: number): { name: string; outcomes: readonly Outcome[] }[] {
    const { state, ghost } = this.terminal.local(terminal);
    return ownEvents(this.scene, 0, state, ghost).map((event, index) => ({
      name: event.type === 'sale' ? 'the terminal opens a sale' : `the terminal: ${event.type}`,
      outcomes: this.terminal.outcomes(terminal, KEY.own + index, () => event),
    }));
  }

  fault(state: State): string | undefined {
    const { state: terminal, ghost } = this.terminal.local(state.terminal);
    const waiting = voidsOf(terminal.books).length;
    this.reached.voided ||= waiting > 0;
    this.reached.full ||= waiting === VOIDS_WAITING_MAX;
    this.reached.approved ||= ghost.approved > 0;
    if (waiting > VOIDS_WAITING_MAX) return `V1 ${waiting} voids of one channel wait`;
    return this.heals(state) ? undefined : 'V2 the customer is stuck until the terminal meets the hub';
  }

  private heals(start: State): boolean {
    return payerResolved(this.payer.local(this.quietLink(start).payer).state);
  }

  /** After a link that holds, on which nobody asks for anything new. */
  private quietLink(start: State): State {
    let state = this.linked(start);
    for (let count = 0; count < DELIVERIES; count++) {
      const [down] = state.down;
      const [up] = state.up;
      if (down !== undefined) {
        const rest = state.down.slice(1);
        const isRequest = this.sent(down).request !== undefined;
        const found = isRequest ? undefined : this.whole(this.customerGets(state.payer, down));
        const emits = found?.emits ?? [];
        state = { ...state, payer: found?.next ?? state.payer, down: rest, up: [...state.up, ...emits] };
      } else if (up !== undefined) {
        const found = this.whole(this.tillGets(state.terminal, up));
        const emits = found?.emits ?? [];
        const terminal = this.quiet(found?.next ?? state.terminal);
        state = { ...state, terminal, up: state.up.slice(1), down: [...state.down, ...emits] };
      } else break;
    }
    return state;
  }

  /** After what the terminal does by itself. */
  private quiet(terminal: number): number {
    let number = terminal;
    for (let count = 0; count < OWN_STEPS; count++) {
      const found = this.own(number).find(({ name }) => name === 'the terminal: clock');
      const whole = found && this.whole(found.outcomes);
      if (whole === undefined || whole.next === number) return number;
      number = whole.next;
    }
    return number;
  }
}
