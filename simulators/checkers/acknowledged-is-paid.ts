/**
 * Rule 20: what the hub acknowledged is paid, whatever somebody announced on L2. Each sale that it acknowledged before announced
 * rows took anything of the channel is settled in the end, up to where its voucher leaves the lane. When the hub vanished,
 * that is owed to merchants alone whose own office watches L2.
 *
 * What a sale raises its lane to is read from the voucher that the till stored, what L2 settled from the vault's numbers.
 *
 * Not checked here: ticks; sales that were kept, or acknowledged only after the rows had been executed, which are the payer's
 * doing (`paid-or-attributed.ts` bounds it); channels whose payer was proved dishonest or on which the hub or a thief lent too
 * much; a hub that buries what it acknowledged.
 */
import { bytesKey } from '../../hub/intake/trie.ts';
import type { Merchant } from '../fleet/actors.ts';
import { type MakeChecker, takenBy } from './checker.ts';

interface Sale {
  readonly channel: number;
  readonly merchant: Merchant;
  /** Units that its lane reaches by it. */
  readonly top: number;
}

export const acknowledgedIsPaid: MakeChecker = (simulation, report) => {
  const sales = new Map<string, Sale>();
  /** The highest that each merchant was told is safe, by channel. */
  const owed = new Map<number, Map<Merchant, number>>();
  const lentByThief = new Set<number>();
  return {
    name: 'acknowledged is paid',
    lentByThief({ channel }) {
      lentByThief.add(channel);
    },
    terminalNotice(terminal, notice) {
      if (notice.type !== 'approved') return;
      const { voucher } = takenBy(terminal, notice.voucher) ?? {};
      if (voucher?.kind !== 'voucher') return;
      const { channel, paid } = voucher;
      sales.set(bytesKey(notice.voucher), { channel, merchant: terminal.merchant, top: paid });
    },
    acknowledged(entry) {
      const sale = sales.get(entry);
      if (sale === undefined || simulation.vault.channel(sale.channel).slowly > 0) return;
      const { channel, merchant, top } = sale;
      const lanes = owed.get(channel) ?? new Map<Merchant, number>();
      owed.set(channel, lanes);
      lanes.set(merchant, Math.max(top, lanes.get(merchant) ?? 0));
    },
    finished() {
      const { vault, hub } = simulation;
      if (hub.l2.buries || hub.l2.lends !== 1) return;
      for (const [channel, lanes] of owed) {
        if (lentByThief.has(channel) || hub.proofs().has(channel)) continue;
        for (const [merchant, top] of lanes) {
          const settled = vault.settledOf(channel, merchant.id);
          if (settled >= top || (hub.vanished && !merchant.watches)) continue;
          report(
            `merchant ${merchant.index} was told that ${top} of channel ${channel} is safe, and got ${settled}`,
          );
        }
      }
    },
  };
};
