/**
 * The ports of the hub: all that it needs from outside, as types. `assembleHub` (assemble.ts) puts a hub together over
 * them; hub.ts plugs in files, MQTT, viem and timers, the simulator its disk, broker, chain and virtual time. Nothing
 * behind assembleHub touches the outside in another way.
 *
 * What stands behind a port may fail at any call, and be late; what it must not do is said at each.
 */
import type { HubKey } from './crypto/sign-as.ts';
import type { Shift } from './intake/positions.ts';
import type { Books, Past } from './intake/state.ts';
import type { BareOutcome, Row, ShownLease } from './l2/rows.ts';
import type { Rule } from './l2/fraud.ts';
import type { Ledger, LedgerPhase, LedgerRecord } from './ledger/ledger.ts';
import type { Tile, Tiles } from './ledger/merkle.ts';
import type { BatchHistory } from './settle/batches.ts';
import type { SundialError } from '../protocol/errors.ts';

export type { Ledger };

// ---- Time ----

/** The host's clock and its timers. */
export interface Time {
  /** Milliseconds since 1970. Never signed: what the hub signs is L2's time. */
  nowMs(): number;
  /** Calls `action` once, after at least so many milliseconds. The answer takes it back. */
  schedule(delayMs: number, action: () => void): () => void;
}

/** Resolves after so many milliseconds. */
export const pause = (time: Time, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    time.schedule(delayMs, resolve);
  });

// ---- Disk ----

