/**
 * The same messages to an intake whose books are in memory and to one over an index on disk that is written at random
 * moments: every effect is the same, every book reads the same, and a start from the index and the rest of the ledger
 * finds what a start from the whole ledger finds. And an index that can't be used is known as that.
 *
 * Not checked: that LMDB survives a cut of power, and how fast any of it is (bench:hub). The seed of a failure is printed.
 */
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IndexFollower } from '../../hub/index/follower.ts';
import { LmdbIndex } from '../../hub/index/lmdb-index.ts';
import { openIndexOf } from '../../hub/index/open.ts';
import { channelsOf, countersignedOf, findEntry, knownEntry, newestFirst } from '../../hub/intake/books.ts';
import { layersEntries, layersGet } from '../../hub/intake/layers.ts';
import { positionOf } from '../../hub/intake/positions.ts';
import { type Books, heldEntries, type IntakeEvent } from '../../hub/intake/state.ts';
import { numberKey, trieEntries } from '../../hub/intake/trie.ts';
import { MerkleTree } from '../../hub/ledger/merkle.ts';
import type { Ledger } from '../../hub/ledger/ledger.ts';
import { encodeRecord, type HubRecord } from '../../hub/ledger/records.ts';
import { createLogger, type Logger } from '../../hub/log.ts';
import { applyBatchRecord, emptyHistory } from '../../hub/settle/batches.ts';
import { amount, channelId, seconds } from '../../protocol/integers.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import {
  Bench,
  credit,
  NOW,
  otherPayee,
  otherTerminal,
  payee,
  payer,
  preparedState,
  signing,
  suite,
  tap,
  terminal,
  tick,
} from './fleet.ts';
import { rounds, seededRandom } from './random.ts';
import { inTemporaryFolder } from './temporary.ts';

const CHANNELS = [7, 8, 300, 0x10000001];
const seed = suite.keccak256(Uint8Array.of(9));
const other = { payee: otherPayee, terminal: otherTerminal };

/** A bench whose books stand over an index, and a ledger that is a list. */
class Indexed extends Bench {
  readonly store: LmdbIndex;
  tree: MerkleTree;
  history = emptyHistory;
  phase: 'writing' | 'waiting' = 'writing';

  constructor(store: LmdbIndex, tree: MerkleTree, state = preparedState()) {
    super(state);
    this.store = store;
    this.tree = tree;
  }

  override writeOne() {
    const { record } = this.unwritten[0]!;
    this.tree.append(encodeRecord(record));
    this.history = applyBatchRecord(this.history, record, this.records.length);
    return super.writeOne();
  }

  /** Writes what is durable into the index, as the hub does it. */
  async index(): Promise<IndexFollower> {
    const follower = new IndexFollower({
      time: { nowMs: () => 0, schedule: () => () => undefined },
      store: this.store,
      intake: this as never,
      journal: { ledger: { phase: this.phase }, tree: this.tree } as never,
      settle: { history: this.history, lanes: { indexed: () => undefined } } as never,
      log: createLogger('silent'),
    });
    await follower.write();
    return follower;
  }

  async handle(event: IntakeEvent): Promise<void> {
    this.step(event);
  }
}

/** Opens the index in a folder over the ledger `records`, and replays what it doesn't have. */
async function start(folder: string, records: readonly HubRecord[]): Promise<Indexed> {
  const store = await LmdbIndex.open(folder, () => undefined);
  const { books, history } = store.restore();
  const bench = new Indexed(store, new MerkleTree(suite.keccak256, store, store.applied));
  bench.history = history ?? emptyHistory;
  bench.step({ type: 'restored', books, size: store.applied });
  for (let position = store.applied; position < records.length; position += 1) {
    const record = records[position]!;
    bench.step({ type: 'replayed', record, position });
    bench.tree.append(encodeRecord(record));
    bench.history = applyBatchRecord(bench.history, record, position);
  }
  bench.records.push(...records);
  return bench;
}

