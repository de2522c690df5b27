/**
 * A charge session: the car plugs in, each tick's worth of energy flows as the curve of a recorded session allows,
 * until the battery is full, the driver stops it, or someone drives off.
 */
import { amount } from '../../protocol/integers.ts';
import { TICKS_MAX } from '../../protocol/limits.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND } from '../stage/world/world.ts';
import type { PayerActor, TerminalActor } from './actors.ts';
import { wattsAfter } from './charge-curve.ts';
import type { Place } from './place.ts';
import type { Sale } from './sales.ts';

/** 25 Wh at 0.48 a kWh. */
const TICK_WH = 25;
const TICK_VALUE = 12_000;
/** Ticks that a car wants: 1 to 8 kWh. */
const WANTED_TICKS = [40, 320] as const;
/** Nothing happened for so long: the car is unplugged. */
const STALL_MS = 3 * MINUTE;

/** How long a pause takes; no session is lost to one. */
const PAUSE_MS = { least: MINUTE, most: 20 * MINUTE };

/**
 * Refusals are none, nor is a clock that is set, or a voucher of before that is written off, as a device without its key does
 * at each start: a driver who sees only those gives up.
 */
const NO_PROGRESS: ReadonlySet<Notice['type']> = new Set(['refused', 'time', 'writtenOff']);
const isProgress = ({ type }: Notice): boolean => !NO_PROGRESS.has(type);

export function charge(
  place: Place,
  random: Random,
  car: PayerActor,
  charger: TerminalActor,
  options: {
    readonly driveOff: boolean;
    /** Nothing flows for a while, once: the grid is short, or the car waits for the sun. */
    readonly pauses?: boolean;
    readonly ticks: readonly [number, number] | undefined;
    readonly sale?: Sale;
  },
): void {
  const { world } = place;
  car.busy = true;
  charger.busy = true;
  const wantedTicks = random.between(...(options.ticks ?? WANTED_TICKS));
  const driveOffAt = options.driveOff ? random.between(1, wantedTicks) : wantedTicks + 1;
  const startedMs = world.nowMs;
  const pauseAt = options.pauses ? random.between(1, wantedTicks) : wantedTicks + 1;
  let delivered = 0;
  let lastMs = world.nowMs;
  let closing = false;
  const { device } = charger;
  const ask = (): void =>
    void device.dispatch({
      type: 'streamSale',
      tickValue: amount(TICK_VALUE),
      ticks: TICKS_MAX,
      currency: 'TIME',
      challenge: random.bytes(16),
    });
  const close = (): void => {
    if (closing) return;
    closing = true;
    device.dispatch({ type: 'closeSession', challenge: random.bytes(16) });
  };
  device.behaviour = (notice) => {
    options.sale?.saw(notice);
    if (isProgress(notice)) lastMs = Math.max(lastMs, world.nowMs);
    switch (notice.type) {
      case 'deliver': {
        delivered += 1;
        const { channel, k } = notice;
        if (delivered === driveOffAt) return leave(random.between(0, 3 * SECOND));
        const pauseMs = delivered === pauseAt ? random.between(PAUSE_MS.least, PAUSE_MS.most) : 0;
        // A pause is no stall: whoever watches the session knows that it is one.
        lastMs += pauseMs;
        world.after(tickMs(world.nowMs - startedMs) + pauseMs, () => {
          if (delivered >= wantedTicks) close();
          else device.dispatch({ type: 'delivered', channel, k, challenge: random.bytes(16) });
        });
        return;
      }
      case 'endWanted':
        return close();
      case 'sessionOver':
        if (notice.reason === 'used_up' && !closing) ask();
        else closing = true;
        return;
      case 'approved':
        if (closing) leave(2 * SECOND);
        return;
      default:
    }
  };
  car.device.behaviour = (notice) => {
    if (notice.type === 'refused') options.sale?.saw(notice);
    if (isProgress(notice)) lastMs = Math.max(lastMs, world.nowMs);
  };
  ask();
  const link = place.link(car.device, device);
  let gone = false;
  function leave(afterMs: number): void {
    if (gone) return;
    gone = true;
    world.after(afterMs, () => {
      link.close();
      device.behaviour = undefined;
      car.device.behaviour = undefined;
      // The contactor opens: what is revealed from now on is late.
      if (!closing) device.dispatch({ type: 'closeSession', challenge: random.bytes(16) });
      place.cancel(charger);
      car.busy = false;
      charger.busy = false;
      options.sale?.over(options.driveOff);
    });
  }
  const watch = (): void => {
    world.after(MINUTE, () => {
      if (gone) return;
      if (!link.isOpen || world.nowMs - lastMs > STALL_MS) leave(0);
      else watch();
    });
  };
  watch();
}

/** Milliseconds in which one tick's energy flows at this point of the session. */
function tickMs(elapsedMs: number): number {
  return Math.floor((TICK_WH * 3_600_000) / wattsAfter(elapsedMs));
}
