/**
 * L2 as a hub asks it, over the model of the vault: blocks with a log of events, states of channels by height, a pool of
 * transactions whose fees must reach the base fee, nonces and receipts; all of it is taken back by reorganisations. One
 * hub's account lives here. A node (`node`) is a view of it that may lag, hide events, date blocks ahead or be away. Others
 * send what the slow lane is for (`Anybody`).
 *
 * Not simulated: gas limits of a block, other accounts' transactions in the pool, a node that shows false states.
 */
import { type AnnouncedLane, announcedLanes } from '../../../hub/l2/announced.ts';
import { encodeBatch, REASONS, type Row, splitRows } from '../../../hub/l2/rows.ts';
import type { Rule } from '../../../hub/l2/fraud.ts';
import type {
  Block,
  ChannelState,
  EventRange,
  Fees,
  Heads,
  Hex,
  L2,
  L2Event,
  L2Receipt,
  ClaimState,
  PotState,
  Prepared,
} from '../../../hub/ports.ts';
import { type Address, fromHex, toHex } from '../../../protocol/bytes.ts';
import { SundialError } from '../../../protocol/errors.ts';
import type { Signing } from '../../../protocol/signing/digests.ts';
import type { CryptoSuite } from '../../../hardware/interfaces/index.ts';
import type { World } from '../world/world.ts';
import { BLOCK_MS, type Chain, FINALITY_BLOCKS, type Transaction } from './chain.ts';
import { keyOf, type Outcome, type VaultChannel, type VaultModel } from './vault.ts';

/** Blocks before the simulation: what was opened then is final. */
const BASE = 1000;
/** Milliseconds of a question to the node. */
const ANSWER_MS = 2;
/** How long an act waits for a block, and how often it looks. */
const MINED_MS_MAX = 180_000;
const MINED_POLL_MS = 2_000;
/** Gas of a plain row and of each lane that a list adds; the base of a transaction. Measured on the real vault. */
const GAS = { transaction: 30_000, row: 11_500, listed: 4_500, max: 15_500_000 };
/** Base fee while the chain is quiet, wei a gas; each block that transactions wait adds a tenth. */
const QUIET_FEE = 10;
/** States of a channel that are kept: those of reorganisations and of finality, with room. */
const STATES_MAX = 80;

/** Blocks after which the pool forgets what was not mined. */
const POOL_BLOCKS_MAX = 300;

/** How a node misbehaves. */
export interface NodeFaults {
  away: boolean;
  /** Blocks that it is behind. */
  behind: number;
  /** Answers questions about events with nothing, and with headers made up to fit. */
  hidesEvents: boolean;
  /** Has not indexed the newest blocks yet: what it says of events fits no header, and the hub's host refuses it. */
  short: boolean;
  /** Seconds by which it dates the newest block ahead. */
  ahead: number;
}

/** A node that does what it should. */
export const soundNode = (): NodeFaults => ({
  away: false,
  behind: 0,
  hidesEvents: false,
  short: false,
  ahead: 0,
});

/** What a run wants to know of settlements. */
export interface L2Watcher {
  /** A batch is final. */
  settled(rows: readonly Row[], outcomes: readonly Outcome[], gas: number): void;
}

/** What anybody may do at the vault who is no settler. Each is false while no node answers; what was mined comes once more when it is mined anew. */
export interface Anybody {
  announce(rows: readonly Row[], mined?: (done: boolean) => void): boolean;
  /** Settles what was announced. `mined`: undefined when it wasn't due. */
  execute(rows: readonly Row[], mined?: (outcomes: readonly Outcome[] | undefined) => void): boolean;
  /** Settles the rows that carry an acknowledgement. */
  settleOpenly(rows: readonly Row[], mined?: (outcomes: readonly Outcome[]) => void): boolean;
  /** When these rows may be executed, seconds; undefined when they don't wait. */
  executableAt(rows: readonly Row[]): number | undefined;
}

