/**
 * A charge point with its vehicle, as an OCPP gateway knows one: it starts and stops when it is told to, says what its
 * register reads, has pauses that nobody at the gateway chose, and goes on by itself while the gateway is away; what it had
 * to say meanwhile it says afterwards, with the times of then.
 *
 * Not played here: the messages of OCPP themselves and their schemas (`npm run plug`), tokens, signed records.
 */
import type { PlugEvent, PlugStatus } from '../../hardware/boards/node/ocpp/plug.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND, type World } from '../stage/world/world.ts';

/** What the register read at a moment, as the gateway is told. Watt-hours; unix seconds. */
export interface Reading {
  readonly at: number;
  readonly wh: number;
  /** The vehicle took no more from here on. */
  readonly idle: boolean;
}

/** One charging, from start to stop: what really flowed. */
export interface Charging {
  readonly id: string;
  readonly readings: Reading[];
  over: boolean;
}

/** What a vehicle wants, and what comes in between. */
export interface Vehicle {
  readonly wh: number;
  /** Watts that flow after so many milliseconds. */
  readonly watts: (elapsedMs: number) => number;
  /** Watt-hours after which nothing flows for a while, for so long. */
  readonly pause?: { readonly atWh: number; readonly ms: number };
}

/** Tells the gateway, of a charging or not; false: it is away. */
type Tell = (event: PlugEvent, id?: string) => boolean;

const READING_MS = 20 * SECOND;
/** How long it takes to start and to stop. */
const REACTS_MS = { least: 300, most: 3 * SECOND };
/** A register that was there before. */
const REGISTER_WH = 4_182_350;

export class ChargePoint {
  /** All chargings, for who checks what they cost. */
  readonly chargings: Charging[] = [];
  private readonly world: World;
  private readonly random: Random;
  private readonly tell: Tell;
  private vehicle: Vehicle | undefined;
  private charging: Charging | undefined;
  private readonly waiting: { readonly event: PlugEvent; readonly id: string }[] = [];
  private registerWh = REGISTER_WH;
  private startedMs = 0;
  private flowedWh = 0;
  private pausedUntilMs = 0;
  private wasPaused = false;

  constructor(world: World, random: Random, tell: Tell) {
    this.world = world;
    this.random = random;
    this.tell = tell;
  }

  private get status(): PlugStatus {
    return this.vehicle === undefined ? 'available' : 'plugged';
  }

  /** The vehicle takes no more. */
  get isFull(): boolean {
    return this.vehicle === undefined || this.flowedWh >= this.vehicle.wh;
  }

  get isCharging(): boolean {
    return this.charging !== undefined;
  }

  /** Says something of a charging, now or when the gateway is there again. */
  private say(event: PlugEvent, { id }: Charging): void {
    if (this.waiting.length > 0 || !this.tell(event, id)) this.waiting.push({ event, id });
  }

  /** The gateway is there: it hears what stands, then what it missed. */
  connected(): void {
    if (!this.tell({ type: 'online' }) || !this.tell({ type: 'status', status: this.status })) return;
    while (this.waiting.length > 0) {
      const { event, id } = this.waiting[0]!;
      if (!this.tell(event, id)) return;
      this.waiting.shift();
    }
  }

  plugIn(vehicle: Vehicle): void {
    this.vehicle = vehicle;
    this.flowedWh = 0;
    this.wasPaused = false;
    this.tell({ type: 'status', status: 'plugged' });
  }

  unplug(): void {
    this.stop('EVDisconnected');
    this.vehicle = undefined;
    this.tell({ type: 'status', status: 'available' });
  }

  private reacts(action: () => void): void {
    this.world.after(this.random.between(REACTS_MS.least, REACTS_MS.most), action);
  }

  /** The gateway wants it to start, and to stop. */
  startSoon(): void {
    this.reacts(() => this.start());
  }
  stopSoon(id: string): void {
    this.reacts(() => {
      if (this.charging?.id === id) this.stop('Remote');
    });
  }

  private start(): void {
    if (this.vehicle === undefined || this.charging !== undefined) return;
    const at = this.world.nowSeconds;
    const id = `t${this.chargings.length + 1}`;
    const charging = { id, readings: [{ at, wh: this.registerWh, idle: false }], over: false };
    this.charging = charging;
    this.chargings.push(charging);
    this.startedMs = this.world.nowMs;
    const transaction = { id, key: id, startedAt: at, startWh: this.registerWh };
    this.say({ type: 'started', transaction, flowing: true, awaited: false }, charging);
    this.readOn(charging);
  }

  private readOn(charging: Charging): void {
    const sinceMs = this.world.nowMs;
    this.world.after(READING_MS, () => {
      if (this.charging !== charging) return;
      this.flow(this.world.nowMs - sinceMs);
      const reading = this.read(charging);
      this.say({ type: 'reading', ...reading, flowing: !reading.idle }, charging);
      this.readOn(charging);
    });
  }

  private read(charging: Charging): Reading {
    const reading = { at: this.world.nowSeconds, wh: Math.floor(this.registerWh), idle: this.isFull };
    charging.readings.push(reading);
    return reading;
  }

  /** Energy of the last milliseconds. */
  private flow(ms: number): void {
    const { vehicle, world } = this;
    if (vehicle === undefined || this.isFull || world.nowMs < this.pausedUntilMs) return;
    const wh = Math.floor((vehicle.watts(world.nowMs - this.startedMs) * ms) / 3_600_000);
    this.flowedWh += wh;
    this.registerWh += wh;
    const { pause } = vehicle;
    if (pause === undefined || this.wasPaused || this.flowedWh < pause.atWh) return;
    this.wasPaused = true;
    this.pausedUntilMs = world.nowMs + pause.ms;
  }

  private stop(reason: string): void {
    const { charging } = this;
    if (charging === undefined) return;
    this.charging = undefined;
    charging.over = true;
    const { at, wh } = this.read(charging);
    this.say({ type: 'ended', at, wh, reason }, charging);
  }
}

/** How long a driver leaves a full car plugged in. */
export const LEFT_MS = { least: MINUTE, most: 40 * MINUTE };
