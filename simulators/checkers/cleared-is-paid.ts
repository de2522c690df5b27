/**
 * Rule 19, looked at from outside: a sale above what a tap may be is taken only on a clearance that the hub made for this
 * very request at this very terminal, once; and whatever was cleared and taken is paid in the end, whoever copied the
 * customer's device: the hub held the money for it.
 *
 * Not checked here: amounts below the tap limit, what the owner wanted to be asked about, merchants with a till that is frozen
 * or whose key is gone, and a hub that lends more than there is, buries or withholds.
 */
import { bytesKey } from '../../hub/intake/trie.ts';
import type { RecordOf } from '../../hub/ledger/records.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { requestHash } from '../../protocol/vouchers.ts';
import type { Merchant } from '../fleet/actors.ts';
import { type MakeChecker, takenBy } from './checker.ts';

interface Taken {
  readonly merchant: Merchant;
  readonly till: string;
  readonly channel: number;
  /** Where the lane stands with it. */
  readonly paid: number;
}

export const clearedIsPaid: MakeChecker = (simulation, report) => {
  /** By the hash of the request. */
  const clearances = new Map<string, RecordOf<'clearance'>>();
  const taken = new Map<string, Taken>();
  /** The highest tap limit that one of the hub's keys signed, by channel. */
  const tapLimits = new Map<number, number>();
  const allows = ({ channel, tapLimit }: { readonly channel: number; readonly tapLimit: number }): void => {
    tapLimits.set(channel, Math.max(tapLimit, tapLimits.get(channel) ?? 0));
  };
  return {
    name: 'cleared is paid',
    leased: allows,
    // Whether those count is for `within-the-lease.ts` to say.
    lentByThief: allows,
    cleared(clearance) {
      clearances.set(bytesKey(clearance.request), clearance);
    },
    terminalNotice(terminal, notice) {
      if (notice.type !== 'approved') return;
      const sold = takenBy(terminal, notice.voucher);
      if (sold?.voucher.kind !== 'voucher') return;
      const { request, voucher } = sold;
      const { device, merchant } = terminal;
      if (request.amount <= (tapLimits.get(voucher.channel) ?? 0)) return;
      const key = bytesKey(requestHash(simulation.signing, request));
      const clearance = clearances.get(key);
      const name = `${device.name} took ${request.amount} on channel ${voucher.channel}`;
      if (clearance === undefined) return report(`${name}, which nobody cleared`);
      const isThis =
        clearance.channel === voucher.channel &&
        clearance.amount === request.amount &&
        equalBytes(clearance.terminal, request.terminal);
      if (!isThis) return report(`${name} on a clearance of something else`);
      if (taken.has(key)) return report(`${name} twice on one clearance`);
      taken.set(key, { merchant, till: device.name, channel: voucher.channel, paid: voucher.paid });
    },
    finished() {
      const { vault, hub } = simulation;
      if (hub.l2.buries || hub.l2.lends !== 1 || hub.withholds) return;
      for (const { merchant, till, channel, paid } of taken.values()) {
        if (merchant.terminals.some(({ device }) => device.frozen || device.key.dead)) continue;
        const { settled = 0 } = vault.channel(channel).lanes.get(merchant.id) ?? {};
        if (settled < paid)
          report(
            `${till} sold on a clearance of channel ${channel} up to ${paid}, and L2 settled ${settled}`,
          );
      }
    },
  };
};
