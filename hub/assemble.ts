/**
 * The hub, put together over its ports: intake, ledger, registry, watch, settlement, justice, beacon. Whoever runs a
 * hub runs this: a machine with files, MQTT and an RPC (hub.ts), and the simulator. Order of start: ledger and registry
 * first (they may refuse), then the books from replay, then what talks to others.
 */
import { toHex } from '../protocol/bytes.ts';
import { channelId, type Seconds, seconds, UINT40_MAX } from '../protocol/integers.ts';
import { encodeMessage } from '../protocol/wire/messages.ts';
import { signBeacon } from './beacon.ts';
import { type Closers, withClosers } from './closers.ts';
import { type Certificate, HubKeys, type Revocation } from './crypto/hub-keys.ts';
import type { RecoverPool } from './crypto/recover-pool.ts';
import { Devices } from './devices.ts';
import { errorFields } from './errors.ts';
import { type IntakeHost, IntakeRuntime } from './intake/runtime.ts';
import type { IntakeContext, IntakeEffect, OwnerLimits } from './intake/state.ts';
import { Edit } from './intake/trie.ts';
import { contradictedBy, contradictedBySettlement } from './keep/continuity.ts';
import { holdStore, refuseHeldStore } from './keep/database.ts';
import { type Held, heldError, hold, refuseHeld } from './keep/hold.ts';
import { indexBuildRecords, indexProgressRecords, indexTailRecords, keyWarningSeconds } from './limits.ts';
import { IndexFollower } from './index/follower.ts';
import { openIndexOf } from './index/open.ts';
import { Journal } from './ledger/journal.ts';
import { Scrub } from './ledger/scrub.ts';
import type { HubRecord } from './ledger/records.ts';
import type { Logger } from './log.ts';
import type { HubMetrics } from './metrics.ts';
import type { Index, Ingest, L2, LedgerOptions, Ports, RegistryL2 } from './ports.ts';
import { Presence } from './presence.ts';
import { Registry } from './registry/registry.ts';
import { setRevoked } from './revocations.ts';
import { type Pace, Rounds } from './rounds.ts';
import { Carrier, type PayeeWish } from './settle/carrier.ts';
import { Justice } from './settle/justice.ts';
import { promisedLeases } from './settle/promised.ts';
import { SettleLoop } from './settle/loop.ts';
import { deviceEvents, limitEvents, patchEvents } from './shared/events.ts';
import { notElected, SharedIntake } from './shared/intake.ts';
import { SharedLedger } from './shared/ledger.ts';
import { SharedPatchLog } from './shared/registry-log.ts';
import { Worker } from './shared/worker.ts';
import { Watch } from './watch/watch.ts';

/** What a hub is told besides its ports. */
export interface HubSetup extends IntakeContext, Pace {
  /** Certificates and revocations of the hub's root, beside those that the registry has. */
  readonly rootWords: readonly (Certificate | Revocation)[];
  /** First block that can hold events of the vault. */
  readonly startBlock: number;
  /** Rows of one settlement. */
  readonly lanesMax: number;
  /** Settlements under way at once. */
  readonly inFlightMax: number;
  /** Smallest rise of a lane that is worth its gas, units. */
  readonly laneMin: number;
  /** The most that a settlement offers, wei a gas. */
  readonly feeMax: bigint;
  /** What the registry on L2 is told, and from which account; absent: nothing. */
  readonly carries?: {
    /** An account that settles nothing. */
    readonly isOwn: boolean;
    /** The operator's: it vouches for payees and anchors the log, too. */
    readonly isOperator: boolean;
    /** Seconds; see CarrierOptions. */
    readonly anchorEvery: number;
    payees(): readonly PayeeWish[];
  };
  readonly log: Logger;
  readonly metrics: HubMetrics;
  /** Threads that recover signers ahead; absent: the intake does it. */
  readonly pool?: RecoverPool | undefined;
  /** Called once when the hub can't safely go on; it takes no messages any more by then. */
  onFatal?(error: unknown): void;
  /** For who watches a hub, as checkers do. */
  readonly observer?: HubObserver;
}

/** Told of what a hub does; can change nothing. */
export interface HubObserver {
  /** Before an effect of the intake is carried out. */
  effect?(effect: IntakeEffect): void;
  /** A record is durable at this position, now or found at the start. */
  stored?(record: HubRecord, position: number): void;
  /** A message broke the intake, which a machine should never do. */
  defect?(error: unknown): void;
}

