/**
 * BlueZ without a radio, on a bus of one's own: adapters that see each other, advertisements, GATT applications that
 * register, connections with an MTU, writes and notifications. What BlueZ 5.66 documents of org.bluez.Adapter1, Device1,
 * GattManager1, GattCharacteristic1 and LEAdvertisingManager1, as far as a link needs it; no pairing, no reads, no
 * prepared writes. Faults are asked for packet by packet.
 */
import { leaveBus } from '../../../hardware/boards/node/links/ble/bus.ts';
import dbus, { type Message, type MessageBus, type Variant as DbusVariant } from 'dbus-next';
import {
  failed,
  type Interface,
  type Properties,
  Tree,
} from '../../../hardware/boards/node/links/ble/tree.ts';

const { Variant } = dbus;
const ADAPTER = 'org.bluez.Adapter1';
const DEVICE = 'org.bluez.Device1';
const SERVICE = 'org.bluez.GattService1';
const CHARACTERISTIC = 'org.bluez.GattCharacteristic1';
const PROPERTIES = 'org.freedesktop.DBus.Properties';
const MANAGER = 'org.freedesktop.DBus.ObjectManager';

const text = (value: string): DbusVariant => new Variant('s', value);
const flag = (value: boolean): DbusVariant => new Variant('b', value);

/** What becomes of one packet: it arrives, is lost, or the connection breaks before or after it arrives. */
export type Fate = 'arrives' | 'lost' | 'cut' | 'cut_after';

/** A packet on its way. `number`: from 1, of its connection. */
export interface Packet {
  readonly number: number;
  readonly up: boolean;
  readonly bytes: Uint8Array;
}

/** What the air does; read whenever something happens, so that a test may change it. */
export interface Air {
  /** MTU of connections that are made from now on. */
  mtu: number;
  latencyMs: number;
  fate(packet: Packet): Fate;
}

interface Application {
  readonly sender: string;
  /** By characteristic's path on the application's side. */
  readonly characteristics: readonly {
    path: string;
    service: string;
    uuid: string;
    serviceUuid: string;
    flags: string[];
  }[];
}

interface Adapter {
  readonly name: string;
  readonly path: string;
  readonly address: string;
  powered: boolean;
  discovering: boolean;
  application: Application | undefined;
  advertisement: { sender: string; path: string; uuids: string[]; address: string } | undefined;
}

interface Connection {
  readonly central: Adapter;
  readonly peripheral: Adapter;
  readonly application: Application;
  /** Device objects on either adapter. */
  readonly devicePath: string;
  readonly centralPath: string;
  readonly mtu: number;
  /** Characteristic object on the central's adapter, by the application's path. */
  readonly characteristics: Map<string, string>;
  readonly notifying: Set<string>;
  packets: number;
  open: boolean;
}

/** Simulated BlueZ on a bus. */
export class Bluez {
  /** So many of the next answers to a central's Disconnect never come. */
  answersLost = 0;
  readonly air: Air = { mtu: 517, latencyMs: 0, fate: () => 'arrives' };
  private readonly bus: MessageBus;
  private readonly tree: Tree;
  private readonly adapters = new Map<string, Adapter>();
  private connections: Connection[] = [];
  private drawn = 0;
  /** Device objects of what was found. */
  private readonly found = new Set<string>();

  /** `address`: of the bus, as DBUS_SYSTEM_BUS_ADDRESS has it. */
  static async start(address: string): Promise<Bluez> {
    const bus = dbus.sessionBus({ busAddress: address });
    await new Promise<void>((resolve, reject) => {
      bus.once('connect', resolve);
      bus.once('error', reject);
    });
    const bluez = new Bluez(bus);
    await bluez.hearApplications();
    await bus.requestName('org.bluez', 0);
    return bluez;
  }

