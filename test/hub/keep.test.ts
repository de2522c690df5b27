/**
 * The folder of a hub over its life: backup while it is written, restore, damage and recovery, and an earlier state that
 * the world contradicts. Not checked here: a hub that runs from a recovered folder with devices (crash:hub).
 */
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Desk } from '../../hub/desk/desk.ts';
import { operatorTokenPath, Tokens } from '../../hub/desk/tokens.ts';
import { backup, restore } from '../../hub/keep/backup.ts';
import { contradictedBy, contradictedBySettlement } from '../../hub/keep/continuity.ts';
import { refuseHeld } from '../../hub/keep/hold.ts';
import { recover } from '../../hub/keep/recover.ts';
import { verifyLedger } from '../../hub/keep/verify.ts';
import { headerBytes } from '../../hub/ledger/frame.ts';
import { Journal } from '../../hub/ledger/journal.ts';
import { encodeRecord, type HubRecord } from '../../hub/ledger/records.ts';
import { segmentName } from '../../hub/ledger/reader.ts';
import { recoverMargin } from '../../hub/limits.ts';
import { nodeDisk } from '../../hub/node/disk.ts';
import { openFileLedger, openRegistry } from '../../hub/node/open.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { type Height, seconds } from '../../protocol/integers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { hub as hubKey, signing, suite } from './fleet.ts';
import { inTemporaryFolder } from './temporary.ts';

const still = (): void => undefined;
const word = (at: number): HubRecord => ({ type: 'lost', at: seconds(at) });
const codeOf = (work: Promise<unknown>): Promise<SundialError> =>
  work.then(
    () => assert.unreachable('expected a rejection') as never,
    (error: SundialError) => error,
  );
const verify = async (folder: string, sizeKnown = 0) =>
  verifyLedger(await nodeDisk(join(folder, 'ledger')), suite.keccak256, { sizeKnown });

/** A folder with a registry and so many records in small segments. */
async function fill(folder: string, from: number, to: number, segmentBytesMax = 200): Promise<void> {
  const ledger = await openFileLedger(join(folder, 'ledger'), { segmentBytesMax });
  for (let at = from; at < to; at += 1) assert.is(await ledger.append(encodeRecord(word(at))), at);
  await ledger.close();
  const registry = await openRegistry(folder);
  await registry.update({ ledgerSize: to });
  await registry.close();
}

async function records(folder: string): Promise<number[]> {
  const ledger = await openFileLedger(join(folder, 'ledger'));
  const found: number[] = [];
  for await (const { bytes } of ledger.replay()) found.push(Buffer.from(bytes).at(-1)!);
  await ledger.close();
  return found;
}
const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

test('a backup while records are appended is whole, read back, and the next one adds what is new', () =>
  inTemporaryFolder(async (home) => {
    const folder = join(home, 'hub');
    const copy = join(home, 'copy');
    await fill(folder, 0, 12);
    const ledger = await openFileLedger(join(folder, 'ledger'), { segmentBytesMax: 300 });
    let isOver = false;
    const writing = (async () => {
      for (let at = 12; !isOver; at += 1) await ledger.append(encodeRecord(word(at % 24)));
    })();
    const first = await backup(folder, copy, suite.keccak256, still);
    const second = await backup(folder, copy, suite.keccak256, still);
    isOver = true;
    await writing;
    assert.ok(first.records >= 12 && second.records >= first.records);
    assert.is((await verify(copy)).records, second.records);
    const size = ledger.size;
    await ledger.close();
    assert.ok(size >= second.records);
    const target = join(home, 'restored');
    const back = await restore(copy, target, suite.keccak256, still);
    assert.is(back.records, second.records);
    assert.is(back.checkpoint, second.checkpoint);
    assert.is((await codeOf(refuseHeld(await nodeDisk(target)))).code, 'ledger_restored');
    assert.is((await codeOf(restore(copy, target, suite.keccak256, still))).code, 'folder_not_empty');
    const done = await recover(target, { positions: size, progress: still });
    assert.equal([done.kept, done.lost, done.size], [second.records, size - second.records, size]);
    await refuseHeld(await nodeDisk(target));
    assert.is((await verify(target, size)).records, size);
  }));

test('a restored hub goes on above what it may have signed: a margin when nobody says how much', () =>
  inTemporaryFolder(async (home) => {
    await fill(join(home, 'hub'), 0, 5);
    await backup(join(home, 'hub'), join(home, 'copy'), suite.keccak256, still);
    await restore(join(home, 'copy'), join(home, 'again'), suite.keccak256, still);
    const low = await codeOf(recover(join(home, 'again'), { positions: 4, progress: still }));
    assert.is(low.code, 'recover_range');
    const { kept, lost, size } = await recover(join(home, 'again'), { margin: 9_000, progress: still });
    assert.equal([kept, lost, size], [5, 9_000, 9_005]);
    assert.is(recoverMargin, 1_000_000);
  }));

