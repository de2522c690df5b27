/**
 * The exhaustive walk of the real step functions. CI walks the small configurations and all that end within seconds;
 * `--deep` walks them all (`--shard i/n` takes every n-th). Counts are printed; they are what the walk is worth.
 */
import { performance } from 'node:perf_hooks';
import { env } from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Config, CONFIGS, configNamed, SMALL } from '../../simulators/explore/config.ts';
import { explore } from '../../simulators/explore/explore.ts';

const deep = env.SUNDIAL_DEEP === '1';
const [shard, shards] = (env.SUNDIAL_SHARD ?? '1/1').split('/').map(Number) as [number, number];
const now = (): number => performance.now();

const figure = (value: number): string => value.toLocaleString('en');

function holds(config: Config): void {
  const found = explore({ config, now });
  const { states, ledgers, transitions, roots, seconds, reached, fault, trace } = found;
  if (fault !== undefined) console.log(`${config.name}: ${fault}\n  ${trace!.join('\n  ')}`);
  assert.is(fault, undefined);
  assert.ok(found.ok, 'every state was seen');
  assert.ok(reached.approved || config.asks.every((ask) => 'ticks' in ask), 'something was approved');
  assert.ok(reached.voided, 'something was voided');
  assert.is(
    reached.lateTick,
    config.asks.some((ask) => 'ticks' in ask),
    'a tick came late, where there are ticks',
  );
  assert.is(reached.forgot, config.evicts === true, 'a lane was forgotten, where terminals forget');
  assert.is(reached.left, config.exit === true, 'the owner left, where there is an L2');
  assert.ok(reached.resolved > 0, 'some lane was added up at the end');
  console.log(
    `${config.name}: ${figure(states)} states, ${figure(ledgers)} of hub and L2 apart, ${figure(transitions)} transitions, progress from ${figure(roots)}, ${figure(reached.resolved)} sums at the end, ${seconds.toFixed(1)} s`,
  );
}

const walked = deep
  ? [...SMALL, ...CONFIGS].filter((_, index) => index % shards === shard - 1)
  : [...SMALL, ...['c1', 'c2', 'c3', 'c5', 'c6', 'c8', 'c10'].map(configNamed)];
for (const config of walked) test(`every state of ${config.name} keeps the money rules`, () => holds(config));

test('a walk that is stopped early says so', () => {
  const { ok, capped, states } = explore({ config: configNamed('s2'), maxStates: 1000 });
  assert.equal([ok, capped], [false, true]);
  assert.ok(states >= 1000 && states < 2000);
});

test.run();
