/**
 * What L2 holds after final blocks were replaced. The registry's sums came from events that may be gone, so nothing is
 * taken back step by step: every channel, lane and payee that is known, or that the new blocks name, is read as it stands
 * in the new final block. What is gone there is unsettled again, and the next plan settles it.
 */
import type { Block, L2, L2Event } from '../ports.ts';
import type { ChannelHead, RegistryPatch, RegistryState } from '../registry/registry.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { isError } from '../errors.ts';
import { headersAtOnce, watchBlocks } from '../limits.ts';
import { finalsPatch, lastCommon, torn } from './finals.ts';
import { movedLanes, readHead } from './heads.ts';

/** The registry's change, and whom to tell of it. */
export interface Reread {
  readonly patch: RegistryPatch;
  readonly channels: readonly number[];
  /** Accounts that have an id. */
  readonly payees: readonly string[];
}

/** Reads all in `final`. Throws what L2 throws; nothing is changed before all is read. */
export async function rereadAll(
  l2: L2,
  state: RegistryState,
  startBlock: number,
  final: Block,
): Promise<Reread> {
  const common = await lastCommon(l2, state.finals, final.height);
  const first = Math.max(common + 1, startBlock);
  const before = first === common + 1 ? state.finals[String(common)] : undefined;
  const events = await eventsFrom(l2, first, before, final);
  const at = final.height;
  const named = events.flatMap((event) => (event.type === 'payeeRegistered' ? [event.account] : []));
  const accounts = [...new Set<string>([...Object.keys(state.payees), ...named])];
  const ids = new Map<string, number>();
  await together(accounts, async (account) => {
    const id = await l2.payeeId(fromHex(account, 20), at);
    if (id !== undefined) ids.set(account, id);
  });
  const raised = raisedIn(events, ids);
  const changed = events.flatMap((event) => (event.type === 'channelChanged' ? [event.channel] : []));
  const channels = new Set([...Object.keys(state.heads).map(Number), ...changed, ...raised.keys()]);
  const heads: Record<string, ChannelHead> = {};
  await together([...channels], async (channel) => {
    const before = state.heads[String(channel)];
    const head = await headAt(l2, channel, before, at);
    if (head === undefined) return;
    const settled: Record<string, unknown> = {};
    const now = raised.get(channel);
    for (const account of new Set([...Object.keys(before?.settled ?? {}), ...(now?.keys() ?? [])])) {
      const paid = ids.has(account) ? await l2.lane(channel, fromHex(account, 20), at) : 0;
      const transaction = now?.get(account) ?? before?.settled[account]?.transaction;
      settled[account] = paid > 0 && transaction !== undefined ? { paid, transaction } : null;
    }
    heads[String(channel)] = { ...head, settled } as ChannelHead;
  });
  const gone = Object.keys(state.finals).filter((height) => Number(height) > common);
  const kept = Object.fromEntries(Object.entries(state.finals).filter(([height]) => !gone.includes(height)));
  const patch = {
    watched: { height: at, at: final.at, hash: final.hash },
    finals: { ...Object.fromEntries(gone.map((height) => [height, null])), ...finalsPatch(kept, final) },
    payees: Object.fromEntries(accounts.map((account) => [account, ids.get(account) ?? null])),
    heads,
  } as RegistryPatch;
  return { patch, channels: Object.keys(heads).map(Number), payees: [...ids.keys()] };
}

/** A few at a time: the node has others to answer. */
async function together<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += headersAtOnce)
    await Promise.all(items.slice(at, at + headersAtOnce).map(work));
}

/** By channel and payee's account, the transaction that raised the lane last. */
function raisedIn(
  events: readonly L2Event[],
  ids: ReadonlyMap<string, number>,
): Map<number, Map<string, string>> {
  const accounts = new Map([...ids].map(([account, id]) => [id, account]));
  const raised = new Map<number, Map<string, string>>();
  for (const { channel, payeeId, transaction } of events.flatMap(movedLanes)) {
    const lanes = raised.get(channel) ?? new Map<string, string>();
    raised.set(channel, lanes);
    const account = accounts.get(payeeId);
    if (account !== undefined) lanes.set(account, transaction);
  }
  return raised;
}

/** All events behind a block that still stands, up to `final`: each range follows the one before, or none counts. */
async function eventsFrom(
  l2: L2,
  first: number,
  before: string | undefined,
  final: Block,
): Promise<L2Event[]> {
  const events: L2Event[] = [];
  let hash = before;
  for (let from = first; from <= final.height; ) {
    const range = await l2.events(from, Math.min(from + watchBlocks.most - 1, final.height));
    if (hash !== undefined && range.parent !== hash) throw torn(from - 1);
    events.push(...range.events);
    hash = range.last.hash;
    from = range.last.height + 1;
  }
  if (hash !== undefined && hash !== final.hash) throw torn(final.height);
  return events;
}

/** The channel as it stands; one that is gone has no money and no future. Undefined: it never was. */
async function headAt(
  l2: L2,
  channel: number,
  before: ChannelHead | undefined,
  at: number,
): Promise<ChannelHead | undefined> {
  try {
    return await readHead(l2, channel, at);
  } catch (error) {
    if (!isError(error, 'l2_reverted')) throw error;
    return before && { ...before, deposit: 0, bond: 0, credited: 0, exiting: true, slashed: false };
  }
}
