/**
 * Goes on, in virtual time, from what real devices and a real hub held: their own runtime, journal, keys and ledger over a
 * copy of what was found. Everybody has a network, whoever waits for an answer goes back to the till that owes it, and the
 * hub settles.
 *
 * What is made up is said: the chain (L2 as the hub last read it, blocks of its own), and the hub's root and keys. The
 * real ones are secret or needed elsewhere; devices are told of others, as if their root had certified one more.
 */
import { payerMachine, terminalMachine } from '../../device/devices.ts';
import { payerSettings } from '../../hardware/boards/node/cli/payer-commands.ts';
import { terminalSettings } from '../../hardware/boards/node/cli/terminal-commands.ts';
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { DEFAULT_TIMING, type Timing } from '../../protocol/limits.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import { payerClockDue } from '../../protocol/machines/payer/clock.ts';
import { posClockDue, terminalClockDue } from '../../protocol/machines/terminal/clock.ts';
import { type Domain, makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { type AnyDevice, Device, type DeviceOptions, type Surroundings } from '../fleet/device.ts';
import type { PayerDevice, TerminalDevice } from '../fleet/devices.ts';
import { HubRoot } from '../fleet/hub-root.ts';
import { SimulatedHub } from '../fleet/hub.ts';
import { Chain } from '../stage/chain/chain.ts';
import { VaultModel } from '../stage/chain/vault.ts';
import { Broker } from '../stage/network/broker.ts';
import { calm } from '../stage/network/conditions.ts';
import { TapLink } from '../stage/network/tap-link.ts';
import { Random } from '../stage/world/random.ts';
import { realSuite, type SimulatedSuite } from '../stage/world/suite.ts';
import { HOUR, MINUTE, SECOND, World } from '../stage/world/world.ts';
import type { CryptoSuite } from '../../hardware/interfaces/index.ts';
import { type Debt, debtsOf, hubDebts } from './debts.ts';
import type { FoundDevice } from './device.ts';
import { type FoundHub, registryOf } from './hub.ts';

/** Devices call when the hub has read its ledger, but wait no longer than this; and how often one looks. */
const HUB_MS_MAX = 10 * MINUTE;
const LOOK_MS = SECOND;
/** How long a customer stays at the till. */
const VISIT_MS = 10 * SECOND;
/** Between two looks at who still waits for whom. */
const ROUND_MS = 5 * MINUTE;
/** Entries that the hub has room for. */
const INDEXED_MAX = 1_000_000;
/** Rows of one settlement. */
const LANES_MAX = 1000;
const TOKEN = 1_000_000;

/** Something that happened in virtual time. */
export interface Happening {
  /** Seconds from the start. */
  readonly atSeconds: number;
  readonly who: string;
  readonly words: string;
}

/** A device in the new world, with what it was. */
interface Living {
  readonly found: FoundDevice;
  readonly device: AnyDevice;
}

type LivingAs<D> = Living & { readonly device: D };

const signs = (found: FoundDevice): boolean => found.folder !== undefined;

/** The newest time that a device knows, Unix seconds. */
function newestOf(found: FoundDevice): number {
  if (found.kind === 'terminal') return Math.max(found.books.time, ...found.books.lanes.map(({ at }) => at));
  const { time, lease, unconfirmed } = found.books;
  const requests = unconfirmed.map((open) => (open.kind === 'voucher' ? open.request.at : 0));
  return Math.max(time, lease?.issuedAt ?? 0, ...requests);
}

const epochOf = ({ books }: FoundDevice): number => books.hub.epoch;

/** All devices and the hub must be of one site. Throws `other_site`. */
function domainOf(devices: readonly FoundDevice[], hub: FoundHub | undefined): Domain | undefined {
  const named = devices.flatMap(({ folder, path }) =>
    folder === undefined
      ? []
      : [{ path, domain: { chainId: folder.file.chainId, vault: fromHex(folder.file.vault, 20) } }],
  );
  if (hub?.domain !== undefined) named.push({ path: hub.path, domain: hub.domain });
  const [first, ...others] = named;
  const text = ({ chainId, vault }: Domain): string => `${chainId} ${toHex(vault)}`;
  const other = others.find(({ domain }) => text(domain) !== text(first!.domain));
  if (other !== undefined)
    throw new SundialError('other_site', `${other.path} is of another vault than ${first!.path}`, {
      severity: 'call',
      remedy: 'Name devices and a hub of one site.',
    });
  return first?.domain;
}

export class FoundWorld {
  readonly happened: Happening[] = [];
  readonly world: World;
  readonly vault: VaultModel;
  readonly hub: SimulatedHub;
  /** Those with a key. */
  readonly living: readonly Living[];
  /** What the hub owed before anybody called. */
  hubOwed: readonly Debt[] = [];
  private readonly random: Random;
  private readonly broker: Broker;
  private broken: unknown;

  private constructor(
    devices: readonly FoundDevice[],
    found: FoundHub | undefined,
    domain: Domain,
    suite: SimulatedSuite,
    seed: number,
  ) {
    const signing = makeSigning(suite, domain);
    const [site] = devices.flatMap(({ folder }) => folder?.site ?? []);
    const timing: Timing = site?.timing ?? DEFAULT_TIMING;
    const times = [...devices.map(newestOf), found?.at ?? 0];
    this.world = new World(Math.max(...times));
    this.random = new Random(seed);
    this.vault = new VaultModel(signing, timing);
    this.openChannels(devices, found);
    const chain = new Chain(this.world, this.random.fork('chain'), this.vault, () =>
      this.vault.touched.clear(),
    );
    this.broker = new Broker(this.world, this.random.fork('broker'), calm);
    const [named] = devices.flatMap(({ folder }) => folder?.file.hub ?? []);
    const name = named ?? found?.name ?? 'found';
    const epoch = Math.max(0, ...devices.map(epochOf));
    const { startSeconds } = this.world;
    const root = new HubRoot(suite, this.random, signing, 720, 1, { name, epoch, startSeconds });
    this.hub = this.makeHub(signing, timing, root, chain, devices, found);
    const surroundings: Surroundings = {
      world: this.world,
      broker: this.broker,
      timing,
      allTicks: false,
      watcher: {
        notice: (device, notice) => this.notice(device, notice),
        sent: () => undefined,
        cut: () => undefined,
        cancelled: () => undefined,
        stored: () => undefined,
        booted: (device, frozen) => this.say(device.name, frozen ? 'starts frozen' : 'starts'),
        fault: (device, { code, message }) => this.say(device.name, `${code}: ${message}`),
        changed: (device, difference) => this.fail(new Error(`${device.name} reads back ${difference}`)),
      },
    };
    this.living = devices.filter(signs).map((device, index) => ({
      found: device,
      device: this.makeDevice(device, index, root, suite, surroundings),
    }));
  }

  /** A world of these, or undefined where nobody says for which vault they sign. Throws `other_site`. */
  static of(
    devices: readonly FoundDevice[],
    hub: FoundHub | undefined,
    crypto: CryptoSuite,
    seed: number,
  ): FoundWorld | undefined {
    const domain = domainOf(devices, hub);
    return domain && new FoundWorld(devices, hub, domain, realSuite(crypto), seed);
  }

  /** L2 as the hub last read it; without one, channels with more than enough behind all that the devices hold. */
  private openChannels(devices: readonly FoundDevice[], found: FoundHub | undefined): void {
    const { vault } = this;
    const payees = new Set(Object.keys(found?.registry.payees ?? {}));
    for (const device of devices) {
      const { payee } = device.folder?.file ?? {};
      if (payee !== undefined) payees.add(payee);
      if (device.kind === 'payer') for (const lane of device.books.lanes) payees.add(toHex(lane.payee));
    }
    for (const payee of payees) vault.registerPayee(fromHex(payee as `0x${string}`, 20));
    for (const [id, head] of Object.entries(found?.registry.heads ?? {})) {
      vault.open(Number(id), fromHex(head.payer as `0x${string}`, 20), head.deposit);
      const channel = vault.channel(Number(id));
      const settled = Object.entries(head.settled);
      const moved = settled.reduce((sum, [, { paid }]) => sum + paid, 0);
      Object.assign(channel, {
        bond: head.bond,
        credited: head.credited,
        free: head.deposit - head.bond - moved + head.credited,
        exitReady: head.exiting ? this.world.startSeconds + vault.timing.exitDelay : 0,
      });
      for (const [account, { paid }] of settled) {
        const payee = account.slice(2);
        channel.lanes.set(payee, { payee, settled: paid, credited: 0, madeGood: 0 });
        vault.balances.set(payee, (vault.balances.get(payee) ?? 0) + paid);
      }
    }
    const need = (id: number, payer: Uint8Array, units: number): void => {
      if (!vault.channels.has(id)) vault.open(id, payer, 2 * units + 100 * TOKEN);
    };
    for (const device of devices) {
      if (device.kind === 'payer' && device.folder !== undefined && device.books.channel !== undefined)
        need(
          device.books.channel,
          device.folder.address,
          device.books.lease?.spendLimit ?? device.books.spent,
        );
      if (device.kind === 'terminal')
        for (const { channel, payer, base } of device.books.lanes) need(channel, payer, base);
    }
    vault.takeUndo();
    vault.touched.clear();
  }

  /** The scopes that payers ask for leases in, with every payee that is known: who lent where is the hub's configuration. */
  private scopesOf(devices: readonly FoundDevice[]): Record<string, string[]> {
    const scopes = devices.flatMap(({ folder }) => folder?.file.scope ?? []);
    return Object.fromEntries(scopes.map((scope) => [scope.slice(2), [...this.vault.balances.keys()]]));
  }

  private makeHub(
    signing: Signing,
    timing: Timing,
    root: HubRoot,
    chain: Chain,
    devices: readonly FoundDevice[],
    found: FoundHub | undefined,
  ): SimulatedHub {
    const say = (words: string): void => this.say('hub', words);
    const hub = new SimulatedHub(
      {
        signing,
        timing,
        scopes: this.scopesOf(devices),
        leaseAnyScope: true,
        indexedMax: INDEXED_MAX,
        root,
        random: this.random.fork('hub'),
        beaconMs: 30 * MINUTE,
        batchMs: 30 * MINUTE,
        nodes: 1,
        pendingMax: undefined,
        lanesMax: LANES_MAX,
        settledBefore: (found?.history.nonce ?? -1) + 1,
      },
      this.world,
      this.broker,
      chain,
      {
        acknowledged: () => undefined,
        leased: ({ channel, spendLimit }) => say(`lends channel ${channel} up to ${formatMoney(spendLimit)}`),
        cleared: ({ channel, amount }) => say(`clears ${formatMoney(amount)} on channel ${channel}`),
        member: () => undefined,
        accepted: (kind) => say(`has a ${kind} more in its ledger`),
        refused: (code) => say(`refuses: ${code}`),
        evidence: ({ channel }) => say(`found fraud on channel ${channel}`),
        crashed: () => undefined,
        started: () => say(`is up, with ${hub.ledgerSize} records`),
        batched: (rows, outcomes) =>
          say(
            `settled ${formatMoney(outcomes.reduce((sum, { moved }) => sum + moved, 0))} in ${rows.length} rows`,
          ),
        broken: (error) => this.fail(error),
      },
    );
    if (found !== undefined) {
      hub.disk.place('registry', 'registry.json', registryOf(found));
      for (const [name, bytes] of found.files) hub.disk.place('ledger', name, bytes);
    }
    return hub;
  }

  private makeDevice(
    found: FoundDevice,
    index: number,
    root: HubRoot,
    suite: SimulatedSuite,
    surroundings: Surroundings,
  ): AnyDevice {
    const folder = found.folder!;
    const { file } = folder;
    const options: DeviceOptions = {
      index: index + 2,
      name: found.name,
      key: suite.key(folder.secret(), file.key === 'p256' ? 'p256' : 'secp256k1'),
      random: this.random.fork(`device ${index}`),
      found: { flash: found.flash, banks: found.banks, damaged: found.damage !== undefined },
      bankBytes: found.flash.size / found.banks,
      driftPpm: 0,
      realTimeClock: true,
    };
    const context = { signing: makeSigning(suite, folder.signing.domain), self: options.key.address };
    const pin = { hub: root.pin };
    if (found.kind === 'payer')
      return new Device(
        payerMachine(context, { ...payerSettings(folder, options.key), ...pin }),
        options,
        surroundings,
        (state, clocks) => payerClockDue(state, surroundings.timing, clocks),
      );
    return new Device(
      terminalMachine(context, { ...terminalSettings(folder), ...pin }),
      options,
      surroundings,
      (state, clocks) =>
        file.role === 'charger'
          ? terminalClockDue(state, surroundings.timing, clocks)
          : posClockDue(state, surroundings.timing, clocks),
    );
  }

  private say(who: string, words: string): void {
    this.happened.push({ atSeconds: Math.floor(this.world.nowMs / SECOND), who, words });
  }

  private fail(error: unknown): void {
    this.broken ??= error;
  }

  private notice(device: AnyDevice, notice: Notice): void {
    const say = (words: string): void => this.say(device.name, words);
    switch (notice.type) {
      case 'approved':
        return say(`approves ${formatMoney(notice.amount)} of channel ${notice.channel}`);
      case 'paid':
        return say(`has the receipt for ${formatMoney(notice.amount)}`);
      case 'voided':
        return say(`has ${formatMoney(notice.amount)} back: it was never taken`);
      case 'writtenOff':
        return say(`writes ${formatMoney(notice.amount)} off: the hub says that it was never taken`);
      case 'acknowledged':
        return say('has an acknowledgement of the hub');
      case 'refused':
        // The key of this world is news to a device until it registers; what was signed before is said again.
        return notice.code === 'hub_key_unknown' ? undefined : say(`${notice.code}, by ${notice.by}`);
      case 'settled':
        return say(`hears that L2 has ${formatMoney(notice.paid)} of channel ${notice.channel}`);
      default:
    }
  }

  /** What the hub owes now. */
  get hubDebts(): Debt[] {
    return hubDebts(this.hub.books, (channel, payee) => this.vault.settledOf(channel, payee));
  }

  /** What a device owes now. */
  debtsNow({ found, device }: Living): Debt[] {
    return debtsOf({ kind: found.kind, books: device.books as never });
  }

  /** Runs for so many hours. Rejects with what broke. */
  async run(hours: number): Promise<void> {
    const { world } = this;
    this.hub.start();
    while (!this.hub.isUp && world.nowMs < HUB_MS_MAX) await this.runTo(world.nowMs + LOOK_MS);
    this.hubOwed = this.hubDebts;
    for (const { device } of this.living) {
      world.after(0, () => device.boot());
      world.after(2 * SECOND, () => device.goOnline());
    }
    for (let at = world.nowMs + ROUND_MS; at <= hours * HOUR; at += ROUND_MS) {
      await this.runTo(at);
      this.hub.settle();
      for (const [payer, terminal] of this.errands()) await this.visit(payer, terminal);
    }
    await this.runTo(hours * HOUR);
  }

  private async runTo(ms: number): Promise<void> {
    await this.world.run(Math.max(ms, this.world.nowMs));
    if (this.broken !== undefined) throw this.broken;
  }

  /** Who waits for the answer of a terminal that is here. */
  private errands(): [LivingAs<PayerDevice>, LivingAs<TerminalDevice>][] {
    return this.living.flatMap((payer) => {
      if (payer.found.kind !== 'payer' || payer.device.frozen) return [];
      const waits = this.debtsNow(payer).filter(({ to }) => to === 'terminal');
      return this.living
        .filter(({ found, device }) => found.kind === 'terminal' && !device.frozen)
        .filter(({ device }) => waits.some(({ address }) => address === toHex(device.key.address)))
        .map((terminal) => [payer, terminal] as [LivingAs<PayerDevice>, LivingAs<TerminalDevice>]);
    });
  }

  private async visit(payer: LivingAs<PayerDevice>, terminal: LivingAs<TerminalDevice>): Promise<void> {
    this.say(payer.device.name, `is held to ${terminal.device.name}`);
    const link = new TapLink(this.world, this.random.fork(`tap ${this.world.nowMs}`), calm(), [
      payer.device,
      terminal.device,
    ]);
    await this.runTo(this.world.nowMs + VISIT_MS);
    link.close();
  }
}