  private constructor(bus: MessageBus) {
    this.bus = bus;
    this.tree = new Tree(bus);
    this.tree.add('/org/bluez', {
      'org.bluez.AgentManager1': {
        properties: {},
        methods: { RegisterAgent: { takes: 'os', gives: '', call: () => [] } },
      },
    });
  }

  stop(): void {
    leaveBus(this.bus);
  }

  /** How many connections stand. */
  get connected(): number {
    return this.connections.length;
  }

  // ---- adapters ----

  /** Another adapter: hci0, hci1, ... */
  addAdapter(): string {
    const name = `hci${this.adapters.size}`;
    const path = `/org/bluez/${name}`;
    const adapter: Adapter = {
      name,
      path,
      address: this.drawAddress(),
      powered: true,
      discovering: false,
      application: undefined,
      advertisement: undefined,
    };
    this.adapters.set(name, adapter);
    this.tree.add(path, {
      [ADAPTER]: this.adapterInterface(adapter),
      'org.bluez.GattManager1': this.gattManager(adapter),
      'org.bluez.LEAdvertisingManager1': this.advertisingManager(adapter),
    });
    return name;
  }

  /** The radio goes off or on: connections break, nothing is found and nobody finds it. */
  power(name: string, on: boolean): void {
    const adapter = this.adapters.get(name)!;
    adapter.powered = on;
    if (!on) {
      adapter.discovering = false;
      for (const connection of this.connections.filter(
        ({ central, peripheral }) => central === adapter || peripheral === adapter,
      ))
        this.disconnect(connection);
    }
    this.tree.change(adapter.path, ADAPTER, { Powered: flag(on), Discovering: flag(adapter.discovering) });
    this.look();
  }

  private drawAddress(): string {
    this.drawn += 1;
    const hex = (this.drawn * 0x9e3779 + 0x51).toString(16).padStart(10, '0').slice(-10);
    // The two highest bits of a non-resolvable private address are zero.
    return ['2A', ...hex.toUpperCase().match(/../g)!].join(':');
  }

  private adapterInterface(adapter: Adapter): Interface {
    const discover = (on: boolean) => (): unknown[] => {
      if (!adapter.powered) throw failed('Not powered');
      adapter.discovering = on;
      this.tree.change(adapter.path, ADAPTER, { Discovering: flag(on) });
      this.look();
      return [];
    };
    return {
      properties: {
        Address: text(adapter.address),
        AddressType: text('public'),
        Name: text(adapter.name),
        Alias: text(adapter.name),
        Powered: flag(true),
        Discovering: flag(false),
      },
      methods: {
        SetDiscoveryFilter: { takes: 'a{sv}', gives: '', call: () => [] },
        StartDiscovery: { takes: '', gives: '', call: discover(true) },
        StopDiscovery: { takes: '', gives: '', call: discover(false) },
        RemoveDevice: {
          takes: 'o',
          gives: '',
          call: () => [],
        },
      },
    };
  }

  // ---- who is found ----

  /** Devices appear where somebody discovers, and disappear when they say nothing any more and nobody is connected. */
  private look(): void {
    const adapters = [...this.adapters.values()];
    const there = new Set(this.connections.map((connection) => connection.devicePath));
    for (const central of adapters) {
      for (const peripheral of adapters) {
        const { advertisement } = peripheral;
        if (central === peripheral || advertisement === undefined) continue;
        if (!central.powered || !central.discovering || !peripheral.powered) continue;
        const path = devicePath(central, advertisement.address);
        there.add(path);
        if (this.tree.has(path)) continue;
        this.found.add(path);
        this.addDevice(central, peripheral, advertisement);
      }
    }
    for (const path of this.found) {
      if (there.has(path)) continue;
      this.found.delete(path);
      this.tree.remove(path);
    }
  }

