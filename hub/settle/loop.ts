/**
 * Settles what the books hold, a few transactions at a time. A signed transaction goes into the ledger before it is
 * sent for the first time; after a crash it is looked up before anything else, and sent again as it is. Its nonce
 * keeps it from running twice, and until it is final (or its nonce is used by another) nothing new is planned for a
 * channel that it has a row of: so nothing is paid twice and nothing is forgotten. A row that the vault skips is reported
 * and, unless something about its channel changes, not sent again.
 *
 * Transactions under way have nonces one after the other. L2 takes them in that order, so only the first that is not
 * mined is looked after: what stands behind it has its turn when it is.
 */
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { height } from '../../protocol/integers.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import {
  type PlannedRow,
  planRows,
  type RowReference,
  rowKey,
  rowOf,
  type SettledView,
} from '../batch/batch.ts';
import { countersignedOf, entryId, findEntry, namedEntry } from '../intake/books.ts';
import { layersEntries } from '../intake/layers.ts';
import type { Books, ChannelBook } from '../intake/state.ts';
import { bytesKey, keyNumber } from '../intake/trie.ts';
import { creditRowsMax, nonceGapBlocks, replacementsMax } from '../limits.ts';
import { type Bid, nextBid } from './bids.ts';
import { LaneView } from './lane-view.ts';
import type { Logger } from '../log.ts';
import type { HubRecord, RecordOf } from '../ledger/records.ts';
import type { Registry } from '../registry/registry.ts';
import { isError } from '../errors.ts';
import { decodeOutcomes, type Outcome, type Reason, type Row } from '../l2/rows.ts';
import type { Hex, Index, L2, L2Receipt, Prepared } from '../ports.ts';
import {
  applyBatchRecord,
  type BatchHistory,
  emptyHistory,
  type OpenBatch,
  OUTCOME_STATES,
} from './batches.ts';

/** What the loop works on. */
export interface SettleOptions {
  readonly signing: Signing;
  readonly l2: L2;
  readonly registry: Registry;
  readonly lanesMax: number;
  /** Transactions under way at once. */
  readonly inFlightMax: number;
  /** Smallest rise of a lane that is worth its gas, units. */
  readonly laneMin: number;
  /** The most that a transaction offers, wei a gas. */
  readonly feeMax: bigint;
  /** Only what was fsynced is settled. */
  readonly index: Index;
  /** Appends to the ledger; resolves with the position when durable. */
  append(record: HubRecord): Promise<number>;
  /** Height up to which the watch has stored L2's events. */
  watchedHeight(): number;
  readonly log: Logger;
  /** A batch came to its end, with so many rows that count. */
  onBatch(outcome: 'mined' | 'reverted' | 'replaced', lanes: number): void;
}

interface Offer {
  readonly transaction: Uint8Array;
  /** Height at which it was first seen to wait. */
  readonly since: number;
  /** A node said that it is too little. */
  readonly isRefused: boolean;
}

interface Refused {
  readonly reason: Reason | 'would_revert';
  readonly row: RowReference;
  /**
   * What the channel had when the row was refused: the row is tried once more when this changes. Who brings money to a
   * channel or gives it back pays more gas for that than a row that moves nothing takes.
   */
  readonly spendable: number;
  /** Times in a row that it moved nothing. */
  readonly attempts: number;
}

/**
 * Transactions from the plan to finality. It keeps nothing that the ledger or L2 does not tell again.
 */
export class SettleLoop {
  private readonly options: SettleOptions;
  history: BatchHistory = emptyHistory;
  /** True when the last batch left rows for the next, which should follow at once: those that it had no room for, too. */
  more = false;
  /** Rows that the vault skipped, by rowKey. A restart forgets them: each is then tried once more. */
  readonly refused = new Map<string, Refused>();
  private readonly credited = new Map<string, number>();
  /** Refused credits, by rowKey, that their payees could pay at the last look. */
  private readonly affordable = new Set<string>();
  /** Rows of the next batch: halved when one would revert, until the bad row stands alone. */
  private rowsMax: number;
  /** Height at which the first open batch was first seen to wait behind a nonce that nobody used. */
  private gapSince: number | undefined;
  /** What was offered for the batches under way, by number. */
  private readonly offers = new Map<number, Offer>();
  /** What waits on lanes. */
  readonly lanes: LaneView;
  /** Channel of the last row that was settled: the next plan starts behind it. */
  private after: number | undefined;

  constructor(options: SettleOptions) {
    this.options = options;
    this.rowsMax = options.lanesMax;
    this.lanes = new LaneView(options.registry, options.index, options.laneMin);
  }

