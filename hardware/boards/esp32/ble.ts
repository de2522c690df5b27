/**
 * The device as BLE peripheral on the Moddable SDK's GATT server (SDK 8.2.3, modules/io/ble/server/esp32): the two services
 * of protocol/LINKS.md, each behind device/links/gatt.ts. What the server's C asks of whoever uses it, and nothing else:
 *
 * - `notify` takes the characteristic that the server made, which is `this` in its callbacks, and no object of ours;
 * - it refuses (throws) while nobody is subscribed, and on a connection that is gone or closed;
 * - it cuts what is longer than the connection's `maximumWrite`, which is 20 until the MTU was agreed on;
 * - a connection that we close is not told of by `onDisconnect`;
 * - a characteristic that notifies must have `onUnsubscribe`;
 * - an advertisement has 31 bytes, so one service at a time, and it goes on after a central came, until it is stopped.
 */
import {
  type GattEnd,
  GattPeripheral,
  type GattProfile,
  type GattRefusal,
  SYNC_GATT,
  TAP_GATT,
} from '../../../device/links/gatt.ts';
import type { Clock, Link } from '../../interfaces/index.ts';

/** A central that is connected. */
export interface Connection {
  /** Bytes of a notification at most, now. */
  readonly maximumWrite: number;
  close(): void;
  notify(characteristic: object, value: ArrayBuffer): void;
}

/** What a characteristic is asked for with; the server makes its own object of it. */
export interface Characteristic {
  readonly uuid: string;
  readonly properties: number;
  onWrite?(value: ArrayBuffer, connection: Connection): void;
  onSubscribe?(this: object, connection: Connection): void;
  onUnsubscribe?(this: object, connection: Connection): void;
}

export interface ServerOptions {
  readonly mtu: number;
  readonly services: readonly {
    readonly uuid: string;
    readonly characteristics: readonly Characteristic[];
  }[];
  onReady(this: Server): void;
  onDisconnect(this: Server, connection: Connection): void;
}

export interface Server {
  startAdvertising(scan: { readonly flags: number; readonly services: readonly string[] }): void;
  stopAdvertising(): void;
}

/** The SDK's class. */
export interface ServerClass {
  readonly properties: {
    readonly notify: number;
    readonly write: number;
    readonly writeWithOutResponse: number;
  };
  new (options: ServerOptions): Server;
}

export interface BleOptions {
  readonly clock: Pick<Clock, 'schedule'>;
  /** The radio is on. */
  onReady(): void;
  /** Why nobody may open a tap just now; undefined: welcome. */
  refusal(): GattRefusal | undefined;
  onTap(link: Link): void;
  onTapEnd?(why: GattEnd): void;
  /** A gateway opened a sync; the device says its address on it (device/links/uplink.ts). */
  onSync(link: Link): void;
}

/** The radio of a device. */
export interface Ble {
  /** May be found for a tap from now on, or for gateways only. Before the radio is on it counts for later. */
  wantTap(on: boolean): void;
}

/** General discoverable, no classic Bluetooth. */
const ADVERTISING_FLAGS = 6;
/** Bytes of a packet whatever the MTU; more is used when the first central agreed on more. */
const PACKET_MIN = 20;
/** The largest MTU; a central that knows less says so. */
const MTU = 517;
/** The longest value of an attribute. */
const PACKET_MAX = 512;

/** One service: who is subscribed, and the link that stands. */
class Service {
  readonly characteristics: readonly Characteristic[];
  private readonly gatt: GattPeripheral;
  private notifying: object | undefined;
  /** Who is subscribed, by name. */
  private readonly peers = new Map<string, Connection>();

