/** `sundial sim --real-devices n --on xs`: what the command prints, and what it refuses. */
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const sim = (...args: string[]) =>
  spawnSync(process.execPath, ['tools/sundial.mjs', 'sim', ...args], { encoding: 'utf8' });

test('devices of a scenario live their day as XS processes, and the sums are told', () => {
  const { status, stdout, stderr } = sim(
    ...['--scenario', 'hunt', '--hours', '1', '--devices', '8', '--seed', '3'],
    ...['--real-devices', '3', '--on', 'xs', '--json'],
  );
  assert.is(status, 0, stderr);
  const { ok, realDevices, onChip } = JSON.parse(stdout) as Record<string, unknown>;
  assert.is(ok, true);
  const devices = realDevices as { device: string; events: number; effects: number; cuts: number }[];
  assert.is(devices.length, 3);
  const sum = (of: (one: (typeof devices)[number]) => number): number =>
    devices.reduce((total, one) => total + of(one), 0);
  assert.ok(sum(({ effects }) => effects) > 300);
  assert.equal(onChip, {
    engine: 'xs',
    devices: 3,
    events: sum(({ events }) => events),
    effects: sum(({ effects }) => effects),
    cuts: sum(({ cuts }) => cuts),
    differences: 0,
  });
});

test('without devices, or on an engine that does not exist, it says so', () => {
  const none = sim('--scenario', 'hunt', '--on', 'xs');
  assert.is(none.status, 1);
  assert.match(none.stderr, /^no_devices: /);
  assert.match(sim('--on', 'toaster').stderr, /Allowed choices are node, xs, board/);
});

test.run();
