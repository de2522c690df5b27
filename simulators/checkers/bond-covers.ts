/**
 * Rule 10 in a run whose leases all name scopes: whatever was copied, the payees of a channel together are short of no more
 * than its bond. The sum is what was handed over less what L2 settled, by nothing that the hub computes.
 *
 * Not checked here: who bears what (`paid-or-attributed`), leases for any terminal, which nothing covers, and merchants with
 * a till that is frozen or whose key is gone: what only it could still hand in is no copied payer's doing. Nor a hub that
 * lends more than there is, buries or withholds.
 */
import type { Run } from '../fleet/run.ts';
import type { MakeChecker } from './checker.ts';

/** Units that merchants of a channel, all of whose tills still answer, were not paid. */
function shortOn({ vault, fleet, accounts }: Run, channel: number): number {
  const { lanes } = vault.channel(channel);
  let short = 0;
  for (const merchant of fleet.merchants) {
    if (merchant.terminals.some(({ device }) => device.frozen || device.key.dead)) continue;
    const { settled = 0, credited = 0, madeGood = 0 } = lanes.get(merchant.id) ?? {};
    short += Math.max(0, accounts.delivered(channel, merchant) - (settled + madeGood - credited));
  }
  return short;
}

export const bondCovers: MakeChecker = (simulation, report) => ({
  name: 'bond covers',
  finished() {
    const { options, fleet, vault, hub } = simulation;
    if (options.scenario.scopes !== true || hub.l2.buries || hub.l2.lends !== 1 || hub.withholds) return;
    for (const { channel, device } of fleet.payers) {
      const { bond, potOpened } = vault.channel(channel);
      const short = shortOn(simulation, channel);
      if (short > bond + potOpened)
        report(`${device.name} cost payees ${short}, and its bond is ${bond + potOpened}`);
    }
  },
});
