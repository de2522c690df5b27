/** A small fleet whose devices are written down, and their day once more on an engine. */
import * as assert from 'uvu/assert';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { CHIP_PART, fitForChips } from '../../simulators/fleet/chips/chips.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import {
  type Engine,
  type Living,
  RecordedDevice,
  type Replayed,
} from '../../simulators/scenarios/replay.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { realSuite } from '../../simulators/stage/world/suite.ts';

/** Links lose and double what is sent, and the power goes again and again. */
export const SHAKEN = {
  tapLoss: 'frequent',
  tapDuplicate: 'frequent',
  uplinkLoss: 'rare',
  powerCut: 'frequent',
} as const;

/** Journals on a part that loses power in the middle of words, rots, and is filled to the limits of a board. */
export const WORN = {
  hours: 1,
  salesPerDay: 1200,
  hasty: 0,
  network: { wearable: 'daily', pos: 'daily', car: 'never', charger: 'never' },
  faults: { flashCut: { per1000Hours: 12000 }, bitRot: { per1000Hours: 4000 } },
} as const;

/** Runs a scenario with real signatures and everything written down. */
export async function record(name: string, change: object, devices: number): Promise<RecordedDevice[]> {
  const simulation = new Simulation({
    scenario: fitForChips(readScenario({ ...SCENARIOS.get(name)!, ...change }, 'the test')),
    devices,
    seed: 5,
    part: CHIP_PART,
    suite: realSuite(loadCrypto().suite),
  });
  const { fleet, signing } = simulation;
  const recorded = [...fleet.terminals, ...fleet.payers].map(
    (actor) => new RecordedDevice(actor, signing.domain),
  );
  await simulation.run();
  assert.equal(simulation.violations, []);
  return recorded;
}

/** Plays a device's day and closes its engine. */
export async function replayOn(
  device: RecordedDevice,
  engineFor: (living: Living) => Engine,
): Promise<Replayed> {
  const engine = engineFor(device.living);
  try {
    return await device.replay(engine);
  } finally {
    await engine.close();
  }
}