/** Everything that books say, as a text. Tokens of one run are another's positions. */
function textOf(state: Bench['state'], digests: readonly Uint8Array[], books: Books = state.books): string {
  const place = ({ token }: { token: number }) => positionOf(state, token) ?? 'writing';
  const entry = (one: { token: number }) => ({ ...one, token: place(one) });
  const channels = [...channelsOf(books)].map(([channel, book]) => ({
    ...book,
    channel,
    entries: [...book.entries].map(entry),
    backwards: [...book.entries.before(Number.POSITIVE_INFINITY)].map(entry),
    from3: [...book.entries.from(3)].map(entry),
    before3: [...book.entries.before(3)].map(entry),
    last: book.entries.last && entry(book.entries.last),
    length: book.entries.length,
    lanes: [...layersEntries(book.lanes)],
    claims: [...layersEntries(book.claims)].map(([payee, one]) => [
      payee,
      entry(one),
      entry(layersGet(book.claims, payee)!),
    ]),
    countersigned: [...layersEntries(book.countersigned)].map(([id, one]) => [id, entry(one)]),
  }));
  const newest = [...newestFirst(books)];
  const { past: _past, channels: _channels, known: _known, owed, clearances, synced, ...rest } = books;
  const all = {
    ...rest,
    channels,
    countersigned: [...countersignedOf(books)].map(([id, one]) => [id, entry(one)]),
    newest: newest.map(entry),
    older: [...newestFirst(books, newest[newest.length >> 1])].map(entry),
    owed: trieEntries(owed).filter(([, one]) => one !== undefined),
    synced: trieEntries(synced),
    held: trieEntries(clearances.held).filter(([, one]) => one.length > 0),
    over: [trieEntries(clearances.over), trieEntries(clearances.overBefore), clearances.since],
    known: digests.map((id) => {
      const known = knownEntry(books, id);
      const found = findEntry(books, id);
      return [known && { ...known, token: place(known) }, found && entry(found)];
    }),
  };
  return JSON.stringify(all, (_name, value) => {
    if (value instanceof Uint8Array) return hexOf(value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([one], [two]) => (one < two ? -1 : 1)));
  });
}
/** The running sums are what a look at every entry finds. */
function sumsFit(books: Books): void {
  let [paid, lost, voids, vouchers] = [0, 0, 0, 0];
  for (const [, book] of channelsOf(books)) {
    let ticks = 0;
    const lanes = new Map<string, { vouchers: number; credited: number; top: number }>();
    for (const { payee: to, amount: sum, paid: reached, stream, voided, credited } of book.entries) {
      const moved = sum + (stream === undefined ? 0 : stream.k * stream.tickValue);
      vouchers += 1;
      ticks += stream?.k ?? 0;
      if (voided) [lost, voids] = [lost + moved, voids + 1];
      else paid += moved;
      const lane = lanes.get(hexOf(to)) ?? { vouchers: 0, credited: 0, top: 0 };
      lanes.set(hexOf(to), {
        vouchers: lane.vouchers + 1,
        credited: lane.credited + credited,
        top: voided ? lane.top : Math.max(lane.top, reached + moved - sum),
      });
    }
    assert.is(book.ticks, ticks);
    for (const [to, lane] of layersEntries(book.lanes))
      assert.equal({ vouchers: lane.vouchers, credited: lane.credited, top: lane.top }, lanes.get(to));
  }
  const { takings } = books;
  assert.equal([takings.paid, takings.void, takings.voids, books.vouchers], [paid, lost, voids, vouchers]);
  const counted = takings.hours.reduce((all, hour) => all + hour.payments, 0);
  assert.is(counted, vouchers - voids, 'all of them are of this hour');
}

