/** The same seed gives the same trace: twice, with real signatures, and whatever else the fleet's size is. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { SCENARIOS } from '../../simulators/scenarios/index.ts';
import { hunt, huntOptions } from '../../simulators/scenarios/hunt.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { realSuite, standInSuite } from '../../simulators/stage/world/suite.ts';

const root = process.cwd();

const hashOf = async (seed: number): Promise<string> => (await hunt(seed, standInSuite())).traceHash;

test('the same seed gives the same trace twice', async () => {
  for (const seed of [3, 4, 5]) assert.is(await hashOf(seed), await hashOf(seed));
});

test('another seed gives another trace', async () => {
  assert.is.not(await hashOf(3), await hashOf(6));
});

test('real signatures give the same trace as the stand-in', async () => {
  const real = realSuite(loadCrypto().suite);
  for (const name of ['tap-offline', 'hunt-flash']) {
    const run = async (suite: ReturnType<typeof standInSuite>): Promise<string> => {
      const scenario = { ...SCENARIOS.get(name)!, hours: 1, salesPerDay: 120 };
      const simulation = new Simulation({ scenario, devices: 8, seed: 11, suite });
      await simulation.run();
      assert.equal(simulation.violations, []);
      assert.ok(simulation.accounts.taps > 5, `${name} has only ${simulation.accounts.taps} taps`);
      return simulation.trace.hash();
    };
    assert.is(await run(real), await run(standInSuite()), name);
  }
});

test('two processes give the same trace, and the keys of --json are there', () => {
  const run = (): Record<string, unknown> =>
    JSON.parse(
      execFileSync(
        process.execPath,
        [
          'tools/sundial.mjs',
          'sim',
          '--scenario',
          'tap-offline',
          '--devices',
          '8',
          '--hours',
          '2',
          '--seed',
          '7',
          '--json',
        ],
        { cwd: root, encoding: 'utf8' },
      ),
    );
  const first = run();
  const second = run();
  assert.is(first.ok, true);
  assert.is(first.violations, 0);
  assert.is(first.traceHash, second.traceHash);
  assert.type(first.events, 'number');
  assert.type(first.seconds, 'number');
});

test('leaving out all faults changes no sale that is offered', async () => {
  const options = huntOptions(9, standInSuite());
  const offered = async (keepFaults: ReadonlySet<number>): Promise<string[]> => {
    const simulation = new Simulation({ ...options, suite: standInSuite(), keepFaults, keepTrace: true });
    await simulation.run();
    const first = simulation.trace.lines!.filter(({ decision }) => decision === 'requested').slice(0, 5);
    return first.map(({ actor, a }) => `${actor} ${a}`);
  };
  assert.equal(await offered(new Set()), await offered(new Set([999_999])));
});

/** What would tie a run to its host: time, chance, files, network. */
const BANNED = [
  /\bDate\b/,
  /Math\.random/,
  /\bperformance\b/,
  /\bset(Timeout|Interval|Immediate)\b/,
  /\bprocess\b\./,
  /from 'node:/,
  /\bfetch\(/,
  /\bcrypto\./,
  /from 'viem/,
];
const FOLDERS = [
  'adversary',
  'checkers',
  'fleet',
  'report',
  'scenarios',
  'stage/chain',
  'stage/faults',
  'stage/flash',
  'stage/network',
  'stage/world',
];

test('nothing in the simulator reads the clock, chance, files or network of its host', () => {
  let files = 0;
  for (const folder of FOLDERS) {
    for (const name of readdirSync(join(root, 'simulators', folder)).filter((file) => file.endsWith('.ts'))) {
      files += 1;
      const text = readFileSync(join(root, 'simulators', folder, name), 'utf8').replace(
        /\/\*[\s\S]*?\*\/|\/\/.*/g,
        '',
      );
      for (const banned of BANNED) assert.not.match(text, banned, `simulators/${folder}/${name}: ${banned}`);
    }
  }
  assert.ok(files > 25, `only ${files} files were looked at`);
});

test.run();
