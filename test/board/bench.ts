/** A workbench for firmware images: keys of a hub and a payee, and boards that were provisioned by them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BoardMemory,
  buildImage,
  Emulator,
  type EmulatorOptions,
} from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { addressOf, journalOf, writeSettings } from '../../hardware/boards/mps2-an386/host/factory.ts';
import { toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { amount, channelId, seconds } from '../../protocol/integers.ts';
import * as payer from '../../protocol/machines/payer/books.ts';
import * as terminal from '../../protocol/machines/terminal/books.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { fullPayer, fullTerminal } from './full.ts';

const { payerRecords } = payer;
const { terminalRecords } = terminal;

export type BoardRole = 'wearable' | 'car' | 'pos' | 'charger';

const domain = { chainId: 31337, vault: new Uint8Array(20).fill(0xbe) };
export const signing = makeSigning(nobleSuite, domain);
export const hub = nobleKey(new Uint8Array(32).fill(0x11));
const payee = nobleKey(new Uint8Array(32).fill(0x22));
export const payeeAddress = toHex(payee.address);
const none = (): never[] => [];

/** One second before the boards' clock, in the middle of the lease. */
export const now = Math.floor(Date.now() / 1000);
export const deposit = 400_000_000;

/** Appends records as the device itself would, which begins another bank when one is full. */
function store(memory: BoardMemory, role: 'wearable' | 'pos', payloads: readonly Uint8Array[]): void {
  const journal = journalOf(memory);
  const before = [...journal.replayed];
  payloads.forEach((payload, index) => {
    const stored = [...before, ...payloads.slice(0, index)];
    journal.append(payload, () => snapshotOf(role, stored));
  });
  // The next payment begins another bank, which takes a snapshot of everything.
  const { payerRecords: records } = payer;
  const oldest = (role === 'wearable' ? records : terminal.terminalRecords).encode({
    type: 'time',
    at: seconds(0),
  });
  while (journal.bytesFree > NEXT_BYTES) journal.append(oldest, none);
}

/** Less than what one payment stores. */
const NEXT_BYTES = 100;

/** The snapshot of the books that these records make. */
function snapshotOf(role: 'wearable' | 'pos', payloads: readonly Uint8Array[]): Uint8Array[] {
  if (role === 'wearable') {
    const books = payloads.reduce(
      (b, one) => payer.applyRecord(b, payer.payerRecords.decode(one)),
      payer.EMPTY_PAYER,
    );
    return payer.snapshot(books).map(payer.payerRecords.encode);
  }
  const { applyRecord, EMPTY_TERMINAL, snapshot } = terminal;
  const books = payloads.reduce((b, one) => applyRecord(b, terminalRecords.decode(one)), EMPTY_TERMINAL);
  return snapshot(books).map(terminalRecords.encode);
}

export class Workbench {
  readonly folder = mkdtempSync(join(tmpdir(), 'sundial-bench-'));
  private readonly running = new Set<Emulator>();

  /** A board with settings and a first journal, switched off. `full`: with everything else that its books may hold. */
  async provision(
    role: BoardRole,
    { channel = 1, speed = 3600, profile = 'native', tests = false, full = false } = {},
  ): Promise<{ memory: BoardMemory; image: string }> {
    const { image } = await buildImage(process.cwd(), role, profile, tests);
    const memory = new BoardMemory(join(this.folder, `${role}-${channel}`));
    const address = await addressOf(image, memory);
    const key = {
      address: hub.address,
      from: seconds(0),
      until: seconds(now + 1_000_000),
      epoch: 0,
      signedAt: seconds(0),
    };
    const shared = {
      role,
      chainId: domain.chainId,
      vault: toHex(domain.vault),
      hub: toHex(new Uint8Array(32)),
      root: toHex(hub.address),
    };
    if (role === 'wearable' || role === 'car') {
      writeSettings(memory, { ...shared, tapMax: 50_000_000 });
      const fields = {
        channel: channelId(channel),
        payer: address,
        spentFrom: amount(0),
        spendLimit: amount(deposit),
        tapLimit: amount(7_000_000),
        cap: amount(15_750_000),
        guarantee: amount(0),
        issuedAt: seconds(now - 3600),
        expiresAt: seconds(now + 259_200),
        scope: SCOPE_ANY,
      };
      const journal = journalOf(memory);
      journal.append(payerRecords.encode({ type: 'channelOpened', channel: channelId(channel) }), none);
      journal.append(payerRecords.encode({ type: 'hubKey', ...key }), none);
      const signature = await hub.sign(signing.digest('Lease', fields));
      journal.append(payerRecords.encode({ type: 'lease', ...fields, signature, signer: hub.address }), none);
      if (full) store(memory, 'wearable', fullPayer(now, channel));
    } else {
      const expiresAt = seconds(now + 1_000_000);
      const signature = await payee.sign(
        signing.digest('Terminal', { terminal: address, payee: payee.address, expiresAt }),
      );
      writeSettings(memory, {
        ...shared,
        payee: toHex(payee.address),
        certificateExpiresAt: expiresAt,
        certificateSignature: toHex(signature),
        capTotal: 2_000_000_000,
        wideMax: 2_000_000_000,
        tickValue: 20_000,
        tickEnergyWh: 40,
        speed,
      });
      journalOf(memory).append(terminalRecords.encode({ type: 'hubKey', ...key }), none);
      if (full) store(memory, 'pos', fullTerminal(now));
    }
    return { memory, image };
  }

  start(options: EmulatorOptions): Emulator {
    const board = new Emulator(options);
    this.running.add(board);
    return board;
  }

  /** Where two boards meet. */
  tapPath(name = 'tap'): string {
    return join(this.folder, name);
  }

  async close(): Promise<void> {
    for (const board of this.running) await board.kill();
    rmSync(this.folder, { recursive: true });
  }
}
