/** What is walked of the hub's keys and of time: one device, and who may say what to it. A unit of time is 10 days. */

export interface KeyConfig {
  readonly name: string;
  readonly device: 'terminal' | 'payer';
  /** Units that pass at most. */
  readonly units: number;
  /** Keys of each epoch that the root certifies; key j signs from unit 2j to unit 2j + 3. */
  readonly keys: number;
  /** A second key of this epoch and window is in a thief's hands. */
  readonly thief?: { readonly epoch: 0 | 1; readonly window: number };
  /** The root may begin epoch 1, once. */
  readonly epoch?: boolean;
  /** Whether a device recovers with no help of time: the hub is to be believed again in the very same unit. */
  readonly noWait?: boolean;
  /** Some device once stored a time years ahead, by a defect. */
  readonly defect?: boolean;
  /** It asks for the time, and recorded beacons and answers are played to it. */
  readonly asks?: boolean;
  /** It has a clock of its own: right, with a dead battery, or years ahead at each power-up. */
  readonly clock?: boolean;
  /** Somebody shows it leases that the thief signed. */
  readonly leases?: boolean;
  /** The thief names the device a member of a scope, for years. */
  readonly members?: boolean;
  /** An acknowledgement is told once, and what the device does with it stays. */
  readonly acknowledges?: boolean;
  /** The root once certified the stolen key at the very beginning, and once for good. */
  readonly careless?: boolean;
  /** The root certified every key at the very beginning as well. */
  readonly allAhead?: boolean;
}

const PRESENT = { epoch: 0, window: 0 } as const;

export const KEY_CONFIGS: readonly KeyConfig[] = [
  { name: 'k1 thief of a present key', device: 'terminal', units: 5, keys: 4, thief: PRESENT, epoch: true },
  {
    name: "k2 thief of the next window's key",
    device: 'terminal',
    units: 5,
    keys: 3,
    thief: { epoch: 0, window: 1 },
    epoch: true,
  },
  { name: 'k3 off for 90 days', device: 'terminal', units: 9, keys: 5, noWait: true },
  {
    name: 'k4 a time years ahead was stored',
    device: 'terminal',
    units: 5,
    keys: 3,
    epoch: true,
    noWait: true,
    defect: true,
  },
  { name: 'k5 recorded beacons', device: 'terminal', units: 5, keys: 3, epoch: true, asks: true },
  {
    name: "k6 thief of the new epoch's key",
    device: 'terminal',
    units: 4,
    keys: 3,
    thief: { epoch: 1, window: 0 },
    epoch: true,
  },
  { name: 'k7 own clock', device: 'terminal', units: 5, keys: 3, epoch: true, clock: true },
  { name: "k8 thief's leases", device: 'terminal', units: 4, keys: 3, thief: PRESENT, leases: true },
  {
    name: 'k9 careless root',
    device: 'terminal',
    units: 5,
    keys: 3,
    thief: { epoch: 0, window: 2 },
    epoch: true,
    careless: true,
  },
  {
    name: 'k10 all keys made ahead',
    device: 'terminal',
    units: 4,
    keys: 5,
    noWait: true,
    allAhead: true,
  },
  { name: 'k11 thief at a payer', device: 'payer', units: 5, keys: 3, thief: PRESENT, epoch: true },
  {
    name: "k12 thief's acknowledgement",
    device: 'terminal',
    units: 4,
    keys: 3,
    thief: PRESENT,
    epoch: true,
    acknowledges: true,
  },
  {
    name: "k13 thief's scope",
    device: 'terminal',
    units: 4,
    keys: 3,
    thief: PRESENT,
    epoch: true,
    members: true,
  },
];

/** The configuration whose name begins with this word, or undefined. */
export const keyConfigNamed = (name: string): KeyConfig | undefined =>
  KEY_CONFIGS.find((config) => config.name.split(' ')[0] === name);
