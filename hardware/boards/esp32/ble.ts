/**
 * One GATT service with one write and one notify characteristic, one message a packet, behind the Link interface. The
 * payer is the peripheral; a terminal connects, subscribes and is greeted.
 */
import { type Characteristic, type Connection, GATTServer } from 'embedded:io/bluetoothle/peripheral';
import { TAP_MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts';
import type { Link } from '../../interfaces/index.ts';

const service = '5ad1a100-73b0-4a6e-9f0b-7c1e5d2f9e01';
const write = '5ad1a101-73b0-4a6e-9f0b-7c1e5d2f9e01';
const notify = '5ad1a102-73b0-4a6e-9f0b-7c1e5d2f9e01';
/** General discoverable, no classic Bluetooth. */
const advertisingFlags = 6;
/** An ATT packet has three bytes of its own. */
const attOverhead = 3;

/** Calls back with a link for the central that subscribes; others wait until it is gone. */
export function serveTaps(name: string, onLink: (link: Link) => void): void {
  let present: Connection | undefined;
  let onBytes: ((bytes: Uint8Array) => void) | undefined;
  let onClosed: (() => void) | undefined;
  const end = (): void => {
    const closed = onClosed;
    present = undefined;
    onBytes = undefined;
    onClosed = undefined;
    closed?.();
  };
  const notifying: Characteristic = {
    uuid: notify,
    properties: GATTServer.properties.notify,
    onSubscribe(connection) {
      if (present !== undefined) return connection.close();
      present = connection;
      onLink({
        frameSizeMax: TAP_MESSAGE_BYTES_MAX,
        send: (bytes) => connection.notify(notifying, bytes.slice().buffer as ArrayBuffer),
        receive(bytesReceiver, closedReceiver) {
          onBytes = bytesReceiver;
          onClosed = closedReceiver;
        },
        close: () => connection.close(),
      });
    },
    onUnsubscribe(connection) {
      if (connection === present) end();
    },
  };
  const writing: Characteristic = {
    uuid: write,
    properties: GATTServer.properties.write,
    onWrite(value, connection) {
      if (connection === present) onBytes?.(new Uint8Array(value));
    },
  };
  const advertise = (server: GATTServer): void =>
    server.startAdvertising({ flags: advertisingFlags, services: [service] }, { name });
  new GATTServer({
    mtu: TAP_MESSAGE_BYTES_MAX + attOverhead,
    services: [{ uuid: service, characteristics: [writing, notifying] }],
    onReady() {
      advertise(this);
    },
    onConnect() {
      this.stopAdvertising();
    },
    onDisconnect(connection) {
      if (connection === present) end();
      advertise(this);
    },
  });
}
