/**
 * One connector with its terminal: carries out what the plug's machine asks for, and tells it what the terminal and the
 * charge point say. One event at a time, effects in order; what is saved is durable before anything follows from it.
 */
import type { TerminalDevice } from '../../../../device/devices.ts';
import { type Bytes32, toHex } from '../../../../protocol/bytes.ts';
import { unreachable } from '../../../../protocol/errors.ts';
import { type Amount, amount, type ChannelId } from '../../../../protocol/integers.ts';
import { TICKS_MAX } from '../../../../protocol/limits.ts';
import type { Notice } from '../../../../protocol/machines/effects.ts';
import type { TerminalLane } from '../../../../protocol/machines/terminal/books.ts';
import type { Entropy } from '../../../interfaces/index.ts';
import {
  isPaid,
  plugAtStart,
  type PlugContext,
  type PlugEffect,
  type PlugEvent,
  type PlugState,
  plugStep,
} from './plug.ts';
import { paidOf, priceSoFar, type Session, tokenOf, withLast } from './session.ts';
import type { SessionStore } from './store.ts';

/** The charge point, as far as a connector commands it. */
export interface Commands {
  start(connector: number, token: string): void;
  stop(connector: number, transaction: string, reason: string): void;
}

export interface ConnectorParts {
  readonly context: PlugContext;
  /** Undefined: no terminal is left for this connector, and nobody can pay here. */
  readonly terminal:
    | { readonly device: Pick<TerminalDevice, 'dispatch' | 'idle' | 'state'>; readonly entropy: Entropy }
    | undefined;
  readonly store: Pick<SessionStore, 'save' | 'close' | 'serve' | 'served' | 'settle'>;
  readonly commands: Commands;
  readonly say: (words: string, facts: Readonly<Record<string, unknown>>) => void;
  /** What is said of a session that is over. */
  readonly closed: (session: Session) => void;
  /** What is said of one that L2 settled; again when a kill came in between. */
  readonly settled: (session: Session) => void;
  /** Hash of what a meter says, for the request. */
  readonly keccak256: (bytes: Uint8Array) => Uint8Array;
  readonly now: () => number;
  /** What must be saved can't be: the process must end, and begin again from what is stored. */
  readonly broken: (error: unknown) => void;
}

const CHALLENGE_BYTES = 16;

export class Connector {
  private readonly parts: ConnectorParts;
  private state: PlugState;
  private readonly queue: PlugEvent[] = [];
  private busy = false;
  /** The next request that the terminal makes is the one that was asked for here. */
  private asking = false;
  private waiters: (() => void)[] = [];

  /** `stored`: the session that goes on, from before this process. */
  constructor(parts: ConnectorParts, stored: Session | undefined) {
    this.parts = parts;
    this.state = plugAtStart(
      stored === undefined ? undefined : this.found(stored),
      parts.store.served(this.plug),
      parts.now(),
    );
    if (this.state.session !== undefined && this.state.session !== stored)
      parts.store.save(this.state.session);
  }

  get session(): Session | undefined {
    return this.state.session;
  }

  private get plug(): string {
    const { chargePoint, connector } = this.parts.context;
    return `${chargePoint}/${connector}`;
  }

  get number(): number {
    return this.parts.context.connector;
  }

  /** Is a stream open that waits for the charge point to start with this token? */
  isOpenFor(token: string): boolean {
    const { session } = this.state;
    return (
      session !== undefined && session.transaction === undefined && tokenOf(session) === token.toUpperCase()
    );
  }

  /** Is a payer on the terminal's link? */
  get isHere(): boolean {
    return this.state.here;
  }

  get isPlugged(): boolean {
    return this.state.status === 'plugged';
  }

  get isPaid(): boolean {
    return isPaid(this.state);
  }

  /** Could somebody who is here still open a stream? */
  private get mayBePaid(): boolean {
    const { here, live, offeredUntil } = this.state;
    return live || (here && this.parts.now() < offeredUntil);
  }

