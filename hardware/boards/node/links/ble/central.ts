/**
 * The till or gateway as BLE central, on node-ble and BlueZ: finds peripherals that advertise a service, connects, and
 * gives out a link for each that lets itself be opened. It goes on for good: what is gone is looked for again, and so is
 * an adapter that was switched off.
 */
import { randomBytes } from 'node:crypto';
import { createBluetooth } from 'node-ble';
import type { MessageBus } from 'dbus-next';
import {
  ATT_OVERHEAD,
  GattCentral,
  type GattEnd,
  type GattProfile,
  MTU_MAX,
  MTU_MIN,
  packetMaxAt,
} from '../../../../../device/links/gatt.ts';
import type { Link } from '../../../../interfaces/index.ts';
import { nodeClock } from '../../host.ts';
import { ADAPTER, adapterPath, DEVICE, leaveBus, managedObjects, ready } from './bus.ts';

export interface BleCentralOptions {
  readonly profile: GattProfile;
  /** Such as hci1; absent: the first. */
  readonly adapter?: string | undefined;
  /** Only this peripheral, as AA:BB:CC:DD:EE:FF; absent: whoever advertises the service. */
  readonly address?: string | undefined;
  /** Links that may stand at once. */
  readonly linksMax: number;
  onLink(link: Link, address: string): void;
  /** A connection ended, or came to nothing. */
  onEnd?(why: GattEnd | 'not_connected', address: string): void;
}

/** What is used of node-ble beyond its typings. */
interface Helper {
  prop(name: string): Promise<unknown>;
}
const helperOf = (object: unknown): Helper => (object as { helper: Helper }).helper;

/** node-ble on a connection of its own to the bus. Rejects with `no_bluetooth`. */
async function session(onGone: () => void) {
  const { bluetooth } = createBluetooth();
  const { dbus: bus } = bluetooth as unknown as { dbus: MessageBus };
  await ready(bus, onGone);
  return { bluetooth, bus, destroy: () => leaveBus(bus) };
}
type Session = Awaited<ReturnType<typeof session>>;
type Device = Awaited<ReturnType<Awaited<ReturnType<Session['bluetooth']['getAdapter']>>['getDevice']>>;

/** Between two looks, when nothing was heard meanwhile. */
const LOOK_MS = 1_000;
/** How long a peripheral that ended or refused is left alone: it may come back at once under another address. */
const REST_MS = 400;
/** Longest wait for a connection and its services. */
const CONNECT_MS = 10_000;

/** Looks for peripherals until the returned function is called. Rejects with `no_bluetooth`. */
export async function bleCentral(options: BleCentralOptions): Promise<() => void> {
  const central = new Central(options);
  await central.start();
  return () => central.stop();
}

class Central {
  private readonly options: BleCentralOptions;
  /** The connection that looks around. */
  private own!: Session;
  private adapter!: Awaited<ReturnType<Session['bluetooth']['getAdapter']>>;
  private path = '';
  private stopped = false;
  private looking = false;
  private lookAgain = false;
  private timer: NodeJS.Timeout | undefined;
  /** Peripherals that are met just now, by address, and how to let each go. */
  private readonly met = new Map<string, () => void>();
  /** Until when others are left alone. */
  private readonly resting = new Map<string, number>();

  constructor(options: BleCentralOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    this.own = await session(() => this.letGo());
    const { bus, bluetooth } = this.own;
    this.path = await adapterPath(bus, this.options.adapter);
    this.adapter = await bluetooth.getAdapter(this.adapterName);
    const root = await bus.getProxyObject('org.bluez', '/');
    const manager = root.getInterface('org.freedesktop.DBus.ObjectManager');
    manager.on('InterfacesAdded', (path: string, interfaces: object) => {
      if (path.startsWith(`${this.path}/`) && DEVICE in interfaces) void this.look();
    });
    await this.look();
  }

  private get adapterName(): string {
    return this.path.slice(this.path.lastIndexOf('/') + 1);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.letGo();
    // What was just said to BlueZ goes out first.
    setImmediate(this.own.destroy);
  }

  private letGo(): void {
    for (const end of [...this.met.values()]) end();
  }

  /** Meets whoever is there and may be met. */
  private async look(): Promise<void> {
    if (this.stopped) return;
    if (this.looking) {
      this.lookAgain = true;
      return;
    }
    this.looking = true;
    clearTimeout(this.timer);
    try {
      do {
        this.lookAgain = false;
        await this.lookOnce();
      } while (this.lookAgain && !this.stopped);
    } catch {
      // BlueZ restarts, or its adapter is gone: the next look finds it again.
    }
    this.looking = false;
    if (!this.stopped) this.timer = setTimeout(() => void this.look(), this.nextLookMs());
  }

