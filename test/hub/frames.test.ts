/**
 * The bytes of ledger segments: what is written is what the layout says, anything else is not read, and files that are
 * short, damaged or out of order are told apart. And the hub's figures that others count on. Not checked here: faults
 * while writing (ledger.test.ts) and killed processes (ledger-kill.test.ts).
 */
import { crc32 } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeGroup,
  decodeHeader,
  encodeGroup,
  encodeHeader,
  findGroup,
  groupHeaderBytes,
  headerBytes,
} from '../../hub/ledger/frame.ts';
import { openSegments, segmentName } from '../../hub/ledger/reader.ts';
import * as limits from '../../hub/limits.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { FaultyDisk, openLedger } from './faulty-disk.ts';
import { seededRandom } from './random.ts';

const SALT = 0x9abc_def0;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const headerOf = (first: number, before = { index: 0, bytes: 0 }, salt = SALT): Buffer =>
  encodeHeader({ first, salt, epoch: 1, before });
const record = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

test('a header and a group are the bytes of the layout', () => {
  const before = { index: 0x1122_3344, bytes: 0x5566_7788 };
  const fields = { first: 0x0102_0304_0506, salt: SALT, epoch: 0x0a0b_0c0d_0e0f, before };
  const header = encodeHeader(fields);
  assert.is(header.length, 40);
  assert.is(
    hex(header.subarray(0, 36)),
    `53554e4449414c0a${'0002'}${'0002'}010203040506${'9abcdef0'}${'0a0b0c0d0e0f'}${'11223344'}${'55667788'}`,
  );
  assert.equal(decodeHeader(header), { kind: 'header', bytes: 40, ...fields });
  const first = Buffer.from('53554e4449414c0a000100010000000000079abcdef00000', 'hex');
  const old = Buffer.concat([first, Buffer.alloc(4)]);
  old.writeUInt32BE(crc32(first), 24);
  const read = { first: 7, salt: SALT, epoch: 0, before: undefined };
  assert.equal(decodeHeader(old), { kind: 'header', bytes: 28, ...read }, 'version 1 is still read');
  const group = encodeGroup(SALT, 7, [record(2, 0xaa), record(1, 0xbb)]);
  assert.is(hex(group.subarray(0, 16)), `53475250${'0000000b'}000000000007${'0002'}`);
  assert.is(hex(group.subarray(20)), '00000002aaaa00000001bb');
  const padded = Buffer.concat([record(3, 1), group, record(3, 1)]);
  const decoded = decodeGroup(SALT, padded, 3)!;
  assert.is(decoded.first, 7);
  assert.is(decoded.end, 3 + group.length);
  assert.equal(
    decoded.records.map(({ position, bytes }) => [position, hex(bytes)]),
    [
      [7, 'aaaa'],
      [8, 'bb'],
    ],
  );
});

test('one bit flipped anywhere: no header, and no group', () => {
  const header = headerOf(5);
  for (let bit = 0; bit < 8 * headerBytes; bit++) {
    const flipped = Buffer.from(header);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(decodeHeader(flipped), { kind: 'damaged' }, `bit ${bit}`);
  }
  assert.equal(decodeHeader(header.subarray(0, headerBytes - 1)), { kind: 'damaged' });
  const group = encodeGroup(SALT, 7, [record(2, 0xaa), record(1, 0xbb)]);
  for (let bit = 0; bit < 8 * group.length; bit++) {
    const flipped = Buffer.from(group);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.is(decodeGroup(SALT, flipped, 0), undefined, `bit ${bit}`);
  }
  assert.is(decodeGroup(SALT + 1, group, 0), undefined, 'another salt');
  assert.is(decodeGroup(SALT, group.subarray(0, -1), 0), undefined, 'cut short');
});

