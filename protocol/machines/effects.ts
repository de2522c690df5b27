/**
 * What a machine may ask of its host. A machine is a pure function step(context, state, event, nowMs) that returns
 * the next state and a list of effects; the host executes the effects strictly in order, each completed before the
 * next begins, and drops the rest of the list when one fails. So "persist before reveal" is the order of a list.
 */
import type { Bytes32, Signature } from '../bytes.ts';
import type { Amount, ChannelId, Seconds, Seq } from '../integers.ts';
import type { RefusalName } from '../refusals.ts';
import type { Address } from '../bytes.ts';
import type { Signing } from '../signing/digests.ts';
import type { Message } from '../wire/messages.ts';
import type { Room } from './room.ts';

/** What happened, for the role, the display and the log. Never steers money. */
export type Notice =
  | {
      readonly type: 'approved';
      readonly channel: ChannelId;
      readonly amount: Amount;
      readonly voucher: Bytes32;
    }
  | {
      readonly type: 'streamOpened';
      readonly channel: ChannelId;
      readonly voucher: Bytes32;
      readonly ticks: number;
    }
  | { readonly type: 'deliver'; readonly channel: ChannelId; readonly k: number; readonly value: Amount }
  | { readonly type: 'voided'; readonly voucher: Bytes32; readonly amount: Amount }
  | { readonly type: 'writtenOff'; readonly voucher: Bytes32; readonly amount: Amount }
  | {
      readonly type: 'refused';
      readonly code: RefusalName;
      readonly by: 'us' | 'peer' | 'hub';
      /** What the other device would pay instead. */
      readonly bound?: Amount;
    }
  /** The person is to say whether the device may pay this: above its limits, and the hub is asked to cover it. */
  | {
      readonly type: 'confirmWanted';
      readonly request: Bytes32;
      readonly amount: Amount;
      readonly payee: Address;
    }
  | { readonly type: 'clearing'; readonly channel: ChannelId; readonly amount: Amount }
  | { readonly type: 'cleared'; readonly channel: ChannelId; readonly amount: Amount }
  | { readonly type: 'signing'; readonly seq: Seq; readonly amount: Amount; readonly payee: Address }
  | { readonly type: 'paid'; readonly voucher: Bytes32; readonly amount: Amount; readonly payee: Address }
  | { readonly type: 'requested'; readonly amount: Amount; readonly request: Bytes32 }
  | {
      readonly type: 'sessionOver';
      readonly channel: ChannelId;
      readonly ticks: number;
      readonly reason: RefusalName | 'used_up' | 'closed' | 'link_lost';
    }
  | { readonly type: 'endWanted'; readonly channel: ChannelId }
  | { readonly type: 'tickPaid'; readonly k: number }
  | { readonly type: 'acknowledged'; readonly entry: Bytes32 }
  | {
      readonly type: 'settled';
      readonly channel: ChannelId;
      readonly paid: Amount;
      readonly transaction: Bytes32;
    }
  | { readonly type: 'lease'; readonly spendLimit: Amount; readonly expiresAt: Seconds }
  | { readonly type: 'time'; readonly at: Seconds };

export type Effect<R> =
  /** Durable when it returns. */
  | { readonly type: 'persist'; readonly record: R }
  /** Answered by the event `signed`. */
  | { readonly type: 'sign'; readonly digest: Bytes32 }
  /** To the other device on the tap link; may be lost. */
  | { readonly type: 'send'; readonly message: Message }
  /** To the hub; may be lost. */
  | { readonly type: 'upload'; readonly message: Message }
  | { readonly type: 'notify'; readonly notice: Notice };

/** Events that every device machine knows. */
export type DeviceEvent =
  /** Once after power-up. `realTime` only from a clock that kept running. */
  | { readonly type: 'boot'; readonly realTime?: Seconds }
  /** About once a second: time-outs and resending look at it. `realTime` as at power-up. */
  | { readonly type: 'clock'; readonly realTime?: Seconds }
  | { readonly type: 'linkUp' }
  | { readonly type: 'linkDown' }
  /** `random`: 32 fresh bytes, which the host hands in with every streamRequest. */
  | { readonly type: 'message'; readonly message: Message; readonly random?: Bytes32 }
  /** Bytes from the tap link that were no message. */
  | { readonly type: 'garbage'; readonly code: RefusalName }
  | { readonly type: 'signed'; readonly digest: Bytes32; readonly signature: Signature }
  /** `seed`: 32 fresh random bytes, for questions that nobody can have answered before. */
  | { readonly type: 'hubConnected'; readonly seed?: Bytes32 }
  | { readonly type: 'hubLost' }
  | { readonly type: 'hubMessage'; readonly message: Message };

/** What never changes while a machine runs. */
export interface Context {
  readonly signing: Signing;
  /** The device's own address. */
  readonly self: Address;
  /** What one bank of its journal holds; absent where nothing is bounded by flash. */
  readonly room?: Room;
}

export interface Step<S, R> {
  readonly state: S;
  readonly effects: readonly Effect<R>[];
}

/**
 * Collects what one step does. Books change only through `apply` of a record that is persisted, so replaying the
 * journal gives the same books by construction.
 */
export class Turn<B, R> {
  readonly effects: Effect<R>[] = [];
  books: B;
  private readonly apply: (books: B, record: R) => B;

  constructor(books: B, apply: (books: B, record: R) => B) {
    this.books = books;
    this.apply = apply;
  }

  /** Changes the books by a record, which is stored before any later effect is carried out. */
  persist(record: R): void {
    this.books = this.apply(this.books, record);
    this.effects.push({ type: 'persist', record });
  }

  /** The answer comes back as the event `signed`. */
  sign(digest: Bytes32): void {
    this.effects.push({ type: 'sign', digest });
  }

  /** To the other device on the tap link. */
  send(message: Message): void {
    this.effects.push({ type: 'send', message });
  }

  /** To the hub. */
  upload(message: Message): void {
    this.effects.push({ type: 'upload', message });
  }

  /** To the display and whoever watches. */
  notify(notice: Notice): void {
    this.effects.push({ type: 'notify', notice });
  }
}

/** Effects of a device that must store and sign nothing: what it tells the hub of what it holds, and its display. */
export const withoutPromises = <R>(effects: readonly Effect<R>[]): Effect<R>[] =>
  effects.filter(({ type }) => type !== 'persist' && type !== 'sign');
