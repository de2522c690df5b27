/**
 * A charge session behind an OCPP gateway: the car stands at the charger's terminal and is plugged in, the gateway asks for a
 * stream, starts the charge point and follows the tariff; somebody drives off, or lets a full car stand, and unplugs.
 */
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND } from '../stage/world/world.ts';
import type { PayerActor, TerminalActor } from './actors.ts';
import { wattsAfter } from './charge-curve.ts';
import { LEFT_MS } from './charge-point.ts';
import type { Place } from './place.ts';
import type { PlugProgram } from './plug-program.ts';
import type { Sale } from './sales.ts';

/** What a car wants, watt-hours: from a sip to a good part of a battery. */
const WANTED_WH = [300, 9000] as const;
const PAUSE_MS = [MINUTE, 20 * MINUTE] as const;
/** Between plugging in and holding the car's device to the terminal, or the other way round. */
const WALK_MS = [SECOND, 30 * SECOND] as const;
/** A driver who sees nothing happen for so long goes. */
const PATIENCE_MS = 5 * MINUTE;
const LOOK_MS = 30 * SECOND;

export function chargeBehindGateway(
  place: Place,
  random: Random,
  car: PayerActor,
  charger: TerminalActor,
  plug: PlugProgram,
  options: { readonly driveOff: boolean; readonly pauses: boolean; readonly sale: Sale },
): void {
  const { world } = place;
  const { chargePoint } = plug;
  const wh = random.between(...WANTED_WH);
  const atWh = random.between(0, wh);
  const pauseMs = random.between(...PAUSE_MS);
  const driveOffMs = options.driveOff ? random.between(SECOND, 40 * MINUTE) : undefined;
  car.busy = true;
  charger.busy = true;
  charger.device.behaviour = (notice) => options.sale.saw(notice);
  car.device.behaviour = (notice) => {
    if (notice.type === 'refused') options.sale.saw(notice);
  };
  const plugIn = (): void =>
    chargePoint.plugIn({
      wh,
      watts: wattsAfter,
      ...(options.pauses && { pause: { atWh, ms: pauseMs } }),
    });
  const plugsFirst = random.chance(500);
  if (plugsFirst) plugIn();
  world.after(random.between(...WALK_MS), () => {
    const link = place.link(car.device, charger.device);
    if (!plugsFirst) plugIn();
    const begunMs = world.nowMs;
    let lastMs = begunMs;
    let over = false;
    const leave = (): void => {
      if (over) return;
      over = true;
      chargePoint.unplug();
      // The gateway collects what is due, or gives back what is not, while the car's device is still there.
      world.after(random.between(SECOND, MINUTE), () => {
        link.close();
        charger.device.behaviour = undefined;
        car.device.behaviour = undefined;
        car.busy = false;
        charger.busy = false;
        options.sale.over(options.driveOff);
      });
    };
    if (driveOffMs !== undefined) world.after(driveOffMs, leave);
    const look = (): void => {
      if (over) return;
      if (chargePoint.isCharging && !chargePoint.isFull) lastMs = world.nowMs;
      if (chargePoint.isCharging && chargePoint.isFull)
        return void world.after(random.between(LEFT_MS.least, LEFT_MS.most), leave);
      if (world.nowMs - lastMs > PATIENCE_MS) return leave();
      world.after(LOOK_MS, look);
    };
    look();
  });
}
