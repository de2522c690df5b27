/**
 * How fast the books come back from a ledger, in one process, by turns: changed in place, as a hub does it at its start,
 * and copied at every record, as it does with live ones. And what an entry of the index costs in memory.
 */
import { decodeRecord, encodeRecord } from '../../hub/ledger/records.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { emptyIntake, type IntakeState } from '../../hub/intake/state.ts';
import { Edit } from '../../hub/intake/trie.ts';
import { amount, channelId, seconds, seq } from '../../protocol/integers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { context, NOW, suite } from '../hub/fleet.ts';

const CHANNELS = 200;
const PAYEES = 400;
const ROUNDS = 3;

export interface ReplayRates {
  readonly records: number;
  /** Records by the clock, and processor time of one. */
  readonly perSecond: number;
  readonly micros: number;
  readonly copiedMicros: number;
  /** Processor time of a record in place, in that of one that is copied. */
  readonly ratio: number;
  /** Bytes of memory that a voucher of the index takes. */
  readonly voucherBytes: number;
}

/** Records as a ledger holds them. A replay verifies nothing, so the signatures say nothing. */
function ledgerOf(records: number): Uint8Array[] {
  const hash = (n: number, salt: number) => suite.keccak256(Uint8Array.of(n >> 24, n >> 16, n >> 8, n, salt));
  const some = (salt: number) => Array.from({ length: PAYEES }, (_, n) => hash(n, salt).slice(0, 20));
  const payees = some(1);
  const terminals = some(2);
  const signature = new Uint8Array(64);
  return Array.from({ length: records }, (_, n) => {
    const number = Math.floor(n / CHANNELS) + 1;
    const lane = (n * 7919) % PAYEES;
    const message = encodeMessage({
      type: 'collectedVoucher',
      channel: channelId((n % CHANNELS) + 1),
      seq: seq(number),
      spent: amount(5 * number),
      paid: amount(5 * number),
      payee: payees[lane]!,
      terminal: terminals[lane]!,
      at: NOW,
      detail: hash(n, 3),
      amount: amount(5),
      lanes: hash(n, 4).slice(0, 16),
      signature,
      receipt: signature,
    });
    return encodeRecord({ type: 'entry', id: hash(n, 5), at: seconds(NOW), message });
  });
}

function replay(ledger: readonly Uint8Array[], edit?: Edit): IntakeState {
  let state = emptyIntake;
  for (const [position, bytes] of ledger.entries()) {
    const record = decodeRecord(bytes, position);
    state = intakeStep(context, state, { type: 'replayed', record, position, ...(edit && { edit }) }).state;
  }
  return state;
}

function heldBytes(): number {
  global.gc!();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Bytes of memory that a voucher of the books takes. */
function weigh(ledger: readonly Uint8Array[]): number {
  const before = heldBytes();
  const state = replay(ledger, new Edit());
  const after = heldBytes();
  // Still held, so that it was weighed.
  return Math.round((after - before) / state.books.vouchers);
}

/** Replays a ledger of so many vouchers. Needs node --expose-gc. */
export function replayRates(records: number): ReplayRates {
  const ledger = ledgerOf(records);
  const micros = { place: [] as number[], copied: [] as number[] };
  let best = 0;
  const voucherBytes = weigh(ledger);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const way of ['place', 'copied'] as const) {
      const cpu = process.cpuUsage();
      const started = performance.now();
      const state = replay(ledger, way === 'place' ? new Edit() : undefined);
      const { user, system } = process.cpuUsage(cpu);
      if (way === 'place') best = Math.max(best, (records * 1000) / (performance.now() - started));
      micros[way].push((user + system) / records);
      if (state.books.vouchers !== records) throw new Error(`${state.books.vouchers} of ${records} replayed`);
    }
  }
  const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
  const place = middle(micros.place);
  const copied = middle(micros.copied);
  return {
    records,
    perSecond: Math.round(best),
    micros: Number(place.toFixed(1)),
    copiedMicros: Number(copied.toFixed(1)),
    ratio: Number((place / copied).toFixed(2)),
    voucherBytes,
  };
}
