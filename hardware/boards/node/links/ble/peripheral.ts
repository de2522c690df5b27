/**
 * A device as BLE peripheral, on BlueZ: a GATT application with one service, and an advertisement that has the service
 * and nothing else, no name above all. Whether its address changes is BlueZ's: set `Privacy = device` in
 * /etc/bluetooth/main.conf, or the controller shows its own fixed one.
 */
import dbus, { type MessageBus } from 'dbus-next';
import {
  type GattEnd,
  GattPeripheral,
  type GattProfile,
  type GattRefusal,
  MTU_MAX,
  packetMaxAt,
} from '../../../../../device/links/gatt.ts';
import type { Link } from '../../../../interfaces/index.ts';
import { nodeClock } from '../../host.ts';
import { adapterPath, callBluez, DEVICE, leaveBus, noBluetooth, ready, watchProperties } from './bus.ts';
import { Tree } from './tree.ts';

const { Variant } = dbus;
const CHARACTERISTIC = 'org.bluez.GattCharacteristic1';
const ADVERTISEMENT = 'org.bluez.LEAdvertisement1';
const ROOT = '/org/sundial';
const SERVICE_PATH = `${ROOT}/service0`;
const WRITE_PATH = `${SERVICE_PATH}/char0`;
const NOTIFY_PATH = `${SERVICE_PATH}/char1`;
const ADVERTISEMENT_PATH = `${ROOT}/advertisement`;

export interface BlePeripheralOptions {
  readonly profile: GattProfile;
  readonly adapter?: string | undefined;
  /** Why nobody may open just now; undefined: welcome. */
  refusal(): GattRefusal | undefined;
  onLink(link: Link): void;
  onEnd?(why: GattEnd): void;
}

/** A peripheral that can be found or not. */
export interface BlePeripheral {
  /** Starts or stops the advertisement; a link that stands is left alone. */
  advertise(on: boolean): void;
  close(): void;
}

/** Registers the service; nothing is advertised yet. Rejects with `no_bluetooth`. */
export async function blePeripheral(options: BlePeripheralOptions): Promise<BlePeripheral> {
  const bus = dbus.systemBus();
  const { profile } = options;
  let gatt: GattPeripheral | undefined;
  await ready(bus, () => gatt?.end());
  const adapter = await adapterPath(bus, options.adapter);
  const tree = new Tree(bus);
  const served = new GattPeripheral({
    clock: nodeClock,
    // The connection's own MTU is the central's to say; what is longer, BlueZ would cut.
    packetMax: packetMaxAt(MTU_MAX),
    refusal: options.refusal,
    write: (packet) =>
      tree.change(NOTIFY_PATH, CHARACTERISTIC, { Value: new Variant('ay', Buffer.from(packet)) }),
    onLink: options.onLink,
    onEnd: (why, peer) => {
      options.onEnd?.(why);
      // After the last notification, which says that it is over.
      if (why !== 'gone') callBluez(bus, peer, DEVICE, 'Disconnect').catch(() => undefined);
    },
  });
  gatt = served;
  addService(tree, profile, (peer, bytes) => served.push(peer, bytes));
  await watchProperties(bus, `${adapter}/`.slice(0, -1), (path, name, changed) => {
    if (name === DEVICE && changed.Connected?.value === false) served.gone(path);
  });
  try {
    await callBluez(bus, adapter, 'org.bluez.GattManager1', 'RegisterApplication', 'oa{sv}', ['/', {}]);
  } catch (error) {
    throw noBluetooth(error);
  }
  const advertising = new Advertising(bus, adapter);
  return {
    advertise: (on) => advertising.want(on),
    close() {
      advertising.want(false);
      served.end();
      setImmediate(() => leaveBus(bus));
    },
  };
}

function addService(
  tree: Tree,
  profile: GattProfile,
  onWrite: (peer: string, bytes: Uint8Array) => void,
): void {
  const characteristic = (uuid: string, flags: string[]) => ({
    UUID: new Variant('s', uuid),
    Service: new Variant('o', SERVICE_PATH),
    Flags: new Variant('as', flags),
  });
  const nothing = { takes: '', gives: '', call: () => [] };
  tree.add(SERVICE_PATH, {
    'org.bluez.GattService1': {
      properties: { UUID: new Variant('s', profile.service), Primary: new Variant('b', true) },
      methods: {},
    },
  });
  tree.add(WRITE_PATH, {
    [CHARACTERISTIC]: {
      properties: characteristic(profile.write, ['write', 'write-without-response']),
      methods: {
        WriteValue: {
          takes: 'aya{sv}',
          gives: '',
          call: ({ body }) => {
            const [value, how] = body as [Buffer, Record<string, { value: unknown }>];
            onWrite(String(how.device?.value), new Uint8Array(value));
            return [];
          },
        },
      },
    },
  });
  tree.add(NOTIFY_PATH, {
    [CHARACTERISTIC]: {
      properties: characteristic(profile.notify, ['notify']),
      methods: { StartNotify: nothing, StopNotify: nothing },
    },
  });
  tree.add(ADVERTISEMENT_PATH, {
    [ADVERTISEMENT]: {
      properties: {
        Type: new Variant('s', 'peripheral'),
        ServiceUUIDs: new Variant('as', [profile.service]),
      },
      methods: { Release: nothing },
    },
  });
}

/** One wish after the other, the last one wins: BlueZ takes its time, and a wearer may press meanwhile. */
class Advertising {
  private readonly bus: MessageBus;
  private readonly adapter: string;
  private wanted = false;
  private is = false;
  private busy = false;

  constructor(bus: MessageBus, adapter: string) {
    this.bus = bus;
    this.adapter = adapter;
  }

  want(on: boolean): void {
    this.wanted = on;
    if (!this.busy) void this.work();
  }

  private async work(): Promise<void> {
    this.busy = true;
    while (this.is !== this.wanted) {
      const on = this.wanted;
      const [member, signature, body] = on
        ? (['RegisterAdvertisement', 'oa{sv}', [ADVERTISEMENT_PATH, {}]] as const)
        : (['UnregisterAdvertisement', 'o', [ADVERTISEMENT_PATH]] as const);
      // An adapter that is off takes none, and forgets those that it had.
      await callBluez(this.bus, this.adapter, 'org.bluez.LEAdvertisingManager1', member, signature, [
        ...body,
      ]).catch(() => undefined);
      this.is = on;
    }
    this.busy = false;
  }
}
