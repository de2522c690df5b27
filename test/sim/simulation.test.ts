/** Scenarios hold their promises in small; violations are found, shrunk and named; wrong scenario files are refused. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MakeChecker } from '../../simulators/checkers/checker.ts';
import { CHECKERS } from '../../simulators/checkers/index.ts';
import { FAULT_KINDS } from '../../simulators/stage/faults/kinds.ts';
import { drawFaults, type FaultRates } from '../../simulators/stage/faults/schedule.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import type { Scenario } from '../../simulators/scenarios/schema.ts';
import { explain } from '../../simulators/report/explain.ts';
import { shrink } from '../../simulators/scenarios/shrink.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { Random } from '../../simulators/stage/world/random.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';
import { HOUR, World } from '../../simulators/stage/world/world.ts';

async function run(
  scenario: Scenario,
  devices: number,
  seed: number,
  checkers = CHECKERS,
): Promise<Simulation> {
  const simulation = new Simulation({
    scenario,
    devices,
    seed,
    suite: standInSuite(),
    checkers,
    keepTrace: true,
  });
  await simulation.run();
  return simulation;
}

for (const [name, scenario] of SCENARIOS) {
  test(`${name}: every promise holds in small`, async () => {
    const simulation = await run(
      { ...scenario, hours: Math.min(scenario.hours, 3) },
      Math.min(scenario.devices, 16),
      21,
    );
    assert.equal(simulation.violations, []);
    assert.ok(simulation.accounts.taps + simulation.accounts.ticks > 0, 'nothing was paid');
    assert.ok(simulation.hub.lanesSettled > 0, 'nothing was settled');
  });
}

/** Sales to somebody of another district than the merchant's, and all sales, by channel and merchant. */
async function acrossDistricts(
  strangers: number,
): Promise<{ readonly across: number; readonly all: number }> {
  const scenario: Scenario = {
    ...SCENARIOS.get('city')!,
    hours: 4,
    districts: { devices: 40, strangers },
    terminalsPerMerchant: 1,
    faults: {},
  };
  const { fleet, accounts, violations } = await run(scenario, 120, 5);
  assert.equal(violations, []);
  assert.is(fleet.districts, 3);
  let across = 0;
  let all = 0;
  for (const payers of Object.values(fleet.byRole)) {
    for (const [index, { channel }] of payers.entries()) {
      for (const merchant of accounts.merchantsOf(channel)) {
        all += 1;
        if (merchant.district !== Math.floor((index * fleet.districts) / payers.length)) across += 1;
      }
    }
  }
  return { across, all };
}

test('people of a city with districts pay at home, and as strangers as often as the scenario says', async () => {
  const home = await acrossDistricts(0);
  assert.ok(home.all > 100, `only ${home.all} lanes`);
  assert.is(home.across, 0);
  const anywhere = await acrossDistricts(1000);
  assert.ok(anywhere.across * 2 > anywhere.all, `${anywhere.across} of ${anywhere.all} lanes across`);
});

test('a hub whose index is full takes nothing more, and everything once it has room', async () => {
  const scenario: Scenario = { ...SCENARIOS.get('city')!, hours: 3, faults: { hubCrash: 'frequent' } };
  const simulation = new Simulation({
    scenario,
    devices: 30,
    seed: 4,
    suite: standInSuite(),
    keepTrace: true,
  });
  const { hub } = simulation;
  const room = 150;
  hub.giveRoom(room);
  await simulation.runTo(simulation.activeUntilMs - 1);
  assert.is(hub.state.books.indexed, room);
  assert.ok(hub.crashes > 0, 'it never started from a full ledger');
  const waiting = simulation.fleet.terminals.reduce((sum, { device }) => sum + device.books.outbox.length, 0);
  assert.ok(waiting > room, `only ${waiting} entries wait`);
  hub.giveRoom(1_000_000);
  await simulation.run();
  // Among them: outboxes are empty, and what was accepted is paid, once.
  assert.equal(simulation.violations, []);
  assert.ok(hub.state.books.indexed > room + waiting - 1);
});

test('every kind of fault is drawn when all are frequent', () => {
  const levels: FaultRates = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 'frequent']));
  const all = Array.from({ length: 30 }, (_, number) => number);
  const faults = drawFaults(new Random(5), levels, 0, 2 * HOUR, () => all);
  assert.equal([...new Set(faults.map(({ kind }) => kind))].sort(), [...FAULT_KINDS].sort());
});

