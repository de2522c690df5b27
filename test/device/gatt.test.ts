/**
 * The link over one BLE connection: bytes come whole and in order, whatever the MTU is and whatever the air loses.
 * Not checked here: a Bluetooth stack (test/links), and any radio at all.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeFrame } from '../../device/links/framing.ts';
import {
  ATT_OVERHEAD,
  GattCentral,
  type GattEnd,
  GattPeripheral,
  type GattRefusal,
  GONE_MS,
  IDLE_MS,
  MTU_MAX,
  MTU_MIN,
  packetMaxAt,
  RETRY_MS,
  WINDOW,
} from '../../device/links/gatt.ts';
import { Intent, PRESS_MS } from '../../device/links/intent.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { TAP_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { numbersFrom } from '../../simulators/stage/flash/ram-flash.ts';
import { TestClock } from './timers.ts';

const AIR_MS = 5;

interface Heard {
  link?: Link;
  bytes: number[];
  closed: number;
  ends: GattEnd[];
}

const listen = (heard: Heard) => (link: Link) => {
  heard.link = link;
  link.receive(
    (bytes) => heard.bytes.push(...bytes),
    () => {
      heard.closed += 1;
    },
  );
};

/** A peripheral, and centrals that connect to it through an air that takes 5 ms and loses what a test says. */
function air(options: {
  readonly mtu?: number;
  readonly peripheralMtu?: number;
  readonly loses?: (packet: Uint8Array, up: boolean) => boolean;
  readonly refusal?: () => GattRefusal | undefined;
}) {
  const clock = new TestClock();
  const packets: { up: boolean; peer: string; packet: Uint8Array }[] = [];
  const centrals = new Map<string, { central: GattCentral; heard: Heard }>();
  const device: Heard = { bytes: [], closed: 0, ends: [] };
  const carry = (up: boolean, peer: string, packet: Uint8Array, deliver: () => void): void => {
    packets.push({ up, peer, packet });
    if (options.loses?.(packet, up)) return;
    clock.schedule(AIR_MS, deliver);
  };
  const peripheral = new GattPeripheral({
    clock,
    packetMax: packetMaxAt(options.peripheralMtu ?? options.mtu ?? MTU_MAX),
    refusal: options.refusal ?? (() => undefined),
    // As BlueZ does: every central that subscribed hears it.
    write: (packet, peer) =>
      carry(false, peer, packet, () => {
        for (const { central } of centrals.values()) central.push(packet);
      }),
    onLink: listen(device),
    onEnd: (why) => device.ends.push(why),
  });
  const connect = (peer: string): Heard => {
    const heard: Heard = { bytes: [], closed: 0, ends: [] };
    const central = new GattCentral({
      clock,
      packetMax: packetMaxAt(options.mtu ?? MTU_MAX),
      nonce: Uint8Array.from([...peer].slice(0, 4), (char) => char.charCodeAt(0)),
      write: (packet) => carry(true, peer, packet, () => peripheral.push(peer, packet)),
      onLink: listen(heard),
      onEnd: (why) => heard.ends.push(why),
    });
    centrals.set(peer, { central, heard });
    return heard;
  };
  return {
    clock,
    packets,
    peripheral,
    device,
    connect,
    central: (peer: string) => centrals.get(peer)!.central,
  };
}

const message = (length: number, seed: number): Uint8Array => {
  const next = numbersFrom(seed);
  return Uint8Array.from({ length }, () => next() & 255);
};

