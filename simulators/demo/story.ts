/**
 * The story of the demonstration: devices meet the hub once, lose every network, pay each other, are killed in the
 * middle of it, come back, and everything is settled and reconciled. Each step waits for what it needs to see.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultTap, dataFile } from '../../hardware/boards/node/cli/paths.ts';
import { shellWord } from '../../hardware/boards/node/cli/output.ts';
import { formatMoney, parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { DeviceChild, type DeviceLine } from './device-child.ts';
import type { HubStatus } from '../../hub/cli/hub-status.ts';
import type { Site } from '../../hub/cli/site.ts';
import type { Radio } from './radio.ts';

interface Basket {
  readonly shop: string;
  readonly items: readonly { readonly name: string; readonly price: string }[];
}

/** Which tap loses which device, and just before which effect. */
const KILLS: Readonly<
  Record<number, { readonly victim: 'wearable' | 'pos'; readonly at: string; readonly words: string }>
> = {
  2: { victim: 'pos', at: 'send:receipt', words: 'the voucher is stored, the receipt never left' },
  4: { victim: 'wearable', at: 'sign', words: 'the intent is stored, nothing was signed' },
};

/** Ticks that the timeline shows: the first, and every so many. */
const TICKS_SHOWN = 25;

export interface Timeline {
  say(who: string, text: string): void;
  heading(text: string): void;
}

export interface StoryResult {
  readonly taps: number;
  readonly ticks: number;
  readonly accepted: number;
  readonly acknowledged: number;
  /** Digests of all vouchers that a terminal said approved for. */
  readonly approved: readonly string[];
}

export class Story {
  private readonly program: string;
  private readonly site: Site;
  private readonly timeline: Timeline;
  private readonly devices: Record<string, DeviceChild>;
  private readonly radio: Radio | undefined;
  private readonly approved = new Set<string>();

  /** `boards`: the devices are firmware images on emulated boards; `radio`: what till and wearable tap over. */
  constructor(
    program: string,
    folder: string,
    site: Site,
    timeline: Timeline,
    { boards = false, radio }: { readonly boards?: boolean; readonly radio?: Radio | undefined } = {},
  ) {
    this.radio = radio;
    this.program = program;
    this.site = site;
    this.timeline = timeline;
    const child = (
      role: 'wearable' | 'pos' | 'charger' | 'car',
      extra: readonly string[] = [],
    ): DeviceChild => {
      const isOnAir = radio !== undefined && (role === 'pos' || role === 'wearable');
      const tap = isOnAir ? radio[role] : `${defaultTap(role)}.${process.pid}`;
      const launch = isOnAir ? { flags: [], env: { ...process.env, ...radio.env } } : undefined;
      return new DeviceChild(
        this.program,
        { role, state: join(folder, role), tap, extra, board: boards, ...(launch && { launch }) },
        (line) => this.show(line),
      );
    };
    this.devices = {
      // Nobody is there to press: it may be found always.
      wearable: child('wearable', radio === undefined ? [] : ['--intent', 'always']),
      pos: child('pos'),
      car: child('car'),
      // 45 minutes of charging pass in a few seconds; --no-start waits for the offer.
      charger: child('charger', ['--speed', '1500', '--no-start']),
    };
  }

  private device(name: string): DeviceChild {
    return this.devices[name]!;
  }

  private all(): DeviceChild[] {
    return Object.values(this.devices);
  }

  /** What of a device's lines is worth a line in the timeline. */
  private show(line: DeviceLine): void {
    const { event, k } = line;
    if (event === 'approved' || event === 'streamOpened') this.approved.add(String(line.voucher));
    const quiet = ['ready', 'status', 'meter', 'time', 'tickPaid', 'disconnected', 'halted', 'requested'];
    if (quiet.includes(event)) return;
    if (event === 'deliver' && k !== 1 && Number(k) % TICKS_SHOWN !== 0) return;
    this.timeline.say(line.device, line.text);
  }

  /** Devices come up with the network, get leases and the hub's time, and lose it again. */
  async meetTheHub(mqttUrl: string, hub: HubStatus): Promise<void> {
    this.timeline.heading('the devices meet the hub once');
    const meet = async (name: string, event: string): Promise<void> => {
      await this.device(name).start();
      this.device(name).command({ connect: mqttUrl });
      await this.device(name).next(event);
    };
    // Payers first: their first lease comes from the hub, and a terminal would ask for it.
    await Promise.all([meet('wearable', 'lease'), meet('car', 'lease')]);
    await Promise.all([meet('pos', 'time'), meet('charger', 'time')]);
    // Without its membership a terminal takes no lease of the group.
    const isMember = (status: DeviceLine): boolean => status.scope === this.site.scope;
    await Promise.all([this.device('pos').until(isMember), this.device('charger').until(isMember)]);
    for (const device of this.all()) device.command({ disconnect: true });
    await Promise.all(this.all().map((device) => device.next('disconnected')));
    await hub.untilOnline(0);
    this.timeline.say('hub', 'no device holds a connection any more');
  }