/** A hub over its ports, and its parts. */
export interface AssembledHub {
  readonly intake: IntakeRuntime;
  readonly journal: Journal;
  readonly registry: Registry;
  readonly ingest: Ingest;
  readonly watch: Watch;
  readonly settle: SettleLoop;
  readonly rounds: Rounds;
  /** Tells the registry on L2 what it lacks; undefined where the hub tells it nothing. */
  readonly carrier: Carrier | undefined;
  /** Of several workers this one; undefined: it is alone. */
  readonly worker: Pick<Worker, 'isElected' | 'trouble'> | undefined;
  /** Devices that are connected, as the broker says. */
  readonly online: ReadonlySet<string>;
  /** The keys that it signs with. */
  readonly keys: HubKeys;
  /** Puts a channel on the revocation list, or off it again; resolves when durable and published. */
  revoke(channel: number, revoked: boolean): Promise<void>;
  /** What a channel's owner lets it spend from the next lease on, signed at `at` (seconds); resolves when durable. */
  setLimits(channel: number, limits: OwnerLimits, at: number): Promise<void>;
  /**
   * Takes a certificate or a revocation of the root; resolves when durable and told to the devices that are there. Rejects
   * with `hub_key_word`.
   */
  takeRootWord(word: Certificate | Revocation): Promise<void>;
  /** Begins the rounds; resolves when L2 was looked at, or did not answer for a moment. */
  begin(): Promise<void>;
  /** Stops in order; what was acknowledged is durable anyway. Safe to call twice. */
  stop(): Promise<void>;
}

function carrierOf(
  { log, metrics }: HubSetup,
  { isOperator, anchorEvery, payees }: NonNullable<HubSetup['carries']>,
  { l2, registry, signer, journal }: { l2: L2; registry: RegistryL2; signer: HubKeys; journal: Journal },
): Carrier {
  return new Carrier({
    l2,
    registry,
    words: () => signer.words() as readonly (Certificate | Revocation)[],
    payees: () => (isOperator ? payees() : []),
    ledger: () => {
      const { size } = journal.tree;
      return { size, root: () => journal.tree.root(size) };
    },
    anchorEvery: isOperator ? anchorEvery : 0,
    onAct: (act, outcome) => metrics.carried.inc({ act, outcome }),
    log,
  });
}

/** Reads what the ledger holds into the books: what the index doesn't have, which is all where there is none. */
async function replay(
  journal: Journal,
  intake: IntakeRuntime,
  settle: SettleLoop,
  follower: IndexFollower | undefined,
  log: Logger,
): Promise<void> {
  let edit = new Edit();
  const { size } = journal.ledger;
  await journal.replay((record, position) => {
    void intake.handle({ type: 'replayed', record, position, edit });
    settle.replay(record, position);
    if (follower === undefined || position >= size - indexTailRecords) return undefined;
    if (position % indexProgressRecords === 0) log.info({ position, of: size }, 'the index is being built');
    if (follower.lag < indexBuildRecords) return undefined;
    // What was written is somebody else's from here on.
    edit = new Edit();
    return follower.write().then(() => {
      // All of a history in memory is what an index is there to avoid.
      if (follower.trouble !== undefined) throw follower.trouble;
    });
  });
}

/**
 * Opens what the hub keeps, reads its past and connects it to its devices; `begin` then sets it going. Rejects with
 * SundialError: `ledger_corrupt`, `registry_invalid`, ... and has closed what it opened.
 */
export async function assembleHub(ports: Ports, setup: HubSetup): Promise<AssembledHub> {
  return withClosers((closers) => assemble(ports, setup, closers));
}

