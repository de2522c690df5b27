/**
 * The embedded broker in front of hostile clients, each over a socket of its own: names that are not theirs, logins that
 * were overheard, other devices' topics, sessions and retained messages that would pile up, floods and half-open sockets;
 * an honest device's messages go on. Not checked: brokers that others run, and how
 * much a flood slows the machine.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeLogin } from '../../hardware/boards/node/login.ts';
import { mqttUplink } from '../../hardware/boards/node/mqtt.ts';
import { type BrokerRates, type EmbeddedBroker, startBroker } from '../../hub/ingest/broker.ts';
import { type LoginPolicy, Logins } from '../../hub/ingest/logins.ts';
import { MqttIngest } from '../../hub/ingest/mqtt.ts';
import { createLogger } from '../../hub/log.ts';
import type { LoginStore } from '../../hub/ports.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { deviceTopics, hubTopics } from '../../protocol/wire/topics.ts';
import { key, pin, signing } from './fleet.ts';
import { inTemporaryFolder, until } from './temporary.ts';

const honest = key(31);
const name = toHex(honest.address);
const thief = key(32);

class Doors {
  readonly received: string[] = [];
  readonly presence: string[] = [];
  readonly counters = new Map<string, number>();
  broker!: EmbeddedBroker;
  ingest!: MqttIngest;
  private readonly clients: MqttClient[] = [];

  static async open(
    policy: LoginPolicy = 'offered',
    clientsPerAddressMax?: number,
    tls?: { cert: Buffer; key: Buffer },
    rates?: Partial<BrokerRates>,
  ): Promise<Doors> {
    const doors = new Doors();
    const store: LoginStore = {
      counter: (device) => doors.counters.get(device),
      keep: async (device, counter) => void doors.counters.set(device, counter),
    };
    doors.broker = await startBroker({
      name: 'test',
      host: '127.0.0.1',
      port: 0,
      logins: new Logins({ policy, signing, hub: pin, store }),
      ...(clientsPerAddressMax && { clientsPerAddressMax }),
      ...(rates && { rates }),
      tls,
    });
    doors.ingest = await MqttIngest.connect({
      hub: 'test',
      url: doors.broker.url,
      ...doors.broker.credentials,
      isOwn: true,
      own: tls?.cert,
      log: createLogger('silent'),
      events: {
        message: async (device, bytes) => void doors.received.push(`${device} ${Buffer.from(bytes)}`),
        presence: (device, online) => void doors.presence.push(`${device} ${online}`),
        kept: () => undefined,
        tooLarge: () => undefined,
      },
    });
    assert.ok(doors.ingest.connected);
    return doors;
  }

  /** The same from another address of this machine, such as 127.0.0.2. */
  async knockFrom(localAddress: string, clientId: string): Promise<MqttClient> {
    const { port, hostname } = new URL(this.broker.url);
    const socket = connectTcp({ port: Number(port), host: hostname, localAddress });
    socket.on('error', () => undefined);
    const client = new mqtt.MqttClient(() => socket, { clientId, protocolVersion: 4, reconnectPeriod: 0 });
    client.on('error', () => undefined);
    this.clients.push(client);
    await new Promise<void>((resolve) => client.once('connect', () => resolve()));
    return client;
  }

  /** A client that says what it likes; resolves with whether it was let in. */
  async knock(
    clientId: string,
    options: IClientOptions = {},
  ): Promise<{ client: MqttClient; isIn: boolean }> {
    const client = mqtt.connect(this.broker.url, {
      clientId,
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...options,
    });
    this.clients.push(client);
    client.on('error', () => undefined);
    const isIn = await new Promise<boolean>((resolve) => {
      client.once('connect', () => resolve(true));
      client.once('close', () => resolve(false));
    });
    return { client, isIn };
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.end(true);
    await this.ingest.close();
    await this.broker.close();
  }
}

/** The password of a login, as `makeLogin` makes it. */
async function password(counter: number, device = honest, signer = honest): Promise<string> {
  const signature = await signer.sign(
    signing.digest('Login', { hub: pin.id, device: device.address, counter }),
  );
  const bytes = encodeMessage({ type: 'login', device: device.address, counter, signature });
  return Buffer.from(bytes).toString('base64url');
}

