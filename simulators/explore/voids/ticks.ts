/**
 * Ticks that come late or never. A customer charges at a charger, which may lose its power, be thrown away, and meet the hub;
 * the customer drives off at any moment, may be asked by another terminal, and asks the hub what became of a tick. What the
 * hub said may come at any time after; somebody else says that the hub has no such tick, too.
 *
 * T1 the customer counts as paid whatever the charger holds: nobody but the customer can lose a tick.
 * T2 once the two have met on a link that holds, the customer has paid for what was delivered, and for no more than the ticks
 *    that it wrote off with all its places taken.
 * T3 no more than UNCONFIRMED_MAX vouchers and ticks are without an answer, the open tick among them.
 * T4 a customer with all its places taken, one of them by a tick of which the hub can speak, is free after one question.
 * T5 a tick is written off on the hub's word alone.
 * T6 no more than one tick is paid on a stream once nothing is delivered any more.
 */
import { equalBytes, toHex } from '../../../protocol/bytes.ts';
import { amount, seconds, seq } from '../../../protocol/integers.ts';
import { UNCONFIRMED_MAX } from '../../../protocol/limits.ts';
import * as payerBooks from '../../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../../../protocol/machines/payer/state.ts';
import * as terminalBooks from '../../../protocol/machines/terminal/books.ts';
import { NOTHING_HANDED_IN, type TerminalState } from '../../../protocol/machines/terminal/state.ts';
import { terminalAfterPowerUp, type TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import { refusalNumber } from '../../../protocol/refusals.ts';
import { requestHash, tickEntry, type Voucher, voucherDigest } from '../../../protocol/vouchers.ts';
import type { Message, MessageOf } from '../../../protocol/wire/messages.ts';
import { carryOutAll, type Ran, readBack, type Told } from '../actors/device.ts';
import { HubTable } from '../actors/hub.ts';
import { challenge, settingsOf, withCustomer } from '../actors/terminal.ts';
import { moneyBooks } from '../money-books.ts';
import { CHANNEL, Scene, START } from '../scene.ts';
import { canonical, Interner } from '../space.ts';
import { addressNamed, standInSignature } from '../suite.ts';
import type { VoidConfig } from './config.ts';
import { NO_VOID_DROP, type VoidDrop } from './drops.ts';
import type { TickDrop } from './tick-drops.ts';
import { type TillRan, tillRun } from './till-run.ts';
import type { World } from './walk.ts';

type PayerRan = Ran<PayerState, Told<payerBooks.PayerRecord>>;

/** The customer, with what the walk remembers beside its books. */
interface Customer {
  readonly state: PayerState;
  /** Ticks written off with all places taken. */
  readonly off: number;
  /** One was written off on somebody else's word. */
  readonly fooled: boolean;
  readonly askedElsewhere: boolean;
}

interface Till {
  readonly state: TerminalState;
  readonly sales: number;
  /** Ticks for which something was delivered. */
  readonly given: number;
  /** What it signed that it gives back. */
  readonly back: number;
}

interface State {
  readonly customer: number;
  readonly till: number;
  readonly thrownAway: boolean;
  readonly hub: number;
  readonly meetings: number;
  /** Numbers of the messages on the link, the first to arrive first. */
  readonly down: readonly number[];
  readonly up: readonly number[];
  /** What was said about ticks, in rising order: each may come at any time. */
  readonly words: readonly number[];
}

const PAYER: Omit<PayerSettings, 'hub' | 'timing'> = {
  role: 'car',
  scheme: 'secp256k1',
  tapMax: amount(1000),
  entropyCertified: true,
};
const SEED = new Uint8Array(32).fill(5);
const STRANGER = addressNamed(0x66);
const CARRIED: ReadonlySet<string> = new Set([
  'streamRequest',
  'stream',
  'resolveStream',
  'tick',
  'tickAnswer',
  'receipt',
  'credit',
  'refusal',
]);
/** Messages and deliveries of one meeting that is not disturbed. */
const QUIET_STEPS = 80;
const NO_SESSION = refusalNumber('no_session');

/** Refusals that end a wish may be lost, as on every link; the word that a session is over is the one that is looked at. */
const isCarried = (message: Message): boolean =>
  CARRIED.has(message.type) && (message.type !== 'refusal' || message.code === NO_SESSION);

export class TicksWorld implements World<State> {
  readonly first: State;
  readonly reached = { delivered: false, late: false, writtenOff: false, full: false, thrownAway: false };
  broke = 0;
  private readonly config: VoidConfig;
  private readonly drop: TickDrop;
  private readonly scene: Scene;
  private readonly hub: HubTable;
  private readonly customers = new Interner<Customer>();
  private readonly tills = new Interner<Till>();
  private readonly messages = new Interner<Message>();
  private readonly paid = new Map<string, PayerRan>();
  private readonly ran = new Map<string, TillRan>();
  private readonly healed = new Map<string, string | undefined>();

  constructor(config: VoidConfig, { ticks = {} }: VoidDrop = NO_VOID_DROP) {
    this.config = config;
    this.drop = ticks;
    this.scene = new Scene({ name: config.name, terminals: [0, 1], asks: [], spendLimit: 40 });
    this.hub = new HubTable(this.scene, false);
    // Only one customer is about: what others could not write off is not in the walk.
    this.reached.full = this.reached.writtenOff = (config.taken ?? 0) < UNCONFIRMED_MAX - 1;
    const { applyRecord, EMPTY_TERMINAL } = terminalBooks;
    const stored = applyRecord(EMPTY_TERMINAL, { type: 'hubKey', ...this.scene.hubKey });
    const state = this.booted(this.provisioned());
    this.first = this.linked({
      customer: this.customerNumber({ state, off: 0, fooled: false, askedElsewhere: false }),
      till: this.tillNumber({ state: this.tillBooted(stored), sales: 0, given: 0, back: 0 }),
      thrownAway: false,
      hub: this.hub.first(),
      meetings: config.meetings ?? 0,
      down: [],
      up: [],
      words: [],
    });
  }

  /** A customer with vouchers at terminals that never come back, and of which the hub can't speak. */
  private provisioned(): payerBooks.PayerBooks {
    const { scene } = this;
    const { applyRecord, EMPTY_PAYER } = payerBooks;
    let books = applyRecord(EMPTY_PAYER, { type: 'channelOpened', channel: CHANNEL });
    books = applyRecord(books, { type: 'hubKey', ...scene.hubKey });
    books = applyRecord(books, { ...scene.lease, signer: scene.hub });
    for (const index of [0, 1]) {
      const { terminal, payee, expiresAt } = scene.certificate(index);
      books = applyRecord(books, { type: 'certificate', terminal, payee, expiresAt });
    }
    for (let n = 1; n <= (this.config.taken ?? 0); n++) {
      const request = {
        terminal: addressNamed(0x80 + n),
        amount: amount(1),
        at: START,
        detail: new Uint8Array(32),
      };
      const voucher: Voucher = {
        kind: 'voucher',
        channel: CHANNEL,
        seq: seq(n),
        spent: amount(n),
        payee: addressNamed(0x3f),
        paid: amount(n),
        lanes: new Uint8Array(16),
        request: requestHash(scene.signing, request),
      };
      const digest = voucherDigest(scene.signing, voucher);
      books = applyRecord(books, { type: 'intent', digest, voucher, request });
    }
    return books;
  }

  key({ customer, till, thrownAway, hub, meetings, down, up, words }: State): string {
    return `${customer} ${till} ${thrownAway} ${hub} ${meetings} ${down.join()} ${up.join()} ${words.join()}`;
  }

  // ---- devices ----

  private customerNumber({ state: { books, volatile }, ...ghost }: Customer): number {
    const state: PayerState = {
      books: { ...books, counter: 0, outbox: [] },
      volatile: {
        ...volatile,
        chain: undefined,
        outgoing: [],
        signatures: [],
        unknowns: [],
        stopWanted: false,
      },
    };
    return this.customers.number(canonical([state, ghost]), () => ({ state, ...ghost }));
  }

  private tillNumber({ state: { books, volatile }, ...known }: Till): number {
    const ghost = { ...known, back: books.lanes[0]?.credited ?? 0 };
    const state: TerminalState = {
      books: { ...moneyBooks(books), kept: [], counter: 0 },
      volatile: {
        ...volatile,
        hubConnected: false,
        uploadedTicks: [],
        inFlight: 0,
        uploadFrom: 0,
        asked: undefined,
        handed: { ...volatile.handed, ledger: NOTHING_HANDED_IN.ledger },
      },
    };
    return this.tills.number(canonical([state, ghost]), () => ({ state, ...ghost }));
  }

  private run(state: PayerState, event: PayerEvent): PayerRan {
    const { scene } = this;
    const context = { signing: scene.signing, self: scene.payer };
    const settings: PayerSettings = { ...scene.site, ...PAYER };
    return carryOutAll(
      (current: PayerState, given: PayerEvent) => payerStep(context, settings, current, given, 0),
      (digest): PayerEvent => ({ type: 'signed', digest, signature: standInSignature(scene.payer, digest) }),
      state,
      event,
    );
  }

  /** The step as the dropped rule has it. */
  private stepped(state: PayerState, event: PayerEvent): PayerRan {
    const whole = this.run(state, event);
    const broken = this.drop.payer?.((from, given) => this.run(from, given), this.scene, state, event);
    if (broken !== undefined && canonical(broken) !== canonical(whole)) this.broke += 1;
    return broken ?? whole;
  }

  private booted(books: payerBooks.PayerBooks): PayerState {
    const { EMPTY_PAYER: empty, snapshot, applyRecord: apply } = payerBooks;
    return this.stepped(payerAfterPowerUp(readBack({ empty, snapshot, apply }, books)), { type: 'boot' })
      .state;
  }

  private tillRun(state: TerminalState, event: TerminalEvent): TillRan {
    return tillRun(this.scene, state, event);
  }

  private tillBooted(books: terminalBooks.TerminalBooks): TerminalState {
    const { EMPTY_TERMINAL: empty, snapshot, applyRecord: apply } = terminalBooks;
    const start = terminalAfterPowerUp(readBack({ empty, snapshot, apply }, books));
    const { state } = this.tillRun(start, { type: 'boot', realTime: seconds(START) });
    return withCustomer(this.scene, settingsOf(this.scene, 0), state);
  }

  private numbers(messages: readonly Message[]): number[] {
    return messages
      .filter(isCarried)
      .map((message) => this.messages.number(canonical(message), () => message));
  }

  private sentBy<R>({ trail }: Ran<unknown, Told<R>>): number[] {
    return this.numbers(trail.flatMap((one) => (one.type === 'send' ? [one.message] : [])));
  }

  /** The link is new: whatever was on it is gone, the customer greets, and the charger says who it is. */
  private linked(state: State): State {
    const customer = this.customers.values[state.customer]!;
    const left = this.stepped(customer.state, { type: 'linkDown' }).state;
    if (state.thrownAway)
      return { ...state, customer: this.customerNumber({ ...customer, state: left }), down: [], up: [] };
    const there = this.stepped(left, { type: 'linkUp' }).state;
    const met = this.stepped(there, { type: 'message', message: this.scene.certificate(0) });
    const till = this.tills.values[state.till]!;
    const hello = { type: 'hello', channel: CHANNEL, payer: this.scene.payer } as const;
    const greeted = this.tillRun(till.state, { type: 'message', message: hello });
    return {
      ...state,
      customer: this.customerNumber({ ...customer, state: met.state }),
      till: this.tillNumber({ ...till, state: greeted.state }),
      down: this.sentBy(greeted),
      up: this.sentBy(met),
    };
  }

  // ---- steps ----

  next(state: State, emit: (name: string, next: State) => void): void {
    const { down, up, words, thrownAway, till } = state;
    for (const word of words) {
      const message = this.messages.values[word]!;
      const rest = words.filter((one) => one !== word);
      const after = { ...state, words: rest };
      this.customer(after, 'the customer hears: no such tick', { type: 'hubMessage', message }, emit);
    }
    const [toCustomer] = down;
    if (toCustomer !== undefined) {
      const message = this.messages.values[toCustomer]!;
      const event = { type: 'message', message, random: SEED } as const;
      this.customer({ ...state, down: down.slice(1) }, `the customer gets a ${message.type}`, event, emit);
    }
    this.asks(state, emit);
    this.elsewhere(state, emit);
    const customer = this.customers.values[state.customer]!;
    const cut = this.customerNumber({ ...customer, state: this.booted(customer.state.books) });
    emit('POWER CUT of the customer', this.linked({ ...state, customer: cut }));
    emit('the link breaks, and there is a new one', this.linked(state));
    if (thrownAway) return;
    const [toTill] = up;
    if (toTill !== undefined) {
      const message = this.messages.values[toTill]!;
      const after = { ...state, up: up.slice(1) };
      this.atTill(after, `the charger gets a ${message.type}`, { type: 'message', message }, emit);
    }
    for (const { name, event } of this.own(this.tills.values[till]!)) this.atTill(state, name, event, emit);
    if (state.meetings > 0) emit('the charger meets the hub', this.handIn(state));
    this.cutTill(state, 'POWER CUT of the charger', this.tills.values[till]!, emit);
    emit('the charger is thrown away', this.linked({ ...state, thrownAway: true }));
  }

  /** What the charger does by itself. */
  private own({ state, sales }: Till): { readonly name: string; readonly event: TerminalEvent }[] {
    const { session, open } = state.volatile;
    const found: { readonly name: string; readonly event: TerminalEvent }[] = [];
    if (sales < this.config.sales && open === undefined && session === undefined)
      found.push({
        name: 'the charger offers a session',
        event: {
          type: 'streamSale',
          tickValue: amount(1),
          ticks: 2,
          currency: 'TIME',
          challenge: challenge(sales + 1),
        },
      });
    if (session !== undefined && session.delivering > 0)
      found.push({
        name: 'the charger has delivered',
        event: {
          type: 'delivered',
          channel: session.channel,
          k: session.delivering,
          challenge: challenge(200),
        },
      });
    const [lane] = state.books.lanes;
    if (lane !== undefined && lane.owed > lane.credited)
      found.push({ name: 'the charger: clock', event: { type: 'clock' } });
    return found;
  }

  private customer(
    state: State,
    name: string,
    event: PayerEvent,
    emit: (name: string, next: State) => void,
  ): void {
    const before = this.customers.values[state.customer]!;
    const key = `${state.customer} ${canonical(event)}`;
    const ran = this.paid.get(key) ?? this.stepped(before.state, event);
    this.paid.set(key, ran);
    let { off, fooled } = before;
    let { books } = before.state;
    for (const one of ran.trail) {
      if (one.type !== 'persist') continue;
      const { record } = one;
      if (record.type === 'tickForgotten') {
        if (placesTaken(before.state) >= UNCONFIRMED_MAX) off += 1;
        fooled ||= event.type === 'hubMessage' && !this.isOfHub(event.message);
        this.reached.writtenOff = true;
      }
      books = payerBooks.applyRecord(books, record);
      const cut = this.customerNumber({ ...before, off, fooled, state: this.booted(books) });
      emit(`${name}, POWER CUT after it stored ${record.type}`, this.linked({ ...state, customer: cut }));
    }
    const customer = this.customerNumber({ ...before, off, fooled, state: ran.state });
    const sent = state.thrownAway ? [] : this.sentBy(ran);
    emit(name, { ...state, customer, up: [...state.up, ...sent] });
  }

  private isOfHub(message: Message): boolean {
    if (message.type !== 'unknown') return true;
    const { entry, size, terminal, synced, signature } = message;
    return equalBytes(this.scene.unknown(entry, size, terminal, synced).signature, signature);
  }

  /** Another terminal, which nobody hears of again, asks the customer; the two are on a link of their own. */
  private elsewhere(state: State, emit: (name: string, next: State) => void): void {
    const before = this.customers.values[state.customer]!;
    if (before.askedElsewhere) return;
    const { terminal, payee } = this.scene.certificate(1);
    const message: MessageOf<'request'> = {
      type: 'request',
      terminal,
      payee,
      amount: amount(1),
      at: START,
      currency: 'TIME',
      challenge: challenge(99),
    };
    const left = this.stepped(before.state, { type: 'linkDown' }).state;
    const there = this.stepped(left, { type: 'linkUp' }).state;
    const asked = this.stepped(there, { type: 'message', message }).state;
    const customer = this.customerNumber({ ...before, askedElsewhere: true, state: asked });
    emit('another terminal asks the customer', this.linked({ ...state, customer }));
  }

  private tillStepped(till: number, event: TerminalEvent): TillRan {
    const key = `${till} ${canonical(event)}`;
    let ran = this.ran.get(key);
    if (ran === undefined) {
      const { state } = this.tills.values[till]!;
      const whole = this.tillRun(state, event);
      ran = this.drop.terminal?.((from, given) => this.tillRun(from, given), state, event) ?? whole;
      if (canonical(ran) !== canonical(whole)) this.broke += 1;
      this.ran.set(key, ran);
    }
    return ran;
  }

  private atTill(
    state: State,
    name: string,
    event: TerminalEvent,
    emit: (name: string, next: State) => void,
  ): void {
    const before = this.tills.values[state.till]!;
    const ran = this.tillStepped(state.till, event);
    let till: Till = { ...before, sales: before.sales + (event.type === 'streamSale' ? 1 : 0) };
    for (const one of ran.trail) {
      if (one.type !== 'persist') continue;
      till = withRecord(till, one.record);
      this.cutTill(state, `${name}, POWER CUT after it stored ${one.record.type}`, till, emit);
    }
    const number = this.tillNumber({ ...till, state: ran.state });
    emit(name, { ...state, till: number, down: [...state.down, ...this.sentBy(ran)] });
  }

  private cutTill(state: State, name: string, till: Till, emit: (name: string, next: State) => void): void {
    const number = this.tillNumber({ ...till, state: this.tillBooted(till.state.books) });
    emit(name, this.linked({ ...state, till: number }));
  }

  /** The charger hands in all that waits, the hub writes it, and says so. */
  private handIn(state: State): State {
    const till = this.tills.values[state.till]!;
    let ran = this.tillRun(till.state, { type: 'hubConnected', seed: SEED });
    let { hub } = state;
    for (const one of ran.trail) {
      if (one.type !== 'upload' || one.message.type !== 'pack') continue;
      for (const bytes of one.message.entries) {
        const id = toHex(bytes);
        const number = this.messages.number(id, () => one.message);
        hub = this.hub.fsync(
          this.hub.receive(hub, { bytes, id, number, payee: 0, claim: 0, place: { name: id, rank: 0 } }),
        );
      }
    }
    const { durable } = this.hub.local(hub);
    for (const entry of ran.state.books.outbox) {
      const id =
        entry.kind === 'tick'
          ? tickEntry(this.scene.signing.suite, entry.stream, entry.k, entry.preimage)
          : entry.entry;
      if (!durable.has(toHex(id))) continue;
      ran = this.tillRun(ran.state, { type: 'hubMessage', message: this.scene.acknowledgement(id, 0) });
    }
    const { state: lost } = this.tillRun(ran.state, { type: 'hubLost' });
    return { ...state, hub, meetings: state.meetings - 1, till: this.tillNumber({ ...till, state: lost }) };
  }

  /** The customer asks for ticks without an answer; the hub's word, and that of a stranger, may come from now on. */
  private asks(state: State, emit: (name: string, next: State) => void): void {
    for (const { entry, answer } of this.spokenOf(state)) {
      if (answer.type !== 'unknown') {
        this.customer(state, `the hub says: ${answer.type}`, { type: 'hubMessage', message: answer }, emit);
        continue;
      }
      const { size, terminal, synced } = answer;
      const digest = this.scene.signing.digest('Unknown', { entry, size, terminal, synced });
      const strange: Message = { ...answer, signature: standInSignature(STRANGER, digest) };
      for (const message of [answer, strange]) {
        const number = this.messages.number(canonical(message), () => message);
        if (state.words.includes(number)) continue;
        const words = [...state.words, number].sort((a, b) => a - b);
        const name = message === answer ? 'the customer asks the hub' : 'a stranger speaks for the hub';
        emit(name, { ...state, words });
      }
    }
  }

  /** Ticks without an answer, each with what the hub says of it now. */
  private spokenOf({ customer, hub }: State) {
    const { unconfirmed } = this.customers.values[customer]!.state.books;
    return unconfirmed.flatMap((one) => {
      if (one.kind !== 'tick') return [];
      const entry = tickEntry(this.scene.signing.suite, one.stream, one.k, one.preimage);
      const answer = this.hub.answer(hub, toHex(entry), one.terminal);
      return answer === undefined ? [] : [{ entry, answer }];
    });
  }

  // ---- properties ----

  fault(state: State): string | undefined {
    const { state: customer, off, fooled } = this.customers.values[state.customer]!;
    const { state: till, given } = this.tills.values[state.till]!;
    const [lane] = till.books.lanes;
    const late = lane?.stream?.late ?? 0;
    this.reached.delivered ||= given > 0;
    this.reached.late ||= late > 0;
    this.reached.thrownAway ||= state.thrownAway;
    this.reached.full ||= placesTaken(customer) >= UNCONFIRMED_MAX;
    const paid = paidTo(customer, this.scene.payees[0]!);
    if (lane !== undefined && paid < lane.base)
      return `T1 the customer counts ${paid} as paid, and the charger holds ${lane.base}`;
    if (placesTaken(customer) > UNCONFIRMED_MAX)
      return `T3 ${placesTaken(customer)} vouchers and ticks are without an answer`;
    if (fooled) return 'T5 a tick was written off on the word of a stranger';
    if (late > 1) return `T6 ${late} ticks were paid after nothing was delivered any more`;
    if (!this.isFree(state)) return 'T4 the customer asked, the hub could say, and the customer is not free';
    return state.thrownAway ? undefined : this.afterMeeting(state, off);
  }

  private isFree(state: State): boolean {
    const { state: from } = this.customers.values[state.customer]!;
    const spoken = this.spokenOf(state);
    if (from.books.unconfirmed.length < UNCONFIRMED_MAX || spoken.length === 0) return true;
    const message = spoken[0]!.answer;
    return (
      this.stepped(from, { type: 'hubMessage', message }).state.books.unconfirmed.length < UNCONFIRMED_MAX
    );
  }

  /** T2, looked at after a link that holds. */
  private afterMeeting(state: State, off: number): string | undefined {
    const key = `${state.customer} ${state.till}`;
    if (!this.healed.has(key)) {
      const { customer, till } = this.quiet(state);
      const { state: payer } = this.customers.values[customer]!;
      const { given, back } = this.tills.values[till]!;
      const over = paidTo(payer, this.scene.payees[0]!) - given - back;
      const fault =
        over > off
          ? `T2 the customer paid ${over} for nothing, and wrote off ${off} with no place left`
          : undefined;
      this.healed.set(key, fault);
    }
    return this.healed.get(key);
  }

  private quiet(start: State): State {
    let state = this.linked(start);
    const whole = (_name: string, next: State): void => {
      after ??= next;
    };
    let after: State | undefined;
    for (let count = 0; count < QUIET_STEPS; count++) {
      after = undefined;
      const [down] = state.down;
      const [up] = state.up;
      const [own] = this.own(this.tills.values[state.till]!).filter(
        ({ event }) => event.type !== 'streamSale',
      );
      // The last that is told of a step is the whole of it.
      const last = (name: string, next: State): void => {
        if (!name.includes('POWER CUT')) whole(name, next);
      };
      if (down !== undefined) {
        const event = { type: 'message', message: this.messages.values[down]!, random: SEED } as const;
        this.customer({ ...state, down: state.down.slice(1) }, 'quiet', event, last);
      } else if (up !== undefined) {
        const event = { type: 'message', message: this.messages.values[up]! } as const;
        this.atTill({ ...state, up: state.up.slice(1) }, 'quiet', event, last);
      } else if (own !== undefined) this.atTill(state, 'quiet', own.event, last);
      else break;
      state = after!;
    }
    return state;
  }
}

/** Places that are taken: what has no answer, and the tick that is open. */
function placesTaken({ books: { unconfirmed, stream }, volatile }: PayerState): number {
  return unconfirmed.length + (stream !== undefined && volatile.answered < stream.revealed ? 1 : 0);
}

const paidTo = ({ books }: PayerState, payee: Uint8Array): number =>
  books.lanes.find((lane) => equalBytes(lane.payee, payee))?.paid ?? 0;

/** The charger after it stored this. */
function withRecord(till: Till, record: terminalBooks.TerminalRecord): Till {
  const books = terminalBooks.applyRecord(till.state.books, record);
  const sold = record.type === 'tick' && !record.late ? 1 : 0;
  return { ...till, given: till.given + sold, state: { ...till.state, books } };
}
