/** What a run comes to, as numbers: for the summary on the screen, for --json and for the report. */
import type { Simulation } from '../fleet/simulation.ts';

export interface Summary {
  readonly ok: boolean;
  readonly scenario: string;
  readonly seed: number;
  readonly devices: number;
  readonly traceHash: string;
  readonly violations: number;
  readonly events: number;
  readonly taps: number;
  readonly ticks: number;
  readonly cuts: number;
  readonly faults: number;
  readonly ledger: number;
  readonly batches: number;
  readonly lanesSettled: number;
  readonly gas: number;
  readonly hubCrashes: number;
  readonly reorganisations: number;
  /** Units handed over, settled net of credits, and lost by culprit. */
  readonly delivered: number;
  readonly settled: number;
  readonly lost: Readonly<Record<string, number>>;
}

export function summarise(simulation: Simulation): Summary {
  const { options, trace, violations, world, accounts, faults, hub, chain, vault } = simulation;
  let settled = 0;
  for (const channel of vault.channels.values())
    for (const lane of channel.lanes.values()) settled += lane.settled - lane.credited;
  const lost: Record<string, number> = {};
  for (const { culprit, lost: units } of simulation.losses) lost[culprit] = (lost[culprit] ?? 0) + units;
  return {
    ok: violations.length === 0,
    scenario: options.scenario.name,
    seed: options.seed,
    devices: simulation.fleet.devices.length,
    traceHash: trace.hash(),
    violations: violations.length,
    events: world.events,
    taps: accounts.taps,
    ticks: accounts.ticks,
    cuts: simulation.cuts,
    faults: faults.length,
    ledger: hub.ledgerSize,
    batches: hub.batches,
    lanesSettled: hub.lanesSettled,
    gas: hub.gas,
    hubCrashes: hub.crashes,
    reorganisations: chain.reorganisations,
    delivered: accounts.total,
    settled,
    lost,
  };
}
