/**
 * A hub under load, whose machine fails it at random moments: it is killed with SIGKILL, also while it settles, its disk
 * takes nothing more, its clock jumps, and its chain's node dies and loses its newest blocks; and three workers of one hub,
 * of which one dies or sleeps for longer than its lease or has another time, over a database and a broker that are killed,
 * and a database without a disk. What was acknowledged is in the ledger once, at the position that was signed; no position
 * was signed for two entries; and L2 settled each lane as far as it was acknowledged and no further.
 *
 * Options: --rounds N, --seed S, --json. Not checked: a power cut (ledger.test.ts has disks that lose what was not synced),
 * replicas of a database, a settlement account that somebody else uses, a disk that is full for one file and not for
 * another.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseConfig } from '../../hub/config.ts';
import { startHub } from '../../hub/hub.ts';
import { createLogger } from '../../hub/log.ts';
import { postgresPrograms } from '../../hub/postgres/server.ts';
import { isError } from '../../hub/errors.ts';
import { seededRandom } from '../hub/random.ts';
import { hubRounds } from './one-hub.ts';
import { needPrograms } from './process.ts';
import { workerRounds } from './workers.ts';

async function run(rounds: number, seed: number, say: (text: string) => void) {
  const random = seededRandom(seed);
  const home = await mkdtemp(join(tmpdir(), 'sundial-crash-'));
  // The node writes its state where a folder is.
  for (const name of ['one', 'many']) await mkdir(join(home, name));
  const ofWorkers = Math.floor(rounds / 2);
  try {
    const one = await hubRounds(rounds - ofWorkers, random, join(home, 'one'), say);
    const many = ofWorkers === 0 ? undefined : await workerRounds(ofWorkers, random, join(home, 'many'), say);
    const sum = (key: 'acknowledged' | 'missing' | 'doubled' | 'signedTwice' | 'settledTwice') =>
      one[key] + (many?.[key] ?? 0);
    return {
      rounds,
      acknowledged: sum('acknowledged'),
      missing: sum('missing'),
      doubled: sum('doubled'),
      signedTwice: sum('signedTwice'),
      settledTwice: sum('settledTwice'),
      by: sumOf(one.by, many?.by ?? {}),
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** What both hit counts for both. */
function sumOf(one: Record<string, number>, many: Record<string, number>): Record<string, number> {
  const sum = { ...one };
  for (const [kind, times] of Object.entries(many)) sum[kind] = (sum[kind] ?? 0) + times;
  return sum;
}

if (process.argv[2] === 'hub') {
  // Whoever started it has ended.
  process.stdin.on('end', () => process.exit(4)).resume();
  const hub = await startHub(parseConfig(JSON.parse(process.argv[3]!)), {
    log: createLogger(process.env.SUNDIAL_LOG === undefined ? 'silent' : 'info'),
    onFatal: (error) => {
      process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
      process.exit(3);
    },
  });
  process.stdout.write(`${JSON.stringify({ mqttUrl: hub.mqttUrl, statusUrl: hub.statusUrl })}\n`);
  process.once('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
} else {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const seed = Number(values.seed);
  if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(seed)) {
    process.stderr.write('crash_options: --rounds wants a number from 1 on, --seed a number\n');
    process.exit(2);
  }
  try {
    needPrograms(postgresPrograms() !== undefined);
  } catch (error) {
    if (!isError(error, 'crash_programs')) throw error;
    process.stderr.write(`${error.message}\n  ${error.remedy}\n`);
    process.exit(2);
  }
  const result = await run(rounds, seed, (text) => process.stderr.write(`${text}\n`));
  const { missing, doubled, signedTwice, settledTwice, acknowledged } = result;
  const isWell = missing + doubled + signedTwice + settledTwice === 0 && acknowledged > 0;
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${acknowledged} acknowledged over ${rounds} rounds: ${missing} missing, ${doubled} doubled, ${signedTwice} positions signed twice, ${settledTwice} lanes settled twice\n`,
  );
  process.exit(isWell ? 0 : 1);
}
