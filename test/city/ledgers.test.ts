/**
 * One suite for every ledger: the one in files, the one over a shared store in memory, the one in PostgreSQL. And what
 * the two shared ones must do besides: of two who decide about one subject at once exactly one is taken, and who lost a
 * lease or the hub writes nothing more. Not checked: a power cut under PostgreSQL (its own promise), other engines.
 */
import { Client } from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isError } from '../../hub/errors.ts';
import type { Ledger } from '../../hub/ledger/ledger.ts';
import { recordBytesMax } from '../../hub/limits.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import type { SharedStore } from '../../hub/ports.ts';
import { PostgresServer } from '../../hub/postgres/server.ts';
import { PostgresStore } from '../../hub/postgres/store.ts';
import { SharedLedger } from '../../hub/shared/ledger.ts';
import { MemoryStore } from '../../hub/shared/memory-store.ts';
import { inTemporaryFolder, until } from '../hub/temporary.ts';

const server = await PostgresServer.start({ tiedBy: 'tools/tied.mjs' });
const test = suite('ledgers that are shared, and those that are not');

const record = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = async (ledger: Ledger, from = 0): Promise<string[]> => {
  const found: string[] = [];
  for await (const { bytes } of ledger.replay(from)) found.push(new TextDecoder().decode(bytes));
  return found;
};
const rejects = async (work: Promise<unknown>, code: string): Promise<void> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(isError(error, code), `wanted ${code}, got ${String(error)}`);
};

// ---- every ledger ----

/** Opens one ledger again and again, each time as a process that was started anew. */
type Open = (wishes?: { sizeKnown: number }) => Promise<Ledger>;

function everyLedger(name: string, withLedger: (work: (open: Open) => Promise<void>) => Promise<void>): void {
  test(`ledger ${name}: what was appended is there in order, from any position, after any number of starts`, () =>
    withLedger(async (open) => {
      const first = await open();
      const all = Array.from({ length: 300 }, (_, n) => `record ${n}`);
      const positions = await Promise.all(all.map((text) => first.append(record(text))));
      assert.equal(
        positions,
        all.map((_, n) => n),
      );
      assert.is(first.size, 300);
      await first.close();
      const second = await open({ sizeKnown: 300 });
      assert.is(second.size, 300);
      assert.equal(await texts(second), all);
      assert.equal(await texts(second, 299), ['record 299']);
      assert.equal(await texts(second, 300), []);
      assert.is(await second.append(record('one more')), 300);
      let next: number | undefined = 0;
      while (next !== undefined) next = await second.verify(next);
      await second.close();
    }));

  test(`ledger ${name}: its bounds are met exactly`, () =>
    withLedger(async (open) => {
      const ledger = await open();
      await rejects(ledger.append(new Uint8Array(0)), 'record_size');
      await rejects(ledger.append(new Uint8Array(recordBytesMax + 1)), 'record_size');
      const largest = new Uint8Array(recordBytesMax).fill(7);
      await Promise.all(Array.from({ length: 9 }, () => ledger.append(largest)));
      for await (const { bytes } of ledger.replay(8)) assert.is(Buffer.compare(bytes, largest), 0);
      await ledger.close();
      await rejects(ledger.append(record('late')), 'ledger_closed');
      await ledger.close();
    }));

  test(`ledger ${name}: a record is what its bytes were when it was appended`, () =>
    withLedger(async (open) => {
      const ledger = await open();
      const bytes = record('as it was');
      const appended = ledger.append(bytes);
      bytes.fill(0);
      await appended;
      assert.equal(await texts(ledger), ['as it was']);
      await ledger.close();
    }));

  test(`ledger ${name}: fewer records than somebody was told are damage`, () =>
    withLedger(async (open) => {
      const ledger = await open();
      await ledger.append(record('only'));
      await ledger.close();
      await rejects(open({ sizeKnown: 2 }), 'ledger_corrupt');
    }));
}

everyLedger('in files', (work) =>
  inTemporaryFolder((folder) =>
    work((wishes) => openFileLedger(folder, { sizeKnown: 0, onPhase: () => undefined, ...wishes })),
  ),
);
const shared =
  (store: SharedStore): Open =>
  (wishes) =>
    SharedLedger.open(store, wishes);
