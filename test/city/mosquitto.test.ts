/**
 * mosquitto as `sundial hub mosquitto` configures it: devices are enrolled with a user of their own, by password or with a
 * client certificate, reach their own topics and no others, and put nobody out; workers share what devices say. And what
 * a broker lacks is found at the hub's start and named. Not checked: brokers on other machines, users in their thousands,
 * what mosquitto itself guarantees of its files.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeMosquitto } from '../../hub/cli/mosquitto-command.ts';
import { BrokerUsers, urlFor } from '../../hub/ingest/broker-users.ts';
import { Mosquitto } from '../../hub/ingest/mosquitto.ts';
import { MqttIngest } from '../../hub/ingest/mqtt.ts';
import { probeBroker } from '../../hub/ingest/probe.ts';
import { createLogger } from '../../hub/log.ts';
import { freePort } from '../../hub/node/free-port.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { deviceTopics, hubTopics } from '../../protocol/wire/topics.ts';
import { inTemporaryFolder, until } from '../hub/temporary.ts';

const HUB = 'site-1';
const TIED = 'tools/tied.mjs';
const A = `0x${'a1'.repeat(20)}`;
const B = `0x${'b2'.repeat(20)}`;
const settings: IClientOptions = { protocolVersion: 4, clean: true };

/** A CA and certificates that it signed, made by openssl. */
function certificates(folder: string) {
  const ssl = (...words: string[]): void =>
    void execFileSync('openssl', words, { cwd: folder, stdio: 'ignore' });
  const ca = ['-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  ssl('req', '-x509', ...kind, ...ca);
  const make = (name: string, cn: string): void => {
    ssl('req', ...kind, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${cn}`);
    const out = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-out', `${name}.pem`];
    ssl('x509', '-req', '-in', `${name}.csr`, ...out);
  };
  make('broker', 'localhost');
  make('a', A);
  const pem = (name: string): Buffer => readFileSync(join(folder, name));
  return { ca: () => pem('ca.pem'), a: () => ({ cert: pem('a.pem'), key: pem('a.key') }) };
}

async function withBroker(
  wishes: { readonly clientCa?: boolean },
  work: (site: {
    readonly devices: string;
    readonly hub: { readonly url: string; readonly username: string; readonly password: string };
    readonly tls: ReturnType<typeof certificates>;
  }) => Promise<void>,
): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const tls = certificates(folder);
    const [port, own] = [await freePort(), await freePort()];
    const to = join(folder, 'mosquitto');
    const made = writeMosquitto({
      name: HUB,
      to,
      certificate: join(folder, 'broker.pem'),
      key: join(folder, 'broker.key'),
      listen: `localhost:${port}`,
      hubListen: `127.0.0.1:${own}`,
      ...(wishes.clientCa === true && { clientCa: join(folder, 'ca.pem') }),
    });
    const password = readFileSync(join(to, 'hub.password'), 'utf8').trim();
    const { url, username } = made.mqtt as { url: string; username: string };
    const broker = await Mosquitto.startShipped(to, url, TIED);
    try {
      await work({ devices: `mqtts://localhost:${port}`, hub: { url, username, password }, tls });
    } finally {
      await broker.stop();
    }
  });
}

/** Resolves with the client, or with why there is none. */
async function connect(url: string, options: IClientOptions): Promise<MqttClient | string> {
  const client = mqtt.connect(url, { ...settings, reconnectPeriod: 0, ...options });
  return new Promise((resolve) => {
    client.once('connect', () => resolve(client));
    client.once('error', (error) => resolve(error.message));
    client.once('close', () => resolve('closed'));
  });
}

async function mustConnect(url: string, options: IClientOptions): Promise<MqttClient> {
  const client = await connect(url, options);
  if (typeof client === 'string') throw new Error(client);
  client.on('error', () => undefined);
  return client;
}

/** What was granted: 128 is a no. */
const granted = (client: MqttClient, topic: string): Promise<number | undefined> =>
  new Promise((resolve) =>
    client.subscribe(topic, { qos: 1 }, (error, grants) => resolve(error ? 128 : grants?.[0]?.qos)),
  );

const test = suite('mosquitto');

