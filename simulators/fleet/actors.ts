/** Who is in the fleet: payers and terminals on their devices, merchants behind the terminals. */
import { journalRoom } from '../../device/journal/capacity.ts';
import { type Address, equalBytes } from '../../protocol/bytes.ts';
import { amount, type Seconds, seconds } from '../../protocol/integers.ts';
import { REQUEST_OPEN_SECONDS, SESSION_LOST_SECONDS, SYNC_RETRY_MS } from '../../protocol/limits.ts';
import type { Context } from '../../protocol/machines/effects.ts';
import * as payerBooks from '../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../protocol/machines/payer/payer.ts';
import { payerLanesMax } from '../../protocol/machines/payer/room.ts';
import { type PayerSettings, type PayerState, terminalOf } from '../../protocol/machines/payer/state.ts';
import * as terminalBooks from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings, TerminalState } from '../../protocol/machines/terminal/state.ts';
import {
  checkTerminalSettings,
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../../protocol/machines/terminal/terminal.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { SimulatedKey } from '../stage/world/suite.ts';
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
  /** Where its terminals stand, from 0. */
  readonly district: number;
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
  honest: boolean;
  busy: boolean;
}

/** As in the payer's machine: it resends after 3 s. */
const RESEND_MS = 3000;
const OPEN_MS = REQUEST_OPEN_SECONDS * 1000;
const SESSION_LOST_MS = SESSION_LOST_SECONDS * 1000;

function payerClockDue({ books, volatile }: PayerState): number | undefined {
  if (volatile.frozen) return undefined;
  const resend = volatile.linkUp && waitsForTerminal(books, volatile);
  const upload = volatile.hubConnected && books.outbox.length > 0;
  const ask = volatile.hubConnected && books.unconfirmed.length > 0;
  return earlier(
    resend ? volatile.sentAtMs + RESEND_MS : undefined,
    earlier(
      upload ? volatile.uploadedAtMs + SYNC_RETRY_MS : undefined,
      ask ? volatile.askedAtMs + volatile.askPauseMs : undefined,
    ),
  );
}

/** Whether the payer has something that it sends again when the terminal it met does not answer. */
function waitsForTerminal(
  { unconfirmed, stream }: PayerState['books'],
  { pending, peer, answered }: PayerState['volatile'],
): boolean {
  if (pending !== undefined) return true;
  if (peer === undefined) return false;
  return (
    (stream !== undefined && answered < stream.revealed && equalBytes(stream.terminal, peer)) ||
    unconfirmed.some((entry) => equalBytes(terminalOf(entry), peer))
  );
}

function terminalClockDue({ books, volatile }: TerminalState): number | undefined {
  if (volatile.frozen) return undefined;
  const { open, session, linkUp, hubConnected } = volatile;
  const drop = open === undefined ? undefined : open.openedAtMs + OPEN_MS;
  const lost = session === undefined || linkUp ? undefined : volatile.linkLostAtMs + SESSION_LOST_MS;
  const upload = hubConnected && books.outbox.length > 0 ? volatile.uploadedAtMs + SYNC_RETRY_MS : undefined;
  return earlier(earlier(drop, lost), upload);
}

/** A charge point also gives back what late ticks are owed. */
function chargerClockDue(state: TerminalState): number | undefined {
  const owes = state.books.lanes.some((lane) => lane.stream !== undefined && lane.owed > lane.credited);
  return owes && !state.volatile.frozen ? 0 : terminalClockDue(state);
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

/** As device.ts opens them. */
export const JOURNAL_BANKS = 2;

/** What bounds the device, as boards bound theirs: the bytes of its flash, where it has one. */
function contextOf(signing: Signing, { key, flash }: DeviceOptions): Context {
  const context = { signing, self: key.address };
  return flash === undefined ? context : { ...context, room: journalRoom(flash, JOURNAL_BANKS) };
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
    ...(options.flash && { lanesMax: payerLanesMax(journalRoom(options.flash, JOURNAL_BANKS)) }),
    entropyCertified: true,
  };
  const context = contextOf(signing, options);
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
  return { kind: 'payer', role, settings, device, channel, honest: true, busy: false };
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
  const context = contextOf(signing, options);
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
    role === 'charger' ? chargerClockDue : terminalClockDue,
  );
  device.provision({ type: 'hubKey', ...hub });
  const actor: TerminalActor = {
    kind: 'terminal',
    role,
    settings,
    device,
    merchant,
    honest: true,
    busy: false,
  };
  merchant.terminals.push(actor);
  return actor;
}
