/**
 * The hub, put together: broker, intake, ledger, watch, settlement, status. `startHub` is the whole public face.
 * Order of start: ledger and registry first (they may refuse), then the books from replay, then what talks to others.
 */
import { getHeapStatistics } from 'node:v8';
import { privateKeyToAccount } from 'viem/accounts';
import { fromHex, toHex } from '../protocol/bytes.ts';
import { channelId, seconds } from '../protocol/integers.ts';
import { makeSigning } from '../protocol/signing/digests.ts';
import { signBeacon } from './beacon.ts';
import type { HubConfig } from './config.ts';
import { loadCrypto } from './crypto/crypto.ts';
import { Devices } from './devices.ts';
import { type EmbeddedBroker, startBroker } from './ingest/broker.ts';
import { MqttIngest } from './ingest/mqtt.ts';
import { IntakeRuntime } from './intake/runtime.ts';
import { Edit } from './intake/trie.ts';
import { Journal } from './ledger/journal.ts';
import { memoryKey } from './crypto/keys.ts';
import { openFileLedger } from './ledger/file-ledger.ts';
import { indexedMaxFor } from './limits.ts';
import { createLogger, errorFields, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { type HubStatus, jsonRoutes, type Parts, statusOf } from './api/pages.ts';
import { RecoverPool } from './crypto/recover-pool.ts';
import { Registry } from './registry/registry.ts';
import { setRevoked } from './revocations.ts';
import { Rounds } from './rounds.ts';
import { Justice } from './settle/justice.ts';
import { SettleLoop } from './settle/loop.ts';
import { type StatusServer, startStatus } from './api/status.ts';
import { ChainLink } from './l2/chain-link.ts';
import { Watch } from './watch/watch.ts';

export interface HubOptions {
  readonly log?: Logger;
  /** Called once when the hub can't safely go on (damaged ledger); it has stopped taking messages by then. */
  readonly onFatal?: (error: unknown) => void;
}

export interface Hub {
  /** 0x address whose signatures devices must know. */
  readonly address: string;
  /** Where devices connect. */
  readonly mqttUrl: string;
  /** Status and metrics. */
  readonly statusUrl: string;
  /** Same as GET /status. */
  status(): HubStatus;
  /** Looks at L2 now and settles what can be settled; resolves when it is final, L2 is away, or after a minute. */
  settleNow(): Promise<void>;
  /** Puts a channel on the revocation list, or off it again; resolves when durable and published. */
  revoke(channel: number, revoked: boolean): Promise<void>;
  /** Stops in order; what was acknowledged is durable anyway. Safe to call twice. */
  stop(): Promise<void>;
}

/** Starts a hub. Throws SundialError: `folder_locked`, `ledger_corrupt`, `registry_invalid`, `broker_port`, ... */
export async function startHub(config: HubConfig, options: HubOptions = {}): Promise<Hub> {
  const log = options.log ?? createLogger('info');
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (let last = closers.pop(); last !== undefined; last = closers.pop()) await last();
  };
  try {
    return await start(config, options, log, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  config: HubConfig,
  options: HubOptions,
  log: Logger,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<Hub> {
  const crypto = loadCrypto();
  if (crypto.kind === 'noble')
    log.warn({ reason: crypto.reason }, 'verifying in JavaScript, some 28 times slower');
  const pool = RecoverPool.start(crypto);
  if (pool !== undefined) closers.push(() => pool.close());
  const key = memoryKey(config.keys.signing, crypto);
  const address = toHex(key.address);
  const metrics = createMetrics();
  const signing = makeSigning(crypto.suite, {
    chainId: config.chain.chainId,
    vault: fromHex(config.chain.vault, 20),
  });

  let ingest: MqttIngest | undefined;
  let fatalError: unknown;
  const fatal = (error: unknown) => {
    if (fatalError !== undefined) return;
    fatalError = error;
    log.fatal(errorFields(error), 'the hub can not go on');
    void ingest?.close();
    options.onFatal?.(error);
  };

  const registry = await Registry.open(config.folder);
  closers.push(() => registry.close());
  const ledger = await openFileLedger(`${config.folder}/ledger`, {
    sizeKnown: registry.state.ledgerSize,
    onPhase: (phase, reason) => {
      metrics.ledgerWriting.set(phase === 'writing' ? 1 : 0);
      if (phase === 'waiting') log.error(errorFields(reason), 'the ledger waits for its disk');
      if (phase === 'writing') {
        log.info('the ledger writes again');
        void intake.handle({ type: 'recheck' });
      }
      if (phase === 'closed' && reason !== undefined) fatal(reason);
    },
  });
  closers.push(() => ledger.close());
  metrics.ledgerWriting.set(1);
  if (ledger.tornTail !== undefined)
    log.warn({ ...ledger.tornTail }, 'cut off the end of an interrupted write');

  const journal = new Journal(ledger, crypto.suite);
  const online = new Set<string>();
  const devices = new Devices(registry, (device, message) => ingest?.send(device, message), log);
  const intake = new IntakeRuntime(
    {
      signing,
      timing: config.timing,
      scopes: Object.fromEntries(
        config.scopes.map(({ id, payees }) => [id.slice(2), payees.map((payee) => payee.slice(2))]),
      ),
      leaseAnyScope: config.leaseAnyScope,
      indexedMax: indexedMaxFor(getHeapStatistics().heap_size_limit),
      development: config.development,
    },
    {
      journal,
      key,
      metrics,
      log,
      pool,
      send: (device, message) => ingest?.send(device, message),
      registered: (device, message) => devices.registered(device, message),
      // Devices hear of it at once; a proof, if that was the reason, goes to L2 with the next look.
      revocations: () => {
        rounds.batchDue();
        void rounds.publishNow();
      },
      fatal,
    },
  );

  const link = new ChainLink(config.chain, signing);
  const watch = new Watch(link, registry, config.chain.startBlock, {
    block: (at, height) => {
      metrics.chainHeight.set(height);
      metrics.chainAge.set(Math.floor(Date.now() / 1000) - at);
      void intake.handle({ type: 'block', at, height });
    },
    channel: (channel, facts) => {
      // An owner who leaves starts the clock: whatever the channel owes is settled with the next look.
      if (facts.exiting) rounds.batchDue();
      void intake.handle({ type: 'channel', channel, facts });
    },
    payee: (payee) => void intake.handle({ type: 'payee', payee }),
    settled: (lane) => {
      metrics.settledLanes.inc();
      devices.settled(lane);
    },
  });
  const account = privateKeyToAccount(config.keys.settlement);
  const justice = new Justice({ signing, link, account, books: () => intake.durableBooks, log });
  const settle = new SettleLoop({
    signing,
    link,
    registry,
    account,
    lanesMax: config.batch.lanesMax,
    books: () => intake.durableBooks,
    append: (record) => journal.append(record),
    watchedHeight: () => watch.finalHeight,
    log,
    onBatch: (outcome) => metrics.batches.inc({ outcome }),
  });

  // Before the past is read: an owner who is leaving makes a batch due.
  const rounds = new Rounds({
    config,
    watch,
    settle,
    justice,
    log,
    publish: async () => {
      const signed = await signBeacon(signing, key, intake.state, journal, config.timing);
      if (signed === undefined) return;
      if (signed.unlisted > 0)
        log.error({ channels: signed.unlisted }, 'the revocation list has no room for them');
      ingest?.retain('beacon', signed.beacon);
      ingest?.retain('revocations', signed.revocations);
      if (signed.size === registry.state.ledgerSize) return;
      await registry.update((state) => {
        state.ledgerSize = signed.size;
      });
    },
  });

  // ---- the past ----

  for (const [device, { payee }] of Object.entries(registry.state.devices)) {
    if (payee === undefined) continue;
    await intake.handle({ type: 'terminal', terminal: fromHex(device, 20), payee: fromHex(payee, 20) });
  }
  watch.restore();
  const edit = new Edit();
  await journal.replay((record, position) => {
    void intake.handle({ type: 'replayed', record, position, edit });
    settle.replay(record);
  });
  if (fatalError !== undefined) throw fatalError;
  metrics.ledgerSize.set(journal.tree.size);
  intake.watchRoom();

  // ---- the others ----

  let broker: EmbeddedBroker | undefined;
  if (config.mqtt.url === undefined) {
    broker = await startBroker({ name: config.name, host: config.mqtt.host, port: config.mqtt.port });
    closers.push(() => broker!.close());
  }
  const mqttUrl = broker?.url ?? config.mqtt.url!;
  ingest = await MqttIngest.connect({
    hub: config.name,
    url: mqttUrl,
    username: broker?.credentials.username ?? config.mqtt.username,
    password: broker?.credentials.password ?? config.mqtt.password,
    log,
    events: {
      message: (device, bytes) =>
        fatalError === undefined
          ? // A plain array: slices of a Buffer would share its memory.
            intake.message(device, new Uint8Array(bytes), seconds(Math.floor(Date.now() / 1000)))
          : Promise.resolve(),
      presence: (device, isOnline) => {
        if (isOnline) online.add(device);
        else online.delete(device);
        metrics.devicesOnline.set(online.size);
      },
      tooLarge: (device, size) => {
        metrics.refusals.inc({ code: 'too_large' });
        log.debug({ device, size }, 'too_large');
      },
    },
  });
  closers.push(() => ingest!.close());

  closers.push(() => rounds.stop());

  const revoke = async (channel: number, revoked: boolean): Promise<void> => {
    await setRevoked(intake, channelId(channel), revoked);
    await rounds.publishNow();
  };
  const parts: Parts = {
    config,
    revoke,
    address,
    mqttUrl,
    crypto: crypto.kind,
    journal,
    registry,
    intake,
    ingest,
    online,
    watch,
    settle,
    rounds,
  };

  const status: StatusServer = await startStatus(config.http.host, config.http.port, {
    metrics: async () => ({ type: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    json: jsonRoutes(parts),
  });
  closers.push(() => status.close());

  // Not awaited: a full disk holds up no start, and the ledger says when it writes again.
  void intake.handle({ type: 'recheck' });
  await rounds.start();
  log.info(
    { address, mqtt: mqttUrl, status: status.url, crypto: crypto.kind, records: journal.tree.size },
    'the hub is up',
  );

  let stopping: Promise<void> | undefined;
  return {
    address,
    mqttUrl,
    statusUrl: status.url,
    status: () => statusOf(parts),
    settleNow: () => rounds.settleNow(),
    revoke,
    stop: () => {
      stopping ??= close();
      return stopping;
    },
  };
}
