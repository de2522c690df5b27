/**
 * The broker between devices and the hub. It confirms what it takes and forgets it all when it restarts: its
 * confirmation is no receipt (rule 12). While the hub is down it keeps what came, up to a bound.
 */
import { decodeOwn, type Message } from '../../../protocol/wire/messages.ts';
import type { Random } from '../world/random.ts';
import type { World } from '../world/world.ts';
import type { Conditions } from './conditions.ts';

export interface UplinkEnd {
  /** Hex of its address: how the hub calls it. */
  readonly id: string;
  /** Without power nobody connects. */
  readonly isOn: boolean;
  hubConnected(): void;
  hubLost(): void;
  hubBytes(bytes: Uint8Array): void;
}

export interface HubEnd {
  readonly isUp: boolean;
  receive(device: string, bytes: Uint8Array): void;
  /** A device came or went. */
  presence(device: string, online: boolean): void;
}

const UP_MS = { least: 40, most: 180 };
/** Messages that the broker keeps for a hub that is away: what mosquitto 2 queues for one client unless told otherwise. */
const KEPT_MAX = 1000;

/** What the hub sends, and what a device sends to it. */
export interface Overhearer {
  readonly down: (message: Message) => void;
  readonly up: (message: Message) => void;
}

/** One connection; messages of one direction arrive in the order in which they were sent. */
interface Session {
  readonly end: UplinkEnd;
  readonly epoch: number;
  upMs: number;
  downMs: number;
}

export class Broker {
  hub: HubEnd | undefined;
  /** Who hears all traffic and can change none of it. */
  private readonly overhearers: Overhearer[] = [];
  private epoch = 0;
  private readonly sessions = new Map<string, Session>();
  /** What every device is given that comes, by kind, in the order in which it was first published. */
  private readonly retained = new Map<string, Uint8Array>();
  private kept: { readonly device: string; readonly bytes: Uint8Array }[] = [];
  /** Devices that no network reaches now. */
  readonly cutOff = new Set<string>();
  private readonly world: World;
  private readonly random: Random;
  private readonly conditionsOf: (device: string) => Conditions;
  forgotten = 0;

  /** `conditionsOf`: how bad the uplink of a device is, by its id. */
  constructor(world: World, random: Random, conditionsOf: (device: string) => Conditions) {
    this.world = world;
    this.random = random;
    this.conditionsOf = conditionsOf;
  }

  overhear(overhearer: Overhearer): void {
    this.overhearers.push(overhearer);
  }

  isConnected(device: string): boolean {
    return this.sessions.has(device);
  }

  get connected(): IterableIterator<string> {
    return this.sessions.keys();
  }

  /** Connects a device, unless no network reaches it. */
  connect(end: UplinkEnd): void {
    if (!end.isOn || this.sessions.has(end.id) || this.cutOff.has(end.id)) return;
    this.epoch += 1;
    this.sessions.set(end.id, { end, epoch: this.epoch, upMs: 0, downMs: 0 });
    end.hubConnected();
    this.hub?.presence(end.id, true);
    for (const bytes of this.retained.values()) this.down(end.id, bytes);
  }

  disconnect(device: string): void {
    const session = this.sessions.get(device);
    if (session === undefined) return;
    this.sessions.delete(device);
    session.end.hubLost();
    this.hub?.presence(device, false);
  }

  /** The broker loses its memory: what was confirmed and not delivered is gone, and everybody has to come again. */
  restart(): void {
    this.forgotten += this.kept.length;
    this.kept = [];
    // The hub publishes again what it had retained: it connects again before the devices do.
    this.epoch += 1;
    const ends = [...this.sessions.values()].map(({ end }) => end);
    for (const end of ends) this.disconnect(end.id);
    for (const end of ends) this.world.after(this.random.between(1000, 20_000), () => this.connect(end));
  }

  up(device: string, bytes: Uint8Array): void {
    const session = this.sessions.get(device);
    if (session === undefined) return;
    for (const { up } of this.overhearers) up(decodeOwn(bytes));
    const { random, world } = this;
    const conditions = this.conditionsOf(device);
    if (conditions.upLoss > 0 && random.chance(conditions.upLoss)) return;
    const { epoch } = session;
    const deliver = (): void => {
      let at = world.nowMs + random.between(UP_MS.least, UP_MS.most);
      if (conditions.upReorder > 0 && random.chance(conditions.upReorder)) at += random.below(5000);
      else {
        at = Math.max(at, session.upMs);
        session.upMs = at;
      }
      world.at(at, () => {
        // What was under way when the broker lost its memory or the session ended is lost with it.
        if (this.sessions.get(device)?.epoch === epoch) this.toHub(device, bytes);
      });
    };
    deliver();
    if (conditions.upDuplicate > 0 && random.chance(conditions.upDuplicate)) deliver();
  }

  private toHub(device: string, bytes: Uint8Array): void {
    if (this.hub?.isUp) this.hub.receive(device, bytes);
    else if (this.kept.length < KEPT_MAX) this.kept.push({ device, bytes });
    else this.forgotten += 1;
  }

  /** The hub is there again: it gets what was kept for it. */
  hubStarted(): void {
    const { kept } = this;
    this.kept = [];
    for (const { device, bytes } of kept) this.toHub(device, bytes);
  }

  /** Replaces what is retained of this kind, and gives it to all who are connected. */
  retain(kind: string, bytes: Uint8Array): void {
    this.retained.set(kind, bytes);
    for (const device of this.sessions.keys()) this.down(device, bytes);
  }

  down(device: string, bytes: Uint8Array): void {
    const session = this.sessions.get(device);
    if (session === undefined) return;
    const { random, world } = this;
    const conditions = this.conditionsOf(device);
    for (const { down } of this.overhearers) down(decodeOwn(bytes));
    if (conditions.downLoss > 0 && random.chance(conditions.downLoss)) return;
    const { epoch } = session;
    const deliver = (): void => {
      session.downMs = Math.max(session.downMs, world.nowMs + random.between(UP_MS.least, UP_MS.most));
      world.at(session.downMs, () => {
        const now = this.sessions.get(device);
        if (now?.epoch === epoch) now.end.hubBytes(bytes);
      });
    };
    deliver();
    if (conditions.downDuplicate > 0 && random.chance(conditions.downDuplicate)) deliver();
  }
}
