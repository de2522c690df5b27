/**
 * L2 as the hub sees it: the newest block (the only time it signs), and the vault's events at finality, turned into
 * channel heads. Each block range is read once and stored together with how far it was read, so that a crash neither
 * skips an event nor counts it twice. Each look is compared with what was believed before: the chain and the vault are
 * the pinned ones (pinned.ts), final blocks follow final blocks (replaced.ts), and the newest is dated as this machine's
 * clock has it. Start with `Watch.look`.
 */
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import {
  type ChannelId,
  channelId,
  type Height,
  height,
  type Seconds,
  seconds,
} from '../../protocol/integers.ts';
import { isError } from '../errors.ts';
import type { ChannelFacts } from '../intake/state.ts';
import { watchBlocks, watchStoredEvery } from '../limits.ts';
import type { Block, Hex, L2 } from '../ports.ts';
import type { ChannelHead, Registry, RegistryPatch } from '../registry/registry.ts';
import type { AnnouncedLane } from '../l2/announced.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { announcedPatch, isTaking, overPatch, waitingLanes } from './announced.ts';
import { finalsPatch, torn } from './finals.ts';
import { factsOf, headsPatch, movedLanes, movedTo, readHead, type SettledLane } from './heads.ts';
import { checkPinned } from './pinned.ts';
import { rereadAll } from './replaced.ts';

/** The machine's clock, and how far it may be from the chain's, both in seconds. */
export interface WatchClock {
  nowSeconds(): number;
  readonly clockError: number;
}

/** Whom the watch tells. */
export interface WatchEvents {
  /** The newest block, when all final events up to it are told. */
  block(at: Seconds, height: Height): void;
  /** What L2 shows contradicts what it showed before, or the clock: no lease until the next `block`. */
  doubt(error: SundialError): void;
  /** What was final was taken back: what is remembered besides the registry has to be asked again. */
  replaced(error: SundialError): void;
  /** A channel as it stands at finality. */
  channel(channel: ChannelId, facts: ChannelFacts): void;
  /** A payee that has an id now. */
  payee(payee: Uint8Array): void;
  /** All that is announced in the vault and waits, whenever that changes. `isTaking`: what came takes from a channel. */
  announced(lanes: readonly AnnouncedLane[], isTaking: boolean): void;
  /** So many announced lanes found no place among those that are followed. */
  unlisted(lanes: number): void;
  /** A batch was settled in this transaction, at finality. Resolves when it was looked at: only then it counts as read. */
  batch(settled: { readonly transaction: Hex; readonly height: number }): Promise<void>;
  /** A lane moved up on L2, at finality. */
  settled(lane: SettledLane): void;
}

/** What the watch works on. */
export interface WatchOptions {
  readonly signing: Signing;
  readonly l2: L2;
  readonly registry: Registry;
  /** First block that can hold events of the vault. */
  readonly startBlock: number;
  readonly clock: WatchClock;
  readonly events: WatchEvents;
}

/** Looks at L2, and tells what is new there, each final block once. */
export class Watch {
  private readonly options: WatchOptions;
  /** Height that the disk knows: behind it blocks without events are read again. */
  private storedHeight: number;
  /** Blocks that are asked for at once: as many as the node gave last, and more when it gave all. */
  private span: number = watchBlocks.first;
  /** The chain was compared with the pinned one since the last failure. */
  private isPinned = false;
  /** How far a look has come, while there is more than one range to read. */
  reading: { readonly at: number; readonly to: number } | undefined;
  /** Newest block seen, or undefined before the first. */
  newest: { readonly height: number; readonly at: number } | undefined;

  constructor(options: WatchOptions) {
    this.options = options;
    this.storedHeight = options.registry.state.watched.height;
  }

  /** Height up to which all events are known and stored. */
  get finalHeight(): number {
    return this.options.registry.state.watched.height;
  }

