/**
 * The vault as the hub sees it: reads, calls, and batches prepared so that the settle loop can record them first.
 * Money and ids are plain numbers (48 and 32 bits); accounts are 0x hex, payees of vouchers 20 bytes.
 */
import {
  type Address,
  bytesToHex,
  encodeFunctionData,
  type Hex,
  hexToBytes,
  keccak256,
  type LocalAccount,
  parseEventLogs,
  type PublicClient,
  type TransactionReceipt,
} from 'viem';
import type { ChannelState, ClaimState, PotState } from '../ports.ts';
import { timeAbi, timelockAbi, vaultAbi } from './abi.ts';
import type { Rule } from './fraud.ts';
import { connect, type FeesMin, isRevert, type PreparedTransaction, prepare, send } from './chain.ts';
import { Mandates } from './mandates.ts';
import { potsAbi } from './pots-abi.ts';
import { registryAbi } from './registry-abi.ts';
import {
  BATCH_GAS_MAX,
  decodeOutcomes,
  encodeBatch,
  encodeLeases,
  type Outcome,
  payeeKey,
  payeesOf,
  RowError,
  type Row,
  splitRows,
  type ShownLease,
} from './rows.ts';

/** A payee as the vault has it. */
export interface PayeeState {
  readonly id: number;
  readonly account: Address;
  /** Units that the payee may withdraw. */
  readonly balance: number;
}

/** A settlement that was signed and not yet sent. */
export interface PreparedSettlement extends PreparedTransaction {
  readonly rows: readonly Row[];
}

/** Numbers of a mined settlement. */
export interface Settlement {
  readonly hash: Hex;
  readonly block: number;
  readonly gas: number;
  readonly outcomes: readonly Outcome[];
}

type ReadAt = { readonly blockNumber?: bigint; readonly blockTag?: 'latest' | 'safe' | 'finalized' };

/** The vault on one node, through viem: reads, batches, and everybody's transactions. Throws viem's errors. */
export class Vault {
  /** Ids that can't change any more, or any when nobody said what is final: a tool lives for one command. */
  private readonly ids = new Map<string, number>();
  private finalAt: bigint | undefined;

  private constructor(
    readonly client: PublicClient,
    readonly address: Address,
    readonly chainId: number,
    readonly token: Address,
    readonly registry: Address,
    readonly pots: Address,
    readonly mandates: Mandates,
  ) {}

  /** Connects to a deployed vault. Throws when there is none at the address. */
  static async connect(url: string, address: Address, client = connect(url)): Promise<Vault> {
    const [chainId, token, registry, pots, mandates] = await Promise.all([
      client.getChainId(),
      client.readContract({ address, abi: vaultAbi, functionName: 'token' }),
      client.readContract({ address, abi: vaultAbi, functionName: 'registry' }),
      client.readContract({ address, abi: vaultAbi, functionName: 'pots' }),
      client.readContract({ address, abi: vaultAbi, functionName: 'mandates' }),
    ]);
    const own = new Mandates(client, mandates, address, token, chainId);
    return new Vault(client, address, chainId, token, registry, pots, own);
  }

  // ---- reads ----

  /** Throws `UnknownChannel` when there is none. Read at finality before a lease relies on it. */
  async readChannel(channel: number, at: ReadAt = {}): Promise<ChannelState> {
    const view = await this.client.readContract({
      address: this.address,
      abi: vaultAbi,
      functionName: 'readChannel',
      args: [channel],
      ...(at as object),
    });
    return {
      owner: view.owner,
      payer: view.payer,
      deposited: view.deposited,
      credited: view.credited,
      bond: view.bond,
      free: view.free,
      spendable: view.deposited + view.credited - view.bond,
      exitReady: view.exitReady,
      nextPayer: /^0x0+$/.test(view.nextPayer) ? undefined : view.nextPayer,
      slashed: view.slashed,
    };
  }

