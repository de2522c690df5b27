/**
 * The hub that ships over a ledger of some thousand records: it builds its index, starts from it the next time, builds it
 * anew when it is gone or damaged, and has the same books and the same tree each time. L2 is away all the while.
 *
 * Not checked: how long it takes (bench:hub), and what devices see (the tests of the hub's doors).
 */
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type AssembledHub, assembleHub } from '../../hub/assemble.ts';
import { channelsOf } from '../../hub/intake/books.ts';
import { heldEntries } from '../../hub/intake/state.ts';
import { MerkleTree } from '../../hub/ledger/merkle.ts';
import { encodeRecord } from '../../hub/ledger/records.ts';
import { indexBuildRecords, indexTailRecords } from '../../hub/limits.ts';
import type { Logger } from '../../hub/log.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { amount, channelId, seq } from '../../protocol/integers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { aloneSetup, never, portsIn } from './alone.ts';
import { NOW, payee, suite, terminal } from './fleet.ts';
import { inTemporaryFolder } from './temporary.ts';

const CHANNELS = 50;
/** One batch of a build, the end that a start leaves in memory, and some. */
const RECORDS = indexBuildRecords + indexTailRecords + 48;

/** Records as a ledger holds them. A start verifies nothing, so the signatures say nothing. */
const recordOf = (n: number): Uint8Array => {
  const count = Math.floor(n / CHANNELS) + 1;
  const signature = new Uint8Array(64);
  const message = encodeMessage({
    type: 'collectedVoucher',
    channel: channelId((n % CHANNELS) + 1),
    seq: seq(count),
    spent: amount(count),
    paid: amount(count),
    payee: payee.address,
    terminal: terminal.address,
    at: NOW,
    detail: new Uint8Array(32),
    amount: amount(1),
    lanes: new Uint8Array(16),
    signature,
    receipt: signature,
  });
  return encodeRecord({
    type: 'entry',
    id: suite.keccak256(Uint8Array.of(n >> 16, n >> 8, n)),
    at: NOW,
    message,
  });
};

/** Starts the hub of a folder and looks at it; what it warned of with a reason is in `reasons`. */
async function started(
  folder: string,
  look: (hub: AssembledHub, reasons: readonly string[]) => void | Promise<void>,
) {
  const reasons: string[] = [];
  const warn = (fields: { reason?: string }) => fields.reason !== undefined && reasons.push(fields.reason);
  const log = { debug: never, info: never, warn, error: never, fatal: never } as unknown as Logger;
  const hub = await assembleHub(await portsIn(folder), aloneSetup(log));
  try {
    await look(hub, reasons);
  } finally {
    await hub.stop();
  }
}

test('a start builds the index, the next one takes it, and a broken one is built anew', () =>
  inTemporaryFolder(async (folder) => {
    const ledger = await openFileLedger(join(folder, 'ledger'));
    const whole = new MerkleTree(suite.keccak256);
    const records = Array.from({ length: RECORDS }, (_, n) => recordOf(n));
    for (const record of records) whole.append(record);
    for (let at = 0; at < RECORDS; at += 4_096)
      await Promise.all(records.slice(at, at + 4_096).map((record) => ledger.append(record)));
    await ledger.close();
    const check = ({ intake, journal }: AssembledHub): void => {
      const { books } = intake.state;
      assert.is(books.vouchers, RECORDS);
      const found = [...channelsOf(books)].map(([, book]) => book.entries.length);
      assert.equal(found, new Array(CHANNELS).fill(found[0]));
      assert.is(found[0]! * CHANNELS, RECORDS - (RECORDS % CHANNELS));
      assert.equal(journal.tree.root(), whole.root());
      assert.equal(journal.tree.proof(7), whole.proof(7));
    };
    await started(folder, (hub, reasons) => {
      assert.equal(reasons, ['missing']);
      check(hub);
      assert.ok(heldEntries(hub.intake.state.books) < RECORDS, 'the rest is in the index already');
    });
    await started(folder, (hub, reasons) => {
      assert.equal(reasons, []);
      check(hub);
      assert.is(heldEntries(hub.intake.state.books), 0, 'a clean stop wrote all of it');
    });
    await truncate(join(folder, 'index/data.mdb'), 100_000);
    await started(folder, (hub, reasons) => {
      assert.equal(reasons, ['damaged']);
      check(hub);
    });
  }));

test.run();
