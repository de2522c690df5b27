/**
 * L2 as the hub sees it: the newest block (the only time it signs), and the vault's events at finality, turned into
 * channel heads. Each block range is read once and stored together with how far it was read, so that a crash neither
 * skips an event nor counts it twice. Start with `Watch.look`.
 */
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
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
import type { ChannelHead, Registry, RegistryState } from '../registry/registry.ts';
import { readOutcomes } from '../l2/rows.ts';
import type { Vault } from '../l2/vault.ts';
import type { ChainLink } from '../l2/chain-link.ts';

export interface WatchEvents {
  block(at: Seconds, height: Height): void;
  channel(channel: ChannelId, facts: ChannelFacts): void;
  payee(payee: Uint8Array): void;
  /** A lane moved up on L2, at finality. */
  settled(lane: SettledLane): void;
}

export interface SettledLane {
  readonly channel: ChannelId;
  readonly payee: Uint8Array;
  /** Units settled on the lane in all. */
  readonly paid: Amount;
  readonly transaction: Uint8Array;
}

type VaultEvent = Awaited<ReturnType<Vault['events']>>[number];

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

export class Watch {
  private readonly link: ChainLink;
  private readonly registry: Registry;
  private readonly startBlock: number;
  private readonly events: WatchEvents;
  /** Newest block seen, or undefined before the first. */
  newest: { readonly height: number; readonly at: number } | undefined;

  constructor(link: ChainLink, registry: Registry, startBlock: number, events: WatchEvents) {
    this.link = link;
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
   * Reads the newest block and all final events since the last look. Throws viem's errors while L2 is away, and
   * `chain_behind` while the node shows less than was final already: leases end with the time that it then doesn't tell.
   */
  async look(): Promise<void> {
    const vault = await this.link.vault();
    const block = await vault.client.getBlock();
    const newest = { height: Number(block.number), at: Number(block.timestamp) };
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
    const final = newest.height - this.link.finalityBlocks;
    let from = Math.max(this.registry.state.watched.height + 1, this.startBlock);
    while (from <= final) {
      const to = Math.min(from + watchBlocksMax - 1, final);
      await this.readRange(vault, from, to, final);
      from = to + 1;
    }
    this.newest = newest;
    // Last, so that nothing dated by this block is signed before its final events are known.
    this.events.block(seconds(newest.at), height(newest.height));
  }

  /** `final`: where channels are looked at. Most nodes keep only the newest states, so not at `to`. */
  private async readRange(vault: Vault, from: number, to: number, final: number): Promise<void> {
    const events = await vault.events(BigInt(from), BigInt(to));
    const changed = new Set(events.flatMap(channelsOf));
    const moved = movedLanes(events);
    for (const { channel } of moved) changed.add(channel);
    const views = new Map<number, ChannelHead>();
    for (const channel of changed) views.set(channel, await readHead(vault, channel, final));
    const { timestamp } = await vault.client.getBlock({ blockNumber: BigInt(to) });
    const payees: Uint8Array[] = [];
    const lanes: SettledLane[] = [];
    const stored = this.registry.update((state) => {
      for (const event of events) {
        if (event.eventName !== 'PayeeRegistered') continue;
        const account = event.args.account.toLowerCase();
        state.payees[account] = event.args.payee;
        payees.push(fromHex(account, 20));
      }
      for (const [channel, view] of views) {
        const before = state.heads[String(channel)];
        state.heads[String(channel)] = { ...view, settled: before?.settled ?? {} };
      }
      lanes.push(...addMoved(state, moved));
      state.watched = { height: to, at: Number(timestamp) };
    });
    for (const payee of payees) this.events.payee(payee);
    for (const channel of views.keys()) {
      this.events.channel(channelId(channel), factsOf(this.registry.state.heads[String(channel)]!));
    }
    for (const lane of lanes) this.events.settled(lane);
    // Told before it is stored: it can be read again, and a full disk must not hide a deposit until the next start.
    await stored;
  }
}

function channelsOf(event: VaultEvent): number[] {
  switch (event.eventName) {
    case 'ChannelOpened':
    case 'ChannelToppedUp':
    case 'ExitStarted':
    case 'ExitFinished':
    case 'FraudProved':
      return [event.args.channel];
    default:
      return [];
  }
}

async function readHead(vault: Vault, channel: number, at: number): Promise<ChannelHead> {
  const view = await vault.readChannel(channel, { blockNumber: BigInt(at) });
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
function movedLanes(events: readonly VaultEvent[]): Moved[] {
  return events.flatMap((event): Moved[] => {
    const transaction = event.transactionHash;
    switch (event.eventName) {
      case 'BatchSettled':
        // Other people's rows aren't known, their outcomes are.
        return readOutcomes(fromHex(event.args.outcomes))
          .filter(({ moved }) => moved > 0)
          .map(({ channel, payee, moved, credit }) => {
            // A credit changes the channel but takes nothing off the lane.
            return { channel, payeeId: payee, moved: credit ? 0 : moved, transaction };
          });
      case 'ShortfallRegistered': {
        const { channel, payee, moved } = event.args;
        return moved > 0 ? [{ channel, payeeId: payee, moved, transaction }] : [];
      }
      case 'ShareCollected': {
        const { channel, payee, raised } = event.args;
        return raised > 0 ? [{ channel, payeeId: payee, moved: raised, transaction }] : [];
      }
      default:
        return [];
    }
  });
}

function addMoved(state: RegistryState, moved: readonly Moved[]): SettledLane[] {
  const accounts = new Map(Object.entries(state.payees).map(([account, id]) => [id, account]));
  const changed = new Map<string, SettledLane>();
  for (const { channel, payeeId, moved: units, transaction } of moved) {
    const account = accounts.get(payeeId);
    const head = state.heads[String(channel)];
    if (account === undefined || head === undefined || units === 0) continue;
    const paid = (head.settled[account]?.paid ?? 0) + units;
    head.settled[account] = { paid, transaction };
    changed.set(`${channel}/${account}`, {
      channel: channelId(channel),
      payee: fromHex(account, 20),
      paid: amount(paid),
      transaction: fromHex(transaction, 32),
    });
  }
  return [...changed.values()];
}
