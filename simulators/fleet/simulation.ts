/**
 * One run: a fleet, a hub, a chain and a schedule of faults in one virtual time. Everything follows from the scenario,
 * the number of devices and the seed; the same three give the same trace, event by event.
 */
import type { Fault as RuntimeFault } from '../../device/runtime.ts';
import { bytesKey, trieEntries } from '../../hub/intake/trie.ts';
import { type Address, toHex } from '../../protocol/bytes.ts';
import { type Seconds, seconds } from '../../protocol/integers.ts';
import {
  CHANNEL_CAP_TAPS,
  DEFAULT_TIMING,
  TAP_LIMIT_PER_10000,
  TICK_VALUE_DIVISOR,
  type Timing,
  shareOf,
} from '../../protocol/limits.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import { type Domain, makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import type { PayerRecord } from '../../protocol/machines/payer/books.ts';
import type { TerminalLane, TerminalRecord } from '../../protocol/machines/terminal/books.ts';
import { refusalNumber } from '../../protocol/refusals.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import { Chain } from '../stage/chain/chain.ts';
import { VaultModel } from '../stage/chain/vault.ts';
import type { Checker, MakeChecker, Violation } from '../checkers/checker.ts';
import { CHECKERS } from '../checkers/index.ts';
import { applyFault, heal } from '../stage/faults/apply.ts';
import { planFaults, weatherOf } from '../stage/faults/plan.ts';
import type { Fault } from '../stage/faults/schedule.ts';
import { planAdversaries } from '../adversary/adversaries.ts';
import { type Aftermath, aftermath } from '../adversary/aftermath.ts';
import { Accounts } from './accounts.ts';
import { BackOffice } from './back-office.ts';
import type { PayerActor, TerminalActor } from './actors.ts';
import type { AnyDevice, DeviceWatcher } from './device.ts';
import { buildFleet, type JournalPart } from './build.ts';
import type { Fleet } from './fleet.ts';
import { type HubOptions, SimulatedHub } from './hub.ts';
import { planDrain, planLife } from './life.ts';
import type { Refund } from './place.ts';
import { Broker } from '../stage/network/broker.ts';
import type { Weather } from '../stage/network/weather.ts';
import { type TapEnd, TapLink } from '../stage/network/tap-link.ts';
import type { Scenario } from '../scenarios/schema.ts';
import { HubRoot } from './hub-root.ts';
import { PayeeOffice } from './payee-office.ts';
import { Random } from '../stage/world/random.ts';
import type { SimulatedSuite } from '../stage/world/suite.ts';
import type { Loss, Run } from './run.ts';
import { setupsOf } from './setups.ts';
import { drainMsOf, WARMUP_MS } from './timing.ts';
import { Trace } from '../stage/world/trace.ts';
import { DAY, HOUR, MINUTE, SECOND, START_SECONDS, World } from '../stage/world/world.ts';

/** Entries that the simulated hub has room for: a city of 10,000 makes some two million a day. */
/** Hours that a key of the hub is certified where a scenario says nothing: as long as the root may. */
const HUB_KEY_HOURS = 720;
const HUB_INDEXED_MAX = 16_000_000;
/** Rows that fit into a settlement's gas. */
const LANES_MAX = 1000;

/** Violations after which a run ends: the first one is what matters. */
const VIOLATIONS_MAX = 20;

export interface SimulationOptions {
  readonly scenario: Scenario;
  readonly devices: number;
  readonly seed: number;
  readonly suite: SimulatedSuite;
  /** Only these faults of the schedule happen; absent: all. */
  readonly keepFaults?: ReadonlySet<number>;
  /** Virtual milliseconds after which payments and faults stop; the drain follows. */
  readonly untilMs?: number;
  /** Runs every tick of every clock, also those that change nothing: the trace must be the same. */
  readonly allTicks?: boolean;
  /** Keeps every decision as a line. */
  readonly keepTrace?: boolean;
  readonly checkers?: readonly MakeChecker[];
  /** What vouchers are signed for; absent: a chain and a vault that exist nowhere. */
  readonly domain?: Domain;
  /** What journals of the scenario stand on, where it is another part than the fleet's. */
  readonly part?: JournalPart;
  /** Makes the vault's model; absent: one that keeps no journal. */
  readonly makeVault?: (signing: Signing) => VaultModel;
}

const NOWHERE: Domain = { chainId: 31_337, vault: new Uint8Array(20).fill(0x5d) };

const ACTORS = { hub: { index: 0, name: 'hub' }, chain: { index: 1, name: 'chain' } } as const;

