// The hub, put together: broker, intake, ledger, watch, settlement, status. `startHub` is the whole public face.
// Order of start: ledger and registry first (they may refuse), then the books from replay, then what talks to others.
import { privateKeyToAccount } from 'viem/accounts';
import { fromHex, toHex } from '../protocol/bytes.ts';
import { SundialError } from '../protocol/errors.ts';
import { type ChannelId, channelId, seconds } from '../protocol/integers.ts';
import { makeSigning } from '../protocol/signing/digests.ts';
import { encodeMessage, type MessageOf, ROLES } from '../protocol/wire/messages.ts';
import { signBeacon } from './beacon.ts';
import type { HubConfig } from './config.ts';
import { loadCrypto } from './crypto.ts';
import { type EmbeddedBroker, startBroker } from './ingest/broker.ts';
import { MqttIngest } from './ingest/mqtt.ts';
import { channelBook } from './intake/books.ts';
import { isTerminal } from './intake/registration.ts';
import { IntakeRuntime } from './intake/runtime.ts';
import { Journal } from './journal.ts';
import { memoryKey } from './keys.ts';
import { openFileLedger } from './ledger/file-ledger.ts';
import { chainRetryMsMax } from './limits.ts';
import { createLogger, errorFields, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { RecoverPool } from './recover-pool.ts';
import { type RegisteredDevice, Registry } from './registry/registry.ts';
import { Repeat } from './repeat.ts';
import { SettleLoop } from './settle/loop.ts';
import { type StatusServer, startStatus } from './status.ts';
import { channelViews, creditViews, entryViews } from './views.ts';
import { ChainLink } from './watch/chain-link.ts';
import { type SettledLane, Watch } from './watch/watch.ts';

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

export type HubStatus = ReturnType<typeof statusOf>;

interface Parts {
  readonly config: HubConfig;
  readonly address: string;
  readonly mqttUrl: string;
  readonly crypto: 'native' | 'noble';
  readonly journal: Journal;
  readonly intake: IntakeRuntime;
  readonly ingest: MqttIngest;
  readonly online: ReadonlySet<string>;
  readonly watch: Watch;
  readonly settle: SettleLoop;
  readonly watching: Repeat;
  readonly settling: Repeat;
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
      if (phase === 'writing') log.info('the ledger writes again');
      if (phase === 'closed' && reason !== undefined) fatal(reason);
    },
  });
  closers.push(() => ledger.close());
  metrics.ledgerWriting.set(1);
  if (ledger.tornTail !== undefined)
    log.warn({ ...ledger.tornTail }, 'cut off the end of an interrupted write');

  const journal = new Journal(ledger, crypto.suite);
  const online = new Set<string>();
  const intake = new IntakeRuntime(
    {
      signing,
      timing: config.timing,
      scopes: Object.fromEntries(
        config.scopes.map(({ id, payees }) => [id.slice(2), payees.map((payee) => payee.slice(2))]),
      ),
      leaseAnyScope: config.leaseAnyScope,
      development: config.development,
    },
    {
      journal,
      key,
      metrics,
      log,
      pool,
      send: (device, message) => ingest?.send(device, message),
      registered: (device, message) => onRegistered(device, message),
      revocations: () => void beaconing.now(),
      fatal,
    },
  );

  const link = new ChainLink(config.chain, signing);
  // True from the moment a batch is due until nothing is left to settle.
  let planDue = false;
  const watch = new Watch(link, registry, config.chain.startBlock, {
    block: (at, height) => {
      metrics.chainHeight.set(height);
      metrics.chainAge.set(Math.floor(Date.now() / 1000) - at);
      void intake.handle({ type: 'block', at, height });
    },
    channel: (channel, facts) => {
      // An owner who leaves starts the clock: whatever the channel owes is settled with the next look.
      if (facts.exiting) planDue = true;
      void intake.handle({ type: 'channel', channel, facts });
    },
    payee: (payee) => void intake.handle({ type: 'payee', payee }),
    settled: (lane) => {
      metrics.settledLanes.inc();
      for (const terminal of terminalsOf(toHex(lane.payee))) sendSettled(terminal, lane);
    },
  });
  const settle = new SettleLoop({
    signing,
    link,
    registry,
    account: privateKeyToAccount(config.keys.settlement),
    lanesMax: config.batch.lanesMax,
    books: () => intake.durableBooks,
    append: (record) => journal.append(record),
    watchedHeight: () => watch.finalHeight,
    log,
    onBatch: (outcome) => metrics.batches.inc({ outcome }),
  });

  // ---- devices ----

  function terminalsOf(payee: string): string[] {
    return Object.entries(registry.state.devices)
      .filter(([, device]) => device.payee === payee)
      .map(([device]) => device);
  }

  function sendSettled(device: string, { channel, payee, paid, transaction }: SettledLane): void {
    ingest?.send(device, encodeMessage({ type: 'settled', channel, payee, paid, transaction }));
  }

  function onRegistered(device: string, message: MessageOf<'register'>): void {
    const entry = deviceEntry(message);
    const id = toHex(message.device);
    if (JSON.stringify(registry.state.devices[id]) !== JSON.stringify(entry)) {
      registry.register(id, entry).catch((error: unknown) => log.error(errorFields(error), 'not registered'));
    }
    if (entry.payee === undefined) return;
    // What was settled while the terminal was away.
    for (const [channel, head] of Object.entries(registry.state.heads)) {
      const lane = head.settled[entry.payee];
      if (lane === undefined) continue;
      sendSettled(device, {
        channel: channelId(Number(channel)),
        payee: fromHex(entry.payee, 20),
        paid: lane.paid as SettledLane['paid'],
        transaction: fromHex(lane.transaction, 32),
      });
    }
  }

  // ---- the past ----

  for (const [device, { payee }] of Object.entries(registry.state.devices)) {
    if (payee === undefined) continue;
    await intake.handle({ type: 'terminal', terminal: fromHex(device, 20), payee: fromHex(payee, 20) });
  }
  watch.restore();
  await journal.replay((record, position) => {
    void intake.handle({ type: 'replayed', record, position });
    settle.replay(record);
  });
  if (fatalError !== undefined) throw fatalError;
  metrics.ledgerSize.set(journal.tree.size);

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

  const retrying = (failed: string, well: string) => ({
    failureMsMax: chainRetryMsMax,
    onTrouble: (error: unknown) => log.warn(errorFields(error), failed),
    onRecovered: (attempts: number) => log.info({ attempts }, well),
  });
  const chainTrouble = retrying(
    'L2 is out of reach; vouchers are taken all the same',
    'L2 is in reach again',
  );
  const watching = new Repeat(() => watch.look(), { everyMs: config.chain.pollMs, ...chainTrouble });
  const beaconing: Repeat = new Repeat(
    async () => {
      const signed = await signBeacon(signing, key, intake.state, journal);
      if (signed === undefined) return;
      ingest?.retain('beacon', signed.beacon);
      ingest?.retain('revocations', signed.revocations);
      if (signed.size === registry.state.ledgerSize) return;
      await registry.update((state) => {
        state.ledgerSize = signed.size;
      });
    },
    {
      everyMs: config.beaconMs,
      failureMsMax: config.beaconMs,
      onTrouble: (error) => log.error(errorFields(error), 'no beacon'),
    },
  );
  const settling: Repeat = new Repeat(
    async () => {
      for (let before = ''; ; ) {
        const now = await settle.step(planDue);
        if (now === 'idle') planDue = false;
        // The watch stores what a batch did; it reads each block once, so it is never run beside itself.
        if (now === 'sent' || now === 'waiting') await watching.now();
        // A local chain mines at once: look a second time before waiting for the next poll.
        if (now !== 'finished' && !(now === 'sent' && before !== 'sent')) return;
        before = now;
      }
    },
    {
      everyMs: config.chain.pollMs,
      ...retrying('settling is interrupted and tried again', 'settling goes on'),
    },
  );
  const settleSoon = () => {
    planDue = true;
    return settling.now();
  };
  const batching = new Repeat(settleSoon, { everyMs: config.batch.everyMs, failureMsMax: chainRetryMsMax });
  closers.push(async () => {
    await Promise.all([watching.stop(), beaconing.stop(), batching.stop(), settling.stop()]);
  });

  const parts: Parts = {
    config,
    address,
    mqttUrl,
    crypto: crypto.kind,
    journal,
    intake,
    ingest,
    online,
    watch,
    settle,
    watching,
    settling,
  };

  async function settleNow(): Promise<void> {
    const end = Date.now() + settleNowMsMax;
    await watching.now();
    await settleSoon();
    while (
      (planDue || settle.history.open !== undefined) &&
      watching.lastError === undefined &&
      settling.lastError === undefined &&
      Date.now() < end
    ) {
      await new Promise((resolve) => setTimeout(resolve, config.chain.pollMs));
      await settling.now();
    }
  }

  const status: StatusServer = await startStatus(config.http.host, config.http.port, {
    metrics: async () => ({ type: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    json: {
      'GET /status': () => statusOf(parts),
      'GET /channels': () => channelViews(intake.state, intake.durableBooks, registry.state),
      'GET /entries': (query) => {
        const channel = Number(query.get('channel')) as ChannelId;
        return entryViews(intake.state, channelBook(intake.durableBooks, channel).entries);
      },
      'GET /credits': (query) =>
        creditViews(intake.state, intake.durableBooks, (query.get('payee') ?? '').toLowerCase()),
      'GET /devices': () => registry.state.devices,
      'GET /proof': (query) => proofOf(journal, Number(query.get('position'))),
      'POST /settle': async () => {
        await settleNow();
        return statusOf(parts);
      },
    },
  });
  closers.push(() => status.close());

  // L2 gets a moment, so that the first devices meet a hub that knows its channels; without L2 it starts all the same.
  const firstLook = watching.now().then(() => beaconing.now());
  await Promise.race([firstLook, new Promise((resolve) => setTimeout(resolve, firstLookMs).unref())]);
  if (config.batch.everyMs > 0) void batching.now();
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
    settleNow,
    revoke: async (channel, revoked) => {
      await intake.handle({ type: 'revoke', channel: channelId(channel), revoked });
      await beaconing.now();
    },
    stop: () => {
      stopping ??= close();
      return stopping;
    },
  };
}

