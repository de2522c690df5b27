/**
 * The fault schedule: everything that goes wrong in a run, drawn from the seed before it starts, as plain data. So a
 * run can be repeated with some faults left out, which is how a failing run is made small.
 */
import type { Random } from '../world/random.ts';
import { HOUR, MINUTE, SECOND } from '../world/world.ts';
import { FAULT_KINDS, type FaultKind, type FaultLevel, hitsDevice, shapeOf } from './kinds.ts';

/** How often a kind happens: a level, or a number of times in 1,000 hours, with duration and size if they are not drawn. */
export type FaultRate =
  | FaultLevel
  | {
      readonly per1000Hours: number;
      readonly for?: string | undefined;
      readonly size?: number | undefined;
    };
export type FaultRates = Readonly<Partial<Record<FaultKind, FaultRate>>>;

export interface Fault {
  /** Position in the schedule; stable when others are left out. */
  readonly id: number;
  readonly kind: FaultKind;
  readonly atMs: number;
  /** How long it lasts; 0 for something that happens at once. */
  readonly forMs: number;
  /** Number of the device that it hits, for faults of one device. */
  readonly device: number;
  /** Share in 1,000, milliseconds, blocks, or operations until a cut: see `kinds.ts`. */
  readonly size: number;
  /** Name of the one group or device whose links it hits, for faults of links; absent: everybody's. */
  readonly links?: string;
}
export type Drawn = Omit<Fault, 'id'>;

/** A seldom fault happens so much less often than a rare one: for long runs of large fleets. */
const SELDOM = 10;

/** Milliseconds of `hours:minutes` or `hours:minutes:seconds`. */
export function durationMs(text: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = text.split(':').map(Number);
  return hours * HOUR + minutes * MINUTE + seconds * SECOND;
}

/** How often it happens in `spanMs`, in 1,000. */
function expectedOf(kind: FaultKind, rate: FaultRate, spanMs: number, devices: number): number {
  const { rates } = shapeOf(kind);
  const level = typeof rate === 'string' ? rates[rate === 'frequent' ? 1 : 0] : rate.per1000Hours;
  const perHour = level * (hitsDevice(kind) ? devices : 1);
  const expected = Math.floor((Math.floor(spanMs / MINUTE) * perHour) / 60);
  return rate === 'seldom' ? Math.floor(expected / SELDOM) : expected;
}

/** Draws what goes wrong between `fromMs` and `untilMs`. `devices`: numbers of those that faults of a kind may hit. */
export function drawFaults(
  random: Random,
  rates: FaultRates,
  fromMs: number,
  untilMs: number,
  devices: (kind: FaultKind) => readonly number[],
  links?: string,
): Drawn[] {
  const found: Drawn[] = [];
  for (const kind of FAULT_KINDS) {
    const rate = rates[kind] ?? 'off';
    const among = devices(kind);
    if (rate === 'off' || among.length === 0) continue;
    const own = random.fork(kind);
    const { forMs, size } = shapeOf(kind);
    const fixed = typeof rate === 'string' ? undefined : rate;
    const expected = expectedOf(kind, rate, untilMs - fromMs, among.length);
    const count = Math.floor(expected / 1000) + (own.chance(expected % 1000) ? 1 : 0);
    for (let i = 0; i < count; i++) {
      const drawn = {
        kind,
        atMs: own.between(fromMs, untilMs),
        forMs: own.between(forMs[0], forMs[1]),
        device: among[own.below(among.length)]!,
        size: own.between(size[0], size[1]),
      };
      found.push({
        ...drawn,
        ...(fixed?.for !== undefined && { forMs: durationMs(fixed.for) }),
        ...(fixed?.size !== undefined && { size: fixed.size }),
        ...(links !== undefined && { links }),
      });
    }
  }
  return found;
}

/** One schedule: in the order of time, each with its number. */
export function numbered(drawn: readonly Drawn[]): Fault[] {
  const sorted = [...drawn].sort((a, b) => a.atMs - b.atMs);
  return sorted.map((fault, id) => ({ id, ...fault }));
}

/** Draws how often each kind happens: swarm testing, where whole kinds are absent from a run. */
export function drawLevels(random: Random): FaultRates {
  const levels: Partial<Record<FaultKind, FaultLevel>> = {};
  for (const kind of FAULT_KINDS) {
    const draw = random.fork(kind).below(10);
    levels[kind] = draw < 6 ? 'off' : draw < 8 ? 'rare' : 'frequent';
  }
  return levels;
}
