/**
 * The promise to payees and payers: on every lane of an honest payer the vault has settled, net of credits, exactly
 * what was delivered. On the lanes of a dishonest one the loss is proved against its channel and stays within rule
 * 10. What stood only in a device whose flash was damaged is that device's loss, and counted as such.
 */
import { findEntry } from '../../hub/intake/books.ts';
import { bytesKey, trieEntries } from '../../hub/intake/trie.ts';
import type { Simulation } from '../sim/simulation.ts';
import type { MakeChecker } from './checker.ts';

export const paidOrAttributed: MakeChecker = (simulation, report) => ({
  name: 'paid or attributed',
  finished() {
    const { accounts, vault, fleet } = simulation;
    const refunds = refundsOf(simulation);
    for (const payer of fleet.payers) {
      const channel = vault.channel(payer.channel);
      let lost = 0;
      for (const merchant of fleet.merchants) {
        const lane = channel.lanes.get(merchant.id);
        const net = (lane?.settled ?? 0) - (lane?.credited ?? 0);
        const refunded = refunds.get(`${payer.channel} ${merchant.id}`) ?? 0;
        const delivered = accounts.delivered(payer.channel, merchant) - refunded;
        if (net === delivered) continue;
        const damaged =
          payer.device.frozen || merchant.terminals.some((terminal) => simulation.isDamaged(terminal.device));
        if (net < delivered) {
          if (payer.honest && !damaged)
            report(`${payer.device.name} paid merchant ${merchant.index} ${net}, got goods for ${delivered}`);
          lost += delivered - net;
        } else if (
          payer.honest &&
          !damaged &&
          merchant.givesCredits &&
          net - delivered > writtenOffTo(simulation, payer.channel, merchant.id)
        ) {
          report(`${payer.device.name} was charged ${net} by merchant ${merchant.index} for ${delivered}`);
        }
        if (damaged)
          simulation.losses.push({
            channel: payer.channel,
            culprit: 'damage',
            lost: Math.abs(delivered - net),
          });
      }
      if (payer.honest || lost === 0) continue;
      simulation.losses.push({ channel: payer.channel, culprit: 'payer', lost });
      const bound = simulation.lossBoundOf(payer.channel);
      if (!simulation.hub.proofs().has(payer.channel))
        report(`${payer.device.name} cost ${lost} and nothing proves it`);
      if (lost > bound.beforeBond)
        report(`${payer.device.name} cost ${lost}, above the bound of ${bound.beforeBond} (rule 10)`);
    }
  },
});

/** Worth of the ticks that a payer gave up at a merchant and that no charger had stored: decision 12 bounds them so. */
function writtenOffTo({ accounts, hub }: Simulation, channel: number, merchant: string): number {
  let sum = 0;
  for (const tick of accounts.writtenOff) {
    const entry = tick.channel === channel ? findEntry(hub.books, tick.stream) : undefined;
    if (entry?.stream === undefined || bytesKey(entry.payee) !== merchant) continue;
    if (entry.stream.k < tick.k) sum += entry.stream.tickValue;
  }
  return sum;
}

/**
 * What terminals gave back on goods that were delivered, by channel and merchant, as they signed it. Voided vouchers
 * and late ticks never counted as delivered.
 */
function refundsOf(simulation: Simulation): Map<string, number> {
  const refunds = new Map<string, number>();
  for (const [, book] of trieEntries(simulation.hub.books.channels)) {
    for (const { voided, kind, credited, channel, payee } of book.entries) {
      if (voided || kind === 'stream' || credited === 0) continue;
      const key = `${channel} ${bytesKey(payee)}`;
      refunds.set(key, (refunds.get(key) ?? 0) + credited);
    }
  }
  return refunds;
}
