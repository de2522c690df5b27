/**
 * The hub in virtual time: the real intake, batch planning and ledger records, with a disk that takes its time and
 * forgets what was not synced when the power goes. What its shell does in hub/hub.ts is done here at once: signing,
 * sending, watching L2, settling.
 */
import { type PlannedRow, planRows, rowKey, rowOf, type SettledView } from '../../hub/batch/batch.ts';
import { findEntry } from '../../hub/intake/books.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import {
  type Books,
  durableBooks,
  emptyIntake,
  type Entry,
  type IntakeContext,
  type IntakeEffect,
  type IntakeEvent,
  type IntakeState,
} from '../../hub/intake/state.ts';
import { bytesKey, Edit, keyNumber, trieEntries, trieGet, trieKey } from '../../hub/intake/trie.ts';
import { decodeRecord, encodeRecord, type HubRecord, type RecordOf } from '../../hub/ledger/records.ts';
import { listedRevocations } from '../../hub/revocations.ts';
import { concatBytes, uintBytes, ZERO_BYTES32 } from '../../protocol/bytes.ts';
import { unreachable } from '../../protocol/errors.ts';
import { height, seconds } from '../../protocol/integers.ts';
import { refusalNumber, type RefusalName } from '../../protocol/refusals.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import type { Chain } from '../stage/chain/chain.ts';
import type { Outcome, VaultModel } from '../stage/chain/vault.ts';
import type { Broker, HubEnd } from '../stage/network/broker.ts';
import type { Random } from '../stage/world/random.ts';
import type { SimulatedKey } from '../stage/world/suite.ts';
import { MINUTE, type World } from '../stage/world/world.ts';
import { HubDisk } from './hub-disk.ts';

export interface HubWatcher {
  acknowledged(device: string, entry: string, position: number): void;
  leased(lease: RecordOf<'lease'>): void;
  accepted(kind: string): void;
  refused(code: RefusalName): void;
  evidence(evidence: RecordOf<'evidence'>): void;
  crashed(): void;
  started(): void;
  batched(rows: readonly PlannedRow[], outcomes: readonly Outcome[], gas: number): void;
}

export interface HubOptions {
  readonly context: IntakeContext;
  readonly key: SimulatedKey;
  readonly random: Random;
  /** Milliseconds between beacons, and between two plans of a batch. */
  readonly beaconMs: number;
  readonly batchMs: number;
}

/** One group commit: fdatasync on a small server. */
const SYNC_MS = { least: 2, most: 9 };
const WATCH_MS = MINUTE;
/** Rows of one settlement: what fits into a transaction's gas. And settlements that one plan may fill. */
const ROWS_MAX = 1000;
const SETTLEMENTS_MAX = 16;
/** Gas of a plain row and of each lane that a list adds; the base of a transaction. Measured on the real vault. */
const GAS = { transaction: 30_000, row: 11_500, listed: 4_500 };

export class SimulatedHub implements HubEnd {
  state: IntakeState = emptyIntake;
  isUp = false;
  /** Milliseconds that every sync takes on top; a slow disk. */
  diskSlowMs = 0;
  /** The disk refuses to write. */
  diskFails = false;
  /** Stops answering although it runs: an operator that withholds. */
  withholds = false;
  /** Lends as though deposits were so many times what they are; 1 is honest. */
  lends = 1;
  /** Acknowledges everything and brings nothing to L2 any more. */
  buries = false;
  /** Encoded records that survive anything. */
  readonly ledger = new HubDisk();
  /** Entries by digest that stand in the ledger for certain, with their position. */
  readonly durable = new Map<string, number>();
  gas = 0;
  batches = 0;
  lanesSettled = 0;
  crashes = 0;
  private queue: { readonly token: number; readonly record: HubRecord }[] = [];
  private syncPlanned = false;
  /** The last sync failed. */
  private diskFailed = false;
  private epoch = 0;
  /** Settlements that are not final yet: nothing is planned meanwhile. */
  private settling = 0;
  /** Channel of the last row that was planned: the next plan starts behind it. */
  private after: number | undefined;
  private readonly refusedRows = new Map<string, number>();
  private readonly terminals = new Map<string, MessageOf<'register'>>();
  private readonly byPayee = new Map<string, Set<string>>();
  private readonly leaving = new Map<number, boolean>();
  private context: IntakeContext;
  private readonly options: HubOptions;
  private readonly world: World;
  private readonly broker: Broker;
  private readonly chain: Chain;
  private readonly watcher: HubWatcher;

