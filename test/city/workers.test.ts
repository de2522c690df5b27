/**
 * A hub of two worker processes over PostgreSQL and mosquitto: what one of them was told both know, one of them watches
 * and settles, the other goes on when that one sleeps, and who slept through its lease writes nothing more. Their database
 * put back from a copy serves only once it is recovered, and one that is an earlier state is refused. Not checked: kills at
 * random moments (npm run crash:hub), brokers other than mosquitto.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type HubConfigInput, parseConfig } from '../../hub/config.ts';
import { startHub } from '../../hub/hub.ts';
import { backupDatabase, readHeldStore, recoverDatabase, restoreDatabase } from '../../hub/keep/database.ts';
import { Mosquitto } from '../../hub/ingest/mosquitto.ts';
import { createLogger } from '../../hub/log.ts';
import { decodeRecord } from '../../hub/ledger/records.ts';
import { PostgresServer } from '../../hub/postgres/server.ts';
import { PostgresStore } from '../../hub/postgres/store.ts';
import { payee, suite, tap, terminal } from '../hub/fleet.ts';
import { Connected, registration, type Site, startSite } from '../hub/site.ts';
import { inTemporaryFolder, until } from '../hub/temporary.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

if (process.argv[2] === 'hub') {
  const hub = await startHub(parseConfig(JSON.parse(process.argv[3]!)), {
    log: createLogger(process.env.SUNDIAL_LOG === undefined ? 'error' : 'info'),
    onFatal: () => process.exit(3),
  });
  process.stdout.write(`${hub.statusUrl}\n`);
  createInterface({ input: process.stdin }).on('line', () => {
    const done = hub.settleNow().then(
      () => 'settled',
      (error: unknown) => (error as { code?: string }).code ?? String(error),
    );
    void done.then((answer) => process.stdout.write(`${answer}\n`));
  });
  process.once('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
} else {
  test('two workers are one hub', () =>
    inTemporaryFolder(async (folder) => {
      const opened: { stop(): Promise<void> }[] = [];
      const held = <T extends { stop(): Promise<void> }>(one: T): T => {
        opened.unshift(one);
        return one;
      };
      try {
        const server = held(await PostgresServer.start({ tiedBy: 'tools/tied.mjs' }));
        const broker = held(await Mosquitto.start({ tiedBy: 'tools/tied.mjs' }));
        const site = await startSite();
        held({ stop: () => site.close() });
        const url = await server.create('hub');
        const change = { database: { url }, mqtt: { url: broker.url } };
        const worker = async (name: string) =>
          held(await WorkerProcess.start(site.config(join(folder, name), change)));
        const [a, b] = [await worker('a'), await worker('b')];
        const load = await live(site, broker, url, a, b);
        for (const one of [a, b]) await one.stop();
        const restored = await putBack(folder, url, await server.create('restored'), site, broker);
        const c = held(await WorkerProcess.start(restored));
        load.device = await connect(site, broker.url);
        await load.again();
        await load.acknowledge(20);
        load.device.close();
        await c.stop();
        await rolledBack(folder, url, await server.create('earlier'), site, broker);
      } finally {
        for (const one of opened) await one.stop();
      }
    }));
  test.run();
}

async function live(site: Site, broker: Mosquitto, url: string, a: WorkerProcess, b: WorkerProcess) {
  const load = new Load(site, await connect(site, broker.url));
  await load.acknowledge(60);
  for (const worker of [a, b]) assert.ok((await worker.accepted()) > 0, 'each worker took some');
  // Sent again, by whichever worker it comes to, it stands where it stood.
  await load.again();
  assert.is(await a.settle(), 'settled');
  // What the other one took it reads within a moment.
  await until('it has settled what both took', async () => {
    await a.settle();
    return (await site.vault.readLane(site.channel, payee.address)) === load.paid;
  });
  assert.is(await b.settle(), 'not_elected');

  // The one that settles sleeps. What it was handed meanwhile devices send again.
  a.pause();
  await until('the other one is elected', async () => (await b.settle()) === 'settled');
  await load.acknowledge(40);
  await b.settle();
  await until('the other one has settled', async () => {
    await b.settle();
    return (await site.vault.readLane(site.channel, payee.address)) === load.paid;
  });
  const store = await PostgresStore.open({ url, hub: 'test' });
  const before = (await registryLines(store)).length;
  a.resume();
  await until('the one that slept knows', async () => (await a.settle()) === 'not_elected');
  await load.acknowledge(40);
  await b.settle();
  const lines = (await registryLines(store)).slice(before);
  const elected = new Set(lines.filter((line) => line.elected).map((line) => line.by));
  assert.is(elected.size, 1, 'only the one that is elected has written as such');

  const found = new Map<string, number[]>();
  for (let at = 0; ; ) {
    const records = await store.read('ledger', at);
    if (records.length === 0) break;
    at += records.length;
    for (const { bytes, position } of records) {
      const record = decodeRecord(bytes, position);
      if (record.type === 'entry')
        found.set(hex(record.id), [...(found.get(hex(record.id)) ?? []), position]);
    }
  }
  assert.is(found.size, load.acknowledged.size);
  for (const [id, position] of load.acknowledged) assert.equal(found.get(id), [position]);
  await store.close();
  load.device.close();
  return load;
}

/** A copy of the database in an empty one: held, until it is recovered. Resolves with the configuration over it. */
async function putBack(folder: string, from: string, to: string, site: Site, broker: Mosquitto) {
  const [source, target] = [await openStore(from), await openStore(to)];
  const copy = join(folder, 'copy');
  const still = (): void => undefined;
  const { records } = await backupDatabase(source, join(folder, 'a'), copy, suite.keccak256, still);
  await restoreDatabase(copy, target, join(folder, 'c'), suite.keccak256, still);
  const config = site.config(join(folder, 'c'), { database: { url: to }, mqtt: { url: broker.url } });
  assert.is(await codeOf(startHub(parseConfig(config), { log: createLogger('silent') })), 'ledger_restored');
  const { kept, lost } = await recoverDatabase(target, suite.keccak256, { margin: 500, progress: still });
  assert.equal([kept, lost], [records, 500]);
  for (const store of [source, target]) await store.close();
  return config;
}

