/** Opens a device's way to the hub: a broker, or a gateway in reach of its radio or at the far end of its line. */
import { SYNC_GATT } from '../../../../device/links/gatt.ts';
import { LinkUplink } from '../../../../device/links/uplink.ts';
import { toHex } from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import type { Uplink } from '../../../interfaces/index.ts';
import { mqttUplink } from '../mqtt.ts';
import { serialLinks } from '../serial-link.ts';
import { parseLink } from './address.ts';
import { blePeripheral } from './ble/peripheral.ts';

export interface UplinkOptions {
  /** The hub's name in its topics. */
  readonly hub: string;
  /** 20 bytes, of the device. */
  readonly address: Uint8Array;
  /** The password of each connection to a broker; absent: none. */
  readonly login?: () => Promise<string>;
  /** Something that opens later failed for good. */
  fail(error: unknown): void;
}

/**
 * `mqtt://host:port` of a broker; `ble:` to be found by a gateway (`sundial gateway --ble`), whoever is near then learns
 * that a device of this address is there; `serial:/dev/ttyACM0` for a gateway at the far end of a line. Throws `bad_url`.
 */
export function openUplink(text: string, options: UplinkOptions): Uplink {
  if (/^mqtts?:/.test(text) && URL.canParse(text) && new URL(text).hostname !== '')
    return mqttUplink({
      url: text,
      hub: options.hub,
      device: toHex(options.address),
      reconnectMs: 500,
      ...(options.login && { login: options.login }),
    });
  if (!/^(ble|serial):/.test(text))
    throw new SundialError('bad_url', `"${text}" is no way to a hub`, {
      severity: 'call',
      remedy: 'Give mqtt://host:port of its broker, ble: or serial:/dev/ttyACM0 for a gateway.',
    });
  const address = parseLink(text);
  let close = (): void => undefined;
  const uplink = new LinkUplink(options.address, () => close());
  if (address.scheme === 'serial') {
    close = serialLinks(address.path, (link) => uplink.attach(link));
    return uplink;
  }
  if (address.scheme !== 'ble') throw new Error(`no hub is reached over ${address.scheme}`);
  let closed = false;
  close = () => {
    closed = true;
  };
  blePeripheral({
    profile: SYNC_GATT,
    adapter: address.adapter,
    refusal: () => undefined,
    onLink: (link) => uplink.attach(link),
  }).then((peripheral) => {
    if (closed) return peripheral.close();
    close = () => peripheral.close();
    peripheral.advertise(true);
  }, options.fail);
  return uplink;
}
