/** The terminal's state beside its books: what a power cut may forget. And the turn that one step works in. */
import type { Scheme } from '../../../hardware/interfaces/index.ts';
import { type Address, type Bytes32, equalBytes, type Signature } from '../../bytes.ts';
import type { Amount, ChannelId, Position, Seconds, Seq } from '../../integers.ts';
import { type RefusalName, refusalNumber } from '../../refusals.ts';
import type { Request } from '../../vouchers.ts';
import type { MessageOf } from '../../wire/messages.ts';
import type { Collected } from '../collected.ts';
import { type Context, Turn } from '../effects.ts';
import type { Timing } from '../../limits.ts';
import type { HubPin } from '../hub-keys.ts';
import { isBased, timeNow } from '../time.ts';
import type { Trusting } from '../trusting.ts';
import {
  applyRecord,
  findLane,
  type TerminalBooks,
  type TerminalLane,
  type TerminalRecord,
} from './books.ts';

/** What the payee set for this terminal. */
export interface TerminalSettings {
  readonly role: 'pos' | 'charger';
  readonly hub: HubPin;
  readonly timing: Timing;
  readonly scheme: Scheme;
  readonly payee: Address;
  /** The payee's signature over Terminal{terminal, payee, expiresAt}. */
  readonly certificate: { readonly expiresAt: Seconds; readonly signature: Signature };
  /** Most that one channel may owe here until the hub acknowledges; undefined: CHANNEL_CAP_TAPS tap limits. */
  readonly capChannel?: Amount;
  /** Most that all channels together may owe here until the hub acknowledges. */
  readonly capTotal: Amount;
  /**
   * Most that the merchant risks on leases for any terminal, which nothing covers, until the hub acknowledges: what it can
   * lose to copied payers. Absent: no such lease is taken.
   */
  readonly wideMax?: Amount;
  /** Entries that may wait for the hub: what this board's memory holds. */
  readonly outboxMax: number;
  /** Lanes that this board's memory holds. */
  readonly lanesMax: number;
  readonly entropyCertified: boolean;
  /** How it asks the hub about sales above the offline limits (clearance.ts); absent: they are refused. */
  readonly clearances?: ClearanceDesk;
  /** How it gives back on sales that no longer stand last on their lane (earlier.ts); absent: it does not. */
  readonly refundEarlier?: (turn: TerminalTurn, channel: ChannelId, credited: Amount, sold: Sold) => void;
}

/** A voucher of this terminal that its host remembers: the machine knows the newest of each lane only. */
export interface Sold {
  readonly voucher: Bytes32;
  readonly seq: Seq;
  readonly amount: Amount;
  /** Given back so far, on the host's word. */
  readonly credited: Amount;
}

/** The part of a terminal that asks the hub for clearances: a charge point has no use for its code. */
export interface ClearanceDesk {
  ask(turn: TerminalTurn, channel: ChannelId): boolean;
  onOverLimits(turn: TerminalTurn, code: RefusalName | undefined): boolean;
  onRequest(turn: TerminalTurn, message: MessageOf<'clearanceRequest'>): void;
  onLease(turn: TerminalTurn, lease: MessageOf<'lease'>): boolean;
  onRefused(turn: TerminalTurn, message: MessageOf<'rejection'>): boolean;
  heldFor(open: OpenRequest | undefined, channel: ChannelId): HeldLease | undefined;
  end(turn: TerminalTurn, request: Bytes32): void;
  onEndedSigned(turn: TerminalTurn, signature: Uint8Array): void;
}

export type RequestMessage = MessageOf<'request'> | MessageOf<'streamRequest'>;

/** The request that customers may tap now. Kept in RAM only: after a restart it was never asked. */
export interface OpenRequest {
  readonly message: RequestMessage;
  readonly request: Request;
  readonly hash: Bytes32;
  readonly openedAtMs: number;
  /** The hub was asked to clear it for a payer: it may hold a reservation from then on. */
  readonly clearing?: Clearing;
}

