/**
 * The hub's own way in, without a chain: its broker, its MQTT port, its intake and its file ledger. What L2 would say
 * (one channel, one payee) is told to the intake once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { memoryKey } from '../../hub/crypto/keys.ts';
import { type EmbeddedBroker, startBroker } from '../../hub/ingest/broker.ts';
import { MqttIngest } from '../../hub/ingest/mqtt.ts';
import { IntakeRuntime } from '../../hub/intake/runtime.ts';
import type { FileLedger } from '../../hub/ledger/file-ledger.ts';
import { Journal } from '../../hub/ledger/journal.ts';
import { createLogger } from '../../hub/log.ts';
import { createMetrics } from '../../hub/metrics.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { toHex } from '../../protocol/bytes.ts';
import { height, seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { BOND, CHAIN_ID, CHANNEL, DEPOSIT, HUB_NAME, keys, pin, SPENDABLE, VAULT } from './site.ts';

/** A hub that takes vouchers and answers, and the folder of its ledger. */
export class LinksHub {
  readonly ledgerFolder: string;
  readonly url: string;
  private readonly folder: string;
  private readonly broker: EmbeddedBroker;
  private readonly ingest: MqttIngest;
  private readonly ledger: FileLedger;

  private constructor(folder: string, broker: EmbeddedBroker, ingest: MqttIngest, ledger: FileLedger) {
    this.folder = folder;
    this.ledgerFolder = join(folder, 'ledger');
    this.url = broker.url;
    this.broker = broker;
    this.ingest = ingest;
    this.ledger = ledger;
  }

  static async start(): Promise<LinksHub> {
    const folder = mkdtempSync(join(tmpdir(), 'sundial-links-'));
    const ledger = await openFileLedger(join(folder, 'ledger'));
    const crypto = loadCrypto();
    const log = createLogger('silent');
    let ingest: MqttIngest | undefined;
    const runtime = new IntakeRuntime(
      {
        signing: makeSigning(crypto.suite, { chainId: CHAIN_ID, vault: VAULT }),
        hub: pin,
        timing: DEFAULT_TIMING,
        scopes: {},
        leaseAnyScope: true,
        indexedMax: 1_000_000,
        development: false,
      },
      {
        journal: new Journal(ledger, crypto.suite),
        key: memoryKey(toHex(keys.hub), crypto),
        metrics: createMetrics(),
        log,
        send: (device, bytes) => ingest?.send(device, bytes),
        registered: () => undefined,
        timeAsked: async () => undefined,
        revocations: () => undefined,
        fatal: (error) => {
          throw error;
        },
      },
    );
    const now = () => seconds(Math.floor(Date.now() / 1000));
    await runtime.handle({ type: 'block', at: now(), height: height(10) });
    await runtime.handle({
      type: 'channel',
      channel: CHANNEL,
      facts: {
        payer: keys.payer.address,
        deposited: DEPOSIT,
        spendable: SPENDABLE,
        bond: BOND,
        exiting: false,
        slashed: false,
      },
    });
    await runtime.handle({ type: 'payee', payee: keys.payee.address });
    await runtime.handle({
      type: 'device',
      device: keys.till.address,
      counter: 0,
      payee: keys.payee.address,
    });
    const broker = await startBroker({ name: HUB_NAME, host: '127.0.0.1', port: 0 });
    ingest = await MqttIngest.connect({
      hub: HUB_NAME,
      url: broker.url,
      ...broker.credentials,
      isOwn: true,
      log,
      events: {
        message: (device, bytes) => runtime.message(device, bytes, now()),
        presence: () => undefined,
        kept: () => undefined,
        tooLarge: () => undefined,
      },
    });
    return new LinksHub(folder, broker, ingest, ledger);
  }

  /** Stops; the ledger stays until `discard`. */
  async stop(): Promise<void> {
    await this.ingest.close();
    await this.broker.close();
    await this.ledger.close();
  }

  discard(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
