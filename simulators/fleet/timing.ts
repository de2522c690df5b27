/** The parts of a run: warm-up, the hours of payments, the drain. */
import { HOUR, MINUTE } from '../stage/world/world.ts';

/** Devices are made, get their leases, and go their ways. */
export const WARMUP_MS = 10 * MINUTE;
/** After faults stop: enough for every outbox, two settlements and the credits behind them to be final. */
export const DRAIN_MS = 3 * HOUR;
