/** A real chain with the vault, roads to it that can lie, and what an onlooker compares with. */
import { toHex } from '../../../protocol/bytes.ts';
import { openedRowOf } from '../../../hub/batch/batch.ts';
import { applyRecord, namedEntry } from '../../../hub/intake/books.ts';
import { emptyBooks } from '../../../hub/intake/state.ts';
import type { RegistryState } from '../../../hub/registry/registry.ts';
import { key, otherPayee, payee, type SignedTap, tap } from '../../hub/fleet.ts';
import { type Site, startSite } from '../../hub/site.ts';
import { openRoad, type Road } from './road.ts';

export const DEPOSIT = 1_000_000;
let keys = 1000;
/** A payer that no other case has. */
export const freshKey = () => {
  keys += 1;
  return key(keys);
};

/** The chain and its roads. Cases come one after the other and leave the roads honest. */
export interface Ground {
  readonly site: Site;
  readonly road: Road;
  readonly others: readonly Road[];
  rpc(method: string, ...params: unknown[]): Promise<unknown>;
  mine(blocks: number): Promise<void>;
  /** A channel of its own for a case. */
  open(payer?: ReturnType<typeof freshKey>): Promise<{ channel: number; payer: ReturnType<typeof freshKey> }>;
  /** Settles units of a channel to the payee, by somebody who is not the hub. */
  settle(opened: { channel: number; payer: ReturnType<typeof freshKey> }, paid: number): Promise<void>;
  close(): Promise<void>;
}

export async function startGround(): Promise<Ground> {
  const site = await startSite();
  const road = await openRoad(site.anvil.url);
  const others = [await openRoad(site.anvil.url), await openRoad(site.anvil.url)];
  const client = site.vault.client as unknown as { request(call: object): Promise<unknown> };
  const rpc = (method: string, ...params: unknown[]) => client.request({ method, params });
  const seqs = new Map<number, number>();
  return {
    site,
    road,
    others,
    rpc,
    async mine(blocks) {
      const atOnce = 50;
      for (let mined = 0; mined < blocks; mined += atOnce)
        await rpc('anvil_mine', `0x${Math.min(atOnce, blocks - mined).toString(16)}`);
    },
    async open(payer = freshKey()) {
      const { channel } = await site.vault.openChannel(site.owner, {
        payer: toHex(payer.address),
        amount: DEPOSIT,
      });
      return { channel, payer };
    },
    async settle({ channel, payer }, paid) {
      const seq = (seqs.get(channel) ?? 0) + 1;
      seqs.set(channel, seq);
      const one = await tap({ on: site.signing, channel, payer, seq, amount: 1, spent: paid, paid });
      await site.vault.settleBatch(site.owner, rowsOf(site, [one]));
    },
    async close() {
      await Promise.all([road, ...others].map((each) => each.close()));
      await site.close();
    },
  };
}

/** Rows as anybody may settle them. */
export function rowsOf(site: Site, taps: readonly SignedTap[]) {
  const books = taps.reduce(
    (found, { bytes, id }) => applyRecord(found, { type: 'entry', id, at: 0, message: bytes } as never),
    emptyBooks,
  );
  return taps.map(({ id }) => {
    const { opened: _, ...row } = openedRowOf(site.signing, namedEntry(books, id));
    return row;
  });
}

/** What of channels and lanes the registry has wrong, by the vault's own answers at the block it names. */
export async function wrongIn(
  { site }: Ground,
  state: RegistryState,
  channels: readonly number[],
): Promise<readonly string[]> {
  const at = { blockNumber: BigInt(state.watched.height) };
  const wrong: string[] = [];
  for (const channel of channels) {
    const head = state.heads[String(channel)];
    const held = await site.vault.readChannel(channel, at).catch(() => undefined);
    if (held === undefined) {
      if (head !== undefined && (head.deposit > 0 || !head.exiting)) wrong.push(`channel ${channel} is gone`);
      continue;
    }
    const told = head && [head.deposit, head.exiting, head.slashed].join();
    const truth = [held.deposited, held.exitReady !== 0 || held.deposited === 0, held.slashed].join();
    if (told !== truth) wrong.push(`channel ${channel}: ${told}, want ${truth}`);
    for (const { address } of [payee, otherPayee]) {
      const paid = head?.settled[toHex(address)]?.paid ?? 0;
      const settled = await site.vault.readLane(channel, address, at);
      if (paid !== settled) wrong.push(`lane of ${channel}: ${paid}, want ${settled}`);
    }
  }
  return wrong;
}
