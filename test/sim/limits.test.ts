/**
 * What limits may cost. The figures are rule 10's, computed here by hand.
 *
 * Not checked here: that no simulated attack takes more (`test/sim/sweep.test.ts`).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount } from '../../protocol/integers.ts';
import { worstCases } from '../../hub/desk/worst-cases.ts';

const CLI = 'tools/sundial.mjs';

test('a group is covered by the bond, any terminal is not', () => {
  const [scope, any] = worstCases(amount(50_000_000), 20);
  // 1.75 % of 50; two taps and the quarter of one that a tick may be worth.
  assert.equal([scope!.tapLimit, scope!.cap], [875_000, 1_968_750]);
  assert.equal([scope!.terminals, scope!.taken, scope!.worst, scope!.borneBy], [5, 9_843_750, 0, 'nobody']);
  assert.equal(
    [any!.taken, any!.worst, any!.borneBy, any!.each],
    [39_375_000, 29_375_000, 'merchants', 1_968_750],
  );
});

test('so few terminals that the bond covers any lease cost nobody anything', () => {
  const [, any] = worstCases(amount(50_000_000), 5);
  assert.equal([any!.worst, any!.borneBy, any!.each], [0, 'nobody', 0]);
});

test('the command prints both policies and the attacks that it simulated', () => {
  const args = ['limits', '--deposit', '500', '--terminals', '6', '--sync', '1h', '--seeds', '1', '--json'];
  const found = JSON.parse(
    execFileSync(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'ignore'] }).toString(),
  );
  assert.equal([found.deposit, found.bond, found.network], [500_000_000, 100_000_000, 'hourly']);
  assert.equal(
    found.worst.map(({ leases, worst }: { leases: string; worst: number }) => [leases, worst]),
    [
      ['scope', 0],
      ['any', 6 * 19_687_500 - 100_000_000],
    ],
  );
  const { copies, rows, expected } = found.simulated;
  assert.is(copies, 6);
  for (const row of rows) assert.ok(row.proved && row.lostMost > 0 && row.lostMost <= row.bound);
  assert.ok(expected <= found.worst[1].worst);
});

test('what is no number or time is named', () => {
  for (const [flag, value, code] of [
    ['--terminals', '0', /from 1 to 1000/],
    ['--sync', 'soon', /no length of time/],
    ['--deposit', 'much', /no amount/],
  ] as const) {
    const { status, stderr } = spawnSync(process.execPath, [CLI, 'limits', flag, value], {
      encoding: 'utf8',
    });
    assert.is(status, 1);
    assert.match(stderr, code);
  }
});

test.run();
