/** Every kind of fault: what it hits, how often, for how long, and how hard. The scenarios' table of faults is this one. */
import { MINUTE, SECOND } from '../world/world.ts';

export const FAULT_LEVELS = ['off', 'seldom', 'rare', 'frequent'] as const;
export type FaultLevel = (typeof FAULT_LEVELS)[number];

/**
 * Whom a fault hits. `links`: taps or uplinks of everybody, or of one group or device. `device`, `flash`: one device;
 * `flash` only one whose storage is `journal`. `run`: hub, broker or chain, of which there is one. `nodes`: one of the
 * chain's nodes that the hub asks.
 */
export type Hits = 'links' | 'device' | 'flash' | 'run' | 'nodes';

interface Shape {
  readonly hits: Hits;
  /** Occurrences in 1,000 hours (rare, frequent): of each device, where a fault hits one, or else of the run. */
  readonly rates: readonly [number, number];
  /** Shortest and longest that is drawn; 0 for something that happens at once. */
  readonly forMs: readonly [number, number];
  /** Least and most that is drawn. */
  readonly size: readonly [number, number];
  /** What `size` counts, and the most that a scenario may say. Absent: the fault has no size. */
  readonly unit?: string;
  readonly sizeMax?: number;
}

const SHARE = { unit: 'messages in 1,000', sizeMax: 1000 };
const MILLISECONDS = { unit: 'milliseconds', sizeMax: 600_000 };

