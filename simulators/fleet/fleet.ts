/** Builds the fleet of a scenario: merchants with terminals, payers with channels, and who has a network when. */
import { toHex } from '../../protocol/bytes.ts';
import type { Scheme } from '../../hardware/interfaces/index.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { RamFlash } from '../stage/flash/ram-flash.ts';
import type { Broker } from '../stage/network/broker.ts';
import type { Scenario } from '../scenarios/schema.ts';
import type { VaultModel } from '../stage/chain/vault.ts';
import type { Random } from '../stage/world/random.ts';
import type { SimulatedSuite } from '../stage/world/suite.ts';
import { DAY, HOUR, MINUTE, type World } from '../stage/world/world.ts';
import {
  type HubIdentity,
  makePayer,
  makeTerminal,
  type Merchant,
  type PayerActor,
  type TerminalActor,
} from './actors.ts';
import type { AnyDevice, DeviceOptions, DeviceWatcher, Surroundings } from './device.ts';

const TOKEN = 1_000_000;
/** Actors that are no device come first in the trace's numbers. */
const FIRST_DEVICE = 2;
const FLASH = { size: 64 * 1024, blockSize: 4096 };

export interface FleetGround {
  readonly world: World;
  readonly random: Random;
  readonly signing: Signing;
  readonly broker: Broker;
  readonly vault: VaultModel;
  readonly deviceWatcher: DeviceWatcher;
  /** Every tick of every clock is run, also those that change nothing. */
  readonly allTicks: boolean;
}

const surroundingsOf = ({ world, broker, deviceWatcher, allTicks }: FleetGround): Surroundings => ({
  world,
  broker,
  watcher: deviceWatcher,
  allTicks,
});

export interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
}

export class Fleet {
  readonly merchants: Merchant[] = [];
  readonly payers: PayerActor[] = [];
  readonly byRole = { wearable: [] as PayerActor[], car: [] as PayerActor[] };
  readonly terminals: TerminalActor[] = [];
  readonly devices: AnyDevice[] = [];
  private readonly actors: (PayerActor | TerminalActor)[] = [];
  private readonly online = new Map<AnyDevice, { readonly always: boolean; window: Window | undefined }>();
  private readonly byMerchant = new Map<string, Merchant>();
  private readonly byAddress = new Map<string, TerminalActor>();
  private readonly byChannel = new Map<number, PayerActor>();
  drained = false;
  /** Districts of the city: payers live in them in the order of their numbers. */
  readonly districts: number;
  private readonly hub: HubIdentity;
  private readonly hasScopes: boolean;

  constructor(hub: HubIdentity, districts: number, hasScopes: boolean) {
    this.hasScopes = hasScopes;
    this.hub = hub;
    this.districts = districts;
  }

  add(actor: PayerActor | TerminalActor): void {
    this.actors[actor.device.index] = actor;
    this.devices.push(actor.device);
    if (actor.kind === 'payer') {
      this.payers.push(actor);
      this.byRole[actor.role].push(actor);
      if (!this.byChannel.has(actor.channel)) this.byChannel.set(actor.channel, actor);
    } else {
      this.terminals.push(actor);
      this.byAddress.set(actor.device.id, actor);
    }
  }

  addMerchant(merchant: Merchant): void {
    this.merchants.push(merchant);
    this.byMerchant.set(merchant.id, merchant);
  }

  actorOf(device: AnyDevice): PayerActor | TerminalActor | undefined {
    return this.actors[device.index];
  }

  /** No till asks this payer by chance any more. */
  takeOut(payer: PayerActor): void {
    const list = this.byRole[payer.role];
    if (list.includes(payer)) list.splice(list.indexOf(payer), 1);
  }

  /** A second device with the key of a payer; nobody in the fleet meets it by chance. */
  addCopy(ground: FleetGround, original: PayerActor, number: number): PayerActor {
    const name = `${original.device.name}-copy-${number}`;
    const options: DeviceOptions = {
      index: this.actors.length,
      name,
      key: original.device.key.made,
      random: ground.random.fork(`device ${name}`),
      driftPpm: 0,
      realTimeClock: true,
    };
    const surroundings = surroundingsOf(ground);
    const { scope } = original.settings;
    const account = { channel: original.channel, ...(scope && { scope }) };
    const copy = makePayer(ground.signing, original.role, account, this.hub, options, surroundings);
    copy.honest = false;
    this.actors[options.index] = copy;
    return copy;
  }

  /** The scope of a district's merchants; undefined when leases name none. */
  scopeOf(district: number): Uint8Array | undefined {
    return this.hasScopes
      ? Uint8Array.from({ length: 32 }, (_, i) => (i < 31 ? 0x5c : district + 1))
      : undefined;
  }

  /** As the hub is told: hex of each scope, with the hex of its payees. */
  scopes(): Record<string, string[]> {
    const found: Record<string, string[]> = {};
    for (const { id, district } of this.merchants) {
      const scope = this.scopeOf(district);
      if (scope === undefined) continue;
      const key = toHex(scope).slice(2);
      found[key] = [...(found[key] ?? []), id];
    }
    return found;
  }

  terminalOf(address: Uint8Array): TerminalActor | undefined {
    return this.byAddress.get(toHex(address).slice(2));
  }

