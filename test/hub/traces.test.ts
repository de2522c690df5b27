/**
 * Traces of payments: a small collector takes what a real hub exports, and a payment's spans are found joined, from its tap
 * to its settlement on a real chain, with ids that the test computes from the request alone. The collector goes away, says
 * no, and comes back. Not checked here: a collector of somebody else's.
 */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startHub } from '../../hub/hub.ts';
import { parseConfig } from '../../hub/config.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { emptyIntake } from '../../hub/intake/state.ts';
import { Edit } from '../../hub/intake/trie.ts';
import { systemTime } from '../../hub/node/time.ts';
import { createLogger } from '../../hub/log.ts';
import { traceQueueMax } from '../../hub/limits.ts';
import { TraceExporter } from '../../hub/traces/exporter.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { context, NOW, signing, type SignedTap, tap } from './fleet.ts';
import { type Site, startSite, startTerminal } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a hub exports is what is tested
type Any = any;

/** Takes OTLP over HTTP in JSON, and keeps the spans by their ids, as collectors do. */
class Collector {
  readonly spans = new Map<string, Any>();
  refuses = false;
  asked = 0;
  private server: Server | undefined;
  private port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1/traces`;
  }

  async start(): Promise<void> {
    const server = createServer(async (request, response) => {
      this.asked += 1;
      let body = '';
      for await (const part of request) body += part;
      if (this.refuses) return void response.writeHead(503).end();
      for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans)
        for (const { spans } of scopeSpans)
          for (const span of spans) this.spans.set(`${span.traceId}/${span.spanId}`, { ...span, resource });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server!.close(resolve));
    this.server!.closeAllConnections();
    await closed;
  }

  /** The names of a trace's spans, from its root on, each child behind its parent. */
  chain(traceId: string): string[] {
    const own = [...this.spans.values()].filter((span) => span.traceId === traceId);
    const names: string[] = [];
    for (let at = own.find(({ parentSpanId }) => parentSpanId === undefined); at !== undefined; ) {
      const { name, spanId } = at;
      names.push(name);
      at = own.find(({ parentSpanId }) => parentSpanId === spanId);
    }
    return names;
  }
}

/** As anybody computes it who has the request. */
const traceOf = ({ voucher }: SignedTap): string => toHex(voucher.request).slice(2, 34);

test('a payment is one trace, from its tap to its settlement, through restarts of hub and collector', () =>
  inTemporaryFolder(async (folder) => {
    const site: Site = await startSite();
    const collector = new Collector();
    await collector.start();
    const config = () => site.config(folder, { traces: { url: collector.url } });
    const start = () => startHub(parseConfig(config()), { log: createLogger('silent') });
    let hub = await start();
    try {
      const { signing: on, channel } = site;
      const taps = [
        await tap({ on, channel, seq: 1, amount: 100, spent: 100, paid: 100 }),
        await tap({ on, channel, seq: 2, amount: 250, spent: 350, paid: 350 }),
      ];
      const voided = await tap({ on, channel, seq: 3, amount: 7, spent: 357, paid: 357, answer: 'credit' });
      const pos = await startTerminal(site, hub);
      pos.send({ type: 'pack', entries: [voided, ...taps].map(({ bytes }) => bytes) });
      for (const { id } of taps) await pos.next('acknowledgement', ({ entry }) => equalBytes(entry, id));
      await until('both are acknowledged in their traces', () =>
        taps.every((one) => collector.chain(traceOf(one)).length === 2),
      );
      // Days later, in another life of the hub, and with a collector that was away.
      pos.close();
      await hub.stop();
      await collector.stop();
      hub = await start();
      await hub.settleNow();
      await collector.start();
      await until('both are settled in their traces', () =>
        taps.every((one) => collector.chain(traceOf(one)).length === 3),
      );
      for (const one of taps) {
        const id = traceOf(one);
        assert.equal(collector.chain(id), ['tap', 'acknowledge', 'settle']);
        const spanId = createHash('sha256').update(`${id} tap`).digest('hex').slice(0, 16);
        const root = collector.spans.get(`${id}/${spanId}`);
        assert.is(root.startTimeUnixNano, `${NOW}000000000`);
        const facts = Object.fromEntries(root.attributes.map(({ key, value }: Any) => [key, value]));
        assert.equal(facts['sundial.payment'], { stringValue: toHex(one.id) });
        assert.equal(facts['sundial.amount'], { intValue: String(one === taps[0] ? 100 : 250) });
        assert.equal(root.resource.attributes[0], {
          key: 'service.name',
          value: { stringValue: 'sundial-hub' },
        });
        for (const span of collector.spans.values())
          assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano));
      }
      assert.equal(collector.chain(traceOf(voided)), []);
    } finally {
      await hub.stop();
      await collector.stop();
      await site.close();
    }
  }));

test('a collector that says no is asked again; what does not fit the queue is dropped and counted', async () => {
  const collector = new Collector();
  await collector.start();
  collector.refuses = true;
  let state = emptyIntake;
  let known = 0;
  const exporter = new TraceExporter({
    url: collector.url,
    hub: 'test',
    signing,
    time: systemTime,
    log: createLogger('silent'),
    books: () => state.books,
    known: () => known,
    async *read() {},
  });
  try {
    const one = await tap({ seq: 1, amount: 5, spent: 5, paid: 5 });
    const record = { type: 'entry', id: one.id, at: NOW, message: one.bytes } as const;
    ({ state } = intakeStep(context, state, {
      type: 'replayed',
      record,
      position: 0,
      edit: new Edit(),
    }) as Any);
    exporter.begin();
    for (let position = 0; position < traceQueueMax + 3; position += 1) exporter.stored(record, position);
    assert.is(exporter.dropped, 3);
    known = traceQueueMax + 3;
    await until('it was asked', () => collector.asked >= 2);
    assert.is(collector.spans.size, 0);
    collector.refuses = false;
    await until('it has them', () => collector.spans.size === 2);
    assert.equal(collector.chain(traceOf(one)), ['tap', 'acknowledge']);
  } finally {
    await exporter.stop();
    await collector.stop();
  }
});

test.run();
