/** The parts of a run: warm-up, the hours of payments, the drain. */
import { HOUR, MINUTE } from '../stage/world/world.ts';

/** Devices are made, get their leases, and go their ways. */
export const WARMUP_MS = 10 * MINUTE;
/** After faults stop: enough for every outbox, two settlements and the credits behind them to be final. */
const DRAIN_HOURS = 3;

/**
 * How long a run goes on after payments and faults stopped. The hub settles one batch at a time, and the next when that is
 * final: some 4,000 lanes an hour on a chain that takes 13 minutes. What a large fleet has waiting by then takes longer.
 */
export const drainMsOf = ({
  drainHours = DRAIN_HOURS,
}: {
  readonly drainHours?: number | undefined;
}): number => drainHours * HOUR;
