/** A run's summary for people, the service rate first. */
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import type { Simulation } from '../fleet/simulation.ts';
import type { GroupService } from '../report/service.ts';
import type { Summary } from '../report/summary.ts';
import { grouped, percent } from '../report/verdict.ts';
import { SECOND } from '../stage/world/world.ts';

/** How fast it went, from the host's clock. */
export interface Pace {
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly tapsPerDeviceDay: number;
}

const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${grouped(count)}`)
    .join(', ');

function groupLine({ name, devices, sales, serviceRate, refusals, frozen }: GroupService): string {
  const rate = serviceRate === null ? '' : ` (${percent(serviceRate)})`;
  const service =
    sales.asked === 0 ? '' : `, ${grouped(sales.approved)} of ${grouped(sales.asked)} sales approved${rate}`;
  const reasons = sales.refused === 0 ? '' : `; refused: ${listed(refusals)}`;
  const ice = frozen.length === 0 ? '' : `; frozen: ${frozen.join(', ')}`;
  return `  ${name}: ${devices} devices${service}${reasons}${ice}`;
}

/** The lines; `command` shows a violation again. */
export function wordsOf(simulation: Simulation, summary: Summary, pace: Pace, command: string): string {
  const { hours } = simulation.options.scenario;
  const { sales, refusals, frozen, expected } = summary;
  const lines = [
    summary.headline,
    `scenario ${summary.scenario}, ${summary.devices} devices, ${hours} h, seed ${summary.seed}`,
    ...summary.warnings.map((words) => `  WARNING: ${words}`),
    ...(expected?.missed ?? []).map((words) => `  MISSED: ${words}`),
    `  of ${grouped(sales.asked)} sales asked: ${grouped(sales.approved)} approved, ${grouped(sales.refused)} refused, ${grouped(sales.walkedAway)} customers walked off, ` +
      `${grouped(sales.powerOff)} at terminals without power, ${grouped(sales.unanswered)} without an answer`,
    `  refused: ${sales.refused === 0 ? 'none' : listed(refusals)}`,
    `  frozen: ${frozen.length === 0 ? 'none' : frozen.join(', ')}`,
    ...(summary.groups ?? []).map(groupLine),
    `  ${summary.taps} taps, ${pace.tapsPerDeviceDay} a device-day, and ${summary.ticks} ticks`,
    `  ${summary.events} events in ${pace.seconds.toFixed(1)} s, ${pace.eventsPerSecond} events/s`,
    `  ${summary.faults} faults: ${summary.cuts} power cuts, ${summary.hubCrashes} hub crashes, ${summary.reorganisations} reorganisations`,
    `  ledger ${summary.ledger} records; ${summary.batches} settlements of ${summary.lanesSettled} lanes`,
    `  delivered ${formatMoney(summary.delivered)}, settled net of credits ${formatMoney(summary.settled)} TIME`,
    ...Object.entries(summary.lost).map(([culprit, units]) => `  lost by ${culprit}: ${units} units`),
    `  trace ${summary.traceHash}`,
  ];
  for (const { checker, atMs, words } of simulation.violations)
    lines.push(`  VIOLATION of "${checker}" at ${Math.floor(atMs / SECOND)} s: ${words}`);
  if (!summary.ok) lines.push(`  again with: ${command}`);
  return lines.join('\n');
}
