/**
 * What the console says of simulated attacks is what the simulator gives: one figure is simulated again, and another deposit
 * loses as much of itself. Not checked here: the other figures (`npm run sim:losses` writes them all anew), and that no
 * attack takes more than limits allow (`test/sim/sweep.test.ts`).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SIMULATED_ATTACKS, simulatedLosses } from '../../hub/desk/simulated-losses.ts';
import { worstCases } from '../../hub/desk/worst-cases.ts';
import { amount } from '../../protocol/integers.ts';
import { COPIES, lossOf, NETWORKS } from '../../simulators/cli/losses.ts';
import { sweepOne } from '../../simulators/scenarios/sweep.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';

const figure = (deposit: number, network: string, copies: number) =>
  simulatedLosses(amount(deposit)).find((row) => row.network === network && row.copies === copies)!;

test('a figure of the file is what the simulator gives now', async () => {
  const { network, copies, taken, takenMost } = figure(300_000_000, 'never', 2);
  assert.equal(
    { network, copies, lost: taken, lostMost: takenMost },
    await lossOf('never', 2, SIMULATED_ATTACKS),
  );
});

test('it has a figure for every network and number of copies, below the worst case', () => {
  const rows = simulatedLosses(amount(300_000_000));
  assert.is(rows.length, COPIES.length * NETWORKS.length);
  for (const { copies, taken, takenMost, lost } of rows) {
    const [, any] = worstCases(amount(300_000_000), copies);
    assert.ok(taken <= takenMost && takenMost <= any!.taken, `${copies} copies took ${takenMost}`);
    assert.is(lost, Math.max(0, taken - 60_000_000));
  }
  assert.ok(figure(300_000_000, 'never', 10).taken > figure(300_000_000, 'never', 2).taken);
});

test('three times the deposit loses three times as much, within a tenth', async () => {
  const said = figure(900_000_000, 'never', 2).taken;
  const { lost } = await sweepOne(standInSuite, 1, SIMULATED_ATTACKS, 2, 900, 'never', 'many');
  assert.ok(Math.abs(lost - said) <= said / 10, `${said} is said, ${lost} was simulated`);
});

test.run();
