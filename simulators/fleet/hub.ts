/**
 * A host of the hub in virtual time: the hub that ships (hub/assemble.ts) over a simulated disk, chain, broker and clock.
 * What is here is what a machine and its operator do: power, restarts, a disk that fails, and the ways in which an
 * operator can cheat. Every port belongs to one life: once the power was cut nothing of the dead process runs on.
 */
import { type AssembledHub, assembleHub } from '../../hub/assemble.ts';
import { findEntry } from '../../hub/intake/books.ts';
import {
  type Books,
  durableBooks,
  emptyIntake,
  type Entry,
  type IntakeEffect,
  type IntakeState,
} from '../../hub/intake/state.ts';
import { bytesKey, keyNumber, trieEntries, trieGet, trieKey } from '../../hub/intake/trie.ts';
import { FileLedger } from '../../hub/ledger/file-ledger.ts';
import type { HubRecord, RecordOf } from '../../hub/ledger/records.ts';
import { agreeing } from '../../hub/l2/agreeing.ts';
import type { Row } from '../../hub/l2/rows.ts';
import type { Logger } from '../../hub/log.ts';
import { NO_METRICS } from '../../hub/metrics.ts';
import type { Ingest, IngestEvents, Ports } from '../../hub/ports.ts';
import { isError } from '../../hub/errors.ts';
import type { ChannelHead } from '../../hub/registry/registry.ts';
import { SundialError } from '../../protocol/errors.ts';
import { type Seconds, seconds } from '../../protocol/integers.ts';
import type { Timing } from '../../protocol/limits.ts';
import type { RefusalName } from '../../protocol/refusals.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { Chain } from '../stage/chain/chain.ts';
import type { Outcome } from '../stage/chain/vault.ts';
import { type NodeFaults, soundNode, VirtualL2 } from '../stage/chain/virtual-l2.ts';
import { VirtualDisk } from '../stage/disk/virtual-disk.ts';
import type { Broker, HubEnd } from '../stage/network/broker.ts';
import type { Random } from '../stage/world/random.ts';
import type { SimulatedKey } from '../stage/world/suite.ts';
import type { HubRoot } from './hub-root.ts';
import { MINUTE, SECOND, type World } from '../stage/world/world.ts';

/** What a run wants to know of its hub. */
export interface HubWatcher {
  acknowledged(device: string, entry: string, position: number): void;
  leased(lease: RecordOf<'lease'>): void;
  cleared(clearance: RecordOf<'clearance'>): void;
  member(member: RecordOf<'member'>): void;
  accepted(kind: string): void;
  refused(code: RefusalName): void;
  evidence(evidence: RecordOf<'evidence'>): void;
  crashed(): void;
  started(): void;
  batched(rows: readonly Row[], outcomes: readonly Outcome[], gas: number): void;
  /** The hub stopped for good, or a mistake in it showed. */
  broken(error: unknown): void;
}

export interface HubOptions {
  readonly signing: Signing;
  readonly timing: Timing;
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  readonly leaseAnyScope: boolean;
  readonly indexedMax: number;
  readonly root: HubRoot;
  readonly random: Random;
  /** Milliseconds between beacons, and between two plans of a batch. */
  readonly beaconMs: number;
  readonly batchMs: number;
  /** Nodes of the chain that it asks. */
  readonly nodes: number;
  /** Records that may wait for its disk; absent: the hub's own bound. */
  readonly pendingMax: number | undefined;
  /** Rows of one settlement. */
  readonly lanesMax: number;
  /** Settlements that its account had sent before the run began; absent: none. */
  readonly settledBefore?: number;
}

const POLL_MS = MINUTE;
/** Settlements under way at once. */
const IN_FLIGHT_MAX = 4;
/** Wei a gas: no bound that the chain of the simulator reaches. */
const FEE_MAX = 10n ** 12n;
/** How long a supervisor waits before it starts a hub again that did not come up. */
const AGAIN_MS = 5 * SECOND;

const silent = (): void => undefined;
const NO_LOG: Logger = { debug: silent, info: silent, warn: silent, error: silent, fatal: silent };

export class SimulatedHub implements HubEnd {
  isUp = false;
  readonly disk: VirtualDisk;
  readonly l2: VirtualL2;
  /** One for each node that it asks. */
  readonly nodes: readonly NodeFaults[];
  /** Stops answering although it runs: an operator that withholds. */
  withholds = false;
  /** It was gone for so long that others had to settle what it acknowledged. */
  vanished = false;
  private isGone = false;
  /** Milliseconds that its key takes to sign, and whether it fails. */
  signMs = 0;
  keyFails = false;
  /** Entries by digest that stand in the ledger for certain, with their position. */
  readonly durable = new Map<string, number>();
  /** Positions of the ledger that were looked at for it. */
  private noted = 0;
  gas = 0;
  batches = 0;
  lanesSettled = 0;
  crashes = 0;
  private hub: AssembledHub | undefined;
  private isStarting = false;
  private devices: IngestEvents | undefined;
  /** What its books held when it was last up. */
  private lastState: IntakeState = emptyIntake;
  private epoch = 0;
  private indexedMax: number;
  private readonly options: HubOptions;
  private readonly world: World;
  private readonly broker: Broker;
  private readonly watcher: HubWatcher;

