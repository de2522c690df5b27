/**
 * Every board's own flash and limits, filled by customers of whom each comes once: a till until it sells no more, a
 * charge point until it offers no more; then the power goes, the hub takes everything, and it sells again.
 */
import { journalRoom } from '../../device/journal/capacity.ts';
import * as esp32 from '../../hardware/boards/esp32/limits.ts';
import * as emulated from '../../hardware/boards/mps2-an386/limits.ts';
import { JOURNAL_BANKS } from '../../hardware/boards/node/cli/device-folder.ts';
import { DEFAULT_GEOMETRY, WORD_BYTES } from '../../hardware/boards/node/flash.ts';
import * as sdkLinux from '../../hardware/boards/sdk-lin/limits.ts';
import { TERMINAL_LANES_MAX, TERMINAL_OUTBOX_MAX } from '../../protocol/limits.ts';
import { payerLanesMax } from '../../protocol/machines/payer/room.ts';
import { type TerminalLimits, terminalLimits } from '../../protocol/machines/terminal/room.ts';
import { type FlashKind, RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { Till } from './till.ts';

export interface Board {
  readonly board: string;
  readonly flash: { readonly size: number; readonly blockSize: number; readonly wordSize: number };
  readonly kind: FlashKind;
  readonly banks: number;
  readonly limits: TerminalLimits;
  readonly payerLanes: number;
}

type Part = Pick<Board, 'flash' | 'banks'>;

/** A board that takes what its flash holds. */
const derived = (board: string, { flash, banks }: Part, kind: FlashKind = 'nor'): Board => {
  const room = journalRoom(flash, banks);
  return { board, flash, banks, kind, limits: terminalLimits(room), payerLanes: payerLanesMax(room) };
};

const partOf = ({ journalFlash, journalBanks }: typeof esp32 | typeof emulated | typeof sdkLinux): Part => ({
  flash: journalFlash,
  banks: journalBanks,
});

const nodeFlash = { ...DEFAULT_GEOMETRY, wordSize: WORD_BYTES };
const { outboxMax, lanesMax, payerLanesMax: emulatedPayerLanes } = emulated;

export const BOARDS: readonly Board[] = [
  {
    ...derived('node', { flash: nodeFlash, banks: JOURNAL_BANKS }),
    limits: { outboxMax: TERMINAL_OUTBOX_MAX, lanesMax: TERMINAL_LANES_MAX },
  },
  {
    ...derived('mps2-an386', partOf(emulated)),
    limits: { outboxMax, lanesMax },
    payerLanes: emulatedPayerLanes,
  },
  derived('sdk-lin', partOf(sdkLinux)),
  derived('esp32', partOf(esp32)),
  // The partition with flash encryption: words of 16 bytes, each written once.
  derived(
    'esp32 encrypted',
    { ...partOf(esp32), flash: { ...esp32.journalFlash, wordSize: 16 } },
    'encrypted',
  ),
];

export interface Filled {
  readonly board: string;
  /** Sold until the till refused, and what of it the hub had in the end. */
  readonly sales: number;
  readonly drained: number;
  /** Sold after that, again until it refused. */
  readonly again: number;
  readonly streams: number;
  readonly lanes: number;
  /** Lanes that a payer on this board holds. */
  readonly payerLanes: number;
  /** How the till refused. */
  readonly refusal: string;
  readonly frozen: number;
  /** Power cuts while the hub took everything. */
  readonly cuts: number;
}

const partFor = ({ flash, kind }: Board, seed: number): RamFlash => new RamFlash({ ...flash, kind, seed });

/** The names that may end a sale here. */
const FULL: ReadonlySet<string> = new Set(['outbox_full', 'lanes_full']);

async function sellOut(till: Till): Promise<number> {
  let sales = 0;
  while (await till.sell()) sales += 1;
  return sales;
}

/** The hub takes everything, while the power goes again and again, at ever other words. */
async function drainWithCuts(till: Till, seed: number): Promise<number> {
  let cuts = 0;
  for (; till.device.state.books.outbox.length > 0; cuts++) {
    till.flash.operations = 0;
    till.flash.cutAt = cuts < CUTS ? 1 + ((seed + 131 * cuts) % 200) : undefined;
    await till.drain();
    if (!till.isDead) break;
    await till.switchOn();
  }
  till.flash.cutAt = undefined;
  await till.switchOn();
  await till.drain();
  return cuts;
}
const CUTS = 12;
/** Bytes of a list of revoked channels, at least. */
const REVOKED_BYTES = 5000;

/** Sells out, loses power, drains, sells out again. */
async function fillWithSales(board: Board) {
  const till = await Till.create(partFor(board, 1), board.banks, board.limits);
  const sales = await sellOut(till);
  const refusal = till.refused ?? 'none';
  await till.revokeMany();
  await till.switchOn();
  const kept = till.keepsPromises;
  const cuts = await drainWithCuts(till, 3);
  const drained = kept ? till.promised.handedIn : 0;
  const again = await sellOut(till);
  const frozen = till.faults.filter((fault) => fault.frozen).length + (FULL.has(refusal) ? 0 : 1);
  return { sales, drained, again, refusal, frozen, cuts };
}

/** Cars drive off, each with one tick in the air; then all bring it, and the last one closes its session. */
async function fillWithStreams(board: Board) {
  const till = await Till.create(partFor(board, 2), board.banks, board.limits, 'charger');
  let streams = 0;
  const gone: { late(): Promise<void> }[] = [];
  let last = await till.charge();
  while (last !== undefined) {
    streams += 1;
    const next = await till.charge();
    if (next === undefined) break;
    gone.push(last);
    last = next;
  }
  const refusal = till.refused ?? 'none';
  const closed = last === undefined || (await last.close());
  for (const car of gone) await car.late();
  // The largest record, until a bank must be started with everything that stands.
  for (let list = 0; list * REVOKED_BYTES < board.flash.size / board.banks; list++) await till.revokeMany();
  await till.switchOn();
  const kept =
    till.keepsPromises && till.device.state.books.lanes.every((lane) => lane.owed === lane.credited);
  await drainWithCuts(till, 17);
  const left = till.device.state.books.outbox.length + till.promised.open.size;
  const frozen = till.faults.filter((fault) => fault.frozen).length;
  return { streams, frozen: frozen + (closed && kept && left === 0 && FULL.has(refusal) ? 0 : 1) };
}

/** Customers come while the hub is there, until the first lane makes room for another. */
async function fillWithLanes(board: Board): Promise<number> {
  const till = await Till.create(partFor(board, 3), board.banks, board.limits);
  for (let most = 0; ; ) {
    if (!(await till.sell())) return most;
    await till.drain();
    const { length } = till.device.state.books.lanes;
    if (length <= most) return most;
    most = length;
  }
}

/** One row of the table. */
export async function fillBoard(board: Board): Promise<Filled> {
  const { frozen, ...sold } = await fillWithSales(board);
  const charged = await fillWithStreams(board);
  const lanes = await fillWithLanes(board);
  return {
    board: board.board,
    ...sold,
    streams: charged.streams,
    lanes,
    payerLanes: board.payerLanes,
    frozen: frozen + charged.frozen,
  };
}
