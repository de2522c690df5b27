/**
 * A terminal that never comes back, and a customer with a voucher that it never answered. Seconds pass; the terminal opens
 * sales, meets the hub, hands in, says how far it has, loses its power, has a clock of its own or none, and may be thrown
 * away at any moment. The customer asks the hub, which answers at once; its answers may come at any time after.
 *
 * Where there is a thief of a hub key, it acknowledges what it likes until the terminal hears that its key is taken back, and
 * the terminal says on that word how far it has handed in. It signs nothing else: it could sign `Synced` words of the hub too.
 *
 * V5 no voucher that the terminal accepted is written off, before or after, unless on such a word.
 * V7 what the terminal accepted its customer counts as paid, written off or not.
 * V8 once the terminal has heard that the key is taken back, a meeting brings the hub all that it accepted.
 * V6 a customer whose voucher the hub can speak of is free after one question, with or without the terminal.
 */
import { type Address, equalBytes, toHex } from '../../../protocol/bytes.ts';
import { type Seconds, seconds } from '../../../protocol/integers.ts';
import * as payerBooks from '../../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../../../protocol/machines/payer/state.ts';
import { amount } from '../../../protocol/integers.ts';
import * as terminalBooks from '../../../protocol/machines/terminal/books.ts';
import { NOTHING_HANDED_IN, type TerminalState } from '../../../protocol/machines/terminal/state.ts';
import { terminalAfterPowerUp, type TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import { encodeMessage, type Message, type MessageOf } from '../../../protocol/wire/messages.ts';
import { carryOutAll, type Ran, readBack, type Told } from '../actors/device.ts';
import { HubTable } from '../actors/hub.ts';
import { challenge, settingsOf, withCustomer } from '../actors/terminal.ts';
import { CHANNEL, Scene, START } from '../scene.ts';
import { canonical, Interner } from '../space.ts';
import { addressNamed, standInSignature } from '../suite.ts';
import type { VoidConfig } from './config.ts';
import { NO_VOID_DROP, type VoidDrop } from './drops.ts';
import type { GoneDrop } from './gone-drops.ts';
import { type TillRan, tillRun } from './till-run.ts';
import type { World } from './walk.ts';
import { moneyBooks } from '../money-books.ts';

interface State {
  /** Seconds that have passed. */
  readonly now: number;
  readonly payer: number;
  /** Number of the terminal's state. */
  readonly terminal: number;
  readonly thrownAway: boolean;
  readonly hub: number;
  /** Numbers of messages on the link, the first to arrive first. */
  readonly down: readonly number[];
  readonly up: readonly number[];
  /** What the terminal said to the hub and has not arrived. */
  readonly toHub: readonly number[];
  readonly connected: boolean;
  readonly meetings: number;
  /** What the hub said to the customer, in rising order: each may come at any time. */
  readonly words: readonly number[];
}

/** The terminal with what the walk remembers beside its books. */
interface Till {
  readonly state: TerminalState;
  readonly sales: number;
  /** Digests of the vouchers that were accepted. */
  readonly accepted: readonly string[];
  /** By how many seconds its own clock is behind; undefined: it has none. */
  readonly lag: number | undefined;
}

const PAYER: Omit<PayerSettings, 'hub' | 'timing'> = {
  role: 'wearable',
  scheme: 'secp256k1',
  tapMax: amount(1000),
  entropyCertified: true,
};

/** Messages between customer and terminal that say something of money. */
const CARRIED: ReadonlySet<string> = new Set(['request', 'voucher', 'resolveVoucher', 'receipt', 'credit']);
const TO_HUB: ReadonlySet<string> = new Set(['pack', 'synced']);
const SEED = new Uint8Array(32).fill(5);
/** Of the same payee, and of no matter to this customer. */
const OTHER: Address = addressNamed(0x4f);
/** Signs until it is taken back. */
const STOLEN: Address = addressNamed(0x22);
const revocation = ({ signing, site }: Scene): TerminalEvent => {
  const fields = { key: STOLEN, at: seconds(START) };
  const signature = standInSignature(site.hub.root, signing.digest('HubKeyRevoked', fields));
  return { type: 'hubMessage', message: { type: 'hubKeyRevoked', ...fields, signature } };
};
/** The terminal has stored that the thief's key is taken back. */
const isOver = ({ books }: TerminalState): boolean =>
  books.hub.revoked.some(({ address }) => equalBytes(address, STOLEN));
const clockName = (lag: number | undefined): string =>
  lag === undefined ? 'no clock' : lag === 0 ? 'a clock that is right' : `a clock ${lag} s behind`;

export class GoneWorld implements World<State> {
  readonly first: State;
  readonly reached: Record<string, boolean>;
  broke = 0;
  private readonly config: VoidConfig;
  private readonly drop: GoneDrop;
  private readonly scene: Scene;
  private readonly hub: HubTable;
  private readonly payers = new Interner<PayerState>();
  private readonly tills = new Interner<Till>();
  private readonly messages = new Interner<Message>();
  /** What was computed once, by what it was computed from. */
  private readonly ran = new Map<string, Ran<TerminalState, Told<terminalBooks.TerminalRecord>>>();
  private readonly paid = new Map<string, Ran<PayerState, Told<payerBooks.PayerRecord>>>();
  private readonly customersLinked = new Map<
    number,
    { readonly payer: number; readonly up: readonly number[] }
  >();
  private readonly tillsLinked = new Map<
    string,
    { readonly terminal: number; readonly down: readonly number[] }
  >();
  private readonly starts = new Map<string, number>();

  constructor(config: VoidConfig, { gone = {} }: VoidDrop = NO_VOID_DROP) {
    this.config = config;
    this.drop = gone;
    const reached = { accepted: false, voided: false, writtenOff: false, thrownAway: false };
    this.reached = config.thief === true ? { ...reached, soldIsOff: false, revoked: false } : reached;
    if (config.calm === true) {
      this.reached.paidAgain = false;
      for (const what of ['thrownAway', 'voided']) delete this.reached[what];
    }
    this.scene = new Scene({ name: config.name, terminals: [0], asks: [], spendLimit: 20 });
    this.hub = new HubTable(this.scene, false);
    const { scene } = this;
    let books = payerBooks.applyRecord(payerBooks.EMPTY_PAYER, { type: 'channelOpened', channel: CHANNEL });
    books = payerBooks.applyRecord(books, { type: 'hubKey', ...scene.hubKey });
    books = payerBooks.applyRecord(books, { ...scene.lease, signer: scene.hub });
    const payer = this.payerNumber(this.payerBooted(books));
    const keys = config.thief === true ? [scene.hub, STOLEN] : [scene.hub];
    const stored = keys.reduce(
      (known, address) => terminalBooks.applyRecord(known, { type: 'hubKey', ...scene.hubKey, address }),
      terminalBooks.EMPTY_TERMINAL,
    );
    const terminal = this.tillNumber(this.booted({ sales: 0, accepted: [], lag: 0 }, stored, 0));
    this.first = this.linked({
      now: 0,
      payer,
      terminal,
      thrownAway: false,
      hub: this.hub.first(),
      down: [],
      up: [],
      toHub: [],
      connected: false,
      meetings: config.meetings ?? 0,
      words: [],
    });
  }

  key(state: State): string {
    const { now, payer, terminal, thrownAway, hub, down, up, toHub, connected, meetings, words } = state;
    return [
      now,
      payer,
      terminal,
      thrownAway,
      hub,
      down,
      '|',
      up,
      '|',
      toHub,
      connected,
      meetings,
      words,
    ].join(' ');
  }

  // ---- devices ----

  private payerNumber(state: PayerState): number {
    const { books, volatile } = state;
    const tidy = {
      books: { ...books, counter: 0, outbox: [] },
      volatile: {
        ...volatile,
        ...{
          sentAtMs: 0,
          uploadedAtMs: 0,
          inFlight: 0,
          askedAtMs: 0,
          askPauseMs: 0,
          unknowns: [],
          signatures: [],
        },
      },
    };
    return this.payers.number(canonical(tidy), () => tidy);
  }

  private tillNumber(till: Till): number {
    const { books, volatile } = till.state;
    const { kept } = this.config.thief === true ? books : moneyBooks(books);
    const state = {
      books: { ...moneyBooks(books), kept },
      volatile: {
        ...volatile,
        uploadedAtMs: 0,
        inFlight: 0,
        uploadFrom: 0,
        linkLostAtMs: 0,
        asked: undefined,
        handed: { ...volatile.handed, ledger: NOTHING_HANDED_IN.ledger },
      },
    };
    return this.tills.number(canonical({ ...till, state }), () => ({ ...till, state }));
  }

  private payerRun(state: PayerState, event: PayerEvent): Ran<PayerState, Told<payerBooks.PayerRecord>> {
    const { scene } = this;
    const context = { signing: scene.signing, self: scene.payer };
    const settings: PayerSettings = { ...scene.site, ...PAYER };
    const signed = (digest: Uint8Array): PayerEvent => ({
      type: 'signed',
      digest,
      signature: standInSignature(scene.payer, digest),
    });
    return carryOutAll(
      (current: PayerState, given: PayerEvent) => payerStep(context, settings, current, given, 0),
      signed,
      state,
      event,
    );
  }

  private payerBooted(books: payerBooks.PayerBooks): PayerState {
    const { EMPTY_PAYER: empty, snapshot, applyRecord: apply } = payerBooks;
    const state = payerAfterPowerUp(readBack({ empty, snapshot, apply }, books));
    return this.payerRun(state, { type: 'boot' }).state;
  }

  private tillRun(state: TerminalState, event: TerminalEvent, now: number): TillRan {
    return tillRun(this.scene, state, event, now * 1000);
  }

  /** Power is back: the books as they were stored, and whatever clock there is. */
  private booted(till: Omit<Till, 'state'>, books: terminalBooks.TerminalBooks, now: number): Till {
    const { EMPTY_TERMINAL: empty, snapshot, applyRecord: apply } = terminalBooks;
    const { lag } = till;
    const start = terminalAfterPowerUp(readBack({ empty, snapshot, apply }, books));
    const realTime = lag === undefined ? {} : { realTime: seconds(START + now - lag) };
    const { state } = this.tillRun(start, { type: 'boot', ...realTime }, now);
    return { ...till, state: withCustomer(this.scene, settingsOf(this.scene, 0), state) };
  }

  private number(message: Message): number {
    return this.messages.number(canonical(message), () => message);
  }

  // ---- steps ----

  next(state: State, emit: (name: string, next: State) => void): void {
    const { now, payer, terminal, down, up, words, thrownAway } = state;
    if (now < (this.config.seconds ?? 0)) this.passes(state, emit);
    for (const word of words) {
      const message = this.messages.values[word]!;
      if (message.type !== 'unknown') continue;
      const rest = words.filter((one) => one !== word);
      const about = equalBytes(message.terminal, OTHER) ? ', of another terminal' : '';
      const name = `the customer hears: no such entry, synced ${Math.max(0, message.synced - START)}${about}`;
      this.customer({ ...state, words: rest }, name, { type: 'hubMessage', message }, emit);
    }
    const [toCustomer] = down;
    if (toCustomer !== undefined) {
      const message = this.messages.values[toCustomer]!;
      const after = { ...state, down: down.slice(1) };
      this.customer(
        after,
        `the customer gets a ${message.type}`,
        { type: 'message', message, random: SEED },
        emit,
      );
    }
    this.asks(state, emit);
    if (this.config.calm !== true)
      emit('POWER CUT of the customer', this.linked({ ...state, payer: this.cutPayer(payer) }));
    emit('the link breaks, and there is a new one', this.linked(state));
    if (thrownAway) return;
    const [toTill] = up;
    if (toTill !== undefined) {
      const message = this.messages.values[toTill]!;
      this.till(
        { ...state, up: up.slice(1) },
        `the terminal gets a ${message.type}`,
        { type: 'message', message },
        emit,
      );
    }
    const { sales, state: of } = this.tills.values[terminal]!;
    if (this.maySell(state, sales) && of.volatile.open === undefined) {
      const sale = {
        type: 'sale',
        amount: amount(1),
        currency: 'TIME',
        challenge: challenge(sales + 1),
      } as const;
      this.till(state, 'the terminal opens a sale', sale, emit);
    }
    this.meets(state, emit);
    if (this.config.calm === true) return;
    this.cutTill(state, this.tills.values[terminal]!, of.books, 'POWER CUT of the terminal', emit);
    emit('the terminal is thrown away', {
      ...state,
      thrownAway: true,
      connected: false,
      down: [],
      up: [],
      toHub: [],
    });
  }

  /** Where nothing breaks the customer comes again when it has written something off, and not before. */
  private maySell({ payer }: State, sales: number): boolean {
    const isBack = sales === 0 || this.payers.values[payer]!.books.writtenOff.length > 0;
    return sales < this.config.sales && (this.config.calm !== true || isBack);
  }

  private passes(state: State, emit: (name: string, next: State) => void): void {
    const now = state.now + 1;
    const till = this.tills.values[state.terminal]!;
    const realTime = till.lag === undefined ? {} : { realTime: seconds(START + now - till.lag) };
    const { state: after } = this.stepped(state.terminal, { type: 'clock', ...realTime }, now);
    const terminal = state.thrownAway ? state.terminal : this.tillNumber({ ...till, state: after });
    emit('a second passes', { ...state, now, terminal });
  }

  /** The customer's step: its messages are on the link; or its power is cut after a part of that. */
  private customer(
    state: State,
    name: string,
    event: PayerEvent,
    emit: (name: string, next: State) => void,
  ): void {
    const key = `${state.payer} ${canonical(event)}`;
    const from = this.payers.values[state.payer]!;
    let ran = this.paid.get(key);
    if (ran === undefined) {
      const whole = this.payerRun(from, event);
      ran = this.drop.payer?.((given) => this.payerRun(from, given), this.scene, from, event) ?? whole;
      if (canonical(ran.state) !== canonical(whole.state)) this.broke += 1;
      this.paid.set(key, ran);
    }
    const { trail } = ran;
    const sent = trail.flatMap((one) =>
      one.type === 'send' && CARRIED.has(one.message.type) && !state.thrownAway
        ? [this.number(one.message)]
        : [],
    );
    emit(name, { ...state, payer: this.payerNumber(ran.state), up: [...state.up, ...sent] });
    let { books } = from;
    for (const one of trail) {
      if (one.type !== 'persist' || this.config.calm === true) continue;
      books = payerBooks.applyRecord(books, one.record);
      const cut = this.payerNumber(this.payerBooted(books));
      emit(`${name}, POWER CUT after it stored that`, this.linked({ ...state, payer: cut }));
    }
  }

  private cutPayer(payer: number): number {
    return this.payerNumber(this.payerBooted(this.payers.values[payer]!.books));
  }

  private stepped(
    terminal: number,
    event: TerminalEvent,
    now: number,
  ): Ran<TerminalState, Told<terminalBooks.TerminalRecord>> {
    const key = `${terminal} ${canonical(event)} ${now}`;
    let ran = this.ran.get(key);
    if (ran === undefined) {
      const till = this.tills.values[terminal]!;
      const whole = this.tillRun(till.state, event, now);
      const run = (state: TerminalState) => this.tillRun(state, event, now);
      ran = this.drop.terminal?.(run, till.state, event, now) ?? whole;
      if (canonical(ran) !== canonical(whole)) this.broke += 1;
      this.ran.set(key, ran);
    }
    return ran;
  }

  private till(
    state: State,
    name: string,
    event: TerminalEvent,
    emit: (name: string, next: State) => void,
  ): void {
    const before = this.tills.values[state.terminal]!;
    const { state: after, trail } = this.stepped(state.terminal, event, state.now);
    const sales = before.sales + (event.type === 'sale' ? 1 : 0);
    const toHub = [...state.toHub];
    const down = [...state.down];
    let { books } = before.state;
    let { accepted } = before;
    for (const one of trail) {
      if (one.type === 'upload' && TO_HUB.has(one.message.type)) toHub.push(this.number(one.message));
      if (one.type === 'send' && CARRIED.has(one.message.type)) down.push(this.number(one.message));
      if (one.type !== 'persist') continue;
      const { record } = one;
      books = terminalBooks.applyRecord(books, record);
      if (record.type === 'answered' && record.receipt !== undefined)
        accepted = [...accepted, toHex(record.digest)].sort();
      if (record.type === 'answered' && record.credit !== undefined && this.config.calm !== true)
        this.reached.voided = true;
      // How often it registered is no matter here.
      if (record.type === 'registering' || this.config.calm === true) continue;
      // What was said before the cut is with the hub.
      const said = { ...state, toHub: [...toHub] };
      this.cutTill(
        said,
        { ...before, sales, accepted },
        books,
        `${name}, POWER CUT after it stored ${record.type}`,
        emit,
      );
    }
    const number = this.tillNumber({ ...before, state: after, sales, accepted });
    emit(name, { ...state, terminal: number, down, toHub });
  }

  /** The terminal starts again, with the clock that it then has. What is on its way to the hub may still arrive. */
  private cutTill(
    state: State,
    till: Till,
    books: terminalBooks.TerminalBooks,
    name: string,
    emit: (name: string, next: State) => void,
  ): void {
    const { sales, accepted } = till;
    const { lag } = this.config;
    const key = `${canonical(books)} ${sales} ${accepted.join()} ${state.now}`;
    const terminal =
      this.starts.get(key) ?? this.tillNumber(this.booted({ sales, accepted, lag }, books, state.now));
    this.starts.set(key, terminal);
    emit(`${name}; it starts with ${clockName(lag)}`, this.linked({ ...state, terminal, connected: false }));
  }

  private linked(state: State): State {
    const { payer, up } = this.customerLinked(state.payer);
    if (state.thrownAway) return { ...state, payer: this.customerLeft(state.payer), down: [], up: [] };
    return { ...state, payer, up, ...this.tillLinked(state.terminal, state.now) };
  }

  private carried<R>({ trail }: Ran<unknown, Told<R>>): number[] {
    return trail.flatMap((one) =>
      one.type === 'send' && CARRIED.has(one.message.type) ? [this.number(one.message)] : [],
    );
  }

  private customerLeft(payer: number): number {
    return this.payerNumber(this.payerRun(this.payers.values[payer]!, { type: 'linkDown' }).state);
  }

  private customerLinked(payer: number): { readonly payer: number; readonly up: readonly number[] } {
    let found = this.customersLinked.get(payer);
    if (found === undefined) {
      const left = this.payers.values[this.customerLeft(payer)]!;
      const up = this.payerRun(left, { type: 'linkUp' }).state;
      const met = this.payerRun(up, { type: 'message', message: this.scene.certificate(0) });
      found = { payer: this.payerNumber(met.state), up: this.carried(met) };
      this.customersLinked.set(payer, found);
    }
    return found;
  }

  private tillLinked(
    terminal: number,
    now: number,
  ): { readonly terminal: number; readonly down: readonly number[] } {
    const key = `${terminal} ${now}`;
    let found = this.tillsLinked.get(key);
    if (found === undefined) {
      const till = this.tills.values[terminal]!;
      const hello = { type: 'hello', channel: CHANNEL, payer: this.scene.payer } as const;
      const greeted = this.tillRun(till.state, { type: 'message', message: hello }, now);
      found = { terminal: this.tillNumber({ ...till, state: greeted.state }), down: this.carried(greeted) };
      this.tillsLinked.set(key, found);
    }
    return found;
  }

  // ---- the hub ----

  private meets(state: State, emit: (name: string, next: State) => void): void {
    const { connected, meetings, now, toHub, hub } = state;
    if (!connected) {
      if (meetings === 0) return;
      const after = { ...state, connected: true, meetings: meetings - 1, toHub: [] };
      return this.till(after, 'the terminal meets the hub', { type: 'hubConnected', seed: SEED }, emit);
    }
    const till = this.tills.values[state.terminal]!;
    const beacon = this.beacon(till, now);
    if (till.state.volatile.beaconAt < beacon.at)
      this.till(state, 'the terminal gets the time', { type: 'hubMessage', message: beacon }, emit);
    const [said, ...rest] = toHub;
    if (said !== undefined) {
      const message = this.messages.values[said]!;
      emit(`the hub gets a ${message.type}`, { ...state, toHub: rest, hub: this.heard(hub, message) });
    }
    const { durable } = this.hub.local(hub);
    for (const entry of till.state.books.outbox) {
      if (entry.kind !== 'voucher' || !durable.has(toHex(entry.entry))) continue;
      const message = this.scene.acknowledgement(entry.entry, 0);
      this.till(state, 'the terminal gets an acknowledgement', { type: 'hubMessage', message }, emit);
    }
    if (this.config.thief === true && !isOver(till.state)) this.steals(state, emit);
    const { state: lost } = this.stepped(state.terminal, { type: 'hubLost' }, now);
    const terminal = this.tillNumber({ ...till, state: lost });
    emit('the connection is lost', { ...state, connected: false, toHub: [], terminal });
  }

  /** What a thief of a hub key says to the terminal, and the root about that key. */
  private steals(state: State, emit: (name: string, next: State) => void): void {
    const { outbox } = this.tills.values[state.terminal]!.state.books;
    for (const entry of outbox) {
      if (entry.kind !== 'voucher') continue;
      const message = this.scene.acknowledgement(entry.entry, 0, STOLEN);
      this.till(state, 'a thief acknowledges', { type: 'hubMessage', message }, emit);
    }
    this.till(state, "the root takes the thief's key back", revocation(this.scene), emit);
  }

  /** The hub after it took and wrote what a terminal said. */
  private heard(hub: number, message: Message): number {
    const parts = message.type === 'pack' ? [...message.entries] : [encodeMessage(message)];
    return parts.reduce((number, bytes) => {
      const id = toHex(bytes);
      const at = this.messages.number(id, () => message);
      return this.hub.fsync(
        this.hub.receive(number, { bytes, id, number: at, payee: 0, claim: 0, place: { name: id, rank: 0 } }),
      );
    }, hub);
  }

  private beacon(till: Till, now: number): MessageOf<'beacon'> {
    const { timeQuestion } = till.state.volatile.trust;
    const fields = {
      at: seconds(START + now) as Seconds,
      height: 1 as never,
      revocations: this.scene.signing.suite.keccak256(new Uint8Array(0)),
      checkpoint: new Uint8Array(32),
      nonce: timeQuestion?.nonce ?? new Uint8Array(16),
    };
    const signature = standInSignature(this.scene.hub, this.scene.signing.digest('Beacon', fields));
    return { type: 'beacon', ...fields, signature };
  }

  /** The customer asks for what has no answer; somebody else may have asked about another terminal. */
  private asks(state: State, emit: (name: string, next: State) => void): void {
    const { books } = this.payers.values[state.payer]!;
    for (const entry of books.unconfirmed) {
      if (entry.kind !== 'voucher' || books.writtenOff.includes(entry)) continue;
      const answer = this.hub.answer(state.hub, toHex(entry.digest), entry.request.terminal);
      if (answer === undefined) continue;
      if (answer.type !== 'unknown') {
        this.customer(state, `the hub says: ${answer.type}`, { type: 'hubMessage', message: answer }, emit);
        continue;
      }
      const other = this.scene.unknown(entry.digest, answer.size, OTHER, START + state.now);
      for (const word of this.config.others === true ? [answer, other] : [answer]) {
        const number = this.number(word);
        if (state.words.includes(number)) continue;
        const words = [...state.words, number].sort((a, b) => a - b);
        emit(word === other ? 'the hub speaks of another terminal' : 'the customer asks the hub', {
          ...state,
          words,
        });
      }
    }
  }

  // ---- properties ----

  fault(state: State): string | undefined {
    const { books } = this.payers.values[state.payer]!;
    const { accepted } = this.tills.values[state.terminal]!;
    this.reached.accepted ||= accepted.length > 0;
    this.reached.writtenOff ||= books.writtenOff.length > 0;
    if (state.thrownAway) this.reached.thrownAway = true;
    if (accepted.length > 1 && this.config.calm === true) this.reached.paidAgain = true;
    if (books.writtenOff.some((entry) => accepted.includes(toHex(entry.digest)))) {
      if (this.config.thief !== true) return 'V5 a voucher is written off that its terminal accepted';
      this.reached.soldIsOff = true;
    }
    // Each sale is worth 1.
    if (books.spent < accepted.length || (books.lanes[0]?.paid ?? 0) < accepted.length)
      return 'V7 the customer does not count as paid what its terminal accepted';
    if (!this.isHandedIn(state)) return 'V8 something that was accepted never comes to the hub';
    return this.free(state)
      ? undefined
      : 'V6 the customer asked, the hub could say, and the customer is not free';
  }

  /** Has the hub all that was accepted, after one more meeting with a terminal that heard of the revocation? */
  private isHandedIn({ terminal, thrownAway, hub, now }: State): boolean {
    const { state: till, accepted } = this.tills.values[terminal]!;
    if (this.config.thief !== true || thrownAway || !isOver(till)) return true;
    this.reached.revoked = true;
    const { trail } = this.stepped(terminal, { type: 'hubConnected', seed: SEED }, now);
    const after = trail.reduce(
      (at, one) => (one.type === 'upload' && one.message.type === 'pack' ? this.heard(at, one.message) : at),
      hub,
    );
    const { durable } = this.hub.local(after);
    return accepted.every((digest) => durable.has(digest));
  }

  /** Asks once for everything of which the hub can speak. */
  private free({ payer, hub }: State): boolean {
    const from = this.payers.values[payer]!;
    return from.books.unconfirmed.every((entry) => {
      if (entry.kind !== 'voucher' || from.books.writtenOff.includes(entry)) return true;
      const { terminal, at } = entry.request;
      const message = this.hub.answer(hub, toHex(entry.digest), terminal);
      if (message === undefined || (message.type === 'unknown' && this.hub.synced(hub, terminal) < at))
        return true;
      const event: PayerEvent = { type: 'hubMessage', message };
      const run = (given: PayerEvent) => this.payerRun(from, given);
      const after = (this.drop.payer?.(run, this.scene, from, event) ?? run(event)).state.books;
      return !after.unconfirmed.some(
        (one) =>
          one.kind === 'voucher' && equalBytes(one.digest, entry.digest) && !after.writtenOff.includes(one),
      );
    });
  }
}
