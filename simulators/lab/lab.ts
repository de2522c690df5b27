/**
 * A lab: a chain, a hub and devices as processes of this machine, in a time of their own, and links between them that are
 * in a tester's hands. api.ts puts it on HTTP.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { privateKeyToAccount } from 'viem/accounts';
import { createDevice, keyForNew, type KeyKind } from '../../hardware/boards/node/cli/device-folder.ts';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { refusal } from '../../hardware/boards/node/http/routes.ts';
import { parseLink } from '../../hardware/boards/node/links/address.ts';
import { askHub, type HubAddress } from '../../hub/cli/ask-hub.ts';
import { HubStatus } from '../../hub/cli/hub-status.ts';
import { reconcile } from '../../hub/cli/reconcile.ts';
import { base, certificateOf, type Site, writeSite } from '../../hub/cli/site.ts';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import { type Anvil, startAnvil } from '../../hub/l2/anvil.ts';
import { connect } from '../../hub/l2/chain.ts';
import { fund } from '../../hub/l2/deploy.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { channelId } from '../../protocol/integers.ts';
import { hubKeyIn } from '../../protocol/machines/hub-keys.ts';
import { DeviceChild } from '../demo/device-child.ts';
import { HubChild, TIED } from '../demo/hub-child.ts';
import { hubConfig } from '../demo/hub-config.ts';
import { makeSite, terminalOf } from '../demo/site.ts';
import { apartLine, headLine, messageLine } from '../proxy/record.ts';
import { TapProxy } from '../proxy/proxy.ts';
import { Faults, type Rule } from '../proxy/rules.ts';
import { LabClock } from './clock.ts';
import { EventLog } from './events.ts';

export type Role = 'wearable' | 'car' | 'pos' | 'charger';
export const isPayer = (role: Role): boolean => role === 'wearable' || role === 'car';

/** What all owners of the lab's channels have, whole TIME. */
const FUNDS = 1_000_000;
/** Devices of a lab: each is a process. */
const DEVICES_MAX = 40;
/** How long a device may take to meet the hub, milliseconds. */
const MEET_MS = 60_000;
/** Lines of a link's record that are kept. */
const RECORD_MAX = 20_000;
/** How long the time may be moved at once, seconds: the hub's certificate is good for 30 days. */
export const ADVANCE_MAX = 29 * 86_400;
/** What a merchant of the lab may lose by leases for any terminal, units. */
const WIDE_MAX = 2_000_000_000;

export interface DeviceWish {
  readonly name: string;
  readonly role: Role;
  /** Whole TIME, for a payer. */
  readonly deposit: string;
  readonly key: KeyKind;
  /** Seconds that its clock is wrong by. */
  readonly skew: number;
  /** More words of its command, such as --speed 1500. */
  readonly flags: readonly string[];
}

/** A device of a lab. */
export interface LabDevice {
  readonly name: string;
  readonly role: Role;
  readonly address: string;
  readonly channel: number | undefined;
  /** Its process, the one that runs or the next one. */
  child: DeviceChild;
  /** A process for it whose clock is wrong by so many seconds. */
  launched(skew: number): DeviceChild;
  readonly events: EventLog;
  readonly tap: string;
  running: boolean;
  online: boolean;
  revoked: boolean;
}

/** A payer held to a terminal. */
export interface LabLink {
  readonly id: string;
  readonly payer: string;
  readonly terminal: string;
  readonly proxy: TapProxy;
  readonly faults: Faults;
  readonly record: string[];
}

const unknown = (what: string, name: string, has: readonly string[]) =>
  refusal(`${what}_unknown`, `the lab has no ${what} ${name}`, `It has: ${has.join(', ') || 'none yet'}.`);

export class Lab {
  private readonly folder: string;
  private readonly program = join(projectRoot(), 'build', 'cli', 'sundial.mjs');
  private readonly anvil: Anvil;
  private readonly site: Site;
  readonly clock: LabClock;
  private hubChild: HubChild | undefined;
  readonly devices = new Map<string, LabDevice>();
  readonly links = new Map<string, LabLink>();
  private count = 0;

  private constructor(folder: string, anvil: Anvil, site: Site, clock: LabClock) {
    this.folder = folder;
    this.anvil = anvil;
    this.site = site;
    this.clock = clock;
  }

