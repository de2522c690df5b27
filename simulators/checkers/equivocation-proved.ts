/**
 * Rule 9: whatever two vouchers of one payer in the ledger contradict each other, there is a proof; and there is none
 * against an honest payer. Compares every pair, where the hub compares neighbours. And what the hub can prove it brings
 * to L2: the bond lies in a pot.
 *
 * Not checked here: E3, proofs that come in the last minutes, and a hub whose operator sends nothing to L2.
 */
import { regresses, equivocates, type Shown } from '../../hub/l2/fraud.ts';
import { channelBook, entryId, spentTopOf, topOf } from '../../hub/intake/books.ts';
import type { Entry } from '../../hub/intake/state.ts';
import { HOUR } from '../stage/world/world.ts';
import type { MakeChecker } from './checker.ts';

/** From a proof in the ledger until the bond is in a pot, once faults are over. */
const ON_L2_MS = HOUR;

/** Pairs of one channel that are compared: a channel of more is compared in its first vouchers. */
const ENTRIES_MAX = 600;

export const equivocationProved: MakeChecker = (simulation, report) => {
  const foundAtMs = new Map<number, number>();
  return {
    name: 'equivocation proved',
    evidence({ channel }) {
      if (!foundAtMs.has(channel)) foundAtMs.set(channel, simulation.world.nowMs);
      const payer = simulation.fleet.payerOf(channel);
      if (payer?.honest) report(`the hub accuses ${payer.device.name}, which is honest`);
    },
    finished() {
      const proofs = simulation.hub.proofs();
      for (const payer of simulation.fleet.payers) {
        if (payer.honest || proofs.has(payer.channel)) continue;
        const { entries } = channelBook(simulation.hub.books, payer.channel as never);
        const shown = [...entries].slice(0, ENTRIES_MAX).map(shownOf);
        for (let i = 0; i < shown.length; i++)
          for (let j = i + 1; j < shown.length; j++)
            if (equivocates(shown[i]!, shown[j]!) || regresses(shown[i]!, shown[j]!))
              return report(
                `two vouchers of ${payer.device.name} contradict each other, and nothing proves it`,
              );
      }
      const { vault, hub, world } = simulation;
      for (const [channel, atMs] of foundAtMs)
        if (!hub.l2.buries && world.nowMs - atMs > ON_L2_MS && vault.channel(channel).potOpened === 0)
          report(`the fraud on channel ${channel} is proved, and its bond is where it was`);
    },
  };
};

const shownOf = (entry: Entry): Shown => ({
  id: entryId(entry),
  seq: entry.seq,
  spent: spentTopOf(entry),
  payee: entry.payee,
  paid: topOf(entry),
  moved: entry.stream === undefined ? entry.amount : topOf(entry) - entry.paid,
});
