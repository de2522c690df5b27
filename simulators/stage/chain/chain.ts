/**
 * L2 as the hub sees it: transactions wait, are mined in blocks, may be taken back by a reorganisation, and are final
 * after a while. The node may be away; gas may be dear, which only means waiting.
 */
import type { Random } from '../world/random.ts';
import { MINUTE, SECOND, type World } from '../world/world.ts';
import type { VaultModel } from './vault.ts';

export const BLOCK_MS = 12 * SECOND;
/** Deposits and settlements count only behind this depth. */
export const FINALITY_BLOCKS = 64;
/** Deepest reorganisation of a chain that finalises at FINALITY_BLOCKS. */
export const REORG_BLOCKS_MAX = 32;

export interface Transaction {
  readonly name: string;
  /** Applies itself; the result is for `mined`. */
  run(vault: VaultModel, atSeconds: number): void;
  /** In a block that may still go. */
  mined?(): void;
  /** Taken back by a reorganisation; it waits again, or is lost. */
  undone?(lost: boolean): void;
  final?(): void;
}

/** Who keeps what a node of this chain would tell. Heights count from the start of the simulation. */
export interface ChainObserver {
  /** A transaction is in a block; `touched`: channels that it changed. */
  mined(transaction: Transaction, height: number, touched: ReadonlySet<number>): void;
  /** Blocks above `height` were taken back, and what they did is undone. */
  undone(height: number): void;
}

interface Included {
  readonly height: number;
  readonly transaction: Transaction;
  readonly undo: () => void;
}

export class Chain {
  readonly vault: VaultModel;
  /** Blocks that a transaction waits because gas is dear. */
  congestionBlocks = 0;
  /** No node answers: nothing can be sent or seen. */
  isAway = false;
  private readonly world: World;
  private readonly random: Random;
  private waiting: { readonly transaction: Transaction; readonly from: number }[] = [];
  private included: Included[] = [];
  private planned = false;
  /** Head that the hub saw last before the node went away. */
  private seen: { readonly at: number; readonly height: number };
  reorganisations = 0;
  observer: ChainObserver | undefined;
  private readonly onChange: (vault: VaultModel) => void;

  constructor(world: World, random: Random, vault: VaultModel, onChange: (vault: VaultModel) => void) {
    this.world = world;
    this.random = random;
    this.vault = vault;
    this.onChange = onChange;
    this.seen = { at: world.startSeconds, height: 0 };
  }

  /** When a block was made, seconds. */
  timeOf(height: number): number {
    return this.world.startSeconds + (height * BLOCK_MS) / 1000;
  }

  private get height(): number {
    return Math.floor(this.world.nowMs / BLOCK_MS);
  }

  /** Newest block, as far as the node answers. */
  get head(): { readonly at: number; readonly height: number } {
    if (!this.isAway) this.seen = { at: this.timeOf(this.height), height: this.height };
    return this.seen;
  }

  /** Hands in a transaction. False when no node answers. */
  submit(transaction: Transaction): boolean {
    if (this.isAway) return false;
    this.waiting.push({ transaction, from: this.height + 1 + this.congestionBlocks });
    this.plan();
    return true;
  }

  private plan(): void {
    if (this.planned || (this.waiting.length === 0 && this.included.length === 0)) return;
    this.planned = true;
    this.world.at((this.height + 1) * BLOCK_MS, () => {
      this.planned = false;
      this.block();
      this.plan();
    });
  }

  private block(): void {
    const { height } = this;
    const ready = this.waiting.filter(({ from }) => from <= height);
    this.waiting = this.waiting.filter(({ from }) => from > height);
    for (const { transaction } of ready) {
      this.vault.takeUndo();
      transaction.run(this.vault, this.timeOf(height));
      this.included.push({ height, transaction, undo: this.vault.takeUndo() });
      this.observer?.mined(transaction, height, this.vault.touched);
      this.onChange(this.vault);
      transaction.mined?.();
    }
    const keep: Included[] = [];
    for (const entry of this.included) {
      if (entry.height + FINALITY_BLOCKS <= height) entry.transaction.final?.();
      else keep.push(entry);
    }
    this.included = keep;
  }

  /** The last `depth` blocks are replaced: their transactions wait again, in another order, and some are lost. */
  reorganise(depth: number): void {
    this.reorganisations += 1;
    const first = this.height - Math.min(depth, REORG_BLOCKS_MAX);
    const gone = this.included.filter(({ height }) => height > first);
    this.included = this.included.filter(({ height }) => height <= first);
    for (let i = gone.length - 1; i >= 0; i--) gone[i]!.undo();
    this.observer?.undone(first);
    this.onChange(this.vault);
    while (gone.length > 0) {
      const [entry] = gone.splice(this.random.below(gone.length), 1);
      const lost = this.random.chance(300);
      entry!.transaction.undone?.(lost);
      if (!lost) this.waiting.push({ transaction: entry!.transaction, from: this.height + 1 });
    }
    this.plan();
  }

  /** Longest time from handing in to finality while no fault lasts. */
  static readonly settleMs = (FINALITY_BLOCKS + 3) * BLOCK_MS + MINUTE;
}
