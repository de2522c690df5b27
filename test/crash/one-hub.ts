/** Rounds with one hub over its folder, killed and started again, and its chain's node. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Random } from '../hub/random.ts';
import { until } from '../hub/temporary.ts';
import { Chain, hubConfig, settledOtherwise } from './chain.ts';
import { Load } from './load.ts';
import { entriesIn } from './oracle.ts';
import { type Found, judge } from './verdict.ts';

/** Longest wait for a batch to be under way, milliseconds: after that the hub is killed all the same. */
const SETTLING_MS = 6_000;

type Victim = 'hub' | 'settler' | 'chain';

/** So many rounds; resolves with what was found afterwards. */
export async function hubRounds(
  rounds: number,
  random: Random,
  home: string,
  say: (text: string) => void,
): Promise<Found & { readonly settledTwice: number; readonly by: Record<Victim, number> }> {
  const by: Record<Victim, number> = { hub: 0, settler: 0, chain: 0 };
  const chain = await Chain.start(home);
  const place = new Place(home, chain);
  try {
    const load = new Load(chain.signing, chain.channels);
    await place.startHub();
    for (let round = 0; round < rounds; round += 1) {
      const victim: Victim = random.chance(0.2) ? 'chain' : random.chance(0.4) ? 'settler' : 'hub';
      const enough = load.acknowledged.size + 1 + random.below(250);
      const kill = async (): Promise<void> => {
        if (victim === 'settler') await place.untilSettling();
        if (victim === 'chain') await chain.killAndRestart();
        else await place.killHub();
      };
      await load.run(place.mqttUrl, () => load.acknowledged.size >= enough, kill, victim === 'chain');
      by[victim] += 1;
      if (victim !== 'chain') await place.startHub();
      if ((round + 1) % 5 === 0 || round + 1 === rounds)
        say(`round ${round + 1} of ${rounds}: ${load.acknowledged.size} acknowledged`);
    }
    await load.drain(place.mqttUrl);
    say('settling what is left ...');
    const settledTwice = await settledOtherwise(chain, load.tops);
    await place.stopHub();
    return { ...judge(load, entriesIn(join(home, 'hub', 'ledger'))), settledTwice, by };
  } finally {
    await place.stopHub();
    await chain.stop();
  }
}

/** The hub as a process, killed and started again over one folder. */
class Place {
  mqttUrl = '';
  private statusUrl = '';
  private port = 0;
  private child: ChildProcess | undefined;
  private readonly folder: string;
  private readonly chain: Chain;

  constructor(home: string, chain: Chain) {
    this.folder = join(home, 'hub');
    this.chain = chain;
  }

  async startHub(): Promise<void> {
    const config = JSON.stringify({
      ...(await hubConfig(this.chain)),
      folder: this.folder,
      mqtt: { port: this.port },
    });
    const child = spawn(process.execPath, ['--enable-source-maps', process.argv[1]!, 'hub', config], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child = child;
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout! }).once('line', resolve);
      child.once('exit', (code) => reject(new Error(`the hub ended with ${code} before it was up`)));
    });
    ({ mqttUrl: this.mqttUrl, statusUrl: this.statusUrl } = JSON.parse(line));
    this.port = Number(new URL(this.mqttUrl).port);
  }

  private async ended(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => child.once('exit', () => resolve()));
  }

  async killHub(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.ended();
  }

  async stopHub(): Promise<void> {
    this.child?.kill('SIGTERM');
    await this.ended();
  }

  private async status() {
    const response = await fetch(`${this.statusUrl}/status`);
    return (await response.json()) as {
      settlement: { open?: object; waitingLanes: number; trouble?: string };
    };
  }

  /** A batch is signed and not final. */
  async untilSettling(): Promise<void> {
    const end = Date.now() + SETTLING_MS;
    await until('a batch is under way', async () => {
      return Date.now() > end || (await this.status()).settlement.open !== undefined;
    });
  }
}
