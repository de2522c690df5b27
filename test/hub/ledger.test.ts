import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SundialError } from '../../protocol/errors.ts';
import { isError } from '../../hub/errors.ts';
import { encodeGroup, encodeHeader, headerBytes } from '../../hub/ledger/frame.ts';
import type { FileLedger } from '../../hub/ledger/file-ledger.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import type { Ledger } from '../../hub/ledger/ledger.ts';
import { Scrub } from '../../hub/ledger/scrub.ts';
import { groupRecordsMax, ledgerQueueRecordsMax, recordBytesMax } from '../../hub/limits.ts';
import { FaultyDisk, openLedger } from './faulty-disk.ts';
import { rounds, seededRandom } from './random.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const record = (name: string) => Buffer.from(name, 'latin1');
const retryMs = { first: 1, last: 4 };

async function contents(ledger: Ledger, from = 0): Promise<string[]> {
  const found: string[] = [];
  for await (const { position, bytes } of ledger.replay(from)) {
    assert.is(position, from + found.length);
    found.push(text(bytes));
  }
  return found;
}

async function rejection(promise: Promise<unknown>): Promise<SundialError> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, SundialError);
    return error as SundialError;
  }
  return assert.unreachable('expected a rejection') as never;
}

/** Several small segments, closed cleanly. */
async function fillSegments(disk: FaultyDisk): Promise<void> {
  const ledger = await openLedger({ disk: disk.files(), segmentBytesMax: 60 });
  for (let index = 0; index < 6; index += 1) await ledger.append(record(`record-${index}`));
  await ledger.close();
  assert.ok(segments(disk).length > 3);
}

const segments = (disk: FaultyDisk): string[] => disk.names().filter((name) => name.startsWith('segment-'));

function freshDisk(seed = 1): FaultyDisk {
  return new FaultyDisk(seededRandom(seed));
}

test('records come back in order with their positions after a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sundial-ledger-'));
  try {
    const ledger = await openFileLedger(folder, { segmentBytesMax: 200 });
    const positions = await Promise.all(['a', 'b', 'c'].map((name) => ledger.append(record(name))));
    assert.equal(positions, [0, 1, 2]);
    for (let index = 3; index < 40; index += 1) assert.is(await ledger.append(record(`r${index}`)), index);
    await ledger.close();
    const again = await openFileLedger(folder);
    assert.is(again.size, 40);
    assert.is(again.tornTail, undefined);
    assert.equal((await contents(again)).slice(0, 4), ['a', 'b', 'c', 'r3']);
    assert.equal(await contents(again, 38), ['r38', 'r39']);
    assert.is(await again.append(record('next')), 40);
    await again.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('two ledgers never share a folder, and a closed one gives it back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sundial-ledger-'));
  try {
    const ledger = await openFileLedger(folder);
    const error = await rejection(openFileLedger(folder));
    assert.is(error.code, 'folder_locked');
    assert.match(error.remedy, 'ledger.owner');
    await ledger.close();
    await (await openFileLedger(folder)).close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a caller may reuse its buffer at once', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files() });
  const buffer = record('before');
  const appended = ledger.append(buffer);
  buffer.fill(0);
  await appended;
  assert.equal(await contents(ledger), ['before']);
  await ledger.close();
});

test('an append resolves only after the fsync of its group', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files() });
  await ledger.append(record('durable'));
  disk.powerCut();
  const again = await openLedger({ disk: disk.files() });
  assert.equal(await contents(again), ['durable']);
});

test('a torn end is cut off, reported, and the position is given again', async () => {
  const disk = freshDisk();
  let ledger = await openLedger({ disk: disk.files() });
  for (const name of ['one', 'two', 'three']) await ledger.append(record(name));
  disk.kill();
  const name = segments(disk)[0]!;
  const file = await disk.files().open(name);
  const size = await file.size();
  await file.truncate(size - 2);
  ledger = await openLedger({ disk: disk.files() });
  assert.is(ledger.size, 2);
  assert.equal(ledger.tornTail, { file: name, offset: size - 29, bytes: 27 });
  assert.is(await ledger.append(record('again')), 2);
  await ledger.close();
  ledger = await openLedger({ disk: disk.files() });
  assert.is(ledger.tornTail, undefined);
  assert.equal(await contents(ledger), ['one', 'two', 'again']);
});