  constructor(options: HubOptions, world: World, broker: Broker, chain: Chain, watcher: HubWatcher) {
    this.options = options;
    this.context = options.context;
    this.world = world;
    this.broker = broker;
    this.chain = chain;
    this.watcher = watcher;
    broker.hub = this;
  }

  /** The books as far as they are durable. */
  get books(): Books {
    return durableBooks(this.state);
  }

  // ---- life ----

  start(): void {
    if (this.isUp) return;
    this.isUp = true;
    this.state = emptyIntake;
    this.queue = [];
    this.syncPlanned = false;
    this.refusedRows.clear();
    const edit = new Edit();
    for (const [position, bytes] of this.ledger.records())
      this.run({ type: 'replayed', record: decodeRecord(bytes, position), position, edit });
    this.run({ type: 'recheck' });
    for (const message of this.terminals.values())
      this.run({ type: 'terminal', terminal: message.device, payee: message.payee! });
    this.watchBlock();
    for (const id of this.chain.vault.channels.keys()) this.watchChannel(id);
    for (const payee of this.chain.vault.balances.keys()) this.watchPayee(payee);
    this.watcher.started();
    this.broker.hubStarted();
    this.publish();
    this.loop(WATCH_MS, () => this.watchBlock());
    this.loop(this.options.beaconMs, () => this.publish());
    this.loop(this.options.batchMs, () => this.settle());
  }

  /** Power or process gone. Of what waited for the disk a part may stand there all the same, unacknowledged. */
  crash(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.epoch += 1;
    this.crashes += 1;
    this.settling = 0;
    const torn = this.options.random.below(this.queue.length + 1);
    for (const { record } of this.queue.slice(0, torn)) this.append(record);
    this.queue = [];
    this.watcher.crashed();
  }

  /** An operator gives it room for so many entries. */
  giveRoom(indexedMax: number): void {
    this.context = { ...this.context, indexedMax };
  }

  private loop(everyMs: number, action: () => void): void {
    const { epoch } = this;
    const again = (): void => {
      this.world.after(everyMs, () => {
        if (this.epoch !== epoch || !this.isUp) return;
        action();
        again();
      });
    };
    again();
  }

  // ---- the broker's side ----

  receive(device: string, bytes: Uint8Array): void {
    if (!this.isUp || this.withholds) return;
    this.run({ type: 'message', device, bytes, now: seconds(this.world.nowSeconds) });
  }

  arrived(device: string): void {
    if (!this.isUp) return;
    const { beacon, revocations } = this.signedBeacon() ?? {};
    if (beacon !== undefined) this.broker.down(device, beacon);
    if (revocations !== undefined && revocations.channels.length > 0) this.broker.down(device, revocations);
  }

  private signedBeacon(): { beacon: Message; revocations: MessageOf<'revocations'> } | undefined {
    const { block } = this.state;
    if (block === undefined) return undefined;
    const { signing, timing } = this.options.context;
    const { channels } = listedRevocations(this.books, timing, block.at);
    const fields = {
      at: block.at,
      height: block.height,
      revocations: signing.suite.keccak256(concatBytes(...channels.map((id) => uintBytes(id, 4)))),
      checkpoint: ZERO_BYTES32,
    };
    const signature = this.options.key.sign(signing.digest('Beacon', fields));
    return {
      beacon: { type: 'beacon', ...fields, signature },
      revocations: { type: 'revocations', channels },
    };
  }

  private publish(): void {
    const signed = this.withholds ? undefined : this.signedBeacon();
    if (signed === undefined) return;
    for (const device of this.broker.connected) {
      this.broker.down(device, signed.beacon);
      if (signed.revocations.channels.length > 0) this.broker.down(device, signed.revocations);
    }
  }

  // ---- the intake's effects ----

  private run(event: IntakeEvent): void {
    const { state, effects } = intakeStep(this.context, this.state, event);
    this.state = state;
    for (const effect of effects) this.execute(effect);
  }