  constructor(
    properties: ServerClass['properties'],
    { write, notify }: GattProfile,
    nameOf: (connection: Connection) => string,
    options: Pick<ConstructorParameters<typeof GattPeripheral>[0], 'clock' | 'refusal' | 'onLink'> & {
      onEnd(why: GattEnd): void;
    },
  ) {
    const { clock, refusal, onLink, onEnd } = options;
    this.gatt = new GattPeripheral({
      clock,
      packetMax: PACKET_MAX,
      refusal,
      onLink,
      write: (packet, peer) => this.notify(packet, peer),
      onEnd: (why, peer) => {
        onEnd(why);
        const connection = this.peers.get(peer);
        // After the last notification, which says that it is over.
        if (why !== 'gone' && connection !== undefined) clock.schedule(0, () => this.close(connection, peer));
      },
    });
    // The server calls these with its own object as `this`.
    const service = this;
    this.characteristics = [
      {
        uuid: write,
        properties: properties.write | properties.writeWithOutResponse,
        onWrite: (value, connection) => service.take(new Uint8Array(value), connection, nameOf(connection)),
      },
      {
        uuid: notify,
        properties: properties.notify,
        onSubscribe(connection) {
          service.notifying = this;
          service.peers.set(nameOf(connection), connection);
        },
        onUnsubscribe(connection) {
          service.gone(nameOf(connection));
        },
      },
    ];
  }

  private take(packet: Uint8Array, connection: Connection, peer: string): void {
    // Who is not subscribed could hear no answer.
    if (this.peers.has(peer)) this.gatt.push(peer, within(packet, connection.maximumWrite));
  }

  private notify(packet: Uint8Array, peer: string): void {
    const connection = this.peers.get(peer);
    if (connection === undefined || this.notifying === undefined) return;
    try {
      connection.notify(this.notifying, packet.slice().buffer as ArrayBuffer);
    } catch {
      // Gone meanwhile: `onDisconnect` says so, or the link falls silent.
    }
  }

  private close(connection: Connection, peer: string): void {
    if (this.peers.get(peer) !== connection) return;
    this.peers.delete(peer);
    connection.close();
  }

  gone(peer: string): void {
    this.peers.delete(peer);
    this.gatt.gone(peer);
  }
}

/** Bytes 2 and 3 of OPEN say how long a packet the central takes: never longer than what a notification holds. */
function within(packet: Uint8Array, maximumWrite: number): Uint8Array {
  if (packet[0] !== 1 || packet.length !== 8) return packet;
  const most = Math.min(Math.max(maximumWrite, PACKET_MIN), (packet[2]! << 8) | packet[3]!);
  const bounded = packet.slice();
  bounded[2] = most >> 8;
  bounded[3] = most & 255;
  return bounded;
}

/** Starts the radio with both services; gateways may find the device as soon as it is on. */
export function serveBle(GATTServer: ServerClass, options: BleOptions): Ble {
  const { clock, refusal, onTap, onSync } = options;
  const names = new Map<Connection, string>();
  let count = 0;
  const nameOf = (connection: Connection): string => {
    let name = names.get(connection);
    if (name === undefined) {
      count += 1;
      name = String(count);
      names.set(connection, name);
    }
    return name;
  };
  const { properties } = GATTServer;
  const tap = new Service(properties, TAP_GATT, nameOf, {
    clock,
    refusal,
    onLink: onTap,
    onEnd: (why) => options.onTapEnd?.(why),
  });
  const sync = new Service(properties, SYNC_GATT, nameOf, {
    clock,
    refusal: () => undefined,
    onLink: onSync,
    onEnd: () => undefined,
  });
  let radio: Server | undefined;
  let wanted = false;
  const advertise = (): void => {
    if (radio === undefined) return;
    radio.stopAdvertising();
    // The service and nothing else: no name.
    const { service } = wanted ? TAP_GATT : SYNC_GATT;
    radio.startAdvertising({ flags: ADVERTISING_FLAGS, services: [service] });
  };
  new GATTServer({
    mtu: MTU,
    services: [
      { uuid: TAP_GATT.service, characteristics: tap.characteristics },
      { uuid: SYNC_GATT.service, characteristics: sync.characteristics },
    ],
    onReady() {
      radio = this;
      options.onReady();
      advertise();
    },
    onDisconnect(connection) {
      const peer = nameOf(connection);
      names.delete(connection);
      tap.gone(peer);
      sync.gone(peer);
    },
  });
  return {
    wantTap(on) {
      if (wanted === on) return;
      wanted = on;
      advertise();
    },
  };
}
