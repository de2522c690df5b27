/** Builds the fleet of a scenario: merchants with terminals, payers with channels. */
import type { Scheme } from '../../hardware/interfaces/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { FaultKind } from '../stage/faults/kinds.ts';
import type { Scenario } from '../scenarios/schema.ts';
import { RamFlash } from '../stage/flash/ram-flash.ts';
import type { SimulatedSuite } from '../stage/world/suite.ts';
import { makePayer, makeTerminal, type Merchant, PAYER_BANK_BYTES, terminalBankBytes } from './actors.ts';
import type { HubIdentity } from './hub-root.ts';
import type { DeviceOptions, Surroundings } from './device.ts';
import { plugOf } from './tariffs.ts';
import { Fleet, type FleetGround, surroundingsOf } from './fleet.ts';
import type { Role, Setup } from './setups.ts';

const TOKEN = 1_000_000;
/** Actors that are no device come first in the trace's numbers. */
const FIRST_DEVICE = 2;
const FLASH = { size: 64 * 1024, blockSize: 4096 };
const CAP_TOTAL = 100_000 * TOKEN;
/** Of a deposit, in 10,000: what an owner wants to be asked about, and what may be paid in a day above what a tap may be. */
const CONFIRM_PER_10000 = 700;
const DAY_PER_10000 = [3000, 10_000, 10_000] as const;

/** The part that journals stand on, where it is not the one of 64 KiB: a board's. */
export interface JournalPart {
  readonly flash: { readonly size: number; readonly blockSize: number };
  readonly banks: number;
  readonly payerLanes: number;
  /** Faults that it does not have. */
  readonly without: readonly FaultKind[];
}

interface Wanted {
  readonly scenario: Scenario;
  readonly devices: number;
  readonly suite: SimulatedSuite;
  readonly part?: JournalPart;
}

class Builder {
  readonly fleet: Fleet;
  private readonly ground: FleetGround;
  private readonly wanted: Wanted;
  private readonly hub: HubIdentity;
  private readonly surroundings: Surroundings;
  private readonly counts: Record<Role, number> = { pos: 0, charger: 0, wearable: 0, car: 0 };
  private index = FIRST_DEVICE;
  private channel = 1;
  private merchant: Merchant | undefined;
  private before: Setup | undefined;

  constructor(ground: FleetGround, wanted: Wanted, setups: readonly Setup[], hub: HubIdentity) {
    const { scenario, devices } = wanted;
    const districts = Math.max(1, Math.floor(devices / (scenario.districts?.devices ?? devices)));
    this.ground = ground;
    this.wanted = wanted;
    this.hub = hub;
    this.surroundings = surroundingsOf(ground);
    this.fleet = new Fleet(hub, districts, scenario.scopes === true);
    for (const { role } of setups) this.counts[role] += 1;
  }

  private district({ role, number }: Setup): number {
    return Math.floor((number * this.fleet.districts) / this.counts[role]);
  }

  private options(setup: Setup, bankBytes: number, realTimeClock: boolean, scheme: Scheme): DeviceOptions {
    const { name, storage } = setup;
    const own = this.ground.random.fork(`device ${name}`);
    const { part, suite } = this.wanted;
    const { flash = FLASH } = part ?? {};
    return {
      index: this.index++,
      name,
      key: suite.key(own.fork('key').bytes(32), scheme),
      random: own.fork('entropy'),
      ...(storage === 'journal' && {
        flash: new RamFlash({ ...flash, seed: own.fork('flash').next() }),
        ...(part && { banks: part.banks, payerLanes: part.payerLanes }),
      }),
      bankBytes,
      driftPpm: own.between(-50, 50),
      realTimeClock,
    };
  }

  /** The merchant of the next terminal: all of a merchant's are of one role and one group. */
  private merchantFor(setup: Setup): Merchant {
    const { before, merchant } = this;
    this.before = setup;
    const isFull = (merchant?.terminals.length ?? 0) >= this.wanted.scenario.terminalsPerMerchant;
    const isAlike = before?.role === setup.role && before.group === setup.group;
    return merchant !== undefined && isAlike && !isFull ? merchant : this.newMerchant(setup);
  }

  private newMerchant(setup: Setup): Merchant {
    const number = this.fleet.merchants.length + 1;
    const key = this.wanted.suite.key(this.ground.random.fork(`merchant ${number}`).bytes(32));
    const id = toHex(key.address).slice(2);
    const district = this.district(setup);
    const watches = this.ground.random.fork(`office ${number}`).chance(this.wanted.scenario.offices ?? 0);
    this.merchant = { index: number, key, id, terminals: [], district, watches, givesCredits: true };
    this.fleet.addMerchant(this.merchant);
    this.ground.vault.registerPayee(key.address);
    return this.merchant;
  }

  addTerminal(setup: Setup, role: 'pos' | 'charger'): void {
    const { ground, hub, surroundings } = this;
    const { outboxMax, lanesMax } = setup;
    const clears = (this.wanted.scenario.largeSales ?? 0) > 0;
    const runsTill =
      role === 'pos' && ground.random.fork(`program ${setup.name}`).chance(this.wanted.scenario.tills ?? 0);
    const till = runsTill && { till: ground.random.fork(`till ${setup.name}`) };
    const isPlug =
      role === 'charger' &&
      ground.random.fork(`gateway ${setup.name}`).chance(this.wanted.scenario.gateways ?? 0);
    const plug = isPlug && { plug: plugOf(ground.random.fork(`plug ${setup.name}`)) };
    const limits = { capTotal: CAP_TOTAL, outboxMax, lanesMax, clears, ...till, ...plug };
    const merchant = this.merchantFor(setup);
    const options = this.options(setup, terminalBankBytes(setup), true, 'secp256k1');
    this.fleet.add(makeTerminal(ground.signing, role, merchant, limits, hub, options, surroundings), setup);
  }

  addPayer(setup: Setup, role: 'wearable' | 'car'): void {
    const { ground, hub, surroundings, fleet, wanted } = this;
    const { clocklessPayers, deposit, largeSales = 0 } = wanted.scenario;
    const scheme = ground.random.fork(`scheme ${setup.name}`).chance(setup.p256) ? 'p256' : 'secp256k1';
    const options = this.options(setup, PAYER_BANK_BYTES, clocklessPayers !== true, scheme);
    const { channel } = this;
    this.channel += 1;
    ground.vault.open(channel, options.key.address, deposit * TOKEN);
    const scope = fleet.scopeOf(this.district(setup));
    const share = (per10000: number): number => Math.floor((deposit * TOKEN * per10000) / 10_000);
    const limits = largeSales > 0 && {
      confirm: share(CONFIRM_PER_10000),
      day: share(DAY_PER_10000[this.channel % DAY_PER_10000.length]!),
    };
    const account = { channel, ...(scope && { scope }), ...(limits && { limits }) };
    fleet.add(makePayer(ground.signing, role, account, hub, options, surroundings), setup);
  }
}

/** Makes every device of `setups`, in their order, with its merchant or its channel. */
export function buildFleet(
  ground: FleetGround,
  wanted: Wanted,
  setups: readonly Setup[],
  hub: HubIdentity,
): Fleet {
  const builder = new Builder(ground, wanted, setups, hub);
  for (const setup of setups) {
    if (setup.role === 'pos' || setup.role === 'charger') builder.addTerminal(setup, setup.role);
    else builder.addPayer(setup, setup.role);
  }
  ground.vault.takeUndo();
  return builder.fleet;
}
