/**
 * A hub's database over its life, on a real server: verified, copied while workers write, put back into an empty one, held
 * until it is recovered, and an earlier state that a copy or the world contradicts. Not checked: the server's own backups,
 * damage below its tables, workers as processes (workers.test.ts starts them on a database that was recovered).
 */
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { restore } from '../../hub/keep/backup.ts';
import {
  backupDatabase,
  holdStore,
  readHeldStore,
  recoverDatabase,
  refuseHeldStore,
  restoreDatabase,
  verifyDatabase,
} from '../../hub/keep/database.ts';
import { verifyLedger } from '../../hub/keep/verify.ts';
import { encodeRecord } from '../../hub/ledger/records.ts';
import { sharedReadRecords } from '../../hub/limits.ts';
import { nodeDisk } from '../../hub/node/disk.ts';
import { openFileLedger, openRegistry } from '../../hub/node/open.ts';
import type { SharedStore } from '../../hub/ports.ts';
import { PostgresServer } from '../../hub/postgres/server.ts';
import { PostgresStore } from '../../hub/postgres/store.ts';
import { SharedLedger } from '../../hub/shared/ledger.ts';
import { SharedPatchLog } from '../../hub/shared/registry-log.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { seconds } from '../../protocol/integers.ts';
import { suite } from '../hub/fleet.ts';
import { inTemporaryFolder } from '../hub/temporary.ts';

const still = (): void => undefined;
const { keccak256 } = suite;
const record = (at: number): Uint8Array => encodeRecord({ type: 'lost', at: seconds(at) });
const codeOf = (work: Promise<unknown>): Promise<SundialError> =>
  work.then(
    () => assert.unreachable('expected a rejection') as never,
    (error: SundialError) => error,
  );

const server = await PostgresServer.start({ tiedBy: 'tools/tied.mjs' });
let databases = 0;

/** A new database, as one worker opens it. */
async function database(): Promise<{ url: string; store: PostgresStore }> {
  databases += 1;
  const url = await server.create(`keep${databases}`);
  return { url, store: await PostgresStore.open({ url, hub: 'test' }) };
}

async function fill(store: SharedStore, from: number, to: number): Promise<void> {
  const ledger = await SharedLedger.open(store);
  const all = Array.from({ length: to - from }, (_, n) => ledger.append(record(from + n)));
  assert.equal((await Promise.all(all)).at(-1), to - 1);
  await ledger.close();
  const log = new SharedPatchLog(store, 'worker', () => undefined);
  await log.write({
    devices: { [`0x${'11'.repeat(20)}`]: { role: 'car', entropyCertified: true, counter: to } },
  });
  await store.append('registry', {
    records: [
      new TextEncoder().encode(JSON.stringify({ by: 'x', elected: true, patch: { ledgerSize: to } })),
    ],
    subjects: [],
    size: 0,
  });
}

const contents = async (store: SharedStore): Promise<string[]> => {
  const found: string[] = [];
  for (;;) {
    const records = await store.read('ledger', found.length);
    if (records.length === 0) return found;
    for (const { bytes } of records) found.push(Buffer.from(bytes).toString('hex'));
  }
};

test('a copy that is taken while workers write is whole; the next one adds what is new; put back it is the same', () =>
  inTemporaryFolder(async (home) => {
    const { store } = await database();
    const copy = join(home, 'copy');
    await fill(store, 0, sharedReadRecords + 100);
    let isOver = false;
    const writing = (async () => {
      const ledger = await SharedLedger.open(store);
      for (let at = 0; !isOver; at += 1) await ledger.append(record(at));
    })();
    const first = await backupDatabase(store, home, copy, keccak256, still);
    assert.ok(first.records >= sharedReadRecords + 100);
    const second = await backupDatabase(store, home, copy, keccak256, still);
    isOver = true;
    await writing;
    const third = await backupDatabase(store, home, copy, keccak256, still);
    const there = await verifyDatabase(store, keccak256, still);
    assert.ok(second.records >= first.records);
    assert.is(third.records, there.records);
    assert.is(third.checkpoint, `0x${Buffer.from(there.checkpoint).toString('hex')}`);
    assert.is((await verifyLedger(await nodeDisk(join(copy, 'ledger')), keccak256)).records, there.records);

    const again = await database();
    const old = await PostgresStore.open({ url: again.url, hub: 'test' });
    const back = await restoreDatabase(copy, again.store, join(home, 'worker'), keccak256, still);
    assert.is(back.checkpoint, third.checkpoint);
    assert.equal(await contents(again.store), await contents(store));
    const registry = async (from: SharedStore) => {
      const { devices, ledgerSize } = await new SharedPatchLog(from, 'x', () => undefined).readAll();
      return { devices, ledgerSize };
    };
    assert.equal(await registry(again.store), await registry(store));
    assert.is((await codeOf(refuseHeldStore(again.store))).code, 'ledger_restored');
    // Who had it open before writes nothing more.
    const late = old.append('ledger', { records: [record(1)], subjects: [], size: 0 });
    assert.is((await codeOf(late)).code, 'ledger_fenced');
    const twice = restoreDatabase(copy, again.store, join(home, 'worker'), keccak256, still);
    assert.is((await codeOf(twice)).code, 'database_not_empty');

    const low = await codeOf(
      recoverDatabase(again.store, keccak256, { positions: back.records - 1, progress: still }),
    );
    assert.is(low.code, 'recover_range');
    const done = await recoverDatabase(again.store, keccak256, { margin: 9_000, progress: still });
    assert.equal([done.kept, done.lost, done.size], [back.records, 9_000, back.records + 9_000]);
    await refuseHeldStore(again.store);
    assert.is(await readHeldStore(again.store), undefined);
    assert.is((await verifyDatabase(again.store, keccak256, still)).records, done.size);
    const ledger = await SharedLedger.open(again.store, { sizeKnown: done.size });
    assert.is(await ledger.append(record(7)), done.size);
    assert.ok(
      Number((await new SharedPatchLog(again.store, 'x', () => undefined).readAll()).recoveredAt) > 0,
    );

    // The same copy is a hub in a folder, too.
    await restore(copy, join(home, 'folder'), keccak256, still);
    const files = await openFileLedger(join(home, 'folder', 'ledger'));
    assert.is(files.size, third.records);
    await files.close();
    const kept = await openRegistry(join(home, 'folder'));
    assert.is(kept.state.devices[`0x${'11'.repeat(20)}`]?.counter, sharedReadRecords + 100);
    await kept.close();
    for (const one of [store, again.store, old]) await one.close();
  }));

