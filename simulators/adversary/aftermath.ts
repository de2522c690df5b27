/**
 * What the vault does about a proved fraud: the proof moves the bond into a pot, harmed payees register what their
 * lanes are short of, and after the window the pot is shared out. And exits that were started are finished. Done in
 * one go when a run is over; weeks pass in between.
 */
import { openedRowOf } from '../../hub/batch/batch.ts';
import { channelBook, namedEntry } from '../../hub/intake/books.ts';
import { layersEntries } from '../../hub/intake/layers.ts';
import type { Entry } from '../../hub/intake/state.ts';
import type { Rule } from '../../hub/l2/fraud.ts';
import { shortfallOf } from '../../hub/watch/shortfall.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { Run } from '../fleet/run.ts';

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

/** Units that the merchants of a channel were not paid. */
function lostOn(simulation: Run, channel: number): number {
  const { lanes } = simulation.vault.channel(channel);
  let lost = 0;
  for (const merchant of simulation.fleet.merchants) {
    const lane = lanes.get(merchant.id);
    const delivered = simulation.accounts.delivered(channel, merchant);
    const { settled, credited, madeGood } = lane ?? { settled: 0, credited: 0, madeGood: 0 };
    lost += Math.max(0, delivered - (settled + madeGood - credited));
  }
  return lost;
}

/** Runs the vault's justice over every channel of a dishonest payer. */
export function aftermath(simulation: Run): Aftermath[] {
  const { vault, hub, world } = simulation;
  const results: Aftermath[] = [];
  const now = world.nowSeconds;
  const { payeeOfflineMax, claimMargin, slowLane } = simulation.timing;
  const later = now + payeeOfflineMax + claimMargin + slowLane + 1;
  const proofs = hub.proofs();
  for (const { channel, honest } of simulation.fleet.payers) {
    if (honest) continue;
    const { deposited, ...found } = vault.channel(channel);
    // The hub may have proved it already: the bond is a pot then.
    const bond = found.bond + found.potOpened;
    const lostBefore = lostOn(simulation, channel);
    const proof = proofs.get(channel);
    if (proof !== undefined) {
      const book = channelBook(hub.books, channel as never);
      const row = (entry: Entry) => openedRowOf(simulation.signing, entry);
      const shown = proof.entries.map((id) => row(namedEntry(hub.books, id)));
      vault.proveFraud(proof.proof as Rule, shown, now);
      // What is free the hub settles first: registering moves nothing.
      for (const [, claim] of layersEntries(book.claims)) vault.settle([row(claim)]);
      for (const [, { payee }] of layersEntries(book.claims)) {
        const shortfall = shortfallOf(book, payee, vault.settledOf(channel, toHex(payee).slice(2)));
        if (shortfall !== undefined) vault.registerShortfall(shortfall.entries.map(row), now);
      }
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
  simulation: Run,
  channel: number,
  bond: number,
): { boundBefore: number; boundAfter: number; terminals: number } {
  const { beforeBond } = simulation.lossBoundOf(channel);
  const terminals = simulation.accounts.terminals.get(channel)?.size ?? 0;
  return { boundBefore: beforeBond, boundAfter: Math.max(0, beforeBond - bond), terminals };
}
