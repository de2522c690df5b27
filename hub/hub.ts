/** The hub on this machine: files, MQTT, an RPC of L2, status pages. `startHub` is the whole public face. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { privateKeyToAccount } from 'viem/accounts';
import { type Bytes32, fromHex, toHex } from '../protocol/bytes.ts';
import { SundialError } from '../protocol/errors.ts';
import { hubPin } from '../protocol/machines/hub-keys.ts';
import { makeSigning } from '../protocol/signing/digests.ts';
import { type Health, healthOf } from './api/health.ts';
import { type HubStatus, jsonRoutes, statusOf } from './api/pages.ts';
import type { Parts } from './api/parts.ts';
import { makeServer } from './api/server.ts';
import { addStatusPages, listen } from './api/status.ts';
import { v1Routes } from './api/v1.ts';
import { assembleHub } from './assemble.ts';
import { type Closers, withClosers } from './closers.ts';
import type { HubConfig } from './config.ts';
import { loadCrypto } from './crypto/crypto.ts';
import { parseRootWord } from './crypto/hub-keys.ts';
import { consoleFiles } from './console/files.ts';
import { memoryKey } from './crypto/keys.ts';
import { RemoteKey } from './crypto/remote-key.ts';
import type { PayeeWish } from './settle/carrier.ts';
import { RecoverPool } from './crypto/recover-pool.ts';
import { Approvals } from './desk/approvals.ts';
import { Audit } from './desk/audit.ts';
import { Challenges } from './desk/challenges.ts';
import { Desk } from './desk/desk.ts';
import { Passkeys } from './desk/passkeys.ts';
import { TraceExporter } from './traces/exporter.ts';
import { turnsAway } from './desk/turn-away.ts';
import { type Caller, Tokens } from './desk/tokens.ts';
import { type Refusal, startBroker } from './ingest/broker.ts';
import { BrokerUsers, urlFor } from './ingest/broker-users.ts';
import { limited } from './ingest/limited.ts';
import { Logins } from './ingest/logins.ts';
import { MqttIngest } from './ingest/mqtt.ts';
import { NearIngest } from './ingest/near.ts';
import { signWithdrawal } from './l2/sign-withdrawal.ts';
import { accountSigned } from './l2/account-signed.ts';
import { agreeing } from './l2/agreeing.ts';
import { connect } from './l2/chain.ts';
import { ViemL2 } from './l2/viem-l2.ts';
import { LmdbIndex } from './index/lmdb-index.ts';
import { Hooks } from './hooks/hooks.ts';
import { Lookout } from './hooks/lookout.ts';
import { findEntry } from './intake/books.ts';
import { chainRetryMsMax, hookLookMs, indexLagMax } from './limits.ts';
import { causeText } from './errors.ts';
import { createLogger, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { nodeDisk } from './node/disk.ts';
import { openFileLedger } from './node/open.ts';
import { systemTime } from './node/time.ts';
import type { SharedPort } from './ports.ts';
import { Repeat } from './repeat.ts';
import { PostgresStore } from './postgres/store.ts';
import type { Uplink } from '../hardware/interfaces/index.ts';
import { lockFolder } from '../hardware/boards/node/storage/lock.ts';

const GWEI = 10n ** 9n;
/** What the broker refuses, as the metrics name it. */
const BROKER_REFUSALS: Readonly<Record<Refusal, string>> = {
  tooLarge: 'packet_too_large',
  notAllowed: 'not_allowed',
  tooMany: 'too_many_connections',
  tooOften: 'address_knocks',
  tooFast: 'address_rate',
  login: 'login',
};
/** Who starts a hub is its operator. */
const OPERATOR: Caller = { name: 'operator', role: 'operator', expiresAt: Infinity };

