/**
 * Where a webhook may go. A URL that somebody gave must not make the hub talk to what only the hub can reach: other
 * services of its machine, a cloud's metadata, a router. So it is https to public addresses, checked where the connection is
 * made and not only when the URL is given, since a name may point elsewhere by then. Hosts that the operator names in
 * hub.json may be anywhere; a hub for trying out also takes this machine itself.
 */
import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { SundialError } from '../../protocol/errors.ts';
import { hookUrlMax } from '../limits.ts';

/** What is allowed beside public https. */
export interface AddressRules {
  /** Names or addresses that may be private, as in the URL, with a port where it has one. */
  readonly hosts: readonly string[];
  /** A hub for trying out: this machine's own addresses, and plain http to them. */
  readonly development: boolean;
}

/** What is not public: IANA's special-purpose registries for IPv4 and IPv6. */
const SPECIAL = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  SPECIAL.addSubnet(net, prefix, 'ipv4');
/** Of IPv6 only what is handed out to the public is public, less what carries an IPv4 address or is for documents. */
const GLOBAL = new BlockList();
GLOBAL.addSubnet('2000::', 3, 'ipv6');
const NOT_GLOBAL = new BlockList();
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  NOT_GLOBAL.addSubnet(net, prefix, 'ipv6');
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 4 ? 'ipv4' : 'ipv6');

/** May a webhook go to this IP address? */
export function isAllowed(address: string, development: boolean): boolean {
  const family = familyOf(address);
  if (development && LOOPBACK.check(address, family)) return true;
  if (family === 'ipv4') return !SPECIAL.check(address, family);
  return GLOBAL.check(address, family) && !NOT_GLOBAL.check(address, family);
}

const refused = (why: string): SundialError =>
  new SundialError('hook_address', why, {
    severity: 'call',
    remedy: 'Give an https URL on the internet, or have its host named in `webhooks.hosts` of hub.json.',
  });

/** The host of a URL as a lookup takes it: without the brackets of IPv6. */
const bare = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

/** A URL that may be called, as it is written. Throws `hook_address`. */
export function checkHookUrl(text: string, { hosts, development }: AddressRules): URL {
  if (text.length > hookUrlMax || !URL.canParse(text)) throw refused('this is no URL that can be called');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw refused('a URL with a password in it is refused');
  if (url.hash !== '') throw refused('what stands behind # is sent to nobody');
  const host = bare(url);
  const isNamed = hosts.includes(url.host);
  const isHere =
    development && (host === 'localhost' || (isIP(host) !== 0 && LOOPBACK.check(host, familyOf(host))));
  const isPlain = url.protocol === 'http:' && (isNamed || isHere);
  if (url.protocol !== 'https:' && !isPlain) throw refused(`${url.protocol}// is refused; https it must be`);
  if (isIP(host) !== 0 && !isNamed && !isAllowed(host, development))
    throw refused(`${host} is no public address`);
  return url;
}

/** How a name is looked up for a connection: to an address that is allowed, or not at all (`hook_address`). */
export function guardedLookup(url: URL, { hosts, development }: AddressRules): LookupFunction {
  const isNamed = hosts.includes(url.host);
  return (name, options, done) => {
    systemLookup(name, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, '', 0);
      const addresses = found as LookupAddress[];
      // One that is not allowed spoils the answer: who answers so is not to be dealt with.
      const bad = isNamed ? undefined : addresses.find(({ address }) => !isAllowed(address, development));
      if (bad !== undefined || addresses.length === 0)
        return done(refused(`${name} is ${bad?.address ?? 'nowhere'}, which is no public address`), '', 0);
      if ((options as { all?: boolean }).all === true)
        return (done as unknown as (error: null, all: LookupAddress[]) => void)(null, addresses);
      const [{ address, family }] = addresses as [LookupAddress];
      return done(null, address, family);
    });
  };
}
