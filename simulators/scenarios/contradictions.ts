/** What no single field of a scenario shows: names taken twice, fields of another role, faults that can't be as they are told. */
import { type FaultKind, GROUP_FAULTS, hitsDevice, shapeOf } from '../stage/faults/kinds.ts';
import { durationMs, type FaultRates } from '../stage/faults/schedule.ts';
import { HOUR } from '../stage/world/world.ts';
import type { WrongField } from './fields.ts';
import type { Group, Scenario, Scripted } from './schema.ts';

/** Fields of a group that only some roles have. */
const ONLY = {
  outboxMax: ['pos', 'charger'],
  lanesMax: ['pos', 'charger'],
  salesPerDay: ['pos'],
  sessionsPerDay: ['charger'],
  p256: ['wearable', 'car'],
} as const;

const DEVICE_NAME = /^(wearable|pos|car|charger)-\d+$/;

/** Everything that contradicts itself in a scenario whose fields are each right. */
export function contradictions(scenario: Scenario): WrongField[] {
  return [
    ...ofGroups(scenario.groups ?? []),
    ...(scenario.faults === 'swarm' ? [] : ofRates(scenario.faults, 'faults')),
    ...(scenario.script ?? []).flatMap((one, index) => ofScripted(scenario, one, `script.${index}`)),
  ];
}

function ofGroups(groups: readonly Group[]): WrongField[] {
  const seen = new Set<string>();
  return groups.flatMap((group, index) => {
    const before = `groups.${index}`;
    const wrong: WrongField[] = [];
    const { name, role } = group;
    if (seen.has(name)) wrong.push({ field: `${before}.name`, words: `another group is "${name}" already` });
    if (DEVICE_NAME.test(name))
      wrong.push({ field: `${before}.name`, words: `"${name}" is the name of a device` });
    seen.add(name);
    if ((group.count === undefined) === (group.share === undefined))
      wrong.push({ field: `${before}.count`, words: 'say how many devices it has: either count or share' });
    for (const [field, roles] of Object.entries(ONLY) as [keyof typeof ONLY, readonly string[]][])
      if (group[field] !== undefined && !roles.includes(role))
        wrong.push({
          field: `${before}.${field}`,
          words: `only groups of role ${roles.join(' or ')} have it, and "${name}" is of ${role}`,
        });
    return [...wrong, ...ofRates(group.faults ?? {}, `${before}.faults`)];
  });
}

function ofRates(rates: FaultRates, before: string): WrongField[] {
  return (Object.keys(rates) as FaultKind[]).flatMap((kind) => {
    const rate = rates[kind];
    return typeof rate === 'object' ? ofMeasures(kind, rate, `${before}.${kind}`) : [];
  });
}

/** Duration and size of a fault whose kind may have none. */
function ofMeasures(
  kind: FaultKind,
  said: { readonly for?: string | undefined; readonly size?: number | undefined },
  before: string,
): WrongField[] {
  const { forMs, sizeMax, unit } = shapeOf(kind);
  const wrong: WrongField[] = [];
  if (said.for !== undefined && forMs[1] === 0)
    wrong.push({
      field: `${before}.for`,
      words: `${kind} happens at once and has no duration; leave it out`,
    });
  if (said.size !== undefined && sizeMax === undefined)
    wrong.push({ field: `${before}.size`, words: `${kind} has no size; leave it out` });
  if (said.size !== undefined && sizeMax !== undefined && said.size > sizeMax)
    wrong.push({
      field: `${before}.size`,
      words: `${said.size} is too much; for ${kind} it is ${unit}, from 0 to ${sizeMax}`,
    });
  return wrong;
}

function ofScripted(scenario: Scenario, one: Scripted, before: string): WrongField[] {
  const { fault, device, group } = one;
  const wrong = ofMeasures(fault, one, before);
  if (durationMs(one.at) >= scenario.hours * HOUR)
    wrong.push({
      field: `${before}.at`,
      words: `${one.at} is not within the ${scenario.hours} hours of payments`,
    });
  if (device !== undefined && group !== undefined)
    wrong.push({ field: `${before}.group`, words: 'say either a device or a group' });
  const isNamed = device !== undefined || group !== undefined;
  if (isNamed && !GROUP_FAULTS.includes(fault))
    wrong.push({
      field: `${before}.${device === undefined ? 'group' : 'device'}`,
      words: `${fault} hits hub, broker or chain and no device; leave it out`,
    });
  if (!isNamed && hitsDevice(fault))
    wrong.push({ field: `${before}.device`, words: `is missing; ${fault} hits one device, such as pos-1` });
  const names = (scenario.groups ?? []).map(({ name }) => name);
  if (group !== undefined && !names.includes(group))
    wrong.push({
      field: `${before}.group`,
      words: `there is no group "${group}"; there ${names.length === 0 ? 'are none' : `is ${names.join(', ')}`}`,
    });
  if (fault === 'nodeHides' && (scenario.nodes ?? 1) < 2)
    wrong.push({
      field: `${before}.fault`,
      words: 'nodeHides needs a second node to be noticed; say nodes: 2 or more',
    });
  return wrong;
}
