/** Who is in the fleet: payers and terminals on their devices, merchants behind the terminals. */
import type { Address } from '../../protocol/bytes.ts';
import { amount, type Seconds, seconds } from '../../protocol/integers.ts';
import { REQUEST_OPEN_SECONDS, SYNC_RETRY_MS } from '../../protocol/limits.ts';
import type { Context } from '../../protocol/machines/effects.ts';
import * as payerBooks from '../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../../protocol/machines/payer/state.ts';
import * as terminalBooks from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings, TerminalState } from '../../protocol/machines/terminal/state.ts';
import {
  checkTerminalSettings,
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../../protocol/machines/terminal/terminal.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { SimulatedKey } from '../world/suite.ts';
import { Device, type DeviceOptions, type Surroundings } from './device.ts';

export type PayerDevice = Device<payerBooks.PayerBooks, PayerState, PayerEvent, payerBooks.PayerRecord>;
export type TerminalDevice = Device<
  terminalBooks.TerminalBooks,
  TerminalState,
  TerminalEvent,
  terminalBooks.TerminalRecord
>;

export interface Merchant {
  readonly index: number;
  readonly key: SimulatedKey;
  readonly id: string;
  readonly terminals: TerminalActor[];
  /** False: it never countersigns a credit. */
  givesCredits: boolean;
}

export interface PayerActor {
  readonly kind: 'payer';
  readonly role: 'wearable' | 'car';
  readonly device: PayerDevice;
  readonly channel: number;
  /** False for a duplicated or restored device: its vouchers may contradict each other. */
  honest: boolean;
  busy: boolean;
}

export interface TerminalActor {
  readonly kind: 'terminal';
  readonly role: 'pos' | 'charger';
  readonly device: TerminalDevice;
  readonly merchant: Merchant;
  honest: boolean;
  busy: boolean;
}

/** As in the payer's machine: it resends after 3 s. */
const RESEND_MS = 3000;
const OPEN_MS = REQUEST_OPEN_SECONDS * 1000;

function payerClockDue({ books, volatile }: PayerState): number | undefined {
  if (volatile.frozen) return undefined;
  const resend = volatile.linkUp ? volatile.sentAtMs + RESEND_MS : undefined;
  const waits = volatile.hubConnected && books.outbox.length + books.unconfirmed.length > 0;
  return earlier(resend, waits ? volatile.uploadedAtMs + SYNC_RETRY_MS : undefined);
}

function terminalClockDue({ books, volatile }: TerminalState): number | undefined {
  if (volatile.frozen) return undefined;
  const drop = volatile.open === undefined ? undefined : volatile.open.openedAtMs + OPEN_MS;
  const waits = volatile.hubConnected && books.outbox.length > 0;
  return earlier(drop, waits ? volatile.uploadedAtMs + SYNC_RETRY_MS : undefined);
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}

export interface HubIdentity {
  readonly address: Address;
  readonly from: Seconds;
  readonly until: Seconds;
}

export function makePayer(
  signing: Signing,
  role: 'wearable' | 'car',
  channel: number,
  hub: HubIdentity,
  options: DeviceOptions,
  surroundings: Surroundings,
): PayerActor {
  const settings: PayerSettings = {
    role,
    scheme: 'secp256k1',
    tapMax: amount(1_000_000_000),
    entropyCertified: true,
  };
  const context: Context = { signing, self: options.key.address };
  const device: PayerDevice = new Device(
    {
      emptyBooks: payerBooks.EMPTY_PAYER,
      records: payerBooks.payerRecords,
      apply: payerBooks.applyRecord,
      snapshot: payerBooks.snapshot,
      afterPowerUp: payerAfterPowerUp,
      step: (state, event, nowMs) => payerStep(context, settings, state, event as PayerEvent, nowMs),
    },
    options,
    surroundings,
    payerClockDue,
  );
  device.provision({ type: 'channelOpened', channel: channel as never });
  device.provision({ type: 'hubKey', ...hub });
  return { kind: 'payer', role, device, channel, honest: true, busy: false };
}

export interface TerminalLimits {
  readonly capTotal: number;
  readonly outboxMax: number;
  readonly lanesMax: number;
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
  const expiresAt = seconds(hub.until);
  const certified = { terminal: options.key.address, payee: merchant.key.address, expiresAt };
  const settings: TerminalSettings = checkTerminalSettings({
    role,
    scheme: 'secp256k1',
    payee: merchant.key.address,
    certificate: { expiresAt, signature: merchant.key.sign(signing.digest('Terminal', certified)) },
    capTotal: amount(limits.capTotal),
    outboxMax: limits.outboxMax,
    lanesMax: limits.lanesMax,
    entropyCertified: true,
  });
  const context: Context = { signing, self: options.key.address };
  const device: TerminalDevice = new Device(
    {
      emptyBooks: terminalBooks.EMPTY_TERMINAL,
      records: terminalBooks.terminalRecords,
      apply: terminalBooks.applyRecord,
      snapshot: terminalBooks.snapshot,
      afterPowerUp: terminalAfterPowerUp,
      step: (state, event, nowMs) => terminalStep(context, settings, state, event as TerminalEvent, nowMs),
    },
    options,
    surroundings,
    terminalClockDue,
  );
  device.provision({ type: 'hubKey', ...hub });
  const actor: TerminalActor = { kind: 'terminal', role, device, merchant, honest: true, busy: false };
  merchant.terminals.push(actor);
  return actor;
}
