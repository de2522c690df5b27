/**
 * A payer and a terminal on real runtimes and real journals, joined by a byte link in memory. Either may lose its
 * power at any flash write or effect; `restart` brings it up again from what its flash holds. Time only moves when the
 * test moves it.
 */
import { payerDevice, type PayerDevice, terminalDevice, type TerminalDevice } from '../../device/devices.ts';
import { openJournal } from '../../device/journal/journal.ts';
import { Deframer } from '../../device/links/framing.ts';
import type { Fault } from '../../device/runtime.ts';
import type { Clock, Link, SecureKey } from '../../hardware/interfaces/index.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { amount, seconds } from '../../protocol/integers.ts';
import type { Effect, Notice } from '../../protocol/machines/effects.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { decodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { type FlashKind, PowerCut, RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import {
  CHANNEL,
  challenge,
  keys,
  lease,
  payerSettings,
  signing,
  START,
  terminalSettings,
} from '../protocol/bench.ts';

const hubKey = {
  address: keys.hub.address,
  from: seconds(0),
  until: seconds(START + 10 * 365 * 86_400),
  epoch: 0,
  signedAt: seconds(0),
};
export const BANKS = { banks: 2 };
/** Small banks, so that compaction happens within a test. */
const GEOMETRY = { size: 16 * 1024, blockSize: 4096 };

export type Side = 'payer' | 'terminal';

export interface Cut {
  readonly side: Side;
  readonly kind: 'flash' | 'effect';
  /** Number of the flash operation or effect that does not complete, from 1. */
  readonly at: number;
  /** The bytes that were sent just before the cut don't arrive. */
  readonly lost?: boolean;
}

class VirtualClock implements Clock {
  nowMs = 0;
  monotonicMs = (): number => this.nowMs;
  /** What both devices read; a test may put another clock here. */
  realTimeSeconds: () => number | undefined = () => START + Math.floor(this.nowMs / 1000);
  schedule = (): (() => void) => () => undefined;
}

/** One end of the link: bytes queue up until the pair delivers them. */
class End implements Link {
  readonly frameSizeMax = 244;
  readonly queue: Uint8Array[] = [];
  onBytes: (bytes: Uint8Array) => void = () => undefined;
  onClosed: () => void = () => undefined;
  send = (bytes: Uint8Array): void => {
    this.queue.push(bytes);
  };
  receive = (onBytes: (bytes: Uint8Array) => void, onClosed: () => void): void => {
    this.onBytes = onBytes;
    this.onClosed = onClosed;
  };
  close = (): void => undefined;
}

export class Pair {
  payer!: PayerDevice;
  terminal!: TerminalDevice;
  readonly clock = new VirtualClock();
  readonly flash: Record<Side, RamFlash>;
  readonly effects: Record<Side, number> = { payer: 0, terminal: 0 };
  readonly notices: Record<Side, Notice[]> = { payer: [], terminal: [] };
  readonly faults: Fault[] = [];
  /** Vouchers that left the payer, by seq: their signed numbers as text. */
  readonly signed = new Map<number, Set<string>>();
  private ends: Record<Side, End> | undefined;
  /** Sees every effect just before it is executed. */
  onEffect: ((side: Side, effect: Effect<{ readonly type: string }>) => void) | undefined;
  private cut: Cut | undefined;
  dead: Side | undefined;
  private lastWordsLost = false;
  private seeds = 100;

  private constructor(seed: number, kind: FlashKind) {
    this.flash = {
      payer: new RamFlash({ ...GEOMETRY, kind, seed }),
      terminal: new RamFlash({ ...GEOMETRY, kind, seed: seed + 1 }),
    };
  }

  /** `bytesLeft`: room that is left in the journals' banks, so that the story has to start a new one. */
  static async create(seed: number, bytesLeft?: number, kind: FlashKind = 'nor'): Promise<Pair> {
    const pair = new Pair(seed, kind);
    const payer = openJournal(pair.flash.payer, BANKS);
    const none = (): never[] => [];
    payer.append(payerRecords.encode({ type: 'channelOpened', channel: CHANNEL }), none);
    payer.append(payerRecords.encode({ type: 'hubKey', ...hubKey }), none);
    payer.append(payerRecords.encode({ ...(await lease()), signer: keys.hub.address }), none);
    const terminal = openJournal(pair.flash.terminal, BANKS);
    terminal.append(terminalRecords.encode({ type: 'hubKey', ...hubKey }), none);
    for (let at = 1; bytesLeft !== undefined && payer.bytesFree > bytesLeft; at++)
      payer.append(payerRecords.encode({ type: 'time', at: seconds(at) }), none);
    for (let at = 1; bytesLeft !== undefined && terminal.bytesFree > bytesLeft; at++)
      terminal.append(terminalRecords.encode({ type: 'time', at: seconds(at) }), none);
    await pair.restart('payer');
    await pair.restart('terminal');
    return pair;
  }

  /** Counts operations from here on, and cuts at one of them. */
  arm(cut?: Cut): void {
    this.cut = cut;
    this.lastWordsLost = cut?.lost ?? false;
    for (const side of ['payer', 'terminal'] as const) {
      this.effects[side] = 0;
      this.flash[side].operations = 0;
      this.flash[side].cutAt = cut?.kind === 'flash' && cut.side === side ? cut.at : undefined;
    }
  }

