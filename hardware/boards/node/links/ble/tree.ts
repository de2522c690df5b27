/**
 * Objects that a process shows on a message bus: properties that change, methods, introspection, and one object manager
 * at a root. Callers are known by the message, which dbus-next's own interfaces hide.
 */
import dbus, { type Message as DbusMessage, type MessageBus, type Variant } from 'dbus-next';

const { Message, MessageType } = dbus;
export type Properties = Record<string, Variant>;

/** A method: in and out signatures, and what it does; what it throws as DbusError goes back by its name. */
export interface Method {
  readonly takes: string;
  readonly gives: string;
  call(message: DbusMessage): unknown[] | Promise<unknown[]>;
}

export interface Interface {
  readonly properties: Properties;
  readonly methods: Readonly<Record<string, Method>>;
}

/** An error as BlueZ names it, such as org.bluez.Error.Failed. */
export class DbusError extends Error {
  readonly type: string;
  constructor(type: string, text: string) {
    super(text);
    this.type = type;
  }
}

export const failed = (text: string): DbusError => new DbusError('org.bluez.Error.Failed', text);

const PROPERTIES = 'org.freedesktop.DBus.Properties';
const MANAGER = 'org.freedesktop.DBus.ObjectManager';
const STANDARD = `<interface name="${PROPERTIES}"><method name="Get"><arg direction="in" type="s"/><arg direction="in" type="s"/><arg direction="out" type="v"/></method><method name="Set"><arg direction="in" type="s"/><arg direction="in" type="s"/><arg direction="in" type="v"/></method><method name="GetAll"><arg direction="in" type="s"/><arg direction="out" type="a{sv}"/></method><signal name="PropertiesChanged"><arg type="s"/><arg type="a{sv}"/><arg type="as"/></signal></interface><interface name="org.freedesktop.DBus.Introspectable"><method name="Introspect"><arg direction="out" type="s"/></method></interface>`;
const MANAGED = `<interface name="${MANAGER}"><method name="GetManagedObjects"><arg direction="out" type="a{oa{sa{sv}}}"/></method><signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal><signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal></interface>`;

/** Splits a signature into its complete types. */
function typesOf(signature: string): string[] {
  const types: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < signature.length; at++) {
    const char = signature[at]!;
    if (char === '{' || char === '(') depth += 1;
    if (char === '}' || char === ')') depth -= 1;
    if (depth > 0 || char === 'a') continue;
    types.push(signature.slice(from, at + 1));
    from = at + 1;
  }
  return types;
}

const describe = (name: string, { methods }: Interface): string =>
  `<interface name="${name}">${Object.entries(methods)
    .map(([member, { takes, gives }]) => {
      const args = (direction: string, signature: string): string =>
        typesOf(signature)
          .map((type) => `<arg direction="${direction}" type="${type}"/>`)
          .join('');
      return `<method name="${member}">${args('in', takes)}${args('out', gives)}</method>`;
    })
    .join('')}</interface>`;

/** The objects of one service on a bus. */
export class Tree {
  readonly bus: MessageBus;
  private readonly objects = new Map<string, Map<string, Interface>>();

  constructor(bus: MessageBus) {
    this.bus = bus;
    // The typings leave out what the library's own service side is built on.
    const low = bus as unknown as { addMethodHandler(handler: (message: DbusMessage) => boolean): void };
    low.addMethodHandler((message) => this.handle(message));
  }

  has(path: string): boolean {
    return this.objects.has(path);
  }

  add(path: string, interfaces: Readonly<Record<string, Interface>>): void {
    this.objects.set(path, new Map(Object.entries(interfaces)));
    const shown = Object.fromEntries(
      Object.entries(interfaces).map(([name, { properties }]) => [name, properties]),
    );
    this.signal('/', MANAGER, 'InterfacesAdded', 'oa{sa{sv}}', [path, shown]);
  }

  remove(path: string): void {
    for (const inner of [...this.objects.keys()]
      .filter((one) => one === path || one.startsWith(`${path}/`))
      .reverse()) {
      const names = [...this.objects.get(inner)!.keys()];
      this.objects.delete(inner);
      this.signal('/', MANAGER, 'InterfacesRemoved', 'oas', [inner, names]);
    }
  }

