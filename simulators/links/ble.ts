/**
 * Taps and syncs over BLE: the real hosts of till, wearable and gateway, node-ble and all, on a simulated BlueZ. Cuts:
 * the connection at any packet (before or after it arrives), lost packets, an adapter that goes off, the power of either
 * device at any flash write and before any effect.
 */
import { LinkUplink } from '../../device/links/uplink.ts';
import { SYNC_GATT, TAP_GATT } from '../../device/links/gatt.ts';
import { Intent } from '../../device/links/intent.ts';
import { bleCentral } from '../../hardware/boards/node/links/ble/central.ts';
import { blePeripheral } from '../../hardware/boards/node/links/ble/peripheral.ts';
import { bleGateway, brokerUplinks } from '../../hardware/boards/node/links/gateway.ts';
import { nodeClock } from '../../hardware/boards/node/host.ts';
import { Bluez, type Fate } from '../stage/bluez/bluez.ts';
import { startBus } from '../stage/bluez/daemon.ts';
import { Random } from '../stage/world/random.ts';
import { dayOf, type DayResult } from './day.ts';
import { LinksHub } from './hub.ts';
import { Links } from './meeting.ts';
import type { Break, Meeting } from './sale.ts';
import { HUB_NAME, keys, Shop, SIDES, type Side } from './site.ts';

/** What a link does to its packets, from the one with this number on; `off`: the wearable's adapter goes off there. */
export interface BleCut {
  readonly at: number;
  readonly fate: Exclude<Fate, 'arrives'> | 'off';
}

export type BleResult = DayResult & { readonly syncs: number };

export interface BleOptions {
  readonly seed: number;
  readonly taps: number;
  readonly cuts: number;
  say(text: string): void;
}

const MTUS = [23, 24, 27, 53, 100, 158, 185, 247, 251, 512, 517];
/** About what a tap takes of packets at an MTU, of flash operations and of effects: cuts come anywhere within. */
const packetsAt = (mtu: number): number => (mtu < 60 ? 44 : 13);
const FLASH_MAX = { payer: 45, till: 50 };
const EFFECTS_MAX = { payer: 7, till: 7 };
/** Purchases between two syncs: the outbox has room for more, the cap of a channel not for much more. */
const SYNC_EACH = 10;
const SYNC_MS = 60_000;

class BleMeeting extends Links implements Meeting<BleCut> {
  readonly intent: Intent;
  private readonly bluez: Bluez;
  private cut: BleCut | undefined;
  private happened = false;
  private readonly wearableAdapter: string;
  advertise: (on: boolean) => void = () => undefined;
  stop: () => void = () => undefined;

  constructor(bluez: Bluez, wearableAdapter: string) {
    super();
    this.bluez = bluez;
    this.wearableAdapter = wearableAdapter;
    this.intent = new Intent({
      policy: 'press',
      clock: nodeClock,
      pressMs: 60_000,
      onChange: (wanted) => this.advertise(wanted),
    });
    bluez.air.fate = ({ number }) => this.fate(number);
  }

  private fate(number: number): Fate {
    const { cut } = this;
    if (cut === undefined || number < cut.at) return 'arrives';
    // Lost packets come in bursts of three; the link heals them, so nobody has to try again.
    if (cut.fate === 'lost') {
      if (number >= cut.at + 2) this.cut = undefined;
      return 'lost';
    }
    this.cut = undefined;
    this.happen();
    if (cut.fate !== 'off') return cut.fate;
    this.bluez.power(this.wearableAdapter, false);
    return 'lost';
  }

  private happen(): void {
    this.happened = true;
    this.wake();
  }

  begin(cut: BleCut | undefined): void {
    this.happened = false;
    this.cut = cut;
    this.bluez.power(this.wearableAdapter, true);
    this.intent.press();
  }

  cutHappened(): boolean {
    return this.happened;
  }

  end(): Promise<void> {
    this.cut = undefined;
    this.intent.end();
    return this.closeAll();
  }
}

function breaks(random: Random, mtu: number): Break<BleCut>[] {
  const packets = packetsAt(mtu);
  return Array.from({ length: random.below(6) }, () => {
    const side = random.chance(500) ? 'payer' : 'till';
    switch (random.below(8)) {
      case 0:
        return { power: { side, kind: 'flash', at: 1 + random.below(FLASH_MAX[side]) } };
      case 1:
        return { power: { side, kind: 'effect', at: 1 + random.below(EFFECTS_MAX[side]) } };
      case 2:
        return { link: { at: 1 + random.below(packets), fate: 'lost' } };
      case 3:
        return { link: { at: 1 + random.below(packets), fate: 'off' } };
      case 4:
        return { link: { at: 1 + random.below(packets), fate: 'cut_after' } };
      default:
        return { link: { at: 1 + random.below(packets), fate: 'cut' } };
    }
  });
}

