/** The links that stand between two devices of a shop, whatever kind they are, and who waits for them to change. */
import type { Link } from '../../hardware/interfaces/index.ts';
import type { Shop, Side } from './site.ts';

/** How long a link may take to close before it is taken for gone. */
const CLOSE_MS = 5_000;

export class Links {
  private readonly links = new Map<Side, Link>();
  private readonly wakers = new Set<() => void>();

  wake(): void {
    for (const wake of [...this.wakers]) wake();
  }

  onChange(wake: () => void): () => void {
    this.wakers.add(wake);
    return () => this.wakers.delete(wake);
  }

  /** A fresh link for one side: its device gets it, and its end is noticed here. */
  linked(side: Side, link: Link, shop: Shop): void {
    this.links.set(side, link);
    shop.attach(side, {
      ...link,
      receive: (onBytes, onClosed) =>
        link.receive(onBytes, () => {
          if (this.links.get(side) === link) this.links.delete(side);
          onClosed();
          this.wake();
        }),
    });
  }

  /** True while a link stands. */
  waits(): boolean {
    return this.links.size > 0;
  }

  /** Closes what stands. Resolves when both ends know. */
  closeAll(): Promise<void> {
    for (const link of [...this.links.values()]) link.close();
    return new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.links.size > 0) return;
        stop();
        clearTimeout(timer);
        resolve();
      };
      const stop = this.onChange(look);
      const timer = setTimeout(() => {
        this.links.clear();
        look();
      }, CLOSE_MS);
      look();
    });
  }
}
