/** Who is in the fleet, as the scenario says: the mix gives how many of each role there are, groups refine it. */
import { SundialError } from '../../protocol/errors.ts';
import type { Group, Scenario } from '../scenarios/schema.ts';

export type Role = keyof Scenario['mix'];

/** One device before it is made. */
export interface Setup {
  readonly name: string;
  readonly role: Role;
  /** From 0, within its role. */
  readonly number: number;
  readonly group?: string;
  readonly network: Scenario['network']['pos'];
  readonly storage: Scenario['storage'];
  readonly outboxMax: number;
  readonly lanesMax: number;
  /** Sales or sessions a day that somebody asks for there; 0 for payers. */
  readonly perDay: number;
  /** Chance, in 1,000, that its key is of P-256. */
  readonly p256: number;
}

/** How many devices of each role a fleet of `devices` has; at least one that pays and one that is paid. */
export function rolesOf(mix: Scenario['mix'], devices: number): Record<Role, number> {
  const count = (share: number): number => Math.floor((devices * share + 500) / 1000);
  const pos = mix.pos > 0 ? Math.max(1, count(mix.pos)) : 0;
  const charger = mix.charger > 0 ? Math.max(1, count(mix.charger)) : 0;
  const car = mix.car > 0 ? Math.max(1, count(mix.car)) : 0;
  return { pos, charger, car, wearable: Math.max(mix.wearable > 0 ? 1 : 0, devices - pos - charger - car) };
}

/** The order of devices in a fleet. */
const ROLES: readonly Role[] = ['pos', 'charger', 'wearable', 'car'];

/** Every device of a fleet of `devices`. Throws `scenario` when groups want more devices than there are. */
export function setupsOf(scenario: Scenario, devices: number): Setup[] {
  const roles = rolesOf(scenario.mix, devices);
  return ROLES.flatMap((role) => {
    const groups = groupNames(scenario, role, roles[role]);
    return Array.from({ length: roles[role] }, (_, number) => setup(scenario, role, number, groups[number]));
  });
}

/** The group of each device of a role, by number: the first group has the first ones, the rest has none. */
function groupNames(scenario: Scenario, role: Role, all: number): Group[] {
  const members: Group[] = [];
  for (const [index, group] of (scenario.groups ?? []).entries()) {
    if (group.role !== role) continue;
    const count = group.count ?? Math.max(1, Math.floor((all * group.share! + 500) / 1000));
    if (members.length + count > all) {
      const field = `groups.${index}.${group.count === undefined ? 'share' : 'count'}`;
      const left = all - members.length;
      throw new SundialError(
        'scenario',
        `${scenario.name}: ${field}: "${group.name}" wants ${count} ${role}`,
        {
          severity: 'call',
          remedy: `The mix makes ${all} of this fleet ${role}, of which ${left} are left; make the group smaller or the mix or the fleet larger.`,
          facts: { field },
        },
      );
    }
    members.push(...Array.from({ length: count }, () => group));
  }
  return members;
}

function setup(scenario: Scenario, role: Role, number: number, group: Group | undefined): Setup {
  const perDay = { pos: scenario.salesPerDay, charger: scenario.sessionsPerDay, wearable: 0, car: 0 }[role];
  return {
    name: `${role}-${number + 1}`,
    role,
    number,
    ...(group !== undefined && { group: group.name }),
    network: group?.network ?? scenario.network[role],
    storage: group?.storage ?? scenario.storage,
    outboxMax: group?.outboxMax ?? scenario.outboxMax,
    lanesMax: group?.lanesMax ?? scenario.lanesMax,
    perDay: group?.salesPerDay ?? group?.sessionsPerDay ?? perDay,
    p256: group?.p256 ?? scenario.p256 ?? 0,
  };
}