/** How long the start waits for L2. */
const firstLookMs = 3_000;
/** How long a caller of settleNow waits; the work goes on in the background. */
const settleNowMsMax = 60_000;

const ROLE_NAMES = Object.fromEntries(Object.entries(ROLES).map(([name, number]) => [number, name]));

function deviceEntry(message: MessageOf<'register'>): RegisteredDevice {
  const { role, channel, payee, certificateExpiresAt, entropyCertified } = message;
  return {
    role: ROLE_NAMES[role] as RegisteredDevice['role'],
    ...(channel !== undefined && { channel }),
    // A payee counts only with its certificate, which the intake has checked for terminals.
    ...(isTerminal(message) && payee !== undefined && { payee: toHex(payee) }),
    ...(isTerminal(message) && certificateExpiresAt !== undefined && { certificateExpiresAt }),
    entropyCertified: entropyCertified === 1,
  };
}

function proofOf(journal: Journal, position: number) {
  if (!Number.isInteger(position) || position < 0 || position >= journal.tree.size) {
    throw new SundialError('proof_range', `no record at position ${position}`, {
      severity: 'call',
      remedy: `Ask for a position below ${journal.tree.size}.`,
    });
  }
  const { size, hash } = journal.checkpoint();
  return {
    position,
    size,
    checkpoint: toHex(hash),
    root: toHex(journal.tree.root(size)),
    path: journal.tree.proof(position, size).map(toHex),
  };
}