  private execute(effect: IntakeEffect): void {
    const { key } = this.options;
    const { signing } = this.context;
    switch (effect.type) {
      case 'persist':
        this.queue.push(effect);
        return this.planSync();
      case 'acknowledge': {
        const { device, entry, position, at } = effect;
        const fields = { entry, position: position as never, at };
        const signature = key.sign(signing.digest('Acknowledgement', fields));
        this.watcher.acknowledged(device, bytesKey(entry), position);
        return this.broker.down(device, { type: 'acknowledgement', ...fields, signature });
      }
      case 'lease': {
        this.watcher.leased(effect.lease);
        const { type: _, seq: __, ...fields } = effect.lease;
        const signature = key.sign(signing.digest('Lease', fields));
        return this.broker.down(effect.device, { type: 'lease', ...fields, signature });
      }
      case 'credit':
        return this.broker.down(effect.device, effect.message);
      case 'unknown': {
        const fields = { entry: effect.entry, size: effect.size as never };
        const signature = key.sign(signing.digest('Unknown', fields));
        return this.broker.down(effect.device, { type: 'unknown', ...fields, signature });
      }
      case 'member': {
        const { type: _, ...fields } = effect.member;
        const signature = key.sign(signing.digest('Member', fields));
        return this.broker.down(effect.device, { type: 'member', ...fields, signature });
      }
      case 'reject':
        this.watcher.refused(effect.code);
        return this.broker.down(effect.device, {
          type: 'rejection',
          entry: effect.entry,
          code: refusalNumber(effect.code),
        });
      case 'registered':
        return this.register(effect.message);
      case 'revocations':
        return this.publish();
      case 'count':
        if (effect.what.type === 'accepted') this.watcher.accepted(effect.what.kind);
        if (effect.what.type === 'evidence') this.watcher.evidence(effect.what.evidence);
        return;
      default:
        return unreachable(effect);
    }
  }

  private register(message: MessageOf<'register'>): void {
    if (message.payee === undefined) return;
    const id = bytesKey(message.device);
    this.terminals.set(id, message);
    const payee = bytesKey(message.payee);
    const terminals = this.byPayee.get(payee);
    if (terminals === undefined) this.byPayee.set(payee, new Set([id]));
    else terminals.add(id);
  }

  // ---- the disk ----

  private planSync(): void {
    if (this.syncPlanned || this.queue.length === 0) return;
    this.syncPlanned = true;
    const { epoch } = this;
    const delay = this.options.random.between(SYNC_MS.least, SYNC_MS.most) + this.diskSlowMs;
    this.world.after(delay, () => {
      if (this.epoch !== epoch) return;
      this.syncPlanned = false;
      this.sync();
      this.planSync();
    });
  }

  private sync(): void {
    const group = this.queue;
    this.queue = [];
    if (this.diskFails) {
      const [first] = group;
      if (first !== undefined)
        this.run({ type: 'persistFailed', token: first.token, code: 'storage_failed' });
      this.diskFailed = true;
      return;
    }
    if (this.diskFailed) {
      this.diskFailed = false;
      this.run({ type: 'recheck' });
    }
    const placed = group.map(({ token, record }) => ({ token, position: this.append(record) }));
    for (const { token, position } of placed) this.run({ type: 'persisted', token, position });
  }

  private append(record: HubRecord): number {
    const position = this.ledger.append(encodeRecord(record));
    if (record.type !== 'entry') return position;
    // The books' own text of the key: a copy for each of millions would be as large as the entry.
    const digest = bytesKey(record.id);
    const key = trieKey(this.state.books.known, digest) ?? digest;
    // What turns up twice stands where it stood first.
    if (!this.durable.has(key)) this.durable.set(key, position);
    return position;
  }

  // ---- L2 ----

  watchBlock(): void {
    const { at, height: number } = this.chain.head;
    this.run({ type: 'block', at: seconds(at), height: height(number) });
  }

  /** What L2 shows of a channel, at finality. */
  watchChannel(id: number): void {
    if (!this.isUp) return;
    const found = this.chain.vault.channel(id);
    const bond = found.bond + found.potOpened;
    this.run({
      type: 'channel',
      channel: id as never,
      facts: {
        payer: found.payer,
        deposited: (this.lends * found.deposited) as never,
        spendable: (this.lends * (found.deposited + found.credited - bond)) as never,
        exiting: found.exitReady !== 0,
        slashed: found.potOpened !== 0,
      },
    });
    this.leaving.set(id, found.exitReady !== 0);
  }

  private watchPayee(payee: string): void {
    const bytes = new Uint8Array(20);
    for (let i = 0; i < 20; i++) bytes[i] = Number.parseInt(payee.slice(2 * i, 2 * i + 2), 16);
    this.run({ type: 'payee', payee: bytes });
  }

