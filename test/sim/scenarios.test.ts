/** What testers say in a scenario happens: groups, rates, scripted faults, expectations; and what is wrong is named. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { setupsOf } from '../../simulators/fleet/setups.ts';
import { WARMUP_MS } from '../../simulators/fleet/timing.ts';
import { summarise } from '../../simulators/report/summary.ts';
import { nearest } from '../../simulators/scenarios/fields.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import type { Scenario } from '../../simulators/scenarios/schema.ts';
import { FAULT_KINDS, GROUP_FAULTS } from '../../simulators/stage/faults/kinds.ts';
import { planFaults } from '../../simulators/stage/faults/plan.ts';
import type { Fault } from '../../simulators/stage/faults/schedule.ts';
import { calm } from '../../simulators/stage/network/conditions.ts';
import { Weather } from '../../simulators/stage/network/weather.ts';
import { Random } from '../../simulators/stage/world/random.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';
import { HOUR, MINUTE } from '../../simulators/stage/world/world.ts';

const BASE = { ...SCENARIOS.get('tap-offline')!, hours: 4, faults: {} };
const scenarioWith = (change: object): Scenario => readScenario({ ...BASE, ...change }, 'mine.json');
const make = (change: object, devices = 20, seed = 5): Simulation =>
  new Simulation({
    scenario: scenarioWith(change),
    devices,
    seed,
    suite: standInSuite(),
    keepTrace: true,
  });
async function run(change: object, devices = 20, seed = 5): Promise<Simulation> {
  const simulation = make(change, devices, seed);
  await simulation.run();
  return simulation;
}
const faultsOf = (change: object, devices = 20): Fault[] => {
  const scenario = scenarioWith(change);
  return planFaults(new Random(3), scenario, setupsOf(scenario, devices));
};
const refused = (change: object, field: string, words: RegExp): void =>
  assert.throws(
    () => make(change),
    (error: Error) => error.message.includes(` ${field}: `) && words.test(error.message),
    `${field}: ${words}`,
  );

const HUT = { name: 'hut', role: 'pos', count: 2 };

test('a group has its own network, storage, outbox, lanes and sales, and the rest of the scenario', async () => {
  const group = { ...HUT, network: 'hourly', storage: 'journal', outboxMax: 7, lanesMax: 9, salesPerDay: 40 };
  const { fleet } = await run({ groups: [group] });
  const tills = fleet.terminals.map(({ device, settings, merchant, sales }) => ({
    ...fleet.setupOf(device),
    outbox: settings.outboxMax,
    lanes: settings.lanesMax,
    hasFlash: device.flash !== undefined,
    merchant: merchant.index,
    asked: sales.asked,
  }));
  assert.equal(
    tills.map(({ name, group: of }) => [name, of]),
    [
      ['pos-1', 'hut'],
      ['pos-2', 'hut'],
      ['pos-3', undefined],
      ['pos-4', undefined],
    ],
  );
  const [first, , third] = tills;
  assert.equal([first!.network, first!.outbox, first!.lanes, first!.hasFlash], ['hourly', 7, 9, true]);
  assert.equal([third!.network, third!.outbox, third!.lanes, third!.hasFlash], ['never', 256, 1024, false]);
  // Three terminals a merchant, and yet no merchant has tills of both.
  assert.equal(
    tills.map(({ merchant }) => merchant),
    [1, 1, 2, 2],
  );
  assert.ok(first!.asked * 4 < third!.asked, `${first!.asked} and ${third!.asked} sales`);
  const online = fleet.terminals.map(({ device }) => device.storedBooks.counts);
  assert.is(online.length, 4);
});

test('a group may be a share of its role, and more than there are is refused', () => {
  const setups = setupsOf(
    scenarioWith({ groups: [{ name: 'half', role: 'wearable', share: 500, p256: 1000 }] }),
    20,
  );
  assert.is(setups.filter(({ group }) => group === 'half').length, 8);
  assert.is(setups.filter(({ p256 }) => p256 === 1000).length, 8);
  refused({ groups: [{ ...HUT, count: 5 }] }, 'groups.0.count', /"hut" wants 5 pos/);
});

test('a rate is a number of times in 1,000 hours, of each device or of the run', () => {
  const faults = faultsOf({
    hours: 100,
    faults: {
      powerCut: { per1000Hours: 500, for: '00:03' },
      hubCrash: { per1000Hours: 2000 },
      tapLoss: 'rare',
    },
  });
  const of = (kind: string): Fault[] => faults.filter((fault) => fault.kind === kind);
  assert.is(of('powerCut').length, (500 * 100 * 20) / 1000);
  assert.ok(of('powerCut').every(({ forMs }) => forMs === 3 * MINUTE));
  assert.is(of('hubCrash').length, 200);
  // The level of a kind is such a rate.
  assert.is(of('tapLoss').length, 200);
});

test("a group's faults hit its devices only, and the scenario's of that kind only the others", () => {
  const faults = faultsOf({
    hours: 100,
    faults: { powerCut: { per1000Hours: 100 }, partition: { per1000Hours: 100 } },
    groups: [
      { ...HUT, faults: { powerCut: { per1000Hours: 3000 }, tapLoss: { per1000Hours: 50, size: 70 } } },
    ],
  });
  const cuts = faults.filter(({ kind }) => kind === 'powerCut');
  const count = (devices: readonly number[]): number =>
    cuts.filter(({ device }) => devices.includes(device)).length;
  assert.is(count([0, 1]), 2 * 300);
  assert.is(cuts.length - count([0, 1]), 18 * 10);
  // What the group does not name hits it as everybody.
  assert.ok(faults.some(({ kind, device }) => kind === 'partition' && device < 2));
  const losses = faults.filter(({ kind }) => kind === 'tapLoss');
  assert.is(losses.length, 5);
  assert.ok(losses.every(({ links, size }) => links === 'hut' && size === 70));
});

test('a link has the worst of what hits both its ends, and a group only what it does not except', () => {
  const owners = [{ name: 'pos-1', group: 'hut' }, { name: 'pos-2' }, { name: 'wearable-1' }];
  const weather = new Weather(owners, [{ name: 'hut', kinds: ['tapLoss'] }], ['pos-2']);
  const fault = { id: 0, atMs: 0, forMs: 1, device: 0, size: 0 } as const;
  const hit = (kind: 'tapLoss' | 'tapSlow', links?: string): number =>
    weather.hitBy({ ...fault, kind, ...(links !== undefined && { links }) }).length;
  assert.is(hit('tapLoss'), 1);
  assert.is(hit('tapSlow'), 2);
  for (const conditions of weather.hitBy({ ...fault, kind: 'tapLoss' })) conditions.tapLoss += 100;
  assert.is(weather.of('pos-1').tapLoss, 0);
  assert.is(weather.of('pos-2').tapLoss, 100);
  assert.is(weather.of('pos-1', 'wearable-1').tapLoss, 100);
  for (const conditions of weather.hitBy({ ...fault, kind: 'tapLoss', links: 'hut' }))
    conditions.tapLoss += 300;
  assert.is(weather.of('pos-1', 'wearable-1').tapLoss, 300);
  assert.is(weather.of('pos-2', 'wearable-1').tapLoss, 100);
  for (const conditions of weather.hitBy({ ...fault, kind: 'tapLoss', links: 'pos-2' }))
    conditions.tapLoss += 500;
  assert.is(weather.of('pos-2').tapLoss, 500);
  assert.is(weather.of('wearable-1').tapLoss, 100);
  weather.clear();
  assert.equal({ ...weather.of('pos-1', 'pos-2') }, calm());
});

test('a scripted fault comes at its time, for its time, at its device', async () => {
  const script = [
    { at: '01:10', device: 'pos-3', fault: 'powerCut', for: '00:05' },
    { at: '02:00:30', fault: 'hubCrash', for: '00:10' },
  ];
  const { trace } = await run({ script });
  const at = WARMUP_MS + HOUR + 10 * MINUTE;
  const [cut, boot] = trace.lines!.filter(
    ({ actor, decision, atMs }) =>
      actor === 'pos-3' && (decision === 'cut' || decision === 'boot') && atMs > MINUTE,
  );
  assert.equal([cut?.decision, cut?.atMs], ['cut', at]);
  assert.equal([boot?.decision, boot?.atMs], ['boot', at + 5 * MINUTE]);
  const others = trace.lines!.filter(({ actor, decision }) => decision === 'cut' && actor !== 'pos-3');
  assert.is(others.length, 0);
  const crash = trace.lines!.find(({ decision }) => decision === 'hubCrash');
  assert.is(crash?.atMs, WARMUP_MS + 2 * HOUR + 30_000);
});

test('a script names one device, the links of one, or a group', () => {
  const groups = [{ ...HUT, storage: 'journal' }];
  const script = [
    { at: '01:00', group: 'hut', fault: 'bitRot', size: 8 },
    { at: '01:00', device: 'pos-4', fault: 'uplinkLoss', size: 1000, for: '00:01' },
    { at: '03:00', fault: 'tapLoss' },
  ];
  const faults = faultsOf({ groups, script });
  assert.equal(
    faults.map(({ id, kind, device, links, size }) => ({
      id,
      kind,
      device,
      links,
      size: kind === 'tapLoss' ? 0 : size,
    })),
    [
      { id: 0, kind: 'bitRot', device: 0, links: undefined, size: 8 },
      { id: 1, kind: 'bitRot', device: 1, links: undefined, size: 8 },
      { id: 2, kind: 'uplinkLoss', device: 3, links: 'pos-4', size: 1000 },
      { id: 3, kind: 'tapLoss', device: 0, links: undefined, size: 0 },
    ],
  );
});

test('a scripted outage of one till stops its uplink and no other', async () => {
  const tills = { ...BASE.network, pos: 'always' };
  const script = [{ at: '00:00', device: 'pos-1', fault: 'uplinkLoss', size: 1000, for: '04:00' }];
  const simulation = make({ network: tills, script });
  await simulation.runTo(simulation.activeUntilMs - 1);
  const waiting = simulation.fleet.terminals.map(({ device }) => device.storedBooks.outbox.length);
  assert.ok(waiting[0]! > 10, `${waiting[0]} entries wait at pos-1`);
  assert.ok(Math.max(...waiting.slice(1)) < 10, `${waiting} entries wait`);
});

test('customers are counted: approved, refused by reason, at a dark till, gone', async () => {
  const simulation = await run({
    outboxMax: 40,
    hasty: 300,
    script: [{ at: '02:00', device: 'pos-2', fault: 'powerCut', for: '01:00' }],
  });
  const { sales, serviceRate, refusals, taps, headline, warnings, ok } = summarise(simulation);
  assert.ok(ok);
  assert.ok(taps >= sales.approved);
  assert.ok(sales.asked > 200, `${sales.asked} asked`);
  assert.ok(sales.refused > 50);
  assert.equal(refusals, { outbox_full: sales.refused });
  assert.ok(sales.powerOff > 0, 'nobody came while it was dark');
  assert.ok(sales.walkedAway > 0, JSON.stringify(sales));
  const { asked, approved, refused: no, walkedAway, powerOff, unanswered } = sales;
  assert.is(asked, approved + no + walkedAway + powerOff + unanswered);
  assert.is(serviceRate, Math.floor((1000 * approved) / asked));
  assert.match(headline, /^WARNING: \d+ of \d+ sales approved \([\d.]+ %\); every promise held$/);
  assert.match(warnings[0] ?? '', /^only .* mostly outbox_full \(\d+\)$/);
});

test('a run in which customers were served is OK, and says how many', async () => {
  const { headline, warnings, frozen } = summarise(await run({ hasty: 0 }));
  assert.match(headline, /^OK: (\d+) of \1 sales approved \(100\.0 %\); every promise held$/);
  assert.equal(warnings, []);
  assert.equal(frozen, []);
});

test('a frozen device is named where nobody overlooks it', async () => {
  const simulation = make({ storage: 'journal', salesPerDay: 20 });
  await simulation.runTo(simulation.activeUntilMs - 1);
  const { device } = simulation.fleet.terminals[1]!;
  device.powerOff('the test');
  // A byte within each record of both banks.
  for (let at = 100; at < device.flash!.content.length; at += 128) {
    device.flash!.content[at]! ^= 1;
    simulation.markDamaged(device);
  }
  device.boot();
  const { headline, warnings, frozen } = summarise(simulation);
  assert.equal(frozen, ['pos-2']);
  assert.match(headline, /^WARNING: .*; frozen: pos-2; every promise held$/);
  assert.ok(warnings.includes('a device froze: pos-2'));
});

test('one dead till among good ones is named', async () => {
  const script = [{ at: '00:00', device: 'pos-2', fault: 'powerCut', for: '04:00' }];
  const { worstTerminal, warnings } = summarise(await run({ script, hasty: 0 }));
  assert.is(worstTerminal?.name, 'pos-2');
  assert.is(worstTerminal?.approved, 0);
  assert.ok(warnings.some((words) => /^pos-2 approved 0 of \d+ sales/.test(words)));
});

test('what is expected and missed is named, of the run and of a group', async () => {
  const groups = [{ ...HUT, outboxMax: 5, expect: { approved: 900 } }];
  const expect = { approved: 1000, asked: 1_000_000, refusals: { outbox_full: 3, revoked: 0 }, frozen: 0 };
  const { ok, violations, expected, headline, groups: found } = summarise(await run({ groups, expect }));
  assert.is(violations, 0);
  assert.is(ok, false);
  assert.is(expected?.ok, false);
  const fields = expected!.missed.map((words) => words.replace(/: \d.*/, ''));
  assert.equal(fields, ['approved', 'asked', 'refusals.outbox_full', 'hut: approved']);
  assert.match(headline, /^FAILED: .*4 expectations missed; every promise held$/);
  assert.equal(
    found?.map(({ name, devices }) => [name, devices]),
    [
      ['hut', 2],
      ['all others', 18],
    ],
  );
  const met = summarise(await run({ expect: { approved: 0, refusals: { outbox_full: 0 }, frozen: 0 } }));
  assert.equal(met.expected, { ok: true, missed: [] });
  assert.ok(met.ok);
  assert.is(summarise(await run({ hours: 1 })).expected, undefined);
});

