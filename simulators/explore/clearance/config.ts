/** What the walk of clearances is about: who asks for what, how much the channel has, and whether its payer is honest. */

export interface ClearanceConfig {
  readonly name: string;
  /** Payee of each terminal. */
  readonly terminals: readonly number[];
  /** In the order in which each terminal asks them. Above 1 is above the offline limits. */
  readonly asks: readonly { readonly at: number; readonly amount: number }[];
  /** What the channel may spend in all. */
  readonly free: number;
  /** Its key was copied: it signs any question and any voucher, each from the same numbers. */
  readonly dishonest?: boolean;
  /** A till sends its request without asking first. */
  readonly eager?: boolean;
  /** The owner's limits. */
  readonly dayLimit?: number;
  readonly confirmLimit?: number;
  /** The hub's power may be cut between a record and its answer; else it writes at once. */
  readonly hubCuts?: boolean;
  /** Clearances end, and what was reserved is free again when nobody can bring a voucher for it. */
  readonly time?: boolean;
  /** Tills of a copied payer say Synced; those of an honest one always do. */
  readonly synced?: boolean;
  /** Too large for every run of the tests. */
  readonly deep?: boolean;
}

const pay = (amount: number, at = 0) => ({ at, amount });
/** Walked for the guards that fail there; to their end in `--deep`. */
const COPIED = { dishonest: true, deep: true } as const;

export const CLEARANCE_CONFIGS: readonly ClearanceConfig[] = [
  { name: 'r1 one cleared sale', terminals: [0], asks: [pay(3)], free: 6, hubCuts: true },
  { name: 'r2 cleared, then offline', terminals: [0], asks: [pay(3), pay(1)], free: 6 },
  { name: 'r3 cleared at two payees', terminals: [0, 1], asks: [pay(3), pay(2, 1)], free: 6, deep: true },
  { name: 'r4 a limit for the day', terminals: [0], asks: [pay(2)], free: 6, dayLimit: 1 },
  { name: 'r11 a yes of the owner', terminals: [0], asks: [pay(2)], free: 6, confirmLimit: 1 },
  {
    name: 'r5 tills that do not ask',
    terminals: [0, 1],
    asks: [pay(3), pay(2, 1)],
    free: 6,
    eager: true,
    deep: true,
  },
  { name: 'r6 copied payer', terminals: [0, 1], asks: [pay(2), pay(2, 1)], free: 3, ...COPIED, synced: true },
  {
    name: 'r7 copied payer, hub cut',
    terminals: [0, 1],
    asks: [pay(2), pay(2, 1)],
    free: 3,
    ...COPIED,
    hubCuts: true,
  },
  {
    name: 'r8 copied payer, three requests',
    terminals: [0, 1],
    asks: [pay(2), pay(2), pay(2, 1)],
    free: 3,
    ...COPIED,
  },
  {
    name: 'r9 copied payer, time',
    terminals: [0, 1],
    asks: [pay(2), pay(2, 1)],
    free: 3,
    ...COPIED,
    time: true,
  },
  { name: 'r10 two cleared sales', terminals: [0], asks: [pay(2), pay(2)], free: 6, deep: true },
];

export const clearanceConfigNamed = (name: string): ClearanceConfig | undefined =>
  CLEARANCE_CONFIGS.find((config) => config.name.split(' ')[0] === name);
