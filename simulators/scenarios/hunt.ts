/** What one seed of the hunt is: a scenario, a fleet of at most 30 devices, and faults that the seed draws. */
import { SCENARIOS } from './index.ts';
import { Random } from '../stage/world/random.ts';
import type { SimulatedSuite } from '../stage/world/suite.ts';
import { Simulation, type SimulationOptions } from '../fleet/simulation.ts';

/** Seeds go round through these, so that any range of them has all. */
const HUNTED = [
  'hunt',
  'hunt-offline',
  'hunt-flash',
  'hunt-charge',
  'hunt-scopes',
  'hunt-adversaries',
] as const;
/** Of twelve seeds these are others instead: a new kind of hunt takes some, so that the rest stay what they were. */
const INSTEAD = new Map([
  [0, 'hunt-keys'],
  [3, 'hunt-trade'],
  [5, 'hunt-clearances'],
  [10, 'hunt-announcements'],
]);
const ROUND = 12;

const nameOf = (seed: number): string => INSTEAD.get(seed % ROUND) ?? HUNTED[seed % HUNTED.length]!;

const DEVICES = { least: 5, most: 20 };

export function huntOptions(seed: number, suite: SimulatedSuite): SimulationOptions {
  const scenario = SCENARIOS.get(nameOf(seed))!;
  const drawn = new Random(seed).fork('hunted devices').between(DEVICES.least, DEVICES.most);
  // Two districts, so that somebody pays out of scope, and more terminals in one than a scope may have.
  const devices = scenario.scopes ? 2 * drawn : drawn;
  return { scenario, devices, seed, suite };
}

export interface Hunted {
  readonly seed: number;
  readonly traceHash: string;
  readonly events: number;
  /** Checker and words of the first violation. */
  readonly violation?: string;
  readonly command: string;
}

/** Runs one seed. An error that the machines throw is a violation like any other. */
export async function hunt(seed: number, suite: SimulatedSuite): Promise<Hunted> {
  const options = huntOptions(seed, suite);
  const command = `sundial sim --scenario ${options.scenario.name} --devices ${options.devices} --seed ${seed}`;
  const simulation = new Simulation(options);
  try {
    await simulation.run();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return {
      seed,
      traceHash: simulation.trace.hash(),
      events: simulation.world.events,
      violation: `thrown: ${words}`,
      command,
    };
  }
  const [first] = simulation.violations;
  return {
    seed,
    traceHash: simulation.trace.hash(),
    events: simulation.world.events,
    ...(first && { violation: `${first.checker}: ${first.words}` }),
    command,
  };
}
