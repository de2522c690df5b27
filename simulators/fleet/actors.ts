/** Who is in the fleet: payers and terminals on their devices, merchants behind the terminals. */
import { payerMachine, terminalMachine } from '../../device/devices.ts';
import type { Tariff } from '../../device/tariff/tariff.ts';
import { journalRoom } from '../../device/journal/capacity.ts';
import type { Bytes32 } from '../../protocol/bytes.ts';
import { amount, seconds } from '../../protocol/integers.ts';
import type { Context } from '../../protocol/machines/effects.ts';
import { payerClockDue } from '../../protocol/machines/payer/clock.ts';
import { posClockDue, terminalClockDue } from '../../protocol/machines/terminal/clock.ts';
import { payerLanesMax } from '../../protocol/machines/payer/room.ts';
import type { PayerSettings } from '../../protocol/machines/payer/state.ts';
import { refundEarlier } from '../../protocol/machines/terminal/earlier.ts';
import { CLEARANCES } from '../../protocol/machines/terminal/clearance.ts';
import type { TerminalSettings } from '../../protocol/machines/terminal/state.ts';
import { checkTerminalSettings } from '../../protocol/machines/terminal/terminal.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { RamFlash } from '../stage/flash/ram-flash.ts';
import type { SimulatedKey } from '../stage/world/suite.ts';
import type { Random } from '../stage/world/random.ts';
import { START_SECONDS } from '../stage/world/world.ts';
import { Device, type DeviceOptions, type Surroundings } from './device.ts';
import type { PayerDevice, TerminalDevice } from './devices.ts';
import type { HubIdentity } from './hub-root.ts';
import { PlugProgram } from './plug-program.ts';
import { Sales } from './sales.ts';
import { TillProgram } from './till-program.ts';

export interface Merchant {
  readonly index: number;
  readonly key: SimulatedKey;
  readonly id: string;
  readonly terminals: TerminalActor[];
  /** Where its terminals stand, from 0. */
  readonly district: number;
  /** Its office watches L2, and needs no hub to take its money. */
  readonly watches: boolean;
  /** False: it never countersigns a credit. */
  givesCredits: boolean;
}

export interface PayerActor {
  readonly kind: 'payer';
  readonly role: 'wearable' | 'car';
  readonly settings: PayerSettings;
  readonly device: PayerDevice;
  readonly channel: number;
  /** False for a duplicated or restored device: its vouchers may contradict each other. */
  honest: boolean;
  busy: boolean;
}

export interface TerminalActor {
  readonly kind: 'terminal';
  readonly role: 'pos' | 'charger';
  readonly settings: TerminalSettings;
  readonly device: TerminalDevice;
  readonly merchant: Merchant;
  readonly sales: Sales;
  /** The till's program, where one runs on it: it asks, cancels and gives back. */
  readonly till?: TillProgram;
  /** The gateway's connector, where one runs on it. */
  readonly plug?: PlugProgram;
  honest: boolean;
  busy: boolean;
}

/** What a payer pays from: its channel, and the scope that its leases name, if any; what its owner wants to be asked about. */
export interface PayerAccount {
  readonly channel: number;
  readonly scope?: Bytes32;
  /** Units above which the owner says yes or no, and which may be paid in a day above what a tap may be. */
  readonly limits?: { readonly confirm: number; readonly day: number };
}

/** Longer than any run. */
const CERTIFICATE_SECONDS = 10 * 365 * 86_400;
/** As device.ts opens them. */
export const JOURNAL_BANKS = 2;

const KIB = 1024;
/** A payer's books at all limits of the protocol take 72 KiB. */
export const PAYER_BANK_BYTES = 96 * KIB;

/** A bank that holds a terminal's books at these limits, each lane with a stream and all that may come of it. */
export const terminalBankBytes = ({
  outboxMax,
  lanesMax,
}: Pick<TerminalLimits, 'outboxMax' | 'lanesMax'>): number =>
  4 * KIB * Math.ceil((32 * KIB + 1280 * lanesMax + 512 * outboxMax) / (4 * KIB));