/** A signed transaction of the hub's account. */
interface Signed {
  readonly hash: Hex;
  readonly nonce: number;
  readonly fees: Fees;
  readonly name: string;
  /** What happens in the block; answers whether it was no revert, with the outcomes of a settlement. */
  run(atSeconds: number, height: number): { readonly succeeded: boolean; readonly outcomes?: Uint8Array };
  final?(): void;
  readonly gas: number;
}

const away = (): SundialError =>
  new SundialError('l2_away', 'no node answers', { severity: 'call', remedy: 'Wait.' });
const unproved = (): SundialError =>
  new SundialError('l2_unproved', 'the receipts are not those that the header names', {
    severity: 'call',
    remedy: 'Wait.',
  });
const refused = (code: 'l2_reverted' | 'l2_refused' | 'l2_underpriced', words: string): SundialError =>
  new SundialError(code, words, { severity: 'call', remedy: 'None: this is a simulation.' });

const stateOf = (found: VaultChannel): ChannelState => ({
  owner: toHex(found.payer),
  payer: toHex(found.payer),
  deposited: found.deposited,
  credited: found.credited,
  bond: found.bond,
  free: found.free,
  spendable: found.deposited + found.credited - found.bond,
  exitReady: found.exitReady,
  nextPayer: undefined,
  slashed: found.potOpened !== 0,
});

const NO_CLAIM: ClaimState = { top: 0, overlap: 0, shown: 0, counted: 0 };

const hashOf = (text: string): Hex => `0x${text.padStart(64, '0')}`;

export class VirtualL2 {
  /** The operator sends nothing any more, whatever its hub asks for. */
  buries = false;
  /** What the operator's own node makes of a deposit: so many times what it is. */
  lends = 1;
  /** Reorganisations so far: they change the hashes of blocks. */
  private forks = 0;
  private readonly events: L2Event[] = [];
  private readonly states = new Map<number, { readonly height: number; readonly state: ChannelState }[]>();
  private readonly ids = new Map<string, number>();
  /** Heights of the account's mined transactions, by nonce. */
  private readonly nonces: number[];
  private readonly receipts = new Map<Hex, L2Receipt>();
  private readonly signed = new Map<Hex, Signed>();
  /** What waits, by nonce. */
  private readonly pool = new Map<number, Signed>();
  /** Blocks that a transaction of the pool was left out of. */
  private readonly waits = new Map<Hex, number>();
  private serial = 0;
  private readonly world: World;
  private readonly chain: Chain;
  private readonly model: VaultModel;
  private readonly signing: Signing;
  private readonly suite: CryptoSuite;
  private readonly watcher: L2Watcher;
  /** Heights from which on blocks belong to a later fork. */
  private readonly forkHeights: number[] = [];

  /** `sent`: transactions that the account had sent before the run began. */
  constructor(world: World, chain: Chain, signing: Signing, watcher: L2Watcher, sent = 0) {
    this.world = world;
    this.nonces = Array.from({ length: sent }, () => 1);
    this.chain = chain;
    this.signing = signing;
    this.suite = signing.suite;
    this.watcher = watcher;
    this.model = chain.vault;
    for (const payee of this.model.balances.keys()) this.noteRegistered(payee, 1);
    for (const channel of this.model.channels.values()) this.noteState(channel.id, 0, 1);
    chain.observer = {
      mined: (transaction, height, touched) => this.mined(transaction, BASE + height, touched),
      undone: (height) => this.undone(BASE + height),
    };
  }

  private noteRegistered(payee: string, height: number): void {
    const id = this.ids.size + 1;
    this.ids.set(payee, id);
    const account: Hex = `0x${payee}`;
    this.events.push({ type: 'payeeRegistered', height, transaction: hashOf(''), account, payee: id });
  }

  private noteState(channel: number, height: number, eventHeight: number): void {
    const list = this.states.get(channel) ?? [];
    this.states.set(channel, list);
    list.push({ height, state: stateOf(this.model.channel(channel)) });
    if (list.length > STATES_MAX) list.splice(0, list.length - STATES_MAX);
    this.events.push({ type: 'channelChanged', height: eventHeight, transaction: hashOf(''), channel });
  }

  private mined(_transaction: Transaction, height: number, touched: ReadonlySet<number>): void {
    for (const channel of touched) this.noteState(channel, height, height);
  }

