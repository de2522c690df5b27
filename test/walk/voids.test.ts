/**
 * The exhaustive walk of voids and write-offs (rule 15): every configuration keeps its properties, and each rule that can be
 * dropped has its counterexample.
 *
 * Not checked here: real keys and signatures, which are stand-ins; more than one customer at a
 * terminal (`npm run edges -- --section poison` has hundreds).
 */
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VOID_CONFIGS, voidConfigNamed } from '../../simulators/explore/voids/config.ts';
import { VOID_DROPS } from '../../simulators/explore/voids/drops.ts';
import { exploreVoids } from '../../simulators/explore/voids/voids.ts';

const now = (): number => performance.now();
const figure = (value: number): string => value.toLocaleString('en');

for (const config of VOID_CONFIGS)
  test(`every state of ${config.name} keeps its properties`, () => {
    const { ok, states, transitions, reached, fault, trace, seconds } = exploreVoids({ config, now });
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
  requestRoom: /^V2 /,
  repeatNeedsPlace: /^V2 /,
  requestsStay: /^V2 /,
  voidsBound: /^V1 /,
  terminalChecks: /^V3 /,
  hubLeavesOut: /^V3 /,
  refusalRemoves: /^V4 /,
  noWriteOff: /^V6 /,
  writeOffAnyTime: /^V5 /,
  writeOffAnyTerminal: /^V5 /,
  syncedWhileOpen: /^V5 /,
  syncedWhileWaiting: /^V5 /,
  syncedAhead: /^V5 /,
  syncedNotStored: /^V5 /,
  tickWrittenOff: /^T4 /,
  tickLastResort: /^T2 /,
  tickHubsWord: /^T5 /,
  tickStaysSpent: /^T1 /,
  openTickCounts: /^T3 /,
  openTickIsKept: /^T2 /,
  lateSaysOver: /^T6 /,
  lateIsOwed: /^T2 /,
  strayHoldsNothing: /^S1 /,
  strayHubsWord: /^S2 /,
  strayNewWord: /^S2 /,
  strayNewSale: /^S2 /,
  strayNotHeld: /^S2 /,
  placeNewWord: /^F2 /,
  placeNewSale: /^F1 /,
  placeLength: /^F1 /,
  placeRevoked: /^F2 /,
  placeHeld: /^F1 /,
  placeBroughtBack: /^F1 /,
  thiefsWordStays: /^V8 /,
  writtenOffIsSpent: /^V7 /,
};

test('every rule that can be dropped has its counterexample here', () => {
  assert.equal(Object.keys(BROKEN).sort(), Object.keys(VOID_DROPS).sort());
});

for (const [name, expected] of Object.entries(BROKEN)) {
  const drop = VOID_DROPS[name]!;
  test(`without rule ${drop.rule}: the walk fails`, () => {
    const config = voidConfigNamed(drop.shownBy)!;
    const { ok, fault, trace, states, broke } = exploreVoids({ config, drop, now });
    assert.not.ok(ok);
    assert.ok(broke > 0, 'the rule was broken, and the walk did not count that');
    assert.match(fault ?? 'nothing', expected);
    assert.ok(trace!.length > 0);
    console.log(`${name}: ${fault} (${trace!.length} steps, ${figure(states)} states)`);
  });
}

test('v4 never exercises voidsBound, and the walk says so', () => {
  const { ok, broke } = exploreVoids({ config: voidConfigNamed('v4')!, drop: VOID_DROPS.voidsBound!, now });
  assert.ok(ok);
  assert.is(broke, 0);
});

test('a walk that is stopped early says so', () => {
  const { ok, capped } = exploreVoids({ config: voidConfigNamed('v1')!, maxStates: 500 });
  assert.equal([ok, capped], [false, true]);
});

test.run();
