/**
 * The real hosts of till and wearable on a simulated BlueZ: who is found, who is turned away, what an observer learns, and
 * taps with cuts. Not checked here: a radio, and BlueZ itself; the pure link at every MTU is test/device/gatt.test.ts.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SYNC_GATT, TAP_GATT } from '../../device/links/gatt.ts';
import { LinkUplink } from '../../device/links/uplink.ts';
import { bleCentral } from '../../hardware/boards/node/links/ble/central.ts';
import { blePeripheral } from '../../hardware/boards/node/links/ble/peripheral.ts';
import { bleGateway } from '../../hardware/boards/node/links/gateway.ts';
import { openTap } from '../../hardware/boards/node/links/open.ts';
import type { Link, Uplink } from '../../hardware/interfaces/index.ts';
import { SundialError } from '../../protocol/errors.ts';
import { runBle } from '../../simulators/links/ble.ts';
import { Bluez } from '../../simulators/stage/bluez/bluez.ts';
import { startBus } from '../../simulators/stage/bluez/daemon.ts';

/** Longest wait for something that takes milliseconds. */
const WAIT_MS = 30_000;

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + WAIT_MS; !holds(); ) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A bus with a BlueZ of so many adapters, and everything that a test opened. */
async function radio(adapters: number) {
  const bus = await startBus();
  process.env.DBUS_SYSTEM_BUS_ADDRESS = bus.address;
  const bluez = await Bluez.start(bus.address);
  for (let i = 0; i < adapters; i++) bluez.addAdapter();
  const closers: (() => void)[] = [];
  return {
    bluez,
    closers,
    async close() {
      for (const close of closers.reverse()) close();
      await new Promise((resolve) => setImmediate(resolve));
      bluez.stop();
      await bus.close();
      delete process.env.DBUS_SYSTEM_BUS_ADDRESS;
    },
  };
}

interface Heard {
  links: Link[];
  bytes: number[];
  ends: string[];
}
const heard = (): Heard => ({ links: [], bytes: [], ends: [] });

const listen = (to: Heard) => (link: Link) => {
  to.links.push(link);
  link.receive(
    (bytes) => to.bytes.push(...bytes),
    () => to.ends.push('closed'),
  );
};

async function till(adapter: string, to: Heard, address?: string): Promise<() => void> {
  return bleCentral({
    profile: TAP_GATT,
    adapter,
    address,
    linksMax: 1,
    onLink: listen(to),
    onEnd: (why) => to.ends.push(why),
  });
}

test('a wearable is found only after a press, without a name, and under another address each time', async () => {
  const { bluez, closers, close } = await radio(2);
  const [payer, terminal] = [heard(), heard()];
  const tap = await openTap(
    { scheme: 'ble', adapter: 'hci1' },
    { side: 'payer', intent: 'press', onLink: listen(payer), say: () => undefined },
  );
  closers.push(tap.close);
  closers.push(await till('hci0', terminal));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.is(bluez.seen.length, 0, 'nobody pressed');
  tap.press!();
  await until(() => terminal.links.length === 1 && payer.links.length === 1, 'a link after a press');
  terminal.links[0]!.send(Uint8Array.of(1, 2, 0));
  await until(() => payer.bytes.length === 3, 'bytes');
  tap.notice!({ type: 'signing', seq: 1 as never, amount: 1 as never, payee: new Uint8Array(20) });
  tap.notice!({ type: 'paid', amount: 1 as never, voucher: new Uint8Array(32), payee: new Uint8Array(20) });
  await until(() => terminal.ends.includes('closed'), 'one payment a press');
  tap.press!();
  await until(() => terminal.links.length === 2, 'another press');
  assert.is(bluez.seen.length, 2);
  assert.is.not(bluez.seen[0]!.address, bluez.seen[1]!.address);
  for (const { properties } of bluez.seen) assert.equal(properties, ['ServiceUUIDs', 'Type']);
  await close();
});

test('a central that connects to a wearable which nobody pressed is refused by name', async () => {
  const { closers, close } = await radio(2);
  const terminal = heard();
  const peripheral = await blePeripheral({
    profile: TAP_GATT,
    adapter: 'hci1',
    refusal: () => 'not_pressed',
    onLink: () => assert.unreachable(),
  });
  closers.push(() => peripheral.close());
  peripheral.advertise(true);
  closers.push(await till('hci0', terminal));
  await until(() => terminal.ends.includes('not_pressed'), 'a refusal');
  await close();
});

test('two tills: one is served, the other is told that somebody else is there, and comes next', async () => {
  const { closers, close } = await radio(3);
  const [payer, one, other] = [heard(), heard(), heard()];
  const peripheral = await blePeripheral({
    profile: TAP_GATT,
    adapter: 'hci2',
    refusal: () => undefined,
    onLink: listen(payer),
  });
  closers.push(() => peripheral.close());
  peripheral.advertise(true);
  closers.push(await till('hci0', one));
  await until(() => payer.links.length === 1, 'the first till');
  closers.push(await till('hci1', other));
  await until(() => other.ends.includes('busy'), 'the second is turned away');
  assert.is(other.links.length, 0);
  one.links[0]!.send(Uint8Array.of(5, 0));
  await until(() => payer.bytes.length === 2, 'the first goes on');
  one.links[0]!.close();
  await until(() => payer.links.length === 2, 'somebody comes next');
  await close();
});

