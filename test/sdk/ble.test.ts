/**
 * The ESP32's radio program (hardware/boards/esp32/ble.ts) against a GATT server that refuses what the SDK's C refuses, with
 * the central of tills and gateways (device/links/gatt.ts): taps and syncs at every size of packet, refusals, two centrals,
 * disconnects at every packet, and what is advertised.
 *
 * Not checked here: the chip, its C compiler, a radio; the program's main.ts, which is type-checked and bundled.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GattCentral, type GattEnd, SYNC_GATT, TAP_GATT } from '../../device/links/gatt.ts';
import { type Ble, serveBle } from '../../hardware/boards/esp32/ble.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { nodeClock } from '../../hardware/boards/node/host.ts';
import { FakeCentral, FakeServer } from './gatt-server.ts';

/** A device whose tap link says back what it hears, and its syncs too. */
class Board {
  pressed = true;
  ready = false;
  readonly taps: Link[] = [];
  readonly ends: GattEnd[] = [];
  readonly heard: string[] = [];
  readonly ble: Ble;
  readonly server: FakeServer;

  constructor() {
    FakeServer.made = 0;
    const echo = (name: string) => (link: Link) => {
      this.taps.push(link);
      link.receive(
        (bytes) => {
          this.heard.push(`${name} ${bytes.length}`);
          link.send(bytes);
        },
        () => this.heard.push(`${name} closed`),
      );
    };
    this.ble = serveBle(FakeServer, {
      clock: nodeClock,
      onReady: () => {
        this.ready = true;
      },
      refusal: () => (this.pressed ? undefined : 'not_pressed'),
      onTap: echo('tap'),
      onTapEnd: (why) => this.ends.push(why),
      onSync: echo('sync'),
    });
    this.server = FakeServer.last;
  }
}

let nonces = 0;
/** Links that stand ask now and then whether they do, for ever: none is left when the tests are over. */
const opened: Link[] = [];
test.after(() => {
  for (const link of opened) link.close();
});
/** A till or gateway that opens a link; resolves with the link, or why there is none. */
async function open(
  board: Board,
  profile: typeof TAP_GATT | typeof SYNC_GATT,
  mtu: number,
  central = new FakeCentral(board.server),
) {
  await central.connect(mtu);
  await central.subscribe(profile.notify);
  nonces += 1;
  const found: { link?: Link; why?: GattEnd } = {};
  let wake: () => void = () => undefined;
  const settled = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const gatt = new GattCentral({
    clock: nodeClock,
    packetMax: mtu - 3,
    nonce: Uint8Array.of(1, 2, 3, nonces),
    write: (packet) => central.write(profile.write, packet),
    onLink: (link) => {
      found.link = link;
      opened.push(link);
      wake();
    },
    onEnd: (why) => {
      found.why = why;
      wake();
    },
  });
  central.onNotify = (bytes) => gatt.push(bytes);
  await settled;
  return { central, gatt, ...found };
}

/** Says it, and resolves with what came back. */
function said(link: Link, bytes: Uint8Array): Promise<Uint8Array> {
  let back = new Uint8Array(0);
  return new Promise((resolve, reject) => {
    link.receive(
      (more) => {
        back = Uint8Array.of(...back, ...more);
        if (back.length >= bytes.length) resolve(back);
      },
      () => reject(new Error('closed')),
    );
    link.send(bytes);
  });
}

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) & 255);

test('the radio is on before anything is offered; then gateways find it, and tills after a press', async () => {
  const board = new Board();
  assert.is(board.ready, false);
  board.ble.wantTap(false);
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(board.ready, true);
  assert.equal(board.server.advertised, [SYNC_GATT.service]);
  board.ble.wantTap(true);
  assert.equal(board.server.advertised, [TAP_GATT.service]);
  board.ble.wantTap(false);
  assert.equal(board.server.advertised, [SYNC_GATT.service]);
});

for (const mtu of [23, 24, 53, 185, 247, 517])
  test(`frames of a tap and of a sync cross whole at an MTU of ${mtu}`, async () => {
    const board = new Board();
    for (const profile of [TAP_GATT, SYNC_GATT]) {
      const { link, gatt, central } = await open(board, profile, mtu);
      for (const length of [1, 19, 20, 244, 1000]) {
        const bytes = bytesOf(length);
        assert.equal(await said(link!, bytes), bytes);
      }
      // Nothing was ever cut by the server: every notification fits.
      for (const packet of central.notified) assert.ok(packet.length <= mtu - 3);
      gatt.end();
      central.disconnect();
    }
  });

test('who has not pressed is not paid from; one central is served, the other is told', async () => {
  const board = new Board();
  board.pressed = false;
  assert.is((await open(board, TAP_GATT, 185)).why, 'not_pressed');
  board.pressed = true;
  const first = await open(board, TAP_GATT, 185);
  assert.ok(first.link);
  assert.is((await open(board, TAP_GATT, 185)).why, 'busy');
  assert.equal(await said(first.link!, bytesOf(60)), bytesOf(60), 'and the first is not disturbed');
  // A sync beside a tap is another service.
  assert.ok((await open(board, SYNC_GATT, 185)).link);
});

test('a connection that breaks after any packet leaves the device ready for the next', async () => {
  for (let packets = 1; packets <= 12; packets++) {
    const board = new Board();
    const { link, gatt, central } = await open(board, TAP_GATT, 23);
    const notify = central.onNotify;
    let left = packets;
    central.onNotify = (bytes) => {
      left -= 1;
      if (left === 0) {
        central.disconnect();
        gatt.end();
      } else if (left > 0) notify(bytes);
    };
    await said(link!, bytesOf(244)).catch(() => undefined);
    const again = await open(board, TAP_GATT, 185);
    assert.equal(await said(again.link!, bytesOf(244)), bytesOf(244), `after ${packets}`);
    again.gatt.end();
    again.central.disconnect();
  }
});

test('the device closes: the central hears it, and the connection goes', async () => {
  const board = new Board();
  const { link, central } = await open(board, TAP_GATT, 185);
  const closed = new Promise<void>((resolve) => link!.receive(() => undefined, resolve));
  board.taps.at(-1)!.close();
  await closed;
  while (central.ended.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(board.ends, ['closed']);
  // Its host data is gone: nothing that still comes throws.
  assert.ok((await open(board, TAP_GATT, 185)).link);
});

test('the server that is used here refuses what the earlier program did', () => {
  FakeServer.made = 0;
  const options = { mtu: 517, services: [], onReady() {}, onDisconnect() {} };
  assert.throws(
    () =>
      new FakeServer({
        ...options,
        services: [{ uuid: 's', characteristics: [{ uuid: 'n', properties: 16, onSubscribe() {} }] }],
      }),
    /inconsistent onSubscribe/,
  );
  FakeServer.made = 0;
  const server = new FakeServer(options);
  assert.throws(() => server.startAdvertising({ flags: 6, services: ['a', 'b'] }), /invalid adv/);
  assert.throws(
    () => server.startAdvertising({ flags: 6, services: ['a'], name: 'x' } as never),
    /unrecognized name/,
  );
  const connection = server.connected(new FakeCentral(server));
  assert.throws(() => connection.notify({}, new ArrayBuffer(1)), /no host data/);
});

test.run();
