/**
 * A refund on a sale that only a thief of a hub key acknowledged, and that has lost its place among what the terminal keeps:
 * no hub takes it. The terminal sells, gives back, loses its power; the thief acknowledges what it likes until the root's word
 * arrives; others buy until nothing is kept; the hub takes, refuses and answers; the payer's copy of the sale may come to it;
 * somebody records what the hub says and says it again, and refuses in its name.
 *
 * Once the terminal has heard that the thief's key is taken back:
 * S1 with an honest hub and one more sale it comes to say that all is handed in.
 * S2 it says so only when it can hand in nothing more that a hub takes: neither it nor the hub has the vouchers which what
 *    waits is about, or the hub has them of their payer.
 * S3 what waits about a voucher that the hub has in the end is taken.
 */
import { type Address, equalBytes, fromHex, toHex } from '../../../protocol/bytes.ts';
import { amount, type Position, seconds, seq } from '../../../protocol/integers.ts';
import * as terminalBooks from '../../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../../protocol/machines/terminal/state.ts';
import { terminalAfterPowerUp, type TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import { refusalNumber } from '../../../protocol/refusals.ts';
import { requestHash, voucherDigest } from '../../../protocol/vouchers.ts';
import type { Message, MessageOf } from '../../../protocol/wire/messages.ts';
import { readBack } from '../actors/device.ts';
import { HubTable } from '../actors/hub.ts';
import { challenge, settingsOf, uploads, withCustomer } from '../actors/terminal.ts';
import { CHANNEL, Scene, START } from '../scene.ts';
import { canonical, Interner } from '../space.ts';
import { addressNamed, standInSignature } from '../suite.ts';
import type { VoidConfig } from './config.ts';
import { NO_VOID_DROP, type VoidDrop } from './drops.ts';
import type { StrayDrop } from './stray-drops.ts';
import { type TillRan, tillRun } from './till-run.ts';
import type { World } from './walk.ts';

interface Till {
  readonly state: TerminalState;
  readonly sales: number;
  /** Digest and bytes of the first sale, as text. */
  readonly first: { readonly id: string; readonly bytes: string } | undefined;
  /** It said that all is handed in, since it heard of the revocation. */
  readonly said: boolean;
  /** It said so while something waited that a hub takes. */
  readonly early: boolean;
}

interface State {
  readonly till: number;
  readonly hub: number;
  /** Others bought until nothing was kept. */
  readonly displaced: boolean;
  readonly copied: boolean;
  /** Somebody refused in the hub's name. */
  readonly lied: boolean;
  /** Sizes of the ledger at which the hub said that it has no first sale: recorded. */
  readonly words: readonly number[];
}

/** Signs until it is taken back. */
const STOLEN = addressNamed(0x22);
const UNKNOWN = refusalNumber('voucher_unknown');
/** Seconds after which a terminal says once more how far it has handed in. */
const LATER = 2000;
/** Exchanges of one meeting with the hub: some entries, and an answer for each. */
const EXCHANGES = 12;

export class StraysWorld implements World<State> {
  readonly first: State;
  readonly reached = { refunded: false, revoked: false, stray: false, said: false, copied: false };
  broke = 0;
  private readonly config: VoidConfig;
  private readonly drop: StrayDrop;
  private readonly scene: Scene;
  private readonly hub: HubTable;
  private readonly tills = new Interner<Till>();
  private readonly bytes = new Interner<Uint8Array>();
  private readonly ran = new Map<string, TillRan>();
  private readonly ends = new Map<string, string | undefined>();

  constructor(config: VoidConfig, { strays = {} }: VoidDrop = NO_VOID_DROP) {
    this.config = config;
    this.drop = strays;
    // Places in the ledger count here.
    this.scene = new Scene({ name: config.name, terminals: [0], asks: [], spendLimit: 20, evicts: true });
    this.hub = new HubTable(this.scene, false);
    const { applyRecord, EMPTY_TERMINAL } = terminalBooks;
    const keys = [this.scene.hub, STOLEN].map((address) => ({ ...this.scene.hubKey, address }));
    const books = keys.reduce((found, key) => applyRecord(found, { type: 'hubKey', ...key }), EMPTY_TERMINAL);
    this.first = {
      till: this.number({ state: this.booted(books), sales: 0, first: undefined, said: false, early: false }),
      hub: this.hub.first(),
      displaced: false,
      copied: false,
      lied: false,
      words: [],
    };
  }

  key({ till, hub, displaced, copied, lied, words }: State): string {
    return `${till} ${hub} ${displaced} ${copied} ${lied} ${words.join()}`;
  }

  // ---- the terminal ----

  private number({ state: { books, volatile }, ...ghost }: Till): number {
    const state: TerminalState = {
      books: { ...books, counter: 0, counts: terminalBooks.EMPTY_TERMINAL.counts },
      volatile: { ...volatile, uploadedTicks: [], inFlight: 0, uploadFrom: 0, unknown: undefined },
    };
    return this.tills.number(canonical([state, ghost]), () => ({ state, ...ghost }));
  }

  private run(state: TerminalState, event: TerminalEvent): TillRan {
    return tillRun(this.scene, state, event);
  }

  private booted(books: terminalBooks.TerminalBooks): TerminalState {
    const { EMPTY_TERMINAL: empty, snapshot, applyRecord: apply } = terminalBooks;
    const start = terminalAfterPowerUp(readBack({ empty, snapshot, apply }, books));
    // Its clock is no earlier than what it has stored of the hub's time, or nothing would be sold after a power cut.
    const realTime = seconds(Math.max(START, books.time));
    const { state } = this.run(start, { type: 'boot', realTime });
    const there = withCustomer(this.scene, settingsOf(this.scene, 0), state);
    return this.run(there, { type: 'hubConnected', seed: new Uint8Array(32).fill(5) }).state;
  }

  private beacon(later: number): MessageOf<'beacon'> {
    const fields = {
      at: seconds(START + later),
      height: 1 as never,
      revocations: this.scene.signing.suite.keccak256(new Uint8Array(0)),
      checkpoint: new Uint8Array(32),
      nonce: new Uint8Array(16),
    };
    return { type: 'beacon', ...fields, signature: this.signed('Beacon', fields) };
  }

  private signed(name: 'Beacon' | 'Acknowledgement', fields: never | object, by: Address = this.scene.hub) {
    return standInSignature(by, this.scene.signing.digest(name, fields as never));
  }

  private stepped(till: number, event: TerminalEvent): TillRan {
    const key = `${till} ${canonical(event)}`;
    let ran = this.ran.get(key);
    if (ran === undefined) {
      const { state } = this.tills.values[till]!;
      const whole = this.run(state, event);
      ran = this.drop.terminal?.((from, given) => this.run(from, given), state, event) ?? whole;
      if (canonical(ran) !== canonical(whole)) this.broke += 1;
      this.ran.set(key, ran);
    }
    return ran;
  }

  /** The terminal after an event, and what it said to the hub on the way. */
  private at(state: State, event: TerminalEvent): State {
    const before = this.tills.values[state.till]!;
    const ran = this.stepped(state.till, event);
    const says = ran.trail.some((one) => one.type === 'upload' && one.message.type === 'synced');
    const counts = says && isOver(ran.state);
    const early = counts && ran.state.books.outbox.some((entry) => !this.isStray(state, ran.state, entry));
    const till = { ...before, state: ran.state, said: before.said || counts, early: before.early || early };
    return { ...state, till: this.number(till) };
  }

  /** Does nobody have the voucher that this is about? */
  private isStray(
    { hub, copied }: State,
    { books }: TerminalState,
    entry: TerminalState['books']['outbox'][number],
  ): boolean {
    if (entry.kind !== 'credit') return false;
    const isIt = (one: typeof entry | TerminalState['books']['outbox'][number]): boolean =>
      one.kind === 'voucher' && equalBytes(one.entry, entry.voucher);
    const held = [...books.outbox, ...books.kept].some(isIt);
    // The payer's copy may come right after the hub's word, or a day later: then the entry is taken with the next retry.
    return !held && (copied || !this.hub.local(hub).durable.has(toHex(entry.voucher)));
  }

  /** A sale, and the voucher for it. */
  private sells(state: State): State {
    const { sales } = this.tills.values[state.till]!;
    const sale = {
      type: 'sale',
      amount: amount(1),
      currency: 'TIME',
      challenge: challenge(sales + 1),
    } as const;
    const opened = this.at(state, sale);
    const { open } = this.tills.values[opened.till]!.state.volatile;
    const numbers = {
      channel: CHANNEL,
      seq: seq(sales + 1),
      spent: amount(sales + 1),
      paid: amount(sales + 1),
      lanes: new Uint8Array(16),
    };
    const { scene } = this;
    const request = requestHash(scene.signing, open!.request);
    const voucher = { kind: 'voucher', ...numbers, payee: scene.payees[0]!, request } as const;
    const digest = voucherDigest(scene.signing, voucher);
    const signature = standInSignature(scene.payer, digest);
    const sold = this.at(opened, { type: 'message', message: { type: 'voucher', ...numbers, signature } });
    const till = this.tills.values[sold.till]!;
    const first = till.first ?? {
      id: toHex(digest),
      bytes: toHex(uploads(scene, 0, till.state)[0]!.bytes),
    };
    return { ...sold, till: this.number({ ...till, first, sales: sales + 1 }) };
  }

  // ---- steps ----

  next(state: State, emit: (name: string, next: State) => void): void {
    const till = this.tills.values[state.till]!;
    const { books } = till.state;
    // It says no more about the time up to there.
    if (till.said) return;
    if (till.sales < this.config.sales) emit('the terminal sells', this.sells(state));
    const [lane] = books.lanes;
    if (lane !== undefined && lane.seq === 1 && lane.credited === 0)
      emit(
        'the terminal gives the sale back',
        this.at(state, { type: 'refund', channel: CHANNEL, credited: amount(1) }),
      );
    if (!isOver(till.state)) {
      for (const { entry } of entriesOf(books).filter(({ kind }) => kind === 'voucher'))
        emit('a thief acknowledges', this.at(state, this.acknowledged(entry, 0, STOLEN)));
      const fields = { key: STOLEN, at: seconds(START) };
      const digest = this.scene.signing.digest('HubKeyRevoked', fields);
      const message: Message = {
        type: 'hubKeyRevoked',
        ...fields,
        signature: standInSignature(this.scene.site.hub.root, digest),
      };
      emit("the root takes the thief's key back", this.at(state, { type: 'hubMessage', message }));
    }
    if (!state.displaced && books.kept.length > 0) {
      const left = { ...till.state, books: { ...books, kept: [] } };
      emit('others buy until nothing is kept', {
        ...state,
        displaced: true,
        till: this.number({ ...till, state: left }),
      });
    }
    if (till.state.volatile.beaconAt === 0 && isOver(till.state))
      emit('the hub says the time', this.at(state, { type: 'hubMessage', message: this.beacon(10) }));
    for (const entry of entriesOf(books))
      emit(`the hub is handed a ${entry.kind}`, this.handed(state, entry.entry));
    const [credit] = entriesOf(books).filter(({ kind }) => kind === 'credit');
    if (credit !== undefined && !state.lied && isOver(till.state))
      emit(
        "somebody refuses in the hub's name",
        this.at({ ...state, lied: true }, this.refused(credit.entry)),
      );
    if (till.first !== undefined && state.words.length < 1 && isOver(till.state)) {
      const answer = this.hub.answer(state.hub, till.first.id, this.scene.terminals[0]);
      if (answer?.type === 'unknown')
        emit('the hub says that it has no such sale', { ...state, words: [answer.size] });
    }
    for (const size of state.words)
      emit('the terminal hears that the hub has no such sale', this.hears({ ...state, words: [] }, size));
    if (!state.copied && till.first !== undefined)
      emit('the payer brings its copy of the sale', this.copied(state));
    if (isOver(till.state))
      emit('POWER CUT of the terminal', {
        ...state,
        till: this.number({ ...till, state: this.booted(books) }),
      });
  }

  private acknowledged(entry: Uint8Array, position: number, by?: Address): TerminalEvent {
    const fields = { entry, position: position as Position, at: START };
    const signature = this.signed('Acknowledgement', fields, by);
    return { type: 'hubMessage', message: { type: 'acknowledgement', ...fields, signature } };
  }

  private refused(entry: Uint8Array): TerminalEvent {
    return { type: 'hubMessage', message: { type: 'rejection', entry, code: UNKNOWN } };
  }

  private hears(state: State, size: number): State {
    const { first } = this.tills.values[state.till]!;
    const message = this.scene.unknown(fromHex(first!.id, 32), size, this.scene.terminals[0]);
    return this.at(state, { type: 'hubMessage', message });
  }

  /** One entry goes up, and the terminal hears what became of it. */
  private handed(state: State, entry: Uint8Array): State {
    const { state: till } = this.tills.values[state.till]!;
    const id = toHex(entry);
    const upload = uploads(this.scene, 0, till).find((one) => one.id === id)!;
    const hub = this.received(state.hub, upload.bytes);
    const position = this.hub.local(hub).durable.get(id);
    const after = { ...state, hub };
    return this.at(
      after,
      position === undefined ? this.refused(entry) : this.acknowledged(fromHex(id), position),
    );
  }

  private received(hub: number, bytes: Uint8Array): number {
    const id = toHex(bytes);
    const number = this.bytes.number(id, () => bytes);
    const handed = { bytes, id, number, payee: 0, claim: 0, place: { name: id, rank: 0 } };
    return this.hub.fsync(this.hub.receive(hub, handed));
  }

  private copied(state: State): State {
    this.reached.copied = true;
    const { first } = this.tills.values[state.till]!;
    return { ...state, copied: true, hub: this.received(state.hub, fromHex(first!.bytes)) };
  }

  // ---- properties ----

  fault(state: State): string | undefined {
    const { state: till, said, early } = this.tills.values[state.till]!;
    this.reached.refunded ||= till.books.lanes.some(({ credited }) => credited > 0);
    this.reached.said ||= said;
    this.reached.stray ||= till.books.outbox.some((entry) => this.isStray(state, till, entry));
    if (early) return 'S2 the terminal said that all is handed in while something waited that the hub takes';
    if (!isOver(till)) return undefined;
    this.reached.revoked = true;
    const key = `${state.till} ${state.hub}`;
    if (!this.ends.has(key)) this.ends.set(key, this.endOf(state));
    return this.ends.get(key);
  }

  /** S1 and S3, looked at after a meeting. */
  private endOf(state: State): string | undefined {
    if (!this.tills.values[this.met(this.sells(state)).till]!.said)
      return 'S1 the terminal never says that all is handed in';
    if (this.tills.values[state.till]!.first === undefined) return undefined;
    const { state: after } = this.tills.values[this.met(this.copied(state)).till]!;
    return after.books.outbox.length > 0 ? 'S3 something waits about a sale that the hub has' : undefined;
  }

  /** After a meeting with an honest hub that nobody disturbs. */
  private met(start: State): State {
    let state = this.at(start, { type: 'hubMessage', message: this.beacon(LATER) });
    for (let count = 0; count < EXCHANGES; count++) {
      const before = this.key(state);
      for (const { entry } of entriesOf(this.tills.values[state.till]!.state.books))
        state = this.handed(state, entry);
      const { first } = this.tills.values[state.till]!;
      const answer = first && this.hub.answer(state.hub, first.id, this.scene.terminals[0]);
      if (answer?.type === 'unknown') state = this.hears(state, answer.size);
      if (this.key(state) === before) break;
    }
    return state;
  }
}

/** The terminal has stored that the thief's key is taken back. */
const isOver = ({ books }: TerminalState): boolean =>
  books.hub.revoked.some(({ address }) => equalBytes(address, STOLEN));

/** What waits, by the digests that are acknowledged; there are no ticks here. */
const entriesOf = ({ outbox }: TerminalState['books']) =>
  outbox.flatMap((entry) => (entry.kind === 'tick' ? [] : [{ kind: entry.kind, entry: entry.entry }]));
