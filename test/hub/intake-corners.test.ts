/**
 * Corners of the intake: lists that a vault would refuse, contradictions that only a lane shows, the order of what
 * proves E3, and answers of disk and threads that must not be taken for others.
 * Not checked here: every refusal by name and crashes (intake.test.ts), random orders (intake-fuzz), real disks
 * (runtime.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { memoryKey } from '../../hub/crypto/keys.ts';
import type { RecoverPool } from '../../hub/crypto/recover-pool.ts';
import { channelBook, entryId, findEntry } from '../../hub/intake/books.ts';
import { type IntakeHost, IntakeRuntime } from '../../hub/intake/runtime.ts';
import type { Question } from '../../hub/intake/prepare.ts';
import { createLogger } from '../../hub/log.ts';
import { createMetrics } from '../../hub/metrics.ts';
import { toHex } from '../../protocol/bytes.ts';
import { amount, channelId } from '../../protocol/integers.ts';
import { decodeOwn, encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import {
  Bench,
  context,
  NOW,
  otherPayee,
  otherTerminal,
  payee,
  preparedState,
  suite,
  type Tap,
  tap,
  terminal,
} from './fleet.ts';

const CHANNEL = channelId(7);
const here = { payee, terminal };
const there = { payee: otherPayee, terminal: otherTerminal };

async function take(bench: Bench, ...taps: Tap[]): Promise<Uint8Array[]> {
  const ids: Uint8Array[] = [];
  for (const fields of taps) {
    const { bytes, id } = await tap(fields);
    assert.is(bench.outcome(bytes), 'acknowledged');
    ids.push(id);
  }
  return ids;
}

test('a list that adds up to more than was spent is not kept', async () => {
  for (const [listed, kept] of [
    [40, true],
    [41, false],
  ] as const) {
    const bench = new Bench();
    const list = [{ payee: otherPayee.address, paid: amount(listed) }];
    const [id] = await take(bench, { seq: 1, amount: 100, spent: 140, paid: 100, list });
    bench.send({ type: 'statement', channel: CHANNEL, seq: 1 as never, lanes: list });
    assert.equal(findEntry(bench.state.books, id!)?.list, kept ? list : undefined);
    assert.is(bench.records.filter(({ type }) => type === 'statement').length, kept ? 1 : 0);
  }
});

test('a list for a stream, which commits to none, is passed over', async () => {
  const bench = new Bench();
  const seed = suite.keccak256(Uint8Array.of(5));
  const stream = { tickValue: 1, ticks: 4, seed };
  await take(
    bench,
    { seq: 1, amount: 0, spent: 0, paid: 0, stream },
    { seq: 2, amount: 5, spent: 5, paid: 5 },
  );
  const lanes = [{ payee: otherPayee.address, paid: amount(1) }];
  assert.equal(bench.send({ type: 'statement', channel: CHANNEL, seq: 1 as never, lanes }), []);
  const entries = [...channelBook(bench.state.books, CHANNEL).entries];
  assert.equal(
    entries.map(({ kind, list }) => [kind, list]),
    [
      ['stream', undefined],
      ['voucher', undefined],
    ],
  );
});

test('a voucher that comes late is held against a later one of its lane, with others between them', async () => {
  const bench = new Bench();
  await take(
    bench,
    { seq: 2, amount: 30, spent: 130, paid: 30, ...there },
    { seq: 3, amount: 10, spent: 140, paid: 60, ...here },
  );
  // The lane stood at 50 when seq 3 was signed, and at 100 before it.
  const [late] = await take(bench, { seq: 1, amount: 100, spent: 100, paid: 100, ...here });
  const { proof } = channelBook(bench.state.books, CHANNEL);
  assert.is(proof?.proof, 2);
  assert.is(toHex(proof!.entries.at(0)!), toHex(late!));
  assert.equal(bench.state.books.revoked, [7]);
});

test('a voucher that comes late is held against an earlier one of its lane, with others between them', async () => {
  const bench = new Bench();
  const [early] = await take(
    bench,
    { seq: 1, amount: 100, spent: 100, paid: 100, ...here },
    { seq: 2, amount: 30, spent: 130, paid: 30, ...there },
  );
  await take(bench, { seq: 3, amount: 10, spent: 140, paid: 60, ...here });
  const { proof } = channelBook(bench.state.books, CHANNEL);
  assert.is(proof?.proof, 2);
  assert.is(toHex(proof!.entries.at(0)!), toHex(early!));
});

test('what shows E3 rises in what was spent, whoever the payees are', async () => {
  for (const [first, second] of [
    [here, there],
    [there, here],
  ] as const) {
    const bench = new Bench();
    const ids = await take(
      bench,
      { seq: 1, amount: 100, spent: 100, paid: 100, ...first },
      { seq: 5, amount: 50, spent: 150, paid: 51, ...second },
    );
    const { proof } = channelBook(bench.state.books, CHANNEL);
    assert.is(proof?.proof, 3);
    assert.equal(proof!.entries.map(toHex), ids.map(toHex));
  }
});

/** A runtime whose journal answers as told. */
function startRuntime(change: Partial<IntakeHost> = {}) {
  const sent: Message[] = [];
  const fatal: unknown[] = [];
  const records: unknown[] = [];
  const host: IntakeHost = {
    journal: {
      append: async (record: unknown) => records.push(record) - 1,
    } as unknown as IntakeHost['journal'],
    key: memoryKey(`0x${'5a'.repeat(32)}`, loadCrypto()),
    metrics: createMetrics(),
    log: createLogger('silent'),
    send: (_device, bytes) => sent.push(decodeOwn(bytes)),
    registered: () => undefined,
    timeAsked: async () => undefined,
    revocations: () => undefined,
    fatal: (error) => fatal.push(error),
    ...change,
  };
  const runtime = new IntakeRuntime(context, host);
  runtime.state = preparedState();
  return { runtime, sent, fatal, records };
}

