import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../../hub/config.ts';
import { isError } from '../../hub/errors.ts';
import { Registry } from '../../hub/registry/registry.ts';
import { JsonFile } from '../../hub/registry/json-file.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { inTemporaryFolder } from './temporary.ts';

const device = `0x${'ab'.repeat(20)}`;
const entry = { role: 'pos', payee: `0x${'cd'.repeat(20)}`, entropyCertified: true } as const;

async function failure(promise: Promise<unknown>): Promise<SundialError> {
  try {
    await promise;
  } catch (error) {
    return error as SundialError;
  }
  return assert.unreachable('expected a failure') as never;
}

test('a registered device is there after a restart, and the file is whole at every moment', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await Registry.open(folder);
    await registry.register(device, entry);
    assert.equal(JSON.parse(await readFile(join(folder, 'registry.json'), 'utf8')).devices[device], entry);
    await registry.close();
    const again = await Registry.open(folder);
    assert.equal(again.state.devices[device], entry);
    await again.close();
    assert.not((await readdir(folder)).some((name) => name.endsWith('.new')));
  }));

test('two processes never write one registry', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await Registry.open(folder);
    assert.is((await failure(Registry.open(folder))).code, 'folder_locked');
    await registry.close();
  }));

test('a registry that was edited wrongly is refused with the field', () =>
  inTemporaryFolder(async (folder) => {
    await (await Registry.open(folder)).close();
    const path = join(folder, 'registry.json');
    const state = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...state, watched: { height: -1, at: 0 } }));
    const error = await failure(Registry.open(folder));
    assert.is(error.code, 'registry_invalid');
    assert.is(error.facts.field, 'watched.height');
    await writeFile(path, '{"devices"');
    assert.is((await failure(Registry.open(folder))).code, 'state_unreadable');
    await writeFile(path, JSON.stringify({ ...state, minReader: 99 }));
    assert.is((await failure(Registry.open(folder))).facts.field, 'minReader');
  }));

test('writes under sustained load finish, and the last one wins', () =>
  inTemporaryFolder(async (folder) => {
    const file = new JsonFile<{ n: number }>(join(folder, 'n.json'));
    const writes: Promise<void>[] = [];
    for (let n = 1; n <= 500; n += 1) writes.push(file.write({ n }));
    await writes[0];
    writes.push(file.write({ n: 501 }));
    await Promise.all(writes);
    assert.equal(await file.read(), { n: 501 });
  }));

test('a failed write is told to its callers and does not stop the next', () =>
  inTemporaryFolder(async (folder) => {
    const file = new JsonFile<number>(join(folder, 'missing', 'n.json'));
    const both = [file.write(1), file.write(2)].map((write) =>
      write.then(
        () => 'ok',
        (error) => error.code,
      ),
    );
    assert.equal(await Promise.all(both), ['ENOENT', 'ENOENT']);
    assert.is(await failure(file.write(3)).then((error) => error.code), 'ENOENT');
  }));

const goodConfig = {
  name: 'hub',
  folder: '/var/lib/sundial',
  chain: { rpcUrl: 'http://127.0.0.1:8545', chainId: 31337, vault: `0x${'11'.repeat(20)}` },
  keys: { signing: `0x${'22'.repeat(32)}`, settlement: `0x${'33'.repeat(32)}` },
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
