/**
 * What a voucher costs the intake on a channel that is new, and on one with a year of vouchers behind it: from its bytes
 * over both signatures to the acknowledgement, without a disk. By turns, so that a busy machine slows both alike.
 */
import { intakeStep } from '../../hub/intake/intake.ts';
import type { IntakeState } from '../../hub/intake/state.ts';
import { Edit } from '../../hub/intake/trie.ts';
import { amount, channelId, seconds, seq } from '../../protocol/integers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { Bench, context, NOW, payee, preparedState, suite, tap } from '../hub/fleet.ts';

/** Payees that the channel pays in turns; the first one is paid in what is measured. */
const LANES = 20;
const MEASURED = 1_500;
const ROUNDS = 5;
const CHANNEL = 7;
const AMOUNT = 5;

/** A channel with so many vouchers in the ledger. A replay verifies nothing, so the signatures say nothing. */
function stateWith(history: number): IntakeState {
  let state = preparedState();
  const edit = new Edit();
  const signature = new Uint8Array(64);
  const hash = (n: number, salt: number) => suite.keccak256(Uint8Array.of(n >> 24, n >> 16, n >> 8, n, salt));
  const payees = Array.from({ length: LANES }, (_, n) => (n === 0 ? payee.address : hash(n, 1).slice(0, 20)));
  for (let n = 0; n < history; n += 1) {
    const lane = n % LANES;
    const message = encodeMessage({
      type: 'collectedVoucher',
      channel: channelId(CHANNEL),
      seq: seq(n + 1),
      spent: amount(AMOUNT * (n + 1)),
      paid: amount(AMOUNT * (Math.floor(n / LANES) + 1)),
      payee: payees[lane]!,
      terminal: payees[lane]!,
      at: NOW,
      detail: hash(n, 3),
      amount: amount(AMOUNT),
      lanes: hash(n, 4).slice(0, 16),
      signature,
      receipt: signature,
    });
    const record = { type: 'entry', id: hash(n, 5), at: seconds(NOW), message } as const;
    state = intakeStep(context, state, { type: 'replayed', record, position: n, edit }).state;
  }
  return state;
}

/** Vouchers that come behind such a history, signed. */
async function vouchersBehind(history: number): Promise<Uint8Array[]> {
  const lane = Math.ceil(history / LANES);
  const made: Uint8Array[] = [];
  for (let n = 1; n <= MEASURED; n += 1) {
    const { bytes } = await tap({
      channel: CHANNEL,
      seq: history + n,
      amount: AMOUNT,
      spent: AMOUNT * (history + n),
      paid: AMOUNT * (lane + n),
    });
    made.push(bytes);
  }
  return made;
}

/** Microseconds of processor time a voucher, by how many are behind it. */
export async function oneChannel(history: number): Promise<Record<string, number>> {
  const sizes = [0, history];
  const loads = await Promise.all(
    sizes.map(async (size) => ({ state: stateWith(size), vouchers: await vouchersBehind(size) })),
  );
  const micros = sizes.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, { state, vouchers }] of loads.entries()) {
      const bench = new Bench(state);
      const before = process.cpuUsage();
      for (const bytes of vouchers) {
        if (bench.outcome(bytes) !== 'acknowledged') throw new Error('a voucher was refused');
      }
      const { user, system } = process.cpuUsage(before);
      micros[index]!.push((user + system) / vouchers.length);
    }
  }
  const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
  return Object.fromEntries(sizes.map((size, index) => [size, Math.round(middle(micros[index]!))]));
}
