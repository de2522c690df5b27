/** `npm run plug`: charge sessions under kills, in a folder of its own, which is removed when all went well. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { flagsOf, positive } from '../cli/flags.ts';
import { PlugRun } from './run.ts';

const HELP = `npm run plug -- [--seed N] [--sessions N] [--json]
  --seed N      draws what happens to each session (default 1)
  --sessions N  how many (default 24)
  --json        one JSON object on stdout; what happens goes to stderr either way
Charge points in OCPP 1.6J, 2.0.1 and 2.1, cars and a wearable, the gateway, a hub and a chain node, as real processes;
charge points, gateway, hub and payers are killed with SIGKILL in the middle of sessions.
`;

const values = flagsOf(HELP, {
  seed: { type: 'string', default: '1' },
  sessions: { type: 'string', default: '24' },
  json: { type: 'boolean', default: false },
});

const folder = mkdtempSync(join(tmpdir(), 'sundial-plug-'));
const startedAt = Date.now();
const run = new PlugRun(folder, positive(values.seed, 'seed'), (text) => {
  process.stderr.write(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
});
const stop = (): void => void run.close().finally(() => process.exit(130));
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
try {
  const result = await run.run(positive(values.sessions, 'sessions'));
  await run.close();
  const { ok, sessions, kWh, paid, settled, lost } = result;
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${ok ? 'ok' : 'FAILED'}: ${sessions} sessions, ${kWh.toFixed(1)} kWh, ${paid} paid, ${settled} settled, ${run.kills} kills, ${lost} lost\n`,
  );
  if (ok) rmSync(folder, { recursive: true, force: true });
  else process.stderr.write(`again: npm run plug -- --seed ${values.seed}; see ${folder}\n`);
  process.exitCode = ok ? 0 : 1;
} catch (error) {
  await run.close();
  process.stderr.write(`again: npm run plug -- --seed ${values.seed}; see ${folder}\n`);
  fail(error);
}
