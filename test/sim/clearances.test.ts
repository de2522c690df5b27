/**
 * Sales above the offline limits in the fleet: tills ask, owners answer, the hub clears, and every promise holds with faults
 * and copied wearables; holds give back, sessions pause and go on. The checker of rule 19 is told lies, and says so. Not
 * checked here: the rule itself (walk/clearance), and which bugs the hunt finds (sim:plants).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clearedIsPaid } from '../../simulators/checkers/cleared-is-paid.ts';
import type { Checker } from '../../simulators/checkers/checker.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { serviceOf } from '../../simulators/report/service.ts';
import { MINUTE } from '../../simulators/stage/world/world.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';

const scenario = SCENARIOS.get('hunt-clearances')!;
const QUIET = { faults: {}, adversaries: [] };

async function run(change: object, seed = 7, wrap?: (checker: Checker) => Checker): Promise<Simulation> {
  const simulation = new Simulation({
    scenario: readScenario({ ...scenario, hours: 1, ...change }, 'the test'),
    devices: 24,
    seed,
    suite: standInSuite(),
    keepTrace: true,
    ...(wrap && { checkers: [(on, report) => wrap(clearedIsPaid(on, report))] }),
  });
  await simulation.run();
  return simulation;
}

test('tills clear what is above a tap, and half of all sales are made and more, until the deposits are used up', async () => {
  const simulation = await run(QUIET);
  assert.equal(simulation.violations, []);
  const { asked, approved } = serviceOf(simulation.fleet.terminals, simulation.fleet.devices).sales;
  assert.ok(simulation.clearances > 50, `${simulation.clearances} clearances`);
  assert.ok(approved > asked / 2, `${approved} of ${asked}`);
  // Without tills that ask none of it could be sold.
  const without = await run({ ...QUIET, largeSales: 0 });
  assert.is(without.clearances, 0);
});

test('with faults and copied wearables every promise holds', async () => {
  for (const seed of [5, 17]) {
    const simulation = await run({}, seed);
    assert.equal(simulation.violations, []);
    assert.ok(simulation.clearances > 10, `${simulation.clearances} clearances`);
  }
});

test('what is held and not used goes back', async () => {
  const back = async (holds: number): Promise<number> => {
    const simulation = await run({ ...QUIET, holds, refunds: 0, largeSales: 0 });
    let credited = 0;
    for (const channel of simulation.vault.channels.values())
      for (const lane of channel.lanes.values()) credited += lane.credited;
    return credited;
  };
  assert.is(await back(0), 0);
  assert.ok((await back(1000)) > 0);
});

test('a session that pauses goes on, and loses no tick', async () => {
  const cars = {
    ...QUIET,
    mix: { wearable: 0, pos: 0, car: 500, charger: 500 },
    largeSales: 0,
    holds: 0,
    hasty: 0,
  };
  const sessionsOf = async (pauses: number) => {
    const simulation = await run({ ...cars, pauses, sessionTicks: [20, 20], sessionsPerDay: 200 });
    assert.equal(simulation.violations, []);
    /** The longest silence between two ticks that one charge point delivered, ms. */
    let longest = 0;
    const last = new Map<string, number>();
    const sessions: number[] = [];
    for (const { atMs, actor, decision, b } of simulation.trace.lines ?? []) {
      if (decision === 'sessionOver') sessions.push(b);
      if (decision !== 'deliver') continue;
      const before = last.get(actor);
      if (before !== undefined && b > 1) longest = Math.max(longest, atMs - before);
      last.set(actor, atMs);
    }
    return { sessions, longest };
  };
  const [even, paused] = [await sessionsOf(0), await sessionsOf(1000)];
  assert.ok(even.longest < MINUTE, `${even.longest} ms`);
  assert.ok(paused.longest > MINUTE, `${paused.longest} ms`);
  // What the last one pays comes as the session ends: a car wants twenty.
  for (const { sessions } of [even, paused]) {
    const whole = sessions.filter((ticks) => ticks >= 19).length;
    assert.ok(sessions.length > 10 && whole > 0.8 * sessions.length, `${whole} of ${sessions.length}`);
  }
});

const lies: readonly (readonly [says: RegExp, lie: (checker: Checker) => Checker])[] = [
  [/which nobody cleared/, (checker) => ({ ...checker, cleared: () => undefined })],
  [
    /on a clearance of something else/,
    (checker) => ({
      ...checker,
      cleared: (clearance) => checker.cleared!({ ...clearance, amount: (clearance.amount + 1) as never }),
    }),
  ],
  [
    /twice on one clearance/,
    (checker) => ({
      ...checker,
      terminalNotice: (...call) => {
        checker.terminalNotice!(...call);
        checker.terminalNotice!(...call);
      },
    }),
  ],
];
for (const [says, lie] of lies)
  test(`a checker that is lied to says ${says}`, async () => {
    const { violations } = await run(QUIET, 7, lie);
    assert.match(violations[0]?.words ?? 'nothing', says);
  });

test.run();