everyLedger('in memory', (work) => work(shared(new MemoryStore({ nowMs: () => 0 }).worker())));

// ---- every shared store ----

/** Gives the store as another worker opens it. */
type Worker = () => Promise<SharedStore>;

function everyStore(
  name: string,
  withStore: (work: (worker: Worker) => Promise<void>) => Promise<void>,
): void {
  const one = (text: string) => [record(text)];
  const read = async (store: SharedStore): Promise<string[]> =>
    (await store.read('ledger', 0)).map(({ bytes }) => new TextDecoder().decode(bytes));

  test(`shared store ${name}: of two that decide about one subject at once exactly one is taken, however often`, () =>
    withStore(async (worker) => {
      const workers = [await worker(), await worker(), await worker()];
      let size = 0;
      for (let round = 0; round < 40; round += 1) {
        const verdicts = await Promise.all(
          workers.map((store, n) =>
            store.append('ledger', { records: one(`${round}/${n}`), subjects: [7, 100 + n], size }),
          ),
        );
        const taken = verdicts.filter((verdict) => typeof verdict === 'object');
        assert.is(taken.length, 1, `round ${round}: ${JSON.stringify(verdicts)}`);
        size = taken[0]!.first + 1;
        assert.is(size, round + 1);
      }
      assert.is((await read(workers[0]!)).length, 40);
    }));

  test(`shared store ${name}: who decides about different subjects is not held up, and positions have no gaps`, () =>
    withStore(async (worker) => {
      const workers = [await worker(), await worker()];
      const verdicts = await Promise.all(
        Array.from({ length: 60 }, (_, n) =>
          workers[n % 2]!.append('ledger', {
            records: [...one(`${n}a`), ...one(`${n}b`)],
            subjects: [n],
            size: 0,
          }),
        ),
      );
      const firsts = verdicts.map((verdict) => (verdict as { first: number }).first).sort((a, b) => a - b);
      assert.equal(
        firsts,
        firsts.map((_, n) => 2 * n),
      );
      const all = await workers[0]!.read('ledger', 0);
      assert.equal(
        all.map(({ position }) => position),
        Array.from({ length: 120 }, (_, n) => n),
      );
    }));

  test(`shared store ${name}: what was decided before a subject moved is taken as a whole or not at all`, () =>
    withStore(async (worker) => {
      const store = await worker();
      await store.append('ledger', { records: one('first'), subjects: [1], size: 0 });
      const late = { records: [...one('x'), ...one('y')], subjects: [2, 1], size: 0 };
      assert.is(await store.append('ledger', late), 'moved');
      assert.equal(await read(store), ['first']);
      // The other subject was not touched by it.
      assert.equal(await store.append('ledger', { records: one('second'), subjects: [2], size: 0 }), {
        first: 1,
      });
      assert.equal(await store.append('ledger', { ...late, size: 2 }), { first: 2 });
    }));

  test(`shared store ${name}: a lease has one holder, and who lost it writes nothing more`, () =>
    withStore(async (worker) => {
      const [a, b] = [await worker(), await worker()];
      const epoch = (await a.hold('settler', 'a', 0, 'from a'))!;
      assert.is(await a.hold('settler', 'a', 60_000), epoch);
      assert.is(await b.hold('settler', 'b', 60_000), undefined);
      assert.is((await b.look('settler')).word, 'from a');
      const fence = { name: 'settler', epoch };
      const proposal = { records: one('by a'), subjects: [], size: 0 };
      assert.equal(await a.append('ledger', { ...proposal, fence }), { first: 0 });
      await a.release(fence);
      const next = (await b.hold('settler', 'b', 60_000, 'from b'))!;
      assert.is.not(next, epoch);
      assert.is(await a.append('ledger', { ...proposal, fence }), 'fenced');
      assert.is(await a.append('registry', { ...proposal, fence }), 'fenced');
      // Giving back what is no longer one's own changes nothing.
      await a.release(fence);
      assert.is(await a.hold('settler', 'a', 60_000), undefined);
      assert.equal(await read(b), ['by a']);
      assert.is((await a.look('settler')).word, 'from b');
    }));

  test(`shared store ${name}: who takes the hub over fences all others`, () =>
    withStore(async (worker) => {
      const [old, other] = [await worker(), await worker()];
      await old.append('ledger', { records: one('before'), subjects: [], size: 0 });
      await other.takeOver();
      await rejects(old.append('ledger', { records: one('after'), subjects: [], size: 1 }), 'ledger_fenced');
      assert.equal(await other.append('ledger', { records: one('mine'), subjects: [], size: 1 }), {
        first: 1,
      });
      assert.equal(await read(await worker()), ['before', 'mine']);
    }));
}