  private undone(height: number): void {
    this.forks += 1;
    this.forkHeights.push(height + 1);
    while (this.events.length > 0 && this.events.at(-1)!.height > height) this.events.pop();
    for (const list of this.states.values())
      while (list.length > 1 && list.at(-1)!.height > height) list.pop();
    while (this.nonces.length > 0 && this.nonces.at(-1)! > height) this.nonces.pop();
    for (const [hash, receipt] of this.receipts) if (receipt.height > height) this.receipts.delete(hash);
  }

  // ---- blocks ----

  private block(height: number): Block {
    const fork = this.forkHeights.filter((from) => from <= height).length;
    return {
      height,
      at: this.chain.timeOf(height - BASE),
      hash: hashOf(`${fork.toString(16)}${height.toString(16).padStart(12, '0')}`),
      baseFee: BigInt(this.baseFee),
    };
  }

  private get baseFee(): number {
    return QUIET_FEE + this.chain.congestionBlocks;
  }

  private get height(): number {
    return BASE + this.chain.head.height;
  }

  // ---- the account's transactions ----

  /** Takes a transaction into the pool, as a node does. */
  private take(transaction: Signed): void {
    const { nonce, hash, fees } = transaction;
    if (this.receipts.has(hash) || nonce < this.nonces.length) return;
    const known = this.pool.get(nonce);
    if (known?.hash === hash) return;
    if (known !== undefined && fees.maxFee * 10n < known.fees.maxFee * 11n)
      throw refused('l2_underpriced', 'replacement transaction underpriced');
    this.pool.set(nonce, transaction);
    this.hand(transaction);
  }

  /** Hands it to the chain; in the block it runs only when it is still the one of its nonce, and offers enough. */
  private hand(transaction: Signed): void {
    const { hash, nonce } = transaction;
    let done = false;
    const handed = this.chain.submit({
      name: transaction.name,
      run: (_model, atSeconds) => {
        done = false;
        if (this.pool.get(nonce) !== transaction) return;
        if (nonce !== this.nonces.length || transaction.fees.maxFee < BigInt(this.baseFee))
          return this.waitOn(transaction, nonce);
        done = true;
        const height = BASE + this.heightAt(atSeconds);
        this.pool.delete(nonce);
        this.nonces.push(height);
        const { succeeded, outcomes } = transaction.run(atSeconds, height);
        const { gas } = transaction;
        this.receipts.set(hash, { transaction: hash, height, succeeded, gas, outcomes });
      },
      // Waits again, or the node forgot it: the hub must notice, and send it again.
      undone: (lost) => {
        if (!lost && done && !this.pool.has(nonce)) this.pool.set(nonce, transaction);
      },
      final: () => {
        if (done) transaction.final?.();
      },
    });
    // Nobody mines while the chain is away from us: the pool hands it on later.
    if (!handed) this.waitOn(transaction, nonce);
  }

  /** Behind a gap, or too cheap now: the pool keeps it for a while, then forgets it as nodes do. */
  private waitOn(transaction: Signed, nonce: number): void {
    const waited = (this.waits.get(transaction.hash) ?? 0) + 1;
    this.waits.set(transaction.hash, waited);
    if (nonce < this.nonces.length || waited > POOL_BLOCKS_MAX) {
      this.pool.delete(nonce);
      this.waits.delete(transaction.hash);
      return;
    }
    this.world.after(BLOCK_MS, () => {
      if (this.pool.get(nonce) === transaction) this.hand(transaction);
    });
  }

  // ---- others' transactions ----

  /** Somebody had become a payee before the run began. */
  register(account: Address): void {
    this.model.registerPayee(account);
    this.model.takeUndo();
    this.noteRegistered(keyOf(account), 1);
  }

