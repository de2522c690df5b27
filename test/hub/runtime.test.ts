/** The intake over a real ledger on a failing disk: devices are told, nothing acknowledged is lost, work resumes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { IntakeRuntime } from '../../hub/intake/runtime.ts';
import type { FileLedger } from '../../hub/ledger/file-ledger.ts';
import { Journal } from '../../hub/ledger/journal.ts';
import { memoryKey } from '../../hub/crypto/keys.ts';
import { createLogger } from '../../hub/log.ts';
import { createMetrics } from '../../hub/metrics.ts';
import { decodeRecord } from '../../hub/ledger/records.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { refusalName } from '../../protocol/refusals.ts';
import { encodeMessage, type Message, decodeOwn } from '../../protocol/wire/messages.ts';
import { FaultyDisk, openLedger } from './faulty-disk.ts';
import { context, NOW, preparedState, signing, tap } from './fleet.ts';
import { seededRandom } from './random.ts';

const crypto = loadCrypto();

function start(
  ledger: FileLedger,
  own = context,
  log = createLogger('silent'),
): {
  runtime: IntakeRuntime;
  sent: Message[];
  metrics: ReturnType<typeof createMetrics>;
} {
  const sent: Message[] = [];
  const metrics = createMetrics();
  const runtime = new IntakeRuntime(own, {
    journal: new Journal(ledger, crypto.suite),
    key: memoryKey(`0x${'5a'.repeat(32)}`, crypto),
    metrics,
    log,
    send: (_device, bytes) => sent.push(decodeOwn(bytes)),
    registered: () => {},
    timeAsked: async () => {},
    revocations: () => {},
    fatal: (error) => {
      throw error;
    },
  });
  runtime.state = preparedState();
  return { runtime, sent, metrics };
}

for (const fault of ['write', 'sync'] as const) {
  test(`a disk that fails at ${fault}: refused by name, and taken when it is well again`, async () => {
    const disk = new FaultyDisk(seededRandom(7));
    let resumed: (() => void) | undefined;
    const wellAgain = new Promise<void>((resolve) => {
      resumed = resolve;
    });
    const ledger = await openLedger({
      disk: disk.files(),
      retryMs: { first: 1, last: 4 },
      onPhase: (phase) => {
        if (phase === 'writing') resumed?.();
      },
    });
    const { runtime, sent, metrics } = start(ledger);
    const taps = await Promise.all(
      [1, 2, 3].map((n) => tap({ seq: n, amount: 5, spent: 5 * n, paid: 5 * n })),
    );
    const send = (n: number) => runtime.message('d', taps[n]!.bytes, NOW);
    await send(0);
    disk.faults[fault] = 1;
    await Promise.all([send(1), send(2)]);
    assert.equal(
      sent.map((message) => (message.type === 'rejection' ? refusalName(message.code) : message.type)),
      ['acknowledgement', 'storage_failed', 'storage_failed'],
    );
    disk.faults[fault] = 0;
    await wellAgain;
    await runtime.message('d', encodeMessage({ type: 'pack', entries: taps.map(({ bytes }) => bytes) }), NOW);
    const acknowledged = sent.slice(3);
    assert.is(acknowledged.length, 3);
    disk.powerCut();
    const found: Uint8Array[] = [];
    for await (const { position, bytes } of (await openLedger({ disk: disk.files() })).replay()) {
      const record = decodeRecord(bytes, position);
      if (record.type === 'entry') found.push(record.id);
    }
    for (const message of acknowledged) {
      assert.ok(message.type === 'acknowledgement');
      assert.ok(equalBytes(found[message.position]!, message.entry));
      assert.ok(signing.signedBy('Acknowledgement', message, message.signature, hubAddress));
    }
    const counted = await metrics.registry.getMetricsAsJSON();
    const refusals = counted.find(({ name }) => name === 'sundial_hub_refusals_total');
    assert.equal(refusals?.values, [{ value: 2, labels: { code: 'storage_failed' } }]);
  });
}

test('a hub whose index fills up says so once, in time, and shows how full it is', async () => {
  const ledger = await openLedger({ disk: new FaultyDisk(seededRandom(1)).files() });
  const warnings: unknown[] = [];
  const warn = (facts: unknown) => void warnings.push(facts);
  const log = { ...createLogger('silent'), warn };
  const { runtime, metrics } = start(ledger, { ...context, indexedMax: 8 }, log);
  const warned: number[] = [];
  for (let n = 1; n <= 8; n += 1) {
    await runtime.message('d', (await tap({ seq: n, amount: 5, spent: 5 * n, paid: 5 * n })).bytes, NOW);
    warned.push(warnings.length);
  }
  assert.equal(warned, [0, 0, 0, 0, 0, 1, 1, 1]);
  assert.equal(warnings, [{ indexed: 6, indexedMax: 8 }]);
  const shown = async (name: string) =>
    (await metrics.registry.getSingleMetric(name)!.get()).values[0]!.value;
  assert.is(await shown('sundial_hub_index_entries'), 8);
  assert.is(await shown('sundial_hub_index_entries_max'), 8);
  await ledger.close();
});

const hubAddress = memoryKey(`0x${'5a'.repeat(32)}`, crypto).address;

test.run();
