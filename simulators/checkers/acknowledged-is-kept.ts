/**
 * Rule 12: what the hub acknowledged stands in its ledger then, and after every restart.
 *
 * Not checked here: acknowledgements that a payer's copies get, what an acknowledgement says beside the entry and its
 * position, and whether what is kept is ever settled (`paid-or-attributed.ts`).
 */
import type { MakeChecker } from './checker.ts';

export const acknowledgedIsKept: MakeChecker = (simulation, report) => {
  /** By position, whether it was acknowledged: a large fleet has millions of them. */
  let promised = new Uint8Array(1024);
  /** Whether the hub has everything that it acknowledged; otherwise reports the first that it has not. */
  const look = (words: string): void => {
    const { hub } = simulation;
    for (const [entry, position] of hub.durable)
      if (promised[position] === 1 && !hub.knows(entry)) return report(`${words} ${entry.slice(0, 8)}`);
  };
  return {
    name: 'acknowledged is kept',
    acknowledged(entry, position) {
      const { durable, ledgerSize } = simulation.hub;
      const at = durable.get(entry);
      if (at === undefined) return report(`the hub acknowledged ${entry.slice(0, 8)} before it was durable`);
      if (position >= ledgerSize) report(`position ${position} is beyond the ledger`);
      if (at >= promised.length) {
        const more = new Uint8Array(2 * Math.max(at, promised.length));
        more.set(promised);
        promised = more;
      }
      promised[at] = 1;
    },
    hubStarted() {
      look('after its restart the hub has no');
    },
    finished() {
      look('the hub lost acknowledged');
    },
  };
};