  /** The wearable pays the basket, item by item; two of the taps lose a device to SIGKILL. */
  async taps(): Promise<void> {
    const basket = JSON.parse(readFileSync(dataFile('basket.json'), 'utf8')) as Basket;
    this.timeline.heading(`${basket.shop}: ${basket.items.length} taps with no network`);
    for (const [index, { name, price }] of basket.items.entries()) {
      this.timeline.say('pos', `${name}: ${formatMoney(parseMoney(price))}`);
      await this.tap(price, KILLS[index]);
    }
  }

  private async tap(price: string, kill: (typeof KILLS)[number] | undefined): Promise<void> {
    const { wearable, pos } = this.devices as { wearable: DeviceChild; pos: DeviceChild };
    const paidBefore = wearable.mark;
    if (kill === undefined) {
      pos.command({ sale: price });
      await wearable.next('paid', () => true, paidBefore);
      return;
    }
    const victim = this.device(kill.victim);
    victim.command({ haltAt: kill.at });
    // Its answer says that it has taken the command: the sale goes to another process, which may be faster.
    await victim.status();
    pos.command({ sale: price });
    await victim.next('halted');
    await victim.kill();
    this.timeline.say(kill.victim, `KILLED in the middle of the tap: ${kill.words}`);
    await victim.start();
    this.timeline.say(kill.victim, 'started again from its journal');
    // The wearable may be the one that started again: then its lines begin anew.
    await wearable.next('paid', () => true, kill.victim === 'wearable' ? 0 : paidBefore);
  }

  /** The car charges until its battery is full: one stream, closed by one plain voucher. */
  async charge(): Promise<void> {
    this.timeline.heading('an 11 kW charge session, paid tick by tick with no network');
    const { car, charger } = this.devices as { car: DeviceChild; charger: DeviceChild };
    const { mark } = car;
    charger.command({ offer: true });
    const over = await charger.next('sessionOver');
    await car.next('paid', (line) => line.amount === 0, mark);
    await car.until((status) => status.unconfirmed === 0);
    const { registerWh } = await charger.status();
    this.timeline.say('charger', `${over.ticks} ticks delivered; meter register ${registerWh} Wh`);
  }

  /** The network returns: outboxes drain, every entry is acknowledged. */
  async comeBack(mqttUrl: string): Promise<void> {
    this.timeline.heading('the network returns');
    for (const device of this.all()) device.command({ connect: mqttUrl });
    await Promise.all(this.all().map((device) => device.until((status) => status.outbox === 0)));
  }

  /** Terminals hear from the hub what L2 settled. */
  async hearOfSettlement(): Promise<void> {
    const told = async (name: string): Promise<void> => {
      await this.device(name).until((status) =>
        (status.lanes as { base: number; settled: number }[]).every((lane) => lane.settled === lane.base),
      );
    };
    await Promise.all([told('pos'), told('charger')]);
  }

  /** The devices' own figures, from books that are the fold of their journals. */
  async result(): Promise<StoryResult> {
    const [pos, charger] = await Promise.all([this.device('pos').status(), this.device('charger').status()]);
    type Counts = { accepted: number; ticks: number; acknowledged: number };
    const [posCounts, chargerCounts] = [pos.counts as Counts, charger.counts as Counts];
    return {
      taps: posCounts.accepted,
      ticks: chargerCounts.ticks,
      accepted: posCounts.accepted + chargerCounts.accepted,
      acknowledged: posCounts.acknowledged + chargerCounts.acknowledged,
      approved: [...this.approved],
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.all().map((device) => device.stop()));
  }

  /** How a person goes on by hand while the hub runs. */
  hints(folder: string, mqttUrl: string): string[] {
    const { radio } = this;
    const socket = `${defaultTap('pos')}.hand`;
    const at = (name: string): string => shellWord(join(folder, name));
    const bus = radio === undefined ? '' : `DBUS_SYSTEM_BUS_ADDRESS=${radio.env.DBUS_SYSTEM_BUS_ADDRESS} `;
    const hand = (role: 'pos' | 'wearable'): string =>
      `${bus}npx sundial ${role} --state ${at(role)} --tap ${shellWord(radio?.[role] ?? socket)} --hub ${mqttUrl}`;
    return [
      `${hand('pos')} --amount 1.50`,
      hand('wearable'),
      `npx sundial reconcile --site ${at('')}`,
      `npx sundial channel show --site ${at('')} --channel ${this.site.devices[0]!.channel}`,
    ];
  }
}
