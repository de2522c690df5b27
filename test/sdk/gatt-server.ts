/**
 * The Moddable SDK's GATT server for the ESP32 as its C behaves (SDK 8.2.3, modules/io/ble/server/esp32/bleserver.c and .js,
 * read and told anew): what it makes host objects of and refuses others, when it throws, what it cuts, what it tells and what
 * it does not. Everything is delivered a turn later, as messages to the machine are.
 *
 * Not here: pairing, reads, indications, descriptors, the radio, and NimBLE's own timing.
 */
import type { Characteristic, Connection, Server, ServerOptions } from '../../hardware/boards/esp32/ble.ts';

const DEFAULT_MTU = 23;
const MTU_MAX = 527;
const ADVERTISEMENT_MAX = 31;
const later = (action: () => void): void => void setImmediate(action);

/** The server's own object of a characteristic. */
class HostCharacteristic {
  notify = false;
}

class HostConnection implements Connection {
  /** Undefined: its host data is gone, and every use of it throws. */
  central: FakeCentral | undefined;
  maximumWriteNow = DEFAULT_MTU - 3;
  private readonly server: FakeServer;

  constructor(server: FakeServer, central: FakeCentral) {
    this.server = server;
    this.central = central;
  }

  private data(): FakeCentral {
    if (this.central === undefined) throw new Error('no host data');
    return this.central;
  }

  get maximumWrite(): number {
    this.data();
    return this.maximumWriteNow;
  }

  notify(characteristic: object, value: ArrayBuffer): void {
    const central = this.data();
    if (!(characteristic instanceof HostCharacteristic)) throw new Error('no host data');
    if (!characteristic.notify) throw new Error('disabled');
    if (!(value instanceof ArrayBuffer)) throw new Error('no buffer');
    // Longer ones are cut without a word.
    const bytes = new Uint8Array(value.slice(0, this.maximumWriteNow));
    later(() => central.heard(characteristic, bytes));
  }

  close(): void {
    const central = this.data();
    this.central = undefined;
    this.server.forget(this);
    later(() => central.lost());
  }
}

/** A central: a phone, a till, a gateway. */
export class FakeCentral {
  readonly notified: Uint8Array[] = [];
  readonly ended: string[] = [];
  onNotify: (bytes: Uint8Array) => void = () => undefined;
  private readonly server: FakeServer;
  connection: HostConnection | undefined;
  private listening = new Set<HostCharacteristic>();

  constructor(server: FakeServer) {
    this.server = server;
  }

  heard(characteristic: HostCharacteristic, bytes: Uint8Array): void {
    if (this.connection === undefined || !this.listening.has(characteristic)) return;
    this.notified.push(bytes);
    this.onNotify(bytes);
  }

  lost(): void {
    this.connection = undefined;
    this.ended.push('lost');
  }

  async connect(mtu = DEFAULT_MTU): Promise<void> {
    this.connection = this.server.connected(this);
    // The MTU is agreed on after the connection was told of.
    if (mtu > DEFAULT_MTU) this.connection.maximumWriteNow = Math.min(mtu, this.server.mtu) - 3;
  }

  /** Subscribes to a characteristic, or ends that. */
  subscribe(uuid: string, on = true): Promise<void> {
    return new Promise((resolve) =>
      later(() => {
        const found = this.server.characteristic(uuid);
        found.host.notify = on;
        if (on) this.listening.add(found.host);
        else this.listening.delete(found.host);
        const call = on ? found.asked.onSubscribe : found.asked.onUnsubscribe;
        if (this.connection !== undefined) call?.call(found.host, this.connection);
        resolve();
      }),
    );
  }

  write(uuid: string, bytes: Uint8Array): void {
    const { connection } = this;
    if (connection === undefined) return;
    if (bytes.length > connection.maximumWriteNow) throw new Error('a central writes no more than its MTU');
    later(() => {
      const found = this.server.characteristic(uuid);
      if (connection.central === this)
        found.asked.onWrite?.call(found.host, bytes.slice().buffer as ArrayBuffer, connection);
    });
  }

  disconnect(): void {
    const { connection } = this;
    this.connection = undefined;
    if (connection !== undefined) this.server.disconnected(connection);
  }
}

interface Known {
  readonly asked: Characteristic;
  readonly host: HostCharacteristic;
}

/** The class that a program is given; `FakeServer.last` is the one that it made. */
export class FakeServer implements Server {
  static readonly properties = { notify: 16, write: 8, writeWithOutResponse: 4 } as const;
  static last: FakeServer;
  static made = 0;
  readonly mtu: number;
  /** Services that are advertised now; undefined: none. */
  advertised: readonly string[] | undefined;
  private readonly options: ServerOptions;
  private readonly known = new Map<string, Known>();
  private readonly connections = new Set<HostConnection>();

  constructor(options: ServerOptions) {
    if (FakeServer.made > 0) throw new Error('only one');
    FakeServer.made += 1;
    FakeServer.last = this;
    this.options = options;
    this.mtu = Math.max(DEFAULT_MTU, Math.min(options.mtu, MTU_MAX));
    for (const { characteristics } of options.services) {
      if (characteristics.length === 0) throw new Error('invalid characteristics');
      for (const asked of characteristics) {
        const { properties } = asked;
        if (!properties) throw new Error('properties missing');
        if ((asked.onWrite !== undefined) !== ((properties & 12) !== 0))
          throw new Error('inconsistent write');
        if ((asked.onUnsubscribe !== undefined) !== ((properties & 16) !== 0))
          throw new Error('inconsistent onSubscribe');
        this.known.set(asked.uuid, { asked, host: new HostCharacteristic() });
      }
    }
    later(() => options.onReady.call(this));
  }

  characteristic(uuid: string): Known {
    return this.known.get(uuid)!;
  }

  startAdvertising(scan: { flags: number; services: readonly string[] }): void {
    const strange = Object.keys(scan).find((name) => name !== 'flags' && name !== 'services');
    if (strange !== undefined) throw new Error(`unrecognized ${strange}`);
    if (3 + 2 + 16 * scan.services.length > ADVERTISEMENT_MAX) throw new Error('invalid adv');
    this.advertised = scan.services;
  }

  stopAdvertising(): void {
    this.advertised = undefined;
  }

  connected(central: FakeCentral): HostConnection {
    const connection = new HostConnection(this, central);
    this.connections.add(connection);
    return connection;
  }

  disconnected(connection: HostConnection): void {
    later(() => {
      if (!this.connections.delete(connection)) return;
      this.options.onDisconnect.call(this, connection);
      connection.central = undefined;
    });
  }

  forget(connection: HostConnection): void {
    this.connections.delete(connection);
  }
}