/** The database as it was half-way, put in its place: the beacon at the broker knows better, and nobody goes on with it. */
async function rolledBack(folder: string, from: string, to: string, site: Site, broker: Mosquitto) {
  const [source, target] = [await openStore(from), await openStore(to)];
  const ledger = await source.read('ledger', 0);
  const size = Math.floor(ledger.length / 2);
  const lines = await source.read('registry', 0);
  const known = (bytes: Uint8Array): number =>
    (JSON.parse(new TextDecoder().decode(bytes)) as { patch: { ledgerSize?: number } }).patch.ledgerSize ?? 0;
  const end = lines.findIndex(({ bytes }) => known(bytes) > size);
  for (const [log, all] of [
    ['ledger', ledger.slice(0, size)],
    ['registry', lines.slice(0, end)],
  ] as const)
    await target.append(log, { records: all.map(({ bytes }) => bytes), subjects: [], size: 0 });
  const change = { database: { url: to }, mqtt: { url: broker.url } };
  const config = parseConfig(site.config(join(folder, 'd'), change));
  let code: string | undefined;
  const onFatal = (error: unknown): void => {
    code ??= (error as { code: string }).code;
  };
  const started = startHub(config, { log: createLogger('silent'), onFatal }).catch((error: unknown) => {
    onFatal(error);
    return undefined;
  });
  await until('it sees that it is an earlier one', () => code !== undefined);
  assert.is(code, 'ledger_rolled_back');
  await until('the database is held', async () => (await readHeldStore(target))?.code === code);
  await (await started)?.stop();
  assert.is(await codeOf(startHub(config, { log: createLogger('silent') })), code, 'and stays so');
  for (const store of [source, target]) await store.close();
}

