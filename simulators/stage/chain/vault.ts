/**
 * The vault's rules in memory: deposits, lanes whose settled amount only grows, credits, exits, bonds and pots. It
 * follows contracts/src rule by rule and keeps an undo list, so that a block can be taken back. A batch is a settler's
 * (`settle`), anybody's with acknowledgements (`settleOpenly`), or one that was announced (`execute`). Every claim stands on a
 * lease for any terminal, of as many terminals as it needs: leases with members and the reserve's guarantees are not here.
 */
import { type Address, type Bytes32, equalBytes, toHex } from '../../../protocol/bytes.ts';
import { BOND_PER_10000, DEFAULT_TIMING, shareOf, TICKS_MAX, type Timing } from '../../../protocol/limits.ts';
import type { Signing } from '../../../protocol/signing/digests.ts';
import { hashChain, lanesHash, requestHash, tickEntry, voucherDigest } from '../../../protocol/vouchers.ts';
import type { Reason, Row, SignedVoucher } from '../../../hub/l2/rows.ts';
import { proves, type Rule, type Shown } from '../../../hub/l2/fraud.ts';
import { announcementLife } from '../../../hub/limits.ts';
import type { Amount } from '../../../protocol/integers.ts';

export interface VaultLane {
  readonly payee: string;
  settled: number;
  /** Given back on the lane's vouchers. */
  credited: number;
  /** Paid from a pot for what copies of the payer were given on the same stretch: beyond what was signed. */
  madeGood: number;
}

export interface VaultChannel {
  readonly id: number;
  readonly payer: Address;
  deposited: number;
  /** Credits that payees gave back. */
  credited: number;
  bond: number;
  /** What vouchers may still move. */
  free: number;
  /** Went back to the owner. */
  returned: number;
  /** What is left of a slashed bond, until it is shared out. */
  pot: number;
  /** What the pot began with; 0 while no fraud was proved. */
  potOpened: number;
  potClosesAt: number;
  readonly shortfalls: Map<string, PotClaim>;
  /** What of the pot went to the reserve. */
  potKept: number;
  /** What announced rows moved when they were executed. */
  slowly: number;
  exitReady: number;
  readonly lanes: Map<string, VaultLane>;
}

/** What a payee showed at a pot, and what counts of it. */
export interface PotClaim {
  readonly top: number;
  readonly overlap: number;
  /** What the vouchers shown moved themselves. */
  readonly shown: number;
  readonly shortfall: number;
}

/** What became of one lane of a row. */
export interface Outcome {
  readonly channel: number;
  readonly payee: string;
  readonly reason: Reason;
  readonly moved: number;
  readonly credit: boolean;
}

export const keyOf = (address: Uint8Array): string => toHex(address).slice(2);

export class VaultModel {
  readonly channels = new Map<number, VaultChannel>();
  /** Balances of payees, by key. */
  readonly balances = new Map<string, number>();
  readonly credits = new Map<string, number>();
  reserve = 0;
  /** When each batch that waits was announced, seconds, by its hash. */
  readonly announced = new Map<string, number>();
  /** Keys of the hub whose acknowledgements count here. */
  readonly hubKeys: Address[] = [];
  /** Channels that the last call changed. */
  readonly touched = new Set<number>();
  private undoing: (() => void)[] = [];
  private readonly signing: Signing;
  readonly timing: Timing;

  constructor(signing: Signing, timing: Timing = DEFAULT_TIMING) {
    this.signing = signing;
    this.timing = timing;
  }

  /** What takes back everything since the last call of this. */
  takeUndo(): () => void {
    const steps = this.undoing;
    this.undoing = [];
    return () => {
      for (let i = steps.length - 1; i >= 0; i--) steps[i]!();
    };
  }

  private change<T extends object, K extends keyof T>(object: T, key: K, value: T[K]): void {
    const before = object[key];
    this.undoing.push(() => {
      object[key] = before;
    });
    object[key] = value;
  }

  private put<K, V>(map: Map<K, V>, key: K, value: V): void {
    const had = map.has(key);
    const before = map.get(key);
    this.undoing.push(() => {
      if (had) map.set(key, before!);
      else map.delete(key);
    });
    map.set(key, value);
  }

