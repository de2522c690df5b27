/** Watch and settle loop of a hub over roads, with a list for its ledger and a registry in a folder: one case's own. */
import { applyRecord } from '../../../hub/intake/books.ts';
import { type Books, emptyBooks } from '../../../hub/intake/state.ts';
import { agreeing } from '../../../hub/l2/agreeing.ts';
import type { NodeConfig } from '../../../hub/l2/viem-l2.ts';
import type { HubRecord } from '../../../hub/ledger/records.ts';
import { createLogger } from '../../../hub/log.ts';
import { openRegistry } from '../../../hub/node/open.ts';
import type { L2 } from '../../../hub/ports.ts';
import type { Registry } from '../../../hub/registry/registry.ts';
import { SettleLoop } from '../../../hub/settle/loop.ts';
import { Watch, type WatchClock } from '../../../hub/watch/watch.ts';
import type { SignedTap } from '../../hub/fleet.ts';
import { ANY_TIME, l2Of } from '../../hub/site.ts';
import { inTemporaryFolder } from '../../hub/temporary.ts';
import type { Ground } from './ground.ts';

/** How a desk differs from one road, finality at once, and any time. */
export interface DeskWish {
  readonly urls?: readonly string[];
  readonly chain?: Partial<NodeConfig>;
  readonly clock?: WatchClock;
  /** Block from which on it reads; that of the deployment when absent. */
  readonly startBlock?: number;
  readonly laneMin?: number;
  readonly feeMax?: bigint;
}

export const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);

/** Watch, loop and registry together. */
export class Desk {
  readonly registry: Registry;
  readonly l2: L2;
  readonly watch: Watch;
  readonly loop: SettleLoop;
  readonly records: HubRecord[] = [];
  /** What was told, in order: `block 7`, `doubt clock_differs`, `replaced`, `channel 3`. */
  readonly told: string[] = [];

  constructor(ground: Ground, registry: Registry, wish: DeskWish) {
    const { site } = ground;
    this.registry = registry;
    const urls = wish.urls ?? [ground.road.url];
    this.l2 = agreeing(urls.map((rpcUrl) => l2Of(site, { ...wish.chain, rpcUrl })));
    this.watch = new Watch({
      signing: site.signing,
      l2: this.l2,
      registry,
      startBlock: wish.startBlock ?? site.deployment.block,
      clock: wish.clock ?? ANY_TIME,
      events: {
        block: (_at, height) => this.told.push(`block ${height}`),
        doubt: (error) => this.told.push(`doubt ${error.code}`),
        replaced: () => {
          this.told.push('replaced');
          this.loop.forget();
        },
        channel: (channel) => this.told.push(`channel ${channel}`),
        payee: () => {},
        announced: () => {},
        unlisted: () => {},
        batch: async () => {},
        settled: () => {},
      },
    });
    this.loop = new SettleLoop({
      signing: site.signing,
      l2: this.l2,
      registry,
      lanesMax: 1_000,
      inFlightMax: 4,
      laneMin: wish.laneMin ?? 1,
      feeMax: wish.feeMax ?? 10n ** 12n,
      index: { books: () => this.books() },
      append: async (record) => this.records.push(record) - 1,
      watchedHeight: () => this.watch.finalHeight,
      log: createLogger('silent'),
      onBatch: () => {},
    });
  }

  books(): Books {
    return this.records.reduce((books, record) => applyRecord(books, record), emptyBooks);
  }

  /** Vouchers that its terminals brought. */
  take(...taps: readonly SignedTap[]): void {
    for (const { id, bytes } of taps)
      this.records.push({ type: 'entry', id, at: 1 as never, message: bytes });
  }

  /** One look: `well`, or the code of what it threw. */
  look(): Promise<string> {
    return this.watch.look().then(() => 'well', codeOf);
  }

  /** One step of the loop: what it answers, or the code of what it threw. */
  step(): Promise<string> {
    return this.loop.step(true).catch(codeOf);
  }

  /** What each transaction of its batches offered as a tip, gwei. */
  get tips(): number[] {
    return this.records.flatMap((record) =>
      record.type === 'batchIntent' ? [Number(this.l2.feesOf(record.raw).priorityFee / 10n ** 9n)] : [],
    );
  }
}

/** Runs a case with a desk of its own. */
export async function onDesk<T>(
  ground: Ground,
  wish: DeskWish,
  work: (desk: Desk) => Promise<T>,
): Promise<T> {
  let answer: T | undefined;
  await inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    try {
      answer = await work(new Desk(ground, registry, wish));
    } finally {
      await registry.close();
    }
  });
  return answer as T;
}