test('merchants, their keys, devices and tokens go along; the operator’s own token does not', () =>
  inTemporaryFolder(async (home) => {
    const [folder, copy, again] = ['hub', 'copy', 'again'].map((name) => join(home, name)) as [
      string,
      string,
      string,
    ];
    await fill(folder, 0, 3);
    const now = () => 1_000;
    const desk = new Desk(folder, now);
    const key = `0x${'77'.repeat(32)}`;
    const address = desk.keepKey(key);
    desk.addMerchant({ name: 'Shop', address });
    const tokens = new Tokens(folder, now);
    const secret = tokens.make({ name: 'x', role: 'auditor', expiresAt: 2_000 });
    const own = await readFile(operatorTokenPath(folder), 'utf8');
    await backup(folder, copy, suite.keccak256, still);
    await restore(copy, again, suite.keccak256, still);
    assert.is(new Desk(again, now).merchant('Shop').address, address);
    assert.is(new Tokens(again, now).of(secret)?.role, 'auditor');
    assert.is((await readFile(join(again, 'payees', `${address}.key`), 'utf8')).trim(), key);
    assert.is((await stat(join(again, 'payees', `${address}.key`))).mode & 0o077, 0);
    assert.is.not(await readFile(operatorTokenPath(again), 'utf8'), own);
  }));

