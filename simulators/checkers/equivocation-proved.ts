/**
 * Rule 9: whatever two vouchers of one payer in the ledger contradict each other, there is a proof; and there is none
 * against an honest payer. Compares every pair, where the hub compares neighbours.
 */
import { regresses, equivocates, type Shown } from '../../hub/l2/fraud.ts';
import { channelBook, entryId, spentTopOf, topOf } from '../../hub/intake/books.ts';
import type { Entry } from '../../hub/intake/state.ts';
import type { MakeChecker } from './checker.ts';

/** Pairs of one channel that are compared: a channel of more is compared in its first vouchers. */
const ENTRIES_MAX = 600;

export const equivocationProved: MakeChecker = (simulation, report) => ({
  name: 'equivocation proved',
  evidence({ channel }) {
    const payer = simulation.fleet.payerOf(channel);
    if (payer?.honest) report(`the hub accuses ${payer.device.name}, which is honest`);
  },
  finished() {
    const proofs = simulation.hub.proofs();
    for (const payer of simulation.fleet.payers) {
      if (payer.honest || proofs.has(payer.channel)) continue;
      const entries = channelBook(simulation.hub.books, payer.channel as never).entries.slice(0, ENTRIES_MAX);
      const shown = entries.map(shownOf);
      for (let i = 0; i < shown.length; i++)
        for (let j = i + 1; j < shown.length; j++)
          if (equivocates(shown[i]!, shown[j]!) || regresses(shown[i]!, shown[j]!))
            return report(
              `two vouchers of ${payer.device.name} contradict each other, and nothing proves it`,
            );
    }
  },
});

const shownOf = (entry: Entry): Shown => ({
  id: entryId(entry),
  seq: entry.seq,
  spent: spentTopOf(entry),
  payee: entry.payee,
  paid: topOf(entry),
  moved: entry.stream === undefined ? entry.amount : topOf(entry) - entry.paid,
});