test('doubled tick answers do not echo between car and charger', async () => {
  const scenario = readScenario(
    {
      ...SCENARIOS.get('charge-session')!,
      hours: 4,
      faults: { tapDuplicate: 'frequent', tapSlow: 'frequent' },
    },
    'the test',
  );
  const simulation = await run(scenario, 20, 3);
  assert.equal(simulation.violations, []);
  const { ticks } = simulation.accounts;
  assert.ok(ticks > 300, `only ${ticks} ticks`);
  assert.ok(simulation.world.events < 40 * ticks, `${simulation.world.events} events for ${ticks} ticks`);
});

/** A promise that power cuts break: shrinking must find that one cut is enough. */
const noCuts: MakeChecker = (simulation, report) => ({
  name: 'no cuts',
  finished: () => {
    if (simulation.cuts > 0) report('the power was cut');
  },
});

test('a violation is shrunk to the one fault that it needs', async () => {
  const scenario = readScenario(
    { ...SCENARIOS.get('tap-offline')!, hours: 1, faults: { powerCut: 'frequent', tapLoss: 'rare' } },
    'the test',
  );
  const found = await shrink({ scenario, devices: 8, seed: 2, suite: standInSuite(), checkers: [noCuts] });
  assert.is(found?.checker, 'no cuts');
  assert.is(found?.faults.length, 1);
  const again = new Simulation({
    scenario,
    devices: 8,
    seed: 2,
    suite: standInSuite(),
    checkers: [noCuts],
    keepFaults: new Set(found!.faults),
    untilMs: found!.untilMs,
  });
  await again.run();
  assert.is(again.violations.length, 1);
});

test("a payment's life is told from its trace", async () => {
  const simulation = await run({ ...SCENARIOS.get('tap-offline')!, hours: 1 }, 8, 4);
  const text = explain(simulation.trace.lines!);
  assert.match(text, /^payment 0x[0-9a-f]{12}/);
  assert.match(text, /paid|voided/);
  assert.match(explain([], '0x00'), /no decision/);
});

test('a wrong scenario is refused with the field and the fix', () => {
  const good = SCENARIOS.get('city')!;
  for (const [change, field] of [
    [{ hours: 0 }, 'hours'],
    [{ mix: { wearable: 1, pos: 1, car: 1, charger: 1 } }, 'mix'],
    [{ faults: { meteor: 'rare' } }, 'faults'],
    [{ surprise: true }, 'surprise'],
    [{ deposit: 1.5 }, 'deposit'],
  ] as const) {
    assert.throws(
      () => readScenario({ ...good, ...change }, 'mine.json'),
      (error: Error) => error.message.includes(field) && error.message.includes('mine.json'),
    );
  }
});

test('events run in the order of their time, then of their planning', async () => {
  const world = new World();
  const seen: string[] = [];
  world.at(20, () => seen.push('c'));
  world.at(10, () => {
    seen.push('a');
    world.after(10, () => seen.push('e'));
    world.at(5, () => seen.push('late is now'));
  });
  world.at(10, () => seen.push('b'));
  world.at(20, () => seen.push('d'));
  world.at(15, () => seen.push('never')).cancelled = true;
  await world.run(30);
  assert.equal(seen, ['a', 'b', 'late is now', 'c', 'd', 'e']);
  assert.is(world.nowMs, 30);
});

test('what follows from a promise happens before the next action, however long the chain is', async () => {
  const world = new World();
  const seen: string[] = [];
  const chain = async (steps: number): Promise<void> => {
    for (let step = 0; step < steps; step += 1) await undefined;
    seen.push(`after ${steps} steps`);
  };
  for (const steps of [1, 40, 7]) {
    world.after(steps, () => {
      world.touched = true;
      void chain(steps);
    });
    world.after(steps, () => seen.push('next'));
  }
  await world.run(50);
  assert.equal(seen, ['after 1 steps', 'next', 'after 7 steps', 'next', 'after 40 steps', 'next']);
  world.after(1, () => {
    world.touched = true;
    void Promise.resolve().then(() => world.fail(new Error('a defect')));
  });
  const thrown = await world.run(60).then(
    () => undefined,
    (error: Error) => error.message,
  );
  assert.is(thrown, 'a defect');
});

test.run();
