/**
 * Who of several workers watches and settles, by the clocks of each and of the store: clocks that jump, forth and back, and
 * stay there, move the lease for no longer than it lasts. Not checked here: what the elected one does (workers.test.ts), real
 * clocks (npm run crash:hub).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger } from '../../hub/log.ts';
import { electedMs } from '../../hub/limits.ts';
import { MemoryStore } from '../../hub/shared/memory-store.ts';
import { Worker } from '../../hub/shared/worker.ts';

/** Time that passes when it is told to; each worker has a clock of its own over it. */
class World {
  private ms = 1_700_000_000_000;
  private timers: { at: number; action: () => void }[] = [];
  /** The store's own clock never jumps. */
  readonly store = new MemoryStore({ nowMs: () => this.ms });

  worker(name: string): { readonly worker: Worker; offsetMs: number } {
    const clock = { offsetMs: 0 };
    return Object.assign(clock, {
      worker: new Worker({
        store: this.store.worker(),
        time: {
          nowMs: () => this.ms + clock.offsetMs,
          schedule: (delayMs, action) => {
            const timer = { at: this.ms + delayMs, action };
            this.timers.push(timer);
            return () => {
              this.timers = this.timers.filter((other) => other !== timer);
            };
          },
        },
        log: createLogger('silent'),
        name,
        follow: async () => undefined,
        sizes: () => ({ ledger: 0, registry: 0 }),
        block: () => undefined,
        doubt: () => undefined,
        elected: async () => undefined,
        fatal: (error) => {
          throw error;
        },
      }),
    });
  }

  /** So many milliseconds pass. */
  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    for (;;) {
      // All that follows from one timer, before the next.
      await new Promise<void>((resolve) => setImmediate(resolve));
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.ms = Math.max(this.ms, next.at);
      next.action();
    }
    this.ms = end;
  }
}

for (const [name, jumpMs] of [
  ['a day back', -86_400_000],
  ['a minute back', -60_000],
  ['a day ahead', 86_400_000],
] as const)
  test(`a worker whose clock goes ${name} keeps its lease while it lives, alone or beside others`, async () => {
    for (const others of [0, 2]) {
      const world = new World();
      const first = world.worker('first');
      const all = [first, ...Array.from({ length: others }, (_, n) => world.worker(`other ${n}`))];
      for (const { worker } of all) await worker.start();
      await world.pass(1_000);
      assert.ok(first.worker.isElected, 'the first that stood');
      first.offsetMs = jumpMs;
      // Longer than the lease lasts: whoever does not prolong it loses it.
      for (let n = 0; n < 4; n += 1) {
        await world.pass(electedMs);
        const elected = all.filter(({ worker }) => worker.isElected);
        assert.is(elected.length, 1, `${others} others: one is elected, not ${elected.length}`);
        assert.is(elected[0], first);
      }
      for (const { worker } of all) {
        const stopped = worker.stop();
        await world.pass(1);
        await stopped;
      }
    }
  });

test('the next one follows within a lease, whatever the clock of the one that is gone said', async () => {
  const world = new World();
  const [first, second] = [world.worker('first'), world.worker('second')];
  first.offsetMs = 86_400_000;
  for (const { worker } of [first, second]) await worker.start();
  await world.pass(1_000);
  const stopped = first.worker.stop();
  await world.pass(electedMs + 3_000);
  await stopped;
  assert.ok(second.worker.isElected);
  const ended = second.worker.stop();
  await world.pass(1);
  await ended;
});

test.run();