/** What bounds the device, as boards bound theirs: the bytes of its flash, where a scenario gives it one that may fail. */
function contextOf(signing: Signing, { key, flash, banks = JOURNAL_BANKS }: DeviceOptions): Context {
  const context = { signing, self: key.address };
  return flash === undefined ? context : { ...context, room: journalRoom(flash, banks) };
}

/** Lanes that fit the part, and what the device has RAM for where somebody says so. */
const payerLanesOf = (flash: RamFlash, { banks = JOURNAL_BANKS, payerLanes }: DeviceOptions): number =>
  Math.min(payerLanes ?? Number.POSITIVE_INFINITY, payerLanesMax(journalRoom(flash, banks)));

export function makePayer(
  signing: Signing,
  role: 'wearable' | 'car',
  { channel, scope, limits }: PayerAccount,
  hub: HubIdentity,
  options: DeviceOptions,
  surroundings: Surroundings,
): PayerActor {
  const { scheme, publicKey } = options.key;
  const settings: PayerSettings = {
    hub: hub.pin,
    timing: surroundings.timing,
    role,
    scheme,
    ...(publicKey && { key: publicKey }),
    tapMax: amount(1_000_000_000),
    ...(options.flash && { lanesMax: payerLanesOf(options.flash, options) }),
    entropyCertified: true,
    ...(scope !== undefined && { scope }),
    ...(limits && { confirmLimit: amount(limits.confirm), dayLimit: amount(limits.day) }),
  };
  const device: PayerDevice = new Device(
    payerMachine(contextOf(signing, options), settings),
    options,
    surroundings,
    (state, clocks) => payerClockDue(state, surroundings.timing, clocks),
  );
  device.provision({ type: 'channelOpened', channel: channel as never });
  device.provision({ type: 'hubKey', ...hub.key });
  return { kind: 'payer', role, settings, device, channel, honest: true, busy: false };
}

export interface TerminalLimits {
  readonly capTotal: number;
  readonly outboxMax: number;
  readonly lanesMax: number;
  /** It asks the hub about sales above the offline limits. */
  readonly clears?: boolean;
  /** It runs the till's program; what is random about that. */
  readonly till?: Random;
  /** It stands behind an OCPP gateway, with this tariff. */
  readonly plug?: { readonly tariff: Tariff; readonly tickValue: number; readonly random: Random };
}

export function makeTerminal(
  signing: Signing,
  role: 'pos' | 'charger',
  merchant: Merchant,
  limits: TerminalLimits,
  hub: HubIdentity,
  options: DeviceOptions,
  surroundings: Surroundings,
): TerminalActor {
  const expiresAt = seconds(START_SECONDS + CERTIFICATE_SECONDS);
  const certified = { terminal: options.key.address, payee: merchant.key.address, expiresAt };
  const settings: TerminalSettings = checkTerminalSettings({
    hub: hub.pin,
    timing: surroundings.timing,
    role,
    scheme: 'secp256k1',
    payee: merchant.key.address,
    certificate: { expiresAt, signature: merchant.key.sign(signing.digest('Terminal', certified)) },
    capTotal: amount(limits.capTotal),
    // In a run without scopes all merchants chose to take such leases.
    wideMax: amount(limits.capTotal),
    outboxMax: limits.outboxMax,
    lanesMax: limits.lanesMax,
    entropyCertified: true,
    ...(limits.clears && role === 'pos' && { clearances: CLEARANCES }),
    ...(limits.till && { refundEarlier }),
  });
  const device: TerminalDevice = new Device(
    terminalMachine(contextOf(signing, options), settings),
    options,
    surroundings,
    (state, clocks) =>
      role === 'charger'
        ? terminalClockDue(state, surroundings.timing, clocks)
        : posClockDue(state, surroundings.timing, clocks),
  );
  device.provision({ type: 'hubKey', ...hub.key });
  const { world } = surroundings;
  const till = limits.till && new TillProgram(device, settings, signing, world, limits.till);
  const plug = limits.plug && new PlugProgram(device, signing, limits.plug, world, limits.plug.random);
  device.program = till ?? plug;
  const actor: TerminalActor = {
    kind: 'terminal',
    role,
    settings,
    device,
    merchant,
    sales: new Sales(),
    ...(till && { till }),
    ...(plug && { plug }),
    honest: true,
    busy: false,
  };
  merchant.terminals.push(actor);
  return actor;
}
