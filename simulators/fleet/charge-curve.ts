/** How fast a car charges: a recorded session. */
import curve from '../scenarios/data/charge-11kw.json' with { type: 'json' };
import { MINUTE } from '../stage/world/world.ts';

/** The tail of the curve is when the battery is nearly full; a longer session stays on the plateau. */
const PLATEAU_END = 45;
const PLATEAU_WATTS = 11_000;

/** Watts that flow so many milliseconds after the start. */
export function wattsAfter(elapsedMs: number): number {
  const minute = Math.min(Math.floor(elapsedMs / MINUTE), curve.wattsByMinute.length - 1);
  return minute < PLATEAU_END ? curve.wattsByMinute[minute]! : PLATEAU_WATTS;
}
