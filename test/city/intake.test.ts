/**
 * Several workers over one store, in memory and in PostgreSQL: two different vouchers of one seq at two workers at once
 * are always a proof, whatever fails in between; what was acknowledged stands in the log once, at the position that was
 * signed; each worker's books are those of a replay. Stores fail before and after they have written. Not checked: a
 * broker, elections (workers.test.ts), a power cut under PostgreSQL.
 */
import { suite as suiteOf } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryKey } from '../../hub/crypto/keys.ts';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { applyRecord } from '../../hub/intake/books.ts';
import { type Books, emptyBooks, type IntakeState } from '../../hub/intake/state.ts';
import { trieEntries } from '../../hub/intake/trie.ts';
import { Journal } from '../../hub/ledger/journal.ts';
import { decodeRecord, type HubRecord } from '../../hub/ledger/records.ts';
import { createLogger } from '../../hub/log.ts';
import { createMetrics } from '../../hub/metrics.ts';
import type { SharedStore } from '../../hub/ports.ts';
import { PostgresServer } from '../../hub/postgres/server.ts';
import { PostgresStore } from '../../hub/postgres/store.ts';
import { SharedIntake } from '../../hub/shared/intake.ts';
import { SharedLedger } from '../../hub/shared/ledger.ts';
import { MemoryStore } from '../../hub/shared/memory-store.ts';
import { SundialError } from '../../protocol/errors.ts';
import { channelId } from '../../protocol/integers.ts';
import { refusalName } from '../../protocol/refusals.ts';
import { decodeOwn, encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { subjectsOf } from '../../hub/shared/subjects.ts';
import {
  context,
  key,
  NOW,
  preparedState,
  query,
  type SignedTap,
  signing,
  suite,
  tap,
  tick,
} from '../hub/fleet.ts';
import { rounds, seededRandom } from '../hub/random.ts';

const server = await PostgresServer.start({ tiedBy: 'tools/tied.mjs' });
const crypto = loadCrypto();
const hubKey = memoryKey(`0x${'5a'.repeat(32)}`, crypto);
const CHANNELS = [7, 8, 9, 10];
const payerOf = (channel: number) => key(200 + channel);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Knows all channels. */
function knowing(): IntakeState {
  let state = preparedState();
  for (const channel of CHANNELS) {
    const facts = {
      payer: payerOf(channel).address,
      deposited: 100_000_000,
      spendable: 80_000_000,
      bond: 20_000_000,
      exiting: false,
      slashed: false,
    };
    const event = { type: 'channel', channel: channelId(channel), facts: facts as never } as const;
    state = intakeStep(context, state, event).state;
  }
  return state;
}

interface Worker {
  readonly intake: SharedIntake;
  readonly sent: Message[];
  readonly journal: Journal;
  say(message: Message | Uint8Array): Promise<void>;
}

async function workerOf(store: SharedStore): Promise<Worker> {
  const sent: Message[] = [];
  const ledger = await SharedLedger.open(store);
  const journal = new Journal(ledger, crypto.suite);
  const intake = new SharedIntake(context, {
    journal,
    key: hubKey,
    metrics: createMetrics(),
    log: createLogger('silent'),
    send: (_device, bytes) => sent.push(decodeOwn(bytes)),
    registered: () => {},
    timeAsked: async () => {},
    revocations: () => {},
    fatal: (error) => {
      throw error;
    },
    store,
    ledger,
    followRegistry: async () => false,
    followed: () => {},
  });
  intake.state = knowing();
  const say = (message: Message | Uint8Array): Promise<void> =>
    intake.message('d', message instanceof Uint8Array ? message : encodeMessage(message), NOW);
  return { intake, sent, journal, say };
}

/** Fails at drawn moments: before anything was written, or afterwards, so that nobody knows. */
function failing(store: SharedStore, fails: () => 'before' | 'after' | undefined): SharedStore {
  const away = (): SundialError =>
    new SundialError('ledger_unavailable', 'away', { severity: 'call', remedy: 'none' });
  return {
    append: async (log, proposal) => {
      const how = fails();
      if (how === 'before') throw away();
      const verdict = await store.append(log, proposal);
      if (how === 'after') throw away();
      return verdict;
    },
    read: async (log, from) => {
      if (fails() !== undefined) throw away();
      return store.read(log, from);
    },
    look: (lease) => store.look(lease),
    hold: (lease, holder, forMs, word) => store.hold(lease, holder, forMs, word),
    release: (fence) => store.release(fence),
    takeOver: () => store.takeOver(),
    close: () => store.close(),
  };
}

async function allRecords(store: SharedStore): Promise<HubRecord[]> {
  const all: HubRecord[] = [];
  for (;;) {
    const records = await store.read('ledger', all.length);
    if (records.length === 0) return all;
    for (const { bytes, position } of records) {
      assert.is(position, all.length);
      all.push(decodeRecord(bytes, position));
    }
  }
}

/** What books say, as plain data. */
const shown = (books: Books) => ({
  vouchers: books.vouchers,
  indexed: books.indexed,
  takings: books.takings,
  revoked: books.revoked,
  proved: books.proved,
  known: trieEntries(books.known),
  channels: trieEntries(books.channels).map(([channel, { entries, claimed, ticks, proof, booked }]) => ({
    channel,
    entries: [...entries].map((entry) => [entry.key, entry.token, entry.seq, entry.stream?.k]),
    claimed,
    ticks,
    proof: proof?.entries.map(hex),
    booked,
  })),
});

/** The log is sound, says all that was acknowledged, and each worker has its books. */
async function judge(store: SharedStore, workers: readonly Worker[]): Promise<HubRecord[]> {
  const records = await allRecords(store);
  const positions = new Map<string, number[]>();
  for (const [position, record] of records.entries())
    if (record.type === 'entry')
      positions.set(hex(record.id), [...(positions.get(hex(record.id)) ?? []), position]);
  for (const [id, at] of positions) assert.is(at.length, 1, `${id} stands at ${at}`);
  const signed = new Map<number, string>();
  for (const { sent } of workers)
    for (const message of sent) {
      if (message.type !== 'acknowledgement') continue;
      assert.ok(signing.signedBy('Acknowledgement', message, message.signature, hubKey.address));
      const id = hex(message.entry);
      assert.equal(positions.get(id), [message.position]);
      assert.is(signed.get(message.position) ?? id, id, 'one position signed for two entries');
      signed.set(message.position, id);
    }
  const books = records.reduce<Books>(
    (before, record, position) => applyRecord(before, record, { token: position }),
    emptyBooks,
  );
  for (const { intake, journal } of workers) {
    await intake.follow();
    assert.is(intake.state.size, records.length);
    assert.equal(shown(intake.state.books), shown(books));
    assert.equal(journal.tree.root(), workers[0]!.journal.tree.root());
  }
  return records;
}

/** Two that no honest payer signs: of one seq, for different amounts. */
const twins = (channel: number, seq: number): Promise<[SignedTap, SignedTap]> =>
  Promise.all([
    tap({ channel, payer: payerOf(channel), seq, amount: 5, spent: 5 * seq, paid: 5 * seq }),
    tap({ channel, payer: payerOf(channel), seq, amount: 6, spent: 5 * seq + 1, paid: 5 * seq + 1 }),
  ]);

const test = suiteOf('workers that share a ledger');

type Stores = (work: (worker: () => Promise<SharedStore>) => Promise<void>) => Promise<void>;

let databases = 0;
const inPostgres: Stores = async (work) => {
  databases += 1;
  const url = await server.create(`d${databases}`);
  const opened: SharedStore[] = [];
  await work(async () => {
    opened.push(await PostgresStore.open({ url, hub: 'test' }));
    return opened.at(-1)!;
  });
  for (const store of opened) await store.close();
};
const inMemory: Stores = async (work) => {
  const store = new MemoryStore({ nowMs: () => Date.now() });
  await work(async () => store.worker());
};

for (const [name, stores] of Object.entries({ 'in memory': inMemory, 'in PostgreSQL': inPostgres })) {
  test(`${name}: two vouchers of one seq at two workers at once are a proof, each time`, () =>
    stores(async (open) => {
      for (const channel of CHANNELS) {
        const workers = [await workerOf(await open()), await workerOf(await open())] as const;
        for (const { intake } of workers) await intake.follow();
        const [one, other] = await twins(channel, 1);
        await Promise.all([workers[0].say(one.bytes), workers[1].say(other.bytes)]);
        const records = await judge(await open(), workers);
        const evidence = records.filter((record) => record.type === 'evidence' && record.channel === channel);
        assert.is(evidence.length, 1);
        for (const { intake } of workers) assert.ok(intake.state.books.revoked.includes(channelId(channel)));
        const answers = workers.map(({ sent }) => sent.map(({ type }) => type));
        assert.equal(answers, [['acknowledgement'], ['acknowledgement']]);
      }
    }));

  test(`${name}: drawn histories of three workers, with a store that fails`, () =>
    stores(async (open) => {
      for (const round of rounds(2, 40)) {
        const random = seededRandom(round);
        let isFailing = true;
        const fails = () =>
          isFailing && random.chance(0.08) ? (random.chance(0.5) ? 'before' : 'after') : undefined;
        const plain = await open();
        const workers = await Promise.all([0, 1, 2].map(async () => workerOf(failing(await open(), fails))));
        // What an earlier round left in the same database.
        isFailing = false;
        for (const { intake } of workers) await intake.follow();
        isFailing = true;
        const base = 1_000 * round;
        const waiting = new Map<string, { readonly bytes: Uint8Array; readonly channel: number }>();
        for (let seq = base + 1; seq <= base + 12; seq += 1)
          for (const channel of CHANNELS)
            for (const one of random.chance(0.1)
              ? await twins(channel, seq)
              : (await twins(channel, seq)).slice(0, 1))
              waiting.set(hex(one.id), { bytes: one.bytes, channel });
        const seed = new Uint8Array(32).fill(round);
        const stream = await tap({
          channel: 7,
          payer: payerOf(7),
          seq: base + 100,
          amount: 0,
          spent: 5 * (base + 100),
          paid: 5 * (base + 100),
          stream: { tickValue: 1, ticks: 40, seed },
        });
        const packs: (Uint8Array | Message)[] = [stream.bytes];
        for (let k = 3; k <= 40; k += 9) packs.push(tick(stream, seed, 40, k));
        while (waiting.size > 0) {
          const all = [...waiting.values()];
          const said: Promise<void>[] = [];
          // Few at a time: a worker takes all that waits in one turn.
          for (let pack = random.below(8); pack >= 0 && all.length > 0; pack -= 1) {
            // Of one channel, so that others can be taken beside it, or of all.
            const { channel } = all[0]!;
            const isOne = random.chance(0.8);
            const some = all.filter((one) => !isOne || one.channel === channel).slice(0, 1 + random.below(5));
            for (const one of some) all.splice(all.indexOf(one), 1);
            const entries = some.map(({ bytes }) => bytes);
            const worker = workers[random.below(3)]!;
            said.push(worker.say(encodeMessage({ type: 'pack', entries })));
            const extra = packs[random.below(packs.length)]!;
            if (random.chance(0.2)) said.push(workers[random.below(3)]!.say(extra));
            // The same ones at another worker at the same time.
            if (random.chance(0.3))
              said.push(workers[random.below(3)]!.say(encodeMessage({ type: 'pack', entries })));
          }
          await Promise.all(said);
          for (const { sent } of workers)
            for (const message of sent)
              if (message.type === 'acknowledgement') waiting.delete(hex(message.entry));
        }
        isFailing = false;
        await judge(plain, workers);
      }
    }));

  test(`${name}: a question that comes to another worker at once is answered by what the log says`, () =>
    stores(async (open) => {
      const [one, other] = [await workerOf(await open()), await workerOf(await open())];
      const voucher = await tap({ channel: 7, payer: payerOf(7), seq: 1, amount: 5, spent: 5, paid: 5 });
      await one.say(voucher.bytes);
      await other.say(query(voucher.id));
      assert.equal(
        other.sent.map(({ type }) => type),
        ['acknowledgement'],
      );
      const unknown = await tap({ channel: 7, payer: payerOf(7), seq: 2, amount: 5, spent: 10, paid: 10 });
      await other.say(query(unknown.id));
      const answer = other.sent[1]!;
      assert.ok(answer.type === 'unknown');
      assert.is(answer.size, 1);
    }));

  for (const fault of ['before', 'after'] as const)
    test(`${name}: a store that fails ${fault} it wrote: the device is told, and what it sends again is there once`, () =>
      stores(async (open) => {
        let how: typeof fault | undefined = fault;
        const worker = await workerOf(failing(await open(), () => how));
        const voucher = await tap({ channel: 7, payer: payerOf(7), seq: 1, amount: 5, spent: 5, paid: 5 });
        await worker.say(voucher.bytes);
        const [refused] = worker.sent;
        assert.ok(refused?.type === 'rejection' && refusalName(refused.code) === 'storage_failed');
        assert.is(worker.intake.state.size, 0);
        how = undefined;
        await worker.say(voucher.bytes);
        const answer = worker.sent[1];
        assert.ok(answer?.type === 'acknowledgement' && answer.position === 0);
        await worker.say(voucher.bytes);
        const again = worker.sent[2];
        assert.ok(again?.type === 'acknowledgement' && again.position === 0);
        assert.is((await judge(await open(), [worker])).length, 1);
      }));
}

test('a tick is about the channel of its stream, whatever place it names', async () => {
  const worker = await workerOf(new MemoryStore({ nowMs: () => 0 }).worker());
  const seed = new Uint8Array(32).fill(1);
  const stream = await tap({
    channel: 7,
    payer: payerOf(7),
    seq: 1,
    amount: 0,
    spent: 0,
    paid: 0,
    stream: { tickValue: 1, ticks: 40, seed },
  });
  await worker.say(stream.bytes);
  const misplaced = { ...tick(stream, seed, 40, 3), channel: channelId(9) } as Message;
  const message = encodeMessage(misplaced);
  const id = suite.keccak256(message);
  assert.equal(subjectsOf(worker.intake.state.books, [{ type: 'entry', id, at: NOW, message }]), [7]);
});

test.after(() => server.stop());
test.run();