/** The first place where two texts differ, so that a failure can be read. */
function same(one: string, two: string): void {
  if (one === two) return;
  let at = 0;
  while (one[at] === two[at]) at += 1;
  const around = (text: string) => text.slice(Math.max(0, at - 150), at + 150);
  throw new Error(`${around(one)}\n  instead of\n${around(two)}`);
}
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Honest messages and frauds of several channels, signed once; and digests that may be asked about. */
async function material() {
  const messages: Uint8Array[] = [];
  const digests: Uint8Array[] = [];
  for (const channel of CHANNELS) {
    const own = { channel };
    const taps = await Promise.all([
      tap({ ...own, seq: 1, amount: 10, spent: 10, paid: 10 }),
      tap({ ...own, ...other, seq: 2, amount: 5, spent: 15, paid: 5 }),
      tap({ ...own, seq: 3, amount: 7, spent: 22, paid: 17 }),
      tap({ ...own, seq: 4, amount: 3, spent: 25, paid: 20, answer: 'credit' }),
      tap({ ...own, seq: 6, amount: 0, spent: 25, paid: 20, stream: { tickValue: 2, ticks: 50, seed } }),
      tap({ ...own, ...other, seq: 7, amount: 1, spent: 60, paid: 6 }),
      tap({
        ...own,
        seq: 8,
        amount: 1,
        spent: 61,
        paid: 40,
        list: [{ payee: otherPayee.address, paid: amount(6) }],
      }),
      // The same seq once more, an overlap, and one that comes between.
      ...(channel === 8 ? [tap({ ...own, seq: 3, amount: 8, spent: 23, paid: 18 })] : []),
      ...(channel === 300 ? [tap({ ...own, seq: 5, amount: 9, spent: 20, paid: 26 })] : []),
    ]);
    const [first, , third, voided, stream] = taps;
    messages.push(...taps.map(({ bytes }) => bytes));
    digests.push(...taps.map(({ id }) => id));
    for (const k of [1, 4, 9]) messages.push(encodeMessage(tick(stream, seed, 50, k)));
    for (const [of, credited, signer, byPayee] of [
      [first, 4, terminal, false],
      [first, 4, payee, true],
      [first, 6, payee, true],
      [third, 7, terminal, false],
      [voided, 3, payee, true],
    ] as const)
      messages.push(encodeMessage(await credit(of, credited, signer, byPayee)));
    const request = {
      channel: channelId(channel),
      seq: 8 as never,
      spent: amount(61),
      at: NOW,
      scope: SCOPE_ANY,
    };
    const signature = await payer.sign(signing.digest('LeaseRequest', request));
    messages.push(encodeMessage({ type: 'leaseRequest', ...request, signature }));
    messages.push(
      encodeMessage({
        type: 'statement',
        channel: channelId(channel),
        seq: 8 as never,
        lanes: [{ payee: otherPayee.address, paid: amount(6) }],
      }),
    );
    for (const { id } of taps)
      for (const at of [channel, channel + 1])
        messages.push(
          encodeMessage({
            type: 'query',
            channel: channelId(at),
            seq: 77 as never,
            entry: id,
            terminal: terminal.address,
          }),
        );
  }
  for (const at of [100, 200]) {
    const word = { terminal: terminal.address, at: seconds(at) };
    messages.push(
      encodeMessage({
        type: 'synced',
        ...word,
        signature: await terminal.sign(signing.digest('Synced', word)),
      }),
    );
  }
  return { messages, digests: [...digests, suite.keccak256(Uint8Array.of(77))] };
}

const told = (bench: Bench): void => {
  for (const channel of CHANNELS)
    bench.step({
      type: 'channel',
      channel: channelId(channel),
      facts: {
        payer: payer.address,
        deposited: amount(100_000),
        spendable: amount(80_000),
        bond: amount(20_000),
        exiting: false,
        slashed: false,
      },
    });
};

test('an intake over an index does what one in memory does, whenever the index is written', async () => {
  const { messages, digests } = await material();
  let written = 0;
  for (const number of rounds(12, 300)) {
    await inTemporaryFolder(async (folder) => {
      const random = seededRandom(number);
      let plain = new Bench();
      let indexed = await start(join(folder, 'index'), []);
      told(plain);
      told(indexed);
      try {
        for (let step = 0; step < 150; step += 1) {
          const bytes = messages[random.below(messages.length)]!;
          const event = { type: 'message', device: `d${random.below(3)}`, bytes, now: NOW } as const;
          assert.equal(indexed.step(event), plain.step(event));
          if (random.chance(0.5)) assert.equal(indexed.write(), plain.write());
          else if (random.chance(0.2) && plain.unwritten.length > 0) {
            const { token } = plain.unwritten[0]!;
            plain.unwritten.length = 0;
            indexed.unwritten.length = 0;
            const failed = { type: 'persistFailed', token, code: 'storage_failed' } as const;
            assert.equal(indexed.step(failed), plain.step(failed));
            // While the disk fails nothing is written anywhere; then all books are looked through.
            indexed.phase = 'waiting';
            await indexed.index();
            indexed.phase = 'writing';
            assert.equal(indexed.step({ type: 'recheck' }), plain.step({ type: 'recheck' }));
          }
          if (random.chance(0.15)) {
            const applied = indexed.store.applied;
            await indexed.index();
            if (indexed.store.applied > applied) written += 1;
            assert.ok(indexed.store.applied <= indexed.records.length, 'never ahead of the ledger');
          }
          if (random.chance(0.1)) same(textOf(indexed.state, digests), textOf(plain.state, digests));
          if (random.chance(0.04)) {
            // A kill: what was not durable is gone.
            await indexed.store.close();
            plain = plain.restart();
            indexed = await start(join(folder, 'index'), indexed.records);
            told(plain);
            told(indexed);
            assert.equal(indexed.step({ type: 'recheck' }), plain.step({ type: 'recheck' }));
          }
        }
        plain.write();
        indexed.write();
        await indexed.index();
        if (indexed.store.applied === indexed.records.length)
          assert.is(heldEntries(indexed.state.books), 0, 'memory holds nothing that the index has');
        same(textOf(indexed.state, digests), textOf(plain.state, digests));
        sumsFit(indexed.state.books);
        const whole = new MerkleTree(suite.keccak256);
        for (const record of plain.records) whole.append(encodeRecord(record));
        assert.equal(indexed.tree.root(), whole.root());
      } catch (error) {
        throw new Error(`seed ${number}: ${(error as Error).message}`, { cause: error });
      } finally {
        await indexed.store.close();
      }
    });
  }
  assert.ok(written > 20, `${written} times written`);
});

