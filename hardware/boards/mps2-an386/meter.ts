/**
 * The emulated board's energy meter: a vehicle that takes 11 kW until its battery is full. The register starts at a
 * round number, so that a report shows at a glance what a session delivered.
 */
import { clearTimer, setTimer } from '../../native/prelude.ts';
import type { Meter } from '../../interfaces/index.ts';

const watts = 11_000;
/** What the vehicle takes before it is full. */
const batteryWh = 9_000;

/** `speed`: how many seconds of the session pass in one second. */
export function boardMeter(speed: number): Meter {
  let registerWh = 1_000_000;
  let deliveredWh = 0;
  let timer: number | undefined;
  return {
    readingWh: () => registerWh + deliveredWh,
    start() {
      registerWh += deliveredWh;
      deliveredWh = 0;
    },
    deliverUpTo(energyWh, callback) {
      const goal = Math.min(energyWh, batteryWh);
      const tookMs = Math.max(0, ((goal - deliveredWh) * 3_600_000) / watts / speed);
      timer = setTimer(() => {
        deliveredWh = goal;
        callback(goal < energyWh);
      }, tookMs);
    },
    stop: () => clearTimer(timer),
  };
}