  /** Tells what an earlier run stored; L2 need not be in reach. */
  restore(): void {
    const { registry, events } = this.options;
    const { heads, payees, announced } = registry.state;
    // What it takes from may have been acknowledged and not settled when the hub stopped.
    if (Object.keys(announced).length > 0)
      events.announced(waitingLanes(registry.state), isTaking(registry.state, announced));
    for (const payee of Object.keys(payees)) events.payee(fromHex(payee, 20));
    for (const [channel, head] of Object.entries(heads))
      events.channel(channelId(Number(channel)), factsOf(head));
  }

  /** Another worker of the hub, which watches in this one's place, has seen this block. */
  told(newest: { readonly height: number; readonly at: number }): void {
    this.newest = newest;
  }

  /** This worker watches from now on, with what the registry says. */
  takeOver(): void {
    this.storedHeight = this.options.registry.state.watched.height;
    this.isPinned = false;
  }

  /**
   * Reads the newest block and all final events since the last look. Throws what L2 throws while it is away, and
   * `chain_behind` while the node shows less than was final already: leases end with the time that it then doesn't tell.
   * `chain_changed`, `vault_changed` and `clock_differs` end them at once.
   */
  async look(): Promise<void> {
    try {
      await this.lookOnce();
    } catch (error) {
      this.isPinned = false;
      if (DOUBTS.some((code) => isError(error, code))) this.options.events.doubt(error as SundialError);
      throw error;
    }
  }

  private async lookOnce(): Promise<void> {
    const { l2, registry, startBlock, events } = this.options;
    if (!this.isPinned) await checkPinned(l2, registry);
    this.isPinned = true;
    const { newest, final } = await l2.newest();
    if (newest.height < this.finalHeight) throw behind(newest.height, this.finalHeight);
    const { watched } = registry.state;
    const { hash } = watched;
    if (final.height === watched.height && hash !== undefined && final.hash !== hash)
      await this.startOver(final);
    let from = Math.max(this.finalHeight + 1, startBlock);
    while (from <= final.height) {
      const to = Math.min(from + this.span - 1, final.height);
      from = (await this.readRange(from, to, final)) + 1;
      this.reading = from <= final.height ? { at: from, to: final.height } : undefined;
    }
    await this.forgetOver();
    this.checkTime(newest);
    this.newest = { height: newest.height, at: newest.at };
    // Last, so that nothing dated by this block is signed before its final events are known.
    events.block(seconds(newest.at), height(newest.height));
  }

  /** Announced batches that nobody can execute any more hold nothing back. */
  private async forgetOver(): Promise<void> {
    const { l2, registry, events } = this.options;
    if (Object.keys(registry.state.announced).length === 0) return;
    const announced = overPatch(registry.state, await l2.clock());
    if (Object.keys(announced).length === 0) return;
    await registry.update({ announced } as RegistryPatch);
    events.announced(waitingLanes(registry.state), false);
  }