export const SHAPES = {
  tapLoss: { hits: 'links', rates: [2000, 8000], forMs: [MINUTE, 15 * MINUTE], size: [10, 300], ...SHARE },
  tapDuplicate: {
    hits: 'links',
    rates: [2000, 8000],
    forMs: [MINUTE, 15 * MINUTE],
    size: [20, 400],
    ...SHARE,
  },
  tapReorder: { hits: 'links', rates: [2000, 8000], forMs: [MINUTE, 15 * MINUTE], size: [20, 300], ...SHARE },
  tapGarble: { hits: 'links', rates: [1000, 4000], forMs: [MINUTE, 10 * MINUTE], size: [10, 200], ...SHARE },
  tapSlow: {
    hits: 'links',
    rates: [1000, 3000],
    forMs: [MINUTE, 10 * MINUTE],
    size: [100, 2500],
    ...MILLISECONDS,
  },
  uplinkLoss: { hits: 'links', rates: [2000, 8000], forMs: [MINUTE, 20 * MINUTE], size: [20, 400], ...SHARE },
  uplinkDuplicate: {
    hits: 'links',
    rates: [2000, 8000],
    forMs: [MINUTE, 20 * MINUTE],
    size: [20, 400],
    ...SHARE,
  },
  uplinkReorder: {
    hits: 'links',
    rates: [2000, 8000],
    forMs: [MINUTE, 20 * MINUTE],
    size: [50, 500],
    ...SHARE,
  },
  partition: { hits: 'device', rates: [60, 500], forMs: [MINUTE, 30 * MINUTE], size: [0, 0] },
  brokerRestart: { hits: 'run', rates: [1000, 6000], forMs: [0, 0], size: [0, 0] },
  hubCrash: { hits: 'run', rates: [1000, 6000], forMs: [SECOND, 10 * MINUTE], size: [0, 0] },
  slowDisk: {
    hits: 'run',
    rates: [1000, 4000],
    forMs: [MINUTE, 10 * MINUTE],
    size: [200, 30_000],
    ...MILLISECONDS,
  },
  diskFailure: { hits: 'run', rates: [1000, 3000], forMs: [SECOND, 3 * MINUTE], size: [0, 0] },
  powerCut: {
    hits: 'device',
    rates: [120, 900],
    forMs: [SECOND, 10 * MINUTE],
    size: [1, 14],
    unit: 'effects until the power goes, 0 for at once',
    sizeMax: 10_000,
  },
  flashCut: {
    hits: 'flash',
    rates: [120, 900],
    forMs: [SECOND, 10 * MINUTE],
    size: [1, 260],
    unit: 'operations of the flash until the power goes',
    sizeMax: 100_000,
  },
  wornWord: {
    hits: 'flash',
    rates: [40, 300],
    forMs: [0, 0],
    size: [0, 16_383],
    unit: 'where in the journal',
    sizeMax: 16_383,
  },
  bitRot: {
    hits: 'flash',
    rates: [40, 250],
    forMs: [SECOND, MINUTE],
    size: [0, 524_287],
    unit: 'where in the journal, and which bit',
    sizeMax: 524_287,
  },
  misread: {
    hits: 'flash',
    rates: [40, 250],
    forMs: [SECOND, MINUTE],
    size: [0, 1023],
    unit: 'which read of the start, and what it gives',
    sizeMax: 1023,
  },
  clockJump: {
    hits: 'device',
    rates: [60, 400],
    forMs: [0, 0],
    size: [0, 7200],
    unit: 'seconds: forward if even, back if odd',
    sizeMax: 10_000_000,
  },
  clockLost: { hits: 'device', rates: [30, 200], forMs: [SECOND, MINUTE], size: [0, 0] },
  chainAway: { hits: 'run', rates: [1000, 2000], forMs: [5 * MINUTE, 90 * MINUTE], size: [0, 0] },
  chainReorganisation: {
    hits: 'run',
    rates: [1000, 6000],
    forMs: [0, 0],
    size: [1, 32],
    unit: 'blocks taken back',
    sizeMax: 1000,
  },
  gasSpike: {
    hits: 'run',
    rates: [1000, 2000],
    forMs: [10 * MINUTE, 60 * MINUTE],
    size: [5, 100],
    unit: 'blocks that a transaction waits longer',
    sizeMax: 10_000,
  },
  nodeAway: {
    hits: 'nodes',
    rates: [1000, 4000],
    forMs: [MINUTE, 30 * MINUTE],
    size: [0, 59],
    unit: 'which node, counted round',
    sizeMax: 1000,
  },
  nodeBehind: {
    hits: 'nodes',
    rates: [1000, 4000],
    forMs: [MINUTE, 30 * MINUTE],
    size: [1, 300],
    unit: 'blocks, and which node, counted round',
    sizeMax: 10_000,
  },
  nodeHides: {
    hits: 'nodes',
    rates: [1000, 2000],
    forMs: [MINUTE, 20 * MINUTE],
    size: [0, 59],
    unit: 'which node, counted round',
    sizeMax: 1000,
  },
  nodeShort: {
    hits: 'nodes',
    rates: [1000, 3000],
    forMs: [MINUTE, 30 * MINUTE],
    size: [0, 59],
    unit: 'which node, counted round',
    sizeMax: 1000,
  },
  nodeAhead: {
    hits: 'nodes',
    rates: [500, 1500],
    forMs: [MINUTE, 20 * MINUTE],
    size: [7_300, 1_000_000_000],
    unit: 'seconds by which it dates the newest block ahead, and which node, counted round',
    sizeMax: 1_000_000_000,
  },
  hubKeySlow: {
    hits: 'run',
    rates: [1000, 3000],
    forMs: [MINUTE, 10 * MINUTE],
    size: [10, 5000],
    ...MILLISECONDS,
  },
  hubKeyFails: { hits: 'run', rates: [1000, 2000], forMs: [SECOND, 5 * MINUTE], size: [0, 0] },
  keySlow: {
    hits: 'device',
    rates: [60, 400],
    forMs: [MINUTE, 30 * MINUTE],
    size: [20, 1500],
    ...MILLISECONDS,
  },
  keyFails: { hits: 'device', rates: [40, 300], forMs: [SECOND, 5 * MINUTE], size: [0, 0] },
  keyDies: { hits: 'device', rates: [4, 30], forMs: [0, 0], size: [0, 0] },
} as const satisfies Readonly<Record<string, Shape>>;

export type FaultKind = keyof typeof SHAPES;
/** In the order in which they are drawn. */
export const FAULT_KINDS = Object.keys(SHAPES) as [FaultKind, ...FaultKind[]];

export const shapeOf = (kind: FaultKind): Shape => SHAPES[kind];

/** Whether a fault of this kind hits one device. */
export const hitsDevice = (kind: FaultKind): boolean => ['device', 'flash'].includes(shapeOf(kind).hits);

/** Kinds that a group of devices may have faults of its own of: those of devices and of their links. */
export const GROUP_FAULTS = FAULT_KINDS.filter(
  (kind) => hitsDevice(kind) || shapeOf(kind).hits === 'links',
) as [FaultKind, ...FaultKind[]];