const withDoors =
  (work: (doors: Doors) => Promise<void>, policy?: LoginPolicy, perAddress?: number) =>
  async (): Promise<void> => {
    const doors = await Doors.open(policy, perAddress);
    try {
      await work(doors);
    } finally {
      await doors.close();
    }
  };

test(
  'a device shows its key; nobody else gets its name, whatever they show, and its messages go on',
  withDoors(async (doors) => {
    const { isIn, client } = await doors.knock(name, { username: name, password: await password(5) });
    assert.ok(isIn);
    const attempts: [string, IClientOptions][] = [
      ['nothing', {}],
      ['a word', { username: 'x', password: 'secret' }],
      ['an overheard login', { username: name, password: await password(5) }],
      ['an older one', { username: name, password: await password(4) }],
      ['a signature of another key', { username: name, password: await password(9, honest, thief) }],
      ['a login of another device', { username: name, password: await password(9, thief, thief) }],
      ['too much', { username: name, password: 'A'.repeat(5_000) }],
      ['no base64', { username: name, password: '\u0000\n{"level":60}' }],
    ];
    for (const [what, options] of attempts) assert.not((await doors.knock(name, options)).isIn, what);
    assert.ok(client.connected, 'and it was not put out');
    client.publish(deviceTopics('test', name).up, 'still here', { qos: 1 });
    await until('its message', () => doors.received.includes(`${name} still here`));
    assert.is(doors.counters.get(name), 5, 'nothing of a failed login is kept');
    assert.is(doors.broker.refused.login, attempts.length);
    // The device itself, on a line that it thinks is dead.
    const again = await doors.knock(name, { username: name, password: await password(6) });
    assert.ok(again.isIn);
    await until('the older connection is closed', () => !client.connected);
    assert.not((await doors.knock(name)).isIn, 'the newer one holds the name');
    again.client.end(true);
    await until('the name is free', async () => (await doors.knock(name)).isIn);
  }),
);

test(
  'where logins are required nobody comes without',
  withDoors(async (doors) => {
    assert.not((await doors.knock(name)).isIn);
    assert.not((await doors.knock(name, { username: name })).isIn);
    assert.ok((await doors.knock(name, { username: name, password: await password(0) })).isIn);
  }, 'required'),
);

test('a node device logs in by itself, again after each break, and never with a counter that it showed', () =>
  inTemporaryFolder(async (folder) => {
    const doors = await Doors.open('required');
    const connect = () => {
      const login = makeLogin({ folder, key: honest, hub: pin, signing });
      let isConnected = false;
      const uplink = mqttUplink({ url: doors.broker.url, hub: 'test', device: name, reconnectMs: 20, login });
      uplink.receive(
        () => undefined,
        (connected) => {
          isConnected = connected;
        },
      );
      return { uplink, isConnected: () => isConnected };
    };
    try {
      const first = connect();
      await until('it is in', () => first.isConnected());
      const counter = doors.counters.get(name)!;
      // Its own second connection puts the first one out, which comes back, and so on.
      const second = await doors.knock(name, { username: name, password: await password(counter + 10) });
      assert.ok(second.isIn);
      await until('it was put out', () => !first.isConnected());
      second.client.end(true);
      await until('it is in again', () => first.isConnected());
      assert.ok(doors.counters.get(name)! > counter + 10);
      first.uplink.close();
      // A process that was killed: it goes on above all that it may have shown.
      const shown = doors.counters.get(name)!;
      const later = connect();
      await until('the next process is in', () => later.isConnected());
      assert.ok(doors.counters.get(name)! > shown);
      later.uplink.close();
    } finally {
      await doors.close();
    }
  }));

test(
  'no client is the hub, or everybody, or has a name that is none',
  withDoors(async (doors) => {
    const { username, password: secret } = doors.broker.credentials;
    for (const id of ['hub-test', '+', '#', 'a/b', '../up', '$SYS', `x${'y'.repeat(64)}`, 'a b', '\u0001'])
      assert.not((await doors.knock(id)).isIn, id);
    assert.not((await doors.knock('hub-test', { username, password: `${secret}0` })).isIn);
    assert.ok(doors.ingest.connected);
    assert.is(doors.broker.refused.notAllowed, 10);
  }),
);

