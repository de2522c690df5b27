import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../../hub/config.ts';
import { isError } from '../../hub/errors.ts';
import { openRegistry } from '../../hub/node/open.ts';
import { merge } from '../../hub/registry/patch-log.ts';
import { Devices } from '../../hub/devices.ts';
import { toHex } from '../../protocol/bytes.ts';
import { seconds } from '../../protocol/integers.ts';
import { ROLES } from '../../protocol/wire/messages.ts';
import { Registry, type RegistryPatch } from '../../hub/registry/registry.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { type Random, seededRandom } from './random.ts';
import { inTemporaryFolder } from './temporary.ts';

const device = `0x${'ab'.repeat(20)}`;
const entry = { role: 'pos', payee: `0x${'cd'.repeat(20)}`, entropyCertified: true, counter: 1 } as const;

async function failure(promise: Promise<unknown>): Promise<SundialError> {
  try {
    await promise;
  } catch (error) {
    return error as SundialError;
  }
  return assert.unreachable('expected a failure') as never;
}

test('a registered device is there after a restart, and people can read the file', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    await registry.register(device, entry);
    await registry.close();
    assert.equal(JSON.parse(await readFile(join(folder, 'registry.json'), 'utf8')).devices[device], entry);
    const again = await openRegistry(folder);
    assert.equal(again.state.devices[device], entry);
    await again.close();
    assert.not((await readdir(folder)).some((name) => name.endsWith('.new')));
  }));

test('what is taken away before it was written is not there after a restart', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    // The first is being written; the other two wait for it and are joined.
    await Promise.all([
      registry.update({ ledgerSize: 1 }),
      registry.update({ devices: { [device]: entry } }),
      registry.update({ devices: { [device]: null } } as unknown as RegistryPatch),
    ]);
    await registry.close();
    const again = await openRegistry(folder);
    assert.equal(again.state.devices, {});
    assert.is(again.state.ledgerSize, 1);
    await again.close();
  }));

test('a registry of the version before, one file, goes on', () =>
  inTemporaryFolder(async (folder) => {
    const before = {
      version: 1,
      minReader: 1,
      devices: { [device]: entry },
      watched: { height: 7, at: 70 },
      payees: {},
      heads: {},
      ledgerSize: 3,
    };
    await writeFile(join(folder, 'registry.json'), JSON.stringify(before));
    const registry = await openRegistry(folder);
    const added = {
      rootWords: {},
      finals: {},
      logins: {},
      publishedAt: 0,
      recoveredAt: 0,
      announced: {},
      limits: {},
    };
    const now = { ...before, ...added, version: 6, minReader: 6 };
    assert.equal(registry.state, now);
    await registry.update({ ledgerSize: 4 });
    await registry.close();
    const again = await openRegistry(folder);
    assert.equal(again.state, { ...now, ledgerSize: 4 });
    await again.close();
  }));

test('two processes never write one registry', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    assert.is((await failure(openRegistry(folder))).code, 'folder_locked');
    await registry.close();
  }));

test('a registry that was edited wrongly is refused with the field', () =>
  inTemporaryFolder(async (folder) => {
    await (await openRegistry(folder)).close();
    const path = join(folder, 'registry.json');
    const state = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...state, watched: { height: -1, at: 0 } }));
    const error = await failure(openRegistry(folder));
    assert.is(error.code, 'registry_invalid');
    assert.is(error.facts.field, 'watched.height');
    await writeFile(path, '{"devices"');
    assert.is((await failure(openRegistry(folder))).code, 'state_unreadable');
    await writeFile(path, JSON.stringify({ ...state, minReader: 99 }));
    assert.is((await failure(openRegistry(folder))).facts.field, 'minReader');
  }));

const seen = (registry: Registry): unknown => structuredClone(registry.state);

/** A change of the state drawn from the seed: devices come, change their payee and lose it; lanes and sizes rise. */
function drawPatch(random: Random): RegistryPatch {
  const name = () => `0x${String(random.below(5)).padStart(40, '0')}`;
  switch (random.below(3)) {
    case 0:
      return { ledgerSize: random.below(1000), watched: { height: random.below(1000) } };
    case 1: {
      const lane = { paid: random.below(1000), transaction: `0x${'ab'.repeat(32)}` as const };
      const view = { payer: name(), owner: name(), deposit: 5, bond: 1, credited: 0, slashed: false };
      const head = { ...view, exiting: random.chance(0.5), settled: { [name()]: lane } };
      return { heads: { [random.below(5)]: head } };
    }
    default:
      return { devices: { [name()]: { ...entry, payee: name() } } };
  }
}