  private addDevice(
    central: Adapter,
    peripheral: Adapter,
    { address, uuids }: { address: string; uuids: string[] },
  ): void {
    const path = devicePath(central, address);
    let connection: Connection | undefined;
    this.tree.add(path, {
      [DEVICE]: {
        properties: {
          Address: text(address),
          AddressType: text('random'),
          Adapter: new Variant('o', central.path),
          UUIDs: new Variant('as', uuids),
          RSSI: new Variant('n', -50),
          Paired: flag(false),
          Connected: flag(false),
          ServicesResolved: flag(false),
        },
        methods: {
          Connect: {
            takes: '',
            gives: '',
            call: async () => {
              if (connection?.open) return [];
              connection = await this.connect(central, peripheral, address);
              return [];
            },
          },
          Disconnect: {
            takes: '',
            gives: '',
            call: () => {
              if (connection?.open) this.disconnect(connection);
              if (this.answersLost === 0) return [];
              this.answersLost -= 1;
              return new Promise<unknown[]>(() => undefined);
            },
          },
        },
      },
    });
  }

  // ---- connections ----

  private later(action: () => void): void {
    const { latencyMs } = this.air;
    if (latencyMs === 0) action();
    else setTimeout(action, latencyMs);
  }

  private async connect(central: Adapter, peripheral: Adapter, address: string): Promise<Connection> {
    await new Promise<void>((resolve) => this.later(resolve));
    const { application } = peripheral;
    if (!central.powered || peripheral.advertisement?.address !== address || application === undefined)
      throw failed('le-connection-abort-by-local');
    const connection: Connection = {
      central,
      peripheral,
      application,
      devicePath: devicePath(central, address),
      centralPath: devicePath(peripheral, central.address),
      mtu: this.air.mtu,
      characteristics: new Map(),
      notifying: new Set(),
      packets: 0,
      open: true,
    };
    this.connections.push(connection);
    this.tree.add(connection.centralPath, {
      [DEVICE]: {
        properties: { Address: text(central.address), Connected: flag(true) },
        methods: {
          Disconnect: {
            takes: '',
            gives: '',
            call: () => {
              if (connection.open) this.disconnect(connection);
              return [];
            },
          },
        },
      },
    });
    this.tree.change(connection.devicePath, DEVICE, { Connected: flag(true) });
    this.resolve(connection);
    return connection;
  }

  private resolve(connection: Connection): void {
    const { application, devicePath: device } = connection;
    const services = [...new Set(application.characteristics.map(({ service }) => service))];
    for (const [index, service] of services.entries()) {
      const servicePath = `${device}/service${String(index).padStart(4, '0')}`;
      const inside = application.characteristics.filter((one) => one.service === service);
      this.tree.add(servicePath, {
        [SERVICE]: {
          properties: {
            UUID: text(inside[0]!.serviceUuid),
            Primary: flag(true),
            Device: new Variant('o', device),
          },
          methods: {},
        },
      });
      for (const [number, one] of inside.entries()) {
        const path = `${servicePath}/char${String(number).padStart(4, '0')}`;
        connection.characteristics.set(one.path, path);
        this.tree.add(path, {
          [CHARACTERISTIC]: this.remoteCharacteristic(connection, one, path, servicePath),
        });
      }
    }
    this.tree.change(device, DEVICE, { ServicesResolved: flag(true) });
  }

  private remoteCharacteristic(
    connection: Connection,
    { path: own, uuid, flags }: Application['characteristics'][number],
    path: string,
    service: string,
  ): Interface {
    const notify = (on: boolean) => async (): Promise<unknown[]> => {
      if (!connection.open) throw failed('Not connected');
      const others = this.connections.some(
        (one) => one !== connection && one.application === connection.application && one.notifying.has(own),
      );
      if (on) connection.notifying.add(own);
      else connection.notifying.delete(own);
      this.tree.change(path, CHARACTERISTIC, { Notifying: flag(on) });
      if (!others)
        await this.callApplication(
          connection.application,
          own,
          CHARACTERISTIC,
          on ? 'StartNotify' : 'StopNotify',
        );
      return [];
    };
    return {
      properties: {
        UUID: text(uuid),
        Service: new Variant('o', service),
        Flags: new Variant('as', flags),
        Notifying: flag(false),
        MTU: new Variant('q', connection.mtu),
        Value: new Variant('ay', Buffer.alloc(0)),
      },
      methods: {
        StartNotify: { takes: '', gives: '', call: notify(true) },
        StopNotify: { takes: '', gives: '', call: notify(false) },
        WriteValue: { takes: 'aya{sv}', gives: '', call: (message) => this.write(connection, own, message) },
      },
    };
  }

