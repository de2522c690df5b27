/** What behaviour may use of the simulation. */
import type { TapLink } from '../stage/network/tap-link.ts';
import type { Random } from '../stage/world/random.ts';
import type { World } from '../stage/world/world.ts';
import type { PayerActor, TerminalActor } from './actors.ts';

export interface Place {
  readonly world: World;
  /** Brings two devices together. */
  link(payer: PayerActor['device'], terminal: TerminalActor['device']): TapLink;
  /** The till drops what it asked for. */
  cancel(terminal: TerminalActor): void;
  /** Gives part of a payment back, later in the day. */
  refund(random: Random, terminal: TerminalActor, payment: Refund): void;
}

/** What was paid: a till's program finds it by its order, and a till without one gives back on what it took last. */
export interface Refund {
  readonly channel: number;
  readonly units: number;
  readonly order?: string;
}