  /** Plans and hands in what is worth settling; the next plan follows when all of it is final. */
  settle(): void {
    if (!this.isUp || this.settling > 0 || this.withholds || this.buries || this.chain.isAway) return;
    const { signing } = this.context;
    const { books } = this;
    const { vault } = this.chain;
    const view: SettledView = {
      settled: (channel, payee) => vault.settledOf(channel, payee),
      registered: (payee) => vault.balances.has(payee),
      credited: (voucher) => vault.creditedOn(voucher),
      blocked: (reference) => (this.refusedRows.get(rowKey(reference)) ?? 0) > 0,
    };
    const planned = planRows(signing, books, view, ROWS_MAX * SETTLEMENTS_MAX, this.after);
    this.after = planned.at(-1)?.entry.channel;
    // A refused row is left out of one plan, then tried again: a payee may have money by then.
    for (const [key, left] of this.refusedRows) {
      if (left <= 1) this.refusedRows.delete(key);
      else this.refusedRows.set(key, left - 1);
    }
    for (let i = 0; i < planned.length; i += ROWS_MAX) this.submit(planned.slice(i, i + ROWS_MAX));
  }

  private submit(planned: readonly PlannedRow[]): void {
    const { signing } = this.context;
    const rows = planned.map(({ entry, reference }) => rowOf(signing, entry, reference));
    let outcomes: Outcome[] = [];
    const { epoch } = this;
    const sent = this.chain.submit({
      name: 'settle',
      run: (model: VaultModel) => {
        outcomes = model.settle(rows);
      },
      undone: (lost) => {
        if (lost && this.epoch === epoch) this.settling -= 1;
      },
      final: () => {
        const listed = planned.reduce((sum, { reference }) => sum + reference.lanes.length, 0);
        const gas = GAS.transaction + rows.length * GAS.row + listed * GAS.listed;
        this.gas += gas;
        this.batches += 1;
        this.lanesSettled += outcomes.filter(({ moved }) => moved > 0).length;
        this.watcher.batched(planned, outcomes, gas);
        if (this.epoch !== epoch) return;
        this.settling -= 1;
        this.afterSettlement(planned, outcomes);
      },
    });
    if (sent) this.settling += 1;
  }

  private afterSettlement(planned: readonly PlannedRow[], outcomes: readonly Outcome[]): void {
    const refused = new Set<number>();
    for (const outcome of outcomes) {
      if (outcome.moved === 0 && outcome.reason !== 'stale' && outcome.reason !== 'credit_stale')
        refused.add(outcome.channel);
      else if (outcome.moved > 0 && outcome.credit) this.watchChannel(outcome.channel);
      if (!outcome.credit && outcome.moved > 0) this.tellSettled(outcome.channel, outcome.payee);
    }
    for (const { entry, reference } of planned)
      if (refused.has(entry.channel)) this.refusedRows.set(rowKey(reference), REFUSED_ROUNDS);
  }

  private tellSettled(channel: number, payee: string): void {
    const paid = this.chain.vault.settledOf(channel, payee);
    for (const id of this.byPayee.get(payee) ?? []) {
      if (!this.broker.isConnected(id)) continue;
      this.broker.down(id, {
        type: 'settled',
        channel: channel as never,
        payee: this.terminals.get(id)!.payee!,
        paid: paid as never,
        transaction: ZERO_BYTES32,
      });
    }
  }

  /** The operator's word: the channel is not to be trusted any more. */
  revoke(channel: number): void {
    if (this.isUp) this.run({ type: 'revoke', channel: channel as never, revoked: true });
  }

  /** Vouchers on which a terminal promised something back and the payee has not signed for it, oldest channel first. */
  owed(): Entry[] {
    const entries: Entry[] = [];
    for (const [, owed] of trieEntries(this.books.owed)) {
      const entry = owed && findEntry(this.books, owed.voucher);
      if (entry !== undefined) entries.push(entry);
    }
    return entries.sort((a, b) => a.channel - b.channel || a.seq - b.seq);
  }

  /** Whether an entry stands in the durable books. */
  knows(entry: string): boolean {
    return trieGet(this.books.known, entry) !== undefined;
  }

  /** Every proof that the ledger holds, by channel. */
  proofs(): Map<number, RecordOf<'evidence'>> {
    const found = new Map<number, RecordOf<'evidence'>>();
    for (const [key, book] of trieEntries(this.state.books.channels))
      if (book.proof !== undefined) found.set(keyNumber(key), book.proof);
    return found;
  }
}

/** Rounds for which a refused row is left out of plans. */
const REFUSED_ROUNDS = 3;