  /** Starts chain and hub in an empty folder. Rejects with `hub_start`. */
  static async start(folder: string, say: (text: string) => void): Promise<Lab> {
    mkdirSync(folder, { recursive: true });
    const anvil = await startAnvil({ tiedBy: TIED });
    say(`chain at ${anvil.url}`);
    const site = await makeSite(folder, anvil.url, anvil.keys, { say }, []);
    const { keys, rpcUrl, token, vault: vaultHex } = site;
    const deployer = privateKeyToAccount(keys.deployer);
    const owner = privateKeyToAccount(keys.owner).address;
    await fund(rpcUrl, deployer, token, owner, parseMoney(String(FUNDS)));
    const vault = await Vault.connect(rpcUrl, vaultHex);
    for (const secret of [keys.merchant, keys.operator])
      await vault.accredit(deployer, nobleKey(fromHex(secret)).address);
    await connect(rpcUrl).request({ method: 'evm_setIntervalMining', params: [1] } as never);
    const clock = await LabClock.start(folder);
    const lab = new Lab(folder, anvil, site, clock);
    const config = {
      ...(await hubConfig(site, folder, false)),
      // Any till takes any wearable of the lab, and its merchant bears what the bond does not.
      scopes: [],
      leaseAnyScope: true,
    };
    lab.writeConfig(config);
    await lab.startHub();
    const { mqttUrl, statusUrl } = lab.hubChild!.ready;
    const portOf = (url: string): number => Number(new URL(url).port);
    const host = '127.0.0.1';
    // A hub that is killed and started again is where it was.
    lab.writeConfig({
      ...config,
      mqtt: { host, port: portOf(mqttUrl) },
      http: { host, port: portOf(statusUrl) },
    });
    Object.assign(site, { mqttUrl, statusUrl, tokenFile: operatorTokenPath(join(folder, 'hub')) });
    writeSite(folder, site);
    say(`hub at ${statusUrl}, devices at ${mqttUrl}`);
    return lab;
  }

  private get configPath(): string {
    return join(this.folder, 'hub.json');
  }