/** A group whose body is written by hand, with a checksum that fits. */
function forged(count: number, body: Uint8Array): Buffer {
  const whole = encodeGroup(SALT, 7, [body]);
  // The record's own length goes: the body is what was handed in.
  const made = Buffer.concat([whole.subarray(0, groupHeaderBytes), body]);
  made.writeUInt32BE(body.length, 4);
  made.writeUInt16BE(count, 14);
  // The checksum of such a group, found the way encodeGroup finds it: over a record that looks the same.
  const sized = encodeGroup(SALT, 7, [body.subarray(4)]);
  if (sized.length === made.length && sized.subarray(groupHeaderBytes).equals(body)) {
    if (count === 1) made.writeUInt32BE(sized.readUInt32BE(16), 16);
  }
  return made;
}

test('a group holds one record or more, each with bytes', () => {
  const good = Buffer.from('00000001aa', 'hex');
  assert.is(decodeGroup(SALT, forged(1, good), 0)?.records.length, 1);
  assert.is(decodeGroup(SALT, encodeGroup(SALT, 7, []), 0), undefined, 'no record');
  assert.is(decodeGroup(SALT, encodeGroup(SALT, 7, [record(0, 0)]), 0), undefined, 'an empty record');
  const largest = record(limits.recordBytesMax, 3);
  assert.is(decodeGroup(SALT, encodeGroup(SALT, 7, [largest]), 0)?.records[0]?.bytes.length, largest.length);
  const larger = encodeGroup(SALT, 7, [record(limits.recordBytesMax + 1, 3)]);
  assert.is(decodeGroup(SALT, larger, 0), undefined, 'a record that is too large');
  const many = Array.from({ length: limits.groupRecordsMax }, () => record(1, 1));
  assert.is(decodeGroup(SALT, encodeGroup(SALT, 7, many), 0)?.records.length, many.length);
  assert.is(
    decodeGroup(SALT, encodeGroup(SALT, 7, [...many, record(1, 1)]), 0),
    undefined,
    'too many records',
  );
  const full = Array.from({ length: 4 }, () => record(limits.groupBytesMax / 4 - 4, 1));
  assert.is(decodeGroup(SALT, encodeGroup(SALT, 7, full), 0)?.records.length, 4);
  const over = encodeGroup(SALT, 7, [...full, record(1, 1)]);
  assert.is(decodeGroup(SALT, over, 0), undefined, 'too many bytes');
});

test('the next intact group is found wherever it begins, and what only looks like one is not', () => {
  const group = encodeGroup(SALT, 7, [record(5, 9)]);
  const noise = Buffer.from('SGRPSGRSGRP', 'latin1');
  for (let before = 0; before < 40; before++) {
    const bytes = Buffer.concat([noise, record(before, 0x53), group]);
    const at = noise.length + before;
    assert.is(findGroup(SALT, bytes, 0), at);
    assert.is(findGroup(SALT, bytes, at), at);
    assert.is(findGroup(SALT, bytes, at + 1), undefined);
  }
});

const freshDisk = (): FaultyDisk => new FaultyDisk(seededRandom(5));

/** Writes a file as it is. */
async function put(disk: FaultyDisk, index: number, bytes: Uint8Array): Promise<void> {
  const files = disk.files();
  const file = await files.create(segmentName(index));
  await file.write(0, bytes);
  await file.sync();
  await files.syncFolder();
}

const errorOf = async (work: Promise<unknown>): Promise<SundialError | undefined> => {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error as SundialError;
  }
};

