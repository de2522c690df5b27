/**
 * What attacks by copied keys came to in the simulator, for who chooses limits. The figures are of a file that
 * `npm run sim:losses` writes; limits are shares of the deposit, so what is lost follows it.
 *
 * Not in it: what the limits allow at worst (worst-cases.ts), and attacks of another kind.
 */
import type { Amount } from '../../protocol/integers.ts';
import { bondOf } from './worst-cases.ts';
import file from './simulated-losses.json' with { type: 'json' };

/** Attacks by so many copies of one key, each at a terminal of another merchant; units. */
export interface SimulatedLoss {
  /** How often terminals meet the hub: always, once in an hour, or not in the four hours of the attack. */
  readonly network: 'always' | 'hourly' | 'never';
  readonly copies: number;
  /** What the copies took above what could be paid, before the bond: on average, and at most. */
  readonly taken: number;
  readonly takenMost: number;
  /** What merchants lost on average, after the bond. */
  readonly lost: number;
}

/** How many attacks each figure comes from. */
export const SIMULATED_ATTACKS = file.seeds;

/** For a deposit, by network and copies. */
export function simulatedLosses(deposit: Amount): readonly SimulatedLoss[] {
  const scaled = (units: number): number => Number((BigInt(units) * BigInt(deposit)) / BigInt(file.deposit));
  const bond = bondOf(deposit);
  return file.rows.map(({ network, copies, lost, lostMost }) => {
    const taken = scaled(lost);
    return {
      network: network as SimulatedLoss['network'],
      copies,
      taken,
      takenMost: scaled(lostMost),
      lost: Math.max(0, taken - bond),
    };
  });
}