  /** Units that a lane has settled; 0 when the payee has no id or the lane is new. */
  async readLane(channel: number, payee: Uint8Array, at: ReadAt = {}): Promise<number> {
    const id = await this.payeeId(payee);
    if (id === undefined) return 0;
    return this.client.readContract({
      address: this.address,
      abi: vaultAbi,
      functionName: 'settled',
      args: [channel, id],
      ...(at as object),
    });
  }

  /** A payee's id, or undefined when it isn't registered. */
  async payeeId(payee: Uint8Array, at: ReadAt = {}): Promise<number | undefined> {
    const key = payeeKey(payee);
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = await this.readId(payee, at);
    if (id === undefined) return undefined;
    const { finalAt } = this;
    if (finalAt === undefined || (await this.readId(payee, { blockNumber: finalAt })) === id)
      this.ids.set(key, id);
    return id;
  }

  private async readId(payee: Uint8Array, at: ReadAt): Promise<number | undefined> {
    const call = { address: this.address, abi: vaultAbi, functionName: 'payeeOf' } as const;
    const id = await this.client.readContract({ ...call, args: [bytesToHex(payee)], ...(at as object) });
    return id === 0 ? undefined : id;
  }

  /** From now on only ids are remembered that the vault has at this height: a reorganisation may give out others. */
  rememberIdsAt(height: number): void {
    this.finalAt = BigInt(height);
  }

  /** A payee's account and balance, or undefined when it isn't registered. */
  async readPayee(payee: Uint8Array, at: ReadAt = {}): Promise<PayeeState | undefined> {
    const id = await this.payeeId(payee);
    if (id === undefined) return undefined;
    const [account, balance] = await this.client.readContract({
      address: this.address,
      abi: vaultAbi,
      functionName: 'readPayee',
      args: [id],
      ...(at as object),
    });
    return { id, account, balance };
  }

  /** Units that a payee may withdraw; 0 when it isn't registered. */
  async readPayeeBalance(payee: Uint8Array, at: ReadAt = {}): Promise<number> {
    return (await this.readPayee(payee, at))?.balance ?? 0;
  }

  /** The account of a payee's id, 20 bytes; undefined: the id is not given out. */
  async payeeAccount(id: number): Promise<Uint8Array | undefined> {
    const read = { address: this.address, abi: vaultAbi, functionName: 'readPayee', args: [id] } as const;
    const [account] = await this.client.readContract(read);
    return /^0x0+$/.test(account) ? undefined : hexToBytes(account);
  }

  /** A channel's payer, 20 bytes; undefined: it is not opened. */
  async readPayer(channel: number): Promise<Uint8Array | undefined> {
    const read = { address: this.address, abi: vaultAbi, functionName: 'payerOf', args: [channel] } as const;
    try {
      const [payer] = await this.client.readContract(read);
      return hexToBytes(payer);
    } catch (error) {
      if (isRevert(error)) return undefined;
      throw error;
    }
  }

  /** Units credited so far on the voucher with this digest. */
  async readCredit(digest: Uint8Array): Promise<number> {
    return this.client.readContract({
      address: this.address,
      abi: vaultAbi,
      functionName: 'creditOf',
      args: [bytesToHex(digest)],
    });
  }

  /** Units that the vault owes in all. */
  async readHeld(): Promise<number> {
    return this.client.readContract({ address: this.address, abi: vaultAbi, functionName: 'held' });
  }

  /** Units in the reserve: what providers put in and what no pot's claim took. */
  async readReserve(): Promise<number> {
    const { client, pots, token } = this;
    const reserve = await client.readContract({ address: pots, abi: potsAbi, functionName: 'reserve' });
    const read = { address: token, abi: timeAbi, functionName: 'balanceOf', args: [reserve] } as const;
    return Number(await client.readContract(read));
  }

  /** How many channels were ever opened: their numbers are 1 to this. */
  async readChannelCount(): Promise<number> {
    return this.client.readContract({ address: this.address, abi: vaultAbi, functionName: 'channelCount' });
  }