test('a file that is no longer than a header, and none, never held a record: it goes', async () => {
  for (const length of [0, 1, headerBytes - 1, headerBytes]) {
    const disk = freshDisk();
    await put(disk, 1, Buffer.concat([headerOf(0), encodeGroup(SALT, 0, [record(3, 1)])]));
    await put(disk, 2, record(length, 0x41));
    const opened = await openSegments(disk.files());
    assert.is(opened.size, 1);
    assert.equal(opened.tornTail, { file: segmentName(2), offset: 0, bytes: length });
    assert.equal(disk.names(), [segmentName(1)]);
  }
  const disk = freshDisk();
  await put(disk, 1, Buffer.concat([headerOf(0), encodeGroup(SALT, 0, [record(3, 1)])]));
  await put(disk, 2, record(headerBytes + 1, 0x41));
  const error = await errorOf(openSegments(disk.files()));
  assert.is(error?.code, 'ledger_corrupt');
  assert.is(error?.facts.file, segmentName(2));
  assert.equal(disk.names(), [segmentName(1), segmentName(2)], 'and nothing is removed');
});

test('files that begin before the one before them, or not at zero, are damage', async () => {
  for (const [first, second, code] of [
    [0, 1, undefined],
    [0, 0, undefined],
    [1, undefined, 'ledger_corrupt'],
    [3, 2, 'ledger_corrupt'],
  ] as const) {
    const disk = freshDisk();
    const groups = first === 0 ? [encodeGroup(SALT, 0, [record(3, 1)])] : [];
    await put(disk, 1, Buffer.concat([headerOf(first), ...groups]));
    if (second !== undefined) await put(disk, 2, headerOf(second, { index: 1, bytes: 0 }, SALT + 1));
    assert.is((await errorOf(openSegments(disk.files())))?.code, code, `${first}, ${second}`);
  }
});

test('groups count as long as their positions follow each other', async () => {
  const disk = freshDisk();
  const groups = [0, 2, 3].map((first, index) =>
    encodeGroup(SALT, first, index === 0 ? [record(1, 1), record(1, 2)] : [record(1, 3)]),
  );
  await put(disk, 1, Buffer.concat([headerOf(0), ...groups]));
  assert.is((await openSegments(disk.files())).size, 4);
});

test('a ledger says how many records wait, and writes as many together as a group holds', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files() });
  assert.is(ledger.queued, 0);
  const appended = Array.from({ length: limits.groupRecordsMax + 1 }, (_, at) =>
    ledger.append(record(1, at & 255)),
  );
  assert.is(ledger.queued, limits.groupRecordsMax + 1);
  await appended[0];
  assert.is(ledger.size, limits.groupRecordsMax);
  assert.is(await appended.at(-1), limits.groupRecordsMax);
  const large = limits.recordBytesMax;
  const sizes = [large, large, large, large - 4 * 4, 1];
  const more = sizes.map((length) => ledger.append(record(length, 1)));
  await more[0];
  assert.is(ledger.size, limits.groupRecordsMax + 5, 'a megabyte with its lengths, and no byte more');
  await Promise.all(more);
  await ledger.close();
});

test('after a failed write the space of the torn group is given back', async () => {
  const disk = freshDisk();
  const ledger = await openLedger({ disk: disk.files(), retryMs: { first: 1, last: 4 } });
  await ledger.append(record(3, 1));
  const { length } = disk.contents(segmentName(1));
  disk.faults.write = 1;
  const error = await errorOf(ledger.append(record(200, 2)));
  assert.is(error?.code, 'ledger_unavailable');
  await ledger.close();
  assert.is(disk.contents(segmentName(1)).length, length);
});

