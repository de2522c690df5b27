/**
 * The fault schedule: everything that goes wrong in a run, drawn from the seed before it starts, as plain data. So a
 * run can be repeated with some faults left out, which is how a failing run is made small.
 */
import type { Random } from '../world/random.ts';
import { HOUR, MINUTE, SECOND } from '../world/world.ts';

export const FAULT_KINDS = [
  'tapLoss',
  'tapDuplicate',
  'tapReorder',
  'tapGarble',
  'tapSlow',
  'uplinkLoss',
  'uplinkDuplicate',
  'uplinkReorder',
  'partition',
  'brokerRestart',
  'hubCrash',
  'slowDisk',
  'diskFailure',
  'powerCut',
  'flashCut',
  'wornWord',
  'bitRot',
  'misread',
  'clockJump',
  'clockLost',
  'chainAway',
  'chainReorganisation',
  'gasSpike',
  'nodeAway',
  'nodeBehind',
  'nodeHides',
  'hubKeySlow',
  'hubKeyFails',
  'keySlow',
  'keyFails',
  'keyDies',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const FAULT_LEVELS = ['off', 'seldom', 'rare', 'frequent'] as const;
export type FaultLevel = (typeof FAULT_LEVELS)[number];
export type FaultLevels = Readonly<Partial<Record<FaultKind, FaultLevel>>>;

export interface Fault {
  /** Position in the schedule; stable when others are left out. */
  readonly id: number;
  readonly kind: FaultKind;
  readonly atMs: number;
  /** How long it lasts; 0 for something that happens at once. */
  readonly forMs: number;
  /** Number of the device that it hits, for faults of one device. */
  readonly device: number;
  /** Share in 1,000, milliseconds, blocks, or operations until a cut: see `apply`. */
  readonly size: number;
}

interface Shape {
  /** Occurrences in an hour of the fleet (rare, frequent). */
  readonly hourly: readonly [number, number];
  /** Occurrences a device and hour, in 1,000, for faults that hit one device. */
  readonly devices?: readonly [number, number];
  readonly forMs: readonly [number, number];
  readonly size: readonly [number, number];
}

const SHAPES: Readonly<Record<FaultKind, Shape>> = {
  tapLoss: { hourly: [2, 8], forMs: [MINUTE, 15 * MINUTE], size: [10, 300] },
  tapDuplicate: { hourly: [2, 8], forMs: [MINUTE, 15 * MINUTE], size: [20, 400] },
  tapReorder: { hourly: [2, 8], forMs: [MINUTE, 15 * MINUTE], size: [20, 300] },
  tapGarble: { hourly: [1, 4], forMs: [MINUTE, 10 * MINUTE], size: [10, 200] },
  tapSlow: { hourly: [1, 3], forMs: [MINUTE, 10 * MINUTE], size: [100, 2500] },
  uplinkLoss: { hourly: [2, 8], forMs: [MINUTE, 20 * MINUTE], size: [20, 400] },
  uplinkDuplicate: { hourly: [2, 8], forMs: [MINUTE, 20 * MINUTE], size: [20, 400] },
  uplinkReorder: { hourly: [2, 8], forMs: [MINUTE, 20 * MINUTE], size: [50, 500] },
  partition: { hourly: [0, 0], devices: [60, 500], forMs: [MINUTE, 30 * MINUTE], size: [0, 0] },
  brokerRestart: { hourly: [1, 6], forMs: [0, 0], size: [0, 0] },
  hubCrash: { hourly: [1, 6], forMs: [SECOND, 10 * MINUTE], size: [0, 0] },
  slowDisk: { hourly: [1, 4], forMs: [MINUTE, 10 * MINUTE], size: [200, 30_000] },
  diskFailure: { hourly: [1, 3], forMs: [SECOND, 3 * MINUTE], size: [0, 0] },
  powerCut: { hourly: [0, 0], devices: [120, 900], forMs: [SECOND, 10 * MINUTE], size: [1, 14] },
  flashCut: { hourly: [0, 0], devices: [120, 900], forMs: [SECOND, 10 * MINUTE], size: [1, 260] },
  wornWord: { hourly: [0, 0], devices: [40, 300], forMs: [0, 0], size: [0, 16_383] },
  bitRot: { hourly: [0, 0], devices: [40, 250], forMs: [SECOND, MINUTE], size: [0, 524_287] },
  misread: { hourly: [0, 0], devices: [40, 250], forMs: [SECOND, MINUTE], size: [0, 1023] },
  clockJump: { hourly: [0, 0], devices: [60, 400], forMs: [0, 0], size: [0, 7200] },
  clockLost: { hourly: [0, 0], devices: [30, 200], forMs: [SECOND, MINUTE], size: [0, 0] },
  chainAway: { hourly: [1, 2], forMs: [5 * MINUTE, 90 * MINUTE], size: [0, 0] },
  chainReorganisation: { hourly: [1, 6], forMs: [0, 0], size: [1, 32] },
  gasSpike: { hourly: [1, 2], forMs: [10 * MINUTE, 60 * MINUTE], size: [5, 100] },
  nodeAway: { hourly: [1, 4], forMs: [MINUTE, 30 * MINUTE], size: [0, 59] },
  nodeBehind: { hourly: [1, 4], forMs: [MINUTE, 30 * MINUTE], size: [1, 300] },
  nodeHides: { hourly: [1, 2], forMs: [MINUTE, 20 * MINUTE], size: [0, 59] },
  hubKeySlow: { hourly: [1, 3], forMs: [MINUTE, 10 * MINUTE], size: [10, 5000] },
  hubKeyFails: { hourly: [1, 2], forMs: [SECOND, 5 * MINUTE], size: [0, 0] },
  keySlow: { hourly: [0, 0], devices: [60, 400], forMs: [MINUTE, 30 * MINUTE], size: [20, 1500] },
  keyFails: { hourly: [0, 0], devices: [40, 300], forMs: [SECOND, 5 * MINUTE], size: [0, 0] },
  keyDies: { hourly: [0, 0], devices: [4, 30], forMs: [0, 0], size: [0, 0] },
};

/** A seldom fault happens so much less often than a rare one: for long runs of large fleets. */
const SELDOM = 10;

/** Draws what goes wrong between `fromMs` and `untilMs` in a fleet of `devices`. */
export function drawFaults(
  random: Random,
  levels: FaultLevels,
  fromMs: number,
  untilMs: number,
  devices: number,
): Fault[] {
  const found: Omit<Fault, 'id'>[] = [];
  const span = untilMs - fromMs;
  for (const kind of FAULT_KINDS) {
    const level = levels[kind] ?? 'off';
    if (level === 'off') continue;
    const own = random.fork(kind);
    const { hourly, devices: each, forMs, size } = SHAPES[kind];
    const column = level === 'frequent' ? 1 : 0;
    const perHour = each === undefined ? 1000 * hourly[column] : each[column] * devices;
    const rare = Math.floor((Math.floor(span / MINUTE) * perHour) / 60);
    const expected = level === 'seldom' ? Math.floor(rare / SELDOM) : rare;
    const count = Math.floor(expected / 1000) + (own.chance(expected % 1000) ? 1 : 0);
    for (let i = 0; i < count; i++) {
      found.push({
        kind,
        atMs: own.between(fromMs, untilMs),
        forMs: own.between(forMs[0], forMs[1]),
        device: own.below(devices),
        size: own.between(size[0], size[1]),
      });
    }
  }
  found.sort((a, b) => a.atMs - b.atMs);
  return found.map((fault, id) => ({ id, ...fault }));
}

/** Draws how often each kind happens: swarm testing, where whole kinds are absent from a run. */
export function drawLevels(random: Random): FaultLevels {
  const levels: Partial<Record<FaultKind, FaultLevel>> = {};
  for (const kind of FAULT_KINDS) {
    const draw = random.fork(kind).below(10);
    levels[kind] = draw < 6 ? 'off' : draw < 8 ? 'rare' : 'frequent';
  }
  return levels;
}

/** Longest that a fault may outlast the time in which faults begin. */
export const FAULT_TAIL_MS = 2 * HOUR;
