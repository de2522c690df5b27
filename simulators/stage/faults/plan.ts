/** The whole schedule of a scenario: what is drawn for everybody, what is drawn for each group, and what is scripted. */
import { SundialError } from '../../../protocol/errors.ts';
import type { Setup } from '../../fleet/setups.ts';
import { WARMUP_MS } from '../../fleet/timing.ts';
import type { Scenario, Scripted } from '../../scenarios/schema.ts';
import { Weather } from '../network/weather.ts';
import type { Random } from '../world/random.ts';
import { HOUR } from '../world/world.ts';
import { type FaultKind, hitsDevice, shapeOf } from './kinds.ts';
import {
  type Drawn,
  drawFaults,
  drawLevels,
  durationMs,
  type Fault,
  type FaultRates,
  numbered,
} from './schedule.ts';

/** Draws and plans all faults of a run. Throws `scenario` when the script names a device that there is not. */
export function planFaults(random: Random, scenario: Scenario, setups: readonly Setup[]): Fault[] {
  const rates = scenario.faults === 'swarm' ? drawLevels(random.fork('levels')) : scenario.faults;
  const [from, to] = scenario.faultWindow ?? [0, 1000];
  const span = scenario.hours * HOUR;
  const fromMs = WARMUP_MS + Math.floor((span * from) / 1000);
  const untilMs = WARMUP_MS + Math.floor((span * to) / 1000);
  const numbersOf = (isMeant: (setup: Setup) => boolean): number[] =>
    setups.flatMap((setup, number) => (isMeant(setup) ? [number] : []));
  const ownOf = new Map((scenario.groups ?? []).map(({ name, faults }) => [name, faults ?? {}] as const));
  const hasOwn = ({ group }: Setup, kind: FaultKind): boolean =>
    group !== undefined && (ownOf.get(group) as FaultRates)[kind] !== undefined;
  const everybody = numbersOf(() => true);
  const drawn = drawFaults(random.fork('faults'), rates, fromMs, untilMs, (kind) =>
    hitsDevice(kind) ? numbersOf((setup) => !hasOwn(setup, kind)) : everybody,
  );
  for (const [name, own] of ownOf) {
    const members = numbersOf(({ group }) => group === name);
    drawn.push(...drawFaults(random.fork(`faults of ${name}`), own, fromMs, untilMs, () => members, name));
  }
  for (const [index, one] of (scenario.script ?? []).entries())
    drawn.push(...scripted(random.fork(`script ${index}`), scenario, one, setups, index));
  return numbered(drawn);
}

/** Links of everybody, of each group, and of each group or device that the script names. */
export const weatherOf = (scenario: Scenario, setups: readonly Setup[]): Weather =>
  new Weather(
    setups,
    (scenario.groups ?? []).map(({ name, faults }) => ({
      name,
      kinds: Object.keys(faults ?? {}) as FaultKind[],
    })),
    (scenario.script ?? []).flatMap(({ device }) => device ?? []),
  );

/** One line of the script: a fault, or one for each device of a group. */
function scripted(
  random: Random,
  scenario: Scenario,
  one: Scripted,
  setups: readonly Setup[],
  index: number,
): Drawn[] {
  const { fault: kind, group, device } = one;
  const { forMs, size } = shapeOf(kind);
  const named = setups.findIndex(({ name }) => name === device);
  if (device !== undefined && named < 0) throw noDevice(scenario, index, device, setups);
  const hit =
    group === undefined ? [Math.max(0, named)] : setups.flatMap((s, i) => (s.group === group ? [i] : []));
  const links = group ?? device;
  const drawn = {
    kind,
    atMs: WARMUP_MS + durationMs(one.at),
    forMs: one.for === undefined ? random.between(forMs[0], forMs[1]) : durationMs(one.for),
    // A scripted cut comes when it is said, not at one of the next effects.
    size: one.size ?? (kind === 'powerCut' ? 0 : random.between(size[0], size[1])),
  };
  if (!hitsDevice(kind)) return [{ ...drawn, device: hit[0]!, ...(links !== undefined && { links }) }];
  const whole = hit.filter(
    (number) => shapeOf(kind).hits !== 'flash' || setups[number]!.storage === 'journal',
  );
  if (whole.length === 0)
    throw wrong(
      scenario,
      `script.${index}.fault`,
      `${kind} hits flash, and ${group ?? device} has storage memory`,
    );
  return whole.map((number) => ({ ...drawn, device: number }));
}

function noDevice(scenario: Scenario, index: number, device: string, setups: readonly Setup[]): SundialError {
  const counts = new Map<string, number>();
  for (const { role } of setups) counts.set(role, (counts.get(role) ?? 0) + 1);
  const there = [...counts].map(([role, count]) =>
    count === 1 ? `${role}-1` : `${role}-1 to ${role}-${count}`,
  );
  return wrong(scenario, `script.${index}.device`, `there is no "${device}"; there is ${there.join(', ')}`);
}

function wrong(scenario: Scenario, field: string, words: string): SundialError {
  return new SundialError('scenario', `${scenario.name}: ${field}: ${words}`, {
    severity: 'call',
    remedy: 'Correct the field, or give the fleet more devices.',
    facts: { field },
  });
}