test('while the index can not be written memory keeps everything, and nothing is lost', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await start(join(folder, 'index'), []);
    told(bench);
    const { store } = bench;
    const write = store.write.bind(store);
    const full = new Error('no space left');
    for (let seq = 1; seq <= 30; seq += 1) {
      bench.send((await tap({ seq, amount: 1, spent: seq, paid: seq })).bytes);
      if (seq % 10 !== 0) continue;
      store.write = seq === 20 ? () => Promise.reject(full) : write;
      const { trouble } = await bench.index();
      assert.is(trouble, seq === 20 ? full : undefined);
      assert.is(heldEntries(bench.state.books), seq === 20 ? 10 : 0);
    }
    await store.close();
    const again = await start(join(folder, 'index'), []);
    assert.is(again.state.books.vouchers, 30);
    assert.is([...channelsOf(again.state.books)][0]![1].entries.length, 30);
    await again.store.close();
  }));

test('a question that names another place for a digest that the index has is answered by the digest', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await start(join(folder, 'index'), []);
    told(bench);
    const { id, bytes } = await tap({ seq: 1, amount: 10, spent: 10, paid: 10 });
    bench.send(bytes);
    await bench.index();
    assert.is(bench.state.books.known, undefined, 'memory has forgotten it');
    for (const [channel, seq] of [
      [7, 1],
      [7, 2],
      [8, 1],
      [0xffffffff, 0],
    ] as const) {
      const [answer] = bench.send({
        type: 'query',
        channel: channelId(channel),
        seq: seq as never,
        entry: id,
      });
      assert.is(answer?.type, 'acknowledge', `asked at ${channel}/${seq}`);
    }
    const nowhere = suite.keccak256(Uint8Array.of(1, 2));
    const [answer] = bench.send({ type: 'query', channel: channelId(7), seq: 1 as never, entry: nowhere });
    assert.is(answer?.type, 'unknown');
    await bench.store.close();
  }));

test('a voucher whose evidence was never written is looked at again', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await start(join(folder, 'index'), []);
    told(bench);
    bench.send((await tap({ seq: 1, amount: 10, spent: 10, paid: 10 })).bytes);
    bench.step({
      type: 'message',
      device: 'd',
      bytes: (await tap({ seq: 1, amount: 11, spent: 11, paid: 11 })).bytes,
      now: NOW,
    });
    // The second voucher is durable, its evidence is not.
    bench.writeOne();
    await bench.index();
    assert.is(bench.store.applied, 0, 'nothing is written while evidence is on its way');
    await bench.store.close();
    const again = await start(join(folder, 'index'), bench.records);
    const effects = again.step({ type: 'recheck' });
    assert.is(
      effects.filter((effect) => effect.type === 'persist' && effect.record.type === 'evidence').length,
      1,
    );
    await again.store.close();
  }));

/** An index with some records, closed. */
async function written(folder: string): Promise<HubRecord[]> {
  const bench = await start(folder, []);
  told(bench);
  for (let seq = 1; seq <= 299; seq += 1)
    bench.send((await tap({ seq, amount: 1, spent: seq, paid: seq })).bytes);
  // The last one is void: its payee owes a credit.
  bench.send((await tap({ seq: 300, amount: 1, spent: 300, paid: 300, answer: 'credit' })).bytes);
  await bench.index();
  assert.is(bench.store.applied, 300);
  await bench.store.close();
  return bench.records;
}

test('an index that is cut short, overwritten or of other rows begins anew and says why', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'index');
    await written(path);
    const file = join(path, 'data.mdb');
    const whole = await readFile(file);
    const reopened = async (trouble: string | undefined, applied: number) => {
      const store = await LmdbIndex.open(path, () => undefined);
      assert.is(store.trouble, trouble);
      assert.is(store.applied, applied);
      assert.is(store.restore().books.vouchers, applied);
      await store.close();
    };
    await reopened(undefined, 300);
    for (const size of [1, 4_096, 9_000, whole.length - 4_096 * 4]) {
      await writeFile(file, whole);
      await truncate(file, size);
      await reopened('damaged', 0);
    }
    await writeFile(file, Buffer.alloc(100_000, 7));
    await reopened('damaged', 0);
    await writeFile(file, whole);
    await reopened(undefined, 300);
    await rm(path, { recursive: true });
    await reopened(undefined, 0);
  }));

