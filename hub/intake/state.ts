/**
 * What the intake knows. `Books` follow from the ledger alone: replaying its records gives the same books. The rest
 * is what it was told (L2, registered devices) and what is on its way to the disk. Everything is immutable plain
 * data, so a state can be kept, compared, and gone back to when the disk refuses. Over an index the books hold in memory
 * only what changed since it was written, and look the rest up (`past`).
 */
import type { Address, Bytes16, Bytes32, Signature } from '../../protocol/bytes.ts';
import type { Amount, ChannelId, Height, Seconds, Seq } from '../../protocol/integers.ts';
import type { HubPin } from '../../protocol/machines/hub-keys.ts';
import type { Timing } from '../../protocol/limits.ts';
import type { RefusalName } from '../../protocol/refusals.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { ListedLane } from '../../protocol/vouchers.ts';
import type { Message, MessageName, MessageOf } from '../../protocol/wire/messages.ts';
import type { AnnouncedLane } from '../l2/announced.ts';
import type { HubRecord, RecordOf } from '../ledger/records.ts';
import { type Clearances, NO_CLEARANCES } from './clearances.ts';
import type { EntryList } from './entry-list.ts';
import type { Layers } from './layers.ts';
import type { Packed } from './packed.ts';
import type { Shift } from './positions.ts';
import type { Prepared } from './prepare.ts';
import { NO_TAKINGS, type Takings } from './takings.ts';
import type { Edit, Trie } from './trie.ts';

/**
 * One voucher or stream in the ledger: the numbers that the books compute with, and the message behind them, which has
 * the rest. A hub keeps millions, and a byte array costs some 200 bytes beside its content, so there is none in it
 * that is its own.
 */
export interface Entry {
  /** Key of the digest; `entryId` gives the bytes. */
  readonly key: string;
  /** Of its record, as in Pending: it rises with arrival. */
  readonly token: number;
  readonly channel: ChannelId;
  readonly seq: Seq;
  readonly kind: 'voucher' | 'stream';
  /** The same array in all entries of a payee, as far as it can be. */
  readonly payee: Address;
  /** Of the opened request; 0 for a stream. */
  readonly amount: Amount;
  /** Of the opened request. */
  readonly at: Seconds;
  readonly spent: Amount;
  readonly paid: Amount;
  /** The list behind the voucher's `lanes`, once the payer handed it in. */
  readonly list: readonly ListedLane[] | undefined;
  readonly stream:
    | {
        readonly tickValue: Amount;
        readonly ticks: number;
        /** Ticks known, and the preimage of the last (the anchor while there is none). */
        readonly k: number;
        readonly preimage: Bytes32;
      }
    | undefined;
  /** The terminal answered with a full credit instead of a receipt: never claimed by itself. */
  readonly voided: boolean;
  /** Highest credit seen, by whomever it was signed. */
  readonly credited: Amount;
  /** Highest credit that the payee itself signed: the only one that counts on L2. */
  readonly payeeCredit: { readonly credited: Amount; readonly signature: Signature } | undefined;
  /** The message that brought it, for settlement rows and proofs: `entryMessage` reads it. */
  readonly message: Packed;
}

/** One channel as the ledger shows it. */
export interface ChannelBook {
  /** By seq, then by arrival; several of one seq are a proof of fraud. */
  readonly entries: EntryList<Entry>;
  /** Per payee (key), the seqs of its last entry and of the one before it, void ones too. */
  readonly lanes: Layers<Lane>;
  /** Per payee (key), the entry that claims most. */
  readonly claims: Layers<Entry>;
  /** Entries, by key, for which the payee signed a credit: few, and looked through with every plan. */
  readonly countersigned: Layers<Entry>;
  /** Units that all claims add up to. */
  readonly claimed: number;
  /** Ticks known of all streams. */
  readonly ticks: number;
  /** What the payer declared when it last got a lease. */
  readonly lease: RecordOf<'lease'> | undefined;
  /** What was lent in each scope, the widest lease of each (rule 10). */
  readonly booked: readonly Booking[];
  /** Until when each payee (key) said that none of its terminals holds a voucher under a lease of this channel. */
  readonly released: Readonly<Record<string, Seconds>>;
  /** The first proof against the payer. */
  readonly proof: RecordOf<'evidence'> | undefined;
}

