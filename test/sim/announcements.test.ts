/**
 * Announcements in the fleet (rule 20): payers announce what they never paid, and what the hub acknowledged is paid all the same,
 * by the hub or, where it vanished, by payees' own offices. The model's slow lane does what the vault's does, and the checker that
 * is lied to says so. Not checked here: the vault itself (`SlowLane.t.sol`), the office's program (`till/office`), and which bugs
 * the hunt finds (sim:plants).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hashChain } from '../../protocol/vouchers.ts';
import { amount } from '../../protocol/integers.ts';
import { announcementLife } from '../../hub/limits.ts';
import type { Row } from '../../hub/l2/rows.ts';
import { acknowledgedIsPaid } from '../../simulators/checkers/acknowledged-is-paid.ts';
import type { Checker } from '../../simulators/checkers/checker.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { VaultModel } from '../../simulators/stage/chain/vault.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';
import { HOUR } from '../../simulators/stage/world/world.ts';
import { key, otherPayee, payee, payer, type SignedTap, signing, suite, tap } from '../hub/fleet.ts';

const scenario = SCENARIOS.get('hunt-announcements')!;

function simulate(change: object, seed: number, wrap?: (checker: Checker) => Checker): Simulation {
  return new Simulation({
    scenario: readScenario({ ...scenario, faults: {}, ...change }, 'the test'),
    devices: 16,
    seed,
    suite: standInSuite(),
    ...(wrap && { checkers: [(on, report) => wrap(acknowledgedIsPaid(on, report))] }),
  });
}

const tookOf = ({ vault, fleet }: Simulation): number =>
  fleet.payers.reduce((sum, { channel }) => sum + vault.channel(channel).slowly, 0);
const settledTo = ({ vault }: Simulation, merchant: string): number =>
  [...vault.channels.keys()].reduce((sum, channel) => sum + vault.settledOf(channel, merchant), 0);

test('what is announced takes nothing before its time, and then nothing that was acknowledged', async () => {
  let robbed = 0;
  for (const seed of [1, 3]) {
    const simulation = simulate({}, seed);
    // Payments begin after ten minutes, and nobody announces in the first ten of them.
    await simulation.runTo(1.8 * HOUR);
    assert.is(tookOf(simulation), 0, 'the slow lane takes an hour and a half');
    await simulation.run();
    assert.equal(simulation.violations, []);
    robbed += tookOf(simulation);
    assert.is(simulation.hub.vanished, false);
    assert.ok(simulation.losses.every(({ culprit }) => culprit === 'payer'));
  }
  assert.ok(robbed > 0, 'nothing was executed');
});

test('without its hub a payee whose office watches gets what was acknowledged, and another one not', async () => {
  const settled: number[] = [];
  for (const offices of [0, 1000]) {
    const simulation = simulate({ offices, network: { ...scenario.network, pos: 'always' } }, 2);
    await simulation.runTo(simulation.activeUntilMs - 1);
    assert.ok(simulation.hub.vanished);
    settled.push(simulation.fleet.merchants.reduce((sum, { id }) => sum + settledTo(simulation, id), 0));
    await simulation.run();
    assert.equal(simulation.violations, []);
  }
  assert.is(settled[0], 0, 'the hub was gone');
  assert.ok(settled[1]! > 0, 'no office took anything');
});

test('a checker that is told of more than there is says so', async () => {
  const { violations } = await (async () => {
    const simulation = simulate({}, 1, (checker) => ({
      ...checker,
      finished: () => {
        for (const { channel } of simulation.fleet.payers)
          for (const lane of simulation.vault.channel(channel).lanes.values()) lane.settled -= 1;
        checker.finished!();
      },
    }));
    await simulation.run();
    return simulation;
  })();
  assert.match(violations[0]?.words ?? 'nothing', /is safe, and got/);
});

const hubKey = key(99);
const rowOf = ({ message, voucher }: SignedTap, more: Partial<Row> = {}): Row => ({
  voucher,
  signature: (message as unknown as { signature: Uint8Array }).signature,
  ...more,
});
function model(): VaultModel {
  const vault = new VaultModel(signing);
  vault.registerPayee(payee.address);
  vault.registerPayee(otherPayee.address);
  vault.open(7, payer.address, 1000);
  vault.hubKeys.push(hubKey.address);
  vault.takeUndo();
  return vault;
}
const paying = (paid: number, more: object = {}) => tap({ seq: 1, amount: paid, spent: paid, paid, ...more });
async function wordFor(entry: Uint8Array, by = hubKey) {
  const word = { entry, position: 3, at: 5 } as never as { position: number; at: number };
  const signature = await by.sign(signing.digest('Acknowledgement', word as never));
  return { position: 3, at: 5, signature };
}
const reasons = (outcomes: readonly { reason: string; moved: number }[] | undefined) =>
  outcomes?.map(({ reason, moved }) => `${reason} ${moved}`);

test('the model executes a batch once, from its time on and for a week', async () => {
  const vault = model();
  const rows = [rowOf(await paying(300))];
  const { slowLane } = vault.timing;
  assert.is(vault.execute('a', rows, 50), undefined, 'nobody announced it');
  assert.is(vault.announce('a', 100), true);
  const undoAnnounced = vault.takeUndo();
  assert.is(vault.announce('a', 200), false, 'its clock goes on');
  assert.is(vault.execute('a', rows, 100 + slowLane - 1), undefined);
  assert.is(vault.execute('a', rows, 100 + slowLane + announcementLife + 1), undefined);
  assert.equal(reasons(vault.execute('a', rows, 100 + slowLane)), ['applied 300']);
  assert.is(vault.channel(7).slowly, 300);
  assert.is(vault.execute('a', rows, 100 + slowLane), undefined, 'once');
  vault.takeUndo()();
  assert.is(vault.channel(7).slowly, 0);
  assert.is(vault.executableAt('a', 100), 100 + slowLane, 'taken back, it waits again');
  undoAnnounced();
  assert.is(vault.executableAt('a', 100), undefined);
  assert.is(vault.announce('a', 100), true);
  assert.is(vault.announce('a', 101 + slowLane + announcementLife), true, 'over, it may be announced anew');
});

test('the model settles at once what carries the word of a key of the hub about exactly that, and its own lane only', async () => {
  const vault = model();
  const sale = await paying(300);
  assert.equal(reasons(vault.settleOpenly([rowOf(sale)])), ['slow_lane 0']);
  const other = await paying(301, { seq: 2 });
  const wrong = await wordFor(other.id);
  assert.equal(reasons(vault.settleOpenly([rowOf(sale, { acknowledgement: wrong })])), [
    'bad_acknowledgement 0',
  ]);
  const strangers = await wordFor(sale.id, key(98));
  assert.equal(reasons(vault.settleOpenly([rowOf(sale, { acknowledgement: strangers })])), [
    'bad_acknowledgement 0',
  ]);
  const list = [{ payee: otherPayee.address, paid: amount(50) }];
  const statement = await tap({ seq: 3, amount: 300, spent: 350, paid: 300, list });
  const acknowledgement = await wordFor(statement.id);
  assert.equal(reasons(vault.settleOpenly([rowOf(statement, { list, acknowledgement })])), [
    'applied 300',
    'slow_lane 0',
  ]);
  const seed = suite.keccak256(Uint8Array.of(1));
  const stream = await paying(300, { seq: 4, amount: 0, stream: { tickValue: 5, ticks: 9, seed } });
  const reveal = { k: 4, preimage: hashChain(suite, seed, 5) };
  assert.equal(
    reasons(vault.settleOpenly([rowOf(stream, { reveal, acknowledgement: await wordFor(stream.id) })])),
    ['bad_acknowledgement 0'],
  );
});

test.run();
