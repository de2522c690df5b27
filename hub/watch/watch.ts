/**
 * L2 as the hub sees it: the newest block (the only time it signs), and the vault's events at finality, turned into
 * channel heads. Each block range is read once and stored together with how far it was read, so that a crash neither
 * skips an event nor counts it twice. Start with `Watch.look`.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError, unreachable } from '../../protocol/errors.ts';
import {
  type Amount,
  amount,
  type ChannelId,
  channelId,
  type Height,
  height,
  type Seconds,
  seconds,
} from '../../protocol/integers.ts';
import type { ChannelFacts } from '../intake/state.ts';
import { watchBlocksMax } from '../limits.ts';
import type { L2, L2Event } from '../ports.ts';
import type { ChannelHead, Registry, RegistryPatch, RegistryState } from '../registry/registry.ts';

/** Whom the watch tells. */
export interface WatchEvents {
  /** The newest block, when all final events up to it are told. */
  block(at: Seconds, height: Height): void;
  /** A channel as it stands at finality. */
  channel(channel: ChannelId, facts: ChannelFacts): void;
  /** A payee that has an id now. */
  payee(payee: Uint8Array): void;
  /** A lane moved up on L2, at finality. */
  settled(lane: SettledLane): void;
}

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
    exiting: head.exiting,
    slashed: head.slashed,
  };
}

/** Looks at L2, and tells what is new there, each final block once. */
export class Watch {
  private readonly l2: L2;
  private readonly registry: Registry;
  private readonly startBlock: number;
  private readonly events: WatchEvents;
  /** Height that the disk knows: behind it blocks without events are read again. */
  private storedHeight: number;
  /** Newest block seen, or undefined before the first. */
  newest: { readonly height: number; readonly at: number } | undefined;

  constructor(l2: L2, registry: Registry, startBlock: number, events: WatchEvents) {
    this.l2 = l2;
    this.storedHeight = registry.state.watched.height;
    this.registry = registry;
    this.startBlock = startBlock;
    this.events = events;
  }

  /** Height up to which all events are known and stored. */
  get finalHeight(): number {
    return this.registry.state.watched.height;
  }

  /** Tells what an earlier run stored; L2 need not be in reach. */
  restore(): void {
    const { heads, payees } = this.registry.state;
    for (const payee of Object.keys(payees)) this.events.payee(fromHex(payee, 20));
    for (const [channel, head] of Object.entries(heads)) {
      this.events.channel(channelId(Number(channel)), factsOf(head));
    }
  }

  /**
   * Reads the newest block and all final events since the last look. Throws what L2 throws while it is away, and
   * `chain_behind` while the node shows less than was final already: leases end with the time that it then doesn't tell.
   */
  async look(): Promise<void> {
    const { newest, final } = await this.l2.newest();
    if (newest.height < this.finalHeight)
      throw new SundialError(
        'chain_behind',
        `L2 is at block ${newest.height}; ${this.finalHeight} was final`,
        {
          severity: 'call',
          remedy: 'Wait until the node has caught up, or correct chain.rpcUrl when it began another chain.',
          facts: { height: newest.height, finalHeight: this.finalHeight },
        },
      );
    let from = Math.max(this.finalHeight + 1, this.startBlock);
    while (from <= final.height) {
      const to = Math.min(from + watchBlocksMax - 1, final.height);
      await this.readRange(from, to, final.height);
      from = to + 1;
    }
    this.newest = { height: newest.height, at: newest.at };
    // Last, so that nothing dated by this block is signed before its final events are known.
    this.events.block(seconds(newest.at), height(newest.height));
  }

  /** `final`: where channels are looked at. Most nodes keep only the newest states, so not at `to`. */
  private async readRange(from: number, to: number, final: number): Promise<void> {
    const events = await this.l2.events(from, to);
    const moved = events.flatMap(movedLanes);
    const changed = new Set(
      events.flatMap((event) => (event.type === 'channelChanged' ? event.channel : [])),
    );
    for (const { channel } of moved) changed.add(channel);
    const views = new Map<number, ChannelHead>();
    for (const channel of changed) views.set(channel, await readHead(this.l2, channel, final));
    const { at } = await this.l2.blockAt(to);
    const watched = { height: to, at };
    // Blocks without events may be read again after a crash: their height is stored now and then.
    if (events.length === 0 && to - this.storedHeight < watchBlocksMax)
      return this.registry.note({ watched });
    const payees = events.flatMap((event) => (event.type === 'payeeRegistered' ? [event] : []));
    const registered = Object.fromEntries(payees.map(({ account, payee }) => [account, payee]));
    const lanes = movedTo(this.registry.state, registered, views, moved);
    const stored = this.registry.update({
      watched,
      payees: registered,
      heads: headsPatch(views, lanes),
    } as RegistryPatch);
    for (const { account } of payees) this.events.payee(fromHex(account, 20));
    for (const channel of views.keys()) {
      this.events.channel(channelId(channel), factsOf(this.registry.state.heads[String(channel)]!));
    }
    for (const lane of lanes) this.events.settled(lane);
    // Told before it is stored: it can be read again, and a full disk must not hide a deposit until the next start.
    await stored;
    this.storedHeight = to;
  }
}

async function readHead(l2: L2, channel: number, at: number): Promise<ChannelHead> {
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
interface Moved {
  readonly channel: number;
  readonly payeeId: number;
  readonly moved: number;
  readonly transaction: `0x${string}`;
}

/** Every lane that an event raised, whoever sent it: a settlement, or what a payee got after a proved fraud. */
function movedLanes(event: L2Event): Moved[] {
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
function movedTo(
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
function headsPatch(
  views: ReadonlyMap<number, ChannelHead>,
  lanes: readonly SettledLane[],
): Record<string, ChannelHead> {
  const heads: Record<string, ChannelHead> = {};
  for (const [channel, view] of views) heads[String(channel)] = { ...view, settled: {} };
  for (const { channel, payee, paid, transaction } of lanes)
    heads[String(channel)]!.settled[toHex(payee)] = { paid, transaction: toHex(transaction) };
  return heads;
}