test('an index is used with the ledger that it was written from, and with no other', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'index');
    const records = await written(path);
    const opened = async (of: readonly HubRecord[]) => {
      const ledger = {
        size: of.length,
        replay: async function* (from = 0) {
          for (let position = from; position < of.length; position += 1)
            yield { position, bytes: encodeRecord(of[position]!) };
        },
      } as unknown as Ledger;
      const reasons: unknown[] = [];
      const log = { warn: (fields: { reason: string }) => reasons.push(fields.reason) } as unknown as Logger;
      const ports = { openIndex: () => LmdbIndex.open(path, () => undefined) };
      const { store } = (await openIndexOf(ports, () => assert.unreachable(), ledger, suite, log))!;
      const { applied } = store;
      await store.close();
      return { applied, reasons };
    };
    assert.equal(await opened(records), { applied: 300, reasons: [] });
    assert.equal(await opened([...records, records[0]!]), { applied: 300, reasons: [] }, 'one that went on');
    assert.equal(
      await opened(records.slice(0, 299)),
      { applied: 0, reasons: ['of_another_ledger'] },
      'a shorter one',
    );
    await written(path);
    const others = records.map((record, at) => (at === 299 ? records[0]! : record));
    assert.equal(await opened(others), { applied: 0, reasons: ['of_another_ledger'] });
    assert.equal(await opened(records), { applied: 0, reasons: ['missing'] });
    assert.equal(await opened([]), { applied: 0, reasons: [] }, 'a new hub has nothing to say');
    // Rows that a start looks at, changed by the disk: what the hub owes, and what the index says of itself.
    for (const part of [Buffer.from('payments'), payee.address]) {
      await rm(path, { recursive: true });
      await written(path);
      const file = join(path, 'data.mdb');
      const bytes = await readFile(file);
      for (let at = bytes.indexOf(part); at !== -1; at = bytes.indexOf(part, at + 1)) bytes[at]! ^= 1;
      await writeFile(file, bytes);
      assert.equal(await opened(records), { applied: 0, reasons: ['damaged'] }, 'built anew at once');
    }
  }));

test('a row that the disk changed is found, and the index is not used again', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'index');
    await written(path);
    const file = join(path, 'data.mdb');
    const bytes = await readFile(file);
    // One bit of every stored copy of one voucher's message.
    const { bytes: message } = await tap({ seq: 150, amount: 1, spent: 150, paid: 150 });
    const part = Buffer.from(message).subarray(40, 72);
    let found = 0;
    for (let at = bytes.indexOf(part); at !== -1; at = bytes.indexOf(part, at + 1), found += 1)
      bytes[at]! ^= 1;
    assert.ok(found > 0);
    await writeFile(file, bytes);
    let told = 0;
    const store = await LmdbIndex.open(path, () => {
      told += 1;
    });
    const { books } = store.restore();
    assert.throws(
      () => textOf({ ...preparedState(), books }, []),
      (error: { code?: string }) => error.code === 'index_damaged',
    );
    assert.ok(told > 0);
    await store.close();
    const next = await LmdbIndex.open(path, () => undefined);
    assert.is(next.trouble, 'damaged');
    assert.is(next.applied, 0);
    await next.close();
  }));

test('memory holds what the index does not have and nothing else, however much came', () =>
  inTemporaryFolder(async (folder) => {
    const bench = await start(join(folder, 'index'), []);
    told(bench);
    for (let seq = 1; seq <= 400; seq += 1) {
      bench.send((await tap({ seq, amount: 1, spent: seq, paid: seq })).bytes);
      if (seq % 50 === 0) {
        await bench.index();
        assert.is(heldEntries(bench.state.books), 0);
        assert.is(bench.state.books.channels, undefined);
        assert.is(bench.state.books.known, undefined);
      }
    }
    // One that goes on while the index is written keeps only what is new.
    const { bytes } = await tap({ seq: 401, amount: 1, spent: 401, paid: 401 });
    bench.send(bytes);
    bench.step({
      type: 'message',
      device: 'd',
      bytes: (await tap({ seq: 402, amount: 1, spent: 402, paid: 402 })).bytes,
      now: NOW,
    });
    await bench.index();
    const [found] = trieEntries(bench.state.books.channels);
    assert.is(found?.[0], numberKey(7));
    assert.is([...found![1].entries.held()].length, 1);
    await bench.store.close();
  }));

test.run();
