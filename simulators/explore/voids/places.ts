/**
 * A voucher that comes late to a terminal which forgot its lane, while a thief of a hub key names any place in the ledger for
 * what the terminal hands in. A customer signs one voucher, which the terminal takes or not; others buy; lanes are forgotten; the
 * thief acknowledges what it likes, at the first place or at one that no ledger ever reaches, until the root's word arrives; the
 * hub takes, and its answer is lost or not; somebody records that the hub has no such voucher, and the customer shows that
 * later; what is kept is displaced; the terminal loses its power. The thief itself never says that the hub has no such voucher:
 * while its key counts, that alone voids one (decision 40).
 *
 * F1 A sale that was accepted is never given back as if it had not been, unless nobody has it any more.
 * F2 Once the thief's key is taken back, an honest hub and one more sale bring the customer its answer.
 * F3 Then nothing waits any more.
 */
import { type Address, equalBytes, fromHex, toHex } from '../../../protocol/bytes.ts';
import {
  amount,
  type ChannelId,
  channelId,
  type Position,
  seconds,
  seq,
  UINT48_MAX,
} from '../../../protocol/integers.ts';
import { channelCap } from '../../../protocol/machines/terminal/acceptance.ts';
import * as terminalBooks from '../../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../../protocol/machines/terminal/state.ts';
import { terminalAfterPowerUp, type TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import { type Request, requestHash, voucherDigest } from '../../../protocol/vouchers.ts';
import type { Message } from '../../../protocol/wire/messages.ts';
import { readBack } from '../actors/device.ts';
import { channelFacts, HubTable } from '../actors/hub.ts';
import { challenge, settingsOf, uploads } from '../actors/terminal.ts';
import { CHANNEL, Scene, START } from '../scene.ts';
import { canonical, Interner } from '../space.ts';
import { addressNamed, standInSignature } from '../suite.ts';
import type { VoidConfig } from './config.ts';
import { NO_VOID_DROP, type VoidDrop } from './drops.ts';
import type { PlaceDrop } from './place-drops.ts';
import { type TillRan, tillRun } from './till-run.ts';
import type { World } from './walk.ts';

type Said = Extract<Message, { type: 'resolveVoucher' }>;

/** The customer's voucher. */
interface Late {
  readonly id: string;
  readonly said: Said;
  readonly accepted: boolean;
  readonly voided: boolean;
  /** The terminal has heard of the hub itself that it has it. */
  readonly safe: boolean;
  /** On a thief's word alone it left the outbox, and has lost its place among what is kept since. */
  readonly lost: boolean;
  /** It was given back although it was accepted. */
  readonly takenBack: boolean;
}

interface Till {
  readonly state: TerminalState;
  /** Of others. */
  readonly sales: number;
  readonly late: Late | undefined;
}

interface State {
  readonly till: number;
  readonly hub: number;
  readonly displaced: boolean;
  /** Size of the ledger in which the hub said that it has no such voucher: recorded. */
  readonly word: number | undefined;
}

/** Signs until it is taken back. */
const STOLEN = addressNamed(0x22);
const OTHER: ChannelId = channelId(2);
const OTHERS_KEY = addressNamed(0x11);
/** Where the thief says that an entry stands. */
const THIEFS_PLACES = [0, UINT48_MAX - 1] as Position[];
/** Exchanges of one meeting with the hub: some entries, and an answer for each. */
const EXCHANGES = 8;

export class PlacesWorld implements World<State> {
  readonly first: State;
  readonly reached = {
    accepted: false,
    forgotten: false,
    revoked: false,
    late: false,
    lost: false,
    word: false,
  };
  broke = 0;
  private readonly config: VoidConfig;
  private readonly drop: PlaceDrop;
  private readonly scene: Scene;
  private readonly hub: HubTable;
  private readonly tills = new Interner<Till>();
  private readonly bytes = new Interner<Uint8Array>();
  /** What each terminal came to with some events, and what it hands in. */
  private readonly tilled = new Map<string, number>();
  private readonly uploaded = new Map<string, Uint8Array>();
  private readonly ends = new Map<string, string | undefined>();

  constructor(config: VoidConfig, { places = {} }: VoidDrop = NO_VOID_DROP) {
    this.config = config;
    this.drop = places;
    // Places in the ledger count here.
    this.scene = new Scene({ name: config.name, terminals: [0], asks: [], spendLimit: 20, evicts: true });
    const facts = { ...channelFacts(this.scene), payer: OTHERS_KEY };
    this.hub = new HubTable(this.scene, false, undefined, [{ type: 'channel', channel: OTHER, facts }]);
    const { applyRecord, EMPTY_TERMINAL } = terminalBooks;
    const keys = [this.scene.hub, STOLEN].map((address) => ({ ...this.scene.hubKey, address }));
    const books = keys.reduce((found, key) => applyRecord(found, { type: 'hubKey', ...key }), EMPTY_TERMINAL);
    this.first = {
      till: this.number({ state: this.booted(books), sales: 0, late: undefined }),
      hub: this.hub.first(),
      displaced: false,
      word: undefined,
    };
  }

  key({ till, hub, displaced, word }: State): string {
    return `${till} ${hub} ${displaced} ${word}`;
  }

  // ---- the terminal ----

  private number({ state: { books, volatile }, ...ghost }: Till): number {
    const state: TerminalState = {
      books: { ...books, counter: 0, counts: terminalBooks.EMPTY_TERMINAL.counts },
      volatile: {
        ...volatile,
        ...{ uploadedTicks: [], inFlight: 0, uploadFrom: 0 },
        ...{ unknown: undefined, asked: undefined, stashed: undefined },
      },
    };
    return this.tills.number(canonical([state, ghost]), () => ({ state, ...ghost }));
  }

  private run(state: TerminalState, event: TerminalEvent): TillRan {
    return tillRun(this.scene, state, event);
  }

  private booted(books: terminalBooks.TerminalBooks): TerminalState {
    const { EMPTY_TERMINAL: empty, snapshot, applyRecord: apply } = terminalBooks;
    const start = terminalAfterPowerUp(readBack({ empty, snapshot, apply }, books));
    const { state } = this.run(start, { type: 'boot', realTime: seconds(Math.max(START, books.time)) });
    return this.facing(state, CHANNEL);
  }

  /** With the customer of this channel before it. That it asks the hub by itself is not walked: the customer brings the word. */
  private facing(state: TerminalState, channel: ChannelId): TerminalState {
    const payer = channel === CHANNEL ? this.scene.payer : OTHERS_KEY;
    const lease = { ...this.scene.lease, channel, payer };
    const held = {
      lease,
      digest: this.scene.signing.digest('Lease', lease),
      signer: this.scene.hub,
      until: lease.expiresAt,
      isWide: true,
      cap: channelCap(settingsOf(this.scene, 0), lease),
    };
    const greeted = { channel, payer, key: undefined };
    return { ...state, volatile: { ...state.volatile, linkUp: true, greeted, leases: [held] } };
  }

  private stepped(state: TerminalState, event: TerminalEvent): TillRan {
    const broken = this.drop.terminal?.((from, given) => this.run(from, given), state, event);
    if (broken === undefined) return this.run(state, event);
    if (canonical(broken) !== canonical(this.run(state, event))) this.broke += 1;
    return broken;
  }

  /** The terminal after some events, with one customer before it. */
  private at(state: State, events: readonly TerminalEvent[], channel = CHANNEL): State {
    const key = `${state.till} ${channel} ${canonical(events)}`;
    let after = this.tilled.get(key);
    if (after === undefined) {
      const before = this.tills.values[state.till]!;
      let { late } = before;
      let till = this.facing(before.state, channel);
      for (const event of events) {
        const ran = this.stepped(till, event);
        till = ran.state;
        late &&= judged(late, ran);
      }
      after = this.number({ ...before, late, state: this.facing(till, CHANNEL) });
      this.tilled.set(key, after);
    }
    return { ...state, till: after };
  }

  private voucher(channel: ChannelId, number: number, request: Request): { id: string; said: Said } {
    const { scene } = this;
    const payer = channel === CHANNEL ? scene.payer : OTHERS_KEY;
    const money = { spent: amount(number), paid: amount(number), lanes: new Uint8Array(16) };
    const numbers = { channel, seq: seq(number), ...money };
    const hash = requestHash(scene.signing, request);
    const voucher = { kind: 'voucher', ...numbers, payee: scene.payees[0]!, request: hash } as const;
    const digest = voucherDigest(scene.signing, voucher);
    const signature = standInSignature(payer, digest);
    const { terminal, at, detail } = request;
    return {
      id: toHex(digest),
      said: { type: 'resolveVoucher', ...numbers, amount: request.amount, terminal, at, detail, signature },
    };
  }

  private openRequest(state: State): Request | undefined {
    return this.tills.values[state.till]!.state.volatile.open?.request;
  }

  /** Somebody else pays 1. */
  private othersBuy(state: State): State {
    const { sales } = this.tills.values[state.till]!;
    const opened = this.at(state, [sale(sales + 1)], OTHER);
    const { said } = this.voucher(OTHER, sales + 1, this.openRequest(opened)!);
    const sold = this.at(opened, [{ type: 'message', message: shortOf(said) }], OTHER);
    return { ...sold, till: this.number({ ...this.tills.values[sold.till]!, sales: sales + 1 }) };
  }

  // ---- steps ----

  next(state: State, emit: (name: string, next: State) => void): void {
    const till = this.tills.values[state.till]!;
    const { books } = till.state;
    // It has its credit, and nothing of it is left to go wrong.
    if (till.late?.voided === true) return;
    if (till.late === undefined) {
      const opened = this.at(state, [sale(100)]);
      const signed = this.voucher(CHANNEL, 1, this.openRequest(opened)!);
      const marks = { accepted: false, voided: false, safe: false, lost: false, takenBack: false };
      const late = { ...signed, ...marks };
      emit('the customer signs', {
        ...opened,
        till: this.number({ ...this.tills.values[opened.till]!, late }),
      });
    } else if (till.state.volatile.open !== undefined) {
      emit('the terminal takes it', this.at(state, [{ type: 'message', message: shortOf(till.late.said) }]));
      emit('the request is dropped', this.at(state, [{ type: 'cancel' }]));
    } else emit('the customer shows it again', this.shows(state));
    if (till.sales < this.config.sales && till.state.volatile.open === undefined)
      emit('others buy', this.othersBuy(state));
    for (const { channel } of books.lanes)
      if (!books.outbox.some((entry) => entry.channel === channel))
        emit(`the lane of ${channel} is forgotten`, this.forgets(state, channel));
    this.hears(state, emit);
    if (!state.displaced && isKept(till)) emit('others buy until nothing is kept', this.displaced(state));
    if (till.late !== undefined && state.word === undefined) {
      const answer = this.hub.answer(state.hub, till.late.id, this.scene.terminals[0]);
      if (answer?.type === 'unknown')
        emit('the hub says that it has no such voucher', { ...state, word: answer.size });
    }
    emit('POWER CUT of the terminal', {
      ...state,
      till: this.number({ ...till, state: this.booted(books) }),
    });
  }

  /** What hub, thief and root say. */
  private hears(state: State, emit: (name: string, next: State) => void): void {
    const { state: till, late } = this.tills.values[state.till]!;
    const entries = vouchersOf(till);
    for (const entry of entries) {
      emit('the hub is handed a voucher', this.met(state, entry));
      emit('the hub is handed a voucher, and its answer is lost', {
        ...state,
        hub: this.handed(state, entry),
      });
    }
    if (isOver(till)) return;
    for (const entry of entries)
      for (const position of toHex(entry) === late?.id ? THIEFS_PLACES : THIEFS_PLACES.slice(1))
        emit(
          `a thief acknowledges at ${position}`,
          this.at(state, [this.acknowledged(entry, position, STOLEN)]),
        );
    const fields = { key: STOLEN, at: seconds(START) };
    const digest = this.scene.signing.digest('HubKeyRevoked', fields);
    const signature = standInSignature(this.scene.site.hub.root, digest);
    const message: Message = { type: 'hubKeyRevoked', ...fields, signature };
    emit("the root takes the thief's key back", this.at(state, [{ type: 'hubMessage', message }]));
  }

  private acknowledged(entry: Uint8Array, position: Position, by: Address): TerminalEvent {
    const fields = { entry, position, at: START };
    const signature = standInSignature(by, this.scene.signing.digest('Acknowledgement', fields));
    return { type: 'hubMessage', message: { type: 'acknowledgement', ...fields, signature } };
  }

  private bytesOf(till: number, id: string): Uint8Array {
    const key = `${till} ${id}`;
    let bytes = this.uploaded.get(key);
    if (bytes === undefined) {
      const { state } = this.tills.values[till]!;
      bytes = uploads(this.scene, 0, state).find((one) => one.id === id)!.bytes;
      this.uploaded.set(key, bytes);
    }
    return bytes;
  }

  /** The hub after one entry went up. */
  private handed(state: State, entry: Uint8Array): number {
    const bytes = this.bytesOf(state.till, toHex(entry));
    const text = toHex(bytes);
    const number = this.bytes.number(text, () => bytes);
    const given = { bytes, id: text, number, payee: 0, claim: 0, place: { name: text, rank: 0 } };
    return this.hub.fsync(this.hub.receive(state.hub, given));
  }

  /** One entry goes up, and the terminal hears that the hub has it. */
  private met(state: State, entry: Uint8Array): State {
    const hub = this.handed(state, entry);
    const id = toHex(entry);
    const position = this.hub.local(hub).durable.get(id);
    if (position === undefined) return { ...state, hub };
    const heard = this.at({ ...state, hub }, [
      this.acknowledged(entry, position as Position, this.scene.hub),
    ]);
    const till = this.tills.values[heard.till]!;
    const late = till.late?.id === id ? { ...till.late, safe: true } : till.late;
    return { ...heard, till: this.number({ ...till, late }) };
  }

  private forgets(state: State, channel: ChannelId): State {
    const till = this.tills.values[state.till]!;
    const books = terminalBooks.applyRecord(till.state.books, { type: 'evicted', channel });
    return { ...state, till: this.number({ ...till, state: { ...till.state, books } }) };
  }

  private displaced(state: State): State {
    const till = this.tills.values[state.till]!;
    const before = till.late!;
    const late = { ...before, lost: before.lost || !before.safe };
    const books = { ...till.state.books, kept: [] };
    return {
      ...state,
      displaced: true,
      till: this.number({ ...till, late, state: { ...till.state, books } }),
    };
  }

  private shows(state: State): State {
    const { late } = this.tills.values[state.till]!;
    const { said, id } = late!;
    const word = state.word === undefined ? [] : [this.scene.unknown(fromHex(id, 32), state.word)];
    return this.at(
      { ...state, word: undefined },
      [...word, said].map((message) => ({ type: 'message', message })),
    );
  }

  // ---- properties ----

  fault(state: State): string | undefined {
    const { state: till, late } = this.tills.values[state.till]!;
    this.reached.accepted ||= late?.accepted === true;
    this.reached.forgotten ||= till.books.evictedAt > 0;
    this.reached.late ||= late !== undefined && !late.accepted && till.volatile.open === undefined;
    this.reached.lost ||= late?.lost === true;
    this.reached.word ||= state.word !== undefined;
    if (late?.takenBack === true) return 'F1 a sale that was accepted is given back';
    if (!isOver(till)) return undefined;
    this.reached.revoked = true;
    if (late === undefined) return undefined;
    const key = `${state.till} ${state.hub}`;
    if (!this.ends.has(key)) this.ends.set(key, this.endOf(state, late));
    return this.ends.get(key);
  }

  /** F2 and F3, looked at after a meeting with an honest hub that nobody disturbs. */
  private endOf(state: State, { id, said }: Late): string | undefined {
    let end = this.emptied(this.othersBuy(state));
    const answer = this.hub.answer(end.hub, id, this.scene.terminals[0]);
    if (answer?.type === 'unknown') {
      const till = this.facing(this.tills.values[end.till]!.state, CHANNEL);
      const told = this.stepped(till, { type: 'message', message: answer });
      const { trail } = this.stepped(told.state, { type: 'message', message: said });
      const isAnswer = ({ type, voucher }: { type: string; voucher?: Uint8Array }): boolean =>
        (type === 'receipt' || type === 'credit') && voucher !== undefined && toHex(voucher) === id;
      if (!trail.some((one) => one.type === 'send' && isAnswer(one.message)))
        return 'F2 the customer never gets an answer';
      end = this.emptied(this.shows({ ...end, word: answer.size }));
    }
    const { outbox } = this.tills.values[end.till]!.state.books;
    return outbox.length > 0 ? 'F3 something waits for ever' : undefined;
  }

  private emptied(start: State): State {
    let state = start;
    for (let count = 0; count < EXCHANGES; count++) {
      const [first] = vouchersOf(this.tills.values[state.till]!.state);
      if (first === undefined) break;
      state = this.met(state, first);
    }
    return state;
  }
}

const sale = (number: number): TerminalEvent => ({
  type: 'sale',
  amount: amount(1),
  currency: 'TIME',
  challenge: challenge(number),
});

/** The voucher as it is shown for a request that is open. */
const shortOf = ({ channel, seq: number, spent, paid, lanes, signature }: Said): Message => ({
  type: 'voucher',
  channel,
  seq: number,
  spent,
  paid,
  lanes,
  signature,
});

/** What waits, by the digests that are acknowledged; only vouchers do here. */
const vouchersOf = ({ books }: TerminalState): readonly Uint8Array[] =>
  books.outbox.flatMap((entry) => (entry.kind === 'voucher' ? [entry.entry] : []));

/** Is the customer's voucher among what is kept? */
const isKept = ({ state, late }: Till): boolean =>
  state.books.kept.some((entry) => entry.kind === 'voucher' && toHex(entry.entry) === late?.id);

/** The terminal has stored that the thief's key is taken back. */
const isOver = ({ books }: TerminalState): boolean =>
  books.hub.revoked.some(({ address }) => equalBytes(address, STOLEN));

/** What became of the customer's voucher. */
function judged(late: Late, { trail }: TillRan): Late {
  let { accepted, voided, takenBack } = late;
  for (const one of trail) {
    if (one.type !== 'persist' || one.record.type !== 'answered') continue;
    if (toHex(one.record.digest) !== late.id) continue;
    voided ||= one.record.credit !== undefined;
    takenBack ||= voided && accepted && !late.lost;
    accepted ||= one.record.receipt !== undefined;
  }
  return { ...late, accepted, voided, takenBack };
}