  /** Final blocks were replaced: what L2 said of credits and refused rows has to be asked again. */
  forget(): void {
    this.credited.clear();
    this.refused.clear();
    this.affordable.clear();
    this.lanes.forget();
  }

  /** Is it a transaction under way, or one of the newest that came to an end? */
  knows(transaction: Hex): boolean {
    const { open, finished } = this.history;
    const known = [...open.flatMap(({ newest, earlier }) => [newest, ...earlier]), ...finished];
    return known.some((one) => toHex(one.transaction) === transaction);
  }

  /** A record of the ledger at the start. */
  replay(record: HubRecord, position: number): void {
    this.history = applyBatchRecord(this.history, record, position);
  }

  /**
   * One step: brings what is under way forward, then (when `mayPlan`) signs and sends what there is room for. `idle` when
   * there is nothing to do, `sent` and `waiting` while transactions are under way, `finished` when the next step can
   * follow at once. Throws what L2 and the ledger throw.
   */
  async step(mayPlan: boolean): Promise<'idle' | 'sent' | 'waiting' | 'finished'> {
    let now: 'idle' | 'sent' | 'waiting' = 'idle';
    for (const batch of this.history.open) {
      const then = await this.bringForward(batch);
      if (then === 'finished') return then;
      now = then;
      if (then === 'sent') break;
    }
    while (mayPlan && this.hasRoom) {
      const planned = await this.plan();
      if (planned.length === 0) break;
      const then = await this.sign(planned);
      if (then === 'finished') return then;
      now = then;
    }
    return now;
  }

  /**
   * May another be signed? The first of a round always; others while something was left for them. While a batch that
   * reverted is taken apart, one alone: which row it was shows in what becomes of it.
   */
  private get hasRoom(): boolean {
    const { open } = this.history;
    if (open.length === 0) return true;
    return this.more && open.length < this.options.inFlightMax && this.rowsMax === this.options.lanesMax;
  }

  // ---- transactions under way ----

  private async bringForward(batch: OpenBatch): Promise<'waiting' | 'sent' | 'finished'> {
    const { l2 } = this.options;
    const mined = await this.findMined(batch);
    if (mined === undefined) return this.sendAgain(batch);
    const { intent, receipt } = mined;
    const { final } = await l2.newest();
    // Not planned anew before the watch has stored what this batch did, or its lanes would look unsettled.
    if (receipt.height > final.height || receipt.height > this.options.watchedHeight()) return 'waiting';
    await this.finish(intent, receipt.succeeded ? 'mined' : 'reverted', receipt);
    if (receipt.succeeded) this.readOutcomes(intent, receipt);
    else {
      this.more = true;
      if ((await l2.frozenUntil(receipt.height)) === undefined) this.isolate(intent.rows);
    }
    return 'finished';
  }

  /** The transaction of a batch that was mined, the newest first: replaced ones had the same nonce. */
  private async findMined({
    newest,
    earlier,
  }: OpenBatch): Promise<{ intent: RecordOf<'batchIntent'>; receipt: L2Receipt } | undefined> {
    for (const intent of [newest, ...earlier]) {
      const receipt = await this.options.l2.receipt(toHex(intent.transaction));
      if (receipt !== undefined) return { intent, receipt };
    }
    return undefined;
  }

  /** Not mined: sent again, unless another transaction of the account has used its nonce for good. */
  private async sendAgain(batch: OpenBatch): Promise<'sent' | 'finished'> {
    const { l2, log } = this.options;
    const { newest: open, earlier } = batch;
    const { newest, final } = await l2.newest();
    if ((await l2.nonceAt(final.height)) > open.nonce) {
      // Looked up again: it may have been mined between the two questions.
      if ((await this.findMined(batch)) !== undefined) return 'sent';
      log.warn({ batch: open.batch, nonce: open.nonce }, 'another transaction took the nonce');
      await this.finish(open, 'replaced', undefined);
      this.more = true;
      return 'finished';
    }
    const free = await l2.nonceAt(newest.height);
    if (this.isBehindGap(free < open.nonce && earlier.length < replacementsMax, newest.height))
      return this.signAgain(open, free);
    const { isRefused, since } = this.offerOf(open, newest.height);
    const suggested = await l2.fees();
    const offered = l2.feesOf(open.raw);
    const state = { offered, suggested, baseFee: newest.baseFee, isRefused, blocks: newest.height - since };
    let bid: Bid | undefined;
    let trouble: unknown;
    try {
      bid = nextBid(state, this.options.feeMax);
      if (bid !== undefined && earlier.length >= replacementsMax) trouble = stuck(open);
    } catch (error) {
      trouble = error;
    }
    if (bid !== undefined && trouble === undefined) return this.replace(open, bid, bid.why);
    // What was signed is sent on, whatever is wrong: gas may become cheap again, and a node may have forgotten it.
    await this.submit(open);
    if (trouble !== undefined) throw trouble;
    return 'sent';
  }

