/** The SDK's MQTT client (ECMA-419) behind the Uplink interface. */
import MQTTClient from 'embedded:network/mqtt/client';
import { deviceTopics, hubTopics } from '../../../protocol/wire/topics.ts';
import type { Uplink } from '../../interfaces/index.ts';

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

export function mqttUplink(options: MqttOptions): Uplink {
  const topics = deviceTopics(options.hub, options.device);
  const common = hubTopics(options.hub);
  let onMessage: ((message: Uint8Array) => void) | undefined;
  let onConnected: ((connected: boolean) => void) | undefined;
  let ready = false;
  let collected: number[] = [];
  const set = (connected: boolean): void => {
    if (ready === connected) return;
    ready = connected;
    onConnected?.(connected);
  };
  const client: MQTTClient = new MQTTClient({
    host: options.host,
    port: options.port,
    id: options.device,
    clean: true,
    keepAlive: 30_000,
    dns: options.dns,
    socket: options.socket,
    will: { topic: topics.state, message: 'offline', QoS: 1, retain: true },
    onControl(operation) {
      if (operation === MQTTClient.CONNACK) {
        const items = [topics.down, common.beacon, common.revocations].map((topic) => ({ topic, QoS: 1 }));
        client.write(new ArrayBuffer(0), { operation: MQTTClient.SUBSCRIBE, id: 1, topic: '', items });
      } else if (operation === MQTTClient.SUBACK) set(true);
    },
    onReadable(count, { more }) {
      const part = new Uint8Array(client.read(count));
      if (collected.length + part.length <= messageBytesMax) collected.push(...part);
      if (more) return;
      const message = Uint8Array.from(collected);
      collected = [];
      onMessage?.(message);
    },
    onClose: () => set(false),
    onError: () => set(false),
  });
  return {
    send(message) {
      if (ready) client.write(message, { topic: topics.up, QoS: 1 });
    },
    receive(messageReceiver, connectedReceiver) {
      onMessage = messageReceiver;
      onConnected = connectedReceiver;
      if (ready) connectedReceiver(true);
    },
    close: () => client.close(),
  };
}
