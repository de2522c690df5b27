/**
 * The SDK's MQTT client (ECMA-419) behind the Uplink interface. It promises nothing: a message is gone when the link is
 * down or busy, and the outbox brings it again until the hub has acknowledged.
 */
import MQTTClient from 'embedded:network/mqtt/client';
import { deviceTopics, hubTopics } from '../../../protocol/wire/topics.ts';
import type { Clock, Uplink } from '../../interfaces/index.ts';

export interface MqttOptions {
  readonly host: string;
  readonly port: number;
  readonly hub: string;
  /** The device's address as 0x and 40 lower-case hex digits. */
  readonly device: string;
  /** What the board's network gives: see the SDK's `embedded:provider/builtin`. */
  readonly dns: Record<string, unknown>;
  readonly socket: Record<string, unknown>;
}

/** The largest message from the hub that this board takes. */
const messageBytesMax = 4096;
/** Between a lost connection and the next attempt: a broker that restarts is back within seconds. */
const reconnectMs = 2000;
const keepAliveMs = 30_000;

/** What the client really hands over; the typings of 5.6 have an older shape. */
interface Control {
  readonly operation: number;
}

/** Connects in the background and keeps trying until `close`. */
export function mqttUplink(options: MqttOptions, clock: Clock): Uplink {
  const topics = deviceTopics(options.hub, options.device);
  const common = hubTopics(options.hub);
  let onMessage: ((message: Uint8Array) => void) | undefined;
  let onConnected: ((connected: boolean) => void) | undefined;
  let client: MQTTClient | undefined;
  let cancelRetry: (() => void) | undefined;
  let ready = false;
  const set = (connected: boolean): void => {
    if (ready === connected) return;
    ready = connected;
    onConnected?.(connected);
  };

  function connect(): void {
    const incoming = new Uint8Array(messageBytesMax);
    let length = 0;
    const lost = (): void => {
      // The client has closed itself.
      client = undefined;
      cancelRetry?.();
      cancelRetry = clock.schedule(reconnectMs, connect);
      set(false);
    };
    const onControl = ({ operation }: Control): void => {
      if (operation === MQTTClient.CONNACK) {
        const items = [topics.down, common.beacon, common.revocations].map((topic) => ({ topic, QoS: 1 }));
        client?.write(new ArrayBuffer(0), { operation: MQTTClient.SUBSCRIBE, id: 1, topic: '', items });
      } else if (operation === MQTTClient.SUBACK) {
        // Ready only when subscribed: an answer to a message sent earlier would be lost.
        publish(topics.state, ArrayBuffer.fromString('online'), true);
        set(true);
      }
    };
    client = new MQTTClient({
      host: options.host,
      port: options.port,
      id: options.device,
      clean: true,
      keepAlive: keepAliveMs,
      dns: options.dns,
      socket: options.socket,
      will: { topic: topics.state, message: 'offline', QoS: 1, retain: true },
      onControl: onControl as unknown as (opcode: number) => void,
      onReadable(count, { more }) {
        const part = new Uint8Array(client!.read(count));
        if (length + part.length <= messageBytesMax) incoming.set(part, length);
        length += part.length;
        if (more) return;
        const message = length <= messageBytesMax ? incoming.slice(0, length) : undefined;
        length = 0;
        if (message !== undefined) onMessage?.(message);
      },
      onClose: lost,
      onError: lost,
    });
  }

  function publish(topic: string, bytes: Uint8Array | ArrayBuffer, retain: boolean): void {
    try {
      client?.write(bytes, { topic, QoS: 1, retain });
    } catch {
      // The socket is full: the client writes a message whole or not at all.
    }
  }

  connect();
  return {
    send(message) {
      if (ready) publish(topics.up, message, false);
    },
    receive(messageReceiver, connectedReceiver) {
      onMessage = messageReceiver;
      onConnected = connectedReceiver;
      if (ready) connectedReceiver(true);
    },
    close() {
      onMessage = undefined;
      onConnected = undefined;
      cancelRetry?.();
      client?.close();
      client = undefined;
    },
  };
}