  private nextLookMs(): number {
    const now = Date.now();
    for (const [address, until] of this.resting) if (until <= now) this.resting.delete(address);
    return Math.min(LOOK_MS, ...[...this.resting.values()].map((until) => until - now + 1));
  }

  private async lookOnce(): Promise<void> {
    const objects = await managedObjects(this.own.bus);
    const own = objects[this.path]?.[ADAPTER];
    if (own?.Powered?.value !== true) return;
    if (own.Discovering?.value !== true) await this.adapter.startDiscovery();
    const { profile, address: only, linksMax } = this.options;
    for (const [path, interfaces] of Object.entries(objects)) {
      const device = interfaces[DEVICE];
      if (device === undefined || !path.startsWith(`${this.path}/`)) continue;
      const address = String(device.Address?.value);
      const offered = (device.UUIDs?.value as string[] | undefined)?.includes(profile.service) === true;
      // BlueZ keeps devices that it hears no more; those have no strength.
      const heard = device.RSSI !== undefined;
      const wanted = only === undefined || address.toUpperCase() === only.toUpperCase();
      if (!offered || !heard || !wanted || this.met.has(address)) continue;
      if ((this.resting.get(address) ?? 0) > Date.now() || this.met.size >= linksMax) continue;
      this.met.set(address, () => undefined);
      void this.meet(address);
    }
  }

  /**
   * One peripheral, from connecting to the end, over a connection to the bus of its own: dbus-next 0.10 never takes a match
   * rule back, and a bus allows some hundreds a connection, so that a till would be deaf after a few hundred customers.
   */
  private async meet(address: string): Promise<void> {
    let why: GattEnd | 'not_connected' = 'not_connected';
    let leave = async (): Promise<void> => undefined;
    try {
      const { bluetooth, destroy } = await session(() => this.met.get(address)?.());
      leave = async () => destroy();
      const device = await answered(
        bluetooth.getAdapter(this.adapterName).then((adapter) => adapter.getDevice(address)),
      );
      leave = () => answered(device.disconnect()).finally(destroy);
      why = await this.linkOver(device, address);
    } catch {
      // Out of reach, or it went while its services were read.
    }
    await leave().catch(() => undefined);
    this.met.delete(address);
    this.resting.set(address, Date.now() + REST_MS);
    this.options.onEnd?.(why, address);
    void this.look();
  }

  /** Connects, opens, and resolves when the link ended. */
  private async linkOver(device: Device, address: string): Promise<GattEnd | 'not_connected'> {
    let gone = (): void => undefined;
    const disconnected = new Promise<'gone'>((resolve) => {
      gone = () => resolve('gone');
    });
    this.met.set(address, gone);
    device.on('disconnect', gone);
    const found = await within(CONNECT_MS, disconnected, this.characteristics(device));
    if (found === 'gone') return 'not_connected';
    const { write, notify, packetMax } = found;
    let central: GattCentral | undefined;
    notify.on('valuechanged', (bytes) => central?.push(new Uint8Array(bytes)));
    if ((await within(CONNECT_MS, disconnected, notify.startNotifications())) === 'gone') return 'gone';
    return new Promise<GattEnd>((resolve) => {
      central = new GattCentral({
        clock: nodeClock,
        packetMax,
        nonce: new Uint8Array(randomBytes(4)),
        write: (packet) => {
          write.writeValueWithoutResponse(Buffer.from(packet)).catch(gone);
        },
        onLink: (link) => this.options.onLink(link, address),
        onEnd: resolve,
      });
      const opened = central;
      void disconnected.then(() => opened.end('gone'));
    });
  }

  private async characteristics(device: Device) {
    await device.connect();
    const { profile } = this.options;
    const service = await (await device.gatt()).getPrimaryService(profile.service);
    const write = await service.getCharacteristic(profile.write);
    const notify = await service.getCharacteristic(profile.notify);
    // BlueZ before 5.62 does not tell it.
    const mtu = await helperOf(notify)
      .prop('MTU')
      .catch(() => MTU_MIN);
    const inside = Math.min(MTU_MAX, Math.max(MTU_MIN, Number(mtu)));
    return {
      write,
      notify,
      packetMax: Number.isInteger(inside) ? packetMaxAt(inside) : MTU_MIN - ATT_OVERHEAD,
    };
  }
}

/** An answer of BlueZ, which has no time of its own: one that never comes would keep this address from being met again. */
const answered = <T>(answer: Promise<T>): Promise<T> => within(CONNECT_MS, answer, answer);

/** What comes first; rejects when neither comes in time. */
function within<A, B>(ms: number, one: Promise<A>, other: Promise<B>): Promise<A | B> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), ms);
  });
  return Promise.race([one, other, late]).finally(() => clearTimeout(timer));
}
