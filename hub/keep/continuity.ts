/**
 * Is this the folder that the hub had when the world last saw it? Its beacon at the broker and its settlements on L2 say
 * what it had signed by then; a folder that knows less is an earlier state of it, and going on would sign other entries for
 * the same positions. What neither of them saw is not noticed: a state that is a few seconds old, or a hub whose broker
 * keeps nothing (its own keeps nothing over a restart) and that has not settled since.
 */
import { type Address, equalBytes } from '../../protocol/bytes.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { decodeMessage } from '../../protocol/wire/messages.ts';
import type { Journal } from '../ledger/journal.ts';
import { keptSizesMax } from '../limits.ts';
import type { L2, Hex } from '../ports.ts';
import type { Held } from './hold.ts';

/** What the folder says about itself. */
export interface Known {
  readonly signing: Signing;
  /** Addresses of the hub's keys. */
  readonly keys: readonly Address[];
  readonly journal: Journal;
  /** Of the last beacon that was published: what it covered, and its L2 time. */
  readonly published: { readonly size: number; readonly at: number };
  /** When the folder was recovered, seconds; 0: never. */
  readonly recoveredAt: number;
}

/** Why a beacon that the broker kept shows that the folder is an earlier one; undefined when it fits or says nothing. */
export function contradictedBy(
  beacon: Uint8Array,
  { signing, keys, journal, published, recoveredAt }: Known,
): Held | undefined {
  const decoded = decodeMessage(beacon, 'sync');
  const message = decoded.ok ? decoded.message : undefined;
  if (message?.type !== 'beacon' || message.at <= Math.max(published.at, recoveredAt)) return undefined;
  // Anybody may have put it there: only our own word counts against us.
  if (!keys.some((key) => signing.signedBy('Beacon', message, message.signature, key))) return undefined;
  const { size } = journal.tree;
  const least = Math.max(Math.min(published.size, size), size - keptSizesMax);
  for (let at = size; at >= least; at -= 1)
    if (equalBytes(journal.checkpoint(at).hash, message.checkpoint)) return undefined;
  return {
    code: 'ledger_rolled_back',
    what: `the beacon of L2 time ${message.at} covers records that this folder does not have (it has ${size})`,
  };
}

/** Why a settlement on L2 shows it: the hub's account sent it, and no such nonce was ever signed here. */
export async function contradictedBySettlement(
  l2: Pick<L2, 'sentAs' | 'blockAt'>,
  { transaction, height }: { readonly transaction: Hex; readonly height: number },
  recoveredAt: number,
  highest: () => number,
): Promise<Held | undefined> {
  if (recoveredAt > 0 && (await l2.blockAt(height)).at <= recoveredAt) return undefined;
  const nonce = await l2.sentAs(transaction);
  if (nonce === undefined || nonce <= highest()) return undefined;
  return {
    code: 'ledger_rolled_back',
    what: `this hub settled ${transaction} on L2 (nonce ${nonce}), and this folder knows nothing of it`,
  };
}