test('the hub’s figures are the ones that its README and its devices count on', () => {
  const figures = Object.entries(limits).filter(([, value]) => typeof value !== 'function');
  assert.equal(Object.fromEntries(figures), {
    batchLanesMax: 1_000,
    transactionBytesMax: 131_072,
    recordBytesMax: 262_144,
    groupBytesMax: 1_048_576,
    groupRecordsMax: 8_192,
    ledgerQueueBytesMax: 16_777_216,
    ledgerQueueRecordsMax: 65_536,
    segmentBytesMax: 33_554_432,
    ledgerRetryMs: { first: 50, last: 5_000 },
    positionMax: 2 ** 48 - 1,
    brokerClientsMax: 2_000,
    ingestInFlightMax: 256,
    downInFlightMax: 8_192,
    pendingRecordsMax: 8_192,
    waitersMax: 8,
    watchBlocks: { least: 10, first: 100, most: 10_000 },
    watchStoredEvery: 1_000,
    headersInBatch: 64,
    headersAtOnce: 16,
    finalHashesMax: 64,
    finalityBlocksUnsaid: 64,
    nodesMax: 5,
    chainSilenceMs: 8_000,
    unregisteredShownMax: 100,
    chainRetryMsMax: 30_000,
    creditRowsMax: 100,
    evidenceMax: 500,
    shownRowsMax: 300,
    replacementsMax: 20,
    nonceGapBlocks: 10,
    registryLogBytesMin: 1_048_576,
    auditFileBytesMax: 16_777_216,
    codesMax: 2_000,
    enrolledMax: 10_000,
    merchantsMax: 1_000,
    pageMax: 500,
    challengesMax: 1_000,
    nearInFlightMax: 64,
    tokensMax: 1_000,
    pageEntriesMax: 1_000,
    brokerClientsPerAddressMax: 500,
    loginsRememberedMax: 10_000,
    stateBytesMax: 16,
    keptSizesMax: 65_536,
    lostRecordsMax: 10_000_000,
    scrubPauseMs: 30_000,
    recoverMargin: 1_000_000,
    keyWarningSeconds: 432_000,
    indexBatchRecords: 2_048,
    indexRestMs: 1_000,
    indexRetryMs: 10_000,
    indexBuildRecords: 32_768,
    indexLagMax: 65_536,
    indexTailRecords: 16_384,
    indexProgressRecords: 250_000,
    announcedLanesMax: 20_000,
    announcementLife: 604_800,
    clockErrorMax: 86_400,
    electedMs: 6_000,
    sharedLookMs: 100,
    sharedReadRecords: 4096,
    terminalPayeesMax: 16,
    turnAttemptsMax: 16,
    turnMessagesMax: 256,
    watchLagMax: 604_800,
    carriedAtOnceMax: 8,
    carriedDayMax: 2_000,
    signerBatchMax: 256,
    signerTimeoutMs: 10_000,
    deviceRate: { perSecond: 32_768, burst: 1_048_576 },
    addressRate: { perSecond: 262_144, burst: 16_777_216 },
    knockRate: { perSecond: 20, burst: 1_000 },
    deviceInFlightMax: 128,
    ratedNamesMax: 10_000,
    ratedLineEveryMs: 10_000,
    strangersMax: 1_000,
    spokenOverheadBytes: 64,
    keystoreMemoryMax: 536_870_912,
    keystoreRoundsMax: 10_000_000,
    approvalSeconds: 86_400,
    approvalsMax: 100,
    passkeysMax: 1_000,
    passkeysOfOneMax: 8,
    hooksMax: 20,
    hookUrlMax: 500,
    hookLookMs: 30_000,
    hookNotesMax: 1_000,
    hookRecentMax: 1_024,
    hookSliceMax: 500,
    hookStoreMs: 1_000,
    hookTimeoutMs: 10_000,
    hookRetryMs: { first: 5_000, last: 3_600_000 },
    hookPatience: { seconds: 432_000, attempts: 8 },
    hookSecretOverlap: 86_400,
    traceBatchMax: 512,
    traceEveryMs: 1_000,
    traceLaneMax: 256,
    traceLanesMax: 10_000,
    traceQueueMax: 4_096,
    traceTimeoutMs: 10_000,
  });
  // An eighth of the room is kept for what leases bring, a warning at three quarters.
  assert.is(limits.leasedEntriesMax(1_000), 875);
  assert.is(limits.leasedEntriesMax(1_001), 875);
  assert.is(limits.indexWarningFor(1_000), 750);
  assert.is(limits.indexWarningFor(1_001), 750);
});

test.run();
