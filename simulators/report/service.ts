/** How well customers were served: sales asked and approved, refusals by reason, frozen devices; of all, and of each group. */
import type { TerminalActor } from '../fleet/actors.ts';
import type { AnyDevice } from '../fleet/device.ts';
import type { Simulation } from '../fleet/simulation.ts';
import type { Expect } from '../scenarios/schema.ts';

/** Below so many of 1,000 sales approved a run is shown with a warning: one customer of ten goes without. */
export const SERVICE_LOW = 900;
/** The same for a single terminal that was asked at least so often: a dead till hides among a hundred good ones. */
export const TERMINAL_LOW = { rate: 500, asked: 10 };

export interface Service {
  readonly sales: {
    readonly asked: number;
    readonly approved: number;
    readonly refused: number;
    readonly walkedAway: number;
    readonly powerOff: number;
    readonly unanswered: number;
  };
  /** Sales approved in 1,000; null when none was asked. */
  readonly serviceRate: number | null;
  /** Sales refused, by reason, most often first. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Names of frozen devices. */
  readonly frozen: readonly string[];
}

export interface GroupService extends Service {
  readonly name: string;
  readonly devices: number;
}

/** One terminal's name and figures. */
export interface TerminalService {
  readonly name: string;
  readonly asked: number;
  readonly approved: number;
  readonly serviceRate: number;
}

const rateOf = (approved: number, asked: number): number | null =>
  asked === 0 ? null : Math.floor((1000 * approved) / asked);

export function serviceOf(terminals: readonly TerminalActor[], devices: readonly AnyDevice[]): Service {
  const reasons = new Map<string, number>();
  let [asked, approved, walkedAway, powerOff, refused] = [0, 0, 0, 0, 0];
  for (const { sales } of terminals) {
    asked += sales.asked;
    approved += sales.approved;
    walkedAway += sales.walkedAway;
    powerOff += sales.powerOff;
    for (const [code, count] of sales.refused) {
      reasons.set(code, (reasons.get(code) ?? 0) + count);
      refused += count;
    }
  }
  const unanswered = asked - approved - walkedAway - powerOff - refused;
  return {
    sales: { asked, approved, refused, walkedAway, powerOff, unanswered },
    serviceRate: rateOf(approved, asked),
    refusals: Object.fromEntries([...reasons].sort((a, b) => b[1] - a[1])),
    frozen: devices.filter(({ frozen }) => frozen).map(({ name }) => name),
  };
}

/** The figures of each group of the scenario, and of the devices of no group, if there are groups. */
export function groupsOf({ fleet, options }: Simulation): GroupService[] {
  const groups = options.scenario.groups ?? [];
  if (groups.length === 0) return [];
  return [...groups.map(({ name }) => name), undefined].flatMap((name) => {
    const isIn = (device: AnyDevice): boolean => fleet.setupOf(device).group === name;
    const devices = fleet.devices.filter(isIn);
    if (devices.length === 0) return [];
    const terminals = fleet.terminals.filter(({ device }) => isIn(device));
    return [{ name: name ?? 'all others', devices: devices.length, ...serviceOf(terminals, devices) }];
  });
}

/** The terminal with the lowest rate, of those that were asked often enough to tell. */
export function worstTerminal(terminals: readonly TerminalActor[]): TerminalService | undefined {
  let worst: TerminalService | undefined;
  for (const { device, sales } of terminals) {
    const { asked, approved } = sales;
    if (asked < TERMINAL_LOW.asked) continue;
    const serviceRate = rateOf(approved, asked)!;
    if (worst === undefined || serviceRate < worst.serviceRate)
      worst = { name: device.name, asked, approved, serviceRate };
  }
  return worst;
}

export interface Expected {
  readonly ok: boolean;
  /** Each expectation that was missed, in words. */
  readonly missed: readonly string[];
}

/** What the scenario expects beside what came of it; undefined when it expects nothing. */
export function expectedOf(
  simulation: Simulation,
  all: Service,
  groups: readonly GroupService[],
): Expected | undefined {
  const { scenario } = simulation.options;
  const missed: string[] = [];
  let isSaid = scenario.expect !== undefined;
  if (scenario.expect !== undefined) missed.push(...missedBy(all, scenario.expect, ''));
  for (const { name, expect } of scenario.groups ?? []) {
    if (expect === undefined) continue;
    isSaid = true;
    missed.push(...missedBy(groups.find((group) => group.name === name)!, expect, `${name}: `));
  }
  return isSaid ? { ok: missed.length === 0, missed } : undefined;
}

function missedBy(
  { sales, serviceRate, refusals, frozen }: Service,
  expect: Expect,
  before: string,
): string[] {
  const missed: string[] = [];
  if (expect.approved !== undefined && (serviceRate ?? 0) < expect.approved)
    missed.push(
      `${before}approved: ${serviceRate ?? 0} in 1,000 (${sales.approved} of ${sales.asked} sales), expected at least ${expect.approved}`,
    );
  if (expect.asked !== undefined && sales.asked < expect.asked)
    missed.push(`${before}asked: ${sales.asked} sales, expected at least ${expect.asked}`);
  for (const [code, most] of Object.entries(expect.refusals ?? {})) {
    const found = refusals[code] ?? 0;
    if (found > most) missed.push(`${before}refusals.${code}: ${found}, expected at most ${most}`);
  }
  if (expect.frozen !== undefined && frozen.length > expect.frozen)
    missed.push(
      `${before}frozen: ${frozen.length} (${frozen.join(', ')}), expected at most ${expect.frozen}`,
    );
  return missed;
}
