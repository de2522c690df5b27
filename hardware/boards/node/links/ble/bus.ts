/** The system's message bus, and BlueZ on it. */
import dbus, { type Message, type MessageBus } from 'dbus-next';
import { SundialError } from '../../../../../protocol/errors.ts';

export const BLUEZ = 'org.bluez';
export const ADAPTER = 'org.bluez.Adapter1';
export const DEVICE = 'org.bluez.Device1';
export const PROPERTIES = 'org.freedesktop.DBus.Properties';

export const noBluetooth = (cause: unknown): SundialError =>
  new SundialError(
    'no_bluetooth',
    `BlueZ does not answer: ${cause instanceof Error ? cause.message : cause}`,
    {
      severity: 'process',
      remedy:
        'Install and start it (apt-get install bluez), and plug a Bluetooth adapter in; or use another link.',
      cause,
    },
  );

/** Resolves when a connection to the bus stands. Rejects with `no_bluetooth` when there is no bus. */
export function ready(bus: MessageBus, onGone: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let up = false;
    bus.on('error', (error: Error) => {
      if (up) onGone();
      else reject(noBluetooth(error));
    });
    bus.once('connect', () => {
      up = true;
      resolve();
    });
  });
}

/** Calls a method of BlueZ. Rejects with the error that it names. */
export async function callBluez(
  bus: MessageBus,
  path: string,
  name: string,
  member: string,
  signature = '',
  body: unknown[] = [],
): Promise<unknown> {
  const message = new dbus.Message({ destination: BLUEZ, path, interface: name, member, signature, body });
  const reply = await bus.call(message);
  return reply?.body[0];
}

/** Hears changed properties of BlueZ's objects below a path. */
export async function watchProperties(
  bus: MessageBus,
  below: string,
  onChange: (path: string, name: string, changed: Readonly<Record<string, { value: unknown }>>) => void,
): Promise<void> {
  const rule = `type='signal',sender='${BLUEZ}',interface='${PROPERTIES}',member='PropertiesChanged',path_namespace='${below}'`;
  await bus.call(
    new dbus.Message({
      destination: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus',
      member: 'AddMatch',
      signature: 's',
      body: [rule],
    }),
  );
  bus.on('message', (message: Message) => {
    if (message.member !== 'PropertiesChanged' || !message.path?.startsWith(below)) return;
    const [name, changed] = message.body as [string, Record<string, { value: unknown }>];
    onChange(message.path, name, changed);
  });
}

/** All objects of BlueZ with their properties. */
export const managedObjects = async (
  bus: MessageBus,
): Promise<Record<string, Record<string, Record<string, { value: unknown }>>>> =>
  (await callBluez(bus, '/', 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects')) as Record<
    string,
    Record<string, Record<string, { value: unknown }>>
  >;

/** The object path of an adapter: the one that is named, or the first. Rejects with `no_bluetooth`. */
export async function adapterPath(bus: MessageBus, adapter: string | undefined): Promise<string> {
  let paths: string[];
  try {
    paths = Object.entries(await managedObjects(bus))
      .filter(([, interfaces]) => ADAPTER in interfaces)
      .map(([path]) => path)
      .sort();
  } catch (error) {
    throw noBluetooth(error);
  }
  const found = adapter === undefined ? paths[0] : paths.find((path) => path.endsWith(`/${adapter}`));
  if (found === undefined)
    throw noBluetooth(new Error(adapter === undefined ? 'no adapter' : `no ${adapter}`));
  return found;
}

/** Lets the connection go: what was said goes out, what still comes in is not answered (dbus-next would throw at it). */
export function leaveBus(bus: MessageBus): void {
  const { _connection } = bus as unknown as { _connection: NodeJS.EventEmitter };
  _connection.removeAllListeners('message');
  bus.disconnect();
}