test('a hub that is down is down until payments end', async () => {
  const { trace, activeUntilMs } = await run({ hubDown: true, hours: 1 });
  const life = trace.lines!.filter(({ decision }) => decision === 'hubCrash' || decision === 'hubStart');
  assert.equal(
    life.slice(1).map(({ decision, atMs }) => [decision, atMs >= activeUntilMs]),
    [
      ['hubCrash', false],
      ['hubStart', true],
    ],
  );
  assert.is(life[1]!.atMs, WARMUP_MS);
});

test('a wrong field is named with what it may be, and with the word that was meant', () => {
  refused({ hours: 0 }, 'hours', /0 is not allowed; it must be a whole number from 1 to 720/);
  refused({ hours: undefined }, 'hours', /is missing; it must be a whole number/);
  refused({ deposit: 1.5 }, 'deposit', /1\.5 is not allowed; it must be a whole number/);
  refused(
    { network: { ...BASE.network, pos: 'allways' } },
    'network.pos',
    /one of always, hourly.*did you mean "always"\?/,
  );
  refused(
    { sallesPerDay: 3 },
    'sallesPerDay',
    /no such field; did you mean "salesPerDay"\? it may be one of name,/,
  );
  refused({ faults: { powercutt: 'rare' } }, 'faults.powercutt', /did you mean "powerCut"/);
  refused(
    { faults: { powerCut: 'often' } },
    'faults.powerCut',
    /one of off, seldom, rare, frequent; or an object with per1000Hours/,
  );
  refused(
    { faults: { powerCut: { perHour: 2 } } },
    'faults.powerCut.perHour',
    /one of per1000Hours, for, size/,
  );
  refused(
    { faults: { powerCut: { per1000Hours: 0.3 } } },
    'faults.powerCut.per1000Hours',
    /0\.3 is not allowed/,
  );
  refused({ faults: 'swam' }, 'faults', /did you mean "swarm"/);
  refused({ hubDown: 'yes' }, 'hubDown', /true or false/);
  refused({ mix: { wearable: 1, pos: 1, car: 1, charger: 1 } }, 'mix', /add up to 1000/);
  refused({ adversaries: [{ kind: 'clon', count: 1 }] }, 'adversaries.0.kind', /did you mean "clone"/);
  refused(
    { expect: { refusals: { outbox_ful: 0 } } },
    'expect.refusals.outbox_ful',
    /did you mean "outbox_full"/,
  );
  assert.throws(
    () => readScenario([], 'mine.json'),
    /the file: \[\] is not allowed; it must be an object with name,/,
  );
  assert.throws(
    () => readScenario({ ...BASE, hours: 0, deposit: 1 }, 'mine.json'),
    (error: Error) => error.message.includes('hours: ') && error.message.includes('deposit: '),
  );
  assert.is(nearest('meteor', FAULT_KINDS), undefined);
});