  constructor(options: HubOptions, world: World, broker: Broker, chain: Chain, watcher: HubWatcher) {
    this.options = options;
    this.indexedMax = options.indexedMax;
    this.world = world;
    this.broker = broker;
    this.watcher = watcher;
    this.disk = new VirtualDisk(world, options.random.fork('disk'));
    const settled = (rows: readonly Row[], outcomes: readonly Outcome[], gas: number): void => {
      this.gas += gas;
      this.batches += 1;
      this.lanesSettled += outcomes.filter(({ moved }) => moved > 0).length;
      watcher.batched(rows, outcomes, gas);
    };
    this.l2 = new VirtualL2(world, chain, options.signing, { settled }, options.settledBefore);
    this.nodes = Array.from({ length: options.nodes }, soundNode);
    broker.hub = this;
  }

  get state(): IntakeState {
    return this.isUp ? this.hub!.intake.state : this.lastState;
  }

  /** The books as far as they are durable. */
  get books(): Books {
    return durableBooks(this.state);
  }

  /** Records that are durable, while it is up. */
  get ledgerSize(): number {
    return this.hub?.journal.ledger.size ?? 0;
  }

  // ---- life ----

  start(): void {
    if (this.isUp || this.isStarting || this.isGone) return;
    this.isStarting = true;
    const { epoch } = this;
    this.world.touched = true;
    this.begin().catch((error: unknown) => {
      if (this.epoch !== epoch) return;
      this.isStarting = false;
      // A disk that fails is tried again, as a supervisor does; whatever else holds up a start is a fault of the hub.
      if (this.disk.fails || (error as { code?: string }).code === 'EIO')
        this.later(AGAIN_MS, () => this.start());
      else this.watcher.broken(error);
    });
  }

  private async begin(): Promise<void> {
    const { epoch, options } = this;
    const { signing, timing, scopes, leaseAnyScope } = options;
    const hub = await assembleHub(this.ports(), {
      signing,
      hub: options.root.pin,
      rootWords: options.root.words(this.now()),
      timing,
      scopes,
      leaseAnyScope,
      indexedMax: this.indexedMax,
      pendingMax: options.pendingMax,
      development: false,
      startBlock: 0,
      lanesMax: options.lanesMax,
      inFlightMax: IN_FLIGHT_MAX,
      laneMin: 1,
      feeMax: FEE_MAX,
      chain: { pollMs: POLL_MS },
      batch: { everyMs: options.batchMs },
      beaconMs: options.beaconMs,
      log: NO_LOG,
      metrics: NO_METRICS,
      onFatal: (error) => {
        if (this.epoch === epoch) this.watcher.broken(error);
      },
      observer: {
        effect: (effect) => this.onEffect(effect),
        stored: (record, position) => this.onStored(record, position),
        defect: (error) => this.watcher.broken(error),
      },
    });
    this.hub = hub;
    await hub.begin();
    this.isStarting = false;
    this.isUp = true;
    this.watcher.started();
    this.broker.hubStarted();
  }

  private now(): Seconds {
    return seconds(this.world.nowSeconds);
  }

  /** The operator brings what the root has certified by now; a hub that is down reads it when it starts. */
  bringWords(): void {
    if (!this.isUp) return;
    this.world.touched = true;
    for (const word of this.options.root.words(this.now()))
      this.hub!.takeRootWord(word).catch((error: unknown) => {
        // A disk that is full or fails: the operator sees it, and brings the word again.
        const { code } = error as { code?: string };
        if (code === 'ENOSPC' || code === 'EIO') this.later(MINUTE, () => this.bringWords());
        else this.world.fail(error);
      });
  }

  /** What this life of the process has from outside. */
  private ports(): Ports {
    const { epoch, options, world, disk } = this;
    const salts = options.random.fork(`salts ${epoch}`);
    const time = {
      nowMs: () => world.startSeconds * SECOND + world.nowMs,
      schedule: (delayMs: number, action: () => void) => this.later(delayMs, action),
    };
    const later = (delayMs: number, action: () => void) => void this.later(delayMs, action);
    return {
      time,
      signers: options.root.keys.map((key) => ({
        scheme: 'secp256k1',
        address: key.address,
        sign: (digest) => this.sign(key, digest),
      })),
      l2: agreeing(
        this.nodes.map((faults) =>
          this.l2.node(
            later,
            faults,
            this.nodes.filter((other) => other !== faults),
          ),
        ),
      ),
      disk: disk.folder('registry'),
      openLedger: (wishes) =>
        FileLedger.open({ ...wishes, disk: disk.folder('ledger'), time, salt: () => salts.next() }),
      openIngest: async (events) => {
        this.devices = events;
        return this.ingest();
      },
    };
  }

  private async sign(key: SimulatedKey, digest: Uint8Array): Promise<Uint8Array> {
    if (this.signMs > 0) await new Promise<void>((resolve) => this.later(this.signMs, resolve));
    if (this.keyFails)
      throw new SundialError('key_unavailable', 'the key does not answer', {
        severity: 'call',
        remedy: 'None: this is a simulation.',
      });
    return key.sign(digest);
  }