test('damage before the end stops the ledger with file, offset, position and what to do', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files() });
  for (const name of ['one', 'two', 'three']) await ledger.append(record(name));
  await ledger.close();
  const name = segments(disk)[0]!;
  const offset = text(disk.contents(name)).indexOf('two');
  disk.damage(name, offset);
  const error = await rejection(openLedger({ disk: disk.files() }));
  assert.is(error.code, 'ledger_corrupt');
  assert.is(error.severity, 'process');
  assert.is(error.facts.file, name);
  assert.is(error.facts.position, 1);
  assert.ok(Number(error.facts.offset) < offset && offset - Number(error.facts.offset) <= 24);
  assert.match(error.remedy, 'restore');
});

test('damage in an earlier segment stops the replay at its position', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files(), segmentBytesMax: 60 });
  for (let index = 0; index < 6; index += 1) await ledger.append(record(`record-${index}`));
  await ledger.close();
  assert.ok(segments(disk).length > 2);
  const name = segments(disk)[0]!;
  disk.damage(name, disk.contents(name).length - 1);
  const again = await openLedger({ disk: disk.files() });
  const error = await rejection(contents(again));
  assert.is(error.code, 'ledger_corrupt');
  assert.is(error.facts.file, name);
});

test('segments are read again one after the other while the ledger runs, and damage in one is told', async () => {
  const disk = freshDisk();
  await fillSegments(disk);
  const ledger = await openLedger({ disk: disk.files() });
  const looks: (() => void)[] = [];
  const time = {
    nowMs: () => 0,
    schedule: (_: number, action: () => void) => {
      looks.push(action);
      return () => undefined;
    },
  };
  const told: unknown[] = [];
  const scrub = new Scrub(ledger, time, (error) => told.push(error));
  const files = segments(disk);
  scrub.start();
  const look = async (): Promise<void> => {
    looks.shift()!();
    for (let wait = 0; wait < 50; wait += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  for (let round = 0; round < 2 * files.length; round += 1) await look();
  assert.equal(told, [], 'nothing is wrong with any of them');
  const [, second] = files;
  const bytes = disk.contents(second!);
  bytes[bytes.length - 1]! ^= 1;
  for (let round = 0; round < files.length && told.length === 0; round += 1) await look();
  assert.is((told[0] as SundialError).code, 'ledger_corrupt');
  assert.is((told[0] as SundialError).facts.file, second);
  assert.is(looks.length, 0, 'and it is over');
  await ledger.close();
});

test('a missing segment stops the ledger, and is the one that is named', async () => {
  const whole = freshDisk();
  await fillSegments(whole);
  for (const missing of segments(whole)) {
    const disk = freshDisk();
    await fillSegments(disk);
    await disk.files().remove(missing);
    const error = await rejection(openLedger({ disk: disk.files() }));
    assert.is(error.code, 'ledger_corrupt');
    assert.is(error.facts.file, missing);
  }
});

test('an earlier segment that was cut short is named at the start, and nothing is changed', async () => {
  const disk = freshDisk();
  await fillSegments(disk);
  const name = segments(disk)[1]!;
  const file = await disk.files().open(name);
  const size = await file.size();
  await file.truncate(size - 1);
  const error = await rejection(openLedger({ disk: disk.files() }));
  assert.is(error.code, 'ledger_corrupt');
  assert.is(error.facts.file, name);
  assert.is(disk.contents(name).length, size - 1);
});

test('a ledger that was closed and has lost its end says so and cuts nothing', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files() });
  for (const name of ['one', 'two', 'three']) await ledger.append(record(name));
  await ledger.close();
  const name = segments(disk)[0]!;
  const file = await disk.files().open(name);
  await file.truncate((await file.size()) - 2);
  const error = await rejection(openLedger({ disk: disk.files() }));
  assert.is(error.code, 'ledger_corrupt');
  assert.equal([error.facts.file, error.facts.position], [name, 2]);
  assert.is(disk.contents(name).length, await file.size());
  for (const left of segments(disk)) await disk.files().remove(left);
  assert.is((await rejection(openLedger({ disk: disk.files() }))).facts.file, name, 'an emptied folder, too');
});

