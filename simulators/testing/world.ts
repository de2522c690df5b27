/**
 * `sundial/testing`: wearables, tills, a hub and a chain in one process and in virtual time, for tests of whoever builds on
 * Sundial. Runtime, machines, journal and hub are those that ship; blocks, broker and radio are the simulator's models. A
 * test moves the time itself, and the same seed gives the same run.
 */
import { formatMoney, parsePrice } from '../../hardware/boards/node/cli/money.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import { playMagic } from '../adversary/magic.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import { Simulation } from '../fleet/simulation.ts';
import { tap } from '../fleet/tap.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import { readScenario, SCENARIOS } from '../scenarios/index.ts';
import { standInSuite } from '../stage/world/suite.ts';
import { DAY, HOUR, MINUTE, SECOND, START_SECONDS } from '../stage/world/world.ts';

/** A world of this many devices is one that a person can think about; the fleet simulator takes thousands. */
const DEVICES_MAX = 100;
/** How long a world lives, hours: the fleet's drain follows. */
const LIFE_HOURS = 24 * 28;
/** How long a customer and a cashier try, milliseconds. */
const TRY_MS = MINUTE;

/** What a world is made of. */
export interface WorldOptions {
  /** The same seed gives the same run. */
  readonly seed?: number;
  readonly wearables?: number;
  readonly tills?: number;
  /** Whole TIME behind each wearable. */
  readonly deposit?: number;
}

/** A span of virtual time. */
export interface Span {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
}

/** What came of a sale. */
export interface SaleResult {
  readonly outcome: 'paid' | 'refused' | 'nothing';
  /** The refusal, and whether the till refused or the device at the far end. */
  readonly code?: string;
  readonly by?: string;
}

type Effects = Parameters<PayerActor['device']['cutBefore']>[0];

/** What wearables and tills have in common. */
class Thing<A extends PayerActor | TerminalActor> {
  protected readonly world: World;
  /** The simulator's own device, for whoever needs more. */
  readonly actor: A;

  constructor(world: World, actor: A) {
    this.world = world;
    this.actor = actor;
  }

  get name(): string {
    return this.actor.device.name;
  }

  /** True when its flash can't be trusted any more. */
  get frozen(): boolean {
    return this.actor.device.frozen;
  }

  /** Entries that wait for the hub's word. */
  get waiting(): number {
    return this.actor.device.books.outbox.length;
  }

  /** Gives it a network, or takes it away. */
  network(on: boolean): void {
    const { device } = this.actor;
    this.world.simulation.fleet.setNetwork(device, on);
    if (on) device.goOnline();
    else device.goOffline();
  }

  /** Its power goes just before its next effect of this kind: `persist`, `sign`, `send`, `notify`, `upload`. */
  powerOffBefore(effect: Effects): void {
    this.actor.device.cutBefore(effect);
  }

  powerOff(): void {
    this.actor.device.powerOff('by hand');
  }

  /** It starts from what its flash holds. */
  powerOn(): void {
    if (!this.actor.device.isOn) this.actor.device.boot();
  }

  /** Its clock is wrong by so many seconds from its next start on. */
  setClock(skewSeconds: number): void {
    this.actor.device.clockOffset = skewSeconds;
  }
}

/** A wearable with a deposit of its own. */
export class VirtualWearable extends Thing<PayerActor> {
  get channel(): number {
    return this.actor.channel;
  }

  /** All that it has signed away, units. */
  get spent(): number {
    return this.actor.device.books.spent;
  }

  /** Its owner calls the hub: it was lost. Tills refuse it as soon as they hear of it. */
  revoke(): void {
    this.world.simulation.hub.revoke(this.channel);
  }
}

/** A till of a merchant of its own. */
export class VirtualTill extends Thing<TerminalActor> {
  /** Sales that it took. */
  get accepted(): number {
    return this.actor.device.books.counts.accepted;
  }

  /** What L2 holds for its merchant, units: settled, and credits taken off. */
  get settled(): number {
    return this.world.simulation.vault.balances.get(this.actor.merchant.id) ?? 0;
  }

  /**
   * Asks this wearable for a price such as 4.50. Where nothing comes of it, as when the radio lost a message, cashier and
   * customer try again, `tries` times in all; each takes a minute. Throws `bad_amount`.
   */
  async sell(price: string, wearable: VirtualWearable, tries = 3): Promise<SaleResult> {
    const units = parsePrice(price);
    let result: SaleResult = { outcome: 'nothing' };
    for (let i = 0; i < tries && result.outcome === 'nothing'; i++) result = await this.ask(units, wearable);
    return result;
  }

  private async ask(units: number, wearable: VirtualWearable): Promise<SaleResult> {
    const { simulation } = this.world;
    const heard: Notice[] = [];
    const stop = this.world.hear(this.actor, (notice) => heard.push(notice));
    const random = simulation.random.fork(`sale ${simulation.links}`);
    tap(simulation, random, wearable.actor, this.actor, { amount: units }, { hasty: false, refund: false });
    await this.world.advanceMs(TRY_MS);
    stop();
    if (heard.some(({ type }) => type === 'approved')) return { outcome: 'paid' };
    const refused = heard.findLast((notice) => notice.type === 'refused');
    if (refused?.type !== 'refused') return { outcome: 'nothing' };
    return { outcome: 'refused', code: refused.code, by: refused.by };
  }
}