  private ingest(): Ingest {
    const { epoch, broker } = this;
    const isHeard = (): boolean => this.epoch === epoch && !this.withholds;
    return {
      connected: true,
      dropped: 0,
      send: (device, message) => {
        if (isHeard()) broker.down(device, message);
      },
      retain: (kind, message) => {
        if (isHeard()) broker.retain(kind, message);
      },
      close: async () => {},
    };
  }

  /** As long as this process lives. */
  private later(delayMs: number, action: () => void): () => void {
    const { epoch, world } = this;
    const planned = world.after(delayMs, () => {
      if (this.epoch !== epoch) return;
      world.touched = true;
      action();
    });
    return () => {
      planned.cancelled = true;
    };
  }

  /** Power gone, the process with it. Of what was not synced a part may stand on the disk all the same. */
  crash(): void {
    if (!this.isUp && !this.isStarting) return;
    this.lastState = this.state;
    this.isUp = false;
    this.isStarting = false;
    this.hub = undefined;
    this.devices = undefined;
    this.epoch += 1;
    this.crashes += 1;
    this.disk.powerCut();
    this.watcher.crashed();
  }

  /** It is gone, and whatever would start it again finds nothing, until it comes back. */
  vanish(): void {
    this.vanished = true;
    this.isGone = true;
    this.crash();
  }

  comeBack(): void {
    this.isGone = false;
    this.start();
  }

  /** An operator gives it room for so many entries: with its next start. */
  giveRoom(indexedMax: number): void {
    this.indexedMax = indexedMax;
    if (!this.isUp) return;
    this.crash();
    this.start();
  }

  // ---- the broker's side ----

  receive(device: string, bytes: Uint8Array): void {
    if (!this.isUp || this.withholds) return;
    this.world.touched = true;
    this.devices!.message(device, bytes).catch((error: unknown) => {
      // A key that does not answer leaves a message without an answer: the device asks again.
      if (!isError(error, 'key_unavailable')) this.world.fail(error);
    });
  }

  presence(device: string, online: boolean): void {
    this.devices?.presence(device, online);
  }

  // ---- what is watched ----

  private onEffect(effect: IntakeEffect): void {
    const { watcher } = this;
    switch (effect.type) {
      case 'acknowledge':
        return watcher.acknowledged(effect.device, bytesKey(effect.entry), effect.position);
      case 'lease':
        return watcher.leased(effect.lease);
      case 'clearance':
        return watcher.cleared(effect.clearance);
      case 'member':
        return watcher.member(effect.member);
      case 'reject':
        return watcher.refused(effect.code);
      case 'count':
        if (effect.what.type === 'accepted') watcher.accepted(effect.what.kind);
        if (effect.what.type === 'evidence') watcher.evidence(effect.what.evidence);
        return;
      default:
    }
  }

  private onStored(record: HubRecord, position: number): void {
    // What a start reads once more stands where it stood.
    if (position < this.noted) return;
    this.noted = position + 1;
    if (record.type !== 'entry') return;
    const digest = bytesKey(record.id);
    // The books' own text of the key: a copy for each of millions would be as large as the entry.
    const key = trieKey(this.state.books.known, digest) ?? digest;
    // What turns up twice stands where it stood first.
    if (!this.durable.has(key)) this.durable.set(key, position);
  }

  // ---- what its operator does ----

  /** Settles now whatever can be settled. */
  settle(): void {
    if (!this.isUp || this.withholds) return;
    this.world.touched = true;
    void this.hub!.rounds.settleNow();
  }

  /** The channel is not to be trusted any more. */
  revoke(channel: number): void {
    if (!this.isUp) return;
    this.world.touched = true;
    this.hub!.revoke(channel, true).catch((error: unknown) => {
      if (!(error instanceof SundialError)) this.world.fail(error);
    });
  }

  // ---- what checkers ask ----

  /** What its registry knows of channels on L2. */
  get heads(): Readonly<Record<string, ChannelHead>> {
    return this.hub?.registry.state.heads ?? {};
  }

  /** Vouchers on which a terminal promised something back and the payee has not signed for it, oldest channel first. */
  owed(): Entry[] {
    const entries: Entry[] = [];
    for (const [, owed] of trieEntries(this.books.owed)) {
      const entry = owed && findEntry(this.books, owed.voucher);
      if (entry !== undefined) entries.push(entry);
    }
    return entries.sort((a, b) => a.channel - b.channel || a.seq - b.seq);
  }

  /** Whether an entry stands in the durable books. */
  knows(entry: string): boolean {
    return trieGet(this.books.known, entry) !== undefined;
  }

  /** Every proof that the ledger holds, by channel. */
  proofs(): Map<number, RecordOf<'evidence'>> {
    const found = new Map<number, RecordOf<'evidence'>>();
    for (const [key, book] of trieEntries(this.state.books.channels))
      if (book.proof !== undefined) found.set(keyNumber(key), book.proof);
    return found;
  }
}