  private observer(side: Side) {
    return {
      onEffect: (effect: Effect<{ readonly type: string }>): void => {
        this.effects[side] += 1;
        this.onEffect?.(side, effect);
        const { cut } = this;
        if (cut?.kind === 'effect' && cut.side === side && cut.at === this.effects[side])
          throw new PowerCut(`effect ${effect.type}`);
      },
      onNotice: (notice: Notice): void => {
        this.notices[side].push(notice);
        if (side === 'terminal') this.checkStored(notice);
      },
      onFault: (fault: Fault): void => void this.faults.push(fault),
      onCrash: (error: unknown): void => {
        if (!(error instanceof PowerCut)) throw error;
        this.dead = side;
      },
    };
  }

  /** Approved goods without a stored voucher, or a delivered tick that is not stored, end the test. */
  private checkStored(notice: Notice): void {
    if (notice.type !== 'approved' && notice.type !== 'deliver') return;
    const stored = [...openJournal(this.flash.terminal.copy(), BANKS).replayed].map(terminalRecords.decode);
    const found =
      notice.type === 'approved'
        ? stored.some(
            (record) =>
              (record.type === 'answered' && record.receipt && equalBytes(record.digest, notice.voucher)) ||
              (record.type === 'waitingVoucher' && equalBytes(record.entry, notice.voucher)),
          )
        : stored.some(
            (record) =>
              (record.type === 'tick' && record.k === notice.k) ||
              (record.type === 'laneStream' && record.k === notice.k),
          );
    if (!found) throw new Error(`${notice.type} without a stored record`);
  }

  /** Power comes back on one side: a new runtime from its flash. */
  async restart(side: Side): Promise<void> {
    this.unlink();
    this.dead = undefined;
    this.flash[side].cutAt = undefined;
    this.cut = undefined;
    const hostOf = (key: SecureKey) => ({
      key,
      clock: this.clock,
      entropy: {
        certified: true,
        random: (length: number) => {
          this.seeds += 1;
          return new Uint8Array(length).fill(this.seeds & 255);
        },
      },
    });
    if (side === 'payer') {
      this.payer = payerDevice(
        signing,
        payerSettings,
        hostOf(keys.payer),
        () => openJournal(this.flash.payer, BANKS),
        this.observer('payer'),
      );
      await this.payer.start();
    } else {
      this.terminal = terminalDevice(
        signing,
        await terminalSettings(),
        hostOf(keys.terminal),
        () => openJournal(this.flash.terminal, BANKS),
        this.observer('terminal'),
      );
      await this.terminal.start();
    }
  }

  /** Puts both on a fresh link. */
  link(): void {
    this.unlink();
    const ends = { payer: new End(), terminal: new End() };
    this.ends = ends;
    this.terminal.attachLink(ends.terminal);
    this.payer.attachLink(ends.payer);
  }

  unlink(): void {
    const { ends } = this;
    this.ends = undefined;
    ends?.payer.onClosed();
    ends?.terminal.onClosed();
  }

  /** Delivers until nothing is under way. Bounded: a tap is some twenty frames, a stream a few more a tick. */
  async settle(): Promise<void> {
    for (let round = 0; round < 500; round++) {
      await this.payer.idle();
      await this.terminal.idle();
      if (this.ends === undefined) return;
      const { payer, terminal } = this.ends;
      if (this.dead !== undefined) return this.deliverLastWords(this.dead);
      if (payer.queue.length + terminal.queue.length === 0) return;
      for (const bytes of payer.queue.splice(0)) {
        this.watch(bytes);
        terminal.onBytes(bytes);
        await this.terminal.idle();
      }
      for (const bytes of terminal.queue.splice(0)) {
        payer.onBytes(bytes);
        await this.payer.idle();
      }
    }
    throw new Error('the pair never comes to rest');
  }

  /** What left a device before its power went still arrives, unless the cut also loses it. */
  private async deliverLastWords(side: Side): Promise<void> {
    const { payer, terminal } = this.ends!;
    if (this.lastWordsLost) return;
    for (const bytes of side === 'payer' ? payer.queue.splice(0) : terminal.queue.splice(0)) {
      if (side === 'payer') {
        this.watch(bytes);
        terminal.onBytes(bytes);
        await this.terminal.idle();
      } else {
        payer.onBytes(bytes);
        await this.payer.idle();
      }
    }
  }

  /** Notes what the payer signed: two different vouchers of one seq must never leave it. */
  private watch(frame: Uint8Array): void {
    const note = (message: Message): void => {
      if (!['voucher', 'stream', 'resolveVoucher', 'resolveStream'].includes(message.type)) return;
      const voucher = message as Message & { type: 'voucher' };
      const seen = this.signed.get(voucher.seq) ?? new Set<string>();
      seen.add(`${voucher.spent} ${voucher.paid} ${toHex(voucher.signature)}`);
      this.signed.set(voucher.seq, seen);
    };
    new Deframer(
      244,
      (bytes) => {
        const decoded = decodeMessage(bytes, 'tap');
        if (decoded.ok && decoded.message) note(decoded.message);
      },
      () => undefined,
    ).push(frame);
  }

  /** One second or more passes on both sides. */
  async pass(ms: number): Promise<void> {
    this.clock.nowMs += ms;
    await this.payer.dispatch({ type: 'clock' });
    await this.terminal.dispatch({ type: 'clock' });
    await this.settle();
  }

  sale(units: number): Promise<void> | undefined {
    this.seeds += 1;
    return this.terminal.dispatch({
      type: 'sale',
      amount: amount(units),
      currency: 'TIME',
      challenge: challenge(this.seeds & 255),
    });
  }

  said(side: Side, type: Notice['type']): number {
    return this.notices[side].filter((notice) => notice.type === type).length;
  }
}
