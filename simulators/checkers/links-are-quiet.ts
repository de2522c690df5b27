/**
 * Two devices that talk come to rest: no link carries an echo that feeds itself.
 *
 * Not checked here: bytes, messages of terminals, uplinks, and floods of less than that many messages a minute.
 */
import type { MakeChecker } from './checker.ts';

/** A tick takes seconds and four messages, a tap some twenty; doubled and repeated they stay far below this. */
const SENT_A_MINUTE_MAX = 1500;

export const linksAreQuiet: MakeChecker = (simulation, report) => {
  let minute = 0;
  let sent = new Map<number, number>();
  return {
    name: 'links are quiet',
    payerSent(payer) {
      const now = Math.floor(simulation.world.nowMs / 60_000);
      if (now !== minute) {
        minute = now;
        sent = new Map();
      }
      const count = (sent.get(payer.device.index) ?? 0) + 1;
      sent.set(payer.device.index, count);
      if (count === SENT_A_MINUTE_MAX) report(`${payer.device.name} sent ${count} messages within a minute`);
    },
  };
};