const openStore = (url: string): Promise<PostgresStore> => PostgresStore.open({ url, hub: 'test' });

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing was refused',
    (error: { code: string }) => error.code,
  );

async function registryLines(store: PostgresStore): Promise<{ by: string; elected: boolean }[]> {
  const lines: { by: string; elected: boolean }[] = [];
  for (;;) {
    const records = await store.read('registry', lines.length);
    if (records.length === 0) return lines;
    for (const { bytes } of records) lines.push(JSON.parse(new TextDecoder().decode(bytes)));
  }
}

async function connect(site: Site, mqttUrl: string): Promise<Connected> {
  const device = new Connected({ mqttUrl }, terminal.address);
  await device.ready();
  device.send(await registration(site.signing, terminal, payee, 1));
  return device;
}

/** Vouchers of one channel, sent again until they are acknowledged. */
class Load {
  readonly acknowledged = new Map<string, number>();
  device: Connected;
  paid = 0;
  private count = 0;
  private readonly site: Site;
  private readonly all = new Map<string, Uint8Array>();

  constructor(site: Site, device: Connected) {
    this.site = site;
    this.device = device;
  }

  /** So many more are signed, sent and acknowledged. */
  async acknowledge(more: number): Promise<void> {
    const waiting = new Map<string, Uint8Array>();
    for (let n = 0; n < more; n += 1) {
      this.count += 1;
      this.paid = 3 * this.count;
      const { channel, signing } = this.site;
      const one = await tap({
        on: signing,
        channel,
        seq: this.count,
        amount: 3,
        spent: this.paid,
        paid: this.paid,
      });
      waiting.set(hex(one.id), one.bytes);
      this.all.set(hex(one.id), one.bytes);
    }
    let looks = 0;
    await until('all are acknowledged', async () => {
      if (looks % 100 === 0) {
        this.device.send(await registration(this.site.signing, terminal, payee, looks + 1));
        for (const bytes of waiting.values()) this.device.send(bytes);
      }
      looks += 1;
      this.take();
      for (const id of this.acknowledged.keys()) waiting.delete(id);
      return waiting.size === 0;
    });
  }

  /** All of them once more, until each is acknowledged again. */
  async again(): Promise<void> {
    this.device.received.length = 0;
    const waiting = new Map(this.all);
    let looks = 0;
    await until('all are acknowledged again', () => {
      // A broker lets only so many through at once.
      if (looks % 100 === 0) for (const bytes of [...waiting.values()].slice(0, 60)) this.device.send(bytes);
      looks += 1;
      for (const id of this.take()) waiting.delete(id);
      return waiting.size === 0;
    });
  }

  /** Reads what came; answers what was acknowledged. */
  private take(): string[] {
    const taken: string[] = [];
    for (const message of this.device.received.splice(0)) {
      if (message.type !== 'acknowledgement') continue;
      const id = hex(message.entry);
      assert.is(this.acknowledged.get(id) ?? message.position, message.position);
      this.acknowledged.set(id, message.position);
      taken.push(id);
    }
    return taken;
  }
}

/** A worker as a process of its own. */
class WorkerProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string, undefined>;
  private url = '';

  private constructor(child: ChildProcess) {
    this.child = child;
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(config: HubConfigInput): Promise<WorkerProcess> {
    const words = ['--enable-source-maps', fileURLToPath(import.meta.url), 'hub', JSON.stringify(config)];
    const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    const worker = new WorkerProcess(child);
    const { value } = await worker.lines.next();
    if (value === undefined) throw new Error('a worker ended before it was up');
    worker.url = value;
    return worker;
  }

  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** Asks it to settle now; resolves with `settled`, or the code of why not. */
  async settle(): Promise<string> {
    this.child.stdin!.write('settle\n');
    const { value } = await this.lines.next();
    return value ?? 'it has ended';
  }

  /** Vouchers that it took itself. */
  async accepted(): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const found = [...text.matchAll(/^sundial_hub_accepted_total\{[^}]*\} (\d+)/gm)];
    return found.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async stop(): Promise<void> {
    this.resume();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await gone;
  }
}
