/**
 * Rule 14, per channel: deposit + credits = settled + bond or pot + returned + held. And no balance out of nothing.
 *
 * Not checked here: what the real vault does (`test/vault` compares the model with it), withdrawals to a payee's own
 * account, fees, and channels that no block touched.
 */
import type { MakeChecker } from './checker.ts';

export const conservation: MakeChecker = (_simulation, report) => ({
  name: 'conservation',
  vaultChanged(vault) {
    for (const id of vault.touched) {
      const channel = vault.channels.get(id);
      if (channel === undefined) continue;
      let settled = 0;
      let credited = 0;
      for (const lane of channel.lanes.values()) {
        settled += lane.settled + lane.madeGood;
        credited += lane.credited;
        if (lane.credited > lane.settled) report(`lane of channel ${id} gave back more than it settled`);
      }
      const { deposited, bond, free, returned, pot, potKept } = channel;
      // What the pot paid stands with the lanes.
      const out = settled + bond + pot + potKept + returned + free;
      if (deposited + channel.credited !== out)
        report(`channel ${id}: ${deposited} + ${channel.credited} came in, ${out} is accounted for`);
      if (credited !== channel.credited) report(`channel ${id}: its lanes gave back another sum than it got`);
      if (free < 0 || bond < 0 || pot < 0) report(`channel ${id} has less than nothing`);
    }
  },
  finished() {},
});
