/**
 * The guard before the broker: what passes, what ends a connection, and who ends with whom. Not checked here: real
 * sockets and packets of a broker (mqtt.test.ts).
 */
import { Duplex } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { guardPackets, PacketSizes } from '../../hub/ingest/packet-guard.ts';
import { until } from './temporary.ts';

/** A socket whose far end is the test. */
class Socket extends Duplex {
  readonly written: Buffer[] = [];
  isEnded = false;
  constructor() {
    super();
    this.on('error', () => undefined);
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk);
    done();
  }
  override _final(done: () => void): void {
    this.isEnded = true;
    done();
  }
}

function guard(bytesMax: number) {
  const socket = new Socket();
  const state = { tooLarge: 0, closed: false, ended: false, errors: 0 };
  const guarded = guardPackets(socket, bytesMax, () => {
    state.tooLarge += 1;
  });
  const read: Buffer[] = [];
  guarded.on('data', (chunk: Buffer) => read.push(chunk));
  guarded.on('end', () => {
    state.ended = true;
  });
  guarded.on('close', () => {
    state.closed = true;
  });
  guarded.on('error', () => {
    state.errors += 1;
  });
  return { socket, guarded, state, read: () => Buffer.concat(read) };
}

/** A packet of MQTT: type, length in seven bits a byte, body. */
function packet(length: number, body = length): Buffer {
  const digits: number[] = [];
  let left = length;
  do {
    digits.push((left & 127) | (left > 127 ? 128 : 0));
    left >>= 7;
  } while (left > 0);
  return Buffer.concat([Buffer.of(0x30, ...digits), Buffer.alloc(body, 7)]);
}

test('a packet of the largest size passes, whole and byte by byte, and one more ends the connection', async () => {
  for (const bytesMax of [0, 1, 127, 128, 16_383, 16_384]) {
    for (const split of [1, 3, 100_000]) {
      const sizes = new PacketSizes(bytesMax);
      const stream = Buffer.concat([packet(bytesMax), packet(0), packet(bytesMax)]);
      let passed = true;
      for (let at = 0; at < stream.length; at += split)
        passed &&= sizes.feed(stream.subarray(at, at + split));
      assert.ok(passed, `${bytesMax} in parts of ${split}`);
      assert.not(sizes.feed(packet(bytesMax + 1, 0)), `${bytesMax + 1} in parts of ${split}`);
    }
  }
  const { socket, state, read } = guard(100);
  const good = packet(100);
  socket.push(good);
  await until('it passes', () => read().length === good.length);
  assert.equal(read(), good);
  socket.push(packet(101, 0));
  await until('it is closed', () => state.closed);
  assert.is(state.tooLarge, 1);
  assert.ok(socket.destroyed);
  assert.equal(read(), good, 'nothing of it passes');
});

test('a length of more than four bytes is none', () => {
  const longest = new PacketSizes(2 ** 28);
  assert.ok(longest.feed(Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f)));
  const sizes = new PacketSizes(2 ** 40);
  assert.not(sizes.feed(Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80)));
});

test('what is written goes out, and an end is passed on in both directions', async () => {
  const { socket, guarded, state } = guard(100);
  guarded.write(Buffer.of(1, 2, 3));
  await until('it is written', () => socket.written.length === 1);
  assert.equal([...socket.written[0]!], [1, 2, 3]);
  guarded.end();
  await until('the socket is ended', () => socket.isEnded);
  socket.push(null);
  await until('the reader sees the end', () => state.ended);
});

test('who is gone takes the other with it', async () => {
  const closing = guard(100);
  closing.socket.destroy();
  await until('it is closed', () => closing.state.closed);
  assert.is(closing.state.errors, 0);
  const failing = guard(100);
  failing.socket.destroy(new Error('reset'));
  await until('it is closed', () => failing.state.closed);
  assert.is(failing.state.errors, 1);
  const leaving = guard(100);
  leaving.guarded.destroy();
  await until('the socket is gone', () => leaving.socket.destroyed);
});

test('a reader that is slow holds the socket back, and goes on where it was', async () => {
  const socket = new Socket();
  const guarded = guardPackets(socket, 200_000, () => assert.unreachable());
  const large = packet(100_000);
  socket.push(large);
  await until('the socket waits', () => socket.isPaused());
  let read = 0;
  guarded.on('data', (chunk: Buffer) => {
    read += chunk.length;
  });
  socket.push(packet(50));
  await until('all of it is read', () => read === large.length + 52);
  assert.not(socket.isPaused());
  guarded.destroy();
});

test.run();
