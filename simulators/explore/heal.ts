/**
 * Progress: in every state, when all messages on their way are lost, a world that behaves well from then on resolves
 * every voucher. One good schedule is the witness: the payer meets each terminal, the link carries all, the hub writes.
 */
import type { Outcome } from './actors/device.ts';
import { FingerprintSet, fingerprint } from './space.ts';
import type { World } from './world.ts';

/** Rounds of meeting everybody; each settles at least one thing that waits. */
const ROUNDS = 12;
/** Messages that one meeting may need: a stream's ticks and their answers, a few vouchers. */
const DELIVERIES = 60;

export class Healer {
  private readonly world: World;
  private readonly healed = new FingerprintSet();
  /** States in which messages were lost and progress was shown. */
  roots = 0;

  constructor(world: World) {
    this.world = world;
  }

  /** True when the row can be resolved after losing all messages in flight. */
  heals(row: Int32Array): boolean {
    const { world } = this;
    const start = Int32Array.from(row);
    start.fill(0, world.promisedAt);
    const { low, high } = fingerprint(start);
    if (!this.healed.add(low, high)) return true;
    this.roots += 1;
    for (let round = 0; round < ROUNDS; round++) {
      if (world.resolved(start)) return true;
      this.ask(start);
      for (let t = 0; t < world.terminals.length; t++) this.meet(start, t);
      this.sync(start);
    }
    return world.resolved(start);
  }

  /** Carries out the uncut outcome; returns what was sent. */
  private become(row: Int32Array, at: number, outcomes: readonly Outcome[]): readonly number[] {
    const whole = outcomes.find((outcome) => outcome.cutAfter < 0);
    if (whole === undefined) return [];
    row[at] = whole.next;
    return whole.emits;
  }

  /** Where terminals forget, only the hub can say what it never had. */
  private ask(row: Int32Array): void {
    const { world } = this;
    if (!world.scene.config.evicts) return;
    for (const id of world.awaited(row[0]!)) this.become(row, 0, world.payerAsks(row, id));
  }

  private meet(row: Int32Array, t: number): void {
    const { world } = this;
    const queue = [...this.become(row, 0, world.payerMeets(row[0]!, t))];
    queue.push(...this.work(row, t));
    for (let i = 0; i < queue.length && i < DELIVERIES; i++) {
      const sent = world.scene.sent.values[queue[i]!]!;
      if (sent.byPayer) queue.push(...this.become(row, 1 + t, world.terminalGets(t, row[1 + t]!, queue[i]!)));
      // No new sale is part of healing.
      else if (sent.request === undefined)
        queue.push(...this.become(row, 0, world.payerGets(row[0]!, queue[i]!)));
      queue.push(...this.work(row, t));
    }
  }

  /** What the terminal does by itself: delivering a tick, making up for a credit, dropping a stale request. */
  private work(row: Int32Array, t: number): readonly number[] {
    const { world } = this;
    const sent: number[] = [];
    for (;;) {
      const events = world.ownEvents(t, row[1 + t]!);
      const index = events.findIndex(({ type }) => type === 'delivered' || type === 'clock');
      if (index < 0) return sent;
      const before = row[1 + t]!;
      sent.push(...this.become(row, 1 + t, world.own(t, before, index)));
      if (row[1 + t] === before) return sent;
    }
  }

  private sync(row: Int32Array): void {
    const { world } = this;
    let hub = row[world.hubAt]!;
    for (let t = 0; t < world.terminals.length; t++)
      for (const upload of world.uploads(t, row[1 + t]!)) hub = world.hub.receive(hub, upload);
    row[world.hubAt] = world.hub.fsync(hub);
    world.takeAcknowledgements(row);
  }
}
