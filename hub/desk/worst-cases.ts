/**
 * What an operator's limits may cost: how much one channel whose key was copied takes at most, and who bears it. Integers
 * as the protocol computes them (rule 10); `deposit` in token units.
 */
import { type Amount, amount } from '../../protocol/integers.ts';
import {
  BOND_PER_10000,
  SCOPE_TERMINALS_MAX,
  shareOf,
  TAP_LIMIT_PER_10000,
  terminalCapOf,
} from '../../protocol/limits.ts';
import { tapLimitOf } from '../intake/leases.ts';

/** What a policy lets a copied key take, units. */
export interface WorstCase {
  /** `scope`: leases for a group of terminals, which the bond covers; `any`: leases for any terminal. */
  readonly leases: 'scope' | 'any';
  /** Most that one offline tap takes. */
  readonly tapLimit: Amount;
  /** Most that the channel owes at one terminal until the hub acknowledges. */
  readonly cap: Amount;
  /** Terminals that may accept on one lease while they are offline. */
  readonly terminals: number;
  /** Taken at most, before the bond pays. */
  readonly taken: number;
  /** Lost at most, after the bond paid. */
  readonly worst: number;
  /** Who bears that. */
  readonly borneBy: 'nobody' | 'merchants';
  /** Most that one of these bears, a terminal. */
  readonly each: number;
}

/** The deposit's bond, units. */
export const bondOf = (deposit: Amount): Amount => shareOf(deposit, BOND_PER_10000);

/** Both policies for a deposit and so many terminals that may be offline at once. */
export function worstCases(deposit: Amount, terminals: number): readonly WorstCase[] {
  const bond = bondOf(deposit);
  const facts = { payer: new Uint8Array(20), deposited: deposit, spendable: amount(deposit - bond), bond };
  const scope = new Uint8Array(32).fill(1);
  const state = { ...facts, exiting: false, slashed: false };
  return (['scope', 'any'] as const).map((leases): WorstCase => {
    const tapLimit = leases === 'any' ? shareOf(deposit, TAP_LIMIT_PER_10000) : tapLimitOf(state, scope);
    const cap = terminalCapOf(tapLimit);
    const reached = leases === 'any' ? terminals : Math.min(terminals, SCOPE_TERMINALS_MAX);
    // Nobody can take more than may be spent at one terminal, however many there are.
    const taken = reached * Math.min(cap, deposit - bond);
    const worst = Math.max(0, taken - bond);
    return {
      leases,
      tapLimit,
      cap,
      terminals: reached,
      taken,
      worst,
      borneBy: worst === 0 ? 'nobody' : 'merchants',
      each: worst === 0 ? 0 : cap,
    };
  });
}
