/** A factory's bytes: settings, and the hub's spans. Not checked here: the key-value store that they are read from. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { settingsIn } from '../../hardware/boards/sdk/settings.ts';
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

test('settings of which a part is gone or cut are damaged, and only those that nobody wrote are missing', () => {
  const sizes = { vault: 20, chainId: 4, hub: 32, root: 20 };
  const whole = Object.fromEntries(
    Object.entries(sizes).map(([name, size]) => [name, new Uint8Array(size).fill(size).buffer]),
  );
  const read = (store: Readonly<Record<string, ArrayBuffer>>) => settingsIn((name) => store[name]);
  assert.equal(read(whole), {
    vault: new Uint8Array(20).fill(20),
    chainId: 0x04040404,
    hub: new Uint8Array(32).fill(32),
    root: new Uint8Array(20).fill(20),
  });
  assert.is(read({}), 'not_provisioned');
  for (const [name, size] of Object.entries(sizes)) {
    const { [name]: _, ...others } = whole;
    assert.is(read(others), 'settings_damaged', `without ${name}`);
    assert.is(read({ [name]: whole[name]! }), 'settings_damaged', `${name} alone`);
    for (const other of [0, size - 1, size + 1])
      assert.is(
        read({ ...whole, [name]: new ArrayBuffer(other) }),
        'settings_damaged',
        `${other} of ${name}`,
      );
  }
});

test.run();