export class Simulation implements Run {
  readonly world = new World();
  readonly trace = new Trace();
  readonly weather: Weather;
  readonly random: Random;
  readonly signing: Signing;
  readonly timing: Timing;
  readonly vault: VaultModel;
  readonly chain: Chain;
  readonly broker: Broker;
  readonly hub: SimulatedHub;
  readonly fleet: Fleet;
  readonly accounts = new Accounts();
  readonly faults: readonly Fault[];
  readonly violations: Violation[] = [];
  readonly losses: Loss[] = [];
  readonly options: SimulationOptions;
  readonly allTicks: boolean;
  /** When payments and faults stop. */
  readonly activeUntilMs: number;
  readonly endMs: number;
  readonly notices = new Map<string, number>();
  /** By a device's id. */
  private readonly names: ReadonlyMap<string, string>;
  readonly root: HubRoot;
  private readonly backOffices: readonly BackOffice[];
  links = 0;
  cuts = 0;
  /** Clearances that the hub signed. */
  clearances = 0;
  /** What became of the channels of dishonest payers, once the run is over. */
  justice: readonly Aftermath[] = [];
  private readonly listeners: ((device: AnyDevice, notice: Notice) => void)[] = [];
  private readonly overhearers: ((device: AnyDevice, message: Message) => void)[] = [];
  private readonly checkers: Checker[] = [];
  private readonly damages = new Map<AnyDevice, number>();

  constructor(options: SimulationOptions) {
    this.options = options;
    this.allTicks = options.allTicks ?? false;
    const { scenario, suite } = options;
    this.random = new Random(options.seed);
    if (options.keepTrace) this.trace.lines = [];
    this.signing = makeSigning(suite, options.domain ?? NOWHERE);
    const { leaseMinutes, slowLaneMinutes } = scenario;
    this.timing = {
      ...DEFAULT_TIMING,
      ...(leaseMinutes !== undefined && { leaseLifetime: leaseMinutes * 60 }),
      ...(slowLaneMinutes !== undefined && { slowLane: slowLaneMinutes * 60 }),
    };
    this.vault = options.makeVault?.(this.signing) ?? new VaultModel(this.signing, this.timing);
    const network = this.random.fork('network');
    this.chain = new Chain(this.world, this.random.fork('chain'), this.vault, (vault) => {
      if (vault.touched.size > 0) this.checkVault();
    });
    const setups = setupsOf(scenario, options.devices);
    this.weather = weatherOf(scenario, setups);
    this.broker = new Broker(this.world, network.fork('broker'), (device) =>
      this.weather.of(this.names.get(device) ?? device),
    );
    const fullMs = WARMUP_MS + scenario.hours * HOUR;
    this.activeUntilMs = Math.max(WARMUP_MS, Math.min(fullMs, options.untilMs ?? fullMs));
    this.endMs = this.activeUntilMs + drainMsOf(scenario);
    const root = new HubRoot(
      suite,
      this.random,
      this.signing,
      scenario.hubKeyHours ?? HUB_KEY_HOURS,
      // Whoever looks at what comes after the end still finds a key.
      (fullMs + drainMsOf(scenario)) / SECOND + 30 * 86_400,
    );
    this.root = root;
    this.vault.hubKeys.push(...root.keys.map(({ address }) => address));
    this.fleet = buildFleet(this, options, setups, root.identity);
    this.names = new Map(this.fleet.devices.map(({ id, name }) => [id, name]));
    this.hub = new SimulatedHub(
      {
        ...this.hubRules(),
        root,
        nodes: scenario.nodes ?? 1,
        pendingMax: scenario.hubQueueMax,
        lanesMax: this.settlementRows(),
        random: this.random.fork('hub'),
        beaconMs: scenario.beaconMinutes * MINUTE,
        batchMs: scenario.batchMinutes * MINUTE,
      },
      this.world,
      this.broker,
      this.chain,
      this.hubWatcher(),
    );
    this.backOffices = this.fleet.merchants.map(
      (merchant) => new BackOffice(merchant, this.signing, this.timing),
    );
    this.faults = planFaults(this.random, scenario, setups).filter(
      ({ kind }) => options.part?.without.includes(kind) !== true,
    );
    for (const make of options.checkers ?? CHECKERS) {
      const checker: Checker = make(this, (words) => this.report(checker.name, words));
      this.checkers.push(checker);
    }
  }

  /**
   * Rows of one settlement: what fits into a transaction's gas, or so few that several are under way at once; enough that
   * all is settled by the end.
   */
  private settlementRows(): number {
    const isSmall = this.random.fork('settlements').below(3) === 0;
    return isSmall ? Math.max(4, this.fleet.payers.length) : LANES_MAX;
  }

