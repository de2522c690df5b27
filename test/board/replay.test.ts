/**
 * What devices do in the fleet they also do as firmware images: XS out of flash, curves and hashes in C, the board's own
 * key and flash, the power taken by kill -9; and what they make of flash that was cut in the middle of words, damaged and
 * filled. Not checked here: the board's own power cuts (cuts.test.ts) and faults (faults.test.ts). All devices of the fleets with --deep, a few otherwise.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chipEngines } from '../../simulators/fleet/chips/chips.ts';
import type { Replayed } from '../../simulators/scenarios/replay.ts';
import { record, replayOn, SHAKEN, WORN } from '../replay/fleet.ts';
import { takeShard } from './shard.ts';

const test = suite('days of the fleet on firmware images');
const deep = process.env.SUNDIAL_DEEP === '1';

for (const [name, names, change] of [
  ['hunt', ['pos-1', 'wearable-1'], { hours: 1, faults: SHAKEN }],
  ['hunt-charge', ['charger-2', 'car-3'], { hours: 1, faults: SHAKEN }],
  ['bad-flash', ['pos-1', 'wearable-4'], WORN],
] as const)
  test(`${name}: ${deep ? 'every device' : names.join(' and ')} lives the same day on the board`, async () => {
    const engineFor = await chipEngines('board', process.cwd());
    const recorded = await record(name, change, deep ? 16 : 8);
    const chosen = deep
      ? takeShard(recorded)
      : recorded.filter(({ living }) => (names as readonly string[]).includes(living.name));
    if (name === 'bad-flash') {
      const met = new Set(chosen.flatMap((device) => [...device.met]));
      for (const code of deep ? [] : ['outbox_full', 'journal_corrupt']) assert.ok(met.has(code), code);
    }
    const replayed: Replayed[] = [];
    for (const device of chosen) replayed.push(await replayOn(device, engineFor));
    for (const { device, difference } of replayed) assert.is(difference, undefined, device);
    const events = replayed.reduce((sum, one) => sum + one.events, 0);
    const cuts = replayed.reduce((sum, one) => sum + one.cuts, 0);
    console.log(`  ${replayed.length} devices, ${events} events, ${cuts} cuts inside an event`);
    // A small part of the deep run may have no device at all.
    assert.ok(events >= 30 * chosen.length, `only ${events} events`);
    if (!deep) assert.ok(cuts > 0, 'no power cut inside an event');
  });

test.run();