test(
  'nobody speaks for another, keeps anything at the broker, or listens to others',
  withDoors(async (doors) => {
    const other = deviceTopics('test', 'other');
    for (const [topic, options] of [
      [other.up, { qos: 1 }],
      [other.state, { qos: 1, retain: true }],
      [other.down, { qos: 0 }],
      [hubTopics('test').beacon, { qos: 1, retain: true }],
      [hubTopics('test').revocations, { qos: 0, retain: true }],
      [deviceTopics('test', 'bad').up, { qos: 2 }],
      ['$SYS/x', { qos: 0 }],
    ] as const) {
      const { client, isIn } = await doors.knock('bad');
      assert.ok(isIn);
      client.publish(topic, 'of nobody', options);
      await until(`put out for ${topic}`, () => !client.connected);
    }
    // A will on another's topic is not carried out; one on its own is, and not kept.
    const state = deviceTopics('test', 'bad').state;
    for (const topic of [other.state, state]) {
      const { client } = await doors.knock('bad', {
        will: { topic, payload: Buffer.from('offline'), qos: 1, retain: true },
      });
      (client as unknown as { stream: { destroy(): void } }).stream.destroy();
    }
    await until('its own will', () => doors.presence.includes('bad false'));
    assert.not(doors.presence.some((text) => text.startsWith('other')));
    // A state that is longer than a state.
    const { client } = await doors.knock('bad');
    client.publish(state, 'x'.repeat(17), { qos: 1 });
    await until('put out for a long state', () => !client.connected);
    // Retained on its own topics: heard, not kept. Nor is a session.
    const own = await doors.knock('bad', { clean: false });
    await own.client.subscribeAsync(deviceTopics('test', 'bad').down, { qos: 1 });
    own.client.publish(deviceTopics('test', 'bad').up, 'heard', { qos: 1, retain: true });
    await until('it is heard', () => doors.received.includes('bad heard'));
    const heard: string[] = [];
    for (const filter of ['#', '+/+', 'sundial/1/test/+/up', other.down, 'sundial/1/+/bad/down']) {
      const [granted] = await own.client.subscribeAsync(filter, { qos: 1 }).catch(() => []);
      assert.ok(granted === undefined || granted.qos === 128, filter);
    }
    own.client.on('message', (topic) => heard.push(topic));
    const listener = await doors.knock('other');
    let others = 0;
    listener.client.on('message', () => {
      others += 1;
    });
    await listener.client.subscribeAsync(other.down, { qos: 1 });
    await new Promise<void>((resolve) => {
      own.client.once('close', () => resolve());
      own.client.end(true);
    });
    doors.ingest.send('bad', Buffer.from('nobody is there'));
    doors.ingest.send('other', Buffer.from('for other'));
    await until('what was said later came through', () => others === 1);
    const back = await doors.knock('bad', { clean: false });
    back.client.on('message', (topic) => heard.push(topic));
    await back.client.subscribeAsync(deviceTopics('test', 'bad').down, { qos: 1 });
    doors.ingest.send('bad', Buffer.from('now'));
    await until('what comes now', () => heard.length > 0);
    assert.equal(heard, [deviceTopics('test', 'bad').down], 'nothing was kept for who was gone');
    assert.not(doors.received.some((text) => text.includes('of nobody')));
  }),
);

test(
  'connections that never say anything are counted, by address, and end by themselves',
  withDoors(
    async (doors) => {
      const url = new URL(doors.broker.url);
      const sockets = Array.from({ length: 40 }, () => connectTcp(Number(url.port), url.hostname));
      let open = sockets.length;
      for (const socket of sockets) {
        socket.on('error', () => undefined);
        socket.on('close', () => {
          open -= 1;
        });
      }
      // One of the twenty is the hub's own.
      await until('those beyond the bound are closed', () => open === 19);
      assert.is(doors.broker.refused.tooMany, 21);
      for (const socket of sockets) socket.destroy();
      await until('all are gone', () => open === 0);
      await until('and one may come again', async () => (await doors.knock(name)).isIn);
    },
    'offered',
    20,
  ),
);