  private async callApplication(
    { sender }: Application,
    path: string,
    name: string,
    member: string,
    signature = '',
    body: unknown[] = [],
  ): Promise<unknown> {
    const call = new dbus.Message({ destination: sender, path, interface: name, member, signature, body });
    return (await this.bus.call(call))?.body[0];
  }

  private async write(connection: Connection, own: string, { body }: Message): Promise<unknown[]> {
    if (!connection.open) throw failed('Not connected');
    const bytes = new Uint8Array(body[0] as Buffer);
    const type = (body[1] as Record<string, { value: unknown }>).type?.value;
    if (bytes.length > connection.mtu - 3) throw failed('longer than the MTU');
    const arrived = this.carry(connection, true, bytes, () =>
      this.callApplication(connection.application, own, CHARACTERISTIC, 'WriteValue', 'aya{sv}', [
        Buffer.from(bytes),
        {
          device: new Variant('o', connection.centralPath),
          link: text('LE'),
          type: text(String(type ?? 'request')),
          mtu: new Variant('q', connection.mtu),
        },
      ]).then(() => undefined),
    );
    // A command is done when it is handed over; a request when the other side answered.
    if (type !== 'command') await arrived;
    else void arrived.catch(() => undefined);
    return [];
  }

  /** An application changed a value: whoever subscribed hears it. */
  private notified(sender: string, path: string, bytes: Uint8Array): void {
    for (const connection of this.connections) {
      if (connection.application.sender !== sender || !connection.notifying.has(path)) continue;
      const cut = bytes.slice(0, connection.mtu - 3);
      void this.carry(connection, false, cut, () => {
        this.tree.change(connection.characteristics.get(path)!, CHARACTERISTIC, {
          Value: new Variant('ay', Buffer.from(cut)),
        });
      });
    }
  }