  /** Reads events and answers how far. Channels are looked at in `final`: most nodes keep only the newest states. */
  private async readRange(from: number, to: number, final: Block): Promise<number> {
    const { l2, registry, events: told } = this.options;
    const { events, parent, last } = await l2.events(from, to);
    const { watched } = registry.state;
    if (from === watched.height + 1 && watched.hash !== undefined && parent !== watched.hash) {
      await this.startOver(final);
      return final.height;
    }
    if (last.height === final.height && last.hash !== final.hash) throw torn(final.height);
    this.span =
      last.height === to
        ? Math.min(2 * this.span, watchBlocks.most)
        : Math.max(watchBlocks.least, last.height - from + 1);
    const moved = events.flatMap(movedLanes);
    const changed = new Set(
      events.flatMap((event) => (event.type === 'channelChanged' ? event.channel : [])),
    );
    for (const { channel } of moved) changed.add(channel);
    const views = new Map<number, ChannelHead>();
    for (const channel of changed) views.set(channel, await readHead(l2, channel, final.height));
    const read = {
      watched: { height: last.height, at: last.at, hash: last.hash },
      finals: finalsPatch(registry.state.finals, last),
    };
    // Blocks without events may be read again after a crash: their height is stored now and then.
    if (events.length === 0 && last.height - this.storedHeight < watchStoredEvery) {
      registry.note(read);
      return last.height;
    }
    for (const event of events) if (event.type === 'batchSettled') await told.batch(event);
    const payees = events.flatMap((event) => (event.type === 'payeeRegistered' ? [event] : []));
    const registered = Object.fromEntries(payees.map(({ account, payee }) => [account, payee]));
    const lanes = movedTo(registry.state, registered, views, moved);
    const waiting = announcedPatch(this.options.signing, registry.state, registered, events);
    if (waiting.unlisted > 0) told.unlisted(waiting.unlisted);
    const isAnnounced = Object.keys(waiting.patch).length > 0;
    const stored = registry.update({
      ...read,
      ...(isAnnounced && { announced: waiting.patch }),
      payees: registered,
      heads: headsPatch(views, lanes),
    } as RegistryPatch);
    for (const { account } of payees) told.payee(fromHex(account, 20));
    if (isAnnounced) told.announced(waitingLanes(registry.state), isTaking(registry.state, waiting.patch));
    for (const channel of views.keys())
      told.channel(channelId(channel), factsOf(registry.state.heads[String(channel)]!));
    for (const lane of lanes) told.settled(lane);
    // Told before it is stored: it can be read again, and a full disk must not hide a deposit until the next start.
    await stored;
    this.storedHeight = last.height;
    return last.height;
  }

  /** What was final is not: all that is known of L2 is read again, and counts from `final` on. */
  private async startOver(final: Block): Promise<void> {
    const { l2, registry, startBlock, events } = this.options;
    const { watched } = registry.state;
    const error = new SundialError(
      'final_replaced',
      `block ${watched.height} was final and is another one now`,
      {
        severity: 'call',
        remedy:
          'The hub reads L2 anew and settles again what is gone. Raise chain.finalityBlocks, or leave it out where the chain says what is final; ask what happened to the chain.',
        facts: { height: watched.height, was: watched.hash!, now: final.hash },
      },
    );
    events.doubt(error);
    l2.forget();
    const { patch, channels, payees } = await rereadAll(l2, registry.state, startBlock, final);
    const stored = registry.update(patch);
    for (const account of payees) events.payee(fromHex(account, 20));
    for (const channel of channels)
      events.channel(channelId(channel), factsOf(registry.state.heads[String(channel)]!));
    events.replaced(error);
    await stored;
    this.storedHeight = final.height;
  }

  /** The hub signs L2's time, so it must be a time: a block that the machine's clock contradicts dates nothing. */
  private checkTime(newest: Block): void {
    const { clock } = this.options;
    const now = clock.nowSeconds();
    if (Math.abs(newest.at - now) <= clock.clockError) return;
    throw new SundialError(
      'clock_differs',
      `block ${newest.height} is dated ${newest.at}, this machine's clock says ${now}`,
      {
        severity: 'call',
        remedy:
          "Correct the machine's clock, or the node: until they agree within timing.clockError no time is signed and nothing leased.",
        facts: { height: newest.height, at: newest.at, now, clockError: clock.clockError },
      },
    );
  }
}

/** What a look may find that no node of a sound chain shows. */
const DOUBTS = ['chain_changed', 'vault_changed', 'chain_mismatch', 'clock_differs', 'l2_disagrees'] as const;

const behind = (height: number, finalHeight: number): SundialError =>
  new SundialError('chain_behind', `L2 is at block ${height}; ${finalHeight} was final`, {
    severity: 'call',
    remedy: 'Wait until the node has caught up, or correct chain.rpcUrl when it began another chain.',
    facts: { height, finalHeight },
  });
