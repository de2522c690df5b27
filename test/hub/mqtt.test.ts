import { connect, createServer, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import mqtt from 'mqtt';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mqttUplink } from '../../hardware/boards/node/mqtt.ts';
import type { Uplink } from '../../hardware/interfaces/index.ts';
import { isError } from '../../hub/errors.ts';
import { type EmbeddedBroker, startBroker } from '../../hub/ingest/broker.ts';
import { MqttIngest } from '../../hub/ingest/mqtt.ts';
import { PacketSizes } from '../../hub/ingest/packet-guard.ts';
import { createLogger } from '../../hub/log.ts';
import { deviceTopics, parseDeviceTopic } from '../../protocol/wire/topics.ts';
import { until } from './temporary.ts';

const device = `0x${'ab'.repeat(20)}`;
const log = createLogger('silent');

interface Hub {
  broker: EmbeddedBroker;
  ingest: MqttIngest;
  received: { device: string; text: string }[];
  presence: string[];
  close(): Promise<void>;
}

async function startHub(port = 0): Promise<Hub> {
  const broker = await startBroker({ name: 'test', host: '127.0.0.1', port });
  const received: Hub['received'] = [];
  const presence: string[] = [];
  const ingest = await MqttIngest.connect({
    hub: 'test',
    url: broker.url,
    ...broker.credentials,
    isOwn: true,
    log,
    events: {
      message: async (from, bytes) => {
        received.push({ device: from, text: Buffer.from(bytes).toString() });
      },
      presence: (from, online) => presence.push(`${from} ${online}`),
      kept: () => undefined,
      tooLarge: () => assert.unreachable(),
    },
  });
  return {
    broker,
    ingest,
    received,
    presence,
    close: async () => {
      await ingest.close();
      await broker.close();
    },
  };
}

interface Device {
  uplink: Uplink;
  received: string[];
  connected: boolean;
}

function startDevice(url: string, name = device): Device {
  const state: Device = {
    uplink: mqttUplink({ url, hub: 'test', device: name, reconnectMs: 20 }),
    received: [],
    connected: false,
  };
  state.uplink.receive(
    (message) => state.received.push(Buffer.from(message).toString()),
    (connected) => {
      state.connected = connected;
    },
  );
  return state;
}

test('messages go up and down, and a newcomer sees the retained beacon', async () => {
  const hub = await startHub();
  const first = startDevice(hub.broker.url);
  try {
    hub.ingest.retain('beacon', Buffer.from('beacon 1'));
    await until('connected', () => first.connected);
    first.uplink.send(Buffer.from('up 1'));
    await until('message up', () => hub.received.length === 1);
    assert.equal(hub.received, [{ device, text: 'up 1' }]);
    hub.ingest.send(device, Buffer.from('down 1'));
    await until('messages down', () => first.received.length === 2);
    assert.equal([...first.received].sort(), ['beacon 1', 'down 1']);
  } finally {
    first.uplink.close();
    await until('presence', () => hub.presence.length === 2);
    assert.equal(hub.presence, [`${device} true`, `${device} false`]);
    await hub.close();
  }
});

test('after the broker is gone and back both sides go on by themselves, and the beacon is there again', async () => {
  const hub = await startHub();
  const { port } = hub.broker;
  const first = startDevice(hub.broker.url);
  await until('connected', () => first.connected);
  hub.ingest.retain('beacon', Buffer.from('beacon 1'));
  await hub.broker.close();
  await until('link down', () => !first.connected && !hub.ingest.connected);
  first.uplink.send(Buffer.from('lost, and nobody promised otherwise'));
  const second = await startBroker({
    name: 'test',
    host: '127.0.0.1',
    port,
    credentials: hub.broker.credentials,
  });
  try {
    await until('link up', () => first.connected && hub.ingest.connected);
    await until('beacon again', () => first.received.filter((text) => text === 'beacon 1').length >= 1);
  } finally {
    first.uplink.close();
    await hub.ingest.close();
    await second.close();
  }
});

