/**
 * The exhaustive walk of clearances: configurations keep their properties, and each guard that can be dropped has its
 * counterexample. `--deep` walks the large ones to their end.
 *
 * Not checked here: signatures, which are stand-ins (`test/protocol/clearance.test.ts` has real ones); L2; more than one
 * channel; a till whose clock is wrong.
 */
import { performance } from 'node:perf_hooks';
import { env } from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { exploreClearances } from '../../simulators/explore/clearance/clearance.ts';
import {
  CLEARANCE_CONFIGS,
  type ClearanceConfig,
  clearanceConfigNamed,
} from '../../simulators/explore/clearance/config.ts';
import { CLEARANCE_DROPS } from '../../simulators/explore/clearance/drops.ts';

const deep = env.SUNDIAL_DEEP === '1';
const now = (): number => performance.now();
const figure = (value: number): string => value.toLocaleString('en');

function holds(config: ClearanceConfig): void {
  const { ok, states, transitions, roots, seconds, reached, fault, trace } = exploreClearances({
    config,
    now,
  });
  if (fault !== undefined) console.log(`${config.name}: ${fault}\n  ${trace!.join('\n  ')}`);
  assert.is(fault, undefined);
  assert.ok(ok, 'every state was seen');
  assert.is(roots, states);
  if (!config.eager && config.dayLimit === undefined)
    assert.ok(reached.cleared, 'something was cleared and sold');
  console.log(
    `${config.name}: ${figure(states)} states, ${figure(transitions)} transitions, ${seconds.toFixed(1)} s`,
  );
}

for (const config of CLEARANCE_CONFIGS)
  if (deep || !config.deep) test(`every state of ${config.name} keeps its properties`, () => holds(config));

/** Which dropped guard breaks which property. */
const BROKEN: Readonly<Record<string, RegExp>> = {
  asksFirst: /^R1 /,
  thisRequest: /^R1 /,
  untilEnd: /^R1 /,
  dropThenRelease: /^R1 /,
  oneCleared: /^R3 /,
  durableFirst: /^R1 /,
  freeEnough: /^R1 /,
  onceARequest: /^R5 /,
  soldIsFree: /^R5 /,
  offlineMax: /^R1 /,
  syncedUpTo: /^R1 /,
  veryRequest: /^R4 /,
  withinTheDay: /^R4 /,
  personSaysYes: /^R4 /,
};

test('every guard that can be dropped has its counterexample here', () => {
  assert.equal(Object.keys(BROKEN).sort(), Object.keys(CLEARANCE_DROPS).sort());
});

for (const [name, expected] of Object.entries(BROKEN)) {
  const drop = CLEARANCE_DROPS[name]!;
  test(`without rule ${drop.rule}: the walk fails`, () => {
    const config = clearanceConfigNamed(drop.shownBy)!;
    const { ok, fault, trace, states, broke } = exploreClearances({ config, drop, now });
    assert.not.ok(ok);
    assert.ok(broke > 0, 'the rule was broken, and the walk did not count that');
    assert.match(fault ?? 'nothing', expected);
    assert.ok(trace!.length > 0);
    console.log(`${name}: ${fault} (${trace!.length} steps, ${figure(states)} states)`);
  });
}

test.run();
