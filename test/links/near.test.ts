/**
 * A hub that is the central itself: a device in reach of its radio registers, hands in, and is told what every device is
 * told, with no gateway and no connection to the broker. The radio is a simulated BlueZ, everything else is real.
 *
 * Not checked here: a radio; the link byte for byte (test/device/gatt.test.ts); cuts (npm run links).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SYNC_GATT } from '../../device/links/gatt.ts';
import { LinkUplink } from '../../device/links/uplink.ts';
import { blePeripheral } from '../../hardware/boards/node/links/ble/peripheral.ts';
import { nearDevices } from '../../hub/cli/near.ts';
import { parseConfig } from '../../hub/config.ts';
import { type Hub, startHub } from '../../hub/hub.ts';
import { NearIngest } from '../../hub/ingest/near.ts';
import { nearInFlightMax } from '../../hub/limits.ts';
import { createLogger } from '../../hub/log.ts';
import type { Ingest } from '../../hub/ports.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { decodeOwn, encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { Bluez } from '../../simulators/stage/bluez/bluez.ts';
import { startBus } from '../../simulators/stage/bluez/daemon.ts';
import { payee, tap, terminal } from '../hub/fleet.ts';
import { registration, type Site, startSite } from '../hub/site.ts';
import { until } from '../hub/temporary.ts';

const folder = mkdtempSync(join(tmpdir(), 'sundial-near-'));
let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(async () => {
  await site.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A device that waits to be found. */
async function device(adapter: string, address: Uint8Array) {
  const received: Message[] = [];
  const uplink = new LinkUplink(address);
  const told = { connected: false };
  uplink.receive(
    (bytes) => received.push(decodeOwn(bytes)),
    (connected) => {
      told.connected = connected;
    },
  );
  const peripheral = await blePeripheral({
    profile: SYNC_GATT,
    adapter,
    refusal: () => undefined,
    onLink: (link) => uplink.attach(link),
  });
  peripheral.advertise(true);
  return { received, uplink, told, peripheral };
}

test('a till in reach of the hub registers and hands in, and BlueZ may come after the hub', async () => {
  const bus = await startBus();
  process.env.DBUS_SYSTEM_BUS_ADDRESS = bus.address;
  let bluez: Bluez | undefined;
  let hub: Hub | undefined;
  let close = (): void => undefined;
  try {
    const config = parseConfig(site.config(folder, { ble: {} }));
    // There is a bus, and nobody on it.
    hub = await startHub(config, { log: createLogger('silent'), near: nearDevices(() => undefined) });
    bluez = await Bluez.start(bus.address);
    const [, own] = [bluez.addAdapter(), bluez.addAdapter()];
    const till = await device(own, terminal.address);
    close = () => till.peripheral.close();
    await until('the till is connected', () => till.told.connected);
    await until('it is seen', () => hub!.status().devices.online === 1);
    await until('the beacon', () => till.received.some(({ type }) => type === 'beacon'));
    till.uplink.send(encodeMessage(await registration(site.signing, terminal, payee, 1)));
    await until('a key', () => till.received.some(({ type }) => type === 'hubKey'));
    const { signing: on, channel } = site;
    const paid = await tap({ on, channel, seq: 1, amount: 4_500_000, spent: 4_500_000, paid: 4_500_000 });
    till.uplink.send(encodeMessage({ type: 'pack', entries: [paid.bytes] }));
    await until('its word', () =>
      till.received.some((one) => one.type === 'acknowledgement' && equalBytes(one.entry, paid.id)),
    );
    bluez.power(own, false);
    await until('it is gone', () => hub!.status().devices.online === 0);
  } finally {
    close();
    await hub?.stop();
    bluez?.stop();
    await bus.close();
    delete process.env.DBUS_SYSTEM_BUS_ADDRESS;
  }
});

test('a radio beside logins that are wanted is refused, and an adapter is named', () => {
  const wrong = (change: object) => {
    try {
      parseConfig({ ...site.config(folder), ...change });
      return 'taken';
    } catch (error) {
      return (error as { facts: { field: string } }).facts.field;
    }
  };
  assert.is(wrong({ ble: {}, mqtt: { login: 'required' } }), 'ble');
  assert.is(wrong({ ble: { adapter: 'eth0' } }), 'ble.adapter');
  assert.is(wrong({ ble: { adapter: 'hci1' } }), 'taken');
});

/** What the parts behind the port were told and sent. */
function ports() {
  const said: unknown[] = [];
  const sent: string[] = [];
  const broker: Ingest = {
    connected: true,
    dropped: 3,
    send: (to) => void sent.push(to),
    retain: (kind) => void sent.push(kind),
    close: async () => void sent.push('close'),
  };
  let hold = Promise.resolve();
  const near = new NearIngest({
    message: (from, bytes) => {
      said.push([from, bytes.length]);
      return hold;
    },
    presence: (one, online) => void said.push([one, online]),
    kept: () => undefined,
    tooLarge: (from, bytes) => void said.push([from, 'too large', bytes]),
  });
  near.over(broker);
  return { near, said, sent, stall: (until: Promise<void>) => (hold = until) };
}

test('somebody who claims an address takes nothing from its owner, and online means either way', () => {
  const { near, said, sent } = ports();
  const name = toHex(terminal.address);
  const got: number[] = [];
  const [one, other] = [near.uplink(name), near.uplink(name)];
  near.retain('beacon', Uint8Array.of(9));
  one.receive(
    ({ length }) => got.push(length),
    () => got.push(-1),
  );
  other.receive(
    ({ length }) => got.push(10 * length),
    () => got.push(-10),
  );
  near.send(name, Uint8Array.of(1, 2));
  assert.equal(
    got,
    [1, -1, 10, -10, 2, 20],
    'what every device is given, that it is connected, and both hear',
  );
  assert.equal(sent, ['beacon', name], 'the broker, too');
  near.brokerEvents.presence(name, true);
  one.close();
  other.close();
  near.brokerEvents.presence(name, false);
  assert.equal(said, [
    [name, true],
    [name, true],
    [name, true],
    [name, false],
  ]);
  one.send(Uint8Array.of(1));
  assert.is(said.length, 4, 'closed');
  assert.equal([near.connected, near.dropped], [true, 3]);
});

test('a device that floods loses its own messages, and too large ones are not read', async () => {
  const { near, said, stall } = ports();
  let go = (): void => undefined;
  stall(new Promise((resolve) => (go = resolve)));
  const uplink = near.uplink('0x01');
  uplink.receive(
    () => undefined,
    () => undefined,
  );
  for (let i = 0; i <= nearInFlightMax; i += 1) uplink.send(Uint8Array.of(1));
  assert.equal([said.length, near.dropped], [1 + nearInFlightMax, 3 + 1]);
  uplink.send(new Uint8Array(SYNC_MESSAGE_BYTES_MAX + 1));
  assert.equal(said.at(-1), ['0x01', 'too large', SYNC_MESSAGE_BYTES_MAX + 1]);
  go();
  await new Promise((resolve) => setImmediate(resolve));
  uplink.send(Uint8Array.of(1));
  assert.is(near.dropped, 4);
});

test.run();
