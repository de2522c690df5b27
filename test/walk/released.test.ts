/**
 * The exhaustive walk of leases that are signed away (rules 10 and 20): every configuration keeps its properties, and each rule
 * that can be dropped has its counterexample.
 *
 * Not checked here: real keys and signatures, which are stand-ins; streams (a session holds a terminal's word back,
 * `test/protocol/countersign.test.ts`); the vault, of which only what it paid is seen.
 */
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RELEASE_CONFIGS, releaseConfigNamed } from '../../simulators/explore/released/config.ts';
import { RELEASE_DROPS } from '../../simulators/explore/released/drops.ts';
import { exploreReleased } from '../../simulators/explore/released/released.ts';

const now = (): number => performance.now();
const figure = (value: number): string => value.toLocaleString('en');

for (const config of RELEASE_CONFIGS)
  test(`every state of ${config.name} keeps its properties`, () => {
    const { ok, states, transitions, reached, fault, trace, seconds } = exploreReleased({ config, now });
    if (fault !== undefined) console.log(`${config.name}: ${fault}\n  ${trace!.join('\n  ')}`);
    assert.is(fault, undefined);
    assert.ok(ok, 'every state was seen');
    for (const [what, came] of Object.entries(reached)) assert.ok(came, `${what} never happened`);
    console.log(
      `${config.name}: ${figure(states)} states, ${figure(transitions)} transitions, ${seconds.toFixed(1)} s`,
    );
  });

/** Which dropped rule breaks which property. */
const BROKEN: Readonly<Record<string, RegExp>> = {
  releasedAllSynced: /^L2 /,
  releasedOwnList: /^L2 /,
  releasedPastEnd: /^L2 /,
  releasedPaid: /^L2 /,
  releasedPaidLast: /^L2 /,
  releasedUnproved: /^L2 /,
  bookedByEach: /^L1 /,
  bookedByWhoLeft: /^L1 /,
  bookedUntilItsEnd: /^L1 /,
};

test('every rule that can be dropped has its counterexample here', () => {
  assert.equal(Object.keys(BROKEN).sort(), Object.keys(RELEASE_DROPS).sort());
});

for (const [name, expected] of Object.entries(BROKEN)) {
  const drop = RELEASE_DROPS[name]!;
  test(`without rule ${drop.rule}: the walk fails`, () => {
    const config = releaseConfigNamed(drop.shownBy)!;
    const { ok, fault, trace, states, broke } = exploreReleased({ config, drop, now });
    assert.not.ok(ok);
    assert.ok(broke > 0, 'the rule was broken, and the walk did not count that');
    assert.match(fault ?? 'nothing', expected);
    console.log(`${name}: ${fault} (${trace!.length} steps, ${figure(states)} states)`);
  });
}

test.run();