test('after power cuts at any write, with a disk that fails, all that was told durable is there and nothing is mixed', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seededRandom(seed);
    const disk = new FaultyDisk(seededRandom(1000 + seed));
    let registry = await Registry.open(disk.files());
    for (let life = 0; life < 6; life += 1) {
      disk.faults =
        life % 2 === 0
          ? { write: 0, sync: 0, create: 0, remove: 0 }
          : { write: 0.1, sync: 0.1, create: 0.1, remove: 0 };
      /** Every state that the registry had since the last one that was told durable, that one first. */
      let possible = [seen(registry)];
      const asked: Promise<unknown>[] = [];
      const steps = 1 + random.below(40);
      for (let step = 0; step < steps; step += 1) {
        const patch = drawPatch(random);
        const done = registry.update(patch);
        const state = seen(registry);
        possible.push(state);
        const noted = done.then(
          () => {
            possible = possible.slice(possible.lastIndexOf(state));
          },
          () => {},
        );
        asked.push(noted);
        if (random.chance(0.5)) await noted;
      }
      if (random.chance(0.5)) await Promise.all(asked);
      disk.powerCut();
      disk.faults = { write: 0, sync: 0, create: 0, remove: 0 };
      // The dead process's promises end, one way or the other; what they say counts no more.
      const candidates = possible.map((state) => JSON.stringify(sorted(state)));
      await Promise.all(asked);
      registry = await Registry.open(disk.files());
      const found = JSON.stringify(sorted(registry.state));
      assert.ok(candidates.includes(found), `seed ${seed}, life ${life}`);
    }
  }
});