/** A lane without its entries: where it ends, so that neighbours are found without looking through the channel, and sums. */
export interface Lane {
  readonly seq: Seq;
  /** Undefined: there is none before. */
  readonly before: Seq | undefined;
  readonly vouchers: number;
  /** Units credited by terminals or the payee, over all vouchers. */
  readonly credited: number;
  /** Units that its claim reaches; 0 while there is none. */
  readonly top: number;
}

/** What a channel may owe at each terminal of a scope. */
export interface Booking {
  readonly scope: Bytes32;
  readonly cap: Amount;
  /** When the last lease ends that was given in it. */
  readonly expiresAt: Seconds;
}

/** A terminal of a scope. */
export interface Member {
  readonly terminal: Address;
  readonly expiresAt: Seconds;
}

/**
 * What stands in an index on disk and not in memory, as the books ask for it. It answers at once, and holds nothing that the
 * ledger does not hold for certain. What the books hold in memory is newer than what is found here.
 */
export interface Past {
  /** Vouchers, ticks and credits that it has. */
  readonly indexed: number;
  /** The book of a channel by the channel's key (numberKey); undefined: it has none. */
  channel(key: string): ChannelBook | undefined;
  /** Keys of all channels, in order. */
  channels(): Iterable<string>;
  /** Keys of the channels with a credit that the payee signed, in order. */
  countersigned(): Iterable<string>;
  /** By digest, as a key. */
  known(key: string): Known | undefined;
  /** Entries by the time of their request, then by arrival, the newest first; those before a moment, when one is given. */
  newest(before?: Moment): Iterable<Entry>;
  /** Digests (keys) that begin with these hex digits, in order. */
  knownFrom(prefix: string): Iterable<[string, Known]>;
}

/** A place in the order of time: L2 time of a request, and which entry of that time. */
export type Moment = Pick<Entry, 'at' | 'token'>;

/** What the ledger says. */
export interface Books {
  /** Where the rest stands; undefined: all is in memory. */
  readonly past: Past | undefined;
  /** Those that changed since `past` was written: `channelBook` and `channelsOf` find all. */
  readonly channels: Trie<ChannelBook>;
  /** Acknowledged entries by their digest, as above: `knownEntry` finds all. Vouchers and streams with where they stand. */
  readonly known: Trie<Known>;
  readonly vouchers: number;
  /** Vouchers, ticks and credits, those of `past` too. */
  readonly indexed: number;
  readonly takings: Takings;
  readonly revoked: readonly ChannelId[];
  /** Channels with a proof against their payer, by their keys. */
  readonly proved: readonly ChannelId[];
  /** Members by scope (key). */
  readonly members: Readonly<Record<string, readonly Member[]>>;
  /** How far each terminal (key) said that it has handed everything in. */
  readonly synced: Trie<RecordOf<'synced'>>;
  /** Credits that terminals promised and payees have not countersigned in full, by voucher; undefined once they did. */
  readonly owed: Trie<OwedCredit | undefined>;
  /** What is reserved for requests above the offline limits. */
  readonly clearances: Clearances;
}

/** A countersignature that a payee owes. */
export interface OwedCredit {
  readonly voucher: Bytes32;
  readonly payee: Address;
  /**
   * L2 time of its record, or of the request when that is later: the payee's time to countersign runs from there. Not
   * from the request, which is long ago for a refund, and which a payer dates as it likes for what is void.
   */
  readonly since: Seconds;
  /** The terminal's over the credit: the payee believes nothing else. */
  readonly signature: Signature;
}

/** Entries that memory holds: what `past` has is not counted. */
export const heldEntries = ({ indexed, past }: Pick<Books, 'indexed' | 'past'>): number =>
  indexed - (past?.indexed ?? 0);

/** Where an entry stands that is known by its digest. */
export interface Known {
  /** Of the record that made it known, as in Pending. */
  readonly token: number;
  /** Where the books have it when it is a voucher or a stream. */
  readonly channel: ChannelId | undefined;
  readonly seq: Seq | undefined;
}

/** What an owner lets a channel spend, units; UINT48_MAX: as much as it has. */
export interface OwnerLimits {
  /** In one payment. */
  readonly tap: number;
  /** In all payments of one UTC day. */
  readonly day: number;
}

/** A channel on L2, at finality. */
export interface ChannelFacts {
  readonly payer: Address;
  /** All money that came in, bond included. */
  readonly deposited: Amount;
  /** deposited + credits applied on L2 - bond: the highest spend limit of a lease. */
  readonly spendable: Amount;
  /** What can't be spent and answers for a copied payer. */
  readonly bond: Amount;
  readonly exiting: boolean;
  readonly slashed: boolean;
  /** What L2 settled of each lane, by payee (0x hex). */
  readonly settled?: Readonly<Record<string, { readonly paid: number }>>;
  /** Units of that above what the ledger showed when it was told. */
  readonly beyond?: number;
}

