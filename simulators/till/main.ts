/** `npm run till`: a drawn day at the tills in a folder of its own, which is removed when all went well. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { flagsOf } from '../cli/flags.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { SundialError } from '../../protocol/errors.ts';
import { DayAtTheTills } from './day.ts';

const HELP = `npm run till -- [--seed N] [--sales N] [--kills N] [--json]
  --seed N    which day, 0 to 4294967295 (1)
  --sales N   orders that are paid in the end (200)
  --kills N   processes that are killed with SIGKILL on the way (20)
  --json      one JSON object on stdout; the steps go to stderr either way
Three tills of a merchant, six customers, their hub and shops' software: sales, tips, refunds, holds, clearances, training,
two business days. What software was told is compared with the hub's payments and the customers' own books.
`;

const values = flagsOf(HELP, {
  seed: { type: 'string', default: '1' },
  sales: { type: 'string', default: '200' },
  kills: { type: 'string', default: '20' },
  json: { type: 'boolean', default: false },
});

/** A flag's whole number. Throws `bad_number`. */
function whole(name: 'seed' | 'sales' | 'kills', most: number): number {
  const value = Number(values[name]);
  if (/^\d+$/.test(values[name]) && value <= most) return value;
  throw new SundialError('bad_number', `--${name} ${values[name]}`, {
    severity: 'call',
    remedy: `Give a whole number from 0 to ${most}.`,
  });
}

let [seed, sales, kills] = [0, 0, 0];
try {
  seed = whole('seed', 2 ** 32 - 1);
  sales = whole('sales', 1000);
  kills = Math.min(whole('kills', 100), sales);
} catch (error) {
  fail(error);
}

const folder = mkdtempSync(join(tmpdir(), 'sundial-tills-'));
const program = join(projectRoot(), 'build', 'till', 'sundial.mjs');
const day = new DayAtTheTills(program, folder, (text) => process.stderr.write(`${text}\n`));
const stop = (): void => void day.close().finally(() => process.exit(130));
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
try {
  const result = await day.live(seed, sales, kills);
  await day.close();
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${result.ok ? 'ok' : 'FAILED'}: ${result.sales} sales, ${result.refunds} refunds, ${result.cleared} cleared, ${result.kills} kills; ` +
          `${result.lost} lost, ${result.doubled} doubled\n`,
  );
  if (result.ok) rmSync(folder, { recursive: true, force: true });
  else process.stderr.write(`see ${folder}\n`);
  process.exitCode = result.ok ? 0 : 1;
} catch (error) {
  await day.close();
  process.stderr.write(`see ${folder}\n`);
  fail(error);
}
