/** Who cheats is blamed for what it costs, within what it signed; nobody else loses anything. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { shareOf, TAP_LIMIT_PER_10000 } from '../../protocol/limits.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import type { AdversaryKind, Scenario } from '../../simulators/scenarios/schema.ts';
import type { Loss } from '../../simulators/fleet/run.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';

/** A run of a built-in scenario with one kind of adversary only, or with none. */
async function run(
  scenario: string,
  kind: AdversaryKind | undefined,
  change: Partial<Scenario> = {},
  seed = 5,
  watch: (simulation: Simulation) => void = () => undefined,
): Promise<Simulation> {
  const base = SCENARIOS.get(scenario)!;
  if (base.adversaries === 'swarm') throw new Error(`${scenario} draws its adversaries`);
  const adversaries = base.adversaries.filter((one) => one.kind === kind).map(({ chance: _, ...one }) => one);
  assert.is(adversaries.length, kind === undefined ? 0 : 1, `${scenario} has no ${kind}`);
  const own = readScenario({ ...base, hours: 3, adversaries, ...change }, 'the test');
  const simulation = new Simulation({ scenario: own, devices: 24, seed, suite: standInSuite() });
  watch(simulation);
  await simulation.run();
  assert.equal(simulation.violations, []);
  return simulation;
}

const culprits = ({ losses }: Simulation): string[] => [...new Set(losses.map(({ culprit }) => culprit))];
const lost = ({ losses }: Simulation, culprit: Loss['culprit']): number =>
  losses.reduce((sum, loss) => sum + (loss.culprit === culprit ? loss.lost : 0), 0);

test('without adversaries nobody loses anything', async () => {
  for (const name of ['attack-terminals', 'attack-hub', 'attack-hub-buries'])
    assert.equal(culprits(await run(name, undefined)), [], name);
});

test('tills that answer nobody: customers get their answers from the hub, and pay there again', async () => {
  const simulation = await run('attack-terminals', 'noReceipts');
  assert.equal(culprits(simulation), []);
  const mute = simulation.fleet.terminals.filter(({ device }) => device.mutes !== undefined);
  assert.ok(mute.length > 0);
  const channels = mute.flatMap(({ device }) => device.storedBooks.lanes.map((lane) => lane.seq));
  assert.ok(channels.length > 5, 'hardly anybody paid at a mute till');
  assert.ok(simulation.fleet.payers.every(({ device }) => device.storedBooks.unconfirmed.length === 0));
});

test('a till that says again what was ever said changes nothing', async () => {
  const simulation = await run('attack-terminals', 'replay');
  assert.equal(culprits(simulation), []);
  const refused = simulation.notices.get('refused') ?? 0;
  assert.ok(refused > 20, 'hardly anything was said again');
  assert.is(
    (await run('attack-terminals', undefined)).notices.get('refused') ?? 0,
    0,
    'and all of it in vain',
  );
});

test('a relaying pair takes at most one tap limit a tap, and what it changes nobody takes', async () => {
  const simulation = await run('attack-terminals', 'relay');
  assert.equal(culprits(simulation), ['relay']);
  const victims = new Set(simulation.losses.map(({ channel }) => channel));
  assert.equal([...victims].sort(), [1, 2], 'only those beside whom somebody stood');
  for (const { channel, lost: units } of simulation.losses) {
    const { deposited } = simulation.vault.channel(channel);
    assert.ok(units <= shareOf(deposited as never, TAP_LIMIT_PER_10000));
  }
});

test("the hub's old word that it holds no voucher gives nothing back: the till asks once more", async () => {
  const asked = new Set<string>();
  const simulation = await run('hunt', 'oldUnknowns', { faults: {} }, 5, (own) => {
    // A till that took the old word for true would answer with a credit, and never pass on what the hub says today.
    own.overhear((device, message) => {
      if (message.type === 'acknowledgement') asked.add(device.name);
    });
  });
  assert.equal(culprits(simulation), []);
  assert.is(asked.size, 2, 'no till had forgotten the lane');
});

test("the hub's old times hold back no clock: a lease ends at a till that hears nothing else", async () => {
  let ended = 0;
  const simulation = await run('hunt-scopes', 'oldTimes', { faults: {} }, 4, (own) => {
    own.listen((_, notice) => {
      if (notice.type === 'refused' && notice.code === 'lease_expired') ended += 1;
    });
  });
  assert.equal(culprits(simulation), []);
  assert.ok(ended > 5, 'hardly anybody came with a lease that had ended');
});

test('a list draws whoever has a chance from the seed, and leaves nobody else out', async () => {
  const refused = async (chance: number, seed: number): Promise<number> => {
    const adversaries = [{ kind: 'replay' as const, count: 2, chance }];
    const hasCheats = await run('attack-terminals', 'replay', { hours: 1, adversaries }, seed);
    return hasCheats.notices.get('refused') ?? 0;
  };
  const found = [];
  for (let seed = 1; seed <= 8; seed++) found.push((await refused(500, seed)) > 0);
  assert.ok(found.includes(true) && found.includes(false), `${found}`);
  assert.ok((await refused(1000, 1)) > 0);
});

test('a payee that gives nothing back keeps no more than its terminals signed for', async () => {
  const simulation = await run('attack-terminals', 'noCredits', { hasty: 300, refunds: 300 });
  assert.equal(culprits(simulation), ['payee']);
  assert.ok(lost(simulation, 'payee') > 0);
});

test('a hub that lends what was never deposited: its own leases bound what that costs', async () => {
  const simulation = await run('attack-hub', 'hubOverlends');
  assert.equal(culprits(simulation), ['hub']);
  for (const { channel, lost: units } of simulation.losses) {
    const { deposited, bond } = simulation.vault.channel(channel);
    assert.ok(units <= 4 * (deposited - bond), `channel ${channel} cost ${units}`);
    assert.is(simulation.vault.channel(channel).free, 0, 'what was deposited was paid first');
  }
});

test('a hub that buries what it acknowledged: its own acknowledgements say how much', async () => {
  const simulation = await run('attack-hub-buries', 'hubBuries');
  assert.equal(culprits(simulation), ['hub']);
  for (const { device } of simulation.fleet.terminals)
    assert.is(device.storedBooks.outbox.length, 0, 'all of it was acknowledged');
});

test('a hub that falls silent takes nothing: what payees hold stays theirs', async () => {
  assert.equal(culprits(await run('attack-mixed', 'hubWithholds')), []);
});

test.run();
