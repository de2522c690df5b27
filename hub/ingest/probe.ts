/**
 * What a broker that is not the hub's own must do, tried out when the hub first meets it: keep what is retained, carry the
 * largest message, and, where several workers share it, hand each message to one of them. Brokers confirm all three and do
 * none: nats-server and aedes grant `$share` and deliver nothing. Each trial is a connection of its own, as some brokers
 * answer with the end of the connection.
 */
import { randomBytes } from 'node:crypto';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { probeTopic } from '../../protocol/wire/topics.ts';

/** How long a message may take through the broker and back, milliseconds. */
const ANSWER_MS = 4_000;

/** Which broker, as whom. */
export interface ProbeOptions {
  readonly hub: string;
  readonly url: string;
  readonly settings: IClientOptions;
  /** Several workers share what devices say. */
  readonly isShared: boolean;
}

/** What a broker lacks, with the way out. */
export interface BrokerDefect {
  readonly code: 'broker_retain' | 'broker_packets' | 'broker_share';
  readonly text: string;
}

const DEFECTS = {
  retain: {
    code: 'broker_retain',
    text: 'broker_retain: it does not keep retained messages; switch them on (mosquitto: retain_available true)',
  },
  packets: {
    code: 'broker_packets',
    text: `broker_packets: a message of ${SYNC_MESSAGE_BYTES_MAX} bytes does not come through; raise its limit (mosquitto: message_size_limit, max_packet_size)`,
  },
  share: {
    code: 'broker_share',
    text: 'broker_share: it grants shared subscriptions and delivers nothing; take another broker, such as mosquitto, or run one hub without a database',
  },
} as const satisfies Record<string, BrokerDefect>;

/** The first thing that it lacks; undefined: nothing. Rejects when it can't be reached. */
export async function probeBroker(options: ProbeOptions): Promise<BrokerDefect | undefined> {
  const topic = probeTopic(options.hub, randomBytes(8).toString('hex'));
  if (!(await trial(options, (client) => keeps(client, topic)))) return DEFECTS.retain;
  if (!(await trial(options, (client) => carries(client, topic)))) return DEFECTS.packets;
  if (
    options.isShared &&
    !(await trial(options, (client) => hands(client, `$share/${options.hub}/${topic}`, topic)))
  )
    return DEFECTS.share;
  return undefined;
}

/** Retained before anybody listens; then it comes, and is taken back. */
async function keeps(client: MqttClient, topic: string): Promise<boolean> {
  await client.publishAsync(topic, 'kept', { qos: 1, retain: true });
  const came = heard(client, topic, (payload) => payload.toString() === 'kept');
  await client.subscribeAsync(topic, { qos: 1 });
  const isKept = await came;
  await client.unsubscribeAsync(topic);
  await client.publishAsync(topic, '', { qos: 1, retain: true });
  return isKept;
}

function carries(client: MqttClient, topic: string): Promise<boolean> {
  return echoed(client, topic, topic, Buffer.alloc(SYNC_MESSAGE_BYTES_MAX));
}

function hands(client: MqttClient, filter: string, topic: string): Promise<boolean> {
  return echoed(client, filter, topic, Buffer.from('shared'));
}

async function echoed(client: MqttClient, filter: string, topic: string, message: Buffer): Promise<boolean> {
  await client.subscribeAsync(filter, { qos: 1 });
  const came = heard(client, topic, (payload) => payload.length === message.length);
  await client.publishAsync(topic, message, { qos: 1 });
  return came;
}

/** Does such a message come, before the connection or the time is over? */
function heard(client: MqttClient, topic: string, isIt: (payload: Buffer) => boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ANSWER_MS);
    client.on('message', (at, payload) => {
      if (at !== topic || !isIt(payload)) return;
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/** Over a connection of its own. An end of it, a refusal and silence are a no. Rejects when there is no connection. */
async function trial(
  { hub, url, settings }: ProbeOptions,
  work: (client: MqttClient) => Promise<boolean>,
): Promise<boolean> {
  const client = await mqtt.connectAsync(
    url,
    { ...settings, clientId: `hub-${hub}-probe-${randomBytes(4).toString('hex')}`, reconnectPeriod: 0 },
    false,
  );
  client.on('error', () => undefined);
  try {
    return await Promise.race([
      work(client).catch(() => false),
      new Promise<boolean>((resolve) => client.once('close', () => resolve(false))),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 2 * ANSWER_MS).unref()),
    ]);
  } finally {
    await client.endAsync(true);
  }
}
