/**
 * Opens a device's way to the hub: a broker, or a gateway in reach of its radio or at the far end of its line. Radio and
 * port are loaded when they are opened.
 */
import { SYNC_GATT } from '../../../../device/links/gatt.ts';
import { LinkUplink } from '../../../../device/links/uplink.ts';
import { toHex } from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import type { Uplink } from '../../../interfaces/index.ts';
import { mqttUplink } from '../mqtt.ts';
import { parseLink } from './address.ts';

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
      // A broker that has users of its own was told nothing of the device's key.
      ...(options.login && new URL(text).username === '' && { login: options.login }),
    });
  if (!/^(ble|serial):/.test(text))
    throw new SundialError('bad_url', `"${text}" is no way to a hub`, {
      severity: 'call',
      remedy: 'Give mqtt://host:port of its broker, ble: or serial:/dev/ttyACM0 for a gateway.',
    });
  const address = parseLink(text);
  const { scheme } = address;
  if (scheme !== 'serial' && scheme !== 'ble') throw new Error(`no hub is reached over ${scheme}`);
  let closed = false;
  let close = (): void => {
    closed = true;
  };
  const uplink = new LinkUplink(options.address, () => close());
  const opened =
    scheme === 'serial' ? serialUplink(address.path, uplink) : bleUplink(address.adapter, uplink);
  opened.then((end) => {
    if (closed) end();
    else close = end;
  }, options.fail);
  return uplink;
}

async function serialUplink(path: string, uplink: LinkUplink): Promise<() => void> {
  const { serialLinks } = await import('../serial-link.ts');
  return serialLinks(path, (link) => uplink.attach(link));
}

async function bleUplink(adapter: string | undefined, uplink: LinkUplink): Promise<() => void> {
  const { blePeripheral } = await import('./ble/peripheral.ts');
  const peripheral = await blePeripheral({
    profile: SYNC_GATT,
    adapter,
    refusal: () => undefined,
    onLink: (link) => uplink.attach(link),
  });
  peripheral.advertise(true);
  return () => peripheral.close();
}