test('every message crosses both ways at every MTU from 23 to 517, and one that fits is one packet', () => {
  for (let mtu = MTU_MIN; mtu <= MTU_MAX; mtu++) {
    const { clock, packets, device, connect } = air({ mtu });
    const till = connect('aaaa');
    clock.pass(50);
    assert.is(till.link!.frameSizeMax, packetMaxAt(mtu) - 1);
    const sent: number[] = [];
    for (const length of [1, 53, 99, 194, TAP_MESSAGE_BYTES_MAX]) {
      const frame = encodeFrame(message(length, length));
      const before = packets.filter(({ packet }) => packet[0]! >= 0x80).length;
      till.link!.send(frame);
      device.link!.send(frame);
      clock.pass(2000);
      sent.push(...frame);
      const parts = Math.ceil(frame.length / till.link!.frameSizeMax);
      assert.is(packets.filter(({ packet }) => packet[0]! >= 0x80).length - before, 2 * parts);
    }
    assert.equal(device.bytes, sent);
    assert.equal(till.bytes, sent);
    assert.ok(packets.every(({ packet }) => packet.length <= mtu - ATT_OVERHEAD));
    const quiet = packets.length;
    clock.pass(10 * IDLE_MS);
    const said = packets.slice(quiet).map(({ packet }) => packet[0]!);
    assert.ok(
      said.every((kind) => kind === 1 || kind === 2),
      'whoever has nothing to say is silent',
    );
    assert.ok(said.length <= 20, 'but for one question of the central in two seconds');
  }
});

test('the smaller side decides how large a packet may be', () => {
  const { clock, packets, device, connect } = air({ mtu: 517, peripheralMtu: 60 });
  const till = connect('aaaa');
  clock.pass(50);
  till.link!.send(message(300, 1));
  device.link!.send(message(300, 1));
  clock.pass(2000);
  assert.ok(packets.every(({ packet }) => packet.length <= 57));
  assert.is(device.bytes.length, 300);
  assert.is(till.bytes.length, 300);
});

test('lost packets of any kind and number come again; nothing is doubled and nothing is out of order', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const next = numbersFrom(seed);
    const share = 1 + (seed % 40);
    const { clock, device, connect } = air({ mtu: 23, loses: () => next() % 100 < share });
    const till = connect('aaaa');
    for (let i = 0; i < 20 && till.link === undefined && till.ends.length === 0; i++) clock.pass(RETRY_MS);
    if (till.link === undefined) continue;
    const up = message(400, seed);
    const down = message(500, seed + 1);
    till.link.send(up);
    device.link!.send(down);
    const arrived = (): boolean => device.bytes.length >= 400 && till.bytes.length >= 500;
    for (let i = 0; i < 400 && !arrived() && till.closed === 0 && device.closed === 0; i++)
      clock.pass(RETRY_MS);
    const whole = till.closed === 0 && device.closed === 0;
    if (whole) {
      assert.equal(device.bytes, [...up]);
      assert.equal(till.bytes, [...down]);
    } else {
      assert.equal(device.bytes, [...up].slice(0, device.bytes.length));
      assert.equal(till.bytes, [...down].slice(0, till.bytes.length));
    }
    // A link is given up after six silences in a row only.
    if (share < 20) assert.ok(whole, `seed ${seed}`);
  }
});

test('a gap is noticed by the next packet, not by waiting', () => {
  let data = 0;
  const { clock, device, connect } = air({
    mtu: 23,
    loses: (packet, up) => !up && packet[0]! >= 0x80 && ++data === 1,
  });
  const till = connect('aaaa');
  clock.pass(50);
  device.link!.send(message(60, 3));
  clock.pass(6 * AIR_MS);
  assert.equal(till.bytes, [...message(60, 3)]);
});

test('no more packets are under way than the window, and who reads nothing is given up in a bound time', () => {
  let deaf = false;
  const { clock, packets, device, connect } = air({ mtu: 23, loses: (_packet, up) => deaf && up });
  const till = connect('aaaa');
  clock.pass(50);
  deaf = true;
  const before = packets.length;
  device.link!.send(message(4000, 1));
  assert.is(packets.length - before, WINDOW);
  clock.pass(20 * RETRY_MS);
  assert.equal(device.ends, ['silent']);
  assert.is(device.closed, 1);
  assert.equal(till.ends, ['closed'], 'the central is told, where it can be');
});