/** One open file. Offsets and lengths are bytes. */
export interface DiskFile {
  /** Bytes of the file. */
  size(): Promise<number>;
  /** Reads up to `length` bytes; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Writes all bytes; durable only after `sync`. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written is in the part (fdatasync). */
  sync(): Promise<void>;
  /** Cuts the file to so many bytes. */
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** One folder, used by one process. Names are plain file names. Rejects with the system's errors (`code`). */
export interface Disk {
  /** The names of all files, in no order. */
  list(): Promise<string[]>;
  /** Creates a file that must not exist yet. */
  create(name: string): Promise<DiskFile>;
  /** Opens a file that is there, to read and write. */
  open(name: string): Promise<DiskFile>;
  /** Takes a file away; durable after `syncFolder`. */
  remove(name: string): Promise<void>;
  /** Makes created and removed names durable. */
  syncFolder(): Promise<void>;
  /** The file gets these bytes: at any moment it is the old or the new one, whole. Resolves when the new one is durable. */
  replace(name: string, bytes: Uint8Array): Promise<void>;
}

// ---- Ledger ----

/** What the ledger tells the hub, and what the hub tells the ledger that opens. */
export interface LedgerOptions {
  /** Records that someone was told are durable (from a checkpoint); fewer on disk is damage, not a torn end. */
  readonly sizeKnown: number;
  /** Called when the ledger changes between writing and waiting, with the reason while it waits. */
  onPhase(phase: LedgerPhase, reason?: SundialError): void;
}

// ---- A store that several processes share ----

/** The logs of a hub whose workers share a store: what the ledger holds, and patches of the registry. */
export type LogName = 'ledger' | 'registry';

/** A lease as its holder has it: what it writes counts only while nobody else has taken the lease since. */
export interface Fence {
  readonly name: string;
  readonly epoch: number;
}

/** Records that one worker wants to append, all or none. */
export interface Proposal {
  /** 1 to recordBytesMax bytes each, at least one. */
  readonly records: readonly Uint8Array[];
  /** Subjects that they were decided by and change, each once: numbers of channels, or those below 0 (subjects.ts). */
  readonly subjects: readonly number[];
  /** Records of the log that the decision knew. */
  readonly size: number;
  readonly fence?: Fence | undefined;
}

/**
 * `first`: position of the first of them, all durable by now. Otherwise nothing was written. `moved`: somebody changed one
 * of the subjects since `size`: read on, and decide again. `fenced`: the lease is somebody else's by now.
 */
export type Verdict = { readonly first: number } | 'moved' | 'fenced';

/** What a look shows: how long the logs are, and the word that the holder of a lease left, if it has one. */
export interface SharedLook {
  readonly sizes: Readonly<Record<LogName, number>>;
  readonly word: string | undefined;
}

/**
 * The logs of one hub, shared by any number of processes. Positions of a log follow each other without gaps, and what
 * has become visible stays. Each call rejects with `ledger_unavailable` (severity call) while the store is away; what was
 * being appended then may or may not be there. `ledger_fenced` (process): somebody took the whole hub over.
 */
export interface SharedStore {
  /** Appends as the proposal says, or says why not. */
  append(log: LogName, proposal: Proposal): Promise<Verdict>;
  /** Records from a position on, in order, some at least when there are any. */
  read(log: LogName, from: number): Promise<readonly LedgerRecord[]>;
  look(lease: string): Promise<SharedLook>;
  /**
   * Takes a lease for so long, or prolongs one's own; resolves with its epoch, which is another one whenever the lease has
   * changed hands, or undefined while somebody else has it. `word`: what others are told.
   */
  hold(lease: string, holder: string, forMs: number, word?: string): Promise<number | undefined>;
  /** Gives a lease back, if it is still one's own. */
  release(fence: Fence): Promise<void>;
  /** Takes the whole hub over: whoever opened the store before can't write any more. */
  takeOver(): Promise<void>;
  close(): Promise<void>;
}

// ---- Index ----

/** What is asked about everything that the ledger holds for certain: in memory, or there and in an index store. */
export interface Index {
  /** The durable books. Never ahead of the ledger. */
  books(): Books;
}

/** What an index is given: the ledger's first `size` records, as the hub understands them. */
export interface IndexSnapshot {
  readonly size: number;
  /** The tree's hash of the last of these records; undefined when there is none. */
  readonly leaf: Uint8Array | undefined;
  /** Durable. What they hold in memory is new or changed; whatever is written twice is the same. */
  readonly books: Books;
  /** Where records stand that the books name by tokens. */
  readonly shifts: readonly Shift[];
  readonly history: BatchHistory;
  /** Tiles of the tree that changed. */
  readonly tiles: Iterable<Tile>;
}

/**
 * Books on disk, so that memory need not hold them. It follows the ledger and is never the truth: it may be behind, and
 * whoever opens it makes sure that it is of this ledger. One process uses it.
 */
export interface IndexStore extends Past, Tiles {
  /** Records of the ledger that it holds. */
  readonly applied: number;
  /** Of the last of them, as it was given. */
  readonly leaf: Uint8Array | undefined;
  /** Why it begins empty although there was one. */
  readonly trouble: string | undefined;
  /** What it holds beside channels: books over it, and batches. Throws `index_damaged`. */
  restore(): { readonly books: Books; readonly history: BatchHistory | undefined };
  /** Takes a snapshot, whole or not at all; resolves when the books may forget what they hold in memory. One at a time. */
  write(snapshot: IndexSnapshot): Promise<void>;
  /** Begins anew, empty. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

// ---- Signer ----

/** A hot key of the hub: signs acknowledgements, leases and beacons. May take its time and may fail. */
export type Signer = HubKey;

// ---- Ingest ----

/** Where the counters of logins survive the process, for devices that are worth a place. */
export interface LoginStore {
  /** The counter of the device's last login; undefined: none is known. */
  counter(device: string): number | undefined;
  /** Resolves when durable, or at once when the device has no place. Rejects with the disk's error. */
  keep(device: string, counter: number): Promise<void>;
}

/** Devices as the hub hears them. */
export interface IngestEvents {
  /** One message of at most SYNC_MESSAGE_BYTES_MAX bytes; the promise resolves when the hub can take the next. */
  message(device: string, bytes: Uint8Array): Promise<void>;
  /** A device came or went, as its state topic says. */
  presence(device: string, online: boolean): void;
  /** The beacon that the broker kept from an earlier life of the hub; told before any message. */
  kept(beacon: Uint8Array): void;
  /** A message that was dropped unread. */
  tooLarge(device: string, bytes: number): void;
}

/** The way to devices. What it confirms is no receipt: devices wait for the hub's signature (rule 12). */
export interface Ingest {
  readonly connected: boolean;
  /** Why it is not connected, as far as it is known. */
  readonly trouble?: string | undefined;
  /** What the way to devices lacks although it is there, with the way out. */
  readonly defect?: string | undefined;
  /** Messages to devices that were dropped; devices ask again. */
  readonly dropped: number;
  /** Sends one message to a device that is listening; nothing is kept for one that is not. */
  send(device: string, message: Uint8Array): void;
  /** Replaces what every device that comes is given. */
  retain(kind: 'beacon' | 'revocations', message: Uint8Array): void;
  close(): Promise<void>;
}

// ---- L2 ----

export type Hex = `0x${string}`;

/** A block. `at`: seconds, as its header says; the base fee is wei a gas. */
export interface Block {
  readonly height: number;
  readonly at: number;
  readonly hash: Hex;
  readonly baseFee: bigint;
}

/** The newest block and the newest that can't be taken back any more. */
export interface Heads {
  readonly newest: Block;
  readonly final: Block;
}

/** A channel as the vault has it. Amounts in units, times in seconds of the vault's clock. */
export interface ChannelState {
  readonly owner: Hex;
  readonly payer: Hex;
  /** All money that ever came in, bond included. */
  readonly deposited: number;
  readonly credited: number;
  readonly bond: number;
  /** What vouchers may still move. */
  readonly free: number;
  /** deposited + credited - bond: a lease's spendLimit must not exceed it. Means nothing once slashed or left. */
  readonly spendable: number;
  /** When the running exit may be finished, on the vault's clock; 0 when none runs. */
  readonly exitReady: number;
  /** Key that takes over when the exit finishes; undefined when the owner leaves. */
  readonly nextPayer: Hex | undefined;
  readonly slashed: boolean;
}

/**
 * A slashed bond: `amount` is 0 while no fraud was proved, `claims` counts those that wait for their share. Claims are
 * registered until `closesAt` and collected from `collectsAt` on, on the vault's clock.
 */
export interface PotState {
  readonly amount: number;
  readonly left: number;
  readonly closesAt: number;
  readonly collectsAt: number;
  readonly claims: number;
}

/** What a payee showed at a pot and has not collected: all 0 when nothing. Units. */
export interface ClaimState {
  /** Highest top of its vouchers, what of them was paid twice, and what they moved. */
  readonly top: number;
  readonly overlap: number;
  readonly shown: number;
  /** What of it counts, by what its leases promised. */
  readonly counted: number;
}

/** What happened in the vault, as far as the hub follows it, in the order of the chain. */
export type L2Event = { readonly height: number; readonly transaction: Hex } & (
  | { readonly type: 'payeeRegistered'; readonly account: Hex; readonly payee: number }
  /** Opened, topped up, left or slashed. */
  | { readonly type: 'channelChanged'; readonly channel: number }
  | { readonly type: 'batchSettled'; readonly outcomes: readonly BareOutcome[] }
  /** A lane rose outside of a batch: what a payee got after a proved fraud. */
  | { readonly type: 'laneRaised'; readonly channel: number; readonly payee: number; readonly moved: number }
  /** Somebody will execute these rows from `executableAt` on, vault clock; `rows` are a batch's bytes, not looked at. */
  | {
      readonly type: 'announced';
      readonly batch: Hex;
      readonly executableAt: number;
      readonly rows: Uint8Array;
    }
  /** An announced batch was executed: what waited on its account doesn't any more. */
  | { readonly type: 'executed'; readonly batch: Hex }
  /** The root's word about a hot key, or the end of older epochs, as L2 has it. */
  | { readonly type: 'hubKeyAdded'; readonly key: Hex; readonly until: number; readonly epoch: number }
  | { readonly type: 'hubKeyRevoked'; readonly key: Hex }
  /** `countsFrom` on the vault's clock; undefined: dropped. */
  | { readonly type: 'settler'; readonly settler: Hex; readonly countsFrom: number | undefined }
  /** A payee signed leases of a channel away that ended until then. */
  | {
      readonly type: 'leasesReleased';
      readonly channel: number;
      readonly payee: number;
      readonly until: number;
    }
);

/** What happened in a range of blocks, linked to the blocks around it. */
export interface EventRange {
  readonly events: readonly L2Event[];
  /** Hash of the block before the first. */
  readonly parent: Hex;
  /** The last block that was read: a node may have had enough before the end that was asked for. */
  readonly last: Block;
}

/** What makes a chain with a vault the one it is. Hashes: of block 0, and of the vault's code. */
export interface ChainIdentity {
  readonly genesis: Hex;
  readonly code: Hex;
}

/** A mined transaction; `outcomes` of a settlement that succeeded. */
export interface L2Receipt {
  readonly transaction: Hex;
  readonly height: number;
  readonly succeeded: boolean;
  readonly gas: number;
  readonly outcomes: Uint8Array | undefined;
}

/** A settlement that was signed and maybe not sent yet. */
export interface Prepared {
  readonly hash: Hex;
  readonly raw: Uint8Array;
  readonly nonce: number;
}

/** What a settlement must keep to: its nonce, and the least and the most that it offers, wei a gas. */
export interface SettleWish {
  readonly nonce?: number;
  readonly feeMin?: bigint;
  readonly priorityFeeMin?: bigint;
  readonly feeMax?: bigint;
}

/** What a transaction offers, wei a gas. */
export interface Fees {
  readonly maxFee: bigint;
  readonly priorityFee: bigint;
}

/**
 * The chain with the vault, and the account that pays the hub's gas. Rejects with SundialError:
 * - `l2_away`: no node answers, or not with sense; nothing is known.
 * - `l2_reverted`: the vault refuses this call as things are.
 * - `l2_refused`: the node won't take it, for another reason.
 * - `l2_underpriced`: a transaction offers too little: for the node, or to outbid another one of its nonce.
 * - `l2_no_gas`: the account can't pay for the transaction.
 * - `l2_unproved`: an answer doesn't fit the headers, so something is missing in it; nothing of it is known.
 * - `chain_mismatch`: it is another chain or another vault; `l2_disagrees`: two nodes tell different stories.
 */
export interface L2 {
  /** Both heads as one answer. */
  newest(): Promise<Heads>;
  /** A block by height. */
  blockAt(height: number): Promise<Block>;
  /** All events of the vault in a range of blocks, both ends included, in order; of the first blocks at least. */
  events(from: number, to: number): Promise<EventRange>;
  /** Which chain and vault it is. */
  identity(): Promise<ChainIdentity>;
  /** `at`: height of the block to look at; absent: the newest. */
  channel(channel: number, at?: number): Promise<ChannelState>;
  /** `at` as above. A pot that never was has all zeros. */
  pot(channel: number, at?: number): Promise<PotState>;
  /** What a payee registered at a pot and has not collected. */
  claim(channel: number, payee: Uint8Array): Promise<ClaimState>;
  /** Units that a lane has settled; 0 when the payee has no id or the lane is new. `at` as above. */
  lane(channel: number, payee: Uint8Array, at?: number): Promise<number>;
  /** Units that a payee may withdraw. */
  balance(payee: Uint8Array): Promise<number>;
  /** Units credited so far on the voucher with this digest. */
  credited(voucher: Uint8Array): Promise<number>;
  /** The payee's id in the vault; undefined when it has none. `at` as above. */
  payeeId(payee: Uint8Array, at?: number): Promise<number | undefined>;
  /** The vault's clock in seconds: chain time less the time it was frozen. */
  clock(): Promise<number>;
  /** End of the freeze that ran at a block, in seconds of chain time; undefined when none did. */
  frozenUntil(at?: number): Promise<number | undefined>;
  /** How many transactions of the account are mined up to a height: the first free nonce then. */
  nonceAt(height: number): Promise<number>;
  /** The receipt of a transaction; undefined while it isn't mined. */
  receipt(transaction: Hex): Promise<L2Receipt | undefined>;
  /** The longest beginning of these rows that fits into one transaction; at least one row. */
  fitting(rows: readonly Row[]): Promise<readonly Row[]>;
  /**
   * Signs a settlement without sending it. The same rows and nonce may be signed again for more; `nonce` absent: the
   * first that no mined transaction of the account used.
   */
  prepareSettle(rows: readonly Row[], options?: SettleWish): Promise<Prepared>;
  /** What a signed transaction offers. */
  feesOf(raw: Uint8Array): Fees;
  /** What the node suggests to offer now, so that a transaction gets into one of the next blocks. */
  fees(): Promise<Fees>;
  /** Nonce of a mined transaction, when the hub's account sent it; undefined when somebody else did. */
  sentAs(transaction: Hex): Promise<number | undefined>;
  /** Hands a signed transaction in. That the chain has it already is no error. */
  submit(raw: Uint8Array): Promise<void>;
  /** Makes sure a payee has an id. */
  registerPayee(payee: Uint8Array): Promise<void>;
  /** Sends and waits for a block; resolves with the transaction. */
  proveFraud(rule: Rule, rows: readonly Row[]): Promise<Hex>;
  /**
   * Registers what one payee is short of at a pot, with the vouchers that show it and the leases that promised it, by
   * scope; sends and waits as above.
   */
  registerShortfall(rows: readonly Row[], leases: readonly ShownLease[]): Promise<Hex>;
  /** Pays a payee its share of a pot whose window is over; sends and waits as above. */
  collectShare(channel: number, payee: Uint8Array): Promise<Hex>;
  /** Moves what nobody claimed to the reserve; sends and waits as above. */
  closePot(channel: number): Promise<Hex>;
  /** What was final is not: whatever is remembered of the chain is asked again. */
  forget(): void;
  /** The nodes behind it and why each is left out, if it is. */
  nodes(): readonly NodeState[];
  /** Gives up whatever is being asked: all that waits rejects with `l2_away`, now and later. */
  close(): void;
}

/** A hub key as the registry on L2 has it; seconds of chain time, `revokedAt` 0 while it is not. */
export interface HubKeyTerm {
  /** False: L2 never heard of a certificate of it. */
  readonly isCarried: boolean;
  readonly until: number;
  readonly epoch: number;
  readonly revokedAt: number;
}

/** A payee as the hub's registry on L2 vouches for it: hours of the vault's clock, 0 for none; `next` counts from `nextFrom`. */
export interface Vouched {
  readonly since: number;
  readonly until: number;
  readonly terminals: number;
  readonly next: number;
  readonly nextFrom: number;
}

/**
 * What L2 knows of the hub, and the account that tells it: its operator's, or any other for the root's words. `at` is a
 * height, absent: the newest. Acts send and wait for a block, resolve with the transaction, and reject as L2's do.
 */
export interface RegistryL2 {
  hubKeyTerm(key: Hex, at?: number): Promise<HubKeyTerm>;
  /** Undefined: the payee has no id. */
  vouched(payee: Uint8Array, at?: number): Promise<Vouched | undefined>;
  /** The newest anchor: records of the log, and chain time (of the registry's creation before the first). */
  anchored(): Promise<{ readonly size: number; readonly at: number }>;
  addHubKey(certificate: CertificateOfKey): Promise<Hex>;
  revokeHubKey(revocation: RevocationOfKey): Promise<Hex>;
  /** Gives the payee an id first, if it has none. */
  accredit(payee: Uint8Array, terminals: number): Promise<Hex>;
  endAccreditation(payee: Uint8Array): Promise<Hex>;
  anchor(size: number, root: Uint8Array): Promise<Hex>;
}

/** What the root signed of a hot key, as L2 takes it; `signature` is of 64 bytes. */
export interface CertificateOfKey {
  readonly key: Uint8Array;
  readonly from: number;
  readonly until: number;
  readonly epoch: number;
  readonly signedAt: number;
  readonly signature: Uint8Array;
}

/** That the root took a hot key back. */
export interface RevocationOfKey {
  readonly key: Uint8Array;
  readonly at: number;
  readonly signature: Uint8Array;
}

/** A node as it last answered. */
export interface NodeState {
  /** Host of its URL: the rest may hold a secret. */
  readonly name: string;
  /** What it last failed with, while it fails. */
  readonly trouble: string | undefined;
}

// ---- all of them ----

/** A shared store, as one of its workers has it. */
export interface SharedPort {
  readonly store: SharedStore;
  /** A name that no other process has, not even the same one after a start. */
  readonly name: string;
}

/** What a hub is put together over. */
export interface Ports {
  readonly time: Time;
  /** The hot keys whose secrets are here; the root's certificates say which of them signs when. */
  readonly signers: readonly Signer[];
  readonly l2: L2;
  /** The hub's registry on L2; absent: it is told nothing. */
  readonly registry?: RegistryL2;
  /** Where the registry stands. */
  readonly disk: Disk;
  /** Opens the ledger for this process alone. Rejects with `ledger_corrupt`, `ledger_newer`, `folder_locked`, ... */
  openLedger(options: LedgerOptions): Promise<Ledger>;
  /** The store that holds ledger and registry in their place where the hub has several workers. */
  readonly shared?: SharedPort | undefined;
  /**
   * Opens the index; absent: all books are kept in memory. Rejects with what the disk rejects with. `onDamage`: told when
   * what it holds can't be right.
   */
  openIndex?(onDamage: (error: SundialError) => void): Promise<IndexStore>;
  /** Connects to devices, or goes on trying. Rejects when it never can. `logins`: where the counters of devices are. */
  openIngest(events: IngestEvents, logins: LoginStore): Promise<Ingest>;
}
