/** What waits on lanes: how far L2 has settled them, what is worth its gas, and who has no id to be settled under. */
import type { ChannelId } from '../../protocol/integers.ts';
import { channelBook, topOf } from '../intake/books.ts';
import { layersEntries } from '../intake/layers.ts';
import type { Books, ChannelBook } from '../intake/state.ts';
import { keyNumber, trieEntries } from '../intake/trie.ts';
import type { Index } from '../ports.ts';
import type { Registry } from '../registry/registry.ts';

/** A payee with vouchers and no id in the vault. Units: what it would get. */
export interface Unregistered {
  readonly payee: string;
  readonly lanes: number;
  readonly units: number;
}

/** Lanes that wait. `small` ones are left for later, as the operator's `batch.laneMin` says. */
export interface Waiting {
  readonly lanes: number;
  readonly small: number;
  readonly unregistered: readonly Unregistered[];
}

/** Lanes as books and registry have them. */
export class LaneView {
  private readonly registry: Registry;
  private readonly index: Index;
  private readonly laneMin: number;
  /** Payees without an id that were told already. */
  private readonly told = new Set<string>();
  /** Channels whose every lane L2 has settled, by their book and head of then: most of a site, at most times. */
  private readonly whole = new Map<number, { readonly book: ChannelBook; readonly changes: number }>();
  /**
   * Keys of channels that went from memory to the index and were not seen whole since: of a history only these are looked
   * at. Undefined: all that the index has.
   */
  private left: Set<string> | undefined;

  constructor(registry: Registry, index: Index, laneMin: number) {
    this.registry = registry;
    this.index = index;
    this.laneMin = laneMin;
  }

  /** These channels (keys) went to the index. */
  indexed(keys: Iterable<string>): void {
    for (const key of keys) this.left?.add(key);
  }

  /** Final blocks were replaced: what was settled may not be. */
  forget(): void {
    this.left = undefined;
  }

  /** Keys of the channels that may have something left to do, in order; `isDone`: whole, and nothing else is open on it. */
  open(
    books: Books,
    isDone: (channel: number, book: ChannelBook) => boolean = () => false,
  ): readonly string[] {
    const held = trieEntries(books.channels).map(([key]) => key);
    if (books.past === undefined) return held;
    this.left ??= new Set(books.past.channels());
    for (const key of this.left) {
      const channel = keyNumber(key);
      const book = channelBook(books, channel as ChannelId);
      if (!this.isWhole(channel, book) || !isDone(channel, book)) continue;
      this.left.delete(key);
      this.whole.delete(channel);
    }
    return [...new Set([...held, ...this.left])].sort();
  }

  /** Units that L2 has settled on a lane, as far as the watch has seen. */
  settled(channel: number, payee: string): number {
    return this.registry.state.heads[String(channel)]?.settled[`0x${payee}`]?.paid ?? 0;
  }

  /** Units by which a lane of a channel must rise to be planned: any, once money may leave the channel. */
  leastNow(): (channel: number) => number {
    const { heads, announced } = this.registry.state;
    // Once for all channels: thousands of lanes may be announced.
    const taken = new Set(
      Object.values(announced).flatMap(({ lanes }) => lanes.map(({ channel }) => channel)),
    );
    return (channel) => {
      const head = heads[String(channel)];
      const mayLeave = head?.exiting === true || head?.slashed === true || taken.has(channel);
      return mayLeave ? 1 : this.laneMin;
    };
  }

  /** Has L2 settled every lane of the channel as high as the book claims? */
  isWhole(channel: number, book: ChannelBook): boolean {
    const changes = this.registry.changesOf(channel);
    const known = this.whole.get(channel);
    if (known?.book === book && known.changes === changes) return true;
    const settled = this.registry.state.heads[String(channel)]?.settled ?? {};
    // Without a look at the entries that claim it: at a start this is asked of every channel.
    for (const [payee, { top }] of layersEntries(book.lanes))
      if (top > (settled[`0x${payee}`]?.paid ?? 0)) return false;
    this.whole.set(channel, { book, changes });
    return true;
  }

  /** Has the payee an id in the vault, for certain? */
  isRegistered(payee: string): boolean {
    return this.registry.state.payees[`0x${payee}`] !== undefined;
  }

  /** What waits, for the status page. */
  waiting(): Waiting {
    let lanes = 0;
    let small = 0;
    const unregistered = new Map<string, { lanes: number; units: number }>();
    const books = this.index.books();
    const least = this.leastNow();
    for (const key of this.open(books)) {
      const channel = keyNumber(key);
      const book = channelBook(books, channel as ChannelId);
      if (this.isWhole(channel, book)) continue;
      for (const [payee, claim] of layersEntries(book.claims)) {
        const units = topOf(claim) - this.settled(channel, payee);
        if (units <= 0) continue;
        if (!this.isRegistered(payee)) {
          const other = unregistered.get(payee) ?? { lanes: 0, units: 0 };
          unregistered.set(payee, { lanes: other.lanes + 1, units: other.units + units });
        } else if (units < least(channel)) small += 1;
        else lanes += 1;
      }
    }
    const named = [...unregistered].map(([payee, found]) => ({ payee: `0x${payee}`, ...found }));
    return { lanes, small, unregistered: named };
  }

  /** Payees without an id that were not told before: their lanes can't be settled until somebody registers them. */
  newlyUnregistered(): readonly Unregistered[] {
    const { unregistered } = this.waiting();
    const now = new Set(unregistered.map(({ payee }) => payee));
    for (const payee of this.told) if (!now.has(payee)) this.told.delete(payee);
    const fresh = unregistered.filter(({ payee }) => !this.told.has(payee));
    for (const { payee } of fresh) this.told.add(payee);
    return fresh;
  }
}
