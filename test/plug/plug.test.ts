/**
 * `npm run plug` with a few sessions: charge points in three versions of OCPP, under kills. Not checked here: what one
 * connector does (test/ocpp), charge points of other makers.
 */
import { execFile } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

/** A dozen processes start one after the other. */
const RUN_MS = 15 * 60_000;

test('npm run plug -- --seed 4 --sessions 6 --json', async () => {
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
    execFile(
      process.execPath,
      ['tools/plug.mjs', '--seed', '4', '--sessions', '6', '--json'],
      { timeout: RUN_MS, maxBuffer: 1 << 24 },
      (_, out, err) => resolve({ stdout: out, stderr: err }),
    ),
  );
  assert.ok(stdout !== '', stderr);
  const { ok, sessions, kWh, paid, settled, ocmfVerified, schemaViolations, lost } = JSON.parse(stdout);
  assert.equal(
    { ok, sessions, schemaViolations, lost },
    { ok: true, sessions: 6, schemaViolations: 0, lost: 0 },
    stderr,
  );
  assert.ok(kWh > 0 && paid > 0 && paid === settled && ocmfVerified > 0, stdout);
});

test.run();
