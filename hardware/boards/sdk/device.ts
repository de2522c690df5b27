/** A device on the Moddable SDK, whatever the platform: its settings, its crypto, and its notices as lines. */
import {
  type PayerDevice,
  payerDevice,
  type TerminalDevice,
  terminalDevice,
} from '../../../device/devices.ts';
import type { Storage } from '../../../device/journal/capacity.ts';
import type { Host } from '../../../device/runtime.ts';
import { type Address, type Signature, toHex } from '../../../protocol/bytes.ts';
import { nobleSuite } from '../../../protocol/crypto/noble.ts';
import { type Amount, amount, type Seconds } from '../../../protocol/integers.ts';
import type { Timing } from '../../../protocol/limits.ts';
import type { Notice } from '../../../protocol/machines/effects.ts';
import type { HubPin } from '../../../protocol/machines/hub-keys.ts';
import { payerLanesMax } from '../../../protocol/machines/payer/room.ts';
import { terminalLimits } from '../../../protocol/machines/terminal/room.ts';
import { makeSigning, type Signing } from '../../../protocol/signing/digests.ts';
import { nativeCrypto } from '../../native/index.ts';
import { natives } from '../../native/natives.ts';

export interface Settings {
  readonly role: 'wearable' | 'car' | 'pos';
  readonly chainId: number;
  readonly vault: Address;
  /** Whose leases, time and words count. */
  readonly hub: HubPin;
  /** Of the hub's site. */
  readonly timing: Timing;
  /** Payers: the group of terminals that leases are asked for; absent: any. */
  readonly scope?: Uint8Array | undefined;
  /** Terminals: whose they are. */
  readonly payee?: Address | undefined;
  readonly certificate?: { readonly expiresAt: Seconds; readonly signature: Signature } | undefined;
}

/** Most that one tap may take from a payer: 50 TIME. */
const tapMax = amount(50_000_000);
/** What a payee risks offline in all: 2000 TIME, as for the Node terminals. */
const capTotal: Amount = amount(2_000_000_000);

/** What every machine of a device is told of its hub. */
const siteOf = ({ hub, timing }: Settings): { readonly hub: HubPin; readonly timing: Timing } => ({
  hub,
  timing,
});

/** Digests and secp256k1 in C; P-256 vouchers of other payers are checked in JavaScript. */
export const crypto = nativeCrypto(nobleSuite.recover);

export const signingFor = ({ chainId, vault }: Settings): Signing => makeSigning(crypto, { chainId, vault });

/** Prints one line of JSON. */
export function say(line: Readonly<Record<string, unknown>>): void {
  const plain = (_key: string, value: unknown): unknown =>
    value instanceof Uint8Array ? toHex(value) : value;
  natives.print(`${JSON.stringify(line, plain)}\n`);
}

const observer = {
  onNotice(notice: Notice): void {
    const { type, ...facts } = notice;
    say({ event: type, ...facts });
  },
  onFault({ code, frozen }: { readonly code: string; readonly frozen: boolean }): void {
    say({ event: 'fault', code, frozen });
  },
};

export function sdkPayer(
  settings: Settings & { readonly role: 'wearable' | 'car' },
  host: Host,
  storage: Storage,
  onNotice: (notice: Notice) => void = () => undefined,
): PayerDevice {
  const { role, scope } = settings;
  return payerDevice(
    signingFor(settings),
    {
      ...siteOf(settings),
      role,
      scheme: host.key.scheme,
      tapMax,
      lanesMax: payerLanesMax(storage.room),
      entropyCertified: host.entropy.certified,
      ...(scope !== undefined && { scope }),
    },
    host,
    storage,
    {
      ...observer,
      onNotice(notice) {
        observer.onNotice(notice);
        onNotice(notice);
      },
    },
  );
}

/** Throws when the settings name no payee. */
export function sdkTerminal(settings: Settings, host: Host, storage: Storage): TerminalDevice {
  const { payee, certificate } = settings;
  if (payee === undefined || certificate === undefined) throw new Error('a terminal without a payee');
  return terminalDevice(
    signingFor(settings),
    {
      ...siteOf(settings),
      role: 'pos',
      scheme: host.key.scheme,
      payee,
      certificate,
      capTotal,
      ...terminalLimits(storage.room),
      entropyCertified: host.entropy.certified,
    },
    host,
    storage,
    observer,
  );
}