everyStore('in memory', async (work) => {
  const store = new MemoryStore({ nowMs: () => Date.now() });
  await work(async () => store.worker());
});

// ---- PostgreSQL ----

let databases = 0;
const newDatabase = (): Promise<string> => {
  databases += 1;
  return server.create(`d${databases}`);
};
async function withWorkers(work: (worker: Worker) => Promise<void>): Promise<void> {
  const url = await newDatabase();
  const opened: SharedStore[] = [];
  try {
    await work(async () => {
      const store = await PostgresStore.open({ url, hub: 'test' });
      opened.push(store);
      return store;
    });
  } finally {
    for (const store of opened) await store.close();
  }
}

everyLedger('in PostgreSQL', (work) => withWorkers(async (worker) => work(shared(await worker()))));
everyStore('in PostgreSQL', withWorkers);

test('workers that come at once make the tables once', async () => {
  const url = await newDatabase();
  const stores = await Promise.all(Array.from({ length: 4 }, () => PostgresStore.open({ url, hub: 'test' })));
  for (const store of stores) assert.equal((await store.look('x')).sizes, { ledger: 0, registry: 0 });
  await rejects(PostgresStore.open({ url, hub: 'other' }), 'database');
  for (const store of stores) await store.close();
});

test('a server killed in the middle of groups has whole groups, and all that were confirmed', async () => {
  const url = await newDatabase();
  const store = await PostgresStore.open({ url, hub: 'test', timeoutMs: 60_000 });
  const confirmed = new Map<number, string>();
  let isDown = false;
  const writers = [0, 1, 2].map(async (writer) => {
    for (let n = 0; !isDown; n += 1) {
      const group = [0, 1, 2].map((part) => `${writer}.${n}.${part}`);
      try {
        const proposal = { records: group.map(record), subjects: [writer], size: Number.MAX_SAFE_INTEGER };
        const { first } = (await store.append('ledger', proposal)) as { first: number };
        for (const [index, text] of group.entries()) confirmed.set(first + index, text);
      } catch (error) {
        assert.ok(isError(error, 'ledger_unavailable'), String(error));
        isDown = true;
      }
    }
  });
  await until('some groups are confirmed', () => confirmed.size > 300);
  await server.kill();
  await Promise.all(writers);
  await server.begin();
  const all: string[] = [];
  await until('the store answers again', async () => {
    try {
      for (let next = 0; ; next = all.length) {
        const records = await store.read('ledger', next);
        if (records.length === 0) return true;
        for (const { position, bytes } of records) {
          assert.is(position, all.length);
          all.push(new TextDecoder().decode(bytes));
        }
      }
    } catch (error) {
      if (!isError(error, 'ledger_unavailable')) throw error;
      return false;
    }
  });
  for (const [position, text] of confirmed) assert.is(all[position], text);
  assert.is(all.length % 3, 0);
  for (let at = 0; at < all.length; at += 3)
    assert.equal(
      all.slice(at, at + 3).map((text) => text.slice(-1)),
      ['0', '1', '2'],
    );
  assert.equal(await store.append('ledger', { records: [record('x')], subjects: [], size: 0 }), {
    first: all.length,
  });
  await store.close();
});

test('a database that does not sync is refused', async () => {
  const url = await newDatabase();
  const client = new Client({ connectionString: server.url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('alter system set fsync = off');
  await client.query('select pg_reload_conf()');
  const shows = async () => (await client.query('show fsync')).rows[0].fsync as string;
  await until('the setting holds', async () => (await shows()) === 'off');
  await rejects(PostgresStore.open({ url, hub: 'test' }), 'database');
  await client.query('alter system reset fsync');
  await client.query('select pg_reload_conf()');
  await until('the setting is back', async () => (await shows()) === 'on');
  await client.end();
});

test.after(() => server.stop());
test.run();
