/** The walk with a dishonest payer: what is stolen is bounded and provable, and credits never cost an honest payee. */
import { performance } from 'node:perf_hooks';
import { env } from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Ask } from '../../simulators/explore/config.ts';
import { exploreTheft } from '../../simulators/explore/dishonest.ts';
import type { Theft } from '../../simulators/explore/thief.ts';

const deep = env.SUNDIAL_DEEP === '1';
const now = (): number => performance.now();

const pay = (amount: number, at: number): Ask => ({ at, amount });
const stream = (ticks: number, at: number): Ask => ({ at, ticks });

function theft(
  name: string,
  terminals: readonly number[],
  asks: readonly Ask[],
  bounds: Partial<Theft>,
): Theft {
  return { config: { name, terminals, asks }, seqMax: 2, funds: 2, cap: 2, answersMax: 2, ...bounds };
}

const TWO = [pay(1, 0), pay(1, 1)];
const CI: readonly Theft[] = [
  theft('two terminals of one payee', [0, 0], TWO, {}),
  theft('a stream and a payment', [0, 0], [stream(2, 0), pay(1, 1)], { seqMax: 3 }),
  theft('two payees', [0, 0, 1], [...TWO, pay(1, 2)], { answersMax: 1 }),
];
const DEEP: readonly Theft[] = [
  theft('two terminals, three vouchers', [0, 0], TWO, { seqMax: 3, funds: 3 }),
  theft('two sales at a capped terminal', [0, 0], [pay(1, 0), pay(1, 0), pay(2, 1)], { seqMax: 3, funds: 2 }),
  theft('two payees, three vouchers', [0, 0, 1], [...TWO, pay(1, 2)], { answersMax: 1, seqMax: 3 }),
];

for (const one of deep ? [...CI, ...DEEP] : CI)
  test(`${one.config.name}: what is stolen is within rule 10, and proved`, () => {
    const { ok, fault, example, terminalStates, combinations, harmful, lossMax, seconds } = exploreTheft(
      one,
      now,
    );
    if (!ok) console.log(`${fault}\n  ${example?.join('\n  ')}`);
    assert.is(fault, undefined);
    assert.ok(harmful > 0, 'the bounds leave room for a theft');
    console.log(
      `${one.config.name}: terminals of ${terminalStates.join(', ')} states, ${combinations} combinations, ` +
        `${harmful} with a loss, of ${lossMax} at most, all proved, ${seconds.toFixed(1)} s`,
    );
  });

const SMALLEST = theft('two terminals', [0, 0], TWO, { answersMax: 1 });
for (const proof of ['E1', 'E2', 'E3'] as const)
  test(`without ${proof} a theft goes unproved`, () => {
    const { fault } = exploreTheft({ ...SMALLEST, without: [proof] });
    assert.match(fault ?? 'nothing', /nothing proves it/);
  });

test('countersigning a credit although something conflicts costs an honest payee', () => {
  const { fault, example } = exploreTheft({ ...SMALLEST, countersignsConflicts: true });
  assert.match(fault ?? 'nothing', /a credit of 1 costs payee 0/);
  assert.ok(example!.length > 0);
});

test.run();
