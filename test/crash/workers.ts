/**
 * Rounds with three workers of one hub over PostgreSQL and mosquitto: a worker is killed, the one that settles while it
 * does, or sleeps for longer than its lease, or has another time; the database's processes are killed, or its disk takes
 * nothing more; the broker is killed, and the chain's node.
 */
import { join } from 'node:path';
import { Client } from 'pg';
import { Mosquitto } from '../../hub/ingest/mosquitto.ts';
import { electedMs } from '../../hub/limits.ts';
import { PostgresServer } from '../../hub/postgres/server.ts';
import type { Random } from '../hub/random.ts';
import { Chain, hubConfig, settledOtherwise } from './chain.ts';
import { Draw, jump } from './draw.ts';
import { Load } from './load.ts';
import { settling } from './one-hub.ts';
import { entryIn } from './oracle.ts';
import { during, HubProcess, setDisk } from './process.ts';
import { type Found, judge } from './verdict.ts';

const WORKERS = 3;
const KINDS = ['worker', 'settler', 'paused', 'clock', 'disk', 'postgres', 'mosquitto', 'chain'] as const;
const TIED = 'tools/tied.mjs';
/** How long a disk takes nothing at most, milliseconds. */
const FULL_MS = 2_500;

/** So many rounds; resolves with what was found afterwards. */
export async function workerRounds(
  rounds: number,
  random: Random,
  home: string,
  say: (text: string) => void,
): Promise<Found & { readonly settledTwice: number; readonly by: Record<string, number> }> {
  const draw = new Draw(KINDS, random);
  const opened: (() => Promise<void>)[] = [];
  try {
    const chain = await Chain.start(home);
    opened.unshift(() => chain.stop());
    const server = await PostgresServer.start({ tiedBy: TIED });
    opened.unshift(() => server.stop());
    const broker = await Mosquitto.start({ tiedBy: TIED });
    opened.unshift(() => broker.stop());
    const url = await server.create('hub');
    const site = new Site(home, chain, url, broker.url);
    opened.unshift(() => site.stop());
    for (const worker of site.workers) await site.start(worker);
    const load = new Load(chain.signing, chain.channels);
    for (let round = 0; round < rounds; round += 1) {
      const victim = draw.next();
      const any = site.workers[random.below(WORKERS)]!;
      const enough = load.acknowledged.size + 1 + random.below(250);
      const [offset, lasts] = [jump(random), 300 + random.below(FULL_MS)];
      const hit: Record<(typeof KINDS)[number], () => Promise<void>> = {
        worker: () => site.replace(any),
        settler: async () => {
          const elected = await site.elected(any);
          await settling(elected);
          await site.replace(elected);
        },
        // Longer than its lease lasts; mostly the one that holds it.
        paused: async () => (await site.elected(any)).sleep(electedMs + 1_500),
        clock: async () => {
          const worker = lasts % 2 === 0 ? any : await site.elected(any);
          worker.setClock(offset);
          await during(lasts + electedMs);
          worker.setClock(0);
        },
        disk: async () => {
          setDisk(server.processes(), true);
          await during(lasts);
          setDisk(server.processes(), false);
          // A database that can't write its log may have ended; its operator starts it again.
          await server.kill();
          await server.begin();
        },
        postgres: async () => {
          await server.kill();
          await server.begin();
        },
        mosquitto: async () => {
          await broker.kill();
          await broker.begin();
        },
        chain: () => chain.killAndRestart(),
      };
      await load.run(
        broker.url,
        () => load.acknowledged.size >= enough,
        () => hit[victim](),
        victim !== 'mosquitto',
      );
      if ((round + 1) % 5 === 0 || round + 1 === rounds)
        say(`workers, round ${round + 1} of ${rounds}: ${load.acknowledged.size} acknowledged`);
    }
    await load.drain(broker.url);
    say('settling what is left ...');
    const begun = Date.now();
    const settledTwice = await settledOtherwise(chain, load.tops);
    say(`settled in ${Math.round((Date.now() - begun) / 1000)} s`);
    await site.stop();
    return { ...judge(load, await entriesOf(url)), settledTwice, by: draw.by };
  } finally {
    for (const close of opened) await close();
  }
}

/** Positions of every device's entry, by digest (hex): read from the table itself, and by nothing of the hub. */
async function entriesOf(url: string): Promise<Map<string, number[]>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query('select position, bytes from records where log = 1 order by position');
  await client.end();
  const found = new Map<string, number[]>();
  for (const [index, { position, bytes }] of rows.entries()) {
    if (Number(position) !== index) throw new Error(`position ${index} is missing`);
    const id = entryIn(bytes as Buffer);
    if (id !== undefined) found.set(id, [...(found.get(id) ?? []), index]);
  }
  return found;
}

/** The workers as processes. */
class Site {
  readonly workers: readonly HubProcess[];
  private readonly home: string;
  private readonly chain: Chain;
  private readonly database: string;
  private readonly broker: string;

  constructor(home: string, chain: Chain, database: string, broker: string) {
    this.home = home;
    this.chain = chain;
    this.database = database;
    this.broker = broker;
    this.workers = Array.from({ length: WORKERS }, (_, n) => new HubProcess(join(home, `worker-${n}`)));
  }

  async start(worker: HubProcess): Promise<void> {
    await worker.start({
      ...(await hubConfig(this.chain)),
      folder: join(this.home, `worker-${this.workers.indexOf(worker)}`),
      database: { url: this.database },
      mqtt: { url: this.broker },
    });
  }

  /** It is killed, and another process takes its place. */
  async replace(worker: HubProcess): Promise<void> {
    await worker.kill();
    await this.start(worker);
  }

  /** The one that watches and settles, or `other` while there is none. */
  async elected(other: HubProcess): Promise<HubProcess> {
    for (const worker of this.workers) if (await worker.isElected()) return worker;
    return other;
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
  }
}
