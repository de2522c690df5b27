/**
 * An operator's first day, from an empty folder: deployed, initialised, two merchants, three tills and two customers by
 * code, taps offline, settled, stated, found, withdrawn. Not checked here: a chain whose blocks are slow, boards over a
 * serial port, the console (test/console).
 */
import { execFile } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

/** A dozen processes start one after the other. */
const DAY_MS = 15 * 60_000;

test('npm run operator -- --json', async () => {
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
    execFile(
      process.execPath,
      ['tools/operator.mjs', '--json'],
      { timeout: DAY_MS, maxBuffer: 1 << 24 },
      (_, out, err) => resolve({ stdout: out, stderr: err }),
    ),
  );
  assert.ok(stdout !== '', stderr);
  const { seconds, ...day } = JSON.parse(stdout);
  assert.equal(day, { ok: true, steps: 16, payments: 6, found: true, statementBalances: true }, stderr);
  assert.ok(seconds > 0);
});

test.run();