test('groups and scripts that contradict themselves are refused with the field', () => {
  refused({ groups: [HUT, HUT] }, 'groups.1.name', /another group is "hut"/);
  refused({ groups: [{ ...HUT, name: 'pos-1' }] }, 'groups.0.name', /the name of a device/);
  refused({ groups: [{ ...HUT, share: 3 }] }, 'groups.0.count', /either count or share/);
  refused({ groups: [{ name: 'hut', role: 'pos' }] }, 'groups.0.count', /either count or share/);
  refused(
    { groups: [{ ...HUT, role: 'wearable', outboxMax: 9 }] },
    'groups.0.outboxMax',
    /only groups of role pos or charger/,
  );
  refused(
    { groups: [{ ...HUT, faults: { hubCrash: 'rare' } }] },
    'groups.0.faults.hubCrash',
    /tapLoss, .*keyDies$/,
  );
  const script = (change: object): object => ({
    script: [{ at: '01:00', fault: 'powerCut', device: 'pos-1', ...change }],
  });
  refused(script({ at: '2h' }), 'script.0.at', /a time such as 02:10/);
  refused(script({ at: '04:00' }), 'script.0.at', /not within the 4 hours/);
  refused(
    script({ device: 'pos-9' }),
    'script.0.device',
    /there is pos-1 to pos-4, wearable-1 to wearable-16/,
  );
  refused(script({ device: undefined }), 'script.0.device', /powerCut hits one device/);
  refused(script({ fault: 'powercut' }), 'script.0.fault', /did you mean "powerCut"/);
  refused(script({ fault: 'hubCrash' }), 'script.0.device', /hits hub, broker or chain and no device/);
  refused(script({ fault: 'hubCrash', device: undefined, size: 3 }), 'script.0.size', /hubCrash has no size/);
  refused(script({ fault: 'clockJump', for: '00:01' }), 'script.0.for', /happens at once/);
  refused(script({ fault: 'tapLoss', size: 1001 }), 'script.0.size', /messages in 1,000, from 0 to 1000/);
  refused(script({ fault: 'bitRot' }), 'script.0.fault', /pos-1 has storage memory/);
  refused(script({ fault: 'nodeHides', device: undefined }), 'script.0.fault', /nodes: 2 or more/);
  refused(
    script({ device: undefined, group: 'hut' }),
    'script.0.group',
    /there is no group "hut"; there are none/,
  );
  refused({ ...script({ group: 'hut' }), groups: [HUT] }, 'script.0.group', /either a device or a group/);
  refused({ faults: { hubCrash: { per1000Hours: 1, size: 1 } } }, 'faults.hubCrash.size', /has no size/);
});

test('groups have faults of devices and of links, and of nothing else', () => {
  const run = FAULT_KINDS.filter((kind) => !GROUP_FAULTS.includes(kind));
  assert.ok(run.includes('hubCrash') && run.includes('chainAway') && run.includes('nodeAway'));
  assert.ok(
    GROUP_FAULTS.includes('powerCut') &&
      GROUP_FAULTS.includes('bitRot') &&
      GROUP_FAULTS.includes('uplinkLoss'),
  );
});

test.run();