  /** The vault's clock in seconds: chain time less the time it was frozen. */
  async readClock(): Promise<number> {
    return this.client.readContract({ address: this.address, abi: vaultAbi, functionName: 'clock' });
  }

  /** End of the freeze that ran at a block, in seconds of chain time; undefined when none did. */
  async frozenUntil(blockNumber?: bigint): Promise<number | undefined> {
    const block = await this.client.getBlock(blockNumber === undefined ? {} : { blockNumber });
    const { until } = await this.client.readContract({
      address: this.address,
      abi: vaultAbi,
      functionName: 'readFreeze',
      blockNumber: block.number,
    });
    return block.timestamp < until ? until : undefined;
  }

  /** The smallest bond for a deposit, in units. */
  async bondNeeded(amount: number): Promise<number> {
    return Number(
      await this.client.readContract({
        address: this.address,
        abi: vaultAbi,
        functionName: 'bondNeeded',
        args: [BigInt(amount)],
      }),
    );
  }

  // ---- deposits ----

  /** Lets the vault take `amount` units from the account; 2^256 - 1 for as many as it likes. */
  approve(account: LocalAccount, amount: number | bigint): Promise<TransactionReceipt> {
    return this.approveFor(account, this.address, amount);
  }

  private approveFor(
    account: LocalAccount,
    spender: Address,
    amount: number | bigint,
  ): Promise<TransactionReceipt> {
    const args = [spender, BigInt(amount)] as const;
    const data = encodeFunctionData({ abi: timeAbi, functionName: 'approve', args });
    return send(this.client, account, { to: this.token, data });
  }

  /**
   * Opens a channel; the account pays with a permit, so one transaction suffices.
   * @param bond units of `amount` that can't be spent; the smallest allowed when absent
   * @param owner who may leave with the rest; the account when absent
   * @param approved true when the account approved the vault before: tokens without permit, and accounts that can't sign;
   *   with a recovery account the mandates, which name it
   * @param recovery may hand the channel on, slowly, should the owner's key be lost; nobody when absent
   * @param p256 the payer's key, 64 bytes, when it is a P-256 one: two transactions, and none of them moves anything on a chain
   *   that verifies no such signatures (`P256Missing`)
   */
  async openChannel(
    account: LocalAccount,
    opening: {
      payer: Address;
      amount: number;
      bond?: number;
      owner?: Address;
      approved?: boolean;
      p256?: Uint8Array | undefined;
      recovery?: Address | undefined;
    },
  ): Promise<{ channel: number; receipt: TransactionReceipt }> {
    const { payer, amount, bond, owner, p256, recovery } = opening;
    if (p256 !== undefined) {
      const terms = {
        owner: owner ?? account.address,
        key: p256,
        amount,
        bond: bond ?? (await this.bondNeeded(amount)),
        recovery,
      };
      if (await this.mandates.hasP256()) await this.approveFor(account, this.mandates.address, amount);
      const receipt = await this.mandates.openP256(account, terms);
      const [opened] = parseEventLogs({ abi: vaultAbi, eventName: 'ChannelOpened', logs: receipt.logs });
      return { channel: opened!.args.channel, receipt };
    }
    if (opening.approved) {
      const terms = {
        owner: owner ?? account.address,
        payer,
        amount,
        bond: bond ?? (await this.bondNeeded(amount)),
      };
      const args = [terms.owner, payer, amount, terms.bond] as const;
      const receipt =
        recovery === undefined
          ? await this.call(account, { functionName: 'open', args })
          : await this.mandates.openApproved(account, { ...terms, recovery });
      const [opened] = parseEventLogs({ abi: vaultAbi, eventName: 'ChannelOpened', logs: receipt.logs });
      return { channel: opened!.args.channel, receipt };
    }
    const receipt = await this.mandates.open(account, {
      owner: owner ?? account.address,
      payer,
      amount,
      bond: bond ?? (await this.bondNeeded(amount)),
      recovery,
    });
    const [opened] = parseEventLogs({ abi: vaultAbi, eventName: 'ChannelOpened', logs: receipt.logs });
    return { channel: opened!.args.channel, receipt };
  }