test('an earlier state, another hub’s copy and a lost record are named', () =>
  inTemporaryFolder(async (home) => {
    const { store, url } = await database();
    const copy = join(home, 'copy');
    await fill(store, 0, 50);
    await backupDatabase(store, home, copy, keccak256, still);
    const earlier = await database();
    await fill(earlier.store, 0, 40);
    const behind = await codeOf(backupDatabase(earlier.store, home, copy, keccak256, still));
    assert.is(behind.code, 'database_rolled_back');
    assert.match(behind.remedy, /sundial hub restore/);
    await fill(earlier.store, 40, 49);
    const ledger = await SharedLedger.open(earlier.store);
    await ledger.append(record(1_000));
    const other = await codeOf(backupDatabase(earlier.store, home, copy, keccak256, still));
    assert.is(other.code, 'backup_other');
    assert.match(other.message, /position 49/);
    // A copy that was changed, and one that is none.
    const about = join(copy, 'backup.json');
    const text = await readFile(about, 'utf8');
    await writeFile(about, text.replace(/"0x./, text.includes('"0x1') ? '"0x2' : '"0x1'));
    const empty = await database();
    const into = (source: string) => codeOf(restoreDatabase(source, empty.store, home, keccak256, still));
    assert.is((await into(copy)).code, 'backup_changed');
    assert.is((await into(join(home, 'none'))).code, 'no_backup');
    assert.equal((await empty.store.look('x')).sizes, { ledger: 0, registry: 0 }, 'nothing was written');
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('delete from records where log = 1 and position = 17');
    assert.match((await codeOf(verifyDatabase(store, keccak256, still))).message, /position 17/);
    await client.query('delete from records where log = 1 and position >= 17');
    await client.query('update logs set size = 17 where log = 1');
    assert.is(
      (await codeOf(verifyDatabase(store, keccak256, still))).code,
      'ledger_corrupt',
      'fewer than known',
    );
    await client.end();
    for (const one of [store, earlier.store, empty.store]) await one.close();
  }));

test('who holds a database ends the others, and it stays held', async () => {
  const { store, url } = await database();
  const worker = await PostgresStore.open({ url, hub: 'test' });
  await holdStore(store, { code: 'ledger_rolled_back', what: 'the beacon covers more' });
  await holdStore(store, { code: 'ledger_rolled_back', what: 'the beacon covers more' });
  const late = worker.append('ledger', { records: [record(1)], subjects: [], size: 0 });
  assert.is((await codeOf(late)).code, 'ledger_fenced');
  const next = await PostgresStore.open({ url, hub: 'test' });
  const held = await codeOf(refuseHeldStore(next));
  assert.is(held.code, 'ledger_rolled_back');
  assert.match(held.remedy, /sundial hub recover/);
  for (const one of [store, worker, next]) await one.close();
});

test('the commands take the database of a configuration', () =>
  inTemporaryFolder(async (home) => {
    const { store, url } = await database();
    await fill(store, 0, 9);
    const again = await database();
    const configFor = async (name: string, database: string): Promise<string> => {
      const path = join(home, `${name}.json`);
      const secret = `0x${'5a'.repeat(32)}`;
      const text = {
        name: 'test',
        folder: name,
        database: { url: database },
        mqtt: { url: 'mqtt://127.0.0.1:1' },
        chain: { rpcUrl: 'http://127.0.0.1:1', chainId: 1, vault: `0x${'22'.repeat(20)}` },
        keys: { signing: secret, settlement: secret, root: `0x${'33'.repeat(20)}` },
      };
      await writeFile(path, JSON.stringify(text));
      return path;
    };
    const [one, two] = [await configFor('one', url), await configFor('two', again.url)];
    const run = (...args: string[]) =>
      spawnSync(process.execPath, ['tools/sundial.mjs', 'hub', ...args, '--json'], { encoding: 'utf8' });
    const answer = (...args: string[]) => {
      const { status, stdout, stderr } = run(...args);
      assert.is(status, 0, stderr);
      return JSON.parse(stdout);
    };
    assert.is(answer('verify', '--config', one).records, 9);
    assert.is(answer('backup', '--config', one, '--to', join(home, 'copy')).records, 9);
    assert.is(answer('restore', '--config', two, '--from', join(home, 'copy')).records, 9);
    assert.is(answer('verify', '--config', two).held.code, 'ledger_restored');
    assert.is(answer('recover', '--config', two, '--positions', '20').size, 20);
    assert.match(run('recover', '--config', two, '--positions', '3').stderr, /"recover_range"/);
    await store.close();
    await again.store.close();
  }));

test.after(() => server.stop());
test.run();
