/** Channels and lanes as the registry keeps them, and what events make of them. */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { unreachable } from '../../protocol/errors.ts';
import { type Amount, amount, type ChannelId, channelId } from '../../protocol/integers.ts';
import type { ChannelFacts } from '../intake/state.ts';
import type { L2, L2Event } from '../ports.ts';
import type { ChannelHead, RegistryState } from '../registry/registry.ts';

/** A lane that L2 settled further. */
export interface SettledLane {
  readonly channel: ChannelId;
  readonly payee: Uint8Array;
  /** Units settled on the lane in all. */
  readonly paid: Amount;
  readonly transaction: Uint8Array;
}

/** What the registry knows of a channel, as the intake takes it. */
export function factsOf(head: ChannelHead): ChannelFacts {
  return {
    payer: fromHex(head.payer, 20),
    deposited: amount(head.deposit),
    spendable: amount(Math.max(0, head.deposit + head.credited - head.bond)),
    bond: amount(head.bond),
    exiting: head.exiting,
    slashed: head.slashed,
    settled: head.settled,
  };
}

/** A channel as the registry keeps it, as it stands in a block. Throws what L2 throws. */
export async function readHead(l2: L2, channel: number, at: number): Promise<ChannelHead> {
  const view = await l2.channel(channel, at);
  return {
    payer: view.payer.toLowerCase(),
    owner: view.owner.toLowerCase(),
    deposit: view.deposited,
    bond: view.bond,
    credited: view.credited,
    exiting: view.exitReady !== 0 || view.deposited === 0,
    slashed: view.slashed,
    settled: {},
  };
}

/** What one event raised a lane by. */
export interface Moved {
  readonly channel: number;
  readonly payeeId: number;
  readonly moved: number;
  readonly transaction: `0x${string}`;
}

/** Every lane that an event raised, whoever sent it: a settlement, or what a payee got after a proved fraud. */
export function movedLanes(event: L2Event): Moved[] {
  const { transaction } = event;
  switch (event.type) {
    case 'batchSettled':
      // Other people's rows aren't known, their outcomes are. A credit changes the channel but takes nothing off the lane.
      return event.outcomes
        .filter(({ moved }) => moved > 0)
        .map(({ channel, payee, moved, credit }) => ({
          channel,
          payeeId: payee,
          moved: credit ? 0 : moved,
          transaction,
        }));
    case 'laneRaised': {
      const { channel, payee, moved } = event;
      return moved > 0 ? [{ channel, payeeId: payee, moved, transaction }] : [];
    }
    // Announcements, keys, settlers and releases move no lane.
    case 'payeeRegistered':
    case 'channelChanged':
    case 'announced':
    case 'executed':
    case 'hubKeyAdded':
    case 'hubKeyRevoked':
    case 'settler':
    case 'leasesReleased':
      return [];
    default:
      return unreachable(event);
  }
}

/** Where the raised lanes stand, by what the registry and these events know of payees. */
export function movedTo(
  { payees, heads }: RegistryState,
  registered: Readonly<Record<string, number>>,
  views: ReadonlyMap<number, ChannelHead>,
  moved: readonly Moved[],
): SettledLane[] {
  const accounts = new Map(
    [...Object.entries(payees), ...Object.entries(registered)].map(([account, id]) => [id, account]),
  );
  const lanes = new Map<string, SettledLane>();
  for (const { channel, payeeId, moved: units, transaction } of moved) {
    const account = accounts.get(payeeId);
    if (account === undefined || !views.has(channel) || units === 0) continue;
    const key = `${channel}/${account}`;
    const before = lanes.get(key)?.paid ?? heads[String(channel)]?.settled[account]?.paid ?? 0;
    lanes.set(key, {
      channel: channelId(channel),
      payee: fromHex(account, 20),
      paid: amount(before + units),
      transaction: fromHex(transaction, 32),
    });
  }
  return [...lanes.values()];
}

/** The heads as they are now; `settled` names only the lanes that rose. */
export function headsPatch(
  views: ReadonlyMap<number, ChannelHead>,
  lanes: readonly SettledLane[],
): Record<string, ChannelHead> {
  const heads: Record<string, ChannelHead> = {};
  for (const [channel, view] of views) heads[String(channel)] = { ...view, settled: {} };
  for (const { channel, payee, paid, transaction } of lanes)
    heads[String(channel)]!.settled[toHex(payee)] = { paid, transaction: toHex(transaction) };
  return heads;
}