/** What the process that runs the hub may add. */
export interface HubOptions {
  readonly log?: Logger;
  /** Called once when the hub can't safely go on (damaged ledger); it has stopped taking messages by then. */
  readonly onFatal?: (error: unknown) => void;
  /**
   * Looks for devices nearby, for a configuration with `ble`: `uplink` is the way to the hub of one that named itself.
   * Returns how to stop. Absent: devices come by the broker alone.
   */
  readonly near?: (
    ble: NonNullable<HubConfig['ble']>,
    uplink: (device: string) => Uplink,
    log: Logger,
  ) => () => void;
}

/** A hub that runs. */
export interface Hub {
  /** 0x address of the key that it signs with now. */
  readonly address: string;
  /** Where devices connect. */
  readonly mqttUrl: string;
  /** Status and metrics. */
  readonly statusUrl: string;
  /** A link that signs the operator's browser in, once, within ten minutes. */
  consoleLink(): string;
  /** Same as GET /readyz. */
  health(): Health;
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
  return withClosers((closers) => start(config, options, log, closers));
}

/** Throws `broker_tls` when a file can't be read. */
function tlsFrom(files: HubConfig['mqtt']['tls']): { cert: Buffer; key: Buffer } | undefined {
  if (files === undefined) return undefined;
  try {
    return { cert: readFileSync(files.certificate), key: readFileSync(files.key) };
  } catch (cause) {
    throw new SundialError('broker_tls', `a file of mqtt.tls can't be read: ${causeText(cause)}`, {
      severity: 'process',
      remedy: 'Name PEM files in mqtt.tls that the hub may read.',
      cause,
    });
  }
}

/** The database, and a name in it that no other process has. */
async function openDatabase(url: string, hub: string): Promise<SharedPort> {
  return { store: await PostgresStore.open({ url, hub }), name: randomBytes(8).toString('hex') };
}

/** Where devices are told to connect. */
function deviceUrls(
  hub: string,
  { publicUrl, url, username, password, users }: HubConfig['mqtt'],
  mqttUrl: string,
): (device: string) => Promise<string> {
  const shown = publicUrl ?? mqttUrl;
  if (users === undefined) return async () => shown;
  const made = new BrokerUsers({ hub, url: url!, username: username!, password: password! });
  return async (device) => urlFor(shown, device, await made.add(device));
}

/** For whom the desk wants L2 to vouch. */
const payeeWishes = ({ merchants, gone }: Desk): PayeeWish[] => [
  ...gone.map((address) => ({ payee: fromHex(address, 20), terminals: 0 })),
  ...merchants.flatMap(({ address, terminals }) =>
    terminals === undefined ? [] : [{ payee: fromHex(address, 20), terminals }],
  ),
];

