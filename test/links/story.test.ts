/** `npm start -- --ble`: the whole story with till and wearable on a simulated BlueZ, two of them killed in a tap. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const folder = mkdtempSync(join(tmpdir(), 'sundial-radio-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const demo = (env: object, ...args: string[]) =>
  spawnSync(process.execPath, ['tools/sundial.mjs', 'demo', '--once', '--json', ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });

test('every tap of the story goes over Bluetooth Low Energy', () => {
  const { status, stdout, stderr } = demo({}, '--ble', '--state', join(folder, 'site'));
  assert.is(status, 0, stderr);
  const { ok, taps, lost, duplicated, reconciled } = JSON.parse(stdout);
  assert.equal([ok, lost, duplicated, reconciled], [true, 0, 0, true]);
  assert.ok(taps >= 5);
});

test('without dbus-daemon it says so before anything starts; boards have no radio', () => {
  const programs = join(folder, 'bin');
  mkdirSync(programs);
  const flock = spawnSync('sh', ['-c', 'command -v flock'], { encoding: 'utf8' }).stdout.trim();
  symlinkSync(flock, join(programs, 'flock'));
  const missing = demo({ PATH: programs }, '--ble', '--state', join(folder, 'other'));
  assert.is(missing.status, 1);
  assert.match(missing.stderr, /"code":"no_dbus_daemon"/);
  assert.match(demo({}, '--ble', '--boards').stderr, /"code":"usage"/);
});

test.run();