test('a broker that refuses subscriptions when it is back is asked again, by hub and device', async () => {
  const hub = await startHub();
  const { port } = hub.broker;
  await hub.broker.close();
  const refusals: Record<string, number> = { up: 2, down: 2 };
  const broker = await Aedes.createBroker({
    authorizeSubscribe: (_client, subscription, done) => {
      const kind = subscription.topic.split('/').at(-1)!;
      const refused = (refusals[kind] ?? 0) > 0;
      if (refused) refusals[kind]! -= 1;
      done(null, refused ? null : subscription);
    },
  });
  const server = createServer(broker.handle);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const first = startDevice(`mqtt://127.0.0.1:${port}`);
  try {
    await until('link up', () => first.connected && hub.ingest.connected);
    await until('heard again', () => {
      first.uplink.send(Buffer.from('hello'));
      return hub.received.length > 0;
    });
  } finally {
    first.uplink.close();
    await hub.ingest.close();
    await new Promise<void>((resolve) => broker.close(() => resolve()));
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

test('a device reads and writes only its own topics', async () => {
  const hub = await startHub();
  const other = `0x${'cd'.repeat(20)}`;
  const thief = await mqtt.connectAsync(hub.broker.url, { clientId: other, reconnectPeriod: 0 });
  try {
    for (const topic of [deviceTopics('test', device).down, 'sundial/1/test/+/up']) {
      const outcome = await thief.subscribeAsync(topic, { qos: 1 }).then(
        () => 'granted',
        () => 'refused',
      );
      assert.is(outcome, 'refused');
    }
    const closed = new Promise<void>((resolve) => thief.once('close', () => resolve()));
    thief.publish(deviceTopics('test', device).up, 'forged', { qos: 0 });
    await closed;
    assert.is(hub.received.length, 0);
    assert.is(hub.broker.refused.notAllowed, 3);
  } finally {
    await thief.endAsync(true);
    await hub.close();
  }
});

test('a client whose name is no device’s is not let in', async () => {
  const hub = await startHub();
  try {
    for (const clientId of ['+', '#', 'a/b', 'a+', '__proto__', 'ü', 'x'.repeat(65)]) {
      const attempt = mqtt.connectAsync(hub.broker.url, { clientId, reconnectPeriod: 0 });
      const error = await attempt.then(
        (client) => void client.end(true),
        (cause: Error) => cause,
      );
      assert.match(String(error?.message), 'Not authorized', clientId);
    }
    assert.is(hub.broker.refused.notAllowed, 7);
    const longest = await mqtt.connectAsync(hub.broker.url, { clientId: 'x'.repeat(64), reconnectPeriod: 0 });
    await longest.endAsync(true);
  } finally {
    await hub.close();
  }
});

test('a topic names a device only by a name that can be one', () => {
  for (const name of ['', '+', '#', '\0', 'a\0', '__proto__', 'x'.repeat(65)])
    assert.is(parseDeviceTopic('h', `sundial/1/h/${name}/up`), undefined, name);
  assert.equal(parseDeviceTopic('h', 'sundial/1/h/0xab/up'), { device: '0xab', kind: 'up' });
});

test('nobody logs in as the hub without its password', async () => {
  const hub = await startHub();
  try {
    const attempt = mqtt.connectAsync(hub.broker.url, {
      clientId: 'x',
      username: hub.broker.credentials.username,
      password: 'guess',
      reconnectPeriod: 0,
    });
    const error = await attempt.then(
      () => undefined,
      (cause: Error) => cause,
    );
    assert.match(String(error?.message), 'Not authorized');
  } finally {
    await hub.close();
  }
});

test('a packet that claims to be large closes its connection at the header, and the hub lives on', async () => {
  const hub = await startHub();
  const first = startDevice(hub.broker.url);
  try {
    await until('connected', () => first.connected);
    const socket: Socket = connect(hub.broker.port, '127.0.0.1');
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    // PUBLISH with a remaining length of 128 MiB: five bytes are enough to be refused.
    socket.write(Buffer.of(0x30, 0x80, 0x80, 0x80, 0x40));
    await closed;
    assert.is(hub.broker.refused.tooLarge, 1);
    first.uplink.send(Buffer.from('still here'));
    await until('message', () => hub.received.length === 1);
  } finally {
    first.uplink.close();
    await hub.close();
  }
});

test('packet sizes are read across any split of the stream', () => {
  const packet = Buffer.concat([Buffer.of(0x30, 0xc8, 0x01), Buffer.alloc(200, 0xff)]);
  const stream = Buffer.concat([packet, Buffer.of(0xc0, 0x00), packet]);
  for (let size = 1; size < stream.length; size += 1) {
    const allowed = new PacketSizes(200);
    const refused = new PacketSizes(199);
    const verdicts: boolean[] = [];
    for (let at = 0; at < stream.length; at += size) {
      assert.ok(allowed.feed(stream.subarray(at, at + size)));
      if (!verdicts.includes(false)) verdicts.push(refused.feed(stream.subarray(at, at + size)));
    }
    assert.ok(verdicts.includes(false));
  }
  assert.not(new PacketSizes(1_000).feed(Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01)));
});

test('a port that is taken is reported with the field to change', async () => {
  const first = await startBroker({ name: 'test', host: '127.0.0.1', port: 0 });
  try {
    await startBroker({ name: 'test', host: '127.0.0.1', port: first.port });
    assert.unreachable();
  } catch (error) {
    assert.ok(isError(error, 'broker_port'));
    assert.match(error.remedy, 'mqtt.port');
  } finally {
    await first.close();
  }
});

test.run();
