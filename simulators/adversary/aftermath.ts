/**
 * What the vault does about a proved fraud: the proof moves the bond into a pot, harmed payees register what their
 * lanes are short of, and after the window the pot is shared out. And exits that were started are finished. Done in
 * one go when a run is over; weeks pass in between.
 */
import { rowOf } from '../../hub/batch/batch.ts';
import { channelBook } from '../../hub/intake/books.ts';
import type { Entry } from '../../hub/intake/state.ts';
import type { Row } from '../../hub/settle/rows.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { collectedFrom } from '../../protocol/machines/collected.ts';
import { decodeOwn } from '../../protocol/wire/messages.ts';
import type { Simulation } from '../sim/simulation.ts';

export interface Aftermath {
  readonly channel: number;
  /** Units that payees were short of before and after the pot was shared out. */
  readonly lostBefore: number;
  readonly lostAfter: number;
  readonly boundBefore: number;
  readonly boundAfter: number;
  readonly terminals: number;
  readonly bond: number;
  readonly deposited: number;
}

function rowFor(simulation: Simulation, entry: Entry): Row {
  const { signing } = simulation;
  const row = rowOf(signing, entry, { entry: entry.id, k: entry.stream?.k ?? 0, lanes: [] });
  const message = decodeOwn(entry.message);
  if (message.type !== 'collectedVoucher' && message.type !== 'collectedStream') return row;
  return { ...row, opened: collectedFrom(signing, message).request };
}

/** Units that the merchants of a channel were not paid. */
function lostOn(simulation: Simulation, channel: number): number {
  const { lanes } = simulation.vault.channel(channel);
  let lost = 0;
  for (const merchant of simulation.fleet.merchants) {
    const lane = lanes.get(merchant.id);
    const delivered = simulation.accounts.delivered(channel, merchant);
    lost += Math.max(0, delivered - ((lane?.settled ?? 0) - (lane?.credited ?? 0)));
  }
  return lost;
}

/** Runs the vault's justice over every channel of a dishonest payer. */
export function aftermath(simulation: Simulation): Aftermath[] {
  const { vault, hub, world } = simulation;
  const results: Aftermath[] = [];
  const now = world.nowSeconds;
  const later = now + DEFAULT_TIMING.payeeOfflineMax + DEFAULT_TIMING.claimMargin + 1;
  const proofs = hub.proofs();
  for (const { channel, honest } of simulation.fleet.payers) {
    if (honest) continue;
    const { bond, deposited } = vault.channel(channel);
    const lostBefore = lostOn(simulation, channel);
    const proof = proofs.get(channel);
    if (proof !== undefined) {
      const { entries, claims } = channelBook(hub.books, channel as never);
      const find = (id: Uint8Array): Entry =>
        entries.find((entry) => entry.id.every((byte, i) => byte === id[i]))!;
      vault.proveFraud(rowFor(simulation, find(proof.first)), rowFor(simulation, find(proof.second)), now);
      for (const claim of Object.values(claims)) vault.registerShortfall(rowFor(simulation, claim), now);
      vault.closePot(channel, later);
    }
    const { boundBefore, boundAfter, terminals } = boundsOf(simulation, channel, bond);
    results.push({
      channel,
      lostBefore,
      lostAfter: lostOn(simulation, channel),
      boundBefore,
      boundAfter,
      terminals,
      bond,
      deposited,
    });
  }
  for (const { id, exitReady } of vault.channels.values())
    if (exitReady !== 0) vault.finishExit(id, exitReady);
  simulation.checkVault();
  return results;
}

function boundsOf(
  simulation: Simulation,
  channel: number,
  bond: number,
): { boundBefore: number; boundAfter: number; terminals: number } {
  const { beforeBond } = simulation.lossBoundOf(channel);
  const terminals = simulation.accounts.terminals.get(channel)?.size ?? 0;
  return { boundBefore: beforeBond, boundAfter: Math.max(0, beforeBond - bond), terminals };
}