  /** The vault as anybody has it. */
  readonly anybody: Anybody = {
    announce: (rows, mined) => {
      const { bytes, batch } = this.batchOf(rows);
      return this.byAnybody('announces', (seconds, height, transaction) => {
        const done = this.model.announce(batch, seconds);
        const executableAt = seconds + this.model.timing.slowLane;
        if (done)
          this.events.push({ type: 'announced', height, transaction, batch, executableAt, rows: bytes });
        return () => mined?.(done);
      });
    },
    execute: (rows, mined) => {
      const { batch } = this.batchOf(rows);
      return this.byAnybody('executes', (seconds, height, transaction) => {
        const outcomes = this.model.execute(batch, rows, seconds);
        if (outcomes !== undefined) {
          this.noteSettled(transaction, height, outcomes);
          this.events.push({ type: 'executed', height, transaction, batch });
        }
        return () => mined?.(outcomes);
      });
    },
    settleOpenly: (rows, mined) =>
      this.byAnybody('settles openly', (_seconds, height, transaction) => {
        const outcomes = this.model.settleOpenly(rows);
        this.noteSettled(transaction, height, outcomes);
        return () => mined?.(outcomes);
      }),
    executableAt: (rows) => this.model.executableAt(this.batchOf(rows).batch, this.chain.head.at),
  };

  /** Lanes of all batches that wait, whoever signed them. */
  waiting(): readonly AnnouncedLane[] {
    const accounts = new Map([...this.ids].map(([payee, id]) => [id, fromHex(`0x${payee}`, 20)]));
    return this.events.flatMap((event) =>
      event.type === 'announced' && this.model.announced.has(event.batch)
        ? announcedLanes(this.signing, event.rows, accounts)
        : [],
    );
  }

  private batchOf(rows: readonly Row[]): { readonly bytes: Uint8Array; readonly batch: Hex } {
    const bytes = encodeBatch(rows, this.ids);
    return { bytes, batch: toHex(this.suite.keccak256(bytes)) };
  }

  /** `run` does it, and answers what follows once the block stands. */
  private byAnybody(
    name: string,
    run: (atSeconds: number, height: number, transaction: Hex) => () => void,
  ): boolean {
    this.serial += 1;
    const transaction = hashOf(`a11${this.serial.toString(16)}`);
    let after = (): void => undefined;
    return this.chain.submit({
      name,
      run: (_model, atSeconds) => {
        after = run(atSeconds, BASE + this.heightAt(atSeconds), transaction);
      },
      mined: () => after(),
    });
  }

  private heightAt(atSeconds: number): number {
    return Math.round(((atSeconds - this.world.startSeconds) * 1000) / BLOCK_MS);
  }

  private settle(
    hash: Hex,
    rows: readonly Row[],
    height: number,
  ): { outcomes: readonly Outcome[]; bytes: Uint8Array } {
    const outcomes = this.model.settle(rows);
    return { outcomes, bytes: this.noteSettled(hash, height, outcomes) };
  }

  /** The event of a settlement, and its bytes. */
  private noteSettled(hash: Hex, height: number, outcomes: readonly Outcome[]): Uint8Array {
    const bare = outcomes.map(({ payee, ...rest }) => ({ ...rest, payee: this.ids.get(payee)! }));
    this.events.push({ type: 'batchSettled', height, transaction: hash, outcomes: bare });
    const bytes = new Uint8Array(16 * bare.length);
    const view = new DataView(bytes.buffer);
    for (const [i, { channel, payee, reason, moved, credit }] of bare.entries()) {
      view.setUint32(16 * i, channel);
      view.setUint32(16 * i + 4, payee);
      view.setUint8(16 * i + 8, credit ? 0x40 : 0);
      view.setUint8(16 * i + 9, REASONS.indexOf(reason));
      view.setUint16(16 * i + 10, Math.floor(moved / 2 ** 32));
      view.setUint32(16 * i + 12, moved % 2 ** 32);
    }
    return bytes;
  }

  private registered(payee: Uint8Array): number | undefined {
    return this.ids.get(keyOf(payee));
  }

  private stateAt(channel: number, at: number | undefined): ChannelState {
    const list = this.states.get(channel);
    if (list === undefined) throw refused('l2_reverted', `UnknownChannel(${channel})`);
    const found = at === undefined ? list.at(-1)! : (list.findLast(({ height }) => height <= at) ?? list[0]!);
    const { state } = found;
    if (this.lends === 1) return state;
    const deposited = this.lends * state.deposited;
    return { ...state, deposited, spendable: deposited + state.credited - state.bond };
  }

