/**
 * The exhaustive walk of keys and time: every configuration keeps its properties, and each rule that can be dropped has
 * its counterexample.
 *
 * Not checked here: keys and signatures, which are stand-ins (`test/protocol/hub-keys.test.ts` has real ones); timers that
 * drift (`test/edges/`); more than one device, and more than one thief.
 */
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KEY_CONFIGS, type KeyConfig, keyConfigNamed } from '../../simulators/explore/keys/config.ts';
import { KEY_DROPS } from '../../simulators/explore/keys/drops.ts';
import { exploreKeys } from '../../simulators/explore/keys/keys.ts';

const now = (): number => performance.now();
const figure = (value: number): string => value.toLocaleString('en');

function holds(config: KeyConfig): void {
  const found = exploreKeys({ config, now });
  const { states, transitions, roots, seconds, reached, fault, trace } = found;
  if (fault !== undefined) console.log(`${config.name}: ${fault}\n  ${trace!.join('\n  ')}`);
  assert.is(fault, undefined);
  assert.ok(found.ok, 'every state was seen');
  assert.is(roots, states, 'the way back was shown from each');
  const { thief, asks, clock, leases, epoch, members } = config;
  assert.is(reached.thiefBelieved, thief !== undefined, 'the thief came somewhere');
  assert.is(reached.revoked, thief !== undefined, 'a revocation arrived');
  assert.is(reached.newEpoch, epoch === true && thief?.epoch === 0, 'a new epoch ended the thief');
  assert.is(reached.based, asks === true || clock === true, 'there was a basis, where there can be one');
  assert.is(reached.lease, leases === true, 'a lease was held, where leases are shown');
  assert.is(reached.member, members === true, 'it was in a scope, where the thief names one');
  console.log(
    `${config.name}: ${figure(states)} states, ${figure(transitions)} transitions, ${seconds.toFixed(1)} s`,
  );
}

for (const config of KEY_CONFIGS)
  test(`every state of ${config.name} keeps its properties`, () => holds(config));

/** Which dropped rule breaks which property. */
const BROKEN: Readonly<Record<string, RegExp>> = {
  lowerEpoch: /^K4 /,
  certificateTime: /^K2 /,
  candidate: /^K7 /,
  epochOnce: /^K2 /,
  epochKeys: /^K4 /,
  epochTime: /^K7 /,
  epochBasis: /^K5 /,
  rootEpoch: /^K7 /,
  beaconWindow: /^K3 /,
  endedKey: /^K2 /,
  answersNow: /^K2 /,
  leaseWindow: /^K6 /,
  leaseEnd: /^K6 /,
  leaseRevoked: /^K1 /,
  scopeEnd: /^K9 /,
  scopeRevoked: /^K9 /,
  scopeInEpoch: /^K9 /,
  revocation: /^K1 /,
  tombstone: /^K1 /,
  tombstoneInEpoch: /^K1 /,
  fullTable: /^K7 /,
  tableAsBefore: /^K7 /,
  madeAhead: /^K3 /,
  keyLife: /^K3 /,
  acknowledgedIsKept: /^K8 /,
  waitsAgain: /^K8 /,
  waitsAgainInEpoch: /^K8 /,
  certificateReleases: /^K8 /,
  clockStored: /^K3 /,
  clockBehind: /^K5 /,
  recordedBasis: /^K5 /,
};

test('every rule that can be dropped has its counterexample here', () => {
  assert.equal(Object.keys(BROKEN).sort(), Object.keys(KEY_DROPS).sort());
});

for (const [name, expected] of Object.entries(BROKEN)) {
  const drop = KEY_DROPS[name]!;
  test(`without rule ${drop.rule}: the walk fails`, () => {
    const { ok, fault, trace, states, broke } = exploreKeys({
      config: keyConfigNamed(drop.shownBy)!,
      drop,
      now,
    });
    assert.not.ok(ok);
    assert.ok(broke > 0, 'the rule was broken, and the walk did not count that');
    assert.match(fault ?? 'nothing', expected);
    assert.ok(trace!.length > 0);
    console.log(`${name}: ${fault} (${trace!.length} steps, ${figure(states)} states)`);
  });
}

for (const [name, config] of [
  ['tombstone', 'k3'],
  ['leaseEnd', 'k3'],
  ['clockStored', 'k10'],
  ['recordedBasis', 'k10'],
] as const)
  test(`${config} never exercises ${name}, and the walk says so`, () => {
    const { ok, broke } = exploreKeys({ config: keyConfigNamed(config)!, drop: KEY_DROPS[name]!, now });
    assert.ok(ok);
    assert.is(broke, 0);
  });

test('a walk that is stopped early says so', () => {
  const { ok, capped } = exploreKeys({ config: keyConfigNamed('k1')!, maxStates: 500 });
  assert.equal([ok, capped], [false, true]);
});

test.run();
