/** Rounds with one hub over its folder: killed, without a disk, at another time; and its chain's node. */
import { join } from 'node:path';
import type { Random } from '../hub/random.ts';
import { until } from '../hub/temporary.ts';
import { Chain, hubConfig, settledOtherwise } from './chain.ts';
import { Draw, jump } from './draw.ts';
import { Load } from './load.ts';
import { entriesIn } from './oracle.ts';
import { during, HubProcess } from './process.ts';
import { type Found, judge } from './verdict.ts';

/** Longest wait for a batch to be under way, milliseconds: after that the hub is killed all the same. */
const SETTLING_MS = 6_000;
/** What lasts for a while lasts so long at most, milliseconds. */
const WHILE_MS = 2_500;

/** So many rounds; resolves with what was found afterwards. */
export async function hubRounds(
  rounds: number,
  random: Random,
  home: string,
  say: (text: string) => void,
): Promise<Found & { readonly settledTwice: number; readonly by: Record<string, number> }> {
  const draw = new Draw(['hub', 'settler', 'chain', 'disk', 'clock'], random);
  const chain = await Chain.start(home);
  const folder = join(home, 'hub');
  const hub = new HubProcess(folder);
  const start = async (): Promise<void> => {
    const port = hub.mqttUrl === '' ? 0 : Number(new URL(hub.mqttUrl).port);
    await hub.start({ ...(await hubConfig(chain)), folder, mqtt: { port } });
  };
  try {
    const load = new Load(chain.signing, chain.channels);
    await start();
    for (let round = 0; round < rounds; round += 1) {
      const victim = draw.next();
      const enough = load.acknowledged.size + 1 + random.below(250);
      // A hub without a disk, or at another time, is killed then, or goes on.
      const isKilled = victim === 'hub' || victim === 'settler' || (victim !== 'chain' && random.chance(0.5));
      const [offset, lasts] = [jump(random), 300 + random.below(WHILE_MS)];
      const hit = async (): Promise<void> => {
        if (victim === 'chain') await chain.killAndRestart();
        if (victim === 'settler') await settling(hub);
        if (victim === 'disk') hub.setDisk(true);
        if (victim === 'clock') hub.setClock(offset);
        if (victim === 'disk' || victim === 'clock') await during(lasts);
        if (isKilled) await hub.kill();
        hub.setDisk(false);
      };
      await load.run(hub.mqttUrl, () => load.acknowledged.size >= enough, hit, !isKilled);
      // One that was killed at another time starts at that time, and hears of the right one later.
      if (isKilled) await start();
      hub.setClock(0);
      if ((round + 1) % 5 === 0 || round + 1 === rounds)
        say(`round ${round + 1} of ${rounds}: ${load.acknowledged.size} acknowledged`);
    }
    await load.drain(hub.mqttUrl);
    say('settling what is left ...');
    const begun = Date.now();
    const settledTwice = await settledOtherwise(chain, load.tops);
    say(`settled in ${Math.round((Date.now() - begun) / 1000)} s`);
    await hub.stop();
    return { ...judge(load, entriesIn(join(folder, 'ledger'))), settledTwice, by: draw.by };
  } finally {
    await hub.stop();
    await chain.stop();
  }
}

/** Resolves when a batch is under way, or after a while. */
export async function settling(hub: HubProcess): Promise<void> {
  const end = Date.now() + SETTLING_MS;
  await until('a batch is under way', async () => Date.now() > end || (await hub.isSettling()));
}