  private potOf(channel: number): PotState {
    const { potOpened, pot, potClosesAt, shortfalls } = this.model.channel(channel);
    const collectsAt = potClosesAt === 0 ? 0 : potClosesAt + this.model.timing.slowLane;
    const claims = pot === 0 ? 0 : shortfalls.size;
    return { amount: potOpened, left: pot, closesAt: potClosesAt, collectsAt, claims };
  }

  /**
   * The chain as one process of the hub asks it through a node. `later` runs nothing any more once that process is dead;
   * `others` are the nodes that it asks besides.
   */
  node(
    later: (delayMs: number, action: () => void) => void,
    faults: NodeFaults,
    others: readonly NodeFaults[],
  ): L2 {
    const ask = <T>(answer: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        later(ANSWER_MS, () => {
          if (this.chain.isAway || faults.away) return reject(away());
          try {
            resolve(answer());
          } catch (error) {
            reject(error);
          }
        });
      });
    const head = (): number => Math.max(1, this.height - faults.behind);
    /** Sends, and waits for a block. */
    const act = async (name: string, run: Signed['run']): Promise<Hex> => {
      this.serial += 1;
      const hash = hashOf(`ac${this.serial.toString(16)}`);
      const fees = { maxFee: BigInt(10 * this.baseFee), priorityFee: 1n };
      await ask(() => {
        if (this.buries) throw refused('l2_refused', 'the operator sends nothing');
        // As nodes count what is pending: up to the first gap.
        let nonce = this.nonces.length;
        while (this.pool.has(nonce)) nonce += 1;
        this.take({ hash, nonce, fees, name, run, gas: 100_000 });
      });
      for (let waited = 0; waited < MINED_MS_MAX; waited += MINED_POLL_MS) {
        await new Promise<void>((resolve) => later(MINED_POLL_MS, resolve));
        const receipt = this.receipts.get(hash);
        if (receipt?.succeeded === true) return hash;
        if (receipt?.succeeded === false) throw refused('l2_reverted', `${name} reverted`);
      }
      throw refused('l2_refused', `${name} was not mined`);
    };
    return {
      newest: () =>
        ask((): Heads => {
          const height = head();
          const newest = this.block(height);
          const final = this.block(Math.max(1, height - FINALITY_BLOCKS));
          return { newest: { ...newest, at: newest.at + faults.ahead }, final };
        }),
      blockAt: (height) => ask(() => this.block(height)),
      events: (from, to) =>
        ask((): EventRange => {
          if (faults.short) throw unproved();
          const range = { parent: this.block(from - 1).hash, last: this.block(to) };
          // Of several nodes one at least that answers is honest: when all lie alike, nobody can see it.
          const isHonest = (other: NodeFaults) => !other.away && !other.hidesEvents && !other.short;
          if (faults.hidesEvents && others.some(isHonest)) return { ...range, events: [] };
          // In order of height: from the end, as only what is new is asked for.
          let first = this.events.length;
          while (first > 0 && this.events[first - 1]!.height >= from) first -= 1;
          return { ...range, events: this.events.slice(first).filter(({ height }) => height <= to) };
        }),
      identity: () => ask(() => ({ genesis: hashOf('9e'), code: hashOf('c0de') })),
      channel: (channel, at) => ask(() => this.stateAt(channel, at)),
      pot: (channel) => ask(() => this.potOf(channel)),
      claim: (channel, payee) =>
        ask(() => {
          const { pot, shortfalls } = this.model.channel(channel);
          const found = pot === 0 ? undefined : shortfalls.get(keyOf(payee));
          return found === undefined ? NO_CLAIM : { ...found, counted: found.shortfall };
        }),
      lane: (channel, payee) => ask(() => this.model.settledOf(channel, keyOf(payee))),
      balance: (payee) => ask(() => this.model.balances.get(keyOf(payee)) ?? 0),
      credited: (voucher) => ask(() => this.model.creditedOn(keyOf(voucher))),
      payeeId: (payee) => ask(() => this.registered(payee)),
      clock: () => ask(() => this.chain.head.at),
      frozenUntil: () => ask(() => undefined),
      nonceAt: (height) => ask(() => this.nonces.filter((mined) => mined <= height).length),
      receipt: (transaction) => ask(() => this.receipts.get(transaction)),
      // The hub's account is the only one that settles here.
      sentAs: (transaction) => ask(() => this.signed.get(transaction)?.nonce),
      fitting: (rows) =>
        ask(() => {
          let batch = splitRows(rows)[0] ?? [];
          while (batch.length > 1 && gasOf(batch) > GAS.max)
            batch = batch.slice(0, Math.ceil(batch.length / 2));
          return batch;
        }),
      prepareSettle: (rows, options) => ask(() => this.prepare(rows, options)),
      feesOf: (raw) => feesOf(raw),
      fees: () => ask(() => ({ maxFee: BigInt(2 * this.baseFee + 1), priorityFee: 1n })),
      submit: (raw) =>
        ask(() => {
          const transaction = this.signed.get(toHex(this.suite.keccak256(raw)));
          if (transaction === undefined) throw refused('l2_refused', 'no such signature');
          if (!this.buries) this.take(transaction);
        }),
      registerPayee: (payee) =>
        ask(() => {
          if (this.registered(payee) === undefined) throw refused('l2_reverted', 'a payee that nobody knows');
        }),
      proveFraud: (rule: Rule, rows) =>
        act('hub proves', (seconds) => ({ succeeded: this.model.proveFraud(rule, rows, seconds) })),
      registerShortfall: (rows) =>
        act('hub registers', (seconds) => ({ succeeded: this.model.registerShortfall(rows, seconds) > 0 })),
      collectShare: (channel) =>
        act('hub collects', (seconds) => ({ succeeded: this.model.closePot(channel, seconds) })),
      closePot: (channel) =>
        act('hub closes', (seconds) => ({ succeeded: this.model.closePot(channel, seconds) })),
      forget: () => {},
      nodes: () => [{ name: 'virtual', trouble: faults.away ? 'away' : undefined }],
      close: () => {},
    };
  }

  private prepare(rows: readonly Row[], options: Parameters<L2['prepareSettle']>[1] = {}): Prepared {
    const nonce = options.nonce ?? this.nonces.length;
    const quiet = BigInt(2 * this.baseFee + 1);
    const { feeMin = 0n, priorityFeeMin = 1n } = options;
    const fees = { maxFee: feeMin > quiet ? feeMin : quiet, priorityFee: priorityFeeMin };
    const batch = encodeBatch(rows, this.ids);
    const raw = new Uint8Array(HEAD_BYTES + batch.length);
    const view = new DataView(raw.buffer);
    view.setUint32(0, nonce);
    view.setBigUint64(4, fees.maxFee);
    view.setBigUint64(12, fees.priorityFee);
    raw.set(batch, HEAD_BYTES);
    const hash = toHex(this.suite.keccak256(raw));
    let outcomes: readonly Outcome[] = [];
    const gas = gasOf(rows);
    this.signed.set(hash, {
      hash,
      nonce,
      fees,
      name: 'hub settles',
      gas,
      run: (_seconds, height) => {
        const settled = this.settle(hash, rows, height);
        outcomes = settled.outcomes;
        return { succeeded: true, outcomes: settled.bytes };
      },
      final: () => {
        // Never asked for again but by hash of the receipt: its rows need not be kept.
        this.signed.delete(hash);
        this.watcher.settled(rows, outcomes, gas);
      },
    });
    return { hash, raw, nonce };
  }
}

/** Nonce and both fees before the batch. */
const HEAD_BYTES = 20;

function feesOf(raw: Uint8Array): Fees {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return { maxFee: view.getBigUint64(4), priorityFee: view.getBigUint64(12) };
}

const gasOf = (rows: readonly Row[]): number =>
  GAS.transaction + rows.reduce((sum, row) => sum + GAS.row + (row.list?.length ?? 0) * GAS.listed, 0);