  /** What is known of the newest transaction of a batch. */
  private offerOf({ batch, transaction }: RecordOf<'batchIntent'>, at: number): Offer {
    const known = this.offers.get(batch);
    if (known !== undefined && equalBytes(known.transaction, transaction)) return known;
    const offer = { transaction, since: at, isRefused: false };
    this.offers.set(batch, offer);
    return offer;
  }

  /** Hands the transaction in. That it offers too little is remembered: the next one offers more. */
  private async submit({ batch, transaction, raw }: RecordOf<'batchIntent'>): Promise<void> {
    try {
      await this.options.l2.submit(raw);
    } catch (error) {
      if (!isError(error, 'l2_underpriced')) throw error;
      const { newest } = await this.options.l2.newest();
      const { since } = this.offers.get(batch) ?? { since: newest.height };
      this.offers.set(batch, { transaction, since, isRefused: true });
    }
  }

  /**
   * Did a reorganisation take a transaction of the account away for good, so that the batch waits behind a nonce that
   * nobody uses? It may come back by itself, so only after some blocks.
   */
  private isBehindGap(isNow: boolean, at: number): boolean {
    if (!isNow) {
      this.gapSince = undefined;
      return false;
    }
    this.gapSince ??= at;
    return at - this.gapSince >= nonceGapBlocks;
  }

  /**
   * The same rows with the nonce that is free. Should the first one be mined as well after all, it moves nothing: lanes
   * only rise, and a credit counts once.
   */
  private async signAgain(open: RecordOf<'batchIntent'>, nonce: number): Promise<'sent'> {
    this.gapSince = undefined;
    // If the node still holds what was taken back, it refuses this one, and mines that one and the gap with it.
    return this.replace(open, { nonce }, 'a reorganisation left a gap before its nonce');
  }

  /** The same rows signed anew: for more, when what was signed is too cheap, or with another nonce. */
  private async replace(
    open: RecordOf<'batchIntent'>,
    change: { readonly feeMin?: bigint; readonly priorityFeeMin?: bigint; readonly nonce?: number },
    why: string,
  ): Promise<'sent'> {
    const { l2, log, index } = this.options;
    const books = index.books();
    const rows = open.rows.map((reference) => this.row(books, reference));
    const { feeMax } = this.options;
    const { raw, hash, nonce } = await l2.prepareSettle(rows, { nonce: open.nonce, feeMax, ...change });
    const intent = { ...open, nonce, transaction: fromHex(hash, 32), raw };
    await this.record(intent);
    log.info({ batch: open.batch, transaction: hash, why }, 'batch signed again');
    await this.submit(intent);
    return 'sent';
  }

  private async finish(
    open: RecordOf<'batchIntent'>,
    state: keyof typeof OUTCOME_STATES,
    receipt: L2Receipt | undefined,
  ): Promise<void> {
    this.offers.delete(open.batch);
    await this.record({
      type: 'batchOutcome',
      batch: open.batch,
      transaction: open.transaction,
      state: OUTCOME_STATES[state],
      gas: receipt?.gas ?? 0,
      block: height(receipt?.height ?? 0),
    });
    this.options.onBatch(state, state === 'mined' ? open.rows.length : 0);
  }

  private readOutcomes(open: RecordOf<'batchIntent'>, receipt: L2Receipt): void {
    const books = this.options.index.books();
    const rows = open.rows.map((reference) => this.row(books, reference));
    const { transaction, gas } = receipt;
    // One look at them for all rows: a full batch has a thousand.
    const ofRow = rows.map((): Outcome[] => []);
    for (const outcome of decodeOutcomes(rows, receipt.outcomes!)) ofRow[outcome.row]!.push(outcome);
    const skipped = new Set<number>();
    for (const [index, reference] of open.rows.entries()) {
      const own = ofRow[index]!;
      const moved = own.reduce((sum, outcome) => sum + outcome.moved, 0);
      const { credited } = reference;
      const left = own.find(({ done }) => !done) ?? (this.isBehind(reference, own[0]) ? own[0] : undefined);
      if (left !== undefined) {
        skipped.add(index);
        this.refuse(reference, { reason: left.reason, moved });
        continue;
      }
      this.refused.delete(rowKey(reference));
      if (credited !== undefined) this.credited.set(bytesKey(reference.entry), credited);
    }
    // What was skipped may do better in another form, and what was given back pays others.
    if (skipped.size > 0 || open.rows.some(({ credited }) => credited !== undefined)) this.more = true;
    this.rowsMax = this.options.lanesMax;
    this.options.log.info(
      { batch: open.batch, transaction, rows: rows.length, gas, left: skipped.size },
      'batch settled',
    );
  }