/** Whom the open request is being cleared for. */
export interface Clearing {
  readonly channel: ChannelId;
  readonly payer: Address;
  /** Of the payer's LeaseRequest: what a refusal of the hub names. */
  readonly asked: Bytes32;
  /** The clearance, once the hub gave it. */
  readonly held?: HeldLease;
}

/** Who greeted on the link. */
export interface Greeted {
  readonly channel: ChannelId;
  readonly payer: Address;
  readonly key: Uint8Array | undefined;
  /** It was asked for a clearance since it greeted: once, or two devices would ask and refuse for ever. */
  readonly questioned?: boolean;
}

/** A voucher that was verified and whose answer is being signed. Nothing was promised yet. */
export interface PendingAnswer {
  readonly digest: Bytes32;
  /** What is being signed: Receipt or Credit. */
  readonly signing: Bytes32;
  readonly answer: 'receipt' | 'credit';
  readonly collected: Collected;
  readonly payer: Address;
  /** The hub cleared it. */
  readonly cleared: boolean;
}

/** A stream that is being delivered on. Lost at a power cut: later ticks are then late. */
export interface Session {
  readonly channel: ChannelId;
  readonly stream: Bytes32;
  /** Tick whose worth is being delivered; 0 when none is. */
  readonly delivering: number;
}

/** A partial credit that is being signed. */
export interface PendingCredit {
  readonly channel: ChannelId;
  readonly voucher: Bytes32;
  readonly credited: Amount;
  readonly entry: Bytes32;
  /** Of a voucher that does not stand last on its lane. */
  readonly seq?: Seq;
}

export type TapVoucherMessage =
  | MessageOf<'voucher'>
  | MessageOf<'stream'>
  | MessageOf<'resolveVoucher'>
  | MessageOf<'resolveStream'>;

/** A lease whose signature was checked. */
export interface HeldLease {
  readonly lease: MessageOf<'lease'>;
  readonly digest: Bytes32;
  /** The hub's key that signed it: the lease ends when that is taken back. */
  readonly signer: Address;
  /** The last moment at which it counts. */
  readonly until: Seconds;
  /** It is for any terminal. */
  readonly isWide: boolean;
  /** What the channel may owe here under it: computed once, not before every tick. */
  readonly cap: number;
}

/** A voucher that something waits about, and that neither the terminal nor the hub seems to have. */
export interface Stray {
  readonly voucher: Bytes32;
  readonly askedAtMs: number;
  /** The hub signed that it has none. */
  readonly isGone: boolean;
}

/** How far everything is handed in. One field of the state, as each change of that copies all of them. */
export interface HandedIn {
  /** A Synced statement that is being signed, and the time of the last one on this connection. */
  readonly syncing: { readonly digest: Bytes32; readonly at: Seconds } | undefined;
  readonly syncedAt: Seconds;
  /** At most KEPT_MAX, newest last. */
  readonly strays: readonly Stray[];
  readonly ledger: LedgerHeard;
}

/** How long the hub's ledger is at least, by what it acknowledged since power-up and since its keys changed. */
export interface LedgerHeard {
  /** Highest place that was acknowledged. */
  readonly to: Position;
  /** The newest voucher that was accepted in that time. */
  readonly newest: Bytes32 | undefined;
  /** One that was accepted in that time is acknowledged: whatever was handed in before stands below `to`. */
  readonly isNew: boolean;
}

export const NOTHING_HANDED_IN: HandedIn = {
  syncing: undefined,
  syncedAt: 0 as Seconds,
  strays: [],
  ledger: { to: 0 as Position, newest: undefined, isNew: false },
};

