/**
 * A gateway: devices in reach of its radio or at its serial ports on one side, the hub's broker on the other. It carries
 * whole messages both ways, keeps nothing and confirms nothing; each device has a connection of its own to the broker.
 */
import { SYNC_GATT } from '../../../../device/links/gatt.ts';
import { serveDevice } from '../../../../device/links/uplink.ts';
import { toHex } from '../../../../protocol/bytes.ts';
import type { Link, Uplink } from '../../../interfaces/index.ts';
import { mqttUplink } from '../mqtt.ts';
import { bleCentral } from './ble/central.ts';

/** The way to the hub of a device that names itself: 0x and 40 lower-case hex digits. */
export type OpenUplink = (device: string) => Uplink;

export interface BrokerOptions {
  /** mqtt:// address of the hub's broker. */
  readonly url: string;
  /** The hub's name in its topics. */
  readonly hub: string;
  /** Told of each device that names itself: 0x and 40 hex digits. */
  onDevice?(device: string): void;
}

/** To the hub's broker, each device by a connection of its own. */
export const brokerUplinks =
  ({ url, hub, onDevice }: BrokerOptions): OpenUplink =>
  (device) => {
    onDevice?.(device);
    return mqttUplink({ url, hub, device, reconnectMs: 500 });
  };

/** Devices that one adapter serves at once; most controllers hold seven or more connections. */
const BLE_LINKS_MAX = 7;

/** Serves the device at the far end of a link. */
export function serveLink(link: Link, open: OpenUplink): void {
  serveDevice(link, (address) => open(toHex(address)));
}

/** Serves every device that advertises the sync service, until the returned function is called. Rejects with `no_bluetooth`. */
export const bleGateway = (options: {
  readonly adapter?: string | undefined;
  readonly address?: string | undefined;
  readonly open: OpenUplink;
}): Promise<() => void> =>
  bleCentral({
    profile: SYNC_GATT,
    adapter: options.adapter,
    address: options.address,
    linksMax: BLE_LINKS_MAX,
    onLink: (link) => serveLink(link, options.open),
  });
