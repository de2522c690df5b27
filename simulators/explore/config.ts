/** What is walked: which terminals there are, what they ask, and which of the rarer events may happen. */

/**
 * A sale of `amount`, of which `back` is given back where it is a hold, or a stream of `ticks` ticks worth 1 each; `at`: index
 * of the terminal that asks.
 */
export type Ask =
  | { readonly at: number; readonly amount: number; readonly back?: number }
  | { readonly at: number; readonly ticks: number };

export interface Config {
  readonly name: string;
  /** Payee of each terminal. */
  readonly terminals: readonly number[];
  /** In the order in which each terminal asks them; terminals run independently. */
  readonly asks: readonly Ask[];
  readonly spendLimit?: number;
  /** The payer has a hub as well: second copies go up, acknowledgements and answers to its queries come down. */
  readonly payerHub?: boolean;
  /** Leases run out at some moment, for good. */
  readonly expiry?: boolean;
  /** There is an L2: the hub settles what it has written, and the owner may leave. */
  readonly exit?: boolean;
  /** There is an L2, and anyone carries there whatever voucher ever left the payer. */
  readonly carry?: boolean;
  /** Terminals forget lanes that the hub has acknowledged; the payer asks the hub, which says what it doesn't hold. */
  readonly evicts?: boolean;
  /** Terminals may end a session with a closing request. */
  readonly closing?: boolean;
  /** The hub receives and writes in one step: fewer states where the hub is not the point. */
  readonly hubAtomic?: boolean;
  /** Hub and L2 are walked apart from the devices (ledgers.ts): for configurations that are too large otherwise. */
  readonly apart?: boolean;
  /** A link that delivers old requests once more: how often a payer may be made to pay one request. */
  readonly repeats?: number;
}

const pay = (amount: number, at = 0): Ask => ({ at, amount });
const hold = (amount: number, back: number, at = 0): Ask => ({ at, amount, back });
const stream = (ticks: number, at = 0): Ask => ({ at, ticks });

const TWO_PAYEES = [0, 1];
const ONE_PAYEE = [0, 0];
/** The owner leaves, and leases run out. */
const LEAVES = { exit: true, expiry: true } as const;

/** c1 to c8 mirror the configurations of the reference model of the money rules; the others go beyond it. */
export const CONFIGS: readonly Config[] = [
  { name: 'c1', terminals: TWO_PAYEES, asks: [pay(1), pay(2), pay(1, 1)], ...LEAVES },
  { name: 'c2', terminals: [0], asks: [pay(1), stream(2), pay(2)], ...LEAVES, apart: true },
  {
    name: 'c3',
    terminals: TWO_PAYEES,
    asks: [stream(2), pay(1, 1), pay(2)],
    hubAtomic: true,
    ...LEAVES,
    apart: true,
  },
  {
    name: 'c4',
    terminals: TWO_PAYEES,
    asks: [pay(1), pay(2), pay(1, 1)],
    payerHub: true,
    hubAtomic: true,
    carry: true,
  },
  { name: 'c5', terminals: ONE_PAYEE, asks: [pay(1), pay(2, 1), pay(1)], ...LEAVES },
  {
    name: 'c6',
    terminals: TWO_PAYEES,
    asks: [pay(1), stream(1), pay(2), pay(1, 1)],
    hubAtomic: true,
    ...LEAVES,
    apart: true,
  },
  {
    name: 'c7',
    terminals: TWO_PAYEES,
    asks: [stream(2), pay(1, 1)],
    hubAtomic: true,
    carry: true,
    ...LEAVES,
  },
  {
    name: 'c8',
    terminals: ONE_PAYEE,
    asks: [stream(2), pay(1, 1), pay(1)],
    hubAtomic: true,
    ...LEAVES,
    apart: true,
  },
  { name: 'c9 closing', terminals: TWO_PAYEES, asks: [stream(2), pay(1, 1)], closing: true, hubAtomic: true },
  { name: 'c10 repeated requests', terminals: ONE_PAYEE, asks: [pay(1), pay(2, 1)], repeats: 2 },
  {
    name: 'c11 three terminals',
    terminals: [0, 0, 1],
    asks: [pay(1), stream(1, 1), pay(2, 2)],
    hubAtomic: true,
  },
  { name: 'c12 payer with a hub', terminals: TWO_PAYEES, asks: [stream(1), pay(1, 1)], payerHub: true },
  {
    name: 'c13 forgetful terminals',
    terminals: ONE_PAYEE,
    asks: [pay(1), pay(2, 1)],
    payerHub: true,
    hubAtomic: true,
    evicts: true,
  },
];

/** Small enough for every run of the tests; each rule that can be dropped fails in one of them. */
export const SMALL: readonly Config[] = [
  { name: 's1 two payments', terminals: [0], asks: [pay(1), pay(2)] },
  {
    name: 's2 stream, payment elsewhere',
    terminals: TWO_PAYEES,
    asks: [stream(2), pay(1, 1)],
    hubAtomic: true,
  },
  { name: 's3 stream, payment here', terminals: [0], asks: [stream(2), pay(1)], hubAtomic: true },
  { name: 's4 two terminals', terminals: ONE_PAYEE, asks: [pay(1), pay(2, 1)], hubAtomic: true },
  {
    name: 's5 two payments, one stream',
    terminals: ONE_PAYEE,
    asks: [pay(1), stream(1), pay(2, 1)],
    hubAtomic: true,
  },
  { name: 's6 stream and closing', terminals: [0], asks: [stream(2)], closing: true, expiry: true },
  {
    name: 's7 payer with a hub',
    terminals: TWO_PAYEES,
    asks: [pay(1), pay(2, 1)],
    payerHub: true,
    hubAtomic: true,
  },
  {
    name: 's8 forgetful terminal',
    terminals: [0],
    asks: [pay(1), pay(2)],
    payerHub: true,
    hubAtomic: true,
    evicts: true,
  },
  {
    name: 's9 owner leaves',
    terminals: TWO_PAYEES,
    asks: [pay(1), pay(1, 1)],
    expiry: true,
    exit: true,
    hubAtomic: true,
  },
  {
    name: 's10 two terminals, two voids',
    terminals: ONE_PAYEE,
    asks: [pay(1), pay(1, 1), pay(1)],
    hubAtomic: true,
  },
  { name: 's11 tight limit', terminals: [0], asks: [pay(2), pay(2)], spendLimit: 3, hubAtomic: true },
  { name: 's12 owner leaves a stream', terminals: [0], asks: [stream(2)], ...LEAVES },
  { name: 's13 a hold, a payment', terminals: [0], asks: [hold(3, 1), pay(1)], hubAtomic: true },
  {
    name: 's14 holds at two terminals',
    terminals: ONE_PAYEE,
    asks: [hold(2, 1), hold(3, 2, 1)],
    hubAtomic: true,
  },
];

/** The configuration whose name begins with this word. Throws a RangeError that lists them otherwise. */
export function configNamed(name: string): Config {
  const all = [...SMALL, ...CONFIGS];
  const found = all.find((config) => config.name.split(' ')[0] === name);
  if (found !== undefined) return found;
  throw new RangeError(`no configuration ${name}; there are ${all.map((one) => one.name).join(', ')}`);
}
