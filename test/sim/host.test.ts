/** A device of the fleet is a host of the real runtime: what it leaves out changes nothing, and it hides no difference. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { Simulation, type SimulationOptions } from '../../simulators/fleet/simulation.ts';
import { realSuite, standInSuite } from '../../simulators/stage/world/suite.ts';

const SLOW_KEYS = { keySlow: 'frequent', keyFails: 'frequent', powerCut: 'rare', tapLoss: 'rare' };

async function run(
  name: string,
  change: object,
  options: Partial<SimulationOptions> = {},
): Promise<Simulation> {
  const simulation = new Simulation({
    scenario: readScenario({ ...SCENARIOS.get(name)!, hours: 1, ...change }, 'the test'),
    devices: 12,
    seed: 31,
    suite: standInSuite(),
    keepTrace: true,
    ...options,
  });
  await simulation.run();
  assert.equal(simulation.violations, []);
  assert.ok(simulation.accounts.taps + simulation.accounts.ticks > 5, 'hardly anything was paid');
  return simulation;
}

for (const [name, change] of [
  ['hunt', {}],
  ['hunt-offline', {}],
  ['hunt-flash', {}],
  ['hunt-charge', {}],
  ['hunt-clearances', {}],
  ['hunt-trade', {}],
  ['hunt', { faults: SLOW_KEYS, p256: 500 }],
  ['hunt-charge', { faults: SLOW_KEYS, p256: 500 }],
] as const)
  test(`${name}${'faults' in change ? ', slow keys' : ''}: clock ticks that are left out change nothing`, async () => {
    const due = await run(name, change);
    const all = await run(name, change, { allTicks: true });
    assert.ok(all.world.events > 2 * due.world.events, 'hardly any tick was left out');
    assert.is(all.trace.hash(), due.trace.hash());
  });

test('keys that answer late or fail for a time break nothing, and give one history', async () => {
  const change = { faults: SLOW_KEYS, p256: 500, hours: 2, salesPerDay: 1500 };
  const first = await run('hunt', change, { devices: 30 });
  const second = await run('hunt', change, { devices: 30 });
  assert.is(first.trace.hash(), second.trace.hash());
  const faults = first.trace.lines!.filter(({ decision }) => decision === 'fault');
  assert.ok(faults.length > 3, `only ${faults.length} times a key failed when it was asked`);
  assert.ok(first.fleet.payers.some(({ settings }) => settings.scheme === 'p256'));
});

test('payers with P-256 keys give the same trace with real signatures', async () => {
  const change = { p256: 1000, faults: {}, salesPerDay: 100 };
  const standIn = await run('hunt', change, { devices: 6 });
  const real = await run('hunt', change, { devices: 6, suite: realSuite(loadCrypto().suite) });
  assert.is(real.trace.hash(), standIn.trace.hash());
});

test('a key that dies ends in a fault a minute and in nothing else', async () => {
  const { trace, fleet } = await run('hunt', { faults: { keyDies: 'frequent' } }, { devices: 30, seed: 7 });
  const dead = fleet.devices.filter(({ key }) => key.dead);
  assert.ok(dead.length > 0, 'no key died');
  for (const { name, frozen } of dead) {
    const faults = trace.lines!.filter(({ actor, decision }) => actor === name && decision === 'fault');
    // Four hours, and one more whenever somebody taps.
    assert.ok(faults.length < 500, `${name} failed ${faults.length} times`);
    assert.not(frozen, `${name} froze, and its storage was whole`);
  }
});

test('flash that holds something else than what was stored is told with the field', async () => {
  const simulation = new Simulation({
    scenario: readScenario({ ...SCENARIOS.get('hunt')!, hours: 1, faults: {}, adversaries: [] }, 'the test'),
    devices: 8,
    seed: 5,
    suite: standInSuite(),
  });
  await simulation.runTo(simulation.activeUntilMs - 1);
  const { device } = simulation.fleet.payers.find(({ device: one }) => one.storedBooks.lanes.length > 0)!;
  const { storedBooks } = device;
  device.powerOff('the test');
  device.restore(storedBooks);
  device.boot();
  assert.equal(simulation.violations, [], 'a copy of what was stored is the same');
  device.powerOff('the test');
  // A snapshot that forgets one field of one lane.
  const { machine } = device;
  const honest = machine.snapshot;
  Object.assign(machine, {
    snapshot: (books: typeof storedBooks) =>
      Array.from(honest(books), (record) =>
        record.type === 'lane' ? { ...record, confirmedSeq: 0 as typeof record.confirmedSeq } : record,
      ),
  });
  device.restore(storedBooks);
  device.boot();
  assert.match(simulation.violations[0]?.words ?? '', /never stored: lanes\[0\]\.confirmedSeq: 0 instead of/);
});

test.run();
