/**
 * A gateway: devices in reach of its radio or at its serial ports on one side, the hub's broker on the other. It carries
 * whole messages both ways, keeps nothing and confirms nothing; each device has a connection of its own to the broker.
 */
import { SYNC_GATT } from '../../../../device/links/gatt.ts';
import { serveDevice } from '../../../../device/links/uplink.ts';
import { toHex } from '../../../../protocol/bytes.ts';
import type { Link } from '../../../interfaces/index.ts';
import { mqttUplink } from '../mqtt.ts';
import { bleCentral } from './ble/central.ts';

export interface GatewayOptions {
  /** mqtt:// address of the hub's broker. */
  readonly url: string;
  /** The hub's name in its topics. */
  readonly hub: string;
  /** Told of each device that names itself: 0x and 40 hex digits. */
  onDevice?(device: string): void;
}

/** Devices that one adapter serves at once; most controllers hold seven or more connections. */
const BLE_LINKS_MAX = 7;

/** Serves the device at the far end of a link. */
export function serveLink(link: Link, { url, hub, onDevice }: GatewayOptions): void {
  serveDevice(link, (address) => {
    const device = toHex(address);
    onDevice?.(device);
    return mqttUplink({ url, hub, device, reconnectMs: 500 });
  });
}

/** Serves every device that advertises the sync service, until the returned function is called. Rejects with `no_bluetooth`. */
export const bleGateway = (
  options: GatewayOptions & { readonly adapter?: string | undefined; readonly address?: string | undefined },
): Promise<() => void> =>
  bleCentral({
    profile: SYNC_GATT,
    adapter: options.adapter,
    address: options.address,
    linksMax: BLE_LINKS_MAX,
    onLink: (link) => serveLink(link, options),
  });
