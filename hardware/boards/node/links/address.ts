/** Addresses of links: one grammar for every command, and the only place that reads one. */
import { SundialError } from '../../../../protocol/errors.ts';

/** A link's address, read. */
export type LinkAddress =
  | { readonly scheme: 'unix'; readonly path: string }
  | { readonly scheme: 'serial'; readonly path: string }
  | { readonly scheme: 'ble'; readonly adapter?: string; readonly address?: string }
  | { readonly scheme: 'pcsc'; readonly reader: number }
  | { readonly scheme: 'vpcd'; readonly port: number }
  | { readonly scheme: 'qr' };

export type LinkScheme = LinkAddress['scheme'];
type Rest = (rest: string) => LinkAddress | undefined;

/** Bytes of a socket's path: a kernel cuts a longer one without a word, and two devices may then meet at another. */
export const SOCKET_PATH_MAX = 107;

const bytesOf = (text: string): number => encodeURIComponent(text).replace(/%../g, '.').length;

const unix: Rest = (rest) =>
  rest === '' || bytesOf(rest) > SOCKET_PATH_MAX ? undefined : { scheme: 'unix', path: rest };

const serial: Rest = (rest) => (rest === '' ? undefined : { scheme: 'serial', path: rest });

const BLE = /^(?:(hci\d{1,2})(?:\/|$))?((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})?$/;

const ble: Rest = (rest) => {
  const found = BLE.exec(rest);
  if (found === null) return undefined;
  const [, adapter, address] = found;
  return {
    scheme: 'ble',
    ...(adapter !== undefined && { adapter }),
    ...(address !== undefined && { address: address.toUpperCase() }),
  };
};

/** A whole number of at most five digits, written as usual. */
const count = (rest: string): number | undefined =>
  /^(0|[1-9]\d{0,4})$/.test(rest) ? Number(rest) : undefined;

const pcsc: Rest = (rest) => {
  const reader = rest === '' ? 0 : count(rest);
  return reader === undefined ? undefined : { scheme: 'pcsc', reader };
};

const vpcd: Rest = (rest) => {
  const port = count(rest);
  return port === undefined || port < 1 || port > 65_535 ? undefined : { scheme: 'vpcd', port };
};

/** Every form, what it is, and how what follows the scheme is read. */
export const LINK_FORMS: Readonly<
  Record<LinkScheme, { readonly forms: readonly string[]; readonly words: string; readonly read: Rest }>
> = {
  unix: {
    forms: ['unix:/path/of.sock'],
    words: `a socket that both devices name, ${SOCKET_PATH_MAX} bytes at most: the terminal listens`,
    read: unix,
  },
  serial: { forms: ['serial:/dev/ttyACM0'], words: 'a serial port or pseudo terminal', read: serial },
  ble: {
    forms: ['ble:', 'ble:AA:BB:CC:DD:EE:FF', 'ble:hci1/AA:BB:CC:DD:EE:FF'],
    words: 'Bluetooth Low Energy: a terminal looks for whoever was pressed, or for one address',
    read: ble,
  },
  pcsc: { forms: ['pcsc:0'], words: "a terminal's card reader, by number", read: pcsc },
  vpcd: {
    forms: ['vpcd:35963'],
    words: 'a wearable as card in a virtual reader, which calls at this local port',
    read: vpcd,
  },
  qr: {
    forms: ['qr:'],
    words: 'codes on both displays, or a scanner that types what it reads',
    read: (rest) => (rest === '' ? { scheme: 'qr' } : undefined),
  },
};

/** The forms as lines, for help texts and the error. */
export const linkForms = (): string =>
  Object.values(LINK_FORMS)
    .map(({ forms, words }) => `${forms.join(' or ')} (${words})`)
    .join('; ');

/** Reads an address. Throws `bad_link`, which lists every form. */
export function parseLink(text: string): LinkAddress {
  const colon = text.indexOf(':');
  const scheme = text.slice(0, Math.max(0, colon));
  const form = Object.hasOwn(LINK_FORMS, scheme) ? LINK_FORMS[scheme as LinkScheme] : undefined;
  const address = form?.read(text.slice(colon + 1));
  if (address !== undefined) return address;
  throw new SundialError('bad_link', `"${text}" is no address of a link`, {
    severity: 'call',
    remedy: `Give one of:\n    ${linkForms().replaceAll('; ', '\n    ')}`,
  });
}
