/**
 * Leases that are signed away. A channel was lent in one scope; its bond covers no second one. Tills sell under that lease, lose
 * their power, hand in or don't, say how far they are; the hub settles; offices of payees sign the lease away; the payer asks to
 * be lent in another scope. Terminals, intake and the payees' decision are the real ones; the hub writes at once what it takes.
 *
 * L1 while the hub lends in another scope, it holds everything that was sold under the first lease, and nothing more is sold.
 * L2 no payee signs away a lease on which it has sold more than it was paid.
 * L3 with an honest payer, once all tills have met the hub, the bond is free for another scope.
 */
import { channelBook, topOf } from '../../../hub/intake/books.ts';
import { intakeStep } from '../../../hub/intake/intake.ts';
import { answerLeaseRequest, endedLeases } from '../../../hub/intake/leases.ts';
import {
  type Books,
  type ChannelBook,
  emptyIntake,
  type IntakeContext,
  type IntakeEvent,
  type IntakeState,
} from '../../../hub/intake/state.ts';
import { layersGet } from '../../../hub/intake/layers.ts';
import { bytesKey, numberKey, trieGet, trieSet } from '../../../hub/intake/trie.ts';
import type { HubRecord, RecordOf } from '../../../hub/ledger/records.ts';
import { equalBytes, toHex } from '../../../protocol/bytes.ts';
import { amount, type Seconds, seconds, seq } from '../../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../../protocol/limits.ts';
import { channelCap } from '../../../protocol/machines/terminal/acceptance.ts';
import * as terminalBooks from '../../../protocol/machines/terminal/books.ts';
import {
  type HeldLease,
  NOTHING_HANDED_IN,
  type TerminalState,
} from '../../../protocol/machines/terminal/state.ts';
import { terminalAfterPowerUp, type TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import { releasable, terminalsSynced } from '../../../protocol/machines/payee.ts';
import { requestHash, voucherDigest } from '../../../protocol/vouchers.ts';
import { encodeMessage, type Message } from '../../../protocol/wire/messages.ts';
import { readBack } from '../actors/device.ts';
import { challenge, settingsOf, uploads } from '../actors/terminal.ts';
import { CHANNEL, Scene, START } from '../scene.ts';
import { moneyBooks } from '../money-books.ts';
import { canonical, Interner } from '../space.ts';
import { addressNamed, standInSignature } from '../suite.ts';
import { type TillRan, tillRun } from '../voids/till-run.ts';
import type { World } from '../voids/walk.ts';
import type { ReleaseConfig } from './config.ts';
import { NO_RELEASE_DROP, type ReleaseDrop } from './drops.ts';

interface Till {
  readonly state: TerminalState;
  readonly sales: number;
  /** Digests of what was accepted. */
  readonly accepted: readonly string[];
}

interface Hub {
  readonly intake: IntakeState;
  readonly written: readonly HubRecord[];
}

/** What an office has heard of its terminals and not acted on. */
interface Heard {
  readonly payee: number;
  readonly syncedAt: readonly Seconds[];
  readonly saidAt: readonly Seconds[];
  /** Something was not paid, when that was asked first. */
  readonly unsettled?: boolean;
}

interface Stepped {
  readonly till: number;
  readonly said: readonly Message[];
}

interface State {
  /** Units of time that have passed. */
  readonly now: number;
  /** Numbers of the tills' states. */
  readonly tills: readonly number[];
  readonly hub: number;
  /** What L2 settled of each payee's lane. */
  readonly settled: readonly number[];
  readonly slashed: boolean;
  /** Where the payer's own line stands: vouchers, and what is paid on each lane. */
  readonly line: { readonly seq: number; readonly paid: readonly number[] };
  /** The copy has signed. */
  readonly copied: boolean;
  readonly heard: readonly Heard[];
  /** Ends of the leases in the first scope. */
  readonly ends: readonly Seconds[];
  /** The hub lent in another scope. */
  readonly lent: boolean;
}

const UNIT = DEFAULT_TIMING.leaseLifetime;
const HERE = new Uint8Array(32).fill(0xa1);
const ELSEWHERE = new Uint8Array(32).fill(0xa2);
const SEED = new Uint8Array(32).fill(5);
const DEPOSITED = 1000;
/** Covers one scope of leases with the tap limit of this deposit, and no second one. */
const BOND = 200;
const PAYEES = [0, 1];
/** The walk begins in the last second of the first lease: there a word of before and a sale under it may meet. */
const FIRST_END = START;

const timeAt = (now: number): Seconds => seconds(START + now * UNIT);

export class ReleasedWorld implements World<State> {
  readonly first: State;
  readonly reached: Record<string, boolean>;
  broke = 0;
  private readonly config: ReleaseConfig;
  private readonly drop: ReleaseDrop;
  private readonly scene: Scene;
  private readonly context: IntakeContext;
  private readonly tills = new Interner<Till>();
  private readonly hubs = new Interner<Hub>();
  /** What was computed once, by what it was computed from. */
  private readonly found = new Map<string, unknown>();
  private readonly terminals: readonly number[];

  constructor(config: ReleaseConfig, drop: ReleaseDrop = NO_RELEASE_DROP) {
    this.config = config;
    this.drop = drop;
    this.reached = { sold: false, released: false, lent: false, ...(config.copied && { proved: false }) };
    this.terminals = config.terminals.map((_, index) => index);
    this.scene = new Scene({ name: config.name, terminals: config.terminals, asks: [], spendLimit: 20 });
    const { scene } = this;
    const left = config.left ?? [];
    const here = new Set(config.terminals.filter((payee) => !left.includes(payee)));
    this.context = {
      signing: scene.signing,
      hub: scene.site.hub,
      timing: DEFAULT_TIMING,
      scopes: {
        [bytesKey(HERE)]: [...here].map((payee) => bytesKey(scene.payees[payee]!)),
        [bytesKey(ELSEWHERE)]: [bytesKey(addressNamed(0x3f))],
      },
      leaseAnyScope: false,
      indexedMax: 1_000_000,
      development: true,
    };
    this.first = {
      now: 0,
      tills: this.terminals.map((index) => this.newTill(index)),
      hub: this.newHub(),
      settled: PAYEES.map(() => 0),
      slashed: false,
      line: { seq: 0, paid: PAYEES.map(() => 0) },
      copied: false,
      heard: [],
      ends: [FIRST_END],
      lent: false,
    };
  }

  key({ now, tills, hub, settled, slashed, line, copied, heard, ends, lent }: State): string {
    const said = heard.map(({ payee, syncedAt, saidAt, unsettled }) =>
      [payee, syncedAt, saidAt, unsettled].join(),
    );
    return [now, tills, hub, settled, slashed, line.seq, line.paid, copied, said.join('/'), ends, lent].join(
      ' ',
    );
  }

  private once<T>(key: string, compute: () => T): T {
    if (!this.found.has(key)) this.found.set(key, compute());
    return this.found.get(key) as T;
  }

  // ---- tills ----

  private newTill(index: number): number {
    const { applyRecord, EMPTY_TERMINAL } = terminalBooks;
    const known = applyRecord(EMPTY_TERMINAL, { type: 'hubKey', ...this.scene.hubKey });
    const books = applyRecord(known, { type: 'member', scope: HERE, expiresAt: timeAt(40) });
    return this.tillNumber({ state: this.booted(index, books, 0, [FIRST_END]), sales: 0, accepted: [] });
  }

  private tillNumber({ state: { books, volatile }, ...ghost }: Till): number {
    const { trust, handed } = volatile;
    const state: TerminalState = {
      // No key is taken back here, and every clock is right.
      books: moneyBooks(books),
      volatile: {
        ...volatile,
        uploadedAtMs: 0,
        inFlight: 0,
        uploadFrom: 0,
        asked: undefined,
        trust: { ...trust, timeQuestion: undefined, timeQuestions: 0 },
        handed: { ...handed, ledger: NOTHING_HANDED_IN.ledger },
      },
    };
    return this.tills.number(canonical([state, ghost]), () => ({ state, ...ghost }));
  }

  private run(index: number, state: TerminalState, event: TerminalEvent, now: number): TillRan {
    return tillRun(this.scene, state, event, now * UNIT * 1000, index);
  }

  /** A till that has power, a clock that is right, its customer before it, and the hub. */
  private booted(
    index: number,
    books: terminalBooks.TerminalBooks,
    now: number,
    ends: State['ends'],
  ): TerminalState {
    const { EMPTY_TERMINAL: empty, snapshot, applyRecord: apply } = terminalBooks;
    const start = terminalAfterPowerUp(readBack({ empty, snapshot, apply }, books));
    const { state } = this.run(index, start, { type: 'boot', realTime: timeAt(now) }, now);
    const there = this.withLease(index, state, ends.at(-1)!);
    return this.run(index, there, { type: 'hubConnected', seed: SEED }, now).state;
  }

  /** The customer shows a lease of the first scope. */
  private withLease(index: number, state: TerminalState, end: Seconds): TerminalState {
    const { scene } = this;
    const fields = {
      ...this.leaseFields(HERE, end),
      channel: CHANNEL,
      payer: scene.payer,
    };
    const digest = scene.signing.digest('Lease', fields);
    const lease = { type: 'lease' as const, ...fields, signature: standInSignature(scene.hub, digest) };
    const held: HeldLease = {
      lease,
      digest,
      signer: scene.hub,
      until: end,
      isWide: false,
      cap: channelCap(settingsOf(scene, index), lease),
    };
    const greeted = { channel: CHANNEL, payer: scene.payer, key: undefined };
    return { ...state, volatile: { ...state.volatile, linkUp: true, greeted, leases: [held] } };
  }

  private leaseFields(scope: Uint8Array, end: Seconds) {
    return {
      spentFrom: amount(0),
      spendLimit: amount(20),
      tapLimit: amount(17),
      cap: amount(38),
      guarantee: amount(0),
      issuedAt: seconds(end - DEFAULT_TIMING.leaseLifetime),
      expiresAt: end,
      scope,
    };
  }

  /** The till's number after an event, and what it says to the hub of how far it is. */
  private stepped(index: number, number: number, event: TerminalEvent, now: number): Stepped {
    return this.once(`${index} ${number} ${now} ${canonical(event)}`, () => {
      const before = this.tills.values[number]!;
      const { state, trail } = this.run(index, before.state, event, now);
      const accepted = trail.flatMap((one) =>
        one.type === 'persist' && one.record.type === 'answered' && one.record.receipt !== undefined
          ? [toHex(one.record.digest)]
          : [],
      );
      const said = trail.flatMap((one) =>
        one.type === 'upload' && one.message.type === 'synced' ? [one.message] : [],
      );
      const till = { ...before, state, accepted: [...before.accepted, ...accepted] };
      return { till: this.tillNumber(till), said };
    });
  }

  /** After an event at a till; what it says to the hub arrives, unless `lost`. */
  private at(state: State, index: number, event: TerminalEvent, lost = false): State {
    const { till, said } = this.stepped(index, state.tills[index]!, event, state.now);
    const hub = lost ? state.hub : said.reduce((current, message) => this.took(current, message), state.hub);
    return { ...state, hub, tills: state.tills.map((old, one) => (one === index ? till : old)) };
  }

  /** A sale, and a voucher for it: the payer's own line goes on, or a copy signs from where the channel began. */
  private sells(state: State, index: number, copy: boolean): State | undefined {
    const { line, now, tills } = state;
    const payee = this.config.terminals[index]!;
    const paid = line.paid.map((old, one) => (copy ? 0 : old) + (one === payee ? 1 : 0));
    const key = `${index} sells ${tills[index]} ${now} ${copy} ${line.seq} ${paid.join()}`;
    const sold = this.once(key, () => this.sold(state, index, copy ? 1 : line.seq + 1, paid));
    if (sold === undefined) return undefined;
    const after = { ...state, tills: tills.map((old, one) => (one === index ? sold : old)) };
    return copy ? { ...after, copied: true } : { ...after, line: { seq: line.seq + 1, paid } };
  }

  /** The till after it; undefined when it refused. */
  private sold(state: State, index: number, next: number, paid: readonly number[]): number | undefined {
    const { scene } = this;
    const payee = this.config.terminals[index]!;
    const { sales } = this.tills.values[state.tills[index]!]!;
    const number = 100 * next + 10 * index + sales + 1;
    const sale = { type: 'sale', amount: amount(1), currency: 'TIME', challenge: challenge(number) } as const;
    const opened = this.at(state, index, sale);
    const { open } = this.tills.values[opened.tills[index]!]!.state.volatile;
    if (open === undefined) return undefined;
    const numbers = {
      channel: CHANNEL,
      seq: seq(next),
      spent: amount(paid.reduce((sum, one) => sum + one, 0)),
      paid: amount(paid[payee]!),
      lanes: new Uint8Array(16),
    };
    const request = requestHash(scene.signing, open.request);
    const voucher = { kind: 'voucher', ...numbers, payee: scene.payees[payee]!, request } as const;
    const digest = voucherDigest(scene.signing, voucher);
    scene.note(digest, voucher, open.request);
    const signature = standInSignature(scene.payer, digest);
    const sold = this.at(opened, index, {
      type: 'message',
      message: { type: 'voucher', ...numbers, signature },
    });
    const till = this.tills.values[sold.tills[index]!]!;
    return till.accepted.includes(toHex(digest)) ? this.tillNumber({ ...till, sales: sales + 1 }) : undefined;
  }

  private beacon(now: number): TerminalEvent {
    return this.once(`time ${now}`, (): TerminalEvent => {
      const fields = {
        at: timeAt(now),
        height: 1 as never,
        revocations: this.scene.signing.suite.keccak256(new Uint8Array(0)),
        checkpoint: new Uint8Array(32),
        nonce: new Uint8Array(16),
      };
      const signature = standInSignature(this.scene.hub, this.scene.signing.digest('Beacon', fields));
      return { type: 'hubMessage', message: { type: 'beacon', ...fields, signature } };
    });
  }

  // ---- the hub ----

  private newHub(): number {
    const { scene } = this;
    const events: readonly IntakeEvent[] = [
      { type: 'block', at: START, height: 1 as never },
      { type: 'channel', channel: CHANNEL, facts: this.facts(false) },
      ...scene.payees.map((payee): IntakeEvent => ({ type: 'payee', payee })),
      ...scene.terminals.map((device, index): IntakeEvent => {
        const payee = scene.payees[this.config.terminals[index]!]!;
        return { type: 'device', device, counter: 0, payee };
      }),
    ];
    const told = events.reduce((state, event) => intakeStep(this.context, state, event).state, emptyIntake);
    const records: readonly HubRecord[] = [
      ...scene.terminals.map(
        (terminal): HubRecord => ({ type: 'member', scope: HERE, terminal, expiresAt: timeAt(40) }),
      ),
      {
        type: 'lease',
        channel: CHANNEL,
        seq: seq(0),
        payer: scene.payer,
        ...this.leaseFields(HERE, FIRST_END),
      },
    ];
    const intake = records.reduce(
      (state, record, position) =>
        intakeStep(this.context, state, { type: 'replayed', record, position }).state,
      told,
    );
    return this.hubNumber({ intake, written: records });
  }

  private facts(slashed: boolean) {
    const { payer } = this.scene;
    const [deposited, bond, spendable] = [amount(DEPOSITED), amount(BOND), amount(20)];
    return { payer, deposited, spendable, bond, exiting: false, slashed };
  }

  private hubNumber(hub: Hub): number {
    const { block, channels, books } = hub.intake;
    const { released, booked, lease, proof } = channelBook(books, CHANNEL);
    const entries = hub.written.flatMap((record) => (record.type === 'entry' ? [toHex(record.id)] : []));
    const synced = this.scene.terminals.map((terminal) => trieGet(books.synced, bytesKey(terminal))?.at);
    const { slashed } = trieGet(channels, numberKey(CHANNEL))!;
    const text = [
      block?.at,
      slashed,
      entries.sort(),
      synced,
      canonical([released, booked, lease]),
      proof !== undefined,
    ];
    return this.hubs.number(text.join(' '), () => hub);
  }

  private dated(hub: number, now: number): number {
    const block = { type: 'block', at: timeAt(now), height: 1 as never } as const;
    return this.once(`${hub} at ${now}`, () => this.told(hub, block));
  }

  private told(hub: number, event: IntakeEvent): number {
    const { intake, written } = this.hubs.values[hub]!;
    return this.hubNumber({ intake: intakeStep(this.context, intake, event).state, written });
  }

  /** The hub after it took a message and wrote what came of it. */
  private took(hub: number, message: Message | Uint8Array): number {
    const bytes = message instanceof Uint8Array ? message : encodeMessage(message);
    return this.once(`${hub} takes ${toHex(bytes)}`, () => this.wrote(hub, bytes));
  }

  private wrote(hub: number, bytes: Uint8Array): number {
    const { intake, written } = this.hubs.values[hub]!;
    const now = intake.block!.at;
    const { state, effects } = intakeStep(this.context, intake, {
      type: 'message',
      device: 'any',
      bytes,
      now,
    });
    const records = effects.flatMap((effect) => (effect.type === 'persist' ? [effect] : []));
    const after = records.reduce(
      (current, { token }, index) =>
        intakeStep(this.context, current, { type: 'persisted', token, position: written.length + index })
          .state,
      state,
    );
    return this.hubNumber({ intake: after, written: [...written, ...records.map(({ record }) => record)] });
  }

  private book(hub: number) {
    return channelBook(this.hubs.values[hub]!.intake.books, CHANNEL);
  }

  private durable(hub: number): ReadonlySet<string> {
    const { written } = this.hubs.values[hub]!;
    const ids = () => written.flatMap((record) => (record.type === 'entry' ? [toHex(record.id)] : []));
    return this.once(`${hub} has`, () => new Set(ids()));
  }

  private claimed(hub: number, payee: number): number {
    const claim = layersGet(this.book(hub).claims, bytesKey(this.scene.payees[payee]!));
    return claim === undefined ? 0 : topOf(claim);
  }

  private isReleased({ hub, ends }: State, payee: number): boolean {
    return (this.book(hub).released[bytesKey(this.scene.payees[payee]!)] ?? 0) >= ends[0]!;
  }

  /** Asks for a lease, as the payer's own line stands. */
  private asks(state: State, scope: Uint8Array): RecordOf<'lease'> | undefined {
    const key = `${state.hub} lends ${scope[0]} after ${state.line.seq} ${state.line.paid.join()}`;
    return this.once(key, () => this.answered(state, scope));
  }

  private answered(state: State, scope: Uint8Array): RecordOf<'lease'> | undefined {
    const { scene, context, drop } = this;
    const { intake } = this.hubs.values[state.hub]!;
    const spent = amount(state.line.paid.reduce((sum, one) => sum + one, 0));
    const fields = { channel: CHANNEL, seq: seq(state.line.seq), spent, at: intake.block!.at, scope };
    const signature = standInSignature(scene.payer, scene.signing.digest('LeaseRequest', fields));
    const request = { type: 'leaseRequest', ...fields, signature } as const;
    const answer = (given: IntakeState) => answerLeaseRequest(context, given, request, intake.block!.at);
    const whole = answer(intake);
    const found = drop.book || drop.books ? answer(this.dropped(intake)) : whole;
    if ('refusal' in found !== 'refusal' in whole) this.broke += 1;
    return 'refusal' in found ? undefined : found.lease;
  }

  private dropped(intake: IntakeState): IntakeState {
    const { book: change = (book) => book, books: changeAll = (books) => books } = this.drop;
    return { ...intake, books: this.withBook(changeAll(intake.books), change) };
  }

  private withBook(books: Books, change: (book: ChannelBook) => ChannelBook): Books {
    const book = change(channelBook(books, CHANNEL));
    return { ...books, channels: trieSet(books.channels, numberKey(CHANNEL), book) };
  }

  // ---- the payees' offices ----

  /** How far a payee's terminals are, by their own signatures. */
  private hears(state: State, payee: number): Heard {
    const { scene } = this;
    const { synced } = this.hubs.values[state.hub]!.intake.books;
    const own = this.terminals
      .filter((one) => this.config.terminals[one] === payee)
      .map((one) => scene.terminals[one]!);
    const said = own.flatMap((terminal) => {
      const word = trieGet(synced, bytesKey(terminal));
      return word === undefined ? [] : [word];
    });
    return {
      payee,
      syncedAt: terminalsSynced(scene.signing, own, said),
      saidAt: said.map(({ at }) => at),
      ...(this.drop.paidFirst && { unsettled: this.unsettled(state, payee) }),
    };
  }

  private unsettled({ hub, settled }: State, payee: number): boolean {
    return this.claimed(hub, payee) > settled[payee]!;
  }

  /** What the office signs away after it heard its terminals, if anything. */
  private signs(state: State, heard: Heard): State {
    const { payee } = heard;
    const { scene, drop } = this;
    // With what is paid asked first, how far they are is asked now.
    const { syncedAt, saidAt } = drop.paidFirst === true ? this.hears(state, payee) : heard;
    const after = { ...state, heard: state.heard.filter((one) => one !== heard) };
    const account = scene.payees[payee]!;
    const { intake } = this.hubs.values[state.hub]!;
    const ended = (books: Books) => endedLeases(this.context, { ...intake, books }, bytesKey(account), 1)[0];
    const listed = ended(intake.books);
    const lease = drop.told ? ended(this.withBook(intake.books, drop.told)) : listed;
    if ((lease === undefined) !== (listed === undefined)) this.broke += 1;
    if (lease === undefined) return after;
    const facts = {
      until: lease.until,
      terminalsSyncedAt: syncedAt,
      saidAt,
      unsettled: this.unsettled(state, payee),
      slashed: state.slashed,
    };
    const whole = releasable(facts, timeAt(state.now));
    const changed = { ...facts, ...(heard.unsettled !== undefined && { unsettled: heard.unsettled }) };
    const found = releasable(drop.office?.(changed) ?? changed, timeAt(state.now));
    if (found !== whole) this.broke += 1;
    if (!found) return after;
    const word = { channel: CHANNEL, payee: account, until: facts.until };
    const signature = standInSignature(account, scene.signing.digest('Released', word));
    return { ...after, hub: this.took(state.hub, { type: 'released', ...word, signature }) };
  }

  // ---- steps ----

  next(state: State, emit: (name: string, next: State) => void): void {
    const { config } = this;
    if (state.now < config.units) emit('time passes', this.passed(state));
    for (const index of this.terminals) {
      const { sales, state: of } = this.tills.values[state.tills[index]!]!;
      const name = `till ${index}`;
      if (sales < config.sales)
        for (const copy of config.copied === true && !state.copied ? [false, true] : [false]) {
          const sold = this.sells(state, index, copy);
          if (sold !== undefined) emit(`${name} sells${copy ? ' to a copy of the payer' : ''}`, sold);
        }
      if (of.books.outbox.length > 0) emit(`${name} hands in what it has`, this.handed(state, index));
      const heard = this.acknowledged(state, index);
      if (heard !== state) emit(`${name} hears what the hub has`, heard);
      if (of.volatile.beaconAt < timeAt(state.now)) {
        const time = this.beacon(state.now);
        emit(`${name} gets the time`, this.at(state, index, time));
        if (config.faults)
          emit(`${name} gets the time, and its word is lost`, this.at(state, index, time, true));
      }
      if (config.faults) emit(`POWER CUT of ${name}`, this.cut(state, index));
    }
    for (const payee of PAYEES) {
      const settles = this.settles(state, payee);
      if (settles !== state) emit(`L2 pays payee ${payee}`, settles);
    }
    if (!state.slashed && this.book(state.hub).proof !== undefined)
      emit('the proof reaches L2', this.slashes(state));
    for (const payee of new Set(config.terminals)) {
      // Nothing is signed away before that, nor twice.
      if (timeAt(state.now) <= FIRST_END || state.heard.length > 0 || this.isReleased(state, payee)) continue;
      emit(`the office of payee ${payee} asks how far its tills are`, {
        ...state,
        heard: [...state.heard, this.hears(state, payee)],
      });
    }
    for (const heard of state.heard)
      emit(`the office of payee ${heard.payee} looks at its leases`, this.signs(state, heard));
    if (config.renews === true && state.ends.length === 1) {
      const lease = this.asks(state, HERE);
      if (lease !== undefined && lease.expiresAt > FIRST_END)
        emit('the payer is lent there once more', this.lends(state, lease));
    }
    if (!state.lent) {
      const lease = this.asks(state, ELSEWHERE);
      if (lease !== undefined) emit('the payer is lent elsewhere', this.lends(state, lease));
    }
  }

  private passed(state: State): State {
    const now = state.now + 1;
    const event = this.once(`clock ${now}`, (): TerminalEvent => ({ type: 'clock', realTime: timeAt(now) }));
    const later = { ...state, now, hub: this.dated(state.hub, now) };
    return this.terminals.reduce((current, index) => this.at(current, index, event), later);
  }

  private handed(state: State, index: number): State {
    const { state: till } = this.tills.values[state.tills[index]!]!;
    const entries = this.once(`${index} uploads ${state.tills[index]}`, () =>
      uploads(this.scene, index, till),
    );
    return { ...state, hub: entries.reduce((current, { bytes }) => this.took(current, bytes), state.hub) };
  }

  private acknowledged(state: State, index: number): State {
    const durable = this.durable(state.hub);
    const { outbox } = this.tills.values[state.tills[index]!]!.state.books;
    return outbox.reduce((current, entry) => {
      if (entry.kind !== 'voucher' || !durable.has(toHex(entry.entry))) return current;
      const event = this.once(`acknowledged ${toHex(entry.entry)}`, (): TerminalEvent => {
        return { type: 'hubMessage', message: this.scene.acknowledgement(entry.entry, 0) };
      });
      return this.at(current, index, event);
    }, state);
  }

  private cut(state: State, index: number): State {
    const { now, ends } = state;
    const number = this.once(`${index} boots ${state.tills[index]} ${now} ${ends.length}`, () => {
      const till = this.tills.values[state.tills[index]!]!;
      return this.tillNumber({ ...till, state: this.booted(index, till.state.books, now, ends) });
    });
    return { ...state, tills: state.tills.map((old, one) => (one === index ? number : old)) };
  }

  private settles(state: State, payee: number): State {
    const top = this.claimed(state.hub, payee);
    if (top <= state.settled[payee]!) return state;
    return { ...state, settled: state.settled.map((old, one) => (one === payee ? top : old)) };
  }

  private slashes(state: State): State {
    const hub = this.told(state.hub, { type: 'channel', channel: CHANNEL, facts: this.facts(true) });
    return { ...state, slashed: true, hub };
  }

  private lends(state: State, lease: RecordOf<'lease'>): State {
    const { intake, written } = this.hubs.values[state.hub]!;
    const event = { type: 'replayed', record: lease, position: written.length } as const;
    const hub = this.hubNumber({
      intake: intakeStep(this.context, intake, event).state,
      written: [...written, lease],
    });
    if (!equalBytes(lease.scope, HERE)) return { ...state, hub, lent: true };
    const ends = [...state.ends, lease.expiresAt];
    // The customer shows it wherever it goes.
    const tills = this.terminals.map((index) => {
      const till = this.tills.values[state.tills[index]!]!;
      return this.tillNumber({ ...till, state: this.withLease(index, till.state, lease.expiresAt) });
    });
    return { ...state, hub, ends, tills };
  }

  // ---- properties ----

  fault(state: State): string | undefined {
    const durable = this.durable(state.hub);
    const proved = this.book(state.hub).proof !== undefined;
    if (proved) this.reached.proved = true;
    this.reached.lent ||= state.lent;
    const sold = PAYEES.map(() => 0);
    for (const index of this.terminals) {
      const { accepted } = this.tills.values[state.tills[index]!]!;
      sold[this.config.terminals[index]!]! += accepted.length;
      this.reached.sold ||= accepted.length > 0;
      if (state.lent && accepted.some((digest) => !durable.has(digest)))
        return 'L1 the hub lends elsewhere while a till holds a voucher under the first lease';
    }
    for (const payee of PAYEES) {
      if (!this.isReleased(state, payee)) continue;
      this.reached.released = true;
      if (sold[payee]! > state.settled[payee]! && state.ends.length === 1)
        return 'L2 a payee signed a lease away on which it sold more than it was paid';
    }
    if (this.config.copied === true || state.lent) return undefined;
    const isFree = this.once(this.key({ ...state, heard: [] }), () => this.isFreeInTheEnd(state));
    return isFree ? undefined : 'L3 all tills have met the hub, and the bond is not free';
  }

  /** After the leases' end, a meeting of each till with the hub, settlement, and a round of each office. */
  private isFreeInTheEnd(start: State): boolean {
    let state = start;
    while (timeAt(state.now) <= state.ends.at(-1)!) state = this.passed(state);
    state = this.passed(state);
    for (const index of this.terminals) {
      state = this.acknowledged(this.handed(state, index), index);
      state = this.at(state, index, this.beacon(state.now));
    }
    for (const payee of PAYEES) state = this.settles(state, payee);
    for (const payee of new Set(this.config.terminals)) state = this.signs(state, this.hears(state, payee));
    return this.asks(state, ELSEWHERE) !== undefined;
  }
}