  /** Adds `amount` units to a channel with a permit; `bond` of them join the bond. */
  async topUp(
    account: LocalAccount,
    channel: number,
    amount: number,
    bond?: number,
  ): Promise<TransactionReceipt> {
    return this.mandates.topUp(account, { channel, amount, bond: bond ?? (await this.bondNeeded(amount)) });
  }

  /** Starts an exit; with `nextPayer` the money moves to a new channel of that key instead of the owner. */
  async startExit(account: LocalAccount, channel: number, nextPayer?: Address): Promise<TransactionReceipt> {
    const zero = '0x0000000000000000000000000000000000000000';
    return this.call(account, { functionName: 'startExit', args: [channel, nextPayer ?? zero] });
  }

  /** Finishes an exit whose delay is over; anyone may. `successor` is the new channel of a replaced key, or 0. */
  async finishExit(
    account: LocalAccount,
    channel: number,
  ): Promise<{ returned: number; successor: number; receipt: TransactionReceipt }> {
    const receipt = await this.call(account, { functionName: 'finishExit', args: [channel] });
    const [finished] = parseEventLogs({ abi: vaultAbi, eventName: 'ExitFinished', logs: receipt.logs });
    return { returned: finished!.args.returned, successor: finished!.args.successor, receipt };
  }

  // ---- payees ----

  /** Makes sure a payee has an id, and returns it. */
  async registerPayee(account: LocalAccount, payee: Uint8Array): Promise<number> {
    const known = await this.payeeId(payee);
    if (known !== undefined) return known;
    await this.call(account, { functionName: 'registerPayee', args: [bytesToHex(payee)] });
    return (await this.payeeId(payee))!;
  }

  /** Moves `amount` units out of the account's own payee balance. */
  async withdraw(account: LocalAccount, amount: number, to?: Address): Promise<TransactionReceipt> {
    const id = await this.payeeId(hexToBytes(account.address));
    if (id === undefined)
      throw new RowError('payee_not_registered', `${account.address} has no id in the vault`);
    return this.call(account, { functionName: 'withdraw', args: [id, to ?? account.address, amount] });
  }

  // ---- settlement ----

  /** Rows as the vault reads them: a batch, or a proof's evidence. Throws RowError for an unregistered payee. */
  async encodeRows(rows: readonly Row[]): Promise<Hex> {
    const ids = new Map<string, number>();
    for (const payee of payeesOf(rows)) {
      const id = await this.payeeId(payee);
      if (id !== undefined) ids.set(payeeKey(payee), id);
    }
    return bytesToHex(encodeBatch(rows, ids));
  }

  /** Calldata of a batch. Deterministic: the same rows always give the same bytes. All payees must be registered. */
  async settleCalldata(rows: readonly Row[]): Promise<Hex> {
    const batch = await this.encodeRows(rows);
    return encodeFunctionData({ abi: vaultAbi, functionName: 'settle', args: [batch] });
  }

  /**
   * Splits rows into batches below the size and gas bounds of one transaction, in order. Gas is estimated on the
   * chain as it is now; a batch above the bound is halved.
   */
  async planBatches(account: LocalAccount, rows: readonly Row[], gasMax = BATCH_GAS_MAX): Promise<Row[][]> {
    const planned: Row[][] = [];
    for (let at = 0; at < rows.length; at += planned.at(-1)!.length)
      planned.push(await this.firstBatch(account, rows.slice(at), gasMax));
    return planned;
  }

