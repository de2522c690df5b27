/**
 * One run as its parts see it: behaviour, faults, adversaries and checkers. `simulation.ts` puts them all together, so
 * they can't know it.
 */
import type { Address } from '../../protocol/bytes.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import type { Timing } from '../../protocol/limits.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import type { Chain } from '../stage/chain/chain.ts';
import type { VaultModel } from '../stage/chain/vault.ts';
import type { Accounts } from './accounts.ts';
import type { AnyDevice, DeviceWatcher } from './device.ts';
import type { Fleet } from './fleet.ts';
import type { SimulatedHub } from './hub.ts';
import type { HubRoot } from './hub-root.ts';
import type { Place } from './place.ts';
import type { Broker } from '../stage/network/broker.ts';
import type { Weather } from '../stage/network/weather.ts';
import type { TapEnd, TapLink } from '../stage/network/tap-link.ts';
import type { Scenario } from '../scenarios/schema.ts';
import type { Random } from '../stage/world/random.ts';

/** Units that somebody lost on a channel, and who is to blame. */
export interface Loss {
  readonly channel: number;
  readonly culprit: 'payer' | 'damage' | 'hub' | 'payee' | 'relay';
  readonly lost: number;
}

export interface Run extends Place {
  readonly options: { readonly scenario: Scenario };
  readonly random: Random;
  readonly signing: Signing;
  readonly weather: Weather;
  readonly vault: VaultModel;
  readonly chain: Chain;
  readonly broker: Broker;
  readonly hub: SimulatedHub;
  readonly root: HubRoot;
  readonly fleet: Fleet;
  readonly accounts: Accounts;
  readonly losses: Loss[];
  readonly deviceWatcher: DeviceWatcher;
  readonly timing: Timing;
  /** Every tick of every clock is run, also those that change nothing. */
  readonly allTicks: boolean;
  /** How often the power was cut. */
  readonly cuts: number;
  /** When payments and faults stop. */
  readonly activeUntilMs: number;
  /** When everything is over. */
  readonly endMs: number;
  /** Joins something that is no device of the fleet to a device. */
  join(end: TapEnd, device: AnyDevice): TapLink;
  /** Tells somebody every notice. */
  listen(listener: (device: AnyDevice, notice: Notice) => void): void;
  /** Tells somebody every message that a device sends on a tap link. */
  overhear(listener: (device: AnyDevice, message: Message) => void): void;
  /** Tells somebody every message that the hub sends, and every one that a device sends to it. */
  overhearHub(down: (message: Message) => void, up: (message: Message) => void): void;
  /** Merchants sign for what their terminals gave back. */
  countersign(): void;
  /** Has the checkers look at every channel that changed. */
  checkVault(): void;
  /** A thief of a hub key signed this lease. */
  lentByThief(lease: MessageOf<'lease'>): void;
  /** A promise was broken, in words. */
  report(checker: string, words: string): void;
  /** The device's storage was damaged: it may freeze, and has all that it had if it does not. */
  markDamaged(device: AnyDevice): void;
  isDamaged(device: AnyDevice): boolean;
  /** How often that was. */
  damagesOf(device: AnyDevice): number;
  /** Whether a terminal is frozen: it answers nobody any more. */
  isFrozenTerminal(address: Address): boolean;
  /** Rule 10 for one channel: before the bond is taken off, and after. */
  lossBoundOf(channel: number): { readonly beforeBond: number; readonly afterBond: number };
}