  private hubRules(): Pick<HubOptions, 'signing' | 'timing' | 'scopes' | 'leaseAnyScope' | 'indexedMax'> {
    return {
      signing: this.signing,
      timing: this.timing,
      scopes: this.fleet.scopes(),
      leaseAnyScope: this.options.scenario.scopes !== true,
      indexedMax: HUB_INDEXED_MAX,
    };
  }

  report(checker: string, words: string): void {
    if (this.violations.length < VIOLATIONS_MAX)
      this.violations.push({ checker, atMs: this.world.nowMs, words });
  }

  /** Plans everything; `run` then only moves time. */
  private planned = false;
  private plan(): void {
    this.planned = true;
    this.hub.start();
    for (const moment of this.root.moments) {
      const atMs = (moment - START_SECONDS) * SECOND;
      if (atMs < this.endMs) this.world.at(Math.max(atMs, 0), () => this.hub.bringWords());
    }
    if (this.options.scenario.hubDown) this.world.at(WARMUP_MS, () => this.hub.crash());
    this.checkVault();
    for (const merchant of this.fleet.merchants)
      if (merchant.watches) new PayeeOffice(this, merchant).begin();
    planLife(this);
    planAdversaries(this);
    const { keepFaults } = this.options;
    for (const fault of this.faults) {
      if (fault.atMs >= this.activeUntilMs || (keepFaults !== undefined && !keepFaults.has(fault.id)))
        continue;
      this.world.at(fault.atMs, () => applyFault(this, fault));
    }
    this.world.at(this.activeUntilMs, () => {
      heal(this);
      planDrain(this);
    });
  }

  /** Runs to a virtual time, or to the first violation. False when there is nothing left to do. */
  async runTo(timeMs: number): Promise<boolean> {
    if (!this.planned) this.plan();
    // In slices, so that a violation is seen soon after it happened.
    while (this.world.nowMs < Math.min(timeMs, this.endMs)) {
      await this.world.run(Math.min(this.world.nowMs + MINUTE, timeMs, this.endMs));
      if (this.violations.length > 0) return false;
    }
    if (this.world.nowMs < this.endMs) return true;
    for (const checker of this.checkers) checker.finished?.();
    this.justice = aftermath(this);
    return false;
  }

  async run(): Promise<void> {
    while (await this.runTo(this.world.nowMs + DAY));
  }

  // ---- what behaviour asks for ----

  link(payer: PayerActor['device'], terminal: TerminalActor['device']): TapLink {
    this.links += 1;
    const random = this.random.fork(`link ${payer.index} ${this.links}`);
    return new TapLink(this.world, random, this.weather.of(payer.name, terminal.name), [payer, terminal]);
  }

  /** Joins something that is no device of the fleet to a device. */
  join(end: TapEnd, device: AnyDevice): TapLink {
    this.links += 1;
    const random = this.random.fork(`joined ${this.links}`);
    return new TapLink(this.world, random, this.weather.of(device.name), [end, device]);
  }

  /** Tells somebody every notice, and every message that a device sends on a tap link. */
  listen(listener: (device: AnyDevice, notice: Notice) => void): void {
    this.listeners.push(listener);
  }
  overhear(listener: (device: AnyDevice, message: Message) => void): void {
    this.overhearers.push(listener);
  }

  /** Tells somebody every message that the hub sends, and every one that a device sends to it. */
  overhearHub(down: (message: Message) => void, up: (message: Message) => void): void {
    this.broker.overhear({ down, up });
  }

  cancel(terminal: TerminalActor): void {
    if (terminal.till === undefined) terminal.device.dispatch({ type: 'cancel' });
    else terminal.till.cancel();
  }

  refund(random: Random, terminal: TerminalActor, { channel, units, order }: Refund): void {
    this.world.after(random.between(MINUTE, 30 * MINUTE), () => {
      if (order !== undefined) return terminal.till!.giveBack(random, order);
      terminal.device.dispatch({
        type: 'refund',
        channel: channel as never,
        credited: random.between(1, units) as never,
      });
    });
  }

  /** Merchants look through what their terminals gave back, and sign what they stand by (rule 4). */
  countersign(): void {
    const owed = new Set(trieEntries(this.hub.books.owed).map(([, found]) => found && bytesKey(found.payee)));
    for (const office of this.backOffices) if (owed.has(office.id)) office.work(this.hub, this.broker);
  }

  lentByThief(lease: MessageOf<'lease'>): void {
    for (const checker of this.checkers) checker.lentByThief?.(lease);
  }

  // ---- what checkers ask for ----

