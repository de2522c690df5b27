/**
 * The hub knows of L2 what L2 holds: the heads of channels and the settled lanes, as far as they are final. Compared with
 * the vault's own numbers, which no node told.
 *
 * Not checked here: how soon it knows, what it leased meanwhile, ids of payees, and channels that changed so late that
 * nothing is final by the end.
 */
import { Chain } from '../stage/chain/chain.ts';
import type { VaultChannel } from '../stage/chain/vault.ts';
import { MINUTE } from '../stage/world/world.ts';
import type { MakeChecker } from './checker.ts';

/** From a change on L2 until the hub must know it: finality, and a few looks. */
const KNOWN_MS = Chain.settleMs + 5 * MINUTE;

export const followsL2: MakeChecker = (simulation, report) => {
  const changedAtMs = new Map<number, number>();
  return {
    name: 'follows L2',
    vaultChanged({ touched }) {
      for (const channel of touched) changedAtMs.set(channel, simulation.world.nowMs);
    },
    finished() {
      const { hub, vault, world } = simulation;
      if (!hub.isUp) return report('the hub does not come up');
      // What it makes of deposits is its own lie then.
      if (hub.l2.lends !== 1) return;
      for (const channel of vault.channels.values()) {
        if (world.nowMs - (changedAtMs.get(channel.id) ?? 0) < KNOWN_MS) continue;
        const head = hub.heads[String(channel.id)];
        if (head === undefined) return report(`the hub knows nothing of channel ${channel.id}`);
        const known = factsOf(head);
        const held = factsOfVault(channel);
        if (known !== held)
          return report(`of channel ${channel.id} the hub knows ${known}, and L2 holds ${held}`);
      }
    },
  };
};

interface Head {
  readonly deposit: number;
  readonly credited: number;
  readonly bond: number;
  readonly exiting: boolean;
  readonly slashed: boolean;
  readonly settled: Readonly<Record<string, { readonly paid: number }>>;
}

const lanesText = (lanes: readonly (readonly [string, number])[]): string =>
  lanes
    .filter(([, paid]) => paid > 0)
    .map(([payee, paid]) => `${payee.slice(0, 10)} ${paid}`)
    .sort()
    .join(', ');

function factsOf({ deposit, credited, bond, exiting, slashed, settled }: Head): string {
  const lanes = Object.entries(settled).map(([payee, { paid }]) => [payee, paid] as const);
  return [deposit, credited, bond, exiting, slashed, lanesText(lanes)].join(' / ');
}

function factsOfVault({ deposited, credited, bond, exitReady, potOpened, lanes }: VaultChannel): string {
  const settled = [...lanes.values()].map((lane) => [`0x${lane.payee}`, lane.settled] as const);
  return [deposited, credited, bond, exitReady !== 0, potOpened !== 0, lanesText(settled)].join(' / ');
}