function statusOf(parts: Parts) {
  const { config, journal, intake, watch, settle } = parts;
  const { open, finished } = settle.history;
  const books = intake.durableBooks;
  return {
    name: config.name,
    address: parts.address,
    mqtt: parts.mqttUrl,
    crypto: parts.crypto,
    ledger: { size: journal.ledger.size, phase: journal.ledger.phase },
    vouchers: books.vouchers,
    revoked: books.revoked,
    counts: { ...intake.counts },
    devices: { online: parts.online.size },
    broker: { connected: parts.ingest.connected, dropped: parts.ingest.dropped },
    chain: {
      vault: config.chain.vault,
      chainId: config.chain.chainId,
      height: watch.newest?.height,
      at: watch.newest?.at,
      finalHeight: watch.finalHeight,
      trouble: parts.watching.lastError ?? parts.settling.lastError,
    },
    settlement: {
      waitingLanes: settle.waiting(),
      open: open && { batch: open.batch, transaction: toHex(open.transaction), rows: open.rows.length },
      finished: finished.map(({ batch, transaction, rows, outcome }) => ({
        batch,
        transaction: toHex(transaction),
        rows,
        state: (['mined', 'reverted', 'replaced'] as const)[outcome.state - 1],
        gas: outcome.gas,
        block: outcome.block,
      })),
      refused: [...settle.refused].map(([row, { reason, attempts }]) => ({ row, reason, attempts })),
    },
  };
}