/** Forgotten at a power cut; nothing here is needed to keep a promise. */
export interface TerminalVolatile extends Trusting {
  readonly frozen: boolean;
  readonly linkUp: boolean;
  /** When the link was lost last; counts only while it is down. */
  readonly linkLostAtMs: number;
  readonly hubConnected: boolean;
  readonly greeted: Greeted | undefined;
  readonly open: OpenRequest | undefined;
  readonly pending: PendingAnswer | undefined;
  readonly pendingCredit: PendingCredit | undefined;
  readonly session: Session | undefined;
  /** Leases whose signature was checked, newest last: at most LEASES_MAX. */
  readonly leases: readonly HeldLease[];
  /** A voucher that came before its lease, or that the hub was asked for; judged when the lease or the answer comes. */
  readonly stashed: TapVoucherMessage | undefined;
  /** Digest that the hub was asked for since the payer greeted. */
  readonly asked: Bytes32 | undefined;
  /** The hub's newest word that it has no such entry, by the payer or by itself; checked when it matters. */
  readonly unknown: MessageOf<'unknown'> | undefined;
  /** Newest tick that was handed to the hub on each stream, so that its acknowledgement is recognised. */
  readonly uploadedTicks: readonly {
    readonly stream: Bytes32;
    readonly k: number;
    readonly entry: Bytes32;
  }[];
  /** The hub said that it doesn't know this terminal: it registers again before the next upload. */
  readonly forgotten: boolean;
  readonly handed: HandedIn;
  /** A ClearanceEnded that is being signed. */
  readonly ending: { readonly digest: Bytes32; readonly request: Bytes32 } | undefined;
  /** Hash of the revocation list that the newest beacon named, and when the hub signed that beacon. */
  readonly revocations: Bytes32 | undefined;
  readonly beaconAt: Seconds;
  readonly uploadedAtMs: number;
  /** Entries of the last upload that were not acknowledged. */
  readonly inFlight: number;
  /** Where in the outbox the last upload began. */
  readonly uploadFrom: number;
}

/** Leases kept in RAM, 200 bytes each; an evicted one is asked for again. */
export const LEASES_MAX = 16;

export interface TerminalState {
  readonly books: TerminalBooks;
  readonly volatile: TerminalVolatile;
}

export type TerminalPhase = 'frozen' | 'idle' | 'open' | 'session';

/** What the terminal awaits, computed from its facts. */
export function terminalPhase(state: TerminalState): TerminalPhase {
  const { frozen, open, session } = state.volatile;
  if (frozen) return 'frozen';
  if (open !== undefined) return 'open';
  return session !== undefined ? 'session' : 'idle';
}

/** One step of a terminal under way: its state as it changes, and the effects that were asked for so far. */
export class TerminalTurn extends Turn<TerminalBooks, TerminalRecord> {
  readonly context: Context;
  readonly settings: TerminalSettings;
  readonly nowMs: number;
  volatile: TerminalVolatile;

  constructor(context: Context, settings: TerminalSettings, state: TerminalState, nowMs: number) {
    super(state.books, applyRecord);
    this.context = context;
    this.settings = settings;
    this.volatile = state.volatile;
    this.nowMs = nowMs;
  }

  /** Changes what a power cut forgets. */
  set(change: Partial<TerminalVolatile>): void {
    this.volatile = { ...this.volatile, ...change };
  }

  /** The device's time (rule 7). */
  get now(): Seconds {
    return timeNow(this.volatile.time, this.nowMs);
  }

  /** Does anything vouch for that time? */
  get based(): boolean {
    return isBased(this.volatile.time, this.nowMs);
  }

  /** The lane of a channel, while it is not forgotten. */
  lane(channel: ChannelId): TerminalLane | undefined {
    return findLane(this.books, channel);
  }

  /** A lease of this channel and payer whose signature was checked. */
  leaseOf(channel: ChannelId): HeldLease | undefined {
    const leases = this.volatile.leases;
    for (let i = leases.length - 1; i >= 0; i--) {
      const held = leases[i]!;
      if (held.lease.channel === channel) return held;
    }
    return undefined;
  }

  /** Tells the other device and the display why not. `subject`: the voucher's digest, where there is one. */
  refuse(code: RefusalName, subject?: Bytes32): void {
    this.send({ type: 'refusal', code: refusalNumber(code), ...(subject && { subject }) });
    this.notify({ type: 'refused', code, by: 'us' });
  }

  /** Is this very stream delivered on now? */
  isSession(channel: ChannelId, stream: Bytes32): boolean {
    const { session } = this.volatile;
    return session !== undefined && session.channel === channel && equalBytes(session.stream, stream);
  }
}
