/** The hub's spans from a factory's bytes. Not checked here: the key-value store that they are read from. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { timingIn } from '../../hardware/boards/sdk/timing.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';

function written(...spans: number[]): ArrayBuffer {
  const bytes = new ArrayBuffer(4 * spans.length);
  const view = new DataView(bytes);
  spans.forEach((span, index) => {
    view.setUint32(4 * index, span);
  });
  return bytes;
}

test('a board takes the spans of its own hub, in their order, and the defaults where none are written', () => {
  assert.equal(timingIn(written(3600, 7200, 60, 120, 1800, 900, 20_000)), {
    leaseLifetime: 3600,
    payeeOfflineMax: 7200,
    watchLag: 60,
    clockError: 120,
    claimMargin: 1800,
    slowLane: 900,
    exitDelay: 20_000,
  });
  assert.is(timingIn(undefined), DEFAULT_TIMING);
});

test('spans that are cut, or that let an owner leave too early, are refused by name', () => {
  for (const bytes of [written(3600, 7200), written(3600, 7200, 60, 120, 1800, 900, 13_679)])
    assert.throws(
      () => timingIn(bytes),
      (error: { code?: string }) => error.code === 'timing',
    );
  assert.is(timingIn(written(3600, 7200, 60, 120, 1800, 900, 13_680)).exitDelay, 13_680);
});

test.run();
