/** What is walked of voids and write-offs (rule 15). */

export interface VoidConfig {
  readonly name: string;
  /**
   * `customer`: an honest payer; `poison`: one that signs whatever it likes; `gone`: a terminal that never comes back; `ticks`:
   * ticks that come late or never; `strays`: refunds on a sale that nobody has; `places`: a forgotten lane, whose place a
   * thief of a hub key named.
   */
  readonly about: 'customer' | 'poison' | 'gone' | 'ticks' | 'strays' | 'places';
  /** Sales that the terminal opens. */
  readonly sales: number;
  /** Voids that wait from the start. */
  readonly before?: number;
  /** Late vouchers that the poisoner makes. */
  readonly late?: number;
  /** Seconds that pass at most. */
  readonly seconds?: number;
  /** How often the terminal meets the hub. */
  readonly meetings?: number;
  /** By how many seconds the clock is behind with which the terminal starts again; absent: it starts with none. */
  readonly lag?: number;
  /** The hub also says what it knows of another terminal. */
  readonly others?: boolean;
  /** A thief of a hub key acknowledges what waits, until the root takes that key back. */
  readonly thief?: boolean;
  /** No power is cut and nothing is thrown away; the customer comes again once it has written something off. */
  readonly calm?: boolean;
  /** Vouchers without an answer that the customer has from the start. */
  readonly taken?: number;
}

export const VOID_CONFIGS: readonly VoidConfig[] = [
  { name: 'v1 a customer of a terminal without a hub', about: 'customer', sales: 5 },
  { name: 'v4 a customer with two voids', about: 'customer', sales: 3, before: 2 },
  { name: 'v2 a poisoner', about: 'poison', sales: 1, late: 5 },
  {
    name: 'v3 a terminal that never comes back',
    about: 'gone',
    sales: 1,
    seconds: 1,
    meetings: 1,
    others: true,
  },
  {
    name: 'v5 a terminal with a clock that is behind',
    about: 'gone',
    sales: 1,
    seconds: 1,
    meetings: 1,
    lag: 2,
  },
  { name: 'v6 ticks of a customer with no other place', about: 'ticks', sales: 1, meetings: 1, taken: 7 },
  { name: 'v7 ticks of a customer with places left', about: 'ticks', sales: 1 },
  { name: 'v8 a refund on a sale that nobody has', about: 'strays', sales: 2 },
  { name: 'v9 a forgotten lane whose place a thief named', about: 'places', sales: 1 },
  {
    name: 'v10 a terminal that says on a thief’s word how far it has handed in',
    about: 'gone',
    sales: 1,
    seconds: 1,
    meetings: 1,
    thief: true,
  },
  {
    name: 'v11 a customer that pays again where it wrote off what was sold',
    about: 'gone',
    sales: 2,
    seconds: 1,
    meetings: 1,
    thief: true,
    calm: true,
  },
];

/** The configuration whose name begins with this word, or undefined. */
export const voidConfigNamed = (name: string): VoidConfig | undefined =>
  VOID_CONFIGS.find((config) => config.name.split(' ')[0] === name);