  /** Has the vault settled this lane further than the registry says? It would be planned again and again. */
  private isBehind({ entry, k }: RowReference, outcome: Outcome | undefined): boolean {
    if (outcome?.reason !== 'stale') return false;
    const { channel, payee, paid, stream } = namedEntry(this.options.index.books(), entry);
    return paid + k * (stream?.tickValue ?? 0) > this.lanes.settled(channel, bytesKey(payee));
  }

  // ---- the next transaction ----

  private async plan(): Promise<PlannedRow[]> {
    const { signing, log } = this.options;
    const books = this.options.index.books();
    for (const { payee, units } of this.lanes.newlyUnregistered())
      log.warn(
        { payee, units, remedy: "Call the vault's registerPayee for it; anybody may." },
        'a payee without an id on L2 is not settled',
      );
    const busy = this.busyChannels(books);
    const view: SettledView = {
      open: (of) =>
        this.lanes.open(of, (_, book) => this.isCredited(book)).filter((key) => !busy.has(keyNumber(key))),
      settled: (channel, payee) => this.lanes.settled(channel, payee),
      isWhole: (channel, book) => this.lanes.isWhole(channel, book),
      least: this.lanes.leastNow(),
      registered: (payee) => this.lanes.isRegistered(payee),
      credited: (voucher) => this.credited.get(voucher),
      blocked: (reference) => this.isRefused(books, reference),
    };
    const isQuiet = planRows(signing, books, view, 1, this.after).length === 0;
    if (isQuiet && !this.hasQuestions(books)) return [];
    // Before anything else is asked: a freeze may last for days, and each plan in it costs the same.
    await this.checkFreeze();
    await this.askBalances(books);
    for (;;) {
      const askedAll = await this.askCredits(books);
      const planned = planRows(signing, books, view, this.rowsMax, this.after);
      if (planned.length > 0 || askedAll) return planned;
    }
  }

  /** The channels with a row under way: they wait for its end. */
  private busyChannels(books: Books): ReadonlySet<number> {
    const rows = this.history.open.flatMap(({ newest }) => newest.rows);
    return new Set(rows.map(({ entry }) => namedEntry(books, entry).channel));
  }

  /** Is there anything that only L2 can tell before it is known whether there is something to settle? */
  private hasQuestions(books: Books): boolean {
    for (const { reason } of this.refused.values()) if (reason === 'payee_short') return true;
    for (const [key] of countersignedOf(books)) if (!this.credited.has(key)) return true;
    return false;
  }

  /**
   * L2 remembers every credit; the hub asks about those that it doesn't know of, a bounded number at a time, and plans
   * none before. True when none is left to ask about.
   */
  private async askCredits(books: Books): Promise<boolean> {
    let asked = 0;
    for (const [key, entry] of countersignedOf(books)) {
      if (this.credited.has(key)) continue;
      if (asked >= creditRowsMax) return false;
      asked += 1;
      this.credited.set(key, await this.options.l2.credited(entryId(entry)));
    }
    return true;
  }

  /** Has L2 all credits that the payees of the channel signed? */
  private isCredited({ countersigned }: ChannelBook): boolean {
    for (const [key, { payeeCredit }] of layersEntries(countersigned))
      if (payeeCredit!.credited > (this.credited.get(key) ?? -1)) return false;
    return true;
  }

  private async sign(planned: readonly PlannedRow[]): Promise<'sent' | 'finished'> {
    const { signing, log } = this.options;
    const all = planned.map(({ entry, reference }) => rowOf(signing, entry, reference));
    const prepared = await this.prepare(all);
    if (prepared === undefined) {
      this.isolate(planned.map(({ reference }) => reference));
      this.more = true;
      return 'finished';
    }
    const { nonce, raw, hash } = prepared;
    const rows = planned.slice(0, prepared.rows).map(({ reference }) => reference);
    this.more = planned.length >= this.rowsMax || rows.length < planned.length;
    this.after = all[prepared.rows - 1]?.voucher.channel;
    const { nextBatch: batch } = this.history;
    const intent = { type: 'batchIntent', batch, transaction: fromHex(hash, 32), nonce, raw, rows } as const;
    await this.record(intent);
    log.info({ batch, transaction: hash, rows: rows.length }, 'batch signed');
    await this.submit(intent);
    return 'sent';
  }

