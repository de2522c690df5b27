/**
 * Sends spans of payments to a collector, as OTLP over HTTP in JSON. Off unless hub.json names one. Traces are for looking, and
 * no books: what does not fit a bounded queue while the collector is away is dropped, oldest first, and counted.
 */
import { toHex } from '../../protocol/bytes.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { causeText } from '../errors.ts';
import { batchesAfter, type Cursor } from '../hooks/events.ts';
import { findEntry } from '../intake/books.ts';
import type { Books } from '../intake/state.ts';
import type { HubRecord } from '../ledger/records.ts';
import {
  chainRetryMsMax,
  traceBatchMax,
  traceEveryMs,
  traceLanesMax,
  traceQueueMax,
  traceTimeoutMs,
} from '../limits.ts';
import type { Logger } from '../log.ts';
import type { Time } from '../ports.ts';
import { Repeat } from '../repeat.ts';
import { OUTCOME_STATES } from '../settle/batches.ts';
import { acknowledgedSpans, settledSpans, type Span } from './spans.ts';

/** What it stands on. */
export interface ExporterOptions {
  /** Of the collector's `/v1/traces`. */
  readonly url: string;
  readonly hub: string;
  readonly signing: Signing;
  readonly time: Time;
  readonly log: Logger;
  /** The books, and how many records of the ledger they have. */
  books(): Books;
  known(): number;
  read(from: number): AsyncIterable<{ readonly record: HubRecord }>;
}

/** Spans on their way to a collector. */
export class TraceExporter {
  private readonly options: ExporterOptions;
  private readonly repeat: Repeat;
  private records: { readonly record: HubRecord; readonly position: number }[] = [];
  private spans: Span[] = [];
  private batches: Cursor['batches'] = {};
  /** The seq that was settled last, by channel and payee. */
  private readonly lanes = new Map<string, number>();
  private isLive = false;
  /** Records and spans that made room. */
  dropped = 0;

  constructor(options: ExporterOptions) {
    this.options = options;
    const { log, time } = options;
    this.repeat = new Repeat(() => this.round(), {
      time,
      everyMs: traceEveryMs,
      failureMsMax: chainRetryMsMax,
      onTrouble: (error) => log.warn({ error: causeText(error) }, 'traces can not be sent'),
      onRecovered: () => log.info({ dropped: this.dropped }, 'traces are sent again'),
    });
  }

  /** A record became durable, or was found at the start. */
  stored(record: HubRecord, position: number): void {
    if (record.type === 'entry' || record.type === 'batchOutcome') {
      if (this.isLive) this.records.push({ record, position });
      if (this.records.length > traceQueueMax) {
        this.records.shift();
        this.dropped += 1;
      }
    }
    // An outcome needs its intent: forgotten when it was looked at.
    if (record.type === 'batchIntent' || !this.isLive)
      this.batches = batchesAfter(this.batches, record, position);
  }

  /** What comes from now on is told. */
  begin(): void {
    this.isLive = true;
    void this.repeat.now();
  }

  stop(): Promise<void> {
    return this.repeat.stop();
  }

  private async round(): Promise<void> {
    for (let next = this.records[0]; next !== undefined; next = this.records[0]) {
      if (next.record.type === 'entry' && next.position >= this.options.known()) break;
      this.records.shift();
      this.spans.push(...(await this.spansOf(next.record, next.position)));
    }
    const over = this.spans.length - traceQueueMax;
    if (over > 0) {
      this.spans.splice(0, over);
      this.dropped += over;
    }
    while (this.spans.length > 0) {
      const batch = this.spans.slice(0, traceBatchMax);
      await this.send(batch);
      this.spans = this.spans.slice(batch.length);
    }
  }

  private async spansOf(record: HubRecord, position: number): Promise<Span[]> {
    const { signing, books, read, time } = this.options;
    if (record.type === 'entry') {
      const entry = findEntry(books(), record.id);
      return entry === undefined || entry.voided ? [] : acknowledgedSpans(signing, entry, record, position);
    }
    if (record.type !== 'batchOutcome') return [];
    const at = this.batches[record.batch];
    this.batches = batchesAfter(this.batches, record, position);
    if (at === undefined || record.state !== OUTCOME_STATES.mined) return [];
    for await (const { record: intent } of read(at)) {
      if (intent.type !== 'batchIntent') return [];
      return intent.rows.flatMap(({ entry: digest }) => {
        const entry = findEntry(books(), digest);
        if (entry === undefined) return [];
        const lane = `${entry.channel} ${toHex(entry.payee)}`;
        const after = this.lanes.get(lane) ?? -1;
        this.lanes.delete(lane);
        if (this.lanes.size >= traceLanesMax) this.lanes.delete(this.lanes.keys().next().value!);
        this.lanes.set(lane, entry.seq);
        const now = Math.floor(time.nowMs() / 1000);
        return settledSpans(signing, books(), entry, after, now, toHex(record.transaction));
      });
    }
    return [];
  }

  private async send(spans: readonly Span[]): Promise<void> {
    const response = await fetch(this.options.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(otlp(this.options.hub, spans)),
      redirect: 'error',
      signal: AbortSignal.timeout(traceTimeoutMs),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the collector says ${response.status}`);
  }
}

const nano = (at: number): string => `${Math.floor(at)}000000000`;
const attribute = (key: string, value: string | number) => ({
  key,
  value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
});

/** Spans as OTLP's ExportTraceServiceRequest in JSON: ids in hex, 64-bit numbers as text. */
export const otlp = (hub: string, spans: readonly Span[]) => ({
  resourceSpans: [
    {
      resource: {
        attributes: [attribute('service.name', 'sundial-hub'), attribute('service.instance.id', hub)],
      },
      scopeSpans: [
        {
          scope: { name: 'sundial' },
          spans: spans.map(({ start, end, facts, ...ids }) => ({
            ...ids,
            // Internal: nobody waits for an answer across days.
            kind: 1,
            startTimeUnixNano: nano(start),
            endTimeUnixNano: nano(end),
            attributes: Object.entries(facts).map(([key, value]) => attribute(key, value)),
          })),
        },
      ],
    },
  ],
});