async function start(config: HubConfig, options: HubOptions, log: Logger, closers: Closers): Promise<Hub> {
  const crypto = loadCrypto();
  if (crypto.kind === 'noble')
    log.warn({ reason: crypto.reason }, 'verifying in JavaScript, some 28 times slower');
  const pool = RecoverPool.start(crypto);
  if (pool !== undefined) closers.push(() => pool.close());
  const metrics = createMetrics();
  const signing = makeSigning(crypto.suite, {
    chainId: config.chain.chainId,
    vault: fromHex(config.chain.vault, 20),
  });
  const signers = await Promise.all(
    config.keys.signing.map((one) =>
      typeof one === 'string' ? memoryKey(one, crypto) : RemoteKey.open(one, signing),
    ),
  );
  const lock = await lockFolder(config.folder, 'registry');
  closers.push(() => lock.release());
  const nowSeconds = () => Math.floor(Date.now() / 1000);
  const desk = new Desk(config.folder, nowSeconds);
  const tokens = new Tokens(config.folder, nowSeconds);
  const audit = new Audit(config.folder);
  closers.push(async () => audit.close());
  const scopes = Object.fromEntries(
    config.scopes.map(({ id, payees }) => [id.slice(2), payees.map((payee) => payee.slice(2))]),
  );
  // Merchants of the desk belong to every scope of the site, beside those that the configuration names.
  const merchantsChanged = (): void => {
    for (const { id, payees } of config.scopes) {
      const all = new Set([...payees, ...desk.merchants.map(({ address }) => address)]);
      scopes[id.slice(2)] = [...all].map((payee) => payee.slice(2));
    }
  };
  merchantsChanged();
  const account = privateKeyToAccount(config.keys.settlement);
  const { operator: operatorSecret } = config.keys;
  const operator = operatorSecret === undefined ? account : privateKeyToAccount(operatorSecret);
  const l2 = agreeing(
    config.chain.rpcUrl.map(
      (rpcUrl) => new ViemL2({ ...config.chain, rpcUrl }, signing.separator, account, operator),
    ),
  );
  let mqttUrl = config.mqtt.url;
  const shared = config.database && (await openDatabase(config.database.url, config.name));
  if (shared !== undefined) closers.push(() => shared.store.close());
  const pin = hubPin(crypto.suite, config.name, fromHex(config.keys.root, 20));

  const hooks = new Hooks({
    folder: config.folder,
    hub: config.name,
    rules: { hosts: config.webhooks.hosts, development: config.development },
    time: systemTime,
    log,
    read: (from) => hub.journal.read(from),
    size: () => hub.journal.tree.size,
    known: () => hub.intake.state.size,
    entry: (id) => findEntry(hub.intake.durableBooks, id as Bytes32),
    onDisabled: (name, why) =>
      audit.write({
        at: nowSeconds(),
        who: 'hub',
        what: 'disables webhook',
        about: `${name}: ${why}`,
        status: 200,
      }),
  });
  const traces =
    config.traces &&
    new TraceExporter({
      url: config.traces.url,
      hub: config.name,
      signing,
      time: systemTime,
      log,
      books: () => hub.intake.durableBooks,
      known: () => hub.intake.state.size,
      read: (from) => hub.journal.read(from),
    });
  const hub = await assembleHub(
    {
      time: systemTime,
      signers,
      l2,
      registry: l2,
      disk: await nodeDisk(config.folder),
      openLedger: async (wishes) => {
        const ledger = await openFileLedger(`${config.folder}/ledger`, wishes);
        if (ledger.tornTail !== undefined)
          log.warn({ ...ledger.tornTail }, 'cut off the end of an interrupted write');
        return ledger;
      },
      shared,
      openIndex: (onDamage) => LmdbIndex.open(`${config.folder}/index`, onDamage),
      openIngest: async (events, store) => {
        let { username, password } = config.mqtt;
        const tls = tlsFrom(config.mqtt.tls);
        if (mqttUrl === undefined) {
          const broker = await startBroker({
            name: config.name,
            host: config.mqtt.host,
            port: config.mqtt.port,
            tls,
            onRefused: (why) => metrics.refusals.inc({ code: BROKER_REFUSALS[why] }),
            logins: new Logins({ policy: config.mqtt.login, signing, hub: pin, store }),
          });
          closers.push(() => broker.close());
          mqttUrl = broker.url;
          ({ username, password } = broker.credentials);
        }
        const host = { metrics, log, nowMs: () => performance.now() };
        const near = new NearIngest(limited(turnsAway(desk, events, log), host));
        const broker = await MqttIngest.connect({
          hub: config.name,
          url: mqttUrl,
          username,
          password,
          isOwn: config.mqtt.url === undefined,
          own: config.mqtt.url === undefined ? tls?.cert : undefined,
          worker: shared?.name,
          log,
          events: near.brokerEvents,
        });
        if (config.ble !== undefined && options.near !== undefined) {
          const stop = options.near(config.ble, (device) => near.uplink(device), log);
          closers.push(async () => stop());
        }
        return near.over(broker);
      },
    },
    {
      chain: config.chain,
      batch: config.batch,
      beaconMs: config.beaconMs,
      registry: config.registry,
      ...(config.registry.everyMs > 0 && {
        carries: {
          isOwn: operator.address !== account.address,
          isOperator: operatorSecret !== undefined,
          anchorEvery: config.registry.anchorEvery,
          payees: () => payeeWishes(desk),
        },
      }),
      timing: config.timing,
      leaseAnyScope: config.leaseAnyScope,
      development: config.development,
      signing,
      hub: pin,
      rootWords: config.keys.words.map(parseRootWord),
      scopes,
      indexedMax: indexLagMax,
      startBlock: config.chain.startBlock,
      lanesMax: config.batch.lanesMax,
      inFlightMax: config.batch.inFlightMax,
      laneMin: config.batch.laneMin,
      feeMax: BigInt(config.chain.feeMaxGwei) * GWEI,
      log,
      metrics,
      pool,
      onFatal: (error) => options.onFatal?.(error),
      observer: {
        stored: (record, position) => {
          hooks.stored(record, position);
          traces?.stored(record, position);
        },
      },
    },
  );
  closers.push(() => hub.stop());

  const parts: Parts = {
    ...hub,
    l2,
    config,
    signing,
    scopes,
    address: () => toHex(hub.keys.address),
    mqttUrl: mqttUrl!,
    crypto: crypto.kind,
  };
  const client = connect(config.chain.rpcUrl[0]!, { timeoutMs: config.chain.timeoutMs });
  const approvals = new Approvals(nowSeconds);
  const routes = v1Routes({
    parts,
    desk,
    tokens,
    audit,
    challenges: new Challenges({
      origin: config.http.origin,
      chainId: config.chain.chainId,
      nowSeconds,
    }),
    accountSigned: (account, hash, signature) => accountSigned(client, account, hash, signature),
    signing,
    hooks,
    approvals,
    passkeys: new Passkeys(config.folder, config.http.origin, tokens, nowSeconds),
    signWithdrawal: (account, terms) => signWithdrawal(config.chain, account, terms),
    deviceUrl: deviceUrls(config.name, config.mqtt, parts.mqttUrl),
    merchantsChanged: () => {
      merchantsChanged();
      hub.rounds.carryDue();
    },
  });
  const server = await makeServer({ tokens, audit, approvals, log, routes, ...consoleFiles() });
  addStatusPages(server, {
    metrics: async () => {
      // Figures of the moment, not of the last block: a chain that says nothing is infinitely old.
      const { newest } = hub.watch;
      metrics.chainHeight.set(newest?.height ?? Number.NaN);
      metrics.chainAge.set(newest === undefined ? Infinity : Math.floor(Date.now() / 1000) - newest.at);
      metrics.ready.set(healthOf(parts).ready ? 1 : 0);
      const { anchored, waiting } = hub.carrier ?? {};
      metrics.registryWaiting.set(waiting?.length ?? 0);
      metrics.anchorAge.set(
        anchored === undefined || newest === undefined ? Number.NaN : Math.max(0, newest.at - anchored.at),
      );
      return { type: metrics.registry.contentType, text: await metrics.registry.metrics() };
    },
    ready: () => healthOf(parts),
    json: jsonRoutes(parts),
  });
  const status = await listen(server, config.http.host, config.http.port);
  closers.push(() => status.close());
  await hub.begin();
  hooks.begin();
  if (traces !== undefined) closers.push(() => traces.stop());
  traces?.begin();
  closers.push(() => hooks.stop());
  const lookout = new Lookout(parts, hooks, (device) => desk.isRevoked(device), nowSeconds);
  const looks = new Repeat(async () => lookout.look(), {
    time: systemTime,
    everyMs: hookLookMs,
    failureMsMax: chainRetryMsMax,
  });
  closers.push(() => looks.stop());
  void looks.now();
  log.info(
    {
      address: parts.address(),
      mqtt: mqttUrl,
      status: status.url,
      crypto: crypto.kind,
      records: hub.journal.tree.size,
    },
    'the hub is up',
  );

  return {
    get address() {
      return parts.address();
    },
    mqttUrl: parts.mqttUrl,
    statusUrl: status.url,
    health: () => healthOf(parts),
    status: () => statusOf(parts),
    consoleLink: () => `${status.url}/signin?link=${tokens.link(OPERATOR)}`,
    settleNow: () => hub.rounds.settleNow(),
    revoke: hub.revoke,
    stop: () => closers.close(),
  };
}
