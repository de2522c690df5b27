/**
 * A hub under load that is killed with SIGKILL at random moments, while it settles, and with it the node of its chain, which
 * loses its newest blocks; and three workers of one hub, over a database and a broker that are killed, too, or of which one
 * sleeps for longer than its lease. What was acknowledged is in the ledger once, at the position that was signed; no
 * position was signed for two entries; and L2 settled each lane as far as it was acknowledged and no further.
 *
 * Options: --rounds N, --seed S, --json. Not checked: a power cut (ledger.test.ts has disks that lose what was not synced),
 * replicas of a database, a settlement account that somebody else uses. Without PostgreSQL and mosquitto on the machine
 * all rounds are those of one hub.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseConfig } from '../../hub/config.ts';
import { startHub } from '../../hub/hub.ts';
import { createLogger } from '../../hub/log.ts';
import { postgresPrograms } from '../../hub/postgres/server.ts';
import { seededRandom } from '../hub/random.ts';
import { hubRounds } from './one-hub.ts';
import { workerRounds } from './workers.ts';

function hasMosquitto(): boolean {
  try {
    execFileSync('mosquitto', ['-h'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // Its help ends with an error, too.
    return (error as { code?: string }).code !== 'ENOENT';
  }
}

async function run(rounds: number, seed: number, say: (text: string) => void) {
  const random = seededRandom(seed);
  const home = await mkdtemp(join(tmpdir(), 'sundial-crash-'));
  // The node writes its state where a folder is.
  for (const name of ['one', 'many']) await mkdir(join(home, name));
  const hasServers = postgresPrograms() !== undefined && hasMosquitto();
  if (!hasServers) say('PostgreSQL or mosquitto is not installed: apt-get install postgresql mosquitto');
  const ofWorkers = hasServers ? Math.floor(rounds / 2) : 0;
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
      by: { ...one.by, ...many?.by },
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

if (process.argv[2] === 'hub') {
  const hub = await startHub(parseConfig(JSON.parse(process.argv[3]!)), {
    log: createLogger('silent'),
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