  merchantOf(id: string): Merchant | undefined {
    return this.byMerchant.get(id);
  }

  payerOf(channel: number): PayerActor | undefined {
    return this.byChannel.get(channel);
  }

  setNetwork(device: AnyDevice, always: boolean): void {
    this.online.set(device, { always, window: undefined });
  }

  setWindow(device: AnyDevice, window: Window | undefined): void {
    this.online.get(device)!.window = window;
  }

  /** Whether a network reaches the device now, as far as its own life goes. */
  isOnline(device: AnyDevice, nowMs: number): boolean {
    const found = this.online.get(device);
    if (this.drained || found === undefined || found.always) return true;
    return found.window !== undefined && found.window.fromMs <= nowMs && nowMs < found.window.untilMs;
  }
}

/** How many devices of each role a fleet of `devices` has; at least one that pays and one that is paid. */
export function rolesOf(mix: Scenario['mix'], devices: number): Record<keyof Scenario['mix'], number> {
  const count = (share: number): number => Math.floor((devices * share + 500) / 1000);
  const pos = mix.pos > 0 ? Math.max(1, count(mix.pos)) : 0;
  const charger = mix.charger > 0 ? Math.max(1, count(mix.charger)) : 0;
  const car = mix.car > 0 ? Math.max(1, count(mix.car)) : 0;
  return { pos, charger, car, wearable: Math.max(mix.wearable > 0 ? 1 : 0, devices - pos - charger - car) };
}

export function buildFleet(
  ground: FleetGround,
  options: { readonly scenario: Scenario; readonly devices: number; readonly suite: SimulatedSuite },
  hub: HubIdentity,
): Fleet {
  const { scenario, suite } = options;
  const { random, signing, vault } = ground;
  const districts = Math.max(
    1,
    Math.floor(options.devices / (scenario.districts?.devices ?? options.devices)),
  );
  const fleet = new Fleet(hub, districts, scenario.scopes === true);
  const surroundings = surroundingsOf(ground);
  const roles = rolesOf(scenario.mix, options.devices);
  let index = FIRST_DEVICE;
  const deviceOptions = (name: string, realTimeClock = true, scheme: Scheme = 'secp256k1'): DeviceOptions => {
    const own = random.fork(`device ${name}`);
    const options: DeviceOptions = {
      index: index++,
      name,
      key: suite.key(own.fork('key').bytes(32), scheme),
      random: own.fork('entropy'),
      ...(scenario.storage === 'journal' && {
        flash: new RamFlash({ ...FLASH, seed: own.fork('flash').next() }),
      }),
      driftPpm: own.between(-50, 50),
      realTimeClock,
    };
    return options;
  };
  const limits = {
    capTotal: 100_000 * TOKEN,
    outboxMax: scenario.outboxMax,
    lanesMax: scenario.lanesMax,
  };
  for (const role of ['pos', 'charger'] as const) {
    let merchant: Merchant | undefined;
    for (let i = 0; i < roles[role]; i++) {
      if (merchant === undefined || merchant.terminals.length >= scenario.terminalsPerMerchant) {
        const number = fleet.merchants.length + 1;
        const key = suite.key(random.fork(`merchant ${number}`).bytes(32));
        merchant = {
          index: number,
          key,
          id: toHex(key.address).slice(2),
          terminals: [],
          district: Math.floor((i * districts) / roles[role]),
          givesCredits: true,
        };
        fleet.addMerchant(merchant);
        vault.registerPayee(key.address);
      }
      const options = deviceOptions(`${role}-${i + 1}`);
      fleet.add(makeTerminal(signing, role, merchant, limits, hub, options, surroundings));
    }
  }
  let channel = 1;
  for (const role of ['wearable', 'car'] as const) {
    for (let i = 0; i < roles[role]; i++, channel++) {
      const name = `${role}-${i + 1}`;
      const scheme = random.fork(`scheme ${name}`).chance(scenario.p256 ?? 0) ? 'p256' : 'secp256k1';
      const options = deviceOptions(name, scenario.clocklessPayers !== true, scheme);
      vault.open(channel, options.key.address, scenario.deposit * TOKEN);
      const scope = fleet.scopeOf(Math.floor((i * districts) / roles[role]));
      fleet.add(makePayer(signing, role, { channel, ...(scope && { scope }) }, hub, options, surroundings));
    }
  }
  vault.takeUndo();
  for (const { role, device } of [...fleet.terminals, ...fleet.payers])
    fleet.setNetwork(device, scenario.network[role] === 'always');
  return fleet;
}

/** The next time from `fromMs` on at which a device of this plan has a network; undefined: never. */
export function nextWindow(
  random: Random,
  plan: Scenario['network']['pos'],
  fromMs: number,
): Window | undefined {
  switch (plan) {
    case 'always':
    case 'never':
      return undefined;
    case 'hourly': {
      const start = fromMs + random.between(40 * MINUTE, 80 * MINUTE);
      return { fromMs: start, untilMs: start + random.between(MINUTE, 4 * MINUTE) };
    }
    case 'daily': {
      const start = fromMs + random.between(DAY - 4 * HOUR, DAY + 4 * HOUR);
      return { fromMs: start, untilMs: start + random.between(MINUTE, 6 * MINUTE) };
    }
  }
}
