/**
 * The whole story with firmware images in place of the Node devices: they meet the hub over a wired reader, pay each
 * other offline, two are killed in the middle of it, and everything is acknowledged, settled and reconciled.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('the story on boards');
const folder = mkdtempSync(join(tmpdir(), 'sundial-boards-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('six taps, a charge, two kills, the outboxes over serial, and equal books', async () => {
  const args = ['tools/sundial.mjs', 'demo', '--boards', '--once', '--json', '--state', folder];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    errors += data;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.is(code, 0, errors);
  const told = JSON.parse(output) as Record<string, unknown>;
  assert.is(told.ok, true);
  assert.is(told.taps, 6);
  assert.ok((told.ticks as number) >= 200);
  assert.is(told.lost, 0);
  assert.is(told.duplicated, 0);
  assert.is(told.accepted, told.acknowledged);
  assert.is(told.reconciled, true);
});

test.run();
