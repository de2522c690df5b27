/** The settle loop on a real chain with a list as its ledger, for tests that cut it, take blocks back, or hold up mining. */
import { applyRecord } from '../../hub/intake/books.ts';
import { type Books, emptyBooks } from '../../hub/intake/state.ts';
import { createLogger } from '../../hub/log.ts';
import { decodeRecord, encodeRecord, type HubRecord } from '../../hub/ledger/records.ts';
import { openRegistry } from '../../hub/node/open.ts';
import type { L2 } from '../../hub/ports.ts';
import type { Registry } from '../../hub/registry/registry.ts';
import { SettleLoop } from '../../hub/settle/loop.ts';
import { Watch } from '../../hub/watch/watch.ts';
import type { SignedTap } from './fleet.ts';
import { ANY_TIME, l2Of, NOBODY, type Site } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

/** Thrown where the process would die. */
export class Died extends Error {}

/** The settle loop with a list as its ledger; `cut` throws where the process would die. */
export class Bench {
  readonly records: HubRecord[] = [];
  private readonly site: Site;
  private readonly registry: Registry;
  private readonly watch: Watch;
  private readonly l2: L2;
  loop: SettleLoop;
  private known: Books = emptyBooks;
  private applied = 0;
  /** Called before and after each touch of the ledger or the chain. */
  cut: (point: string) => void = () => {};

  private constructor(site: Site, registry: Registry, l2: L2) {
    this.site = site;
    this.registry = registry;
    this.l2 = l2;
    this.watch = new Watch({
      signing: site.signing,
      l2,
      registry,
      startBlock: site.deployment.block,
      clock: ANY_TIME,
      events: NOBODY,
    });
    this.loop = this.restart();
  }

  static async open(site: Site, folder: string, l2: L2 = l2Of(site)): Promise<Bench> {
    const registry = await openRegistry(folder);
    const bench = new Bench(site, registry, l2);
    await bench.watch.look();
    return bench;
  }

  close(): Promise<void> {
    return this.registry.close();
  }

  /** The registry loses what L2 settled on a channel. */
  forgetSettled(channel: number): void {
    Object.assign(this.registry.state.heads[String(channel)]!, { settled: {} });
    // Read anew, as by whoever has not looked at the channel yet.
    this.known = emptyBooks;
    this.applied = 0;
  }

  take(taps: readonly Pick<SignedTap, 'id' | 'bytes'>[]): void {
    for (const { id, bytes } of taps)
      this.records.push({ type: 'entry', id, at: 1 as never, message: bytes });
  }

  books(): Books {
    const { records } = this;
    for (; this.applied < records.length; this.applied += 1)
      this.known = applyRecord(this.known, records[this.applied]!);
    return this.known;
  }

  /** What a new process knows: the records, as they stand on the disk. */
  restart(lanesMax = 1_000, inFlightMax = 4): SettleLoop {
    const loop = new SettleLoop({
      signing: this.site.signing,
      l2: this.cutL2(),
      registry: this.registry,
      lanesMax,
      inFlightMax,
      laneMin: 1,
      feeMax: 10n ** 18n,
      index: { books: () => this.books() },
      append: async (record) => {
        this.cut(`before ${record.type}`);
        const position = this.records.push(record) - 1;
        this.cut(`after ${record.type}`);
        return position;
      },
      watchedHeight: () => this.watch.finalHeight,
      log: createLogger('silent'),
      onBatch: () => {},
    });
    for (const [position, record] of this.records.entries()) {
      loop.replay(decodeRecord(encodeRecord(record), position), position);
    }
    this.loop = loop;
    return loop;
  }

  /** L2 to a process that dies before or after it has sent a transaction. */
  private cutL2(): L2 {
    const { l2 } = this;
    return new Proxy(l2, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        if (name !== 'submit') return typeof value === 'function' ? value.bind(target) : value;
        return async (raw: Uint8Array) => {
          this.cut('before sending');
          await target.submit(raw);
          this.cut('after sending');
        };
      },
    });
  }

  look(): Promise<void> {
    return this.watch.look();
  }

  /** Steps until nothing is left; the watch looks between steps, as in the hub. */
  run(): Promise<void> {
    // The chain mines by itself, and on a busy machine not before the call that sent the transaction is answered.
    return until('the loop comes to rest', async () => {
      await this.look();
      return (await this.loop.step(true)) === 'idle';
    });
  }
}

/** Runs `check` on a bench, and gives its folder back however that ends. */
export const onBench = (site: Site, check: (bench: Bench) => Promise<void>) =>
  inTemporaryFolder(async (folder) => {
    const bench = await Bench.open(site, folder);
    try {
      await check(bench);
    } finally {
      await bench.close();
    }
  });

/** Asks the node whatever it understands. */
export const rpcOf =
  (site: () => Site) =>
  (method: string, ...params: unknown[]): Promise<unknown> =>
    (site().vault.client as unknown as { request(call: object): Promise<unknown> }).request({
      method,
      params,
    });

/** Runs `act` while transactions wait for `evm_mine`; the chain mines at once again however it ends. */
export async function withoutMining(rpc: ReturnType<typeof rpcOf>, act: () => Promise<void>): Promise<void> {
  await rpc('evm_setAutomine', false);
  try {
    await act();
  } finally {
    await rpc('evm_setAutomine', true);
    await rpc('evm_mine');
  }
}