/** A record handed to the ledger, and what is done once it is durable. */
export interface Pending {
  /** Serial number of the record: its position when it was replayed, and counted on from there. */
  readonly token: number;
  /** The books before it: where to go back to when the disk refuses. */
  readonly before: Books;
  readonly answers: readonly Answer[];
}

/** What waits for a record: reveals come after the fsync, always. */
export type Answer =
  /** `channel`: whose money the entry takes; absent: it takes none, as a void or a credit. */
  | {
      readonly type: 'acknowledge';
      readonly device: string;
      readonly entry: Bytes32;
      readonly channel?: ChannelId;
    }
  | { readonly type: 'lease'; readonly device: string; readonly lease: RecordOf<'lease'> }
  | { readonly type: 'member'; readonly device: string; readonly member: RecordOf<'member'> }
  /** `asked`: digest of the payer's LeaseRequest, which a refusal names. */
  | {
      readonly type: 'clearance';
      readonly device: string;
      readonly asked: Bytes32;
      readonly clearance: RecordOf<'clearance'>;
    }
  | { readonly type: 'revocations' };

/** All that the intake decides by. */
export interface IntakeState {
  readonly books: Books;
  /** Records that are durable. An entry that `books` doesn't know stands in none of them. */
  readonly size: number;
  /** Where durable records stand in the ledger, by their token: see positionOf. */
  readonly shifts: readonly Shift[];
  readonly pending: readonly Pending[];
  readonly nextToken: number;
  /** Newest L2 block seen: the only time that the hub signs. */
  readonly block: { readonly at: Seconds; readonly height: Height } | undefined;
  /** L2 contradicts what it showed before: nothing is leased until the next block that doesn't. */
  readonly doubted: boolean;
  readonly channels: Trie<ChannelFacts>;
  /** Lanes of announced batches that wait on L2, by channel: few. */
  readonly announced: Readonly<Record<number, readonly AnnouncedLane[]>>;
  /** What owners let their channels spend, by channel; absent: what there is. */
  readonly ownerLimits: Readonly<Record<number, OwnerLimits>>;
  /** Payees registered on L2, by address key. */
  readonly payees: Trie<Address>;
  /** Terminals with the payee that certified them, by address key. */
  readonly terminals: Trie<Address>;
  /** All payees that it registered for, by address key: what it sold for one of them is taken after it moved on. */
  readonly payeesOf: Trie<readonly Address[]>;
  /** The highest counter of each device's registrations, by address key. */
  readonly counters: Trie<number>;
}

/** What the ledger holds for certain: without records that are still on their way to the disk. */
export const durableBooks = ({ pending, books }: Pick<IntakeState, 'pending' | 'books'>): Books =>
  pending[0]?.before ?? books;

/** What never changes while the intake runs. */
export interface IntakeContext {
  readonly signing: Signing;
  /** What devices pin of this hub. */
  readonly hub: HubPin;
  readonly timing: Timing;
  /** Payees whose terminals may become members, by scope key. */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  readonly leaseAnyScope: boolean;
  /** Entries that memory has room for; what the ledger holds already is taken whatever its number. */
  readonly indexedMax: number;
  /** Records on their way to the disk, beyond which entries are refused `queue_full`; absent: pendingRecordsMax. */
  readonly pendingMax?: number | undefined;
  readonly development: boolean;
}