test(
  'ghosts leave nothing behind: a thousand names, one after the other',
  withDoors(async (doors) => {
    const names = Array.from({ length: 1_000 }, (_, n) => `ghost-${n}`);
    const queue = names.slice();
    const worker = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
        const { client, isIn } = await doors.knock(id, { clean: false });
        assert.ok(isIn);
        client.publish(deviceTopics('test', id).state, 'online', { qos: 0, retain: true });
        await new Promise<void>((resolve) => client.end(false, {}, () => resolve()));
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    await until('all were seen', () => doors.presence.length >= names.length);
    // What the broker kept is what a newcomer of the hub is given.
    const { username, password: secret } = doors.broker.credentials;
    const { client } = await doors.knock('hub-second', { username, password: secret });
    const kept: string[] = [];
    client.on('message', (topic, _payload, { retain }) => {
      if (retain) kept.push(topic);
    });
    await client.subscribeAsync('#', { qos: 1 });
    await client.publishAsync('sundial/1/test/beacon', 'end', { qos: 1 });
    assert.equal(kept, []);
  }),
);

test(
  'who does not read what comes holds up nobody and costs a bounded memory',
  withDoors(async (doors) => {
    const slow = await doors.knock('slow');
    await slow.client.subscribeAsync(deviceTopics('test', 'slow').down, { qos: 1 });
    const { stream } = slow.client as unknown as { stream: { pause(): void } };
    stream.pause();
    const honest = await doors.knock('other');
    let heard = 0;
    honest.client.on('message', () => {
      heard += 1;
    });
    await honest.client.subscribeAsync(deviceTopics('test', 'other').down, { qos: 1 });
    const before = process.memoryUsage();
    const message = Buffer.alloc(16_000, 1);
    let isOut = false;
    slow.client.once('close', () => {
      isOut = true;
    });
    // Far more than sockets hold, 160 MB in all: whatever the bounds let through and no more is kept for it.
    for (let n = 0; n < 100; n += 1) {
      for (let k = 0; k < 100; k += 1) doors.ingest.send('slow', message);
      doors.ingest.send('other', Buffer.from([n]));
      const wanted = n + 1;
      await until(`the other one hears message ${n}`, () => heard >= wanted, 60_000);
    }
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    assert.ok(grown < 64 * 1_048_576, `${Math.round(grown / 1_048_576)} MiB more`);
    slow.client.end(true);
    await until('it is gone', () => isOut);
  }),
);