test('of two writers the later one wins: the other acknowledges nothing any more, and nothing of it is read', async () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const random = seededRandom(seed);
    const disk = freshDisk(seed);
    const first = await openLedger({ disk: disk.files(), segmentBytesMax: 150 });
    const acknowledged: string[] = [];
    const append = async (ledger: FileLedger, name: string): Promise<string | undefined> => {
      try {
        const position = await ledger.append(record(name));
        acknowledged[position] = name;
        return undefined;
      } catch (error) {
        return (error as SundialError).code;
      }
    };
    for (let count = random.below(6); count >= 0; count -= 1) await append(first, `first ${count}`);
    // Some of them are on their way while the other one comes.
    const late = [0, 1, 2].slice(0, random.below(4)).map((count) => append(first, `late ${count}`));
    const second = await openLedger({ disk: disk.files(), segmentBytesMax: 150 });
    if (random.chance(0.5)) await append(second, 'second 0');
    await Promise.all(late);
    const fenced = [await append(first, 'lost'), await append(first, 'lost, too')];
    assert.equal(fenced, ['ledger_fenced', 'ledger_fenced'], `seed ${seed}`);
    assert.is(first.phase, 'closed');
    for (let count = 1; count < 8; count += 1) await append(second, `second ${count}`);
    await first.close();
    await second.close();
    const third = await openLedger({ disk: disk.files() });
    const found = await contents(third);
    for (const [position, name] of acknowledged.entries())
      if (name !== undefined) assert.is(found[position], name, `seed ${seed}, position ${position}`);
    await third.close();
  }
});

test('a segment of a writer that had lost the folder is passed over, wherever it begins', async () => {
  const disk = freshDisk();
  const first = await openLedger({ disk: disk.files() });
  await first.append(record('one'));
  const second = await openLedger({ disk: disk.files() });
  await second.append(record('two'));
  // What the first one would have done between its look at the writer and the creation of the file.
  const file = await disk.files().create('segment-00000009.log');
  await file.write(0, encodeHeader({ first: 1, salt: 7, epoch: 1, before: { index: 1, bytes: 67 } }));
  await file.write(headerBytes, encodeGroup(7, 1, [record('never acknowledged')]));
  await file.sync();
  await second.close();
  const third = await openLedger({ disk: disk.files() });
  assert.equal(await contents(third), ['one', 'two']);
  assert.is(await third.append(record('three')), 2);
});

test('a lost writer file costs nothing: the epoch goes on from the segments', async () => {
  const disk = freshDisk();
  const first = await openLedger({ disk: disk.files() });
  await first.append(record('one'));
  await disk.files().remove('writer.json');
  const second = await openLedger({ disk: disk.files() });
  await second.append(record('two'));
  await second.close();
  assert.is((await rejection(first.append(record('late')))).code, 'ledger_fenced');
  assert.equal(await contents(await openLedger({ disk: disk.files() })), ['one', 'two']);
});

test('fewer records than a checkpoint knows of are damage, not a torn end', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files() });
  await ledger.append(record('one'));
  await ledger.close();
  await (await openLedger({ disk: disk.files(), sizeKnown: 1 })).close();
  const error = await rejection(openLedger({ disk: disk.files(), sizeKnown: 2 }));
  assert.is(error.code, 'ledger_corrupt');
});