test("a disk's answer that the intake can't handle ends the hub; a message that it can't handle does not", async () => {
  const { runtime, fatal } = startRuntime();
  const { bytes } = await tap({ seq: 1, amount: 5, spent: 5, paid: 5 });
  const whole = runtime.state;
  runtime.state = { ...whole, channels: undefined as never, books: undefined as never };
  await runtime.message('d', bytes, NOW);
  assert.equal(fatal, []);
  const answers = [{ type: 'nonsense' } as never];
  for (const event of [
    { type: 'persisted', token: 3, position: 0 },
    { type: 'persistFailed', token: 3, code: 'storage_failed' },
  ] as const) {
    const pending = {
      token: 3,
      before: whole.books,
      answers: event.type === 'persisted' ? answers : undefined,
    };
    runtime.state = { ...whole, pending: [pending as never] };
    fatal.length = 0;
    await runtime.handle(event);
    assert.is(fatal.length, 1, event.type);
  }
});

test('a record that the disk refuses is taken back, and its device is told', async () => {
  let failing = true;
  const { runtime, sent } = startRuntime({
    journal: {
      append: async () => {
        if (failing) throw new Error('broken');
        return 0;
      },
    } as unknown as IntakeHost['journal'],
  });
  const { bytes, id } = await tap({ seq: 1, amount: 5, spent: 5, paid: 5 });
  await runtime.message('d', bytes, NOW);
  assert.equal(
    sent.map(({ type }) => type),
    ['rejection'],
  );
  assert.is(findEntry(runtime.state.books, id), undefined);
  assert.equal(runtime.state.pending, []);
  failing = false;
  await runtime.message('d', bytes, NOW);
  assert.is(sent.at(-1)?.type, 'acknowledgement');
});

test("threads' answers stand for the voucher that was asked about", async () => {
  const asked: number[] = [];
  const pool = {
    ask: async (questions: readonly Question[]) => {
      asked.push(questions.length);
      return questions.map(({ digest, signature }) => suite.recover(digest, signature));
    },
  } as unknown as RecoverPool;
  const { runtime, sent } = startRuntime({ pool });
  const taps = [
    await tap({ seq: 1, amount: 5, spent: 5, paid: 5, ...here }),
    await tap({ seq: 2, amount: 7, spent: 12, paid: 7, ...there }),
    await tap({ seq: 3, amount: 2, spent: 14, paid: 7, ...here, answer: 'credit' }),
  ];
  await runtime.message('d', encodeMessage({ type: 'pack', entries: taps.map(({ bytes }) => bytes) }), NOW);
  assert.equal(asked, [6]);
  assert.equal(
    sent.map(({ type }) => type),
    ['acknowledgement', 'acknowledgement', 'acknowledgement'],
  );
  const entries = [...channelBook(runtime.state.books, CHANNEL).entries];
  assert.equal(
    entries.map(entryId).map(toHex),
    taps.map(({ id }) => toHex(id)),
  );
  assert.equal(
    entries.map(({ voided }) => voided),
    [false, false, true],
  );
  // What is known already is answered without asking anybody.
  await runtime.message('d', encodeMessage({ type: 'pack', entries: taps.map(({ bytes }) => bytes) }), NOW);
  assert.equal(asked, [6]);
  assert.is(sent.length, 6);
});

test.run();