  /** The first rows that stay below the bounds of one transaction: at least one. */
  async firstBatch(account: LocalAccount, rows: readonly Row[], gasMax = BATCH_GAS_MAX): Promise<Row[]> {
    let batch = splitRows(rows)[0] ?? [];
    while (batch.length > 1 && !(await this.fits(account, batch, gasMax)))
      batch = batch.slice(0, Math.ceil(batch.length / 2));
    return batch;
  }

  private async fits(account: LocalAccount, rows: readonly Row[], gasMax: number): Promise<boolean> {
    const data = await this.settleCalldata(rows);
    try {
      return (await this.client.estimateGas({ account, to: this.address, data })) <= BigInt(gasMax);
    } catch (error) {
      // A batch above the block's gas limit can't be estimated at all.
      if (/gas/i.test((error as Error).message)) return false;
      throw error;
    }
  }

  /**
   * Signs a settlement without sending it: record `hash`, `raw` and `nonce` durably, then submit(raw) from chain.ts.
   * After a crash submit the recorded raw again; the nonce keeps it from running twice, and even if it did, a second
   * run settles nothing. The nonce is the first that no mined transaction of the account used: behind one that the
   * node still holds, and may forget, a batch could wait for ever.
   */
  async prepareSettle(
    account: LocalAccount,
    rows: readonly Row[],
    { nonce, ...fees }: { readonly nonce?: number } & FeesMin = {},
  ): Promise<PreparedSettlement> {
    const data = await this.settleCalldata(rows);
    const { address } = account;
    const free = nonce ?? (await this.client.getTransactionCount({ address, blockTag: 'latest' }));
    const call = { to: this.address, data };
    return { ...(await prepare(this.client, account, call, { nonce: free, ...fees })), rows };
  }

  /** Sends a batch and waits for its outcomes. For tests and tools; the settle loop prepares, records, submits. */
  async settleBatch(account: LocalAccount, rows: readonly Row[]): Promise<Settlement> {
    const data = await this.settleCalldata(rows);
    return this.settlement(rows, await send(this.client, account, { to: this.address, data }));
  }

  /** Reads what a mined settlement did with each row. Throws when the receipt isn't one of this vault. */
  settlement(rows: readonly Row[], receipt: TransactionReceipt): Settlement {
    const outcomes = this.outcomesOf(receipt);
    if (outcomes === undefined)
      throw new Error(`transaction ${receipt.transactionHash} settled nothing here`);
    return {
      hash: receipt.transactionHash,
      block: Number(receipt.blockNumber),
      gas: Number(receipt.gasUsed),
      outcomes: decodeOutcomes(rows, outcomes),
    };
  }

  /** The outcomes that this vault wrote into a receipt; undefined when the transaction settled nothing here. */
  outcomesOf(receipt: TransactionReceipt): Uint8Array | undefined {
    const mine = receipt.logs.filter((log) => log.address.toLowerCase() === this.address.toLowerCase());
    const [event] = parseEventLogs({ abi: vaultAbi, eventName: 'BatchSettled', logs: mine });
    return event && hexToBytes(event.args.outcomes);
  }

  // ---- the slow lane ----