test('a segment of a newer version is refused by name', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files() });
  await ledger.append(record('one'));
  await ledger.close();
  const name = segments(disk)[0]!;
  const header = Buffer.from(disk.contents(name));
  header.writeUInt16BE(9, 10);
  const { crc32 } = await import('node:zlib');
  header.writeUInt16BE(9, 8);
  header.writeUInt32BE(crc32(header.subarray(0, 36)), 36);
  await (await disk.files().open(name)).write(0, header);
  assert.is((await rejection(openLedger({ disk: disk.files() }))).code, 'ledger_newer');
});

test('a record that looks like a group does not turn a torn end into damage', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files() });
  await ledger.append(record('one'));
  // The attacker copies a whole group as it was written into a ledger with another salt.
  const other = freshDisk(2);
  const source = await openLedger({ disk: other.files() });
  await source.append(record('forged'));
  const group = other.contents(segments(other)[0]!).slice(headerBytes);
  const before = disk.contents(segments(disk)[0]!).length;
  await ledger.append(group);
  disk.kill();
  disk.damage(segments(disk)[0]!, before);
  const again = await openLedger({ disk: disk.files() });
  assert.equal(await contents(again), ['one']);
});

test('empty and oversized records are refused before anything is written', async () => {
  const ledger = await openLedger({ disk: freshDisk().files() });
  for (const length of [0, recordBytesMax + 1]) {
    assert.is((await rejection(ledger.append(new Uint8Array(length)))).code, 'record_size');
  }
  assert.is(await ledger.append(new Uint8Array(recordBytesMax)), 0);
});

test('a full queue says so instead of growing', async () => {
  const ledger = await openLedger({ disk: freshDisk().files() });
  const appends: Promise<unknown>[] = [];
  for (let index = 0; index < ledgerQueueRecordsMax; index += 1) appends.push(ledger.append(record('x')));
  const error = await rejection(ledger.append(record('one too many')));
  assert.is(error.code, 'ledger_busy');
  assert.is(error.severity, 'call');
  await Promise.all(appends);
  assert.is(await ledger.append(record('later')), ledgerQueueRecordsMax);
  assert.ok(ledgerQueueRecordsMax > groupRecordsMax);
});

for (const fault of ['write', 'sync'] as const) {
  test(`after a failing ${fault} nothing is acknowledged that is not there, and work resumes by itself`, async () => {
    const disk = freshDisk();
    const phases: string[] = [];
    let writing: (() => void) | undefined;
    const resumed = new Promise<void>((resolve) => {
      writing = resolve;
    });
    const ledger = await openLedger({
      disk: disk.files(),
      retryMs,
      onPhase: (phase) => {
        phases.push(phase);
        if (phase === 'writing') writing?.();
      },
    });
    await ledger.append(record('kept'));
    disk.faults[fault] = 1;
    const failed = rejection(ledger.append(record('lost')));
    const error = await failed;
    assert.is(error.code, 'ledger_unavailable');
    assert.is(error.severity, 'call');
    assert.ok(error.cause instanceof Error);
    assert.is((await rejection(ledger.append(record('also lost')))).code, 'ledger_unavailable');
    assert.is(ledger.phase, 'waiting');
    disk.faults[fault] = 0;
    await resumed;
    assert.is(await ledger.append(record('after')), 1);
    assert.equal(phases, ['waiting', 'writing']);
    assert.is(segments(disk).length, 2);
    assert.equal(await contents(ledger), ['kept', 'after']);
    disk.powerCut();
    assert.equal(await contents(await openLedger({ disk: disk.files() })), ['kept', 'after']);
  });
}

