/**
 * The walk of clearances: payer, terminals and hub with their real steps. What was sent once may arrive never, once or
 * again, at any time and in any order; the power of each may be cut between any two things that it stores or sends. An
 * honest payer is its real machine; a copied one signs any question and any voucher that a terminal ever asked for, each
 * from the numbers with which the channel began; tills keep their power there: a cut only makes one forget what it may sell.
 *
 * Properties:
 * R1 what is sold above the limits is never more than the channel has.
 * R2 what was approved can be claimed, and is never voided as well.
 * R3 no more than one cleared sale of a terminal waits for its acknowledgement.
 * R4 a payer pays above its limits only what was reserved for this very request, within its owner's limits.
 * R5 whatever is lost, all is resolved in the end: nothing is unconfirmed, nothing waits, and nothing is reserved for a
 *    request that its terminal dropped.
 */
import { equalBytes, toHex } from '../../../protocol/bytes.ts';
import { amount, channelId, type Position, seconds, seq } from '../../../protocol/integers.ts';
import { clearanceLife, DEFAULT_TIMING } from '../../../protocol/limits.ts';
import type { Effect } from '../../../protocol/machines/effects.ts';
import * as payers from '../../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../../../protocol/machines/payer/state.ts';
import * as tills from '../../../protocol/machines/terminal/books.ts';
import { CLEARANCES } from '../../../protocol/machines/terminal/clearance.ts';
import {
  NOTHING_HANDED_IN,
  type TerminalSettings,
  type TerminalState,
} from '../../../protocol/machines/terminal/state.ts';
import {
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../../../protocol/machines/terminal/terminal.ts';
import { collectedMessage } from '../../../protocol/machines/collected.ts';
import { makeSigning } from '../../../protocol/signing/digests.ts';
import {
  detailHash,
  requestHash,
  SCOPE_ANY,
  type Voucher,
  voucherDigest,
} from '../../../protocol/vouchers.ts';
import { encodeMessage, type Message, type MessageOf } from '../../../protocol/wire/messages.ts';
import { applyRecord, channelBook } from '../../../hub/intake/books.ts';
import { intakeStep } from '../../../hub/intake/intake.ts';
import { NO_CLEARANCES, reservedOn } from '../../../hub/intake/clearances.ts';
import {
  emptyIntake,
  type IntakeContext,
  type IntakeEffect,
  type IntakeEvent,
  type IntakeState,
} from '../../../hub/intake/state.ts';
import type { HubRecord } from '../../../hub/ledger/records.ts';
import { canonical, Interner } from '../space.ts';
import { addressNamed, standInSignature, standInSuite } from '../suite.ts';
import type { ClearanceConfig } from './config.ts';
import { type ClearanceDrop, NO_CLEARANCE_DROP } from './drops.ts';
import type { Done, Trail } from './trail.ts';
import { moneyBooks } from '../money-books.ts';

const CHANNEL = channelId(1);
const START = 1_790_000_000;
const PAYER = addressNamed(0x10);
const HUB = addressNamed(0x20);
const TIMING = DEFAULT_TIMING;
/** Seconds after which the clearances of a walk have ended, and after which nobody can bring a voucher. */
const ENDED = clearanceLife(TIMING) + 100;
const OVER = ENDED + TIMING.payeeOfflineMax;
const MOMENTS = [0, ENDED, OVER];
const WORDS = 6;
const signing = makeSigning(standInSuite, { chainId: 31337, vault: addressNamed(0xee) });
const hubKey = {
  address: HUB,
  from: seconds(0),
  until: seconds(START + 1e9),
  epoch: 0,
  signedAt: seconds(0),
};
const site = { hub: { id: new Uint8Array(32), root: addressNamed(0x21) }, timing: TIMING };

/** One way in which an event ends: whole, or with the power cut after a part of what it asked for. */
interface Outcome {
  readonly next: number;
  readonly said: readonly number[];
  readonly cut: boolean;
}

interface TillGhost {
  readonly sales: number;
  /** Digests of vouchers with the amount that was approved, and of those that were voided. */
  readonly approved: Readonly<Record<string, number>>;
  readonly voided: readonly string[];
  readonly wasCut: boolean;
}

interface PayerGhost {
  /** Requests (hash) paid above the limits, and those that the person said yes to. */
  readonly above: readonly string[];
  readonly confirmed: readonly string[];
  readonly day: number;
}

interface HubLocal {
  readonly intake: IntakeState;
  readonly written: readonly HubRecord[];
  readonly waiting: readonly { readonly token: number; readonly record: HubRecord }[];
}

export type Emit = (name: string, row: Int32Array) => void;

export class ClearanceWorld {
  readonly config: ClearanceConfig;
  readonly first: Int32Array;
  broke = 0;
  readonly reached = { cleared: false, voided: false, released: false, resolved: false };
  private readonly drop: ClearanceDrop;
  private readonly terminals: readonly Uint8Array[];
  private readonly payees = [addressNamed(0x30), addressNamed(0x31)];
  private readonly settings: readonly TerminalSettings[];
  private readonly payerSettings: PayerSettings;
  private readonly intake: IntakeContext;
  private readonly started: IntakeState;
  private readonly lease: MessageOf<'lease'>;
  private readonly messages = new Interner<Said>();
  private readonly payerStates = new Interner<{ state: PayerState; ghost: PayerGhost }>();
  private readonly tillStates: readonly Interner<{ state: TerminalState; ghost: TillGhost }>[];
  private readonly hubs = new Interner<HubLocal>();
  private readonly memo = new Map<string, readonly Outcome[]>();
  /** A copied payer has no use for what a till answers, and asks the hub by itself. */
  private readonly heardOnTap: ReadonlySet<string>;
  private readonly tillsAt = 2;
  private readonly hubAt: number;
  private readonly saidAt: number;

  constructor(config: ClearanceConfig, drop: ClearanceDrop = NO_CLEARANCE_DROP) {
    this.config = config;
    this.drop = drop;
    if (drop.noDay && config.dayLimit !== undefined) this.broke += 1;
    this.heardOnTap = config.dishonest ? new Set(['clearanceQuestion']) : SAID;
    this.terminals = config.terminals.map((_, t) => addressNamed(0x40 + t));
    this.hubAt = this.tillsAt + this.terminals.length;
    this.saidAt = this.hubAt + 1;
    const lease = {
      channel: CHANNEL,
      payer: PAYER,
      spentFrom: amount(0),
      spendLimit: amount(config.free),
      tapLimit: amount(1),
      cap: amount(2),
      guarantee: amount(0),
      issuedAt: seconds(START),
      expiresAt: seconds(START + 1e8),
      scope: SCOPE_ANY,
    };
    this.lease = {
      type: 'lease',
      ...lease,
      signature: standInSignature(HUB, signing.digest('Lease', lease)),
    };
    this.settings = this.terminals.map((_, t) => this.settingsOf(t));
    this.payerSettings = {
      ...site,
      role: 'wearable',
      scheme: 'secp256k1',
      tapMax: amount(1000),
      ...(config.dayLimit !== undefined && !drop.noDay && { dayLimit: amount(config.dayLimit) }),
      ...(config.confirmLimit !== undefined && { confirmLimit: amount(config.confirmLimit) }),
      entropyCertified: true,
    };
    this.intake = {
      signing,
      hub: site.hub,
      timing: TIMING,
      scopes: {},
      leaseAnyScope: true,
      indexedMax: 1_000_000,
      development: true,
    };
    this.started = this.startHub();
    this.tillStates = this.terminals.map(() => new Interner());
    this.first = new Int32Array(this.saidAt + WORDS);
    this.first[1] = this.payerNumber(this.bootPayer(this.payerBooks()), { above: [], confirmed: [], day: 0 });
    this.terminals.forEach((_, t) => {
      const books = tills.applyRecord(tills.EMPTY_TERMINAL, { type: 'hubKey', ...hubKey });
      const ghost = { sales: 0, approved: {}, voided: [], wasCut: false };
      this.first[this.tillsAt + t] = this.tillNumber(t, this.bootTill(t, books, 0), ghost);
    });
    this.first[this.hubAt] = this.hubNumber({ intake: this.started, written: [], waiting: [] });
  }

  // ---- what each is made of ----

  private certificate(t: number): MessageOf<'certificate'> {
    const fields = {
      terminal: this.terminals[t]!,
      payee: this.payees[this.config.terminals[t]!]!,
      expiresAt: seconds(START + 1e9),
    };
    const signature = standInSignature(fields.payee, signing.digest('Terminal', fields));
    return { type: 'certificate', ...fields, signature };
  }

  private settingsOf(t: number): TerminalSettings {
    const { payee, expiresAt, signature } = this.certificate(t);
    return {
      ...site,
      role: 'pos',
      scheme: 'secp256k1',
      payee,
      certificate: { expiresAt, signature },
      capTotal: amount(1000),
      wideMax: amount(1000),
      outboxMax: 64,
      lanesMax: 64,
      entropyCertified: true,
      clearances: CLEARANCES,
    };
  }

  private payerBooks(): payers.PayerBooks {
    let books = payers.applyRecord(payers.EMPTY_PAYER, { type: 'channelOpened', channel: CHANNEL });
    books = payers.applyRecord(books, { type: 'hubKey', ...hubKey });
    books = payers.applyRecord(books, { type: 'time', at: seconds(START) });
    books = payers.applyRecord(books, { ...this.lease, signer: HUB });
    this.terminals.forEach((_, t) => {
      const { terminal, payee, expiresAt } = this.certificate(t);
      books = payers.applyRecord(books, { type: 'certificate', terminal, payee, expiresAt });
    });
    return books;
  }

  private startHub(): IntakeState {
    const facts = {
      payer: PAYER,
      deposited: amount(1000),
      spendable: amount(this.config.free),
      bond: amount(200),
      exiting: false,
      slashed: false,
    };
    const told: IntakeEvent[] = [
      { type: 'block', at: seconds(START), height: 1 as never },
      { type: 'channel', channel: CHANNEL, facts },
      ...this.payees.map((payee): IntakeEvent => ({ type: 'payee', payee })),
      ...this.terminals.map(
        (device, t): IntakeEvent => ({
          type: 'device',
          device,
          counter: 0,
          payee: this.payees[this.config.terminals[t]!]!,
        }),
      ),
    ];
    return told.reduce((state, event) => intakeStep(this.intake, state, event).state, emptyIntake);
  }

  // ---- steps, once for each state and event ----

  private carry<S, R extends { readonly type: string }, E extends { readonly type: string }>(
    step: (state: S, event: E) => { readonly state: S; readonly effects: readonly Effect<R>[] },
    signed: (digest: Uint8Array) => E,
    state: S,
    event: E,
  ): Done<S> {
    const trail: Trail[] = [];
    const { state: after, effects } = step(state, event);
    let current = after;
    for (const effect of effects) {
      if (effect.type === 'persist') trail.push({ type: 'persist', record: effect.record });
      else if (effect.type === 'send' || effect.type === 'upload') {
        const up = effect.type === 'upload';
        if ((up ? TO_HUB : this.heardOnTap).has(effect.message.type))
          trail.push({ type: 'say', message: effect.message, up });
      } else if (effect.type === 'sign') {
        const inner = this.carry(step, signed, current, signed(effect.digest));
        current = inner.state;
        trail.push(...inner.trail);
      }
    }
    return { state: current, trail };
  }

  private runPayer = (state: PayerState, event: PayerEvent): Done<PayerState> =>
    this.carry(
      (before, given: PayerEvent) =>
        payerStep({ signing, self: PAYER }, this.payerSettings, before, given, 0),
      (digest): PayerEvent => ({ type: 'signed', digest, signature: standInSignature(PAYER, digest) }),
      state,
      event,
    );

  private runTill(
    t: number,
    nowMs: number,
  ): (state: TerminalState, event: TerminalEvent) => Done<TerminalState> {
    const self = this.terminals[t]!;
    return (state, event) =>
      this.carry(
        (before, given: TerminalEvent) =>
          terminalStep({ signing, self }, this.settings[t]!, before, given, nowMs),
        (digest): TerminalEvent => ({ type: 'signed', digest, signature: standInSignature(self, digest) }),
        state,
        event,
      );
  }

  private bootPayer(books: payers.PayerBooks): PayerState {
    const read = payers.snapshot(books).reduce(payers.applyRecord, payers.EMPTY_PAYER);
    return this.runPayer(payerAfterPowerUp(read), { type: 'boot', realTime: seconds(START) }).state;
  }

  private bootTill(t: number, books: tills.TerminalBooks, nowMs: number): TerminalState {
    const read = tills.snapshot(books).reduce(tills.applyRecord, tills.EMPTY_TERMINAL);
    const realTime = seconds(START + nowMs / 1000);
    return this.runTill(t, nowMs)(terminalAfterPowerUp(read), { type: 'boot', realTime }).state;
  }

  private payerNumber(state: PayerState, ghost: PayerGhost): number {
    const { books, volatile } = state;
    const clean: PayerState = {
      books: { ...books, outbox: [], counter: 0 },
      volatile: {
        ...volatile,
        linkUp: true,
        peer: undefined,
        sentAtMs: 0,
        askedAtMs: 0,
        askPauseMs: 0,
        signatures: [],
        lastRequest: undefined,
        pending: volatile.pending && { ...volatile.pending, random: undefined },
      },
    };
    return this.payerStates.number(canonical([clean, ghost]), () => ({ state: clean, ghost }));
  }

  private tillNumber(t: number, { books, volatile }: TerminalState, ghost: TillGhost): number {
    const digest = signing.digest('Lease', this.lease);
    const held = {
      lease: this.lease,
      digest,
      signer: HUB,
      until: this.lease.expiresAt,
      isWide: true,
      cap: 2,
    };
    const clean: TerminalState = {
      books: moneyBooks(books),
      volatile: {
        ...volatile,
        time: {
          ...volatile.time,
          floor: seconds(START),
          sinceMs: 0,
          hub: seconds(START),
          hubMs: 0,
          basedUntilMs: 1e15,
        },
        linkUp: true,
        hubConnected: true,
        greeted: { channel: CHANNEL, payer: PAYER, key: undefined },
        leases: [held],
        stashed: undefined,
        uploadedAtMs: 0,
        inFlight: 0,
        uploadFrom: 0,
        handed: { ...volatile.handed, ledger: NOTHING_HANDED_IN.ledger },
        open: volatile.open && { ...volatile.open, openedAtMs: 0 },
      },
    };
    return this.tillStates[t]!.number(canonical([clean, ghost]), () => ({ state: clean, ghost }));
  }

  private hubNumber(local: HubLocal): number {
    // In which order records came shows in the books, where it matters; of several Synced the newest counts.
    const { books, block } = local.intake;
    const facts = local.written.flatMap((record) =>
      record.type === 'clearance' || record.type === 'entry' ? [canonical(record)] : [],
    );
    const { clearances, synced, revoked } = books;
    const { entries, proof } = channelBook(books, CHANNEL);
    const waiting = local.waiting.map(({ record }) => record);
    const ends = [...[...entries].map(({ key }) => key), ...[...new Set(facts)].sort()];
    const text = canonical([clearances, synced, revoked, proof !== undefined, ends, waiting, block?.at]);
    return this.hubs.number(text, () => local);
  }

  private said(message: Message, up = false): number {
    const number = this.messages.number(`${up}${canonical(message)}`, () => ({ message, up }));
    if (number >= 32 * WORDS) throw new RangeError(`more than ${32 * WORDS} messages in one walk`);
    return number;
  }

  /** All ends of an event: uncut first, then the power cut before each thing that it stores or sends. */
  private ends<S>(done: Done<S>, number: (upTo: number) => number): Outcome[] {
    const { trail } = done;
    const says = (upTo: number): number[] =>
      trail.slice(0, upTo).flatMap((one) => (one.type === 'say' ? [this.said(one.message, one.up)] : []));
    const found: Outcome[] = [{ next: number(-1), said: says(trail.length), cut: false }];
    for (let upTo = 0; upTo < trail.length; upTo++)
      found.push({ next: number(upTo), said: says(upTo), cut: true });
    return found;
  }

  private once(key: string, compute: () => readonly Outcome[]): readonly Outcome[] {
    let found = this.memo.get(key);
    if (found === undefined) {
      found = compute();
      this.memo.set(key, found);
    }
    return found;
  }

  private payerEnds(number: number, key: string, event: PayerEvent): readonly Outcome[] {
    return this.once(`p${number}:${key}`, () => {
      const { state, ghost } = this.payerStates.values[number]!;
      const whole = this.runPayer(state, event);
      const broken = this.drop.payer?.(this.runPayer, state, event);
      if (broken !== undefined && canonical(broken) !== canonical(whole)) this.broke += 1;
      const done = broken ?? whole;
      return this.ends(done, (upTo) => {
        const part = upTo < 0 ? done.trail : done.trail.slice(0, upTo);
        const remembered = rememberPayer(ghost, event, part);
        if (upTo < 0) return this.payerNumber(done.state, remembered);
        return this.payerNumber(this.bootPayer(folded(state.books, part, payers.applyRecord)), remembered);
      });
    });
  }

  private tillEnds(
    t: number,
    number: number,
    time: number,
    key: string,
    event: TerminalEvent,
  ): readonly Outcome[] {
    return this.once(`t${t}:${number}:${time}:${key}`, () => {
      const { state, ghost } = this.tillStates[t]!.values[number]!;
      const nowMs = this.nowMs(ghost, time);
      const run = this.runTill(t, nowMs);
      const whole = run(state, event);
      const broken = this.drop.terminal?.(run, state, event);
      if (broken !== undefined && canonical(broken) !== canonical(whole)) this.broke += 1;
      const done = broken ?? whole;
      return this.ends(done, (upTo) => {
        const part = upTo < 0 ? done.trail : done.trail.slice(0, upTo);
        const remembered = rememberTill(ghost, event, part, upTo >= 0);
        if (upTo < 0) return this.tillNumber(t, done.state, remembered);
        const books = folded(state.books, part, tills.applyRecord);
        return this.tillNumber(t, this.bootTill(t, books, nowMs), remembered);
      });
    });
  }

  /** Each sale is a second after the one before, so that a Synced tells them apart. */
  private nowMs = (ghost: TillGhost, time: number): number => 1000 * (ghost.sales + MOMENTS[time]!);

  private hubEnds(number: number, key: string, event: IntakeEvent): readonly Outcome[] {
    return this.once(`h${number}:${key}`, () => {
      const local = this.hubs.values[number]!;
      const { keepsSold, freesOnSynced, signsEarly } = this.drop;
      const kept = local.intake.books.clearances;
      const step = intakeStep(this.intake, this.drop.hub?.(local.intake, event) ?? local.intake, event);
      let { state } = step;
      if (this.drop.hub !== undefined) {
        // Only what was decided is another thing; what it knows stays what is true.
        const records = step.effects.flatMap((effect) => (effect.type === 'persist' ? [effect.record] : []));
        const books = records.reduce((so, record) => applyRecord(so, record), local.intake.books);
        state = { ...state, books, channels: local.intake.channels };
        if (canonical(state) !== canonical(intakeStep(this.intake, local.intake, event).state))
          this.broke += 1;
      }
      if (
        keepsSold &&
        event.type === 'message' &&
        kept.held !== state.books.clearances.held &&
        kept.held !== undefined
      ) {
        const sold = step.effects.some(({ type }) => type === 'persist') && isEntry(step.effects);
        if (sold) {
          this.broke += 1;
          state = { ...state, books: { ...state.books, clearances: kept } };
        }
      }
      if (
        freesOnSynced &&
        step.effects.some((effect) => effect.type === 'persist' && effect.record.type === 'synced')
      ) {
        this.broke += 1;
        state = { ...state, books: { ...state.books, clearances: NO_CLEARANCES } };
      }
      const said = step.effects.flatMap((effect) =>
        effect.type === 'clearance' ? [this.said(clearanceMessage(effect.clearance))] : [],
      );
      const more = step.effects.flatMap((effect) => (effect.type === 'persist' ? [effect] : []));
      if (signsEarly)
        for (const { record } of more)
          if (record.type === 'clearance') {
            this.broke += 1;
            said.push(this.said(clearanceMessage(record)));
          }
      const next = { ...local, intake: state, waiting: [...local.waiting, ...more] };
      if (this.config.hubCuts) return [{ next: this.hubNumber(next), said, cut: false }];
      const wrote = this.write(next);
      return [{ next: this.hubNumber(wrote.local), said: [...said, ...wrote.said], cut: false }];
    });
  }

  /** All that waits becomes durable; what was to be revealed then is said. */
  private write(local: HubLocal): { local: HubLocal; said: number[] } {
    let { intake } = local;
    const said: number[] = [];
    const written = [...local.written];
    for (const { token, record } of local.waiting) {
      const step = intakeStep(this.intake, intake, { type: 'persisted', token, position: written.length });
      intake = step.state;
      written.push(record);
      for (const effect of step.effects)
        if (effect.type === 'clearance') said.push(this.said(clearanceMessage(effect.clearance)));
    }
    return { local: { intake, written, waiting: [] }, said };
  }

  private restarted(local: HubLocal): HubLocal {
    const block = local.intake.block!;
    const told = intakeStep(this.intake, this.started, { type: 'block', ...block }).state;
    const intake = local.written.reduce(
      (state, record, position) =>
        intakeStep(this.intake, state, { type: 'replayed', record, position }).state,
      told,
    );
    return { ...local, intake, waiting: [] };
  }

  // ---- the walk ----

  private become(row: Int32Array, at: number, { next, said }: Outcome): Int32Array {
    const after = Int32Array.from(row);
    after[at] = next;
    for (const number of said) after[this.saidAt + (number >> 5)]! |= 1 << (number & 31);
    return after;
  }

  private heard(row: Int32Array): Heard[] {
    return this.messages.values.flatMap((said, number) =>
      (row[this.saidAt + (number >> 5)]! & (1 << (number & 31))) !== 0 ? [{ number, ...said }] : [],
    );
  }

  /** Every row that one step leads to. */
  next(row: Int32Array, emit: Emit): void {
    const tell = (at: number, name: string, outcomes: readonly Outcome[]): void => {
      for (const outcome of outcomes)
        if (!outcome.cut || !this.config.dishonest)
          emit(outcome.cut ? `${name}, POWER CUT within` : name, this.become(row, at, outcome));
    };
    const heard = this.heard(row);
    if (!this.config.dishonest) this.payerSteps(row, heard, tell);
    for (let t = 0; t < this.terminals.length; t++) this.tillSteps(row, t, heard, tell);
    this.hubSteps(row, heard, tell, emit);
    if (this.config.time) this.timeSteps(row, emit);
  }

  private payerSteps(
    row: Int32Array,
    heard: readonly Heard[],
    tell: (at: number, name: string, outcomes: readonly Outcome[]) => void,
  ): void {
    const own = row[1]!;
    for (const { number, message } of heard)
      if (TO_PAYER.has(message.type) && this.mayHear(own, message))
        tell(
          1,
          `payer gets ${nameOf(message)}`,
          this.payerEnds(own, `m${number}`, { type: 'message', message }),
        );
    if (this.config.eager)
      for (const { message } of heard)
        if (message.type === 'clearanceQuestion' && this.mayHear(own, { ...message, type: 'request' }))
          tell(
            1,
            'payer gets a request that was not asked about',
            this.payerEnds(own, `r${hashOf(message)}`, {
              type: 'message',
              message: { ...message, type: 'request' },
            }),
          );
    this.terminals.forEach((_, t) => {
      tell(
        1,
        `payer meets terminal ${t}`,
        this.payerEnds(own, `c${t}`, { type: 'message', message: this.certificate(t) }),
      );
    });
    const { clearing } = this.payerStates.values[own]!.state.volatile;
    if (clearing !== undefined && !clearing.confirmed)
      tell(
        1,
        'the person says yes',
        this.payerEnds(own, 'yes', { type: 'confirm', request: clearing.hash, yes: true }),
      );
    if (clearing !== undefined) tell(1, 'POWER CUT of the payer', [this.cutPayer(own)]);
  }

  /** A request that was paid and answered is not delivered once more: the till drops it when it says approved. */
  private mayHear(own: number, message: Message): boolean {
    if (message.type !== 'request' && message.type !== 'clearanceQuestion') return true;
    const { state, ghost } = this.payerStates.values[own]!;
    const hash = hashOf(message);
    if (state.books.unconfirmed.some((one) => one.kind === 'voucher' && toHex(one.voucher.request) === hash))
      return message.type === 'request';
    return !ghost.above.includes(hash) && !ghost.above.includes(`below ${hash}`);
  }

  private cutPayer(own: number): Outcome {
    const { state, ghost } = this.payerStates.values[own]!;
    return { next: this.payerNumber(this.bootPayer(state.books), ghost), said: [], cut: false };
  }

  private tillSteps(
    row: Int32Array,
    t: number,
    heard: readonly Heard[],
    tell: (at: number, name: string, outcomes: readonly Outcome[]) => void,
  ): void {
    const at = this.tillsAt + t;
    const own = row[at]!;
    const time = row[0]!;
    const { state, ghost } = this.tillStates[t]!.values[own]!;
    const on = (name: string, key: string, event: TerminalEvent): void =>
      tell(at, `terminal ${t} ${name}`, this.tillEnds(t, own, time, key, event));
    for (const { number, message, up } of heard) {
      if (!up && TO_TILL.has(message.type))
        on(`gets ${nameOf(message)}`, `m${number}`, { type: 'message', message });
      if (message.type === 'lease') on('gets the clearance', `h${number}`, { type: 'hubMessage', message });
    }
    if (this.config.dishonest)
      for (const { message } of heard)
        if (message.type === 'clearanceQuestion' && equalBytes(message.terminal, this.terminals[t]!)) {
          const hash = hashOf(message);
          on('gets the copied payer’s question', `q${hash}`, { type: 'message', message: askOf(message) });
          const voucher = this.voucherOf(message);
          on('gets a copied payer’s voucher', `v${hash}`, { type: 'message', message: voucher });
        }
    const asks = this.config.asks.filter((ask) => ask.at === t);
    const ask = asks[ghost.sales];
    if (state.volatile.open === undefined && ask !== undefined)
      on(`asks for ${ask.amount}`, 'sale', {
        type: 'sale',
        amount: amount(ask.amount),
        currency: 'TIME',
        challenge: new Uint8Array(16).fill(1 + 8 * t + ghost.sales),
      });
    if (state.volatile.open !== undefined) {
      on('drops the request', 'cancel', { type: 'cancel' });
      if (!this.config.dishonest)
        on('is greeted again', 'hello', {
          type: 'message',
          message: {
            type: 'hello',
            channel: CHANNEL,
            payer: PAYER,
            lease: signing.digest('Lease', this.lease),
          },
        });
      if (!this.config.dishonest) tell(at, `POWER CUT of terminal ${t}`, [this.cutTill(t, own, time)]);
    }
    const { written } = this.hubs.values[row[this.hubAt]!]!;
    for (const entry of state.books.outbox) {
      if (entry.kind !== 'voucher') continue;
      const position = written.findIndex(
        (record) => record.type === 'entry' && equalBytes(record.id, entry.entry),
      );
      if (position < 0) continue;
      const fields = { entry: entry.entry, position: 0 as Position, at: seconds(START) };
      const signature = standInSignature(HUB, signing.digest('Acknowledgement', fields));
      const message = { type: 'acknowledgement', ...fields, signature } as const;
      on('gets an acknowledgement', `a${toHex(entry.entry)}`, { type: 'hubMessage', message });
    }
  }

  private cutTill(t: number, own: number, time: number): Outcome {
    const { state, ghost } = this.tillStates[t]!.values[own]!;
    const booted = this.bootTill(t, state.books, this.nowMs(ghost, time));
    return { next: this.tillNumber(t, booted, { ...ghost, wasCut: true }), said: [], cut: false };
  }

  /** What a copied payer signs for a request: always from the beginning, with a seq of the request's own. */
  private voucherOf(question: MessageOf<'clearanceQuestion'>): MessageOf<'resolveVoucher'> {
    const request = openedOf(question);
    const numbers = { seq: seq(question.challenge[0]!), spent: request.amount, paid: request.amount };
    const voucher: Voucher = {
      kind: 'voucher',
      channel: CHANNEL,
      payee: question.payee,
      lanes: new Uint8Array(16),
      request: requestHash(signing, request),
      ...numbers,
    };
    const signature = standInSignature(PAYER, voucherDigest(signing, voucher));
    return {
      type: 'resolveVoucher',
      channel: CHANNEL,
      ...numbers,
      lanes: voucher.lanes,
      ...request,
      signature,
    };
  }

  private hubSteps(
    row: Int32Array,
    heard: readonly Heard[],
    tell: (at: number, name: string, outcomes: readonly Outcome[]) => void,
    emit: Emit,
  ): void {
    const own = row[this.hubAt]!;
    const now = seconds(START + MOMENTS[row[0]!]!);
    const on = (name: string, key: string, message: Message): void => {
      const bytes = encodeMessage(message);
      tell(
        this.hubAt,
        `hub gets ${name}`,
        this.hubEnds(own, key, { type: 'message', device: 'any', bytes, now }),
      );
    };
    for (const { number, message, up } of heard)
      if (up && (!this.config.dishonest || message.type === 'clearanceEnded'))
        on(nameOf(message), `m${number}`, message);
    if (this.config.dishonest)
      for (const { message } of heard)
        if (message.type === 'clearanceQuestion')
          on('the copied payer’s question', `q${hashOf(message)}`, askOf(message));
    this.terminals.forEach((_, t) => {
      const { state } = this.tillStates[t]!.values[row[this.tillsAt + t]!]!;
      for (const entry of state.books.outbox)
        if (entry.kind === 'voucher')
          on(
            `a voucher of terminal ${t}`,
            `e${toHex(entry.entry)}${entry.collected.receipt ? 'r' : 'c'}`,
            collectedMessage(entry.collected),
          );
      const synced = this.syncedOf(row, t);
      if (synced !== undefined) on(`terminal ${t}’s Synced`, `s${t}:${synced.at}`, synced);
    });
    const local = this.hubs.values[own]!;
    if (!this.config.hubCuts || local.waiting.length === 0) return;
    const wrote = this.write(local);
    emit(
      'hub writes',
      this.become(row, this.hubAt, { next: this.hubNumber(wrote.local), said: wrote.said, cut: false }),
    );
    const next = this.hubNumber(this.restarted(local));
    emit('POWER CUT of the hub', this.become(row, this.hubAt, { next, said: [], cut: false }));
  }

  /** With nothing open and nothing waiting, everything up to the newest request is handed in; with one open, up to before it. */
  private syncedOf(row: Int32Array, t: number): MessageOf<'synced'> | undefined {
    const { state, ghost } = this.tillStates[t]!.values[row[this.tillsAt + t]!]!;
    const isOpen = state.volatile.open !== undefined;
    const says = this.config.synced === true || !this.config.dishonest;
    if (!says || state.books.outbox.length > 0 || ghost.sales === 0) return undefined;
    const at = seconds(START + MOMENTS[row[0]!]! + ghost.sales - (isOpen ? 2 : 1));
    const terminal = this.terminals[t]!;
    const signature = standInSignature(terminal, signing.digest('Synced', { terminal, at }));
    return { type: 'synced', terminal, at, signature };
  }

  private timeSteps(row: Int32Array, emit: Emit): void {
    const time = row[0]!;
    if (time + 1 >= MOMENTS.length) return;
    // Within payeeOfflineMax every terminal hands in what it holds.
    const waits = this.terminals.some(
      (_, t) => this.tillStates[t]!.values[row[this.tillsAt + t]!]!.state.books.outbox.length > 0,
    );
    if (time + 1 === 2 && waits) return;
    const after = Int32Array.from(row);
    after[0] = time + 1;
    const local = this.hubs.values[row[this.hubAt]!]!;
    const block: IntakeEvent = {
      type: 'block',
      at: seconds(START + MOMENTS[time + 1]!),
      height: (2 + time) as never,
    };
    let { state: intake } = intakeStep(this.intake, local.intake, block);
    if (this.drop.freesAtEnd && time === 0) {
      this.broke += 1;
      intake = { ...intake, books: { ...intake.books, clearances: NO_CLEARANCES } };
    }
    after[this.hubAt] = this.hubNumber({ ...local, intake });
    emit(time === 0 ? 'the clearances end' : 'nobody can bring a voucher any more', after);
  }

  // ---- what must hold ----

  fault(row: Int32Array): string | undefined {
    const { free, dishonest } = this.config;
    let sold = 0;
    for (let t = 0; t < this.terminals.length; t++) {
      const { state, ghost } = this.tillStates[t]!.values[row[this.tillsAt + t]!]!;
      for (const [digest, value] of Object.entries(ghost.approved)) {
        if (value > 1) {
          sold += value;
          this.reached.cleared = true;
        }
        if (ghost.voided.includes(digest)) return 'R2 a voucher was approved, and voided as well';
        if (!this.isHeld(row, state, digest)) return 'R2 what was approved can’t be claimed';
      }
      if (ghost.voided.length > 0) this.reached.voided = true;
      const waiting = state.books.outbox.filter(
        ({ kind, exposure, ...entry }) =>
          kind === 'voucher' &&
          exposure === 0 &&
          'collected' in entry &&
          entry.collected.receipt !== undefined,
      );
      if (waiting.length > 1) return 'R3 two cleared sales of a terminal wait for the hub';
    }
    if (sold > free) return `R1 sold ${sold}, and the channel has ${free}`;
    return dishonest ? undefined : this.payerFault(row);
  }

  private isHeld(row: Int32Array, { books }: TerminalState, digest: string): boolean {
    if (books.outbox.some((entry) => entry.kind === 'voucher' && toHex(entry.entry) === digest)) return true;
    const { written } = this.hubs.values[row[this.hubAt]!]!;
    return written.some((record) => record.type === 'entry' && toHex(record.id) === digest);
  }

  private payerFault(row: Int32Array): string | undefined {
    const { dayLimit, confirmLimit } = this.config;
    const { ghost } = this.payerStates.values[row[1]!]!;
    const { written } = this.hubs.values[row[this.hubAt]!]!;
    const cleared = new Set<string>(
      written.flatMap((record) => (record.type === 'clearance' ? [toHex(record.request)] : [])),
    );
    for (const request of ghost.above) {
      if (request.startsWith('below')) continue;
      if (!cleared.has(request)) return 'R4 paid above the limits, and nothing was reserved for that request';
      if (confirmLimit !== undefined && !ghost.confirmed.includes(request))
        return 'R4 paid above the limits without a yes';
    }
    if (dayLimit !== undefined && ghost.day > dayLimit)
      return `R4 paid ${ghost.day} in a day, above ${dayLimit}`;
    return undefined;
  }

  /** All that was in flight is lost, but for what the transport to the hub repeats; then everybody behaves well. */
  heals(row: Int32Array): string | undefined {
    const now = Int32Array.from(row);
    const take = (at: number, outcomes: readonly Outcome[]): readonly number[] => {
      const { next, said } = outcomes[0]!;
      now[at] = next;
      return said;
    };
    const ended = this.heard(now).filter(({ message }) => message.type === 'clearanceEnded');
    now.fill(0, this.saidAt);
    const hub = (key: string, message: Message): void => {
      const event = {
        type: 'message',
        device: 'any',
        bytes: encodeMessage(message),
        now: seconds(START),
      } as const;
      take(this.hubAt, this.hubEnds(now[this.hubAt]!, key, event));
      const local = this.hubs.values[now[this.hubAt]!]!;
      if (local.waiting.length > 0) now[this.hubAt] = this.hubNumber(this.write(local).local);
    };
    for (const { number, message } of ended) hub(`m${number}`, message);
    for (let round = 0; round < 4; round++) {
      this.terminals.forEach((_, t) => {
        const at = this.tillsAt + t;
        const time = now[0]!;
        const till = () => this.tillStates[t]!.values[now[at]!]!.state;
        if (till().volatile.open !== undefined)
          for (const number of take(at, this.tillEnds(t, now[at]!, time, 'cancel', { type: 'cancel' })))
            if (this.messages.values[number]!.up) hub(`m${number}`, this.messages.values[number]!.message);
        if (!this.config.dishonest) {
          const said = take(
            1,
            this.payerEnds(now[1]!, `c${t}`, { type: 'message', message: this.certificate(t) }),
          );
          for (const number of said) {
            const { message } = this.messages.values[number]!;
            if (!TO_TILL.has(message.type)) continue;
            for (const answer of take(
              at,
              this.tillEnds(t, now[at]!, time, `m${number}`, { type: 'message', message }),
            ))
              this.healPayer(answer, (outcomes) => take(1, outcomes), now[1]!);
          }
        }
        for (const entry of till().books.outbox) {
          if (entry.kind !== 'voucher') continue;
          hub(
            `e${toHex(entry.entry)}${entry.collected.receipt ? 'r' : 'c'}`,
            collectedMessage(entry.collected),
          );
          const fields = { entry: entry.entry, position: 0 as Position, at: seconds(START) };
          const signature = standInSignature(HUB, signing.digest('Acknowledgement', fields));
          const message = { type: 'acknowledgement', ...fields, signature } as const;
          take(
            at,
            this.tillEnds(t, now[at]!, time, `a${toHex(entry.entry)}`, { type: 'hubMessage', message }),
          );
        }
        // A till that lost its power has forgotten what it would have released; its next Synced says so.
        const { ghost } = this.tillStates[t]!.values[now[at]!]!;
        const synced = this.syncedOf(now, t);
        if ((ghost.wasCut || this.config.dishonest) && synced !== undefined)
          hub(`s${t}:${synced.at}`, synced);
      });
    }
    const local = this.hubs.values[now[this.hubAt]!]!;
    if (reservedOn(local.intake.books, CHANNEL, local.intake.block!.at, TIMING).length > 0)
      return 'R5 a reservation stays for a request that is over';
    const waits = this.terminals.some(
      (_, t) => this.tillStates[t]!.values[now[this.tillsAt + t]!]!.state.books.outbox.length > 0,
    );
    const unanswered =
      !this.config.dishonest && this.payerStates.values[now[1]!]!.state.books.unconfirmed.length > 0;
    if (waits || unanswered) return 'R5 what is unresolved here can never be resolved';
    this.reached.resolved = true;
    return undefined;
  }

  private healPayer(answer: number, take: (outcomes: readonly Outcome[]) => void, own: number): void {
    const { message } = this.messages.values[answer]!;
    if (TO_PAYER.has(message.type)) take(this.payerEnds(own, `m${answer}`, { type: 'message', message }));
  }
}

/** A message that was said, and whether to the hub. */
interface Said {
  readonly message: Message;
  readonly up: boolean;
}

interface Heard extends Said {
  readonly number: number;
}

const SAID: ReadonlySet<string> = new Set([
  'clearanceQuestion',
  'clearanceRequest',
  'clearanceEnded',
  'request',
  'lease',
  'voucher',
  'resolveVoucher',
  'receipt',
  'credit',
]);
const TO_PAYER: ReadonlySet<string> = new Set(['clearanceQuestion', 'request', 'lease', 'receipt', 'credit']);
const TO_TILL: ReadonlySet<string> = new Set(['clearanceRequest', 'voucher', 'resolveVoucher']);
const TO_HUB: ReadonlySet<string> = new Set(['clearanceRequest', 'clearanceEnded']);

type Question = MessageOf<'clearanceQuestion'> | MessageOf<'request'>;

function openedOf({ terminal, amount: value, at, ...detail }: Question) {
  return { terminal, amount: value, at, detail: detailHash(standInSuite, detail) };
}

const hashOf = (question: Question): string => toHex(requestHash(signing, openedOf(question)));

/** The copied payer's word for a request: from the numbers with which the channel began. */
function askOf(question: MessageOf<'clearanceQuestion'>): MessageOf<'clearanceRequest'> {
  const { terminal, amount: value, at, detail } = openedOf(question);
  const fields = {
    channel: CHANNEL,
    seq: seq(0),
    spent: amount(0),
    at: seconds(START),
    scope: requestHash(signing, openedOf(question)),
  };
  const signature = standInSignature(PAYER, signing.digest('LeaseRequest', fields));
  return {
    type: 'clearanceRequest',
    channel: CHANNEL,
    seq: fields.seq,
    spent: fields.spent,
    askedAt: fields.at,
    terminal,
    amount: value,
    at,
    detail,
    signature,
  };
}

function clearanceMessage(record: Extract<HubRecord, { type: 'clearance' }>): MessageOf<'lease'> {
  const { channel, payer, spentFrom, spendLimit, issuedAt, expiresAt, request, amount: value } = record;
  const fields = {
    channel,
    payer,
    spentFrom,
    spendLimit,
    tapLimit: value,
    cap: amount(0),
    guarantee: amount(0),
    issuedAt,
    expiresAt,
    scope: request,
  };
  return { type: 'lease', ...fields, signature: standInSignature(HUB, signing.digest('Lease', fields)) };
}

const isEntry = (effects: readonly IntakeEffect[]): boolean =>
  effects.some((effect) => effect.type === 'persist' && effect.record.type === 'entry');

const nameOf = (message: Message): string =>
  message.type === 'lease'
    ? 'a clearance'
    : 'amount' in message
      ? `${message.type} for ${message.amount}`
      : message.type;

function folded<B, R>(books: B, trail: readonly Trail[], apply: (books: B, record: R) => B): B {
  return trail.reduce((so, one) => (one.type === 'persist' ? apply(so, one.record as R) : so), books);
}

function rememberPayer(ghost: PayerGhost, event: PayerEvent, trail: readonly Trail[]): PayerGhost {
  let { above, confirmed, day } = ghost;
  if (event.type === 'confirm') confirmed = [...new Set([...confirmed, toHex(event.request)])].sort();
  for (const one of trail) {
    if (one.type !== 'persist') continue;
    const record = one.record as payers.PayerRecord;
    if (record.type !== 'intent' && record.type !== 'clearedIntent') continue;
    const hash = toHex(record.voucher.request);
    const isAbove = record.request.amount > 1;
    above = [...above, isAbove ? hash : `below ${hash}`];
    if (isAbove) day += record.request.amount;
  }
  return { above, confirmed, day };
}

function rememberTill(
  ghost: TillGhost,
  event: TerminalEvent,
  trail: readonly Trail[],
  cut: boolean,
): TillGhost {
  let { sales, approved, voided } = ghost;
  if (event.type === 'sale' && !cut) sales += 1;
  // A sale that was cut before anything was said of it was one all the same: the next is another.
  if (event.type === 'sale' && cut) sales += 1;
  for (const one of trail) {
    if (one.type !== 'persist') continue;
    const record = one.record as tills.TerminalRecord;
    if (record.type !== 'answered' && record.type !== 'cleared') continue;
    const digest = toHex(record.digest);
    if (record.receipt !== undefined) approved = { ...approved, [digest]: record.request.amount };
    else voided = [...voided, digest];
  }
  return { sales, approved, voided, wasCut: ghost.wasCut || cut };
}