test('a queue has a bound: what would not fit ends the link by name', () => {
  const { clock, device, connect } = air({ mtu: 23 });
  connect('aaaa');
  clock.pass(50);
  for (let i = 0; i < 33; i++) device.link!.send(message(1024, i));
  assert.equal(device.ends, ['overflow']);
});

test('a second central is turned away, and the first goes on', () => {
  const { clock, device, connect } = air({ mtu: 40 });
  const first = connect('aaaa');
  clock.pass(50);
  first.link!.send(message(500, 1));
  const second = connect('bbbb');
  clock.pass(1000);
  assert.equal(second.ends, ['busy']);
  assert.is(second.link, undefined);
  assert.equal(device.bytes, [...message(500, 1)]);
  device.link!.send(message(100, 2));
  clock.pass(1000);
  assert.equal(first.bytes, [...message(100, 2)]);
  assert.equal(second.bytes, [], 'what it overheard is not for it');
});

test('when the first is gone the next is served, and a central that begins anew gets a fresh link', () => {
  const { clock, device, peripheral, connect, central } = air({});
  connect('aaaa');
  clock.pass(50);
  const first = device.link;
  central('aaaa').end();
  peripheral.gone('aaaa');
  assert.equal(device.ends, ['gone']);
  const next = connect('bbbb');
  clock.pass(50);
  assert.ok(next.link);
  assert.is.not(device.link, first);
});

test('an idle link that the peripheral has lost is noticed by the central', () => {
  const { clock, peripheral, device, connect } = air({});
  const till = connect('aaaa');
  clock.pass(60_000);
  assert.equal([till.ends, device.ends], [[], []], 'an idle link stands');
  till.link!.send(Uint8Array.of(1, 0));
  clock.pass(50);
  assert.equal(device.bytes, [1, 0]);
  // Its host says that the central is gone; nothing is under way that could be missed.
  peripheral.gone('aaaa');
  assert.equal(device.ends, ['gone']);
  clock.pass(IDLE_MS + 2 * AIR_MS);
  assert.equal(till.ends, ['closed']);
  assert.is(device.link === undefined, false);
  assert.equal(device.ends, ['gone'], 'an opening that is over opens nothing');
});

test('an idle link into silence ends by name', () => {
  let deaf = false;
  const { clock, connect } = air({ loses: () => deaf });
  const till = connect('aaaa');
  clock.pass(50);
  deaf = true;
  clock.pass(IDLE_MS + 7 * RETRY_MS);
  assert.equal(till.ends, ['silent']);
  assert.is(clock.waiting, 0);
});

test('a central that comes back under its name: the end of its older connection does not end the new link', () => {
  const { clock, peripheral, device, connect } = air({});
  connect('aaaa');
  clock.pass(50);
  const meetings = ['abcd', 'abce'].map((nonce) => {
    const heard: Heard = { bytes: [], closed: 0, ends: [] };
    const central = new GattCentral({
      clock,
      packetMax: packetMaxAt(MTU_MAX),
      nonce: Uint8Array.from([...nonce], (char) => char.charCodeAt(0)),
      write: (packet) => void clock.schedule(AIR_MS, () => peripheral.push('aaaa', packet)),
      onLink: listen(heard),
      onEnd: (why) => heard.ends.push(why),
    });
    clock.pass(50);
    return { heard, central };
  });
  assert.equal(device.ends, ['gone', 'gone']);
  // Both older connections go; only then the one that is served.
  peripheral.gone('aaaa');
  peripheral.gone('aaaa');
  assert.equal(device.ends, ['gone', 'gone']);
  peripheral.push('aaaa', Uint8Array.of(0x40));
  clock.pass(GONE_MS / 2);
  peripheral.gone('aaaa');
  assert.equal(device.ends, ['gone', 'gone', 'gone']);
  assert.is(meetings.length, 2);
});

