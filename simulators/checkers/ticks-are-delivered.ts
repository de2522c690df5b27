/**
 * Rule 6: whatever links and power do to a session, at most one tick of it is open. A payer reveals the next tick only when
 * the charger has the one before, and none once it heard that nothing is delivered any more; a charger that stores a tick
 * too late says so every time.
 *
 * Not checked here: whether a session goes on after a reconnect or ends, what was handed over for a tick, ticks whose charger
 * was not heard, and chargers that are frozen, dead or dishonest.
 */
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import type { MakeChecker } from './checker.ts';

export const ticksAreDelivered: MakeChecker = (simulation, report) => {
  /** By payer: seq of the newest stream that it revealed a tick of, the newest of these, and whether it heard of its end. */
  const revealed = new Map<PayerActor, { seq: number; k: number; over: boolean }>();
  /** By terminal: how often it said that nothing is delivered any more. */
  const said = new Map<TerminalActor, number>();
  return {
    name: 'ticks are delivered',
    payerSent(payer, message) {
      if (message.type !== 'tick' || !payer.honest) return;
      const { channel, seq, k } = message;
      const { name } = payer.device;
      const before = revealed.get(payer);
      const isNew = before?.seq !== seq || k > before.k;
      if (before?.seq === seq && before.over && isNew)
        report(`${name} revealed tick ${k} after it heard that nothing is delivered any more`);
      if (isNew) revealed.set(payer, { seq, k, over: false });
      for (const { device, honest } of simulation.fleet.terminals) {
        const lane = device.storedBooks.lanes.find(
          (known) => known.channel === channel && known.seq === seq && known.stream !== undefined,
        );
        if (lane === undefined || !honest || device.frozen || device.key.dead) continue;
        if (k > lane.stream!.k + 1)
          report(`${name} revealed tick ${k} to ${device.name}, which has stored ${lane.stream!.k}`);
      }
    },
    payerNotice(payer, notice) {
      const stream = revealed.get(payer);
      if (stream === undefined || notice.type !== 'refused' || notice.code !== 'no_session') return;
      // A first tick may come before its stream is stored, and is refused alike: only one that came too late ends it.
      stream.over ||= simulation.fleet.terminals.some(({ device }) =>
        device.storedBooks.lanes.some(
          (lane) => lane.channel === payer.channel && lane.seq === stream.seq && (lane.stream?.late ?? 0) > 0,
        ),
      );
    },
    terminalNotice(terminal, notice) {
      if (notice.type === 'refused' && notice.by === 'us' && notice.code === 'no_session')
        said.set(terminal, (said.get(terminal) ?? 0) + 1);
    },
    // The power may have gone between storing one and saying so.
    terminalStarted(terminal) {
      const often = said.get(terminal) ?? 0;
      said.set(terminal, Math.min(Math.max(often, lateAt(terminal)), often + 1));
    },
    finished() {
      for (const terminal of simulation.fleet.terminals) {
        const late = lateAt(terminal);
        const often = said.get(terminal) ?? 0;
        if (terminal.honest && late > often)
          report(`${terminal.device.name} stored ${late} ticks too late and said so ${often} times`);
      }
    },
  };
};

/** Ticks that a terminal has stored too late, on the streams that stand last on its lanes. */
const lateAt = ({ device }: TerminalActor): number =>
  device.storedBooks.lanes.reduce((sum, lane) => sum + (lane.stream?.late ?? 0), 0);
