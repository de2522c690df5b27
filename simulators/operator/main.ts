/** `npm run operator`: an operator's first day in a folder of its own, which is removed when all went well. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { flagsOf } from '../cli/flags.ts';
import { OperatorsDay } from './day.ts';

const HELP = `npm run operator -- [--json]
  --json   one JSON object on stdout; the steps go to stderr either way
Needs mosquitto. From an empty folder: deploy, init, hub, merchants, tills and customers by code, taps with no network,
settlement, statements, a payment found, a withdrawal.
`;

const values = flagsOf(HELP, { json: { type: 'boolean', default: false } });
const folder = mkdtempSync(join(tmpdir(), 'sundial-operator-'));
const day = new OperatorsDay(folder, (text) => process.stderr.write(`${text}\n`));
const stop = (): void => void day.close().finally(() => process.exit(130));
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
try {
  const result = await day.live();
  await day.close();
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${result.ok ? 'ok' : 'FAILED'}: ${result.payments} payments in ${result.steps} steps, ${result.seconds.toFixed(1)} s\n`,
  );
  if (result.ok) rmSync(folder, { recursive: true, force: true });
  else process.stderr.write(`see ${folder}\n`);
  process.exitCode = result.ok ? 0 : 1;
} catch (error) {
  await day.close();
  process.stderr.write(`see ${folder}\n`);
  fail(error);
}