test('a record whose fsync failed before the process was killed is either gone or truly durable at the next start', async () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const disk = freshDisk(seed);
    const ledger = await openLedger({ disk: disk.files(), retryMs: { first: 1_000, last: 1_000 } });
    await ledger.append(record('kept'));
    disk.faults.sync = 1;
    await rejection(ledger.append(record('in memory only')));
    // Before it can cut the failed group off, in half of the runs.
    disk.kill();
    await ledger.close();
    disk.faults.sync = 0;
    const second = await openLedger({ disk: disk.files() });
    const seen = await contents(second);
    await second.close();
    disk.powerCut();
    assert.equal(await contents(await openLedger({ disk: disk.files() })), seen, `seed ${seed}`);
  }
});

test('a segment whose durable records vanish with a failing fsync stops the ledger', async () => {
  const disk = freshDisk();
  let stopped: ((error: SundialError | undefined) => void) | undefined;
  const closed = new Promise<SundialError | undefined>((resolve) => {
    stopped = resolve;
  });
  const ledger = await openLedger({
    disk: disk.files(),
    retryMs,
    onPhase: (phase, reason) => {
      if (phase === 'closed') stopped?.(reason);
    },
  });
  await ledger.append(record('kept'));
  disk.damage(segments(disk)[0]!, headerBytes + 12);
  disk.faults.sync = 1;
  await rejection(ledger.append(record('lost')));
  disk.faults.sync = 0;
  assert.is((await closed)?.code, 'ledger_corrupt');
  assert.ok(isError(await rejection(ledger.append(record('refused'))), 'ledger_corrupt'));
});

test('every acknowledged record survives any mix of faults, kills and power cuts', async () => {
  let acknowledgedAll = 0;
  let cuts = 0;
  for (const seed of rounds(1_000, 20_000)) {
    const random = seededRandom(seed);
    const disk = new FaultyDisk(random);
    const acknowledged = new Map<number, string>();
    let serial = 0;
    for (let life = 0; life < 4; life += 1) {
      disk.faults = { write: 0, sync: 0, create: 0, remove: 0 };
      let ledger: FileLedger;
      try {
        ledger = await openLedger({
          disk: disk.files(),
          segmentBytesMax: 400,
          retryMs: { first: 0, last: 1 },
        });
        const found = await contents(ledger);
        for (const [position, name] of acknowledged) {
          assert.is(found[position], name, `seed ${seed}, life ${life}, position ${position}`);
        }
        assert.is(new Set(found).size, found.length, `seed ${seed}: a record appears twice`);
        // Unacknowledged records that turned up are durable from now on.
        for (const [position, name] of found.entries()) acknowledged.set(position, name);
      } catch (error) {
        throw new Error(`seed ${seed}, life ${life}: ${(error as Error).message}`, { cause: error });
      }
      if (random.chance(0.7)) disk.faults = { write: 0.1, sync: 0.1, create: 0.1, remove: 0.5 };
      const pending: Promise<void>[] = [];
      for (let step = random.below(12); step >= 0; step -= 1) {
        for (let burst = random.below(5); burst >= 0; burst -= 1) {
          serial += 1;
          const name = `record ${serial} ${'x'.repeat(random.below(60))}`;
          pending.push(
            ledger.append(record(name)).then(
              (position) => {
                assert.not(acknowledged.has(position), `seed ${seed}: position ${position} given twice`);
                acknowledged.set(position, name);
                acknowledgedAll += 1;
              },
              (error) => assert.is(error.code, 'ledger_unavailable'),
            ),
          );
        }
        if (random.chance(0.5)) await Promise.all(pending.splice(0));
        else await new Promise((resolve) => setImmediate(resolve));
      }
      // Cut in the middle of whatever is going on; a promise that resolves later would be a lie.
      if (random.chance(0.3)) disk.kill();
      else disk.powerCut();
      cuts += 1;
      await Promise.all(pending);
      await ledger.close();
    }
  }
  console.log(`${acknowledgedAll} records acknowledged over ${cuts} kills and power cuts, 0 lost`);
  assert.ok(acknowledgedAll > 0);
});

test.run();