  /** Shows a batch on L2; anybody may execute it when the slow lane's delay is over. */
  async announce(account: LocalAccount, rows: readonly Row[]): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'announce', args: [await this.encodeRows(rows)] });
  }

  /** When these rows may be executed, by the vault's clock; undefined when nobody announced them, or too long ago. */
  async executableAt(rows: readonly Row[]): Promise<number | undefined> {
    const read = { address: this.address, abi: vaultAbi } as const;
    const batch = keccak256(await this.encodeRows(rows));
    const [at, slowLane, life] = await Promise.all([
      this.client.readContract({ ...read, functionName: 'announcedAt', args: [batch] }),
      this.client.readContract({ ...read, functionName: 'slowLane' }),
      this.client.readContract({ ...read, functionName: 'ANNOUNCEMENT_LIFE' }),
    ]);
    const due = at + slowLane;
    return at === 0 || (await this.readClock()) > due + life ? undefined : due;
  }

  /** Settles an announced batch; it needs the very rows. */
  async execute(account: LocalAccount, rows: readonly Row[]): Promise<Settlement> {
    const args = [await this.encodeRows(rows)] as const;
    return this.settlement(rows, await this.call(account, { functionName: 'execute', args }));
  }

  // ---- fraud ----

  /**
   * Brings a proof: the channel's bond moves to a pot. Reverts with `NotProved` when the messages can be honest.
   * @param rule see RULES in hub/l2/fraud.ts: 1 one seq twice, 2 a later message starts lower, 3 lanes above spent
   */
  async proveFraud(account: LocalAccount, rule: Rule, rows: readonly Row[]): Promise<TransactionReceipt> {
    return this.callPots(account, { functionName: 'proveFraud', args: [rule, await this.encodeRows(rows)] });
  }

  /**
   * Registers what a payee is short of after a proof. It moves nothing.
   * @param rows the payee's vouchers with their requests opened, in the order of hub/watch/shortfall.ts
   * @param leases what the hub promised, by scope
   */
  async registerShortfall(
    account: LocalAccount,
    rows: readonly Row[],
    leases: readonly ShownLease[],
  ): Promise<TransactionReceipt> {
    const args = [await this.encodeRows(rows), bytesToHex(encodeLeases(leases))] as const;
    return this.callPots(account, { functionName: 'registerShortfall', args });
  }

  /** Moves a payee's share of a closed pot to its balance. */
  async collectShare(account: LocalAccount, channel: number, payee: Uint8Array): Promise<TransactionReceipt> {
    const id = await this.payeeId(payee);
    if (id === undefined)
      throw new RowError('payee_not_registered', `payee 0x${payeeKey(payee)} has no id in the vault`);
    return this.callPots(account, { functionName: 'collectShare', args: [channel, id] });
  }

  /** The pot of a channel; `amount` is 0 while no fraud was proved. */
  async readPot(channel: number, at: ReadAt = {}): Promise<PotState> {
    const read = { address: this.pots, abi: potsAbi, args: [channel], ...(at as object) } as const;
    const [pot, collectsAt] = await Promise.all([
      this.client.readContract({ ...read, functionName: 'readPot' }),
      this.client.readContract({ ...read, functionName: 'collectsAt' }),
    ]);
    const { bond: amount, left, closesAt, claims } = pot;
    return { amount, left, closesAt, collectsAt, claims };
  }

  /** What a payee registered at a pot and has not collected; all 0 for a payee without an id. */
  async readClaim(channel: number, payee: Uint8Array): Promise<ClaimState> {
    const { top, overlap, shown, c1, cR, c2 } = await this.client.readContract({
      address: this.pots,
      abi: potsAbi,
      functionName: 'readClaim',
      args: [channel, (await this.payeeId(payee)) ?? 0],
    });
    return { top, overlap, shown, counted: c1 + cR + c2 };
  }

  /** Sends what is left of a pot without claims to the reserve. */
  async closePot(account: LocalAccount, channel: number): Promise<TransactionReceipt> {
    return this.callPots(account, { functionName: 'closePot', args: [channel] });
  }

  // ---- the hub's own calls ----

  /** Vouches for a payee with so many terminals. The account must be the hub's operator. */
  async accredit(account: LocalAccount, payee: Uint8Array, terminals = 1): Promise<TransactionReceipt> {
    const id = await this.registerPayee(account, payee);
    return this.callRegistry(account, { functionName: 'accredit', args: [id, terminals] });
  }

  /** Ends vouching for a payee, after the registry's delay. The account must be the hub's operator. */
  async endAccreditation(account: LocalAccount, payee: Uint8Array): Promise<TransactionReceipt> {
    const id = await this.registerPayee(account, payee);
    return this.callRegistry(account, { functionName: 'endAccreditation', args: [id] });
  }

  /** Fixes the root of the hub's log at `size` entries. The account must be the hub's operator; sizes only grow. */
  async anchor(account: LocalAccount, size: number, root: Uint8Array): Promise<TransactionReceipt> {
    return this.callRegistry(account, { functionName: 'anchor', args: [size, bytesToHex(root)] });
  }

  /** Carries a certificate of the root to L2; anybody may. `signature`: the root's, 64 bytes, over HubKey. */
  async addHubKey(
    account: LocalAccount,
    certificate: {
      readonly key: Address;
      readonly from: number;
      readonly until: number;
      readonly epoch: number;
      readonly signedAt: number;
      readonly signature: Uint8Array;
    },
  ): Promise<TransactionReceipt> {
    const { key, from, until, epoch, signedAt, signature } = certificate;
    const args = [key, from, until, epoch, signedAt, ...halves(signature)] as const;
    return this.callRegistry(account, { functionName: 'addHubKey', args });
  }

  /** Carries a revocation of the root to L2; anybody may. `signature`: the root's, 64 bytes, over HubKeyRevoked. */
  async revokeHubKey(
    account: LocalAccount,
    revocation: { readonly key: Address; readonly at: number; readonly signature: Uint8Array },
  ): Promise<TransactionReceipt> {
    const { key, at, signature } = revocation;
    return this.callRegistry(account, {
      functionName: 'revokeHubKey',
      args: [key, at, ...halves(signature)],
    });
  }

  /** Names an account whose batches settle at once, days from now. The account must be the hub's operator. */
  addSettler(account: LocalAccount, settler: Address): Promise<TransactionReceipt> {
    return this.callRegistry(account, { functionName: 'addSettler', args: [settler] });
  }

  /** Ends an account's fast lane at once. The account must be the hub's operator or the vault's guardian. */
  dropSettler(account: LocalAccount, settler: Address): Promise<TransactionReceipt> {
    return this.callRegistry(account, { functionName: 'dropSettler', args: [settler] });
  }

  /** The same as a call that the timelock may make. */
  dropSettlerCall(settler: Address): { readonly to: Address; readonly data: Hex } {
    const call = { abi: registryAbi, functionName: 'dropSettler', args: [settler] } as const;
    return { to: this.registry, data: encodeFunctionData(call) };
  }

  /**
   * Has the timelock make a call: asks it to, or, when its notice is over, lets it. The account must be its proposer.
   * @returns the transaction; `readyAt`, seconds of chain time, while it waits
   */
  async byTimelock(
    account: LocalAccount,
    { to, data }: { readonly to: Address; readonly data: Hex },
  ): Promise<{ readonly transaction?: Hex; readonly readyAt: number } | { readonly transaction: Hex }> {
    const { client } = this;
    const address = await client.readContract({
      address: this.address,
      abi: vaultAbi,
      functionName: 'timelock',
    });
    const read = { address, abi: timelockAbi } as const;
    // One of several with the same words: the salt says which, so that what was done once can be done again.
    for (let n = 0n; ; n++) {
      const args = [to, 0n, data, `0x${'00'.repeat(32)}`, `0x${n.toString(16).padStart(64, '0')}`] as const;
      const id = await client.readContract({ ...read, functionName: 'hashOperation', args });
      const at = await client.readContract({ ...read, functionName: 'getTimestamp', args: [id] });
      if (at === TIMELOCK_DONE) continue;
      const { timestamp } = await client.getBlock();
      if (at > timestamp) return { readyAt: Number(at) };
      const call =
        at === 0n
          ? ({ functionName: 'schedule', args: [...args, await this.notice(address)] } as const)
          : ({ functionName: 'execute', args } as const);
      const encoded = encodeFunctionData({ abi: timelockAbi, ...call } as Parameters<
        typeof encodeFunctionData
      >[0]);
      const { transactionHash: transaction } = await send(client, account, { to: address, data: encoded });
      if (at !== 0n) return { transaction };
      const readyAt = await client.readContract({ ...read, functionName: 'getTimestamp', args: [id] });
      return { transaction, readyAt: Number(readyAt) };
    }
  }

  private notice(timelock: Address): Promise<bigint> {
    return this.client.readContract({ address: timelock, abi: timelockAbi, functionName: 'getMinDelay' });
  }

  /** A hub key as the registry has it; all zero when it never heard of it. */
  async readHubKey(key: Address, at: ReadAt = {}) {
    const read = { address: this.registry, abi: registryAbi, functionName: 'readHubKey' } as const;
    return this.client.readContract({ ...read, args: [key], ...(at as object) });
  }

  /** What the hub says of a payee's id; hours of the vault's clock. */
  async readAccreditation(payee: number, at: ReadAt = {}) {
    const read = { address: this.registry, abi: registryAbi, functionName: 'readAccreditation' } as const;
    return this.client.readContract({ ...read, args: [payee], ...(at as object) });
  }

  /** Records of the hub's log at its newest anchor, and when that was (chain time). */
  async readAnchored(): Promise<{ size: number; at: number }> {
    const read = { address: this.registry, abi: registryAbi } as const;
    const [size, at] = await Promise.all([
      this.client.readContract({ ...read, functionName: 'anchoredSize' }),
      this.client.readContract({ ...read, functionName: 'anchoredAt' }),
    ]);
    return { size, at };
  }

  /** Vault clock from which batches of an account settle at once; 0 for never. */
  async settlerFrom(account: Address): Promise<number> {
    return this.client.readContract({
      address: this.registry,
      abi: registryAbi,
      functionName: 'settlerFrom',
      args: [account],
    });
  }

  // ---- events ----

  /** All events of vault, pots and registry in a range of blocks, decoded and in order. */
  async events(fromBlock: bigint, toBlock: bigint | 'latest' = 'latest') {
    const address = [this.address, this.pots, this.registry];
    const logs = await this.client.getLogs({ address, fromBlock, toBlock });
    return parseEventLogs({ abi: EVENTS, logs });
  }

  // ---- steps ----

  private async call(
    account: LocalAccount,
    call: Parameters<typeof encodeFunctionData<typeof vaultAbi>>[0] extends infer P ? Omit<P, 'abi'> : never,
  ): Promise<TransactionReceipt> {
    const data = encodeFunctionData({ abi: vaultAbi, ...call } as Parameters<typeof encodeFunctionData>[0]);
    return send(this.client, account, { to: this.address, data });
  }

  private async callPots(
    account: LocalAccount,
    call: Parameters<typeof encodeFunctionData<typeof potsAbi>>[0] extends infer P ? Omit<P, 'abi'> : never,
  ): Promise<TransactionReceipt> {
    const data = encodeFunctionData({ abi: potsAbi, ...call } as Parameters<typeof encodeFunctionData>[0]);
    return send(this.client, account, { to: this.pots, data });
  }

  private async callRegistry(
    account: LocalAccount,
    call: Parameters<typeof encodeFunctionData<typeof registryAbi>>[0] extends infer P
      ? Omit<P, 'abi'>
      : never,
  ): Promise<TransactionReceipt> {
    const data = encodeFunctionData({ abi: registryAbi, ...call } as Parameters<
      typeof encodeFunctionData
    >[0]);
    return send(this.client, account, { to: this.registry, data });
  }
}

const EVENTS = [...vaultAbi, ...potsAbi, ...registryAbi].filter(({ type }) => type === 'event') as Extract<
  (typeof vaultAbi | typeof potsAbi | typeof registryAbi)[number],
  { readonly type: 'event' }
>[];

/** What a timelock says instead of a time when an operation is done. */
const TIMELOCK_DONE = 1n;

/** The two words of a 64-byte signature. */
const halves = (signature: Uint8Array): readonly [Hex, Hex] => [
  bytesToHex(signature.slice(0, 32)),
  bytesToHex(signature.slice(32)),
];