test('when it was the new connection that went, silence ends it', () => {
  const { clock, peripheral, device } = air({});
  const open = (nonce: number): void =>
    peripheral.push('aaaa', Uint8Array.of(1, 1, 0, 100, nonce, nonce, nonce, nonce));
  open(1);
  open(2);
  peripheral.gone('aaaa');
  clock.pass(GONE_MS - 1);
  assert.equal(device.ends, ['gone']);
  clock.pass(1);
  assert.equal(device.ends, ['gone', 'gone']);
});

test('a lost OPENED is said again, and is no second link', () => {
  let lost = 0;
  const { clock, device, connect } = air({ loses: (packet) => packet[0] === 2 && lost++ < 2 });
  const till = connect('aaaa');
  clock.pass(3 * RETRY_MS + 50);
  assert.ok(till.link);
  assert.equal(device.ends, []);
  till.link!.send(Uint8Array.of(1, 2, 0));
  clock.pass(100);
  assert.equal(device.bytes, [1, 2, 0]);
});

test('nobody there: the central gives up by name', () => {
  const { clock, connect } = air({ loses: () => true });
  const till = connect('aaaa');
  clock.pass(20 * RETRY_MS);
  assert.equal(till.ends, ['silent']);
  assert.is(clock.waiting, 0);
});

test('close lets what was sent arrive first, and both hear of it', () => {
  const { clock, device, connect } = air({ mtu: 23 });
  const till = connect('aaaa');
  clock.pass(50);
  till.link!.send(message(200, 1));
  till.link!.close();
  clock.pass(1000);
  assert.equal(device.bytes, [...message(200, 1)]);
  assert.equal([till.ends, device.ends], [['closed'], ['closed']]);
  assert.equal([till.closed, device.closed], [1, 1]);
});

test('garbage opens nothing and breaks nothing', () => {
  const next = numbersFrom(5);
  const { clock, device, peripheral, connect, central } = air({});
  const till = connect('aaaa');
  clock.pass(50);
  for (let i = 0; i < 2000; i++) {
    const packet = message(next() % 12, i);
    // A stranger's bytes, never those of the central that is served.
    peripheral.push('cccc', packet[0] === 1 ? packet.slice(1) : packet);
    // An OPENED for somebody else means that this one was replaced.
    if ((packet[0] ?? 0) < 0x40 && packet[0] !== 2) central('aaaa').push(packet);
  }
  till.link!.send(Uint8Array.of(7, 0));
  clock.pass(100);
  assert.equal(device.bytes, [7, 0]);
});

test('a device that was not pressed refuses by name; a press holds ten seconds, and one payment', () => {
  const changes: boolean[] = [];
  const bench = air({ refusal: () => (intent.wanted ? undefined : 'not_pressed') });
  const intent = new Intent({
    policy: 'press',
    clock: bench.clock,
    onChange: (wanted) => changes.push(wanted),
  });
  const early = bench.connect('aaaa');
  bench.clock.pass(50);
  assert.equal(early.ends, ['not_pressed']);
  intent.press();
  const till = bench.connect('bbbb');
  bench.clock.pass(50);
  assert.ok(till.link);
  intent.end();
  assert.equal(changes, [true, false]);
  intent.press();
  bench.clock.pass(PRESS_MS - 1);
  intent.press();
  bench.clock.pass(PRESS_MS - 1);
  assert.ok(intent.wanted);
  bench.clock.pass(1);
  assert.not(intent.wanted);
  assert.equal(changes, [true, false, true, false]);
  intent.end();
  assert.is(changes.length, 4);
});

test('a device without a button is always willing', () => {
  const clock = new TestClock();
  const intent = new Intent({ policy: 'always', clock, onChange: () => assert.unreachable() });
  intent.press();
  intent.end();
  clock.pass(10 * PRESS_MS);
  assert.ok(intent.wanted);
});

test('an MTU outside of 23 to 517 is refused', () => {
  for (const mtu of [22, 518, 23.5, Number.NaN]) assert.throws(() => packetMaxAt(mtu), RangeError);
  assert.is(packetMaxAt(23), 20);
  assert.is(packetMaxAt(517), 512);
});

test.run();