/** Taps until both numbers are reached; syncs now and then and at the end; compares the books. */
export async function runBle(options: BleOptions): Promise<BleResult> {
  const bus = await startBus();
  const before = process.env.DBUS_SYSTEM_BUS_ADDRESS;
  process.env.DBUS_SYSTEM_BUS_ADDRESS = bus.address;
  const closers: (() => unknown)[] = [() => bus.close()];
  try {
    return await run(options, await Bluez.start(bus.address), closers);
  } finally {
    for (const close of closers.reverse()) await close();
    if (before === undefined) delete process.env.DBUS_SYSTEM_BUS_ADDRESS;
    else process.env.DBUS_SYSTEM_BUS_ADDRESS = before;
  }
}

async function run(options: BleOptions, bluez: Bluez, closers: (() => unknown)[]): Promise<BleResult> {
  closers.push(() => bluez.stop());
  const random = new Random(options.seed).fork('ble');
  const [till, wearable, gateway, tillSync, wearableSync] = Array.from({ length: 5 }, () =>
    bluez.addAdapter(),
  );
  const hub = await LinksHub.start();
  const shop = await Shop.open(options.seed);
  closers.push(
    () => hub.discard(),
    () => shop.close(),
  );
  const meeting = new BleMeeting(bluez, wearable!);
  const peripheral = await blePeripheral({
    profile: TAP_GATT,
    adapter: wearable,
    refusal: () => (meeting.intent.wanted && !shop.actors.payer.dead ? undefined : 'not_pressed'),
    onLink: (link) => meeting.linked('payer', link, shop),
  });
  meeting.advertise = (on) => peripheral.advertise(on);
  closers.push(() => peripheral.close());
  closers.push(
    await bleCentral({
      profile: TAP_GATT,
      adapter: till,
      linksMax: 1,
      onLink: (link) => meeting.linked('till', link, shop),
    }),
  );
  closers.push(await bleGateway({ open: brokerUplinks({ url: hub.url, hub: HUB_NAME }), adapter: gateway }));
  const syncs = await Syncs.start(shop, { payer: wearableSync!, till: tillSync! }, closers);
  const day = await dayOf({
    name: 'ble',
    shop,
    hub,
    meeting,
    taps: options.taps,
    cuts: options.cuts,
    handInEach: SYNC_EACH,
    breaks: () => {
      bluez.air.mtu = random.pick(MTUS);
      bluez.air.latencyMs = random.chance(100) ? random.below(4) : 0;
      return breaks(random, bluez.air.mtu);
    },
    handIn: () => syncs.all(),
    also: () => `, ${syncs.count} syncs`,
    say: (text) => options.say(text),
  });
  return { ...day, syncs: syncs.count };
}

/** Both devices as sync peripherals: each comes into reach, hands everything in, and goes. */
class Syncs {
  count = 0;
  private readonly shop: Shop;
  private readonly advertise = new Map<Side, (on: boolean) => void>();

  static async start(
    shop: Shop,
    adapters: Readonly<Record<Side, string>>,
    closers: (() => unknown)[],
  ): Promise<Syncs> {
    const syncs = new Syncs(shop);
    for (const side of SIDES) {
      const uplink = new LinkUplink((side === 'payer' ? keys.payer : keys.till).address);
      const peripheral = await blePeripheral({
        profile: SYNC_GATT,
        adapter: adapters[side],
        refusal: () => undefined,
        onLink: (link) => uplink.attach(link),
      });
      closers.push(() => peripheral.close());
      syncs.advertise.set(side, (on) => peripheral.advertise(on));
      shop.actors[side].uplink = uplink;
      shop.actors[side].device.attachUplink(uplink);
    }
    return syncs;
  }

  private constructor(shop: Shop) {
    this.shop = shop;
  }

  async all(): Promise<void> {
    for (const side of SIDES) {
      const books = () =>
        (side === 'payer' ? this.shop.payer : this.shop.till).state.books as { outbox: readonly unknown[] };
      const waiting = books().outbox.length;
      this.advertise.get(side)!(true);
      const done = await this.shop.until(() => books().outbox.length === 0, SYNC_MS);
      this.advertise.get(side)!(false);
      if (!done) throw new Error(`${side}: ${books().outbox.length} of ${waiting} wait for the hub's word`);
      this.count += 1;
    }
  }
}
