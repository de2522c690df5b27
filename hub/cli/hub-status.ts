/** Asking a hub over its HTTP interface. The answers are checked, because another process gave them. */
import { z } from 'zod';
import { SundialError } from '../../protocol/errors.ts';
import { askHub, type HubAddress } from './ask-hub.ts';

const statusSchema = z.object({
  vouchers: z.number(),
  devices: z.object({ online: z.number() }),
  settlement: z.object({
    waitingLanes: z.number(),
    finished: z.array(
      z.object({ transaction: z.string(), rows: z.number(), state: z.string(), gas: z.number() }),
    ),
  }),
});

const channelsSchema = z.array(
  z.object({
    channel: z.number(),
    seq: z.number(),
    spent: z.number(),
    vouchers: z.number(),
    proof: z.object({ kind: z.string(), entries: z.array(z.string()) }).optional(),
    lanes: z.array(
      z.object({ payee: z.string(), top: z.number(), settled: z.number(), credited: z.number() }),
    ),
  }),
);

const entriesSchema = z.array(
  z.object({ id: z.string(), seq: z.number(), voided: z.boolean(), ticks: z.number() }),
);

export type HubChannel = z.infer<typeof channelsSchema>[number];
export type HubEntry = z.infer<typeof entriesSchema>[number];
export type FinishedBatch = z.infer<typeof statusSchema>['settlement']['finished'][number];

const WAIT_MS = 60_000;

/** The status pages of a running hub, checked field by field. Every call throws when the hub can't be reached. */
export class HubStatus {
  private readonly hub: HubAddress;

  constructor(hub: HubAddress) {
    this.hub = hub;
  }

  private async ask<T>(schema: z.ZodType<T>, path: string, method: 'GET' | 'POST' = 'GET'): Promise<T> {
    try {
      return schema.parse(await askHub(this.hub, path, method));
    } catch (cause) {
      throw new SundialError('hub_status', `the hub at ${this.hub.url} gave no answer to ${path}: ${cause}`, {
        severity: 'process',
        remedy: 'Start the hub, or name the site of one that runs.',
        cause,
      });
    }
  }

  /** All channels that the hub knows. */
  channels(): Promise<HubChannel[]> {
    return this.ask(channelsSchema, '/channels');
  }

  /** Vouchers of one channel that are durable in the ledger, by seq. */
  entries(channel: number): Promise<HubEntry[]> {
    return this.ask(entriesSchema, `/entries?channel=${channel}`);
  }

  /** Settles what can be settled, waits until it is final, and returns the batches so far, newest last. */
  async settle(): Promise<readonly FinishedBatch[]> {
    const { settlement } = await this.ask(statusSchema, '/v1/settlements', 'POST');
    return settlement.finished;
  }

  /** Waits until exactly so many devices are connected. */
  async untilOnline(count: number): Promise<void> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const { devices } = await this.ask(statusSchema, '/status');
      if (devices.online === count) return;
      if (Date.now() > deadline) {
        throw new SundialError('story_waits', `${devices.online} devices are connected, want ${count}`, {
          severity: 'process',
          remedy: 'Run it again; if it happens again, send the output.',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