/** A world in this process. */
export class World {
  readonly simulation: Simulation;
  readonly wearables: readonly VirtualWearable[];
  readonly tills: readonly VirtualTill[];
  private readonly ears = new Map<TerminalActor, (notice: Notice) => void>();

  private constructor(simulation: Simulation) {
    this.simulation = simulation;
    const { payers, terminals } = simulation.fleet;
    this.wearables = payers.map((actor) => new VirtualWearable(this, actor));
    this.tills = terminals.map((actor) => new VirtualTill(this, actor));
    simulation.listen((device, notice) => {
      for (const [actor, ear] of this.ears) if (actor.device === device) ear(notice);
    });
  }

  /** Makes one; its devices have met the hub and have no network now. Rejects with `bad_world`. */
  static async open(options: WorldOptions = {}): Promise<World> {
    const { seed = 1, wearables = 2, tills = 2, deposit = 100 } = options;
    const counts = [wearables, tills, deposit];
    if (counts.some((count) => !Number.isSafeInteger(count) || count < 1) || wearables + tills > DEVICES_MAX)
      throw new SundialError('bad_world', `${wearables} wearables, ${tills} tills, deposit ${deposit}`, {
        severity: 'call',
        remedy: `Give whole numbers above 0, and at most ${DEVICES_MAX} devices.`,
      });
    const devices = wearables + tills;
    const scenario = readScenario(
      {
        ...SCENARIOS.get('tap-offline')!,
        hours: LIFE_HOURS,
        salesPerDay: 0,
        terminalsPerMerchant: 1,
        deposit,
        mix: {
          wearable: 1000 - Math.round((1000 * tills) / devices),
          pos: Math.round((1000 * tills) / devices),
          car: 0,
          charger: 0,
        },
        faults: {},
      },
      'a world of sundial/testing',
    );
    const world = new World(new Simulation({ scenario, devices, seed, suite: standInSuite() }));
    await world.advanceMs(WARMUP_MS);
    return world;
  }

  /** Seconds since 1970, in this world. */
  get now(): number {
    return START_SECONDS + Math.floor(this.simulation.world.nowMs / SECOND);
  }

  /** Vouchers and what else stands in the hub's ledger. */
  get ledgerSize(): number {
    return this.simulation.hub.ledgerSize;
  }

  /** Time passes. Rejects with `promise_broken` when one of the simulator's checkers saw a promise broken, `world_over`. */
  advance({ days = 0, hours = 0, minutes = 0, seconds = 0 }: Span): Promise<void> {
    return this.advanceMs(days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND);
  }

  /** As `advance`, milliseconds. */
  async advanceMs(ms: number): Promise<void> {
    const { simulation } = this;
    const until = simulation.world.nowMs + ms;
    if (until > simulation.activeUntilMs)
      throw new SundialError('world_over', `a world lives ${LIFE_HOURS / 24} days`, {
        severity: 'call',
        remedy: 'Open another one.',
      });
    await simulation.runTo(until);
    const [broken] = simulation.violations;
    if (broken !== undefined)
      throw new SundialError('promise_broken', `${broken.checker}: ${broken.words}`, {
        severity: 'process',
        remedy: 'A defect of Sundial: report it with the seed.',
      });
  }

  /** Everybody gets a network and hands in what waits, merchants sign their credits, the hub settles until it is final. */
  async settle(): Promise<void> {
    for (const one of [...this.tills, ...this.wearables]) one.network(true);
    await this.advance({ minutes: 30 });
    // A credit settles when its voucher has.
    for (let round = 0; round < 2; round++) {
      this.simulation.countersign();
      this.simulation.hub.settle();
      await this.advance({ hours: 1 });
    }
  }

  /** The hub's process dies, and what was not on its disk is gone. It stays away until `startHub`. */
  crashHub(): void {
    this.simulation.hub.crash();
  }

  /** Starts it from its disk. Does nothing while it runs. */
  startHub(): void {
    this.simulation.hub.start();
  }

  /** How many of 1,000 messages on tap links are lost and doubled, and milliseconds that each is later. */
  radio({
    loss = 0,
    duplicate = 0,
    slowMs = 0,
  }: {
    loss?: number;
    duplicate?: number;
    slowMs?: number;
  }): void {
    Object.assign(this.simulation.weather.everybody, {
      tapLoss: loss,
      tapDuplicate: duplicate,
      tapSlowMs: slowMs,
    });
  }

  /** Tells `ear` what a till's display shows. The answer ends it. */
  hear(actor: TerminalActor, ear: (notice: Notice) => void): () => void {
    this.ears.set(actor, ear);
    return () => this.ears.delete(actor);
  }

  /** A till's merchant, as L2 knows it. */
  payeeOf(till: VirtualTill): string {
    return toHex(till.actor.merchant.key.address);
  }
}

/** Makes a world. Rejects with `bad_world`. */
export const openWorld = (options?: WorldOptions): Promise<World> => World.open(options);

/** Wearables that each do one thing wrong, the price that stands for each, and what a till is told. */
export const magicWearables = async () =>
  (await playMagic()).map(({ name, units, about, till }) => ({
    name,
    price: formatMoney(units),
    about,
    till,
  }));
