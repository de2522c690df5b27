/** Each rule that can be dropped has its counterexample, with hub and L2 among the devices and apart from them. */
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configNamed } from '../../simulators/explore/config.ts';
import { DROPS } from '../../simulators/explore/drops.ts';
import { explore } from '../../simulators/explore/explore.ts';

const now = (): number => performance.now();
const figure = (value: number): string => value.toLocaleString('en');

/** Which configuration shows which dropped rule, and how. */
const BROKEN: readonly (readonly [drop: string, config: string, fault: RegExp])[] = [
  ['payerPersist', 's1', /^P1 two different vouchers/],
  ['payeePersist', 's1', /^P2 /],
  ['tickPersist', 's2', /^P1b /],
  ['tickAck', 's3', /^P2 /],
  ['unconfirmed', 's1', /^P5 /],
  ['noVoid', 's1', /^P5 /],
  ['shortLedger', 's8', /^P4 /],
  ['noHubWord', 's8', /^P5 /],
  ['foreignVoid', 's4', /^P[56] /],
  ['exactBase', 's4', /^P5 /],
  ['streamSurvives', 's2', /^P[13]b? /],
  ['transportAck', 's1', /^P2 /],
  ['creditEarly', 's11', /^P3 /],
  ['captureAddsUp', 's13', /^P7 /],
  ['captureOnNewest', 's13', /^P[46] /],
  ['creditPerLane', 's10', /^P6 /],
  ['exitDelay', 's9', /^P2 /],
];

test('every rule that can be dropped has its counterexample here', () => {
  assert.equal(BROKEN.map(([drop]) => drop).sort(), Object.keys(DROPS).sort());
});

test('each rule names the configuration that shows it', () => {
  for (const [name, config] of BROKEN) assert.is(DROPS[name]!.shownBy, config, name);
});

/** Rules and configurations that never come to them. */
const NEVER: readonly (readonly [drop: string, config: string])[] = [
  ['tickPersist', 's1'],
  ['tickAck', 's1'],
  ['shortLedger', 's1'],
  ['noHubWord', 's1'],
  ['foreignVoid', 's1'],
  ['streamSurvives', 's1'],
  ['exitDelay', 's1'],
  ['creditPerLane', 's6'],
  ['creditEarly', 's1'],
  ['captureAddsUp', 's10'],
  ['captureOnNewest', 's1'],
];

for (const [name, config] of NEVER)
  test(`${config} never exercises ${name}, and the walk says so`, () => {
    const { ok, broke } = explore({ config: configNamed(config), drop: DROPS[name]!, now });
    assert.ok(ok);
    assert.is(broke, 0);
  });

test('a rule may be broken without harm, and the walk tells that apart', () => {
  const { ok, broke } = explore({ config: configNamed('s1'), drop: DROPS.exactBase!, now });
  assert.ok(ok);
  assert.ok(broke > 0);
});

for (const [name, config, expected] of BROKEN) {
  const drop = DROPS[name]!;
  for (const apart of [false, true])
    test(`without rule ${drop.rule}: the walk ${apart ? 'apart ' : ''}fails`, () => {
      const { ok, fault, trace, states, broke } = explore({ config: configNamed(config), drop, apart, now });
      assert.not.ok(ok);
      assert.ok(broke > 0, 'the rule was broken, and the walk did not count that');
      assert.match(fault ?? 'nothing', expected);
      assert.ok(trace!.length > 0);
      console.log(`${name}: ${fault} (${trace!.length} steps, ${figure(states)} states)`);
    });
}

test.run();
