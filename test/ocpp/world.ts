/**
 * A plug's machine between a charge point and a terminal that are a few lines each: the terminal takes a tick when one is
 * delivered, the charge point stops when it is asked. What is due is computed here by its own means, from the readings.
 */
import { priceOf, type Tariff } from '../../device/tariff/tariff.ts';
import {
  plugAtStart,
  type PlugContext,
  type PlugEffect,
  type PlugEvent,
  type PlugState,
  plugStep,
  START_QUIET,
} from '../../hardware/boards/node/ocpp/plug.ts';
import type { Session } from '../../hardware/boards/node/ocpp/session.ts';
import { amount } from '../../protocol/integers.ts';

export const TICK = 50_000;
/** 0.50 a kWh, so that a tick is 100 Wh. */
export const TARIFF: Tariff = {
  id: 'plain',
  start: amount(0),
  bands: [{ from: 0, to: 1440, perKwh: amount(500_000), perHour: amount(0) }],
  idlePerHour: amount(0),
  idleGrace: 0,
  vat: 0,
  least: amount(0),
};
const VOUCHER = (n: number): string => `0x${n.toString(16).padStart(64, '0')}`;

export class World {
  now = 1_800_000_000;
  state: PlugState;
  readonly effects: PlugEffect[] = [];
  readonly closed: Session[] = [];
  context: PlugContext;
  /** What a power cut leaves. */
  stored: Session | undefined;
  /** The payer answers: pays ticks, opens streams. */
  willing = true;
  /** The terminal's books of the stream that is last. */
  stream = { n: 0, k: 0, credited: 0, live: false };
  takesCredit = true;
  served = false;
  private readonly waiting: PlugEvent[] = [];

  constructor(change: Partial<PlugContext> = {}) {
    this.context = {
      chargePoint: 'CP',
      connector: 1,
      protocol: 'ocpp1.6',
      tariff: TARIFF,
      tickValue: TICK,
      zone: () => 0,
      unpaid: false,
      ...change,
    };
    this.state = plugAtStart(undefined, false, this.now - START_QUIET);
  }

  /** Events that follow at once are handled, too. */
  tell(...events: PlugEvent[]): void {
    this.waiting.push(...events);
    let steps = 0;
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      steps += 1;
      if (steps > 10_000)
        throw new Error(`never done: ${JSON.stringify(next)} ${JSON.stringify(this.state)}`);
      const { state, effects } = plugStep(this.context, this.state, next, this.now);
      this.state = state;
      for (const effect of effects) this.carryOut(effect);
    }
  }

  private answer(...events: PlugEvent[]): void {
    this.waiting.push(...events);
  }

  private tick(): void {
    const { stream } = this;
    if (!this.willing || !stream.live || !this.state.here) return;
    stream.k += 1;
    this.answer({ type: 'books', k: stream.k, credited: stream.credited }, { type: 'tick', k: stream.k });
  }

  private carryOut(effect: PlugEffect): void {
    this.effects.push(effect);
    const { stream } = this;
    switch (effect.type) {
      case 'save':
        this.stored = effect.session;
        return;
      case 'served':
        this.served = effect.served;
        return;
      case 'close':
        this.stored = undefined;
        this.closed.push(effect.session);
        return;
      case 'offer': {
        const n = stream.n + 1;
        this.answer({ type: 'requested', request: VOUCHER(1000 + n) });
        if (!this.willing) return;
        this.stream = { n, k: 0, credited: 0, live: true };
        this.answer({ type: 'streamOpened', voucher: VOUCHER(n), channel: 7 });
        return this.tick();
      }
      case 'delivered':
        if (effect.k !== stream.k) throw new Error(`delivered ${effect.k} of ${stream.k}`);
        return this.tick();
      case 'credit':
        if (effect.credited > stream.k * TICK || effect.credited <= stream.credited)
          throw new Error('no terminal gives this credit');
        if (!this.takesCredit) return this.answer({ type: 'creditFailed', forGood: false });
        stream.credited = effect.credited;
        return this.answer({ type: 'books', k: stream.k, credited: stream.credited });
      case 'closeStream':
        if (!stream.live) return;
        stream.live = false;
        return this.answer({ type: 'sessionOver', reason: 'closed' });
      default:
    }
  }

  /** Power is gone, and back: the terminal's session with it, its books stay. */
  restart(): void {
    const last = this.stored?.streams.at(-1);
    const { k, credited } = this.stream;
    const session =
      this.stored === undefined || last === undefined
        ? this.stored
        : { ...this.stored, streams: [...this.stored.streams.slice(0, -1), { ...last, k, credited }] };
    this.stream.live = false;
    this.waiting.length = 0;
    this.state = plugAtStart(session, this.served, this.now);
  }

  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.now += 1;
      this.tell({ type: 'clock' });
    }
  }

  /** The names of the effects, without those that only store. */
  get did(): string[] {
    return this.effects.map(({ type }) => type).filter((type) => type !== 'save' && type !== 'served');
  }

  start(
    wh = 0,
    change: { readonly key?: string; readonly flowing?: boolean; readonly awaited?: boolean } = {},
  ): void {
    const { key = 'a', flowing = true, awaited = false } = change;
    this.tell({
      type: 'started',
      transaction: { id: key, key, startedAt: this.now, startWh: wh },
      flowing,
      awaited,
    });
  }
}

/** What a plain tariff asks for so many watt-hours. */
export const plainPrice = (wh: number): number => Math.round(wh * 500);

export const priceUsed = (session: Session): number => priceOf(session.tariff, session.usage).total;
