/** Rule 12: what the hub acknowledged stands in its ledger then, and after every restart. */
import type { MakeChecker } from './checker.ts';

export const acknowledgedIsKept: MakeChecker = (simulation, report) => {
  const promised = new Set<string>();
  return {
    name: 'acknowledged is kept',
    acknowledged(entry, position) {
      promised.add(entry);
      const at = simulation.hub.durable.get(entry);
      if (at === undefined) report(`the hub acknowledged ${entry.slice(0, 8)} before it was durable`);
      else if (position >= simulation.hub.ledger.length) report(`position ${position} is beyond the ledger`);
    },
    hubStarted() {
      const { hub } = simulation;
      if (!promised.size) return;
      for (const entry of promised) {
        if (!hub.knows(entry)) return report(`after its restart the hub has no ${entry.slice(0, 8)}`);
      }
    },
    finished() {
      for (const entry of promised)
        if (!simulation.hub.knows(entry)) return report(`the hub lost acknowledged ${entry.slice(0, 8)}`);
    },
  };
};