test('a device with its user has its own topics and no others, and is put out by nobody', () =>
  withBroker({}, async ({ devices, hub, tls }) => {
    const users = new BrokerUsers({ hub: HUB, ...hub });
    const passwordA = await users.add(A);
    assert.is(await users.add(A), passwordA, 'asked again it is the same');
    const passwordB = await users.add(B);
    assert.is.not(passwordA, passwordB);
    const said: { device: string; text: string }[] = [];
    const ingests = await Promise.all(
      ['1', '2'].map((worker) =>
        MqttIngest.connect({
          hub: HUB,
          ...hub,
          worker,
          log: createLogger('silent'),
          events: {
            message: async (device, bytes) => {
              said.push({ device, text: Buffer.from(bytes).toString() });
            },
            kept: () => undefined,
            presence: () => undefined,
            tooLarge: () => undefined,
          },
        }),
      ),
    );
    const ca = tls.ca();
    const a = await mustConnect(urlFor(devices, A, passwordA), {
      ca,
      clientId: A,
      will: { topic: deviceTopics(HUB, A).state, payload: Buffer.from('offline'), qos: 1, retain: true },
    });
    const heard: string[] = [];
    a.on('message', (_topic, payload) => heard.push(payload.toString()));
    for (const topic of [deviceTopics(HUB, A).down, ...Object.values(hubTopics(HUB))])
      assert.is(await granted(a, topic), 1, topic);
    for (const topic of [
      deviceTopics(HUB, B).down,
      deviceTopics(HUB, '+').down,
      '#',
      `$share/${HUB}/${deviceTopics(HUB, '+').up}`,
      '$CONTROL/dynamic-security/v1/response',
    ])
      assert.is(await granted(a, topic), 128, topic);

    // Another user under A's client id, the hub's, and A's own will on B's topic.
    const b = await mustConnect(urlFor(devices, B, passwordB), { ca, clientId: A });
    const hubs = await mustConnect(urlFor(devices, B, passwordB), { ca, clientId: `hub-${HUB}-1` });
    assert.ok(a.connected, 'no other user puts A out');
    const willOnOthers = {
      topic: deviceTopics(HUB, B).state,
      payload: Buffer.from('offline'),
      qos: 1,
      retain: true,
    } as const;
    const copy = await connect(urlFor(devices, A, passwordA), { ca, clientId: A, will: willOnOthers });
    if (typeof copy !== 'string') await copy.endAsync(true);
    for (const wrong of [
      urlFor(devices, A, passwordB),
      urlFor(devices, A, ''),
      urlFor(devices, `hub-${HUB}`, 'x'),
      devices,
    ])
      assert.type(await connect(wrong, { ca }), 'string', wrong);

    // B says what is A's to say, and what is the hub's.
    hubs.publish(deviceTopics(HUB, A).up, 'as A', { qos: 1 });
    hubs.publish(deviceTopics(HUB, A).down, 'as the hub', { qos: 1 });
    hubs.publish(hubTopics(HUB).beacon, 'as the hub', { qos: 1, retain: true });
    hubs.publish(
      '$CONTROL/dynamic-security/v1',
      JSON.stringify({ commands: [{ command: 'deleteClient', username: A }] }),
      { qos: 1 },
    );
    await hubs.publishAsync(deviceTopics(HUB, B).up, 'as B', { qos: 1 });
    await until('what B said came', () => said.some(({ text }) => text === 'as B'));
    assert.is(
      said.some(({ text }) => text === 'as A'),
      false,
    );
    // A was there all the time, or is put out by its own copy alone; with its password it is back.
    const again = a.connected ? a : await mustConnect(urlFor(devices, A, passwordA), { ca, clientId: A });
    if (again !== a) {
      again.on('message', (_topic, payload) => heard.push(payload.toString()));
      await granted(again, deviceTopics(HUB, A).down);
    }
    await again.publishAsync(deviceTopics(HUB, A).up, 'A is there', { qos: 1 });
    await until('A is heard', () => said.some(({ device, text }) => device === A && text === 'A is there'));
    ingests[0]!.send(A, new TextEncoder().encode('from the hub'));
    await until('A hears the hub', () => heard.includes('from the hub'));
    assert.is(heard.includes('as the hub'), false);
    assert.equal(
      ingests.map(({ defect }) => defect),
      [undefined, undefined],
    );
    for (const client of [a, again, b, hubs]) await client.endAsync(true);
    for (const ingest of ingests) await ingest.close();
  }));

test('with client certificates the name in the certificate is the user', () =>
  withBroker({ clientCa: true }, async ({ devices, hub, tls }) => {
    await new BrokerUsers({ hub: HUB, ...hub }).add(A);
    const ca = tls.ca();
    const a = await mustConnect(devices, { ca, ...tls.a(), clientId: B });
    assert.is(await granted(a, deviceTopics(HUB, A).down), 1);
    assert.is(await granted(a, deviceTopics(HUB, B).down), 128);
    await a.endAsync(true);
    assert.type(await connect(devices, { ca, clientId: A }), 'string', 'without a certificate');
  }));

test('the shipped configuration lacks nothing', () =>
  withBroker({}, async ({ hub: { url, username, password } }) => {
    const own = { ...settings, username, password };
    assert.is(await probeBroker({ hub: HUB, url, settings: own, isShared: true }), undefined);
  }));

for (const [lacks, line, code] of [
  ['keeps nothing', 'retain_available false', 'broker_retain'],
  ['cuts what is large', 'message_size_limit 1000', 'broker_packets'],
  ['ends connections over large packets', 'max_packet_size 1000', 'broker_packets'],
] as const)
  test(`a mosquitto that ${lacks} is named`, async () => {
    const broker = await Mosquitto.start({ tiedBy: TIED, more: [line] });
    try {
      const found = await probeBroker({ hub: HUB, url: broker.url, settings, isShared: true });
      assert.is(found?.code, code);
    } finally {
      await broker.stop();
    }
  });

test('a broker that grants $share and delivers nothing is named, and does for a hub that is alone', async () => {
  const broker = await Aedes.createBroker();
  const server = createServer(broker.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`;
  assert.is((await probeBroker({ hub: HUB, url, settings, isShared: true }))?.code, 'broker_share');
  assert.is(await probeBroker({ hub: HUB, url, settings, isShared: false }), undefined);
  const ingest = await MqttIngest.connect({
    hub: HUB,
    url,
    worker: '1',
    log: createLogger('silent'),
    events: {
      message: async () => undefined,
      kept: () => undefined,
      presence: () => undefined,
      tooLarge: () => undefined,
    },
  });
  await until('it is named', () => ingest.defect?.startsWith('broker_share') === true);
  await ingest.close();
  await new Promise<void>((resolve) => broker.close(() => resolve()));
  server.close();
});

test('the largest message fits the shipped bound', () =>
  withBroker({}, async ({ devices, hub, tls }) => {
    const password = await new BrokerUsers({ hub: HUB, ...hub }).add(A);
    const a = await mustConnect(urlFor(devices, A, password), { ca: tls.ca(), clientId: A });
    await a.publishAsync(deviceTopics(HUB, A).up, Buffer.alloc(SYNC_MESSAGE_BYTES_MAX), { qos: 1 });
    assert.ok(a.connected);
    await a.endAsync(true);
  }));

test.run();
