/** What is walked of leases that are signed away (rules 10 and 20). */

export interface ReleaseConfig {
  readonly name: string;
  /** Payee of each terminal of the scope in which the channel was lent first. */
  readonly terminals: readonly number[];
  /** Sales that each terminal makes at most. */
  readonly sales: number;
  /** Units of time that pass at most, each as long as a lease; the first lease ends at the beginning. */
  readonly units: number;
  /** Tills lose their power, and what they say is lost. */
  readonly faults?: boolean;
  /** The payer's key was copied: a copy signs from the numbers with which the channel began. */
  readonly copied?: boolean;
  /** The payer gets a second lease in the same scope, which ends later. */
  readonly renews?: boolean;
  /** Payees that the operator has taken out of the scope since. */
  readonly left?: readonly number[];
}

export const RELEASE_CONFIGS: readonly ReleaseConfig[] = [
  { name: 'l1 two tills of a payee', terminals: [0, 0], sales: 1, units: 1, faults: true },
  { name: 'l2 a till each of two payees', terminals: [0, 1], sales: 1, units: 1 },
  { name: 'l3 a payee that left the scope', terminals: [0, 1], sales: 1, units: 1, left: [1] },
  { name: 'l4 a lease that is renewed', terminals: [0], sales: 2, units: 2, renews: true },
  { name: 'l5 a copied payer at two tills', terminals: [0, 0], sales: 1, units: 1, copied: true },
];

/** The configuration whose name begins with this word, or undefined. */
export const releaseConfigNamed = (name: string): ReleaseConfig | undefined =>
  RELEASE_CONFIGS.find((config) => config.name.split(' ')[0] === name);