  /** Waits until a stream is open, as long as somebody who could open one is here; at most so many milliseconds. */
  async paid(waitMs: number): Promise<boolean> {
    const deadline = Date.now() + waitMs;
    while (!this.isPaid && this.mayBePaid && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, deadline - Date.now()));
        this.waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.isPaid;
  }

  /** Looks which closed sessions L2 has settled, as far as the terminal heard. `transaction`: the newest one, hex. */
  settle(transaction?: string): void {
    const { context, store, settled, now } = this.parts;
    store.settle(
      { chargePoint: context.chargePoint, number: context.connector },
      (channel) => this.lanes().find((lane) => lane.channel === channel)?.settled ?? 0,
      { at: now(), ...(transaction !== undefined && { transaction }) },
      settled,
    );
  }

  private lanes(): readonly TerminalLane[] {
    return this.parts.terminal?.device.state.books.lanes ?? [];
  }

  /** What the terminal's journal knows of the stream that was last: this process was killed before it was told. */
  private found(session: Session): Session {
    const last = session.streams.at(-1);
    const lane = this.lanes().find(
      ({ digest, stream }) =>
        stream !== undefined &&
        (toHex(digest) === last?.voucher || toHex(stream.voucher.request as Bytes32) === last?.request),
    );
    if (last === undefined || lane?.stream === undefined) return session;
    const { channel, digest, stream, credited, base } = lane;
    return withLast(session, { voucher: toHex(digest), channel, k: stream.k, credited, upTo: base });
  }

  /** To be called with every notice of the terminal. */
  onNotice(notice: Notice): void {
    switch (notice.type) {
      case 'requested':
        if (!this.asking) return;
        this.asking = false;
        return this.tell({ type: 'requested', request: toHex(notice.request) });
      case 'streamOpened':
        return this.tell({ type: 'streamOpened', voucher: toHex(notice.voucher), channel: notice.channel });
      case 'deliver':
        this.tellBooks();
        return this.tell({ type: 'tick', k: notice.k });
      case 'sessionOver':
        this.tellBooks();
        return this.tell({ type: 'sessionOver', reason: notice.reason });
      case 'endWanted':
        return this.tell({ type: 'endWanted' });
      case 'refused':
        // What we refuse before a request is out, or the payer after it; anything else is about earlier vouchers.
        if (notice.by !== (this.asking ? 'us' : 'peer') || this.state.offeredUntil === 0) return;
        this.asking = false;
        return this.tell({ type: 'refused', code: notice.code });
      case 'approved':
        return this.tell({ type: 'streamClosed' });
      case 'settled':
        return this.settle(toHex(notice.transaction));
      default:
    }
  }

  /** To be called with every event of the terminal: who comes and goes. */
  onEvent({ type }: { readonly type: string }): void {
    if (type === 'linkUp') this.tell({ type: 'payerHere' });
    else if (type === 'linkDown') this.tell({ type: 'payerGone' });
  }

  private tellBooks(): void {
    const last = this.state.session?.streams.at(-1);
    const lane = this.lanes().find(({ digest }) => toHex(digest) === last?.voucher);
    if (lane?.stream === undefined) return;
    this.tell({ type: 'books', k: lane.stream.k, credited: lane.credited, upTo: lane.base });
  }

  /** An event of the terminal or the charge point: done when this returns, unless it came from within another. */
  tell(event: PlugEvent): void {
    this.queue.push(event);
    if (this.busy) return;
    this.busy = true;
    try {
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
        const { state, effects } = plugStep(this.parts.context, this.state, next, this.parts.now());
        this.state = state;
        for (const effect of effects) this.carryOut(effect);
      }
    } finally {
      this.busy = false;
    }
    for (const wake of this.waiters.splice(0)) wake();
  }

  private carryOut(effect: PlugEffect): void {
    const { store, commands, context } = this.parts;
    const { device } = this.parts.terminal ?? {};
    switch (effect.type) {
      case 'save':
        store.save(effect.session);
        return this.show(effect.session);
      case 'served':
        return store.serve(this.plug, effect.served);
      case 'close':
        store.close(effect.session);
        this.parts.closed(effect.session);
        // All of it may be settled before its record is closed.
        return this.settle();
      case 'offer':
        return this.offer(effect.tickValue);
      case 'delivered':
        return void device?.dispatch({
          type: 'delivered',
          channel: effect.channel as ChannelId,
          k: effect.k,
          challenge: this.challenge(),
        });
      case 'credit':
        return void this.credit(effect).catch(this.parts.broken);
      case 'cancelOffer':
        return void device?.dispatch({ type: 'cancel' });
      case 'closeStream':
        return void device?.dispatch({ type: 'closeSession', challenge: this.challenge() });
      case 'start':
        return commands.start(context.connector, effect.token);
      case 'stop':
        this.parts.say(`asking ${context.chargePoint} to stop: ${effect.reason}`, {
          event: 'stopAsked',
          transaction: effect.transaction,
          reason: effect.reason,
        });
        return commands.stop(context.connector, effect.transaction, effect.reason);
      default:
        return unreachable(effect);
    }
  }

  private challenge(): Uint8Array {
    return this.parts.terminal!.entropy.random(CHALLENGE_BYTES);
  }

  private offer(tickValue: number): void {
    const { terminal, keccak256 } = this.parts;
    if (terminal === undefined) return;
    const { register, signed } = this.state.session ?? {};
    // What the meter said so far is bound into what the payer signs: its signed record, or else its reading.
    const meter = signed?.at(-1)?.data ?? (register === undefined ? undefined : String(register.wh));
    this.asking = true;
    void terminal.device.dispatch({
      type: 'streamSale',
      tickValue: tickValue as Amount,
      ticks: TICKS_MAX,
      currency: 'TIME',
      challenge: this.challenge(),
      ...(meter !== undefined && { meter: keccak256(new Uint8Array(Buffer.from(meter))) }),
    });
  }

  private async credit({
    channel,
    voucher,
    credited,
  }: Extract<PlugEffect, { type: 'credit' }>): Promise<void> {
    const lane = () => this.lanes().find(({ digest }) => toHex(digest) === voucher);
    await this.parts.terminal?.device.dispatch({
      type: 'refund',
      channel: channel as ChannelId,
      credited: amount(credited),
    });
    // A device that was busy had only queued it: by now it handles it, and a key may take its time.
    await this.parts.terminal?.device.idle();
    this.tellBooks();
    const now = lane();
    // Another voucher of this payer stands on the lane: none but the newest can be credited here.
    if (now === undefined) this.tell({ type: 'creditFailed', forGood: true });
    else if (now.credited < credited) this.tell({ type: 'creditFailed', forGood: false });
  }

  private show(session: Session): void {
    const price = priceSoFar(session);
    if (price === undefined) return;
    const { id, transaction, register } = session;
    const paid = paidOf(session);
    this.parts.say(`${(register!.energy / 1000).toFixed(2)} kWh, due ${price.total}, paid ${paid}`, {
      event: 'charging',
      session: id,
      transaction: transaction?.id,
      wh: register!.energy,
      due: price.total,
      paid,
    });
  }
}
