/** The payer's state beside its books: what a power cut may forget. And the turn that one step works in. */
import type { Scheme } from '../../../hardware/interfaces/index.ts';
import { type Address, type Bytes32, equalBytes, type Signature } from '../../bytes.ts';
import type { Amount, Seconds } from '../../integers.ts';
import { type Timing, UNCONFIRMED_MAX } from '../../limits.ts';
import type { RefusalName } from '../../refusals.ts';
import { refusalNumber } from '../../refusals.ts';
import type { MessageOf } from '../../wire/messages.ts';
import { type Context, type Effect, Turn } from '../effects.ts';
import type { HubPin } from '../hub-keys.ts';
import { isBased, timeNow } from '../time.ts';
import type { Trusting } from '../trusting.ts';
import { applyRecord, type PayerBooks, type PayerRecord, type Unconfirmed } from './books.ts';

/** What the owner of the device set. */
export interface PayerSettings {
  readonly role: 'wearable' | 'car';
  readonly hub: HubPin;
  readonly timing: Timing;
  readonly scheme: Scheme;
  /** 64 bytes, P-256 only. */
  readonly key?: Uint8Array;
  /** Most that one tap may take without asking the person; the lease bounds it as well. */
  readonly tapMax: Amount;
  /** Most that it pays above its limits without a person's yes; absent: as `tapMax`. */
  readonly confirmLimit?: Amount;
  /** Most that it pays above its limits in one UTC day, by the hub's time; absent: what the channel has. */
  readonly dayLimit?: Amount;
  /** Group of terminals that leases are asked for; absent: any terminal, and the hub's reserve bears what the bond doesn't. */
  readonly scope?: Bytes32;
  /** Lanes that this board's memory holds; absent: LANES_MAX. */
  readonly lanesMax?: number;
  /** Whether the random source is fit for keys; the hub refuses keys of one that is not, outside development. */
  readonly entropyCertified: boolean;
}

export type RequestMessage = MessageOf<'request'> | MessageOf<'streamRequest'>;

/** A request above the limits that the payer was asked about, and how far that has come. One at a time. */
export interface Clearing {
  readonly question: MessageOf<'clearanceQuestion'>;
  /** Of the request that it asks about. */
  readonly hash: Bytes32;
  /** The person said yes, or need not be asked. */
  readonly confirmed: boolean;
  /** What the hub reserved for this very request. */
  readonly lease?: MessageOf<'lease'>;
}

/** A request that waits for a certificate, or for the answer to an earlier voucher at the same terminal. */
export interface PendingRequest {
  readonly message: RequestMessage | MessageOf<'clearanceQuestion'>;
  readonly random: Bytes32 | undefined;
}

/** Forgotten at a power cut; nothing here is needed to keep a promise. */
export interface PayerVolatile extends Trusting {
  readonly frozen: boolean;
  readonly linkUp: boolean;
  readonly hubConnected: boolean;
  /** The terminal at the other end of the link, once it said who it is. */
  readonly peer: Address | undefined;
  readonly pending: PendingRequest | undefined;
  /** Vouchers signed since power-up, so that a resend needs no second signature. At most UNCONFIRMED_MAX. */
  readonly signatures: readonly { readonly digest: Bytes32; readonly signature: Signature }[];
  /** The hub's word that it has no such voucher, for the terminal that forgot it. At most UNCONFIRMED_MAX, newest last. */
  readonly unknowns: readonly MessageOf<'unknown'>[];
  /** How each voucher that is being signed goes out, newest last. */
  readonly outgoing: readonly { readonly digest: Bytes32; readonly form: 'voucher' | 'resolve' }[];
  /** The whole chain of the open stream, 32 bytes a tick (8 KiB at most): values seed, keccak(seed), ... */
  readonly chain: Uint8Array | undefined;
  /** Ticks of the open stream that the terminal answered. */
  readonly answered: number;
  /** The car or its driver wants no further tick. */
  readonly stopWanted: boolean;
  /** Hash of the request that was paid last, so that a repeated request is not paid again. */
  readonly lastRequest: Bytes32 | undefined;
  /** LeaseRequest that is being signed, for a lease or for a clearance. */
  readonly leaseRequest:
    | {
        readonly digest: Bytes32;
        readonly message: MessageOf<'leaseRequest'> | MessageOf<'clearanceRequest'>;
      }
    | undefined;
  readonly clearing: Clearing | undefined;
  /** When the hub, or a terminal for it, was asked for a lease last, and how long until it is asked again. */
  readonly leaseAskedAtMs: number;
  readonly leasePauseMs: number;
  readonly sentAtMs: number;
  /** When second copies went up last, and how many of that message the hub has not acknowledged. */
  readonly uploadedAtMs: number;
  readonly inFlight: number;
  /** When the hub was asked last about what is unanswered, and how long until it is asked again. */
  readonly askedAtMs: number;
  readonly askPauseMs: number;
}

export interface PayerState {
  readonly books: PayerBooks;
  readonly volatile: PayerVolatile;
}

export type PayerEffect = Effect<PayerRecord>;

/** What the payer awaits, computed from its facts. */
export type PayerPhase = 'frozen' | 'idle' | 'waiting' | 'stream';

/** What the payer awaits. */
export function payerPhase(state: PayerState): PayerPhase {
  if (state.volatile.frozen) return 'frozen';
  if (state.books.stream !== undefined) return 'stream';
  return state.books.unconfirmed.length > 0 ? 'waiting' : 'idle';
}

/** One step of a payer under way: its state as it changes, and the effects that were asked for so far. */
export class PayerTurn extends Turn<PayerBooks, PayerRecord> {
  readonly context: Context;
  readonly settings: PayerSettings;
  readonly nowMs: number;
  volatile: PayerVolatile;

  constructor(context: Context, settings: PayerSettings, state: PayerState, nowMs: number) {
    super(state.books, applyRecord);
    this.context = context;
    this.settings = settings;
    this.volatile = state.volatile;
    this.nowMs = nowMs;
  }

  /** Changes what a power cut forgets. */
  set(change: Partial<PayerVolatile>): void {
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

  /** Tells the other device and the display why not; forgets the request that waited. */
  refuse(code: RefusalName, bound?: Amount): void {
    this.set({ pending: undefined });
    this.send({ type: 'refusal', code: refusalNumber(code), ...(bound !== undefined && { bound }) });
    this.notify({ type: 'refused', code, by: 'us' });
  }

  /** What was signed since power-up. */
  signatureOf(digest: Bytes32): Signature | undefined {
    return this.volatile.signatures.find((entry) => equalBytes(entry.digest, digest))?.signature;
  }

  /** Keeps a signature for resending; the oldest goes. */
  remember(digest: Bytes32, signature: Signature): void {
    this.set({ signatures: [...this.volatile.signatures, { digest, signature }].slice(-UNCONFIRMED_MAX) });
  }
}

/** Terminal that owes the answer. */
export const terminalOf = (entry: Unconfirmed): Address =>
  entry.kind === 'voucher' ? entry.request.terminal : entry.terminal;