  /** Has the checkers look at every channel that changed. */
  checkVault(): void {
    for (const checker of this.checkers) checker.vaultChanged?.(this.vault);
    this.vault.touched.clear();
  }

  markDamaged(device: AnyDevice): void {
    this.damages.set(device, this.damagesOf(device) + 1);
  }

  isDamaged(device: AnyDevice): boolean {
    return this.damages.has(device);
  }

  damagesOf(device: AnyDevice): number {
    return this.damages.get(device) ?? 0;
  }

  isFrozenTerminal(address: Address): boolean {
    const device = this.fleet.terminalOf(address)?.device;
    return device !== undefined && (device.frozen || device.key.dead);
  }

  /** Rule 10 for one channel: before the bond is taken off, and after. */
  lossBoundOf(channel: number): { readonly beforeBond: number; readonly afterBond: number } {
    const { deposited, potOpened, bond } = this.vault.channel(channel);
    const tapLimit = shareOf(deposited as never, TAP_LIMIT_PER_10000);
    const cap = CHANNEL_CAP_TAPS * tapLimit;
    const tickValue = Math.floor(tapLimit / TICK_VALUE_DIVISOR);
    const terminals = this.accounts.terminals.get(channel)?.size ?? 0;
    const beforeBond = terminals * (Math.min(deposited - potOpened - bond, cap) + tickValue);
    return { beforeBond, afterBond: Math.max(0, beforeBond - potOpened) };
  }

  // ---- watching ----

  get deviceWatcher(): DeviceWatcher {
    return {
      notice: (device, notice) => this.onNotice(device, notice),
      sent: (device, message) => this.onSent(device, message),
      cut: (device, at) => {
        this.cuts += 1;
        this.note(device, 'cut', 0, 0, undefined, at);
        this.onCancelled(device);
      },
      cancelled: (device) => this.onCancelled(device),
      stored: (device, record) => this.onStored(device, record as TerminalRecord),
      changed: (device, difference) =>
        this.report('journal', `${device.name} reads back what it never stored: ${difference}`),
      booted: (device, frozen) => {
        this.note(device, frozen ? 'frozen' : 'boot');
        if (frozen) this.onFroze(device);
        else this.onStarted(device);
      },
      fault: (device, fault: RuntimeFault) => {
        this.note(device, 'fault', fault.frozen ? 1 : 0, 0, undefined, fault.message);
      },
    };
  }

  private note(
    device: AnyDevice,
    decision: Parameters<Trace['note']>[2],
    a = 0,
    b = 0,
    payment?: string,
    words?: string,
  ): void {
    this.trace.note(this.world.nowMs, device, decision, a, b, payment, words);
  }

  private onCancelled(device: AnyDevice): void {
    const actor = this.fleet.actorOf(device);
    if (actor?.kind !== 'terminal') return;
    for (const checker of this.checkers) checker.cancelled?.(actor);
  }

  private onStarted(device: AnyDevice): void {
    const actor = this.fleet.actorOf(device);
    for (const checker of actor === undefined ? [] : this.checkers) {
      if (actor?.kind === 'payer') checker.payerStarted?.(actor);
      else if (actor !== undefined) checker.terminalStarted?.(actor);
    }
  }

  private onFroze(device: AnyDevice): void {
    const actor = this.fleet.actorOf(device);
    if (actor?.kind === 'terminal') for (const checker of this.checkers) checker.terminalFroze?.(actor);
  }

  private onSent(device: AnyDevice, message: Message): void {
    for (const listener of this.overhearers) listener(device, message);
    const actor = this.fleet.actorOf(device);
    if (actor?.kind !== 'payer') return;
    for (const checker of this.checkers) checker.payerSent?.(actor, message);
  }

  private onNotice(device: AnyDevice, notice: Notice): void {
    this.notices.set(notice.type, (this.notices.get(notice.type) ?? 0) + 1);
    this.noteNotice(device, notice);
    for (const listener of this.listeners) listener(device, notice);
    const actor = this.fleet.actorOf(device);
    if (actor === undefined) return;
    if (actor.kind === 'payer') {
      for (const checker of this.checkers) checker.payerNotice?.(actor, notice);
      return;
    }
    for (const checker of this.checkers) checker.terminalNotice?.(actor, notice);
  }

