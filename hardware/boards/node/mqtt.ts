/**
 * Uplink over MQTT for devices that run on Node. It speaks MQTT 3.1.1, which every broker knows, and promises
 * nothing: a message is gone when the link is down, and the outbox brings it again until the hub has acknowledged.
 */
import mqtt from 'mqtt';
import { deviceTopics, hubTopics } from '../../../protocol/wire/topics.ts';
import type { Uplink } from '../../interfaces/index.ts';

export interface MqttUplinkOptions {
  /** mqtt://host:port of the broker. */
  readonly url: string;
  /** Name of the hub, as in its topics. */
  readonly hub: string;
  /** The device's address as 0x and 40 lower-case hex digits; also its MQTT client id. */
  readonly device: string;
  readonly username?: string;
  readonly password?: string;
  /**
   * The password of the next connection, made anew for each: what one connection showed is worth nothing for another. It
   * stands in the place of `password`; when it fails, the connection is tried without.
   */
  readonly login?: () => Promise<string>;
  /** Milliseconds between attempts to connect. */
  readonly reconnectMs?: number;
}

/** Messages on their way to the broker at once: a device's outbox repeats what is dropped beyond it. */
const IN_FLIGHT_MAX = 64;

/** Connects in the background and keeps trying until `close`. */
export function mqttUplink(options: MqttUplinkOptions): Uplink {
  const topics = deviceTopics(options.hub, options.device);
  const common = hubTopics(options.hub);
  const reconnectMs = options.reconnectMs ?? 1_000;
  const wanted = new Set([topics.down, common.beacon, common.revocations]);
  let onMessage: ((message: Uint8Array) => void) | undefined;
  let onConnected: ((connected: boolean) => void) | undefined;
  let inFlight = 0;
  let ready = false;

  const client = mqtt.connect(options.url, {
    clientId: options.device,
    protocolVersion: 4,
    clean: true,
    keepalive: 30,
    reconnectPeriod: reconnectMs,
    queueQoSZero: false,
    resubscribe: false,
    reconnectOnConnackError: true,
    manualConnect: options.login !== undefined,
    will: { topic: topics.state, payload: Buffer.from('offline'), qos: 1, retain: true },
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
  });
  let closed = false;
  /** Puts the next password in place; then, if at all, connects. */
  const logIn = async (andConnect: boolean): Promise<void> => {
    try {
      client.options.username = options.device;
      client.options.password = await options.login!();
    } catch {
      // A full disk keeps no counter: the hub may let the device in all the same.
      client.options.password = undefined;
      client.options.username = undefined;
    }
    if (andConnect && !closed) client.connect();
  };
  if (options.login !== undefined) {
    void logIn(true);
    client.on('close', () => void logIn(false));
  }
  const setReady = (connected: boolean) => {
    if (ready === connected) return;
    ready = connected;
    onConnected?.(connected);
  };
  const subscribe = () => {
    if (!client.connected) return;
    // Ready only when subscribed: an answer to a message sent earlier would be lost.
    client.subscribe([...wanted], { qos: 1 }, (error) => {
      // A broker that refuses once, while it starts, would leave the device deaf for as long as the connection lasts.
      if (error) return void setTimeout(subscribe, reconnectMs).unref();
      client.publish(topics.state, 'online', { qos: 1, retain: true });
      setReady(true);
    });
  };
  client.on('connect', subscribe);
  client.on('close', () => setReady(false));
  // Connection errors need no handling here: the client tries again, and `ready` says how it stands.
  client.on('error', () => {});
  client.on('message', (topic, payload) => {
    if (wanted.has(topic)) onMessage?.(new Uint8Array(payload));
  });

  return {
    send(message) {
      if (!ready || inFlight >= IN_FLIGHT_MAX) return;
      inFlight += 1;
      client.publish(topics.up, Buffer.from(message), { qos: 1 }, () => {
        inFlight -= 1;
      });
    },
    receive(messageReceiver, connectedReceiver) {
      onMessage = messageReceiver;
      onConnected = connectedReceiver;
      if (ready) connectedReceiver(true);
    },
    close() {
      onMessage = undefined;
      onConnected = undefined;
      closed = true;
      // Forced: a graceful end waits for ever when the broker is gone, and would suppress the last will, which says
      // that this device is offline.
      client.end(true);
    },
  };
}