  private remove<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key)!;
    this.undoing.push(() => void map.set(key, before));
    map.delete(key);
  }

  private touch(channel: VaultChannel): VaultChannel {
    this.touched.add(channel.id);
    return channel;
  }

  registerPayee(payee: Address): void {
    this.put(this.balances, keyOf(payee), 0);
  }

  open(id: number, payer: Address, deposit: number): void {
    const bond = shareOf(deposit as Amount, BOND_PER_10000);
    this.put(this.channels, id, {
      id,
      payer,
      deposited: deposit,
      credited: 0,
      bond,
      free: deposit - bond,
      returned: 0,
      pot: 0,
      potOpened: 0,
      potClosesAt: 0,
      shortfalls: new Map(),
      potKept: 0,
      slowly: 0,
      exitReady: 0,
      lanes: new Map(),
    });
    this.touched.add(id);
  }

  /** False when the channel takes no more: its owner leaves, or it was slashed. */
  topUp(id: number, deposit: number): boolean {
    const channel = this.touch(this.channel(id));
    if (channel.exitReady !== 0 || channel.potOpened !== 0) return false;
    const bond = shareOf(deposit as Amount, BOND_PER_10000);
    this.change(channel, 'deposited', channel.deposited + deposit);
    this.change(channel, 'bond', channel.bond + bond);
    this.change(channel, 'free', channel.free + deposit - bond);
    return true;
  }

  /** False when an exit runs already. */
  startExit(id: number, nowSeconds: number): boolean {
    const channel = this.touch(this.channel(id));
    if (channel.exitReady !== 0) return false;
    this.change(channel, 'exitReady', nowSeconds + this.timing.exitDelay);
    return true;
  }

  /** False when no exit runs, or its delay is not over. */
  finishExit(id: number, nowSeconds: number): boolean {
    const channel = this.touch(this.channel(id));
    if (channel.exitReady === 0 || nowSeconds < channel.exitReady) return false;
    this.change(channel, 'returned', channel.returned + channel.free + channel.bond);
    this.change(channel, 'free', 0);
    this.change(channel, 'bond', 0);
    return true;
  }

  channel(id: number): VaultChannel {
    const found = this.channels.get(id);
    if (found === undefined) throw new Error(`the vault has no channel ${id}`);
    return found;
  }

  settledOf(id: number, payee: string): number {
    return this.channels.get(id)?.lanes.get(payee)?.settled ?? 0;
  }

  creditedOn(voucher: string): number {
    return this.credits.get(voucher) ?? 0;
  }

  /** Settles a batch; anyone may. A row that can't be applied is skipped with its reason. */
  settle(rows: readonly Row[]): Outcome[] {
    const outcomes: Outcome[] = [];
    for (const row of rows) {
      if (row.credit !== undefined) outcomes.push(this.credit(row));
      else outcomes.push(...this.settleRow(row));
    }
    return outcomes;
  }

  // ---- the slow lane ----

  /** Shows a batch, whose hash is all that counts. False when it waits already. */
  announce(batch: string, nowSeconds: number): boolean {
    if (this.executableAt(batch, nowSeconds) !== undefined) return false;
    this.put(this.announced, batch, nowSeconds);
    return true;
  }

  /** When a batch that waits may be executed, seconds; undefined when nobody announced it, or too long ago. */
  executableAt(batch: string, nowSeconds: number): number | undefined {
    const at = this.announced.get(batch);
    if (at === undefined) return undefined;
    const due = at + this.timing.slowLane;
    return nowSeconds <= due + announcementLife ? due : undefined;
  }

  /** Settles the rows of a batch that was announced, once; undefined when it isn't due. */
  execute(batch: string, rows: readonly Row[], nowSeconds: number): Outcome[] | undefined {
    const due = this.executableAt(batch, nowSeconds);
    if (due === undefined || nowSeconds < due) return undefined;
    this.remove(this.announced, batch);
    const outcomes = this.settle(rows);
    for (const { channel: id, moved, credit } of outcomes) {
      const channel = this.channels.get(id);
      if (channel !== undefined && !credit && moved > 0)
        this.change(channel, 'slowly', channel.slowly + moved);
    }
    return outcomes;
  }

  /** Settles what the hub acknowledged, whoever brings it: each row's own lane; the rest waits in the slow lane. */
  settleOpenly(rows: readonly Row[]): Outcome[] {
    return rows.flatMap((row) => {
      if (row.credit !== undefined) return this.settle([row]);
      const refused = this.openly(row);
      if (refused === undefined) return this.settleRow(row, true);
      const { channel, payee } = row.voucher;
      const lanes = [payee, ...(row.list ?? []).map((lane) => lane.payee)];
      return lanes.map((lane) => this.still(channel, keyOf(lane), refused));
    });
  }

  /** Why a row must wait; undefined: it carries an acknowledgement of exactly what it shows. */
  private openly({ voucher, acknowledgement, reveal }: Row): Reason | undefined {
    if (acknowledgement === undefined) return 'slow_lane';
    const { suite } = this.signing;
    const digest = this.digest(voucher);
    const entry = reveal === undefined ? digest : tickEntry(suite, digest, reveal.k, reveal.preimage);
    const { position, at, signature } = acknowledgement;
    const fields = { entry, position: position as never, at: at as never };
    const counts = this.hubKeys.some((key) =>
      this.signing.signedBy('Acknowledgement', fields, signature, key),
    );
    return counts ? undefined : 'bad_acknowledgement';
  }

  private still(channel: number, payee: string, reason: Reason): Outcome {
    return { channel, payee, reason, moved: 0, credit: false };
  }

  private digest(voucher: SignedVoucher): Bytes32 {
    return voucherDigest(this.signing, voucher as Parameters<typeof voucherDigest>[1]);
  }

  /** The channel when its payer signed the row, with where the row leaves its lane. */
  private read(row: Row): { channel: VaultChannel; top: number; digest: Bytes32 } | Reason {
    const { voucher } = row;
    const digest = this.digest(voucher);
    const signer = this.signing.suite.recover(digest, row.signature, row.key);
    if (signer === undefined) return 'bad_signature';
    let top = voucher.paid;
    if (row.reveal !== undefined) {
      const { k, preimage } = row.reveal;
      if (voucher.kind !== 'stream' || k < 1 || k > voucher.ticks || k > TICKS_MAX) return 'bad_ticks';
      if (!equalBytes(hashChain(this.signing.suite, preimage, k), voucher.anchor)) return 'bad_preimage';
      top += k * voucher.tickValue;
    }
    const channel = this.channels.get(voucher.channel);
    if (channel === undefined || !equalBytes(channel.payer, signer)) return 'unknown_signer';
    return { channel, top, digest };
  }

  /** `ownOnly`: the lanes that a statement lists wait. */
  private settleRow(row: Row, ownOnly = false): Outcome[] {
    const { voucher, list = [] } = row;
    const read = this.read(row);
    const lanes = [{ payee: keyOf(voucher.payee), top: voucher.paid }];
    for (const { payee, paid } of list) lanes.push({ payee: keyOf(payee), top: paid });
    const refused = (reason: Reason): Outcome[] =>
      lanes.map(({ payee }) => this.still(voucher.channel, payee, reason));
    if (typeof read === 'string') return refused(read);
    lanes[0]!.top = read.top;
    if (list.length > 0) {
      const { suite } = this.signing;
      const listed = lanesHash(
        suite,
        list.map(({ payee, paid }) => ({ payee, paid: paid as Amount })),
      );
      // A list that was not signed changes the digest on chain, and so the signer.
      if (voucher.kind !== 'voucher' || !equalBytes(listed, voucher.lanes)) return refused('unknown_signer');
      const sum = list.reduce((total, lane) => total + lane.paid, voucher.paid);
      if (sum > voucher.spent) return refused('list_above_spent');
    }
    return lanes.map(({ payee, top }, lane) =>
      ownOnly && lane > 0
        ? this.still(voucher.channel, payee, 'slow_lane')
        : this.raise(read.channel, payee, top),
    );
  }

  private raise(channel: VaultChannel, payee: string, top: number): Outcome {
    const answer = (reason: Reason, moved: number): Outcome => ({
      channel: channel.id,
      payee,
      reason,
      moved,
      credit: false,
    });
    const lane = this.lane(channel, payee);
    if (top <= lane.settled) return answer('stale', 0);
    let moved = top - lane.settled;
    let reason: Reason = 'applied';
    if (moved > channel.free) {
      if (channel.free === 0) return answer('no_funds', 0);
      moved = channel.free;
      reason = 'partly';
    }
    this.touch(channel);
    this.change(lane, 'settled', lane.settled + moved);
    this.change(channel, 'free', channel.free - moved);
    this.pay(payee, moved);
    return answer(reason, moved);
  }

  private lane(channel: VaultChannel, payee: string): VaultLane {
    let lane = channel.lanes.get(payee);
    if (lane === undefined) {
      lane = { payee, settled: 0, credited: 0, madeGood: 0 };
      this.put(channel.lanes, payee, lane);
    }
    return lane;
  }

  private pay(payee: string, moved: number): void {
    this.put(this.balances, payee, (this.balances.get(payee) ?? 0) + moved);
  }

  private credit(row: Row): Outcome {
    const payee = keyOf(row.voucher.payee);
    const answer = (reason: Reason, moved = 0): Outcome => ({
      channel: row.voucher.channel,
      payee,
      reason,
      moved,
      credit: true,
    });
    const read = this.read(row);
    if (typeof read === 'string') return answer(read);
    const { channel, top, digest } = read;
    const { opened, credit, voucher } = row;
    const { signing } = this;
    if (opened === undefined || credit === undefined) return answer('bad_opening');
    const request = { ...opened, amount: opened.amount as Amount, at: opened.at as never };
    if (!equalBytes(requestHash(signing, request), voucher.request)) return answer('bad_opening');
    const { credited, signature } = credit;
    if (!signing.signedBy('Credit', { voucher: digest, credited }, signature, voucher.payee))
      return answer('bad_payee_signature');
    // What the voucher moved on its lane: the request's amount, or the ticks shown.
    if (credited > opened.amount + top - voucher.paid) return answer('credit_above_amount');
    const key = keyOf(digest);
    const before = this.creditedOn(key);
    if (credited <= before) return answer('credit_stale');
    const moved = credited - before;
    const lane = this.lane(channel, payee);
    if (lane.settled < top) return answer('not_settled');
    if (lane.credited + moved > lane.settled) return answer('credit_above_lane');
    const balance = this.balances.get(payee) ?? 0;
    if (balance < moved) return answer('payee_short');
    this.touch(channel);
    this.put(this.credits, key, credited);
    this.change(lane, 'credited', lane.credited + moved);
    this.change(channel, 'credited', channel.credited + moved);
    this.change(channel, 'free', channel.free + moved);
    this.put(this.balances, payee, balance - moved);
    return answer('applied', moved);
  }

  // ---- fraud ----

  /** Rows of one payer that an honest one never signs, by the rule they break; moves the bond into a pot. */
  proveFraud(rule: Rule, rows: readonly Row[], nowSeconds: number): boolean {
    const shown: Shown[] = [];
    let channel: VaultChannel | undefined;
    for (const row of rows) {
      const read = this.read(row);
      if (typeof read === 'string' || (channel !== undefined && read.channel !== channel)) return false;
      channel = read.channel;
      shown.push(this.shown(row, read));
    }
    if (channel === undefined || channel.bond === 0 || !proves(rule, shown)) return false;
    this.touch(channel);
    this.change(channel, 'pot', channel.bond);
    this.change(channel, 'potOpened', channel.bond);
    this.change(channel, 'bond', 0);
    const window = this.timing.payeeOfflineMax + this.timing.claimMargin;
    this.change(channel, 'potClosesAt', nowSeconds + window);
    return true;
  }

  private shown(row: Row, { top, digest }: { top: number; digest: Bytes32 }): Shown {
    const { seq, spent, payee, paid } = row.voucher;
    const ticks = top - paid;
    return {
      id: digest,
      seq,
      spent: spent + ticks,
      payee,
      paid: top,
      moved: ticks + this.openedAmount(row),
      ...(row.list !== undefined && { list: row.list }),
    };
  }

  /** The amount of an opened request, when it is the one that was signed. */
  private openedAmount(row: Row): number {
    const { opened, voucher } = row;
    if (opened === undefined) return 0;
    const request = { ...opened, amount: opened.amount as Amount, at: opened.at as never };
    return equalBytes(requestHash(this.signing, request), voucher.request) ? opened.amount : 0;
  }

  /**
   * A payee registers what its lane is short of, while the pot's window is open: the rows are its vouchers, by what
   * the lane held before each, then by digest. It moves nothing. Returns the shortfall, 0 when nothing is registered.
   */
  registerShortfall(rows: readonly Row[], nowSeconds: number): number {
    const read = rows.map((row) => this.read(row));
    const [first] = read;
    if (first === undefined || typeof first === 'string') return 0;
    const { channel } = first;
    if (channel.potOpened === 0 || nowSeconds >= channel.potClosesAt) return 0;
    const payee = keyOf(rows[0]!.voucher.payee);
    const shown = this.readVouchers(rows, read, channel);
    if (shown === undefined) return 0;
    const old = channel.shortfalls.get(payee) ?? { top: 0, overlap: 0, shown: 0 };
    const claim = {
      top: Math.max(old.top, shown.top),
      overlap: Math.max(old.overlap, shown.overlap),
      shown: Math.max(old.shown, shown.shown),
    };
    const missing = Math.max(0, claim.top - this.settledOf(channel.id, payee)) + claim.overlap;
    const shortfall = Math.min(missing, claim.shown, channel.potOpened);
    if (shortfall === 0) return 0;
    this.touch(channel);
    this.put(channel.shortfalls, payee, { ...claim, shortfall });
    return shortfall;
  }

  /** Highest top of vouchers of one lane, what overlaps and what they moved, or undefined when they can't be shown so. */
  private readVouchers(
    rows: readonly Row[],
    read: readonly ReturnType<VaultModel['read']>[],
    channel: VaultChannel,
  ): { top: number; overlap: number; shown: number } | undefined {
    let highest = 0;
    let moved = 0;
    let overlap = 0;
    let before = { base: 0, digest: '' };
    for (const [i, row] of rows.entries()) {
      const one = read[i]!;
      if (typeof one === 'string' || one.channel !== channel) return undefined;
      const { voucher } = row;
      const amount = voucher.kind === 'stream' ? one.top - voucher.paid : this.openedAmount(row);
      const base = Math.max(0, one.top - amount);
      const digest = keyOf(one.digest);
      const rises = base > before.base || (base === before.base && digest > before.digest);
      if (!rises || !equalBytes(voucher.payee, rows[0]!.voucher.payee)) return undefined;
      overlap += Math.max(0, Math.min(highest, one.top) - base);
      highest = Math.max(highest, one.top);
      moved += Math.min(amount, one.top);
      before = { base, digest };
    }
    return { top: highest, overlap, shown: moved };
  }

  /** After the window: pro-rata shares, the rest into the reserve, never to the owner. */
  closePot(id: number, nowSeconds: number): boolean {
    const channel = this.channel(id);
    if (channel.pot === 0 || nowSeconds < channel.potClosesAt + this.timing.slowLane) return false;
    this.touch(channel);
    let sum = 0;
    for (const claim of channel.shortfalls.values()) sum += claim.shortfall;
    let left = channel.pot;
    for (const [payee, claim] of channel.shortfalls) {
      const share =
        sum > channel.potOpened
          ? Number((BigInt(claim.shortfall) * BigInt(channel.potOpened)) / BigInt(sum))
          : claim.shortfall;
      const lane = this.lane(channel, payee);
      const missing = Math.max(0, claim.top - lane.settled);
      const paid = Math.min(share, missing + claim.overlap, left);
      const raised = Math.min(paid, missing);
      this.change(lane, 'settled', lane.settled + raised);
      this.change(lane, 'madeGood', lane.madeGood + paid - raised);
      this.pay(payee, paid);
      left -= paid;
    }
    this.change(channel, 'potKept', channel.potKept + left);
    this.change(channel, 'pot', 0);
    this.change(this, 'reserve', this.reserve + left);
    return true;
  }
}