test('an adapter that goes off ends the link at both, and is used again when it is on', async () => {
  const { bluez, closers, close } = await radio(2);
  const [payer, terminal] = [heard(), heard()];
  const peripheral = await blePeripheral({
    profile: TAP_GATT,
    adapter: 'hci1',
    refusal: () => undefined,
    onLink: listen(payer),
  });
  closers.push(() => peripheral.close());
  peripheral.advertise(true);
  closers.push(await till('hci0', terminal));
  for (const [count, adapter] of [
    [1, 'hci0'],
    [2, 'hci1'],
  ] as const) {
    await until(() => terminal.links.length >= count && payer.links.length >= count, `link ${count}`);
    const before = payer.ends.length;
    bluez.power(adapter, false);
    await until(() => payer.ends.length > before && bluez.connected === 0, `${adapter} off`);
    bluez.power(adapter, true);
  }
  await until(() => terminal.links.length >= 3, 'a link after both were off');
  await close();
});

test('an answer of BlueZ that never comes keeps nobody from being met again', async () => {
  const { bluez, closers, close } = await radio(2);
  const [payer, terminal] = [heard(), heard()];
  const tap = await openTap(
    { scheme: 'ble', adapter: 'hci1' },
    { side: 'payer', intent: 'always', onLink: listen(payer), say: () => undefined },
  );
  closers.push(tap.close);
  closers.push(await till('hci0', terminal));
  await until(() => terminal.links.length === 1, 'a link');
  bluez.answersLost = 1;
  terminal.links[0]!.close();
  await until(() => terminal.links.length === 2, 'another link');
  assert.is(bluez.answersLost, 0);
  await close();
});

test('a device that is found under another address while its link stands has a link that works', async () => {
  const { bluez, closers, close } = await radio(2);
  const uplink = new LinkUplink(new Uint8Array(20).fill(7));
  let [connected, answers, links] = [false, 0, 0];
  uplink.receive(
    () => {
      answers += 1;
    },
    (is) => {
      connected = is;
    },
  );
  const peripheral = await blePeripheral({
    profile: SYNC_GATT,
    adapter: 'hci1',
    refusal: () => undefined,
    onLink: (link) => {
      links += 1;
      uplink.attach(link);
    },
  });
  closers.push(() => peripheral.close());
  // A hub that answers whatever it hears, and says nothing by itself.
  const open = (): Uplink => {
    let answer: (message: Uint8Array) => void = () => undefined;
    return {
      send: (message) => answer(message),
      receive: (onMessage, onConnected) => {
        answer = onMessage;
        onConnected(true);
      },
      close: () => {
        answer = () => undefined;
      },
    };
  };
  closers.push(await bleGateway({ adapter: 'hci0', open }));
  for (let round = 1; round <= 5; round += 1) {
    peripheral.advertise(true);
    await until(() => bluez.seen.length === round, `address ${round}`);
    await new Promise((resolve) => setTimeout(resolve, 150));
    // As a device does: it says it again until it is answered.
    const before = answers;
    const again = setInterval(() => connected && uplink.send(Uint8Array.of(0x85, round)), 50);
    await until(() => answers > before, `an answer in round ${round}`).finally(() => clearInterval(again));
    assert.is(links, round, 'what ended was the older connection, not the new link');
    peripheral.advertise(false);
  }
  await close();
});

test('only the wanted address is met', async () => {
  const { bluez, closers, close } = await radio(2);
  const terminal = heard();
  const peripheral = await blePeripheral({
    profile: TAP_GATT,
    adapter: 'hci1',
    refusal: () => undefined,
    onLink: () => undefined,
  });
  closers.push(() => peripheral.close());
  closers.push(await till('hci0', terminal, 'AA:BB:CC:DD:EE:FF'));
  peripheral.advertise(true);
  await until(() => bluez.seen.length === 1, 'it is on the air');
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal([terminal.links.length, terminal.ends.length], [0, 0]);
  closers.push(await till('hci0', terminal, bluez.seen[0]!.address.toLowerCase()));
  await until(() => terminal.links.length === 1, 'the wanted one');
  await close();
});

test('a till meets more customers than a bus has match rules for one connection', async () => {
  const { closers, close } = await radio(2);
  const terminal = heard();
  const peripheral = await blePeripheral({
    profile: TAP_GATT,
    adapter: 'hci1',
    refusal: () => undefined,
    onLink: (link) =>
      link.receive(
        () => undefined,
        () => undefined,
      ),
  });
  closers.push(() => peripheral.close());
  closers.push(await till('hci0', terminal));
  // dbus-daemon allows 512; each customer takes three.
  for (let customer = 1; customer <= 200; customer++) {
    peripheral.advertise(true);
    await until(() => terminal.links.length === customer, `customer ${customer}`);
    peripheral.advertise(false);
    terminal.links.at(-1)!.close();
    await until(
      () => terminal.ends.filter((end) => end !== 'closed' || true).length >= 2 * customer,
      'its end',
    );
  }
  await close();
});

test('without BlueZ: a named error that says what to do', async () => {
  process.env.DBUS_SYSTEM_BUS_ADDRESS = 'unix:path=/nonexistent/bus';
  try {
    await till('hci0', heard());
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof SundialError, String(error));
    assert.is(error.code, 'no_bluetooth');
    assert.match(error.remedy, 'apt-get install bluez');
  }
  const { close } = await radio(1);
  try {
    await till('hci7', heard());
    assert.unreachable();
  } catch (error) {
    assert.is((error as SundialError).code, 'no_bluetooth');
  }
  await close();
});

for (const seed of [1, 2])
  test(`taps and syncs with cuts, seed ${seed}: nothing lost, nothing doubled`, async () => {
    const result = await runBle({
      seed,
      taps: 20,
      cuts: 20,
      say: (text) => process.stdout.write(`${text}\n`),
    });
    assert.ok(result.taps >= 20 && result.cuts >= 20, JSON.stringify(result));
    assert.ok(result.syncs >= 2);
    assert.is(result.lost, 0);
    assert.is(result.doubled, 0);
  });

test.run();