  private writeConfig(config: object): void {
    writeFileSync(this.configPath, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  }

  get hubRuns(): boolean {
    return this.hubChild !== undefined;
  }

  get hub(): HubAddress & { readonly mqttUrl: string } {
    const { statusUrl: url, tokenFile, mqttUrl } = this.site;
    return { url, tokenFile, mqttUrl: mqttUrl! };
  }

  async startHub(): Promise<void> {
    if (this.hubChild !== undefined) return;
    this.hubChild = await HubChild.start(this.program, this.configPath, this.clock.launch());
  }

  /** SIGKILL, or an end in order. */
  async endHub(killed: boolean): Promise<void> {
    const child = this.hubChild;
    this.hubChild = undefined;
    await child?.stop(killed ? 'SIGKILL' : 'SIGTERM');
  }

  /** Throws `device_unknown`. */
  device(name: string): LabDevice {
    const found = this.devices.get(name);
    if (found === undefined) throw unknown('device', name, [...this.devices.keys()]);
    return found;
  }

  /** Throws `link_unknown`. */
  link(id: string): LabLink {
    const found = this.links.get(id);
    if (found === undefined) throw unknown('link', id, [...this.links.keys()]);
    return found;
  }

  /** Makes a device, starts it, and has it meet the hub. Rejects with `device_there`, `too_many_devices`, `no_lease`. */
  async addDevice({ name, role, deposit, key: kind, skew, flags }: DeviceWish): Promise<LabDevice> {
    if (this.devices.has(name))
      throw refusal('device_there', `${name} is there already`, 'Give another name.');
    if (this.devices.size >= DEVICES_MAX)
      throw refusal('too_many_devices', `a lab has ${DEVICES_MAX} devices`, 'Use those that it has.');
    const state = join(this.folder, name);
    const key = keyForNew(state, isPayer(role) ? kind : 'memory');
    const { site } = this;
    const { chainId, vault: vaultHex, hubName: hub, keys, rpcUrl } = site;
    const root = toHex(nobleKey(fromHex(keys.hubRoot)).address);
    const hubKey = hubKeyIn(await certificateOf(site, this.clock.now()));
    const shared = { ...base(role), name, chainId, vault: vaultHex, hub, root };
    const address = toHex(key.address);
    let channel: number | undefined;
    if (isPayer(role)) {
      const vault = await Vault.connect(rpcUrl, vaultHex);
      const owner = privateKeyToAccount(keys.owner);
      ({ channel } = await vault.openChannel(owner, { payer: address, amount: parseMoney(deposit) }));
      createDevice(state, { ...shared, channel }, key, { hubKey, channel: channelId(channel) });
      site.devices.push({ role, name, state, address, channel });
    } else {
      const secret = role === 'pos' ? keys.merchant : keys.operator;
      const terminal = await terminalOf(site, key.address, secret, this.clock.now());
      createDevice(state, { ...shared, ...terminal, wideMax: WIDE_MAX }, key, { hubKey });
      site.devices.push({ role, name, state, address, payee: terminal.payee });
    }
    writeSite(this.folder, site);
    const device = this.hold({ name, role, address, channel }, state, flags, skew);
    await this.startDevice(device);
    return device;
  }

  /** A device with a folder, not started. */
  private hold(
    { name, role, address, channel }: Pick<LabDevice, 'name' | 'role' | 'address' | 'channel'>,
    state: string,
    flags: readonly string[],
    skew: number,
  ): LabDevice {
    const tap = `unix:${join(this.folder, `${name}.sock`)}`;
    const events = new EventLog();
    const launched = (skew: number): DeviceChild =>
      new DeviceChild(
        this.program,
        { role, state, tap, extra: flags, launch: this.clock.launch(skew * 1000) },
        (line) => events.add(line),
      );
    const device: LabDevice = {
      name,
      role,
      address,
      channel,
      child: launched(skew),
      launched,
      events,
      tap,
      running: false,
      online: true,
      revoked: false,
    };
    this.devices.set(name, device);
    return device;
  }

  /**
   * A payer's twin: a copy of its folder, key and all, as a thief of its chip would have. `copy` copies a folder. The
   * original goes on.
   */
  async copyDevice(device: LabDevice, copy: (from: string, to: string) => void): Promise<LabDevice> {
    const name = `${device.name}-copy`;
    const state = join(this.folder, name);
    await this.endDevice(device, false);
    copy(join(this.folder, device.name), state);
    const twin = this.hold({ ...device, name }, state, [], 0);
    await this.startDevice(device);
    await this.startDevice(twin);
    return twin;
  }

  /** Resolves when the hub has revoked a channel by itself. Rejects with `not_revoked`. */
  async untilRevoked(channel: number, waitMs: number): Promise<void> {
    const deadline = Date.now() + waitMs;
    const hub = new HubStatus(this.hub);
    for (;;) {
      const found = (await hub.channels()).find((one) => one.channel === channel);
      if (found?.proof !== undefined) return;
      if (Date.now() > deadline)
        throw refusal('not_revoked', `channel ${channel} was not found to cheat`, 'See GET /v1/hub.');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Starts a device that is off; one that is to be online meets the hub. Rejects with `no_lease`. */
  async startDevice(device: LabDevice): Promise<void> {
    if (device.running) return;
    await device.child.start();
    device.running = true;
    if (device.online) await this.setOnline(device, true);
  }

  /** The clock of a device that is off is set: it is wrong by `skew` seconds from its next start on. Throws `device_on`. */
  setSkew(device: LabDevice, skew: number): void {
    if (device.running)
      throw refusal('device_on', `${device.name} runs`, `POST /v1/devices/${device.name}/stop first.`);
    device.child = device.launched(skew);
  }

  async endDevice(device: LabDevice, killed: boolean): Promise<void> {
    device.running = false;
    await (killed ? device.child.kill() : device.child.stop());
  }

  /** Gives a device a network, or takes it away. Rejects with `no_lease` when the hub is silent, `device_off`. */
  async setOnline(device: LabDevice, online: boolean): Promise<void> {
    this.command(device, online ? { connect: this.hub.mqttUrl } : { disconnect: true });
    const { last } = device.events;
    device.online = online;
    // A hub that is away or revoked the channel gives no sign.
    if (!online || !this.hubRuns || device.revoked) return;
    const met = isPayer(device.role)
      ? await this.leased(device)
      : (await device.events.next(last, ['time'], MEET_MS)).length > 0;
    if (!met)
      throw refusal(
        'no_lease',
        `${device.name} heard nothing from the hub in ${MEET_MS / 1000} s`,
        'GET /v1/hub says what it waits for.',
      );
  }

  /** Waits until a payer has a lease that is good in the lab's time; one that has a good one asks for no other. */
  private async leased(device: LabDevice): Promise<boolean> {
    const deadline = Date.now() + MEET_MS;
    for (;;) {
      const { last } = device.events;
      const { lease } = (await device.child.status()) as { lease?: { expiresAt: number } };
      if ((lease?.expiresAt ?? 0) > this.clock.now()) return true;
      // Its answer is an event, too: only what comes behind it counts.
      if ((await device.events.next(last + 1, ['lease'], deadline - Date.now())).length === 0) return false;
    }
  }

  /** One of the commands that the device takes on stdin. Throws `device_off`, `bad_control`. */
  command(device: LabDevice, command: Readonly<Record<string, unknown>>): void {
    if (!device.running)
      throw refusal('device_off', `${device.name} is off`, `POST /v1/devices/${device.name}/start first.`);
    const [name = ''] = Object.keys(command);
    const { controls = [] } = device.child;
    if (!controls.includes(name))
      throw refusal(
        'bad_control',
        `${device.name} takes no command "${name}"`,
        `Give one of ${controls.join(', ')}.`,
      );
    device.child.command(command);
  }

  /** Holds a payer to a terminal. Rejects with `wrong_ends`, `payer_held`. */
  async addLink(payer: string, terminal: string, rules: readonly Rule[], seed: number): Promise<LabLink> {
    const [from, to] = [this.device(payer), this.device(terminal)];
    if (!isPayer(from.role) || isPayer(to.role))
      throw refusal(
        'wrong_ends',
        `${payer} can't pay ${terminal}`,
        'Name a wearable or car, and a pos or charger.',
      );
    for (const link of this.links.values())
      if (link.payer === payer)
        throw refusal(
          'payer_held',
          `${payer} is held to ${link.terminal}`,
          `DELETE /v1/links/${link.id} first.`,
        );
    const faults = new Faults(seed, rules);
    const record = [headLine(faults)];
    const write = (line: string): void => {
      if (record.length < RECORD_MAX) record.push(line);
    };
    const proxy = await TapProxy.start({
      from: parseLink(from.tap),
      to: parseLink(to.tap),
      faults,
      partMs: 1000,
      onPassed: (passed) => write(messageLine(passed)),
      onApart: (tap, why) => write(apartLine(tap, why)),
    });
    this.count += 1;
    const link = { id: String(this.count), payer, terminal, proxy, faults, record };
    this.links.set(link.id, link);
    return link;
  }

  endLink(link: LabLink): void {
    this.links.delete(link.id);
    link.proxy.stop();
  }

  /** Moves the time of everybody: the chain first, then hub and devices. Rejects with `lab_late`. */
  async advance(seconds: number): Promise<void> {
    if (this.clock.ahead + seconds > ADVANCE_MAX)
      throw refusal(
        'too_far',
        `a lab lives ${ADVANCE_MAX} seconds ahead, no more`,
        "Its hub's certificate ends then: start another lab.",
      );
    const client = connect(this.site.rpcUrl);
    await client.request({ method: 'evm_increaseTime', params: [`0x${seconds.toString(16)}`] } as never);
    await client.request({ method: 'evm_mine', params: [] } as never);
    await this.clock.jump(seconds);
  }

  /** Settles what can be settled; resolves when it is final. */
  settle() {
    return new HubStatus(this.hub).settle();
  }

  /** Journals, ledger and vault, side by side. */
  books() {
    return reconcile(this.site, new HubStatus(this.hub));
  }

  /** The channel's word at the hub: revoked, or allowed again. Rejects with `no_channel`. */
  async revoke(device: LabDevice, revoked: boolean): Promise<void> {
    const { channel, name } = device;
    if (channel === undefined)
      throw refusal('no_channel', `${name} pays nobody`, 'Name a wearable or a car.');
    await askHub(this.hub, `/v1/channels/${channel}/${revoked ? 'revoke' : 'allow'}`, 'POST');
    device.revoked = revoked;
  }

  async stop(): Promise<void> {
    for (const link of [...this.links.values()]) this.endLink(link);
    await Promise.all([...this.devices.values()].map((device) => this.endDevice(device, false)));
    await this.endHub(false);
    await this.anvil.stop();
    this.clock.close();
  }
}