test('floods, of messages, of empty packets and of connections, are held back; an honest device at another address goes on', async () => {
  // Rates that as good as never fill again: what goes through is what was in the buckets.
  const device = { perSecond: 0.001, burst: 200_000 };
  const address = { perSecond: 0.001, burst: 500_000 };
  const doors = await Doors.open('offered', 500, undefined, {
    device,
    address,
    knock: { perSecond: 0.001, burst: 30 },
  });
  try {
    const before = process.memoryUsage();
    const up = (id: string) => deviceTopics('test', id).up;
    const bytesOf = (id: string): number =>
      doors.received.filter((text) => text.startsWith(`${id} `)).reduce((sum, { length }) => sum + length, 0);
    const flood = Buffer.alloc(10_000, 'x');
    const floods = ['flood-1', 'flood-2', 'flood-3', 'flood-4'];
    const sockets = await Promise.all(floods.map((id) => doors.knockFrom('127.0.0.2', id)));
    for (const [n, client] of sockets.entries())
      for (let sent = 0; sent < 500; sent += 1) client.publish(up(floods[n]!), flood, { qos: 0 });
    await until('the first is held back', () => doors.broker.refused.tooFast > 0);
    // Pings are packets of two bytes: they count for more.
    const pinger = await doors.knockFrom('127.0.0.3', 'pings');
    const { stream } = pinger as unknown as { stream: { write(bytes: Buffer): void } };
    stream.write(Buffer.alloc(40_000, Buffer.of(0xc0, 0)));
    const honest = await doors.knockFrom('127.0.0.4', 'honest');
    for (let n = 0; n < 50; n += 1) {
      await honest.publishAsync(up('honest'), `voucher ${n}`, { qos: 1 });
      await until(`message ${n}`, () => doors.received.includes(`honest voucher ${n}`));
    }
    const most = device.burst + 2 * 65_536;
    for (const id of floods) assert.ok(bytesOf(id) <= most, `${id}: ${bytesOf(id)}`);
    const all = floods.reduce((sum, id) => sum + bytesOf(id), 0);
    assert.ok(all <= address.burst + floods.length * 65_536, `${all} of one address`);
    assert.ok(all > device.burst / 2, 'up to its rate it is heard');
    // What one says behind its pings is not read any more.
    pinger.publish(up('pings'), 'behind the pings', { qos: 0 });
    await honest.publishAsync(up('honest'), 'last', { qos: 1 });
    await until('the last message', () => doors.received.includes('honest last'));
    assert.not(doors.received.includes('pings behind the pings'));
    // An address that begins one connection after the other.
    let ended = 0;
    const { port, hostname } = new URL(doors.broker.url);
    for (let n = 0; n < 60; n += 1) {
      const socket = connectTcp({ port: Number(port), host: hostname, localAddress: '127.0.0.5' });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        ended += 1;
      });
      await new Promise<void>((resolve) => {
        socket.once('connect', () => resolve());
        socket.once('close', () => resolve());
      });
      socket.destroy();
    }
    await until('all of them ended', () => ended === 60);
    assert.is(doors.broker.refused.tooOften, 30);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    // The 20 MB of the flood are this process's own, at its clients.
    assert.ok(grown < 64 * 1_048_576, `${Math.round(grown / 1_048_576)} MiB more`);
  } finally {
    await doors.close();
  }
});

test('a broker that is closed ends those who never said a word, too', async () => {
  const doors = await Doors.open('required');
  const url = new URL(doors.broker.url);
  const socket = connectTcp(Number(url.port), url.hostname);
  const gone = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  // Seen there, before it is closed.
  await doors.knock('nobody');
  await doors.close();
  await gone;
});

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
(hasOpenssl ? test : test.skip)(
  'over TLS: a device that knows the CA is in, one that does not is out (needs openssl: apt-get install openssl)',
  () =>
    inTemporaryFolder(async (folder) => {
      const files = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
      const made = spawnSync('openssl', [
        ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hub'.split(
          ' ',
        ),
        ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', files.key, '-out', files.certificate],
      ]);
      assert.is(made.status, 0, String(made.stderr));
      const tls = { cert: readFileSync(files.certificate), key: readFileSync(files.key) };
      const doors = await Doors.open('required', 5, tls);
      try {
        assert.match(doors.broker.url, /^mqtts:/);
        const login = async (counter: number) => ({ username: name, password: await password(counter) });
        assert.not((await doors.knock(name, await login(1))).isIn, 'without the CA');
        const { client, isIn } = await doors.knock(name, { ...(await login(2)), ca: tls.cert });
        assert.ok(isIn);
        client.publish(deviceTopics('test', name).up, 'over TLS', { qos: 1 });
        await until('its message', () => doors.received.includes(`${name} over TLS`));
        // Handshakes that never end take places of their address, and no more.
        const url = new URL(doors.broker.url);
        const sockets = Array.from({ length: 9 }, () => connectTcp(Number(url.port), url.hostname));
        for (const socket of sockets) socket.on('error', () => undefined);
        await until('those beyond the bound are refused', () => doors.broker.refused.tooMany === 6);
        for (const socket of sockets) socket.destroy();
      } finally {
        await doors.close();
      }
      const wrong = { cert: tls.cert, key: Buffer.from('no key') };
      const code = await startBroker({ name: 'test', host: '127.0.0.1', port: 0, tls: wrong }).then(
        () => 'started',
        (error: SundialError) => error.code,
      );
      assert.is(code, 'broker_tls');
    }),
);

test.run();