  private carry(
    connection: Connection,
    up: boolean,
    bytes: Uint8Array,
    deliver: () => void | Promise<void>,
  ): Promise<void> {
    connection.packets += 1;
    const fate = this.air.fate({ number: connection.packets, up, bytes });
    if (fate === 'cut') {
      this.disconnect(connection);
      return Promise.reject(failed('Not connected')).catch((error) => {
        if (up) throw error;
      });
    }
    if (fate === 'lost') return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.later(() => {
        if (!connection.open) return up ? reject(failed('Not connected')) : resolve();
        const done = deliver();
        if (fate === 'cut_after') this.disconnect(connection);
        Promise.resolve(done).then(resolve, reject);
      });
    });
  }

  private disconnect(connection: Connection): void {
    if (!connection.open) return;
    connection.open = false;
    this.connections = this.connections.filter((one) => one !== connection);
    const { devicePath: device, centralPath } = connection;
    this.tree.change(device, DEVICE, { Connected: flag(false), ServicesResolved: flag(false) });
    this.tree.change(centralPath, DEVICE, { Connected: flag(false) });
    for (const path of connection.characteristics.values())
      this.tree.remove(path.slice(0, path.lastIndexOf('/')));
    this.tree.remove(centralPath);
    this.look();
  }

  // ---- applications ----

  private async hearApplications(): Promise<void> {
    for (const rule of [
      `type='signal',interface='${PROPERTIES}',member='PropertiesChanged',arg0='${CHARACTERISTIC}'`,
      "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'",
    ])
      await this.bus.call(
        new dbus.Message({
          destination: 'org.freedesktop.DBus',
          path: '/org/freedesktop/DBus',
          interface: 'org.freedesktop.DBus',
          member: 'AddMatch',
          signature: 's',
          body: [rule],
        }),
      );
    this.bus.on('message', (message: Message) => {
      if (message.member === 'NameOwnerChanged' && message.body[2] === '')
        this.senderGone(message.body[0] as string);
      if (
        message.member !== 'PropertiesChanged' ||
        message.sender === undefined ||
        message.sender === (this.bus as unknown as { name: string }).name
      )
        return;
      const value = (message.body[1] as Properties).Value;
      if (value !== undefined)
        this.notified(message.sender, message.path!, new Uint8Array(value.value as Buffer));
    });
  }

  /** A process ended without a word: what it registered goes with it. */
  private senderGone(sender: string): void {
    for (const adapter of this.adapters.values()) {
      if (adapter.advertisement?.sender === sender) this.unadvertise(adapter);
      if (adapter.application?.sender !== sender) continue;
      adapter.application = undefined;
      for (const connection of this.connections.filter(({ peripheral }) => peripheral === adapter))
        this.disconnect(connection);
    }
  }

  private gattManager(adapter: Adapter): Interface {
    return {
      properties: {},
      methods: {
        RegisterApplication: {
          takes: 'oa{sv}',
          gives: '',
          call: async ({ sender, body }) => {
            const probe: Application = { sender: sender!, characteristics: [] };
            const objects = (await this.callApplication(
              probe,
              body[0] as string,
              MANAGER,
              'GetManagedObjects',
            )) as Record<string, Record<string, Record<string, { value: unknown }>>>;
            const characteristics = Object.entries(objects)
              .filter(([, interfaces]) => CHARACTERISTIC in interfaces)
              .map(([path, interfaces]) => {
                const own = interfaces[CHARACTERISTIC]!;
                const service = own.Service!.value as string;
                return {
                  path,
                  service,
                  uuid: own.UUID!.value as string,
                  serviceUuid: objects[service]![SERVICE]!.UUID!.value as string,
                  flags: own.Flags!.value as string[],
                };
              });
            adapter.application = { sender: sender!, characteristics };
            return [];
          },
        },
        UnregisterApplication: {
          takes: 'o',
          gives: '',
          call: () => {
            adapter.application = undefined;
            return [];
          },
        },
      },
    };
  }

  private advertisingManager(adapter: Adapter): Interface {
    return {
      properties: {},
      methods: {
        RegisterAdvertisement: {
          takes: 'oa{sv}',
          gives: '',
          call: async ({ sender, body }) => {
            const path = body[0] as string;
            const properties = (await this.callApplication(
              { sender: sender!, characteristics: [] },
              path,
              PROPERTIES,
              'GetAll',
              's',
              ['org.bluez.LEAdvertisement1'],
            )) as Record<string, { value: unknown }>;
            // With privacy on, a controller draws another address each time.
            const address = this.drawAddress();
            adapter.advertisement = {
              sender: sender!,
              path,
              uuids: properties.ServiceUUIDs!.value as string[],
              address,
            };
            this.seen.push({ address, properties: Object.keys(properties).sort() });
            this.look();
            return [];
          },
        },
        UnregisterAdvertisement: {
          takes: 'o',
          gives: '',
          call: () => {
            this.unadvertise(adapter);
            return [];
          },
        },
      },
    };
  }

  /** Every advertisement that was registered: its address, and which properties it had. */
  readonly seen: { readonly address: string; readonly properties: readonly string[] }[] = [];

  private unadvertise(adapter: Adapter): void {
    adapter.advertisement = undefined;
    this.look();
  }
}

const devicePath = (adapter: Adapter, address: string): string =>
  `${adapter.path}/dev_${address.replaceAll(':', '_')}`;