  /** The values of an interface, to read. */
  properties(path: string, name: string): Properties {
    return this.objects.get(path)?.get(name)?.properties ?? {};
  }

  /** Changes properties and tells everybody; `undefined` takes one away. */
  change(path: string, name: string, changes: Readonly<Record<string, Variant | undefined>>): void {
    const properties = this.objects.get(path)?.get(name)?.properties;
    if (properties === undefined) return;
    const changed: Properties = {};
    const gone: string[] = [];
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) {
        delete properties[key];
        gone.push(key);
      } else {
        properties[key] = value;
        changed[key] = value;
      }
    }
    this.signal(path, PROPERTIES, 'PropertiesChanged', 'sa{sv}as', [name, changed, gone]);
  }

  private signal(path: string, name: string, member: string, signature: string, body: unknown[]): void {
    this.put(Message.newSignal(path, name, member, signature, body));
  }

  private put(message: DbusMessage): void {
    try {
      this.bus.send(message);
    } catch {
      // The connection to the bus was given up: nobody hears it any more.
    }
  }

  private handle(message: DbusMessage): boolean {
    if (message.type !== MessageType.METHOD_CALL) return false;
    const path = message.path ?? '';
    const isNode =
      path === '/' || [...this.objects.keys()].some((one) => one === path || one.startsWith(`${path}/`));
    if (!isNode) return false;
    void this.answer(message, path).catch((error: unknown) => {
      const { type, text } =
        error instanceof DbusError
          ? { type: error.type, text: error.message }
          : { type: 'org.bluez.Error.Failed', text: String(error) };
      // The typings name the message a string.
      this.put(Message.newError(message as unknown as string, type, text));
    });
    return true;
  }

  private async answer(message: DbusMessage, path: string): Promise<void> {
    const { signature, body } = await this.call(message, path);
    this.put(Message.newMethodReturn(message, signature, body));
  }

  private async call(message: DbusMessage, path: string): Promise<{ signature: string; body: unknown[] }> {
    const { interface: name = '', member = '', body } = message;
    const interfaces = this.objects.get(path);
    if (member === 'Introspect') return { signature: 's', body: [this.introspect(path)] };
    if (member === 'GetManagedObjects' && path === '/')
      return { signature: 'a{oa{sa{sv}}}', body: [this.managed()] };
    if (name === PROPERTIES) {
      const found = interfaces?.get(body[0] as string);
      if (found === undefined)
        throw new DbusError('org.freedesktop.DBus.Error.UnknownInterface', body[0] as string);
      if (member === 'GetAll') return { signature: 'a{sv}', body: [found.properties] };
      const value = found.properties[body[1] as string];
      if (value === undefined)
        throw new DbusError('org.freedesktop.DBus.Error.InvalidArgs', `No such property ${body[1]}`);
      return { signature: 'v', body: [value] };
    }
    const method = interfaces?.get(name)?.methods[member];
    if (method === undefined)
      throw new DbusError('org.freedesktop.DBus.Error.UnknownMethod', `${name}.${member} at ${path}`);
    return { signature: method.gives, body: await method.call(message) };
  }

  private managed(): Record<string, Record<string, Properties>> {
    return Object.fromEntries(
      [...this.objects].map(([path, interfaces]) => [
        path,
        Object.fromEntries([...interfaces].map(([name, { properties }]) => [name, properties])),
      ]),
    );
  }

  private introspect(path: string): string {
    const prefix = path === '/' ? '/' : `${path}/`;
    const nodes = new Set(
      [...this.objects.keys()]
        .filter((one) => one.startsWith(prefix) && one !== path)
        .map((one) => one.slice(prefix.length).split('/')[0]!),
    );
    const own = [...(this.objects.get(path) ?? [])].map(([name, one]) => describe(name, one)).join('');
    const children = [...nodes].map((node) => `<node name="${node}"/>`).join('');
    return `<node>${STANDARD}${path === '/' ? MANAGED : ''}${own}${children}</node>`;
  }
}
