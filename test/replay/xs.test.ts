/** What devices do in the fleet they also do as XS processes with a chip's memory, effect by effect, through power cuts. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ChipEngine } from '../../simulators/fleet/chips/chip-engine.ts';
import { chipEngines, xsChip } from '../../simulators/fleet/chips/chips.ts';
import type { Replayed } from '../../simulators/scenarios/replay.ts';
import { record, replayOn, SHAKEN, WORN } from './fleet.ts';

const root = process.cwd();
const deep = process.env.SUNDIAL_DEEP === '1';
const load = (path: string) => import(pathToFileURL(join(root, path)).href);

for (const [name, about, change, devices] of [
  ['hunt', 'shaken', { hours: 1, faults: SHAKEN }, deep ? 24 : 8],
  ['hunt-charge', 'shaken', { hours: 1, faults: SHAKEN }, deep ? 24 : 8],
  // Long enough that journals fill one bank of their flash after the other.
  [
    'hunt',
    'a long day',
    { hours: deep ? 24 : 6, salesPerDay: 1500, faults: { powerCut: 'rare' } },
    deep ? 12 : 4,
  ],
  ['bad-flash', 'cut in the middle of words, damaged and full', WORN, deep ? 24 : 8],
] as const) {
  test(`${name}, ${about}: every device lives the same day on XS`, async () => {
    const engineFor = await chipEngines('xs', root);
    const replayed: Replayed[] = [];
    const recorded = await record(name, change, devices);
    if (name === 'bad-flash') {
      const met = new Set(recorded.flatMap((device) => [...device.met]));
      for (const code of ['outbox_full', 'journal_corrupt']) assert.ok(met.has(code), code);
    }
    for (const device of recorded) {
      const found = await replayOn(device, engineFor);
      assert.is(found.difference, undefined, found.device);
      replayed.push(found);
    }
    const sum = (of: (one: Replayed) => number): number =>
      replayed.reduce((total, one) => total + of(one), 0);
    const events = sum((one) => one.events);
    const effects = sum((one) => one.effects);
    const cuts = sum((one) => one.cuts);
    console.log(
      `  ${replayed.length} devices, ${events} events, ${effects} effects, ${cuts} cuts inside an event`,
    );
    assert.ok(effects > 500, `only ${effects} effects`);
    assert.ok(cuts >= 3, `only ${cuts} power cuts inside an event`);
  });
}

for (const change of [
  {
    name: 'nothing is stored',
    file: 'device/runtime.ts',
    find: '          this.persist(effect.record);\n',
    replace: '',
    kind: 'payer',
    says: /^event \d+ \(\w+\): |other books$/,
  },
  {
    name: 'a message goes out twice',
    file: 'device/runtime.ts',
    find: '          this.link?.send(encodeFrame(encodeMessage(effect.message)));\n',
    replace: '        for (const _ of [1, 2]) this.link?.send(encodeFrame(encodeMessage(effect.message)));\n',
    kind: 'terminal',
    says: /^event \d+ \(\w+\): "link [0-9a-f]+" instead of/,
  },
] as const)
  test(`a bundle with a broken line is found: ${change.name}`, async () => {
    const { buildReplay, buildHost } = await load('hardware/boards/xs-host/build.mjs');
    const { oneChange } = await load('tools/bundle.mjs');
    const program = {
      host: await buildHost(),
      bundle: await buildReplay(change.kind, [oneChange(change)]),
    };
    const device = (await record('hunt', { hours: 1, faults: SHAKEN }, 6)).find(
      ({ living }) => living.kind === change.kind,
    )!;
    const found = await replayOn(
      device,
      (living) => new ChipEngine(xsChip({ payer: program, terminal: program }), living),
    );
    assert.match(found.difference ?? 'nothing', change.says);
  });

test.run();
