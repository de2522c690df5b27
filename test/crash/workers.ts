/**
 * Rounds with three workers of one hub over PostgreSQL and mosquitto: a worker is killed, or sleeps for longer than its
 * lease; the database's processes are killed; the broker is.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { Mosquitto } from '../../hub/ingest/mosquitto.ts';
import { electedMs } from '../../hub/limits.ts';
import { PostgresServer } from '../../hub/postgres/server.ts';
import { Chain, hubConfig, settledOtherwise } from './chain.ts';
import { Load } from './load.ts';
import { entryIn } from './oracle.ts';
import type { Random } from '../hub/random.ts';
import { type Found, judge } from './verdict.ts';

const WORKERS = 3;
const VICTIMS = ['worker', 'paused', 'postgres', 'mosquitto'] as const;
type Victim = (typeof VICTIMS)[number];
const TIED = 'tools/tied.mjs';

/** So many rounds; resolves with what was found afterwards. */
export async function workerRounds(
  rounds: number,
  random: Random,
  home: string,
  say: (text: string) => void,
): Promise<Found & { readonly settledTwice: number; readonly by: Record<Victim, number> }> {
  const by: Record<Victim, number> = { worker: 0, paused: 0, postgres: 0, mosquitto: 0 };
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
    for (let n = 0; n < WORKERS; n += 1) await site.start(n);
    const load = new Load(chain.signing, chain.channels);
    for (let round = 0; round < rounds; round += 1) {
      const victim = VICTIMS[random.below(VICTIMS.length)]!;
      const which = random.below(WORKERS);
      const enough = load.acknowledged.size + 1 + random.below(250);
      const kill = async (): Promise<void> => {
        if (victim === 'worker') await site.kill(which);
        if (victim === 'worker') await site.start(which);
        if (victim === 'paused') await site.pause(which);
        if (victim === 'postgres') await server.kill();
        if (victim === 'postgres') await server.begin();
        if (victim === 'mosquitto') await broker.kill();
        if (victim === 'mosquitto') await broker.begin();
      };
      await load.run(broker.url, () => load.acknowledged.size >= enough, kill, victim !== 'mosquitto');
      by[victim] += 1;
      if ((round + 1) % 5 === 0 || round + 1 === rounds)
        say(`workers, round ${round + 1} of ${rounds}: ${load.acknowledged.size} acknowledged`);
    }
    await load.drain(broker.url);
    say('settling what is left ...');
    const settledTwice = await settledOtherwise(chain, load.tops);
    await site.stop();
    return { ...judge(load, await entriesOf(url)), settledTwice, by };
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
  private readonly children: (ChildProcess | undefined)[] = [];
  private readonly home: string;
  private readonly chain: Chain;
  private readonly database: string;
  private readonly broker: string;

  constructor(home: string, chain: Chain, database: string, broker: string) {
    this.home = home;
    this.chain = chain;
    this.database = database;
    this.broker = broker;
  }

  async start(which: number): Promise<void> {
    const config = {
      ...(await hubConfig(this.chain)),
      folder: join(this.home, `worker-${which}`),
      database: { url: this.database },
      mqtt: { url: this.broker },
    };
    const words = ['--enable-source-maps', process.argv[1]!, 'hub', JSON.stringify(config)];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.children[which] = child;
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout! }).once('line', () => resolve());
      child.once('exit', (code) => reject(new Error(`a worker ended with ${code} before it was up`)));
    });
  }

  async kill(which: number): Promise<void> {
    await this.end(which, 'SIGKILL');
  }

  /** It sleeps for longer than a lease lasts, and goes on. */
  async pause(which: number): Promise<void> {
    const child = this.children[which];
    child?.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, electedMs + 1_500));
    child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.map((_, which) => this.end(which, 'SIGTERM')));
  }

  private async end(which: number, how: NodeJS.Signals): Promise<void> {
    const child = this.children[which];
    this.children[which] = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(how);
    await gone;
  }
}
