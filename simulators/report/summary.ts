/** What a run comes to, as numbers: for the summary on the screen, for --json and for the report. */
import type { Simulation } from '../fleet/simulation.ts';
import {
  type Expected,
  expectedOf,
  type GroupService,
  groupsOf,
  type Service,
  serviceOf,
  type TerminalService,
  worstTerminal,
} from './service.ts';
import { verdictOf } from './verdict.ts';

export interface Summary extends Service {
  /** Every promise held, and everything was as the scenario expects it. */
  readonly ok: boolean;
  /** The one sentence that must not mislead. */
  readonly headline: string;
  /** Whatever a reader must not overlook although promises held. */
  readonly warnings: readonly string[];
  readonly scenario: string;
  readonly seed: number;
  readonly devices: number;
  readonly traceHash: string;
  readonly violations: number;
  readonly expected?: Expected;
  readonly events: number;
  /** Present when the scenario has groups. */
  readonly groups?: readonly GroupService[];
  /** Of terminals that were asked often enough. */
  readonly worstTerminal?: TerminalService;
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
  const { options, trace, violations, world, accounts, faults, hub, chain, vault, fleet } = simulation;
  let settled = 0;
  for (const channel of vault.channels.values())
    for (const lane of channel.lanes.values()) settled += lane.settled - lane.credited;
  const lost: Record<string, number> = {};
  for (const { culprit, lost: units } of simulation.losses) lost[culprit] = (lost[culprit] ?? 0) + units;
  const service = serviceOf(fleet.terminals, fleet.devices);
  const groups = groupsOf(simulation);
  const worst = worstTerminal(fleet.terminals);
  const expected = expectedOf(simulation, service, groups);
  return {
    ok: violations.length === 0 && expected?.ok !== false,
    ...verdictOf(service, groups, worst, violations.length, expected),
    scenario: options.scenario.name,
    seed: options.seed,
    devices: fleet.devices.length,
    traceHash: trace.hash(),
    violations: violations.length,
    ...(expected && { expected }),
    ...service,
    ...(groups.length > 0 && { groups }),
    ...(worst && { worstTerminal: worst }),
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