export type IntakeEvent =
  /** Bytes from a device; `now` is the hub's clock, only ever used to refuse. */
  | {
      readonly type: 'message';
      readonly device: string;
      readonly bytes: Uint8Array;
      readonly now: Seconds;
      /** prepareMessage of the bytes, when the host has done it already. */
      readonly prepared?: Prepared;
    }
  | { readonly type: 'persisted'; readonly token: number; readonly position: number }
  | { readonly type: 'persistFailed'; readonly token: number; readonly code: 'queue_full' | 'storage_failed' }
  /**
   * All that is pending is durable, from position `first` on, behind records of other workers that came to stand before it
   * and are about something else. The books are then what a replay gives.
   */
  | {
      readonly type: 'landed';
      readonly others: readonly HubRecord[];
      readonly own: readonly HubRecord[];
      readonly first: number;
    }
  /**
   * A record of the ledger at the start, in order. With an `edit`, the same for all of them, the books grow in place:
   * nobody may hold a state from in between.
   */
  | {
      readonly type: 'replayed';
      readonly record: HubRecord;
      readonly position: number;
      readonly edit?: Edit;
    }
  /** The ledger's first `size` records at the start, as an index has them. */
  | { readonly type: 'restored'; readonly books: Books; readonly size: number }
  /** What these books, which were durable, hold in memory stands in their `past` by now. */
  | { readonly type: 'indexed'; readonly books: Books }
  | { readonly type: 'block'; readonly at: Seconds; readonly height: Height }
  /** What L2 shows can't be right. */
  | { readonly type: 'doubt' }
  | { readonly type: 'channel'; readonly channel: ChannelId; readonly facts: ChannelFacts }
  | { readonly type: 'payee'; readonly payee: Address }
  /** All that waits on L2, whoever announced it. */
  | { readonly type: 'announced'; readonly lanes: readonly AnnouncedLane[] }
  /** A device known from an earlier run; a terminal with its payee, and once before for each that it had. */
  | {
      readonly type: 'device';
      readonly device: Address;
      readonly counter: number;
      readonly payee: Address | undefined;
    }
  /** An owner's word. */
  | { readonly type: 'limits'; readonly channel: ChannelId; readonly limits: OwnerLimits }
  /** The operator's word. */
  | { readonly type: 'revoke'; readonly channel: ChannelId; readonly revoked: boolean }
  /** After the replay, and when the disk takes records again: fraud that the ledger shows and no record names. */
  | { readonly type: 'recheck' };

export type IntakeEffect =
  /** Append to the ledger; answered by `persisted` or `persistFailed` with the token, in order. */
  | { readonly type: 'persist'; readonly token: number; readonly record: HubRecord }
  /** Sign and send; the record is durable. */
  | {
      readonly type: 'acknowledge' | 'keep';
      readonly device: string;
      readonly entry: Bytes32;
      readonly position: number;
      readonly at: Seconds;
    }
  | { readonly type: 'lease'; readonly device: string; readonly lease: RecordOf<'lease'> }
  | { readonly type: 'member'; readonly device: string; readonly member: RecordOf<'member'> }
  | { readonly type: 'clearance'; readonly device: string; readonly clearance: RecordOf<'clearance'> }
  | { readonly type: 'reject'; readonly device: string; readonly entry: Bytes32; readonly code: RefusalName }
  /** Sign and send: the first `size` records hold no such entry, and nothing is on its way. */
  | {
      readonly type: 'unknown';
      readonly device: string;
      readonly entry: Bytes32;
      readonly size: number;
      readonly terminal: Address;
      readonly synced: Seconds;
    }
  /** Sign a beacon with this nonce, for a device that asks for the time. */
  | { readonly type: 'time'; readonly device: string; readonly nonce: Bytes16 }
  /** The terminal's credit of a voided voucher, for the payer that asks. */
  | { readonly type: 'credit'; readonly device: string; readonly message: MessageOf<'credit'> }
  | {
      readonly type: 'registered';
      readonly device: string;
      readonly message: Extract<Message, { type: 'register' }>;
    }
  /** Sign and publish the list with the next beacon, now. */
  | { readonly type: 'revocations'; readonly channels: readonly ChannelId[] }
  /** For metrics and the log. */
  | { readonly type: 'count'; readonly what: Counted };

export type Counted =
  | { readonly type: 'message'; readonly name: MessageName | 'undecodable' }
  | { readonly type: 'accepted'; readonly kind: 'voucher' | 'stream' | 'tick' | 'credit' }
  | { readonly type: 'repeated' }
  | { readonly type: 'evidence'; readonly evidence: RecordOf<'evidence'> };

export const emptyBooks: Books = {
  past: undefined,
  channels: undefined,
  known: undefined,
  vouchers: 0,
  indexed: 0,
  takings: NO_TAKINGS,
  revoked: [],
  proved: [],
  members: {},
  synced: undefined,
  owed: undefined,
  clearances: NO_CLEARANCES,
};

export const emptyIntake: IntakeState = {
  books: emptyBooks,
  size: 0,
  shifts: [],
  pending: [],
  nextToken: 0,
  block: undefined,
  doubted: false,
  channels: undefined,
  announced: {},
  ownerLimits: {},
  payees: undefined,
  terminals: undefined,
  payeesOf: undefined,
  counters: undefined,
};