  /** A sale counts when its voucher is stored: that is when the till may say approved, even if the power goes then. */
  private onStored(device: AnyDevice, record: TerminalRecord): void {
    const actor = this.fleet?.actorOf(device);
    if (actor?.kind === 'payer') this.noteWrittenOff(actor, record as unknown as PayerRecord);
    if (actor?.kind !== 'terminal') return;
    for (const checker of this.checkers) checker.terminalStored?.(actor, record);
    const { merchant } = actor;
    const isTaken = record.type === 'answered' || record.type === 'cleared';
    if (isTaken && record.receipt !== undefined) {
      this.accounts.taps += record.voucher.kind === 'voucher' ? 1 : 0;
      this.accounts.add(record.voucher.channel, merchant, device.index, record.request.amount);
    } else if (record.type === 'tick') {
      const lane = device.storedBooks.lanes.find((known: TerminalLane) => known.channel === record.channel);
      const stream = bytesKey(lane.digest);
      if (record.late) return void this.accounts.late.set(stream, (this.accounts.late.get(stream) ?? 0) + 1);
      this.accounts.ticks += 1;
      this.accounts.add(record.channel, merchant, device.index, lane.stream.voucher.tickValue);
    }
  }

  /** A tick whose charger forgot the stream: the payer gave it up, whether it was delivered for or not. */
  private noteWrittenOff({ channel }: PayerActor, record: PayerRecord): void {
    if (record.type === 'tickForgotten') this.accounts.writtenOff.push({ channel, ...record });
  }

  private noteNotice(device: AnyDevice, notice: Notice): void {
    const short = (bytes: Uint8Array): string | undefined =>
      this.trace.lines === undefined ? undefined : toHex(bytes.subarray(0, 6));
    switch (notice.type) {
      case 'approved':
        return this.note(device, 'approved', notice.channel, notice.amount, short(notice.voucher));
      case 'streamOpened':
        return this.note(device, 'streamOpened', notice.channel, notice.ticks, short(notice.voucher));
      case 'deliver':
        return this.note(device, 'deliver', notice.channel, notice.k);
      case 'voided':
        return this.note(device, 'voided', notice.amount, 0, short(notice.voucher));
      case 'refused':
        return this.note(
          device,
          'refused',
          refusalNumber(notice.code),
          0,
          undefined,
          `${notice.code} by ${notice.by}`,
        );
      case 'paid':
        return this.note(device, 'paid', notice.amount, 0, short(notice.voucher));
      case 'requested':
        return this.note(device, 'requested', notice.amount, 0, short(notice.request));
      case 'sessionOver':
        return this.note(device, 'sessionOver', notice.channel, notice.ticks, undefined, notice.reason);
      case 'tickPaid':
        return this.note(device, 'tickPaid', notice.k);
      case 'acknowledged':
        return this.note(device, 'acknowledged', 0, 0, short(notice.entry));
      case 'settled':
        return this.note(device, 'settled', notice.channel, notice.paid);
      case 'lease':
        return this.note(device, 'lease', notice.spendLimit, notice.expiresAt);
      case 'signing':
        return this.note(device, 'signing', notice.seq, notice.amount);
      case 'time':
      case 'endWanted':
        return;
      default:
    }
  }

  private hubWatcher(): ConstructorParameters<typeof SimulatedHub>[4] {
    const note = (decision: Parameters<Trace['note']>[2], a = 0, b = 0, payment?: string): void =>
      this.trace.note(this.world.nowMs, ACTORS.hub, decision, a, b, payment);
    return {
      acknowledged: (_device, entry, position) => {
        for (const checker of this.checkers) checker.acknowledged?.(entry, position);
      },
      leased: (lease) => {
        for (const checker of this.checkers) checker.leased?.(lease);
      },
      cleared: (clearance) => {
        this.clearances += 1;
        for (const checker of this.checkers) checker.cleared?.(clearance);
      },
      member: (member) => {
        for (const checker of this.checkers) checker.member?.(member);
      },
      accepted: (kind) => note('hubAccepted', ENTRY_KINDS.indexOf(kind)),
      refused: (code) => note('hubRefused', refusalNumber(code)),
      evidence: (evidence) => {
        note('hubEvidence', evidence.channel, evidence.proof);
        for (const checker of this.checkers) checker.evidence?.(evidence);
      },
      crashed: () => note('hubCrash'),
      started: () => {
        note('hubStart', this.hub.ledgerSize);
        for (const checker of this.checkers) checker.hubStarted?.();
      },
      broken: (error) =>
        this.report('hub', error instanceof Error ? (error.stack ?? error.message) : String(error)),
      batched: (rows, outcomes) => {
        note(
          'batch',
          rows.length,
          outcomes.reduce((sum, outcome) => sum + outcome.moved, 0),
        );
      },
    };
  }

  get now(): Seconds {
    return seconds(this.world.nowSeconds);
  }
}

const ENTRY_KINDS = ['voucher', 'stream', 'tick', 'credit'];
