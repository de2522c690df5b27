/** The fleet of a run: who is in it, who is whose, and who has a network when. */
import { toHex } from '../../protocol/bytes.ts';
import type { Timing } from '../../protocol/limits.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { Broker } from '../stage/network/broker.ts';
import type { Scenario } from '../scenarios/schema.ts';
import type { VaultModel } from '../stage/chain/vault.ts';
import type { Random } from '../stage/world/random.ts';
import { DAY, HOUR, MINUTE, type World } from '../stage/world/world.ts';
import { makePayer, type Merchant, PAYER_BANK_BYTES, type PayerActor, type TerminalActor } from './actors.ts';
import type { HubIdentity } from './hub-root.ts';
import type { Setup } from './setups.ts';
import type { AnyDevice, DeviceOptions, DeviceWatcher, Surroundings } from './device.ts';

export interface FleetGround {
  readonly world: World;
  readonly random: Random;
  readonly signing: Signing;
  readonly broker: Broker;
  readonly vault: VaultModel;
  readonly deviceWatcher: DeviceWatcher;
  readonly timing: Timing;
  /** Every tick of every clock is run, also those that change nothing. */
  readonly allTicks: boolean;
}

export const surroundingsOf = ({
  world,
  broker,
  deviceWatcher,
  timing,
  allTicks,
}: FleetGround): Surroundings => ({
  world,
  broker,
  watcher: deviceWatcher,
  timing,
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
  private readonly setups = new Map<AnyDevice, Setup>();
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

  add(actor: PayerActor | TerminalActor, setup: Setup): void {
    this.actors[actor.device.index] = actor;
    this.setups.set(actor.device, setup);
    this.setNetwork(actor.device, setup.network === 'always');
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

  /** How the scenario describes a device of the fleet. */
  setupOf(device: AnyDevice): Setup {
    return this.setups.get(device)!;
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
      bankBytes: PAYER_BANK_BYTES,
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