test('a backup that was changed is not restored, whatever its sums say', () =>
  inTemporaryFolder(async (home) => {
    await fill(join(home, 'hub'), 0, 5);
    await fill(join(home, 'other'), 0, 4);
    await fill(join(home, 'other'), 4, 5, 1_000);
    await backup(join(home, 'hub'), join(home, 'copy'), suite.keccak256, still);
    const about = join(home, 'copy', 'backup.json');
    const text = await readFile(about, 'utf8');
    await writeFile(about, text.replace(/"0x./, '"0x'.concat(text.includes('"0x1') ? '2' : '1')));
    const error = await codeOf(restore(join(home, 'copy'), join(home, 'again'), suite.keccak256, still));
    assert.is(error.code, 'backup_changed');
    await rm(about);
    assert.is(
      (await codeOf(restore(join(home, 'copy'), join(home, 'again'), suite.keccak256, still))).code,
      'no_backup',
    );
  }));

test('whatever file is missing or damaged: it is named, and recovery keeps all that can be read', () =>
  inTemporaryFolder(async (home) => {
    const whole = join(home, 'whole');
    await fill(whole, 0, 24);
    const names = (await readdir(join(whole, 'ledger'))).filter((name) => name.startsWith('segment')).sort();
    assert.ok(names.length > 3);
    let salvagedAll = 0;
    for (const [index, name] of names.entries()) {
      for (const fault of ['gone', 'short', 'flipped'] as const) {
        const folder = join(home, `${fault}-${index}`);
        await cp(whole, folder, { recursive: true });
        const path = join(folder, 'ledger', name);
        const bytes = await readFile(path);
        if (fault === 'gone') await rm(path);
        if (fault === 'short') await truncate(path, bytes.length - 3);
        if (fault === 'flipped') {
          bytes[60]! ^= 1;
          await writeFile(path, bytes);
        }
        const error = await codeOf(verify(folder));
        assert.equal([error.code, error.facts.file], ['ledger_corrupt', name], folder);
        const { kept, lost, salvaged, size } = await recover(folder, { progress: still });
        assert.is(kept + lost + salvaged, size, folder);
        salvagedAll += salvaged;
        const found = await records(folder);
        assert.is(found.length, size);
        assert.ok(size >= 24, 'no position is given twice');
        assert.equal(found.slice(0, kept), numbers(0, kept), folder);
        // Each record is there once at least, but for those of the file that was hurt.
        const left = new Set([...found.slice(0, kept), ...found.slice(kept + lost)]);
        const missing = numbers(0, 24).filter((at) => !left.has(at));
        const inFile = fault === 'gone' ? 24 : 8;
        assert.ok(missing.length <= inFile && left.size + missing.length === 24, `${folder}: ${missing}`);
        await (await openFileLedger(join(folder, 'ledger'), { sizeKnown: 24 })).close();
      }
    }
    assert.ok(salvagedAll > 24, 'what stood behind the damage came back');
  }));

test('a segment that was begun in vain and not removed holds nothing up', () =>
  inTemporaryFolder(async (folder) => {
    await fill(folder, 0, 12);
    const path = join(folder, 'ledger');
    const last = (await readdir(path)).filter((name) => name.startsWith('segment-')).length;
    const bytes = await readFile(join(path, segmentName(last)));
    await writeFile(join(path, segmentName(last + 1)), bytes);
    await writeFile(join(path, segmentName(last)), bytes.subarray(0, headerBytes));
    assert.is((await verify(folder)).records, 12);
    assert.equal(await records(folder), numbers(0, 12));
    const { kept, aside } = await recover(folder, { positions: 12, progress: still });
    assert.equal([kept, aside], [12, undefined]);
  }));

test('a beacon that covers more than the folder has shows an earlier state; one that fits, or of another key, does not', async () => {
  await inTemporaryFolder(async (home) => {
    const ledger = await openFileLedger(join(home, 'ledger'));
    const journal = new Journal(ledger, suite);
    const beaconOf = async (at: number, checkpoint: Uint8Array, key = hubKey) => {
      const fields = {
        at: seconds(at),
        height: 1 as Height,
        revocations: new Uint8Array(32),
        checkpoint,
        nonce: new Uint8Array(16),
      };
      const signature = await key.sign(signing.digest('Beacon', fields));
      return encodeMessage({ type: 'beacon', ...fields, signature });
    };
    for (let at = 0; at < 9; at += 1) await journal.append(word(at));
    const known = {
      signing,
      keys: [hubKey.address],
      journal,
      published: { size: 4, at: 100 },
      recoveredAt: 0,
    };
    for (let size = 4; size <= 9; size += 1) {
      const fits = await beaconOf(101, journal.checkpoint(size).hash);
      assert.is(contradictedBy(fits, known), undefined, `size ${size}`);
    }
    const ahead = await beaconOf(101, new Uint8Array(32).fill(7));
    assert.is(contradictedBy(ahead, known)?.code, 'ledger_rolled_back');
    assert.is(
      contradictedBy(await beaconOf(100, new Uint8Array(32).fill(7)), known),
      undefined,
      'an old one',
    );
    assert.is(contradictedBy(ahead, { ...known, keys: [new Uint8Array(20)] }), undefined, 'of nobody');
    assert.is(contradictedBy(ahead, { ...known, recoveredAt: 101 }), undefined, 'of before a recovery');
    assert.is(contradictedBy(new Uint8Array([1, 2]), known), undefined, 'not a beacon');
    await ledger.close();
  });
});

test('a settlement that the hub sent and the folder does not know shows it, and nobody else’s does', async () => {
  const sent = (nonce: number | undefined) => ({
    sentAs: async () => nonce,
    blockAt: async (height: number) => ({ height, at: 1_000, hash: '0x' as const, baseFee: 0n }),
  });
  const ask = (nonce: number | undefined, highest: number, recoveredAt = 0) =>
    contradictedBySettlement(sent(nonce), { transaction: '0x01', height: 3 }, recoveredAt, () => highest);
  assert.is((await ask(5, 4))?.code, 'ledger_rolled_back');
  assert.is(await ask(4, 4), undefined);
  assert.is(await ask(undefined, -1), undefined);
  assert.is(await ask(5, 4, 1_000), undefined, 'of before a recovery');
  assert.is((await ask(5, 4, 999))?.code, 'ledger_rolled_back');
});

test('the commands say what they did as JSON, and name what is wrong', () =>
  inTemporaryFolder(async (home) => {
    const folder = join(home, 'hub');
    await fill(folder, 0, 9);
    const run = (...args: string[]) =>
      spawnSync(process.execPath, ['tools/sundial.mjs', 'hub', ...args], { encoding: 'utf8' });
    const verified = run('verify', '--folder', folder, '--json');
    assert.is(verified.status, 0, verified.stderr);
    assert.is(JSON.parse(verified.stdout).records, 9);
    assert.match(verified.stderr, /"event":"progress","share":1\}\n$/);
    const copied = run('backup', '--folder', folder, '--to', join(home, 'copy'), '--json');
    assert.is(JSON.parse(copied.stdout).records, 9, copied.stderr);
    const back = run('restore', '--from', join(home, 'copy'), '--folder', join(home, 'back'), '--json');
    assert.is(JSON.parse(back.stdout).records, 9, back.stderr);
    const held = run('verify', '--folder', join(home, 'back'), '--json');
    assert.is(JSON.parse(held.stdout).held.code, 'ledger_restored');
    const done = run('recover', '--folder', join(home, 'back'), '--positions', '20', '--json');
    assert.is(JSON.parse(done.stdout).size, 20, done.stderr);
    for (const [code, ...args] of [
      ['folder_unnamed', 'verify'],
      ['no_ledger', 'verify', '--folder', join(home, 'none')],
      ['no_backup', 'restore', '--from', folder, '--folder', join(home, 'new')],
      ['recover_range', 'recover', '--folder', folder, '--positions', 'many'],
    ]) {
      const failed = run(...args);
      assert.is(failed.status, 1, code);
      assert.match(failed.stderr, new RegExp(`^${code}: `));
      assert.is(failed.stdout, '');
    }
    await mkdir(join(home, 'taken'));
    const locked = await openRegistry(folder);
    assert.match(run('recover', '--folder', folder).stderr, /^folder_locked: /);
    await locked.close();
  }));

test.run();
