/**
 * What a checker sees. Each checker holds one promise of the design; it looks at what devices, hub and vault do and
 * reports a violation in words. It never steers anything.
 */
import type { RecordOf } from '../../hub/ledger/records.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import type { TerminalRecord } from '../../protocol/machines/terminal/books.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import type { VaultModel } from '../stage/chain/vault.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import type { Run } from '../fleet/run.ts';

export interface Violation {
  readonly checker: string;
  readonly atMs: number;
  readonly words: string;
}

export interface Checker {
  readonly name: string;
  payerSent?(payer: PayerActor, message: Message): void;
  payerNotice?(payer: PayerActor, notice: Notice): void;
  terminalNotice?(terminal: TerminalActor, notice: Notice): void;
  /** A record of a terminal is durable; after a cut in the middle of writing it this is told at the next start. */
  terminalStored?(terminal: TerminalActor, record: TerminalRecord): void;
  /** The till dropped its open request. */
  cancelled?(terminal: TerminalActor): void;
  /** The hub is about to send a signed acknowledgement. */
  acknowledged?(entry: string, position: number): void;
  /** The hub is about to sign a lease. */
  leased?(lease: RecordOf<'lease'>): void;
  /** A thief of one of the hub's keys signed a lease. */
  lentByThief?(lease: MessageOf<'lease'>): void;
  /** The hub reserved for a request above the offline limits, and is about to sign that it did. */
  cleared?(clearance: RecordOf<'clearance'>): void;
  /** The hub is about to sign a terminal's membership of a scope. */
  member?(member: RecordOf<'member'>): void;
  /** A device has started from what its flash holds, and is not frozen. */
  terminalStarted?(terminal: TerminalActor): void;
  payerStarted?(payer: PayerActor): void;
  /** A terminal has started frozen. */
  terminalFroze?(terminal: TerminalActor): void;
  hubStarted?(): void;
  evidence?(evidence: RecordOf<'evidence'>): void;
  /** The vault changed; `vault.touched` names the channels. */
  vaultChanged?(vault: VaultModel): void;
  /** Faults are over and the time to drain has passed. */
  finished?(): void;
}

export type MakeChecker = (simulation: Run, report: (words: string) => void) => Checker;

/** The voucher that a terminal took and its request, where it waits in the outbox; the newest, if it is there twice. */
export function takenBy({ device }: TerminalActor, voucher: Uint8Array) {
  const entry = device.storedBooks.outbox.findLast(
    (known) => known.kind === 'voucher' && equalBytes(known.entry, voucher),
  );
  return entry?.kind === 'voucher' ? entry.collected : undefined;
}