async function assemble(ports: Ports, setup: HubSetup, closers: Closers): Promise<AssembledHub> {
  const { time, l2 } = ports;
  const { signing, log, metrics, observer = {} } = setup;
  const presence = new Presence((device) => registry.state.devices[device] !== undefined);
  const { online } = presence;
  let ingest: Ingest | undefined;
  /** Channels on the list that was published last. */
  let lastRevoked: number | undefined;
  let fatalError: unknown;
  /** A word of the root that no disk has yet. */
  let isWordOwed = false;
  const fatal = (error: unknown) => {
    if (fatalError !== undefined) return;
    fatalError = error;
    log.fatal(errorFields(error), 'the hub can not go on');
    void ingest?.close();
    setup.onFatal?.(error);
  };
  const send = (device: string, message: Uint8Array) => ingest?.send(device, message);
  /** This folder is an earlier one: nothing is signed any more, now and at the next start. */
  const contradicted = (held: Held | undefined): void => {
    if (held === undefined || fatalError !== undefined) return;
    // Of several workers each has a folder, and all one database.
    const isHeld = ports.shared === undefined ? hold(ports.disk, held) : holdStore(ports.shared.store, held);
    void isHeld.catch((error: unknown) => log.error(errorFields(error), 'not held'));
    fatal(heldError(held));
  };

  // ---- what is kept ----

  await refuseHeld(ports.disk);
  const { shared } = ports;
  if (shared !== undefined) await refuseHeldStore(shared.store);
  let worker: Worker | undefined;
  const patches = shared && new SharedPatchLog(shared.store, shared.name, () => worker?.fence);
  const registry =
    patches === undefined ? await Registry.open(ports.disk) : Registry.over(await patches.readAll(), patches);
  closers.push(() => registry.close());
  const wishes: LedgerOptions = {
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
  };
  const sharedLedger = shared && (await SharedLedger.open(shared.store, wishes));
  const ledger = sharedLedger ?? (await ports.openLedger(wishes));
  closers.push(() => ledger.close());
  metrics.ledgerWriting.set(1);
  const { store, restored } = (await openIndexOf(ports, fatal, ledger, signing.suite, log)) ?? {};
  if (store !== undefined) closers.push(() => store.close());
  // Without an index the start reads all of it; a database looks after its own disk.
  const scrub = shared === undefined && store !== undefined ? new Scrub(ledger, time, fatal) : undefined;
  closers.push(async () => scrub?.stop());
  const journal = new Journal(ledger, signing.suite, observer.stored, store);

  // ---- who decides and who acts ----

  const now = (): Seconds =>
    intake.state.block?.at ?? seconds(Math.min(Math.floor(time.nowMs() / 1000), UINT40_MAX));
  const signer = new HubKeys(signing, setup.hub.root, ports.signers, now);
  let lastSigner = '';
  /** Says in time that keys run out, and tells the devices that are there when another one signs. */
  const watchKeys = (): void => {
    const { left } = signer;
    metrics.keySecondsLeft.set(left);
    if (left < keyWarningSeconds)
      log.warn({ secondsLeft: left }, 'certify the next key of this hub: `sundial hub-key certify`');
    const address = toHex(signer.address);
    if (address !== lastSigner && lastSigner !== '') for (const device of online) tellKeys(device);
    lastSigner = address;
  };
  const tellKeys = (device: string): void => {
    for (const word of signer.words()) send(device, encodeMessage(word));
  };

  const devices = new Devices(registry, send, log);
  const host: IntakeHost = {
    journal,
    key: signer,
    metrics,
    log,
    pool: setup.pool,
    send,
    observe: observer.effect,
    defect: observer.defect,
    registered: (device, message) => {
      tellKeys(device);
      devices.registered(device, message);
    },
    timeAsked: async (device, nonce) => {
      const signed = await signBeacon(signing, signer, intake.state, journal, setup.timing, nonce);
      if (signed !== undefined) send(device, signed.beacon);
    },
    // Devices hear of it at once; a proof, if that was the reason, goes to L2 with the next look.
    revocations: () => {
      rounds.batchDue();
      void rounds.publishNow();
    },
    fatal,
    durable: () => follower?.poke(),
  };
  const sharedIntake =
    shared === undefined || patches === undefined || sharedLedger === undefined
      ? undefined
      : new SharedIntake(setup, {
          ...host,
          store: shared.store,
          ledger: sharedLedger,
          followRegistry: (take) =>
            patches.follow((patch) => {
              registry.note(patch);
              for (const event of patchEvents(registry.state, patch)) take(event);
              for (const word of patch.rootWords === undefined ? [] : registry.rootWords()) signer.take(word);
            }),
          followed: (record, position) => {
            settle.replay(record, position);
            if (record.type === 'evidence' || record.type === 'revocation') host.revocations();
          },
        });
  const intake = sharedIntake ?? new IntakeRuntime(setup, host);
  // Only now is the time of L2 known, by which those that have ended make room.
  for (const word of [...setup.rootWords, ...registry.rootWords()]) signer.take(word);
  const index: Index = { books: () => intake.durableBooks };
  /** Why L2 is doubted, while it is. */
  let doubted: string | undefined;
  const watch = new Watch({
    signing,
    l2,
    registry,
    startBlock: setup.startBlock,
    clock: { nowSeconds: () => Math.floor(time.nowMs() / 1000), clockError: setup.timing.clockError },
    events: {
      block: (at, height) => {
        doubted = undefined;
        void intake.handle({ type: 'block', at, height });
        worker?.say({ at, height, registry: patches!.known });
      },
      doubt: (error) => {
        // Once, not with every look.
        if (error.code !== doubted)
          log.error(errorFields(error), 'what L2 shows can not be right; nothing is leased');
        doubted = error.code;
        void intake.handle({ type: 'doubt' });
        const { at = 0, height = 0 } = watch.newest ?? {};
        worker?.say({ at, height, registry: patches!.known, doubt: error.code });
      },
      replaced: () => {
        settle.forget();
        justice.forget();
        carrier?.forget();
        rounds.batchDue();
      },
      channel: (channel, facts) => {
        // An owner who leaves starts the clock: whatever the channel owes is settled with the next look.
        if (facts.exiting) rounds.batchDue();
        void intake.handle({ type: 'channel', channel, facts });
      },
      payee: (payee) => void intake.handle({ type: 'payee', payee }),
      announced: (lanes, isTaking) => {
        void intake.handle({ type: 'announced', lanes });
        // Whatever these channels owe is final on L2 long before what was announced is due.
        if (isTaking) rounds.batchDue();
      },
      unlisted: (lanes) => log.error({ lanes }, 'announced lanes that are not followed; settle often'),
      batch: async ({ transaction, height }) => {
        if (settle.knows(transaction)) return;
        const { recoveredAt } = registry.state;
        const highest = () => settle.history.nonce;
        try {
          contradicted(await contradictedBySettlement(l2, { transaction, height }, recoveredAt, highest));
        } catch (error) {
          // A node that forgets transactions must not hold up what it tells of blocks.
          log.warn({ transaction, ...errorFields(error) }, 'who settled it is not known');
        }
      },
      settled: (lane) => {
        metrics.settledLanes.inc();
        devices.settled(lane);
      },
    },
  });
  const justice = new Justice({
    signing,
    l2,
    index,
    log,
    leases: (book) => promisedLeases(signing, signer, book),
  });
  const { carries } = setup;
  const carrier =
    ports.registry && carries && carrierOf(setup, carries, { l2, registry: ports.registry, signer, journal });
  const settle = new SettleLoop({
    signing,
    l2,
    registry,
    lanesMax: setup.lanesMax,
    inFlightMax: setup.inFlightMax,
    laneMin: setup.laneMin,
    feeMax: setup.feeMax,
    index,
    append: async (record) => {
      if (sharedIntake === undefined) return journal.append(record);
      if (worker?.fence === undefined) throw notElected();
      return sharedIntake.append(record, worker.fence);
    },
    watchedHeight: () => watch.finalHeight,
    log,
    onBatch: (outcome) => metrics.batches.inc({ outcome }),
  });
  if (restored?.history !== undefined) settle.history = restored.history;
  const follower = store && new IndexFollower({ time, store, intake, journal, settle, log });
  if (follower !== undefined) closers.push(() => follower.close());
  // Before the past is read: an owner who is leaving makes a batch due.
  const rounds = new Rounds({
    time,
    config: setup,
    watch,
    settle,
    justice,
    ...(carrier !== undefined && {
      carrier: { isOwn: carries!.isOwn, step: () => carrier.step() },
    }),
    log,
    ...(shared !== undefined && { isElected: () => worker?.isElected === true }),
    publish: async () => {
      watchKeys();
      const signed = await signBeacon(signing, signer, intake.state, journal, setup.timing);
      if (signed === undefined || fatalError !== undefined) return;
      if (signed.unlisted > 0)
        log.error({ channels: signed.unlisted }, 'the revocation list has no room for them');
      ingest?.retain('beacon', signed.beacon);
      // An empty list is published once: every device that comes is given it anyway.
      if (signed.revoked > 0 || lastRevoked !== 0) ingest?.retain('revocations', signed.revocations);
      lastRevoked = signed.revoked;
      const { size, at } = signed;
      if (size !== registry.state.ledgerSize) await registry.update({ ledgerSize: size, publishedAt: at });
    },
  });

  // ---- the past ----

  const restoreRegistry = async (): Promise<void> => {
    for (const event of deviceEvents(registry.state.devices)) await intake.handle(event);
    for (const event of limitEvents(registry.state.limits)) await intake.handle(event);
    watch.restore();
  };
  await restoreRegistry();
  if (store !== undefined && restored !== undefined)
    await intake.handle({ type: 'restored', books: restored.books, size: store.applied });
  await replay(journal, intake, settle, follower, log);
  if (fatalError !== undefined) throw fatalError;
  metrics.ledgerSize.set(journal.tree.size);
  intake.watchRoom();

  if (shared !== undefined && sharedIntake !== undefined && patches !== undefined) {
    worker = new Worker({
      ...shared,
      time,
      log,
      follow: () => sharedIntake.follow(),
      sizes: () => ({ ledger: intake.state.size, registry: patches.size }),
      block: (at, height) => {
        watch.told({ at, height });
        void intake.handle({ type: 'block', at, height });
      },
      doubt: () => void intake.handle({ type: 'doubt' }),
      elected: async () => {
        // What this worker wrote when it was elected before may not have come into the log.
        registry.restart(await patches.readAll());
        await restoreRegistry();
        watch.takeOver();
        settle.forget();
        justice.forget();
        carrier?.forget();
        rounds.batchDue();
      },
      fatal,
    });
    const joined = worker;
    closers.push(() => joined.stop());
    await joined.start();
  }

  // ---- the others ----

  // What the world says of an earlier life is heard before anything is signed.
  let isOpen = false;
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = () => {
      isOpen = true;
      resolve();
    };
  });
  const connection = await ports.openIngest(
    {
      message: async (device, bytes) => {
        if (!isOpen) await opened;
        if (fatalError === undefined)
          await intake.message(device, bytes, seconds(Math.floor(time.nowMs() / 1000)));
      },
      kept: (beacon) => {
        const { ledgerSize: size, publishedAt: at, recoveredAt } = registry.state;
        const keys = ports.signers.map(({ address }) => address);
        contradicted(
          contradictedBy(beacon, { signing, keys, journal, published: { size, at }, recoveredAt }),
        );
      },
      presence: (device, isOnline) => {
        presence.set(device, isOnline);
        metrics.devicesOnline.set(online.size);
      },
      tooLarge: (device, size) => {
        metrics.refusals.inc({ code: 'too_large' });
        log.debug({ device, size }, 'too_large');
      },
    },
    devices.logins,
  );
  ingest = connection;
  closers.push(() => connection.close());
  closers.push(async () => {
    const ended = rounds.stop();
    // What is being asked is given up, so that no node holds up the end.
    l2.close();
    await ended;
  });

  return {
    intake,
    journal,
    registry,
    ingest: connection,
    watch,
    settle,
    rounds,
    carrier,
    worker,
    online,
    keys: signer,
    takeRootWord: async (word) => {
      if (!signer.take(word) && !isWordOwed) return;
      // The root's word and nothing of ours: a disk that takes nothing keeps no revocation from the devices.
      for (const device of online) tellKeys(device);
      isWordOwed = true;
      await registry.addRootWord(word);
      isWordOwed = false;
      rounds.carryDue(true);
      await rounds.publishNow();
    },
    revoke: async (channel, revoked) => {
      await setRevoked(intake, channelId(channel), revoked);
      await rounds.publishNow();
    },
    setLimits: async (channel, { tap, day }, at) => {
      await registry.update({ limits: { [channel]: { tap, day, at } } });
      await intake.handle({ type: 'limits', channel: channelId(channel), limits: { tap, day } });
    },
    begin: async () => {
      // Not awaited: a full disk holds up no start, and the ledger says when it writes again.
      void intake.handle({ type: 'recheck' });
      await rounds.start();
      if (fatalError !== undefined) throw fatalError;
      scrub?.start();
      open();
    },
    stop: () => {
      open();
      return closers.close();
    },
  };
}
