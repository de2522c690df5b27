/**
 * What duplicated payers cost: copies x deposit (which sets the lease's limits) x how often tills meet the hub, with
 * the loss that was measured beside rule 10's bound. The picture an operator needs to choose limits.
 */
import { readScenario, SCENARIOS } from './index.ts';
import type { SimulatedSuite } from '../stage/world/suite.ts';
import { Simulation } from '../fleet/simulation.ts';

export interface SweepRow {
  readonly copies: number;
  readonly deposit: number;
  readonly network: 'never' | 'hourly' | 'always';
  /** Each till a merchant of its own, or all tills of one. */
  readonly merchants: 'many' | 'one';
  readonly seeds: number;
  /** Units, the mean and the worst of the seeds, before the bond pays and after. */
  readonly lost: number;
  readonly lostMost: number;
  readonly lostAfterMost: number;
  /** Rule 10: H x (min(window, C) + tickValue), and with the bond taken off. */
  readonly bound: number;
  readonly boundAfter: number;
  readonly bond: number;
  readonly proved: boolean;
  readonly violations: number;
}

/** Is every loss proved and, with the bond paid out and without, within rule 10? */
export const holds = ({
  proved,
  violations,
  lostMost,
  bound,
  lostAfterMost,
  boundAfter,
}: SweepRow): boolean => proved && violations === 0 && lostMost <= bound && lostAfterMost <= boundAfter;

const COPIES = [2, 5, 10] as const;
const DEPOSITS = [500, 5000] as const;
const NETWORKS = ['never', 'hourly', 'always'] as const;
const MERCHANTS = ['many', 'one'] as const;

export async function sweepClones(
  makeSuite: () => SimulatedSuite,
  seed: number,
  seeds: number,
  onRow: (row: SweepRow) => void,
): Promise<SweepRow[]> {
  const rows: SweepRow[] = [];
  for (const merchants of MERCHANTS)
    for (const deposit of DEPOSITS)
      for (const network of NETWORKS)
        for (const copies of COPIES) {
          const row = await sweepOne(makeSuite, seed, seeds, copies, deposit, network, merchants);
          rows.push(row);
          onRow(row);
        }
  return rows;
}

/** One cell: `seeds` attacks, one after the other, on a fleet of 30 devices. */
export async function sweepOne(
  makeSuite: () => SimulatedSuite,
  seed: number,
  seeds: number,
  copies: number,
  deposit: number,
  network: SweepRow['network'],
  merchants: SweepRow['merchants'],
): Promise<SweepRow> {
  const base = SCENARIOS.get('attack-clones')!;
  const scenario = readScenario(
    {
      ...base,
      hours: 4,
      salesPerDay: 6,
      deposit,
      terminalsPerMerchant: merchants === 'one' ? 100 : 1,
      network: { ...base.network, pos: network },
      adversaries: [{ kind: 'clone', count: 1, size: copies }],
    },
    'the sweep',
  );
  let lost = 0;
  let lostMost = 0;
  let lostAfterMost = 0;
  let bound = 0;
  let bond = 0;
  let violations = 0;
  let proved = true;
  for (let i = 0; i < seeds; i++) {
    const simulation = new Simulation({ scenario, devices: 30, seed: seed + i, suite: makeSuite() });
    await simulation.run();
    violations += simulation.violations.length;
    for (const found of simulation.justice) {
      lost += found.lostBefore;
      lostMost = Math.max(lostMost, found.lostBefore);
      lostAfterMost = Math.max(lostAfterMost, found.lostAfter);
      bond = found.bond;
      const each = Math.floor(
        simulation.lossBoundOf(found.channel).beforeBond / Math.max(1, found.terminals),
      );
      // H: the tills that copies reached. The accomplice had a network and was paid.
      bound = Math.max(bound, each * copies);
      proved &&= found.lostBefore === 0 || simulation.hub.proofs().has(found.channel);
    }
  }
  return {
    copies,
    deposit,
    network,
    merchants,
    seeds,
    lost: Math.floor(lost / seeds),
    lostMost,
    lostAfterMost,
    bound,
    boundAfter: Math.max(0, bound - bond),
    bond,
    proved,
    violations,
  };
}