  /**
   * The first batch within the bounds of a transaction, signed; undefined when the vault would refuse the whole. Throws
   * `vault_frozen` while it would refuse any.
   */
  private async prepare(all: readonly Row[]): Promise<(Prepared & { readonly rows: number }) | undefined> {
    const { l2, feeMax } = this.options;
    const last = this.history.open.at(-1)?.newest.nonce;
    try {
      const rows = await l2.fitting(all);
      const wish = { feeMax, ...(last !== undefined && { nonce: last + 1 }) };
      return { ...(await l2.prepareSettle(rows, wish)), rows: rows.length };
    } catch (error) {
      if (!isError(error, 'l2_reverted')) throw error;
      await this.checkFreeze();
      return undefined;
    }
  }

  /** Throws `vault_frozen` while the vault takes nothing. */
  private async checkFreeze(): Promise<void> {
    const until = await this.options.l2.frozenUntil();
    if (until === undefined) return;
    throw new SundialError('vault_frozen', 'the vault is frozen by its guardian', {
      severity: 'call',
      remedy:
        'Nothing is lost: vouchers stay in the ledger, and settling goes on by itself when the freeze ends.',
      facts: { until },
    });
  }

  /** A batch that reverts as a whole: the next is half as long, and a single row is given up and reported. */
  private isolate(rows: readonly RowReference[]): void {
    const [only] = rows;
    if (rows.length > 1) {
      this.rowsMax = Math.max(1, Math.floor(rows.length / 2));
    } else if (only !== undefined) {
      this.refuse(only, { reason: 'would_revert', moved: 0 });
      this.rowsMax = this.options.lanesMax;
    }
  }

  // ---- rows that the vault skips ----

  private refuse(
    reference: RowReference,
    { reason, moved }: Pick<Refused, 'reason'> & { moved: number },
  ): void {
    const key = rowKey(reference);
    const entry = findEntry(this.options.index.books(), reference.entry);
    // A row that was paid in part is worth its gas, however often money comes.
    const attempts = moved > 0 ? 0 : (this.refused.get(key)?.attempts ?? 0) + 1;
    this.refused.set(key, { reason, row: reference, spendable: this.spendable(entry?.channel), attempts });
    this.options.log.warn(
      { entry: toHex(reference.entry), channel: entry?.channel, reason, attempts },
      'the vault skipped a row; the voucher stays in the ledger',
    );
  }

  private isRefused(books: Books, reference: RowReference): boolean {
    const refused = this.refused.get(rowKey(reference));
    if (refused === undefined) return false;
    // It is planned only where its voucher is settled by now, or with the same batch.
    if (refused.reason === 'not_settled') return false;
    if (refused.reason === 'payee_short') return !this.affordable.has(rowKey(reference));
    return refused.spendable === this.spendable(findEntry(books, reference.entry)?.channel);
  }

  /** Finds the refused credits that their payees can pay by now, all of one payee's together. */
  private async askBalances(books: Books): Promise<void> {
    this.affordable.clear();
    const left = new Map<string, number>();
    for (const [key, { reason, row }] of this.refused) {
      if (reason !== 'payee_short' || row.credited === undefined) continue;
      if (left.size >= creditRowsMax) break;
      const { key: voucher, payee } = namedEntry(books, row.entry);
      const balance = left.get(bytesKey(payee)) ?? (await this.options.l2.balance(payee));
      const wanted = row.credited - (this.credited.get(voucher) ?? 0);
      if (wanted <= balance) this.affordable.add(key);
      left.set(bytesKey(payee), wanted <= balance ? balance - wanted : balance);
    }
  }

  private spendable(channel: number | undefined): number {
    const head = this.options.registry.state.heads[String(channel)];
    return head === undefined ? 0 : head.deposit + head.credited;
  }

  private row(books: Books, reference: RowReference): Row {
    return rowOf(this.options.signing, namedEntry(books, reference.entry), reference);
  }

  private async record(record: HubRecord): Promise<void> {
    const position = await this.options.append(record);
    this.history = applyBatchRecord(this.history, record, position);
  }
}

/** Signed again as often as it may be, and still not mined: somebody has to look. */
const stuck = ({ batch, nonce }: RecordOf<'batchIntent'>): SundialError =>
  new SundialError(
    'settlement_stuck',
    `batch ${batch} was signed ${replacementsMax + 1} times and is not mined`,
    {
      severity: 'call',
      remedy: `Look at the settlement account on the chain. What was signed is sent on; to free the way, send any transaction of that account with nonce ${nonce} yourself: the hub sees it and plans anew.`,
      facts: { batch, nonce },
    },
  );