/** Keys in order: two states with the same content have the same text. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const keys = Object.keys(value).sort();
  return keys.map((key) => [key, sorted((value as Record<string, unknown>)[key])]);
}

test('a log that grew beyond its bound is begun anew, and no crash in between mixes two logs', async () => {
  const disk = new FaultyDisk(seededRandom(5));
  const registry = await Registry.open(disk.files());
  const wide = (n: number) =>
    Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`0x${String(i).padStart(40, '0')}`, n]));
  for (let n = 1; n <= 12; n += 1) await registry.update({ payees: wide(n) });
  const logs = disk.names().filter((name) => name.endsWith('.log'));
  assert.is(logs.length, 1, 'the old log is gone');
  const again = await Registry.open(disk.files());
  assert.is(Object.values(again.state.payees)[4999], 12);
});

test('a damaged line in the middle of the log is refused, not skipped', async () => {
  const disk = new FaultyDisk(seededRandom(6));
  const registry = await Registry.open(disk.files());
  for (let n = 1; n <= 4; n += 1) await registry.update({ ledgerSize: n });
  const [log] = disk.names().filter((name) => name.endsWith('.log'));
  disk.damage(log!, 20);
  assert.is((await failure(Registry.open(disk.files()))).code, 'state_unreadable');
});

test('a write that fails is told to its callers, and the next one brings what it should have', async () => {
  const disk = new FaultyDisk(seededRandom(7));
  const registry = await Registry.open(disk.files());
  await registry.update({ ledgerSize: 1 });
  disk.faults = { write: 1, sync: 0, create: 1, remove: 0 };
  assert.is((await failure(registry.update({ ledgerSize: 2 }))).code, 'ENOSPC');
  disk.faults = { write: 0, sync: 0, create: 0, remove: 0 };
  await registry.update({ watched: { height: 9 } });
  disk.powerCut();
  const { ledgerSize, watched } = (await Registry.open(disk.files())).state;
  assert.equal([ledgerSize, watched.height], [2, 9]);
});

test('a terminal that registers for another payee is remembered for those before, after a restart as well', async () => {
  const disk = new FaultyDisk(seededRandom(9));
  const registry = await Registry.open(disk.files());
  const devices = new Devices(registry, () => undefined, { error: assert.unreachable } as never);
  const key = new Uint8Array(20).fill(0xab);
  const registers = (payee: number, counter: number) =>
    devices.registered('till', {
      type: 'register',
      device: key,
      role: ROLES.pos,
      payee: new Uint8Array(20).fill(payee),
      certificateExpiresAt: seconds(5),
      entropyCertified: 1,
      counter,
      signature: new Uint8Array(64),
    });
  const address = (byte: number) => toHex(new Uint8Array(20).fill(byte));
  const known = ({ state }: Registry) => {
    const { payee, earlierPayees } = state.devices[toHex(key)]!;
    return [...(earlierPayees ?? []), payee];
  };
  registers(1, 1);
  assert.equal(known(registry), [address(1)]);
  assert.not('earlierPayees' in registry.state.devices[toHex(key)]!);
  registers(2, 2);
  registers(3, 3);
  registers(1, 4);
  await registry.close();
  assert.equal(known(await Registry.open(disk.files())), [2, 3, 1].map(address));
});

test('terminals and settled channels of a payee are found, and a device that changed its payee only once', async () => {
  const registry = await Registry.open(new FaultyDisk(seededRandom(8)).files());
  const other = `0x${'ef'.repeat(20)}`;
  await registry.register(device, entry);
  assert.equal([...registry.terminalsOf(entry.payee)], [device]);
  await registry.register(device, { ...entry, payee: other });
  assert.equal([...registry.terminalsOf(entry.payee)], []);
  assert.equal([...registry.terminalsOf(other)], [device]);
  await registry.register(device, { role: 'wearable', channel: 4, entropyCertified: true, counter: 1 });
  assert.equal([...registry.terminalsOf(other)], []);
  assert.is(
    registry.state.devices[device]!.payee,
    undefined,
    'what the later registration leaves out is gone',
  );
});

test('a name that every object has is a name as any other', () => {
  const state: { [key: string]: unknown } = {};
  merge(state, JSON.parse('{"__proto__":{"x":1},"constructor":{"y":2}}'));
  assert.is(Object.getPrototypeOf(state), Object.prototype);
  assert.is(({} as { x?: number }).x, undefined);
  assert.equal(Object.keys(state), ['__proto__', 'constructor']);
});

const goodConfig = {
  name: 'hub',
  folder: '/var/lib/sundial',
  chain: { rpcUrl: 'http://127.0.0.1:8545', chainId: 31337, vault: `0x${'11'.repeat(20)}` },
  keys: { signing: `0x${'22'.repeat(32)}`, settlement: `0x${'33'.repeat(32)}`, root: `0x${'44'.repeat(20)}` },
};

test('a minimal configuration is completed with defaults', () => {
  const config = parseConfig(goodConfig);
  assert.is(config.mqtt.host, '127.0.0.1');
  assert.is(config.http.host, '127.0.0.1');
  assert.is(config.timing.leaseLifetime, 72 * 3600);
  assert.is(config.development, false);
});

for (const [field, change] of [
  ['name', { name: 'a/b' }],
  ['folder', { folder: undefined }],
  ['mqtt.port', { mqtt: { port: 70_000 } }],
  ['mqtt.url', { mqtt: { url: 'localhost:1883' } }],
  ['chain.vault', { chain: { ...goodConfig.chain, vault: '0x12' } }],
  ['chain.rpcUrl', { chain: { ...goodConfig.chain, rpcUrl: 'not a url' } }],
  ['keys.signing', { keys: { ...goodConfig.keys, signing: '0x00' } }],
  ['batch.lanesMax', { batch: { lanesMax: 5_000 } }],
  ['beaconMs', { beaconMs: 1 }],
  ['colour', { colour: 'red' }],
] as const) {
  test(`a wrong ${field} is named together with what to do`, () => {
    try {
      parseConfig({ ...goodConfig, ...change });
      assert.unreachable();
    } catch (error) {
      assert.ok(isError(error, 'config'), String(error));
      assert.is(error.facts.field, field);
      assert.match(error.remedy, field);
    }
  });
}

test('timing that would let an owner leave too early is refused', () => {
  assert.throws(
    () => parseConfig({ ...goodConfig, timing: { exitDelay: 86_400 } }),
    (error: unknown) => isError(error, 'timing'),
  );
});

test.run();
