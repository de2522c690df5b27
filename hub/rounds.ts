/**
 * What the hub does again and again: look at L2, settle, plan the next batch, publish the beacon. Each at its own
 * pace, none beside itself, all patient with an L2 that is out of reach.
 */
import type { HubConfig } from './config.ts';
import { errorFields } from './errors.ts';
import { chainRetryMsMax, chainSilenceMs } from './limits.ts';
import type { Logger } from './log.ts';
import { pause, type Time } from './ports.ts';
import { Repeat } from './repeat.ts';
import type { Carrier } from './settle/carrier.ts';
import type { Justice } from './settle/justice.ts';
import type { SettleLoop } from './settle/loop.ts';
import { notElected } from './shared/intake.ts';
import type { Watch } from './watch/watch.ts';

/** How long the start waits for L2. */
const firstLookMs = 3_000;
/** How long a caller of settleNow waits; the work goes on in the background. */
const settleNowMsMax = 60_000;

/** How often what is done; milliseconds. */
export interface Pace {
  readonly chain: Pick<HubConfig['chain'], 'pollMs'>;
  readonly batch: Pick<HubConfig['batch'], 'everyMs'>;
  readonly beaconMs: number;
  /** Absent: the registry on L2 is told nothing. */
  readonly registry?: Pick<HubConfig['registry'], 'everyMs'>;
}

/** What the rounds turn. */
export interface RoundsOptions {
  readonly time: Time;
  readonly config: Pace;
  readonly watch: Watch;
  readonly settle: SettleLoop;
  readonly justice: Justice;
  /** Tells the registry on L2 what it lacks. `isOwn`: from an account that settles nothing. */
  readonly carrier?: { readonly isOwn: boolean } & Pick<Carrier, 'step'>;
  /** Signs and publishes beacon and revocations. */
  publish(): Promise<void>;
  /** Is it this worker that watches and settles? Absent: there is no other. */
  isElected?(): boolean;
  readonly log: Logger;
}

/** The five rounds of a hub: watching, settling, batching, beacons, and what the registry on L2 is told. */
export class Rounds {
  private readonly options: RoundsOptions;
  private readonly watching: Repeat;
  private readonly settling: Repeat;
  private readonly batching: Repeat;
  private readonly beaconing: Repeat;
  private readonly carrying: Repeat;
  /** How often something became due, and up to which of these all that was there then is settled and proved. */
  private due = 0;
  private served = 0;

  constructor(options: RoundsOptions) {
    this.options = options;
    const { config, watch, log, time } = options;
    const patient = (failed: string, well: string) => ({
      time,
      failureMsMax: chainRetryMsMax,
      onTrouble: (error: unknown) => log.warn(errorFields(error), failed),
      onRecovered: (attempts: number) => log.info({ attempts }, well),
    });
    const mine = (work: () => Promise<void>) => async (): Promise<void> => {
      if (options.isElected?.() ?? true) await work();
    };
    this.watching = new Repeat(
      mine(() => watch.look()),
      {
        everyMs: config.chain.pollMs,
        ...patient('L2 is out of reach; vouchers are taken all the same', 'L2 is in reach again'),
      },
    );
    this.settling = new Repeat(
      mine(() => this.settle()),
      {
        everyMs: config.chain.pollMs,
        ...patient('settling is interrupted and tried again', 'settling goes on'),
      },
    );
    this.batching = new Repeat(() => this.settleSoon(), {
      time,
      everyMs: config.batch.everyMs,
      failureMsMax: chainRetryMsMax,
    });
    this.beaconing = new Repeat(
      mine(() => options.publish()),
      {
        time,
        everyMs: config.beaconMs,
        failureMsMax: config.beaconMs,
        onTrouble: (error) => log.error(errorFields(error), 'no beacon'),
      },
    );
    this.carrying = new Repeat(
      mine(() => this.carry()),
      {
        everyMs: config.registry?.everyMs ?? 0,
        ...patient('the registry on L2 could not be told', 'the registry on L2 is told again'),
      },
    );
  }

  private async carry(): Promise<void> {
    // Each look tells so much at most, so a hub that stops waits for no more than one.
    while (await this.options.carrier!.step());
  }

  /** What telling the registry last failed with, while it fails. */
  get carryTrouble(): string | undefined {
    return this.carrying.lastError;
  }

  /**
   * The root or the desk said something that L2 should know. From an account of its own at once; from the one that settles
   * with the next batch, which a word of the root makes due.
   */
  carryDue(isWord = false): void {
    if (this.options.carrier?.isOwn === true) void this.carrying.now();
    else if (this.options.carrier !== undefined && isWord) this.batchDue();
  }

  /** What is wrong with the watch: what it failed with, or that a look takes for ever. Undefined: nothing. */
  get watchTrouble(): string | undefined {
    const { lastError, runningMs } = this.watching;
    if (lastError !== undefined || runningMs < chainSilenceMs) return lastError;
    const { reading } = this.options.watch;
    return reading === undefined
      ? `l2_silent: no answer for ${Math.floor(runningMs / 1000)} s`
      : `l2_reading: block ${reading.at} of ${reading.to}`;
  }

  /** What settling last failed with, while it fails. */
  get settleTrouble(): string | undefined {
    return this.settling.lastError;
  }

  /** What L2 says while it is out of reach. */
  get trouble(): string | undefined {
    return this.watchTrouble ?? this.settleTrouble;
  }

  /**
   * Begins all rounds. L2 gets a moment, so that the first devices meet a hub that knows its channels; without L2 the
   * hub starts all the same. A transaction that was under way is looked up before anything else is settled.
   */
  async start(): Promise<void> {
    const firstLook = this.watching.now().then(() => this.beaconing.now());
    await this.atMost(firstLookMs, firstLook);
    void this.settling.now();
    if (this.options.config.batch.everyMs > 0) void this.batching.now();
    if (this.options.carrier?.isOwn === true) void this.carrying.now();
  }

  /** Waits for the work, or so long. */
  private atMost(waitMs: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.options.time.schedule(waitMs, resolve);
      void work.finally(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Publishes a new beacon now; resolves when it is on its way. */
  publishNow(): Promise<void> {
    return this.beaconing.now();
  }

  /** Something must go to L2 soon: an owner is leaving, or a payer was found to cheat. */
  batchDue(): void {
    this.due += 1;
  }

  /** Settles what can be settled; resolves when it is final, L2 is away, or after a minute. Rejects with `not_elected`. */
  async settleNow(): Promise<void> {
    if (!(this.options.isElected?.() ?? true)) throw notElected();
    const { time, config } = this.options;
    const end = time.nowMs() + settleNowMsMax;
    await this.watching.now();
    await this.settleSoon();
    while (
      (this.due > this.served || this.options.settle.history.open.length > 0) &&
      this.watching.lastError === undefined &&
      this.settleTrouble === undefined &&
      time.nowMs() < end
    ) {
      await pause(time, config.chain.pollMs);
      await this.settling.now();
    }
  }

  private settleSoon(): Promise<void> {
    this.batchDue();
    return this.settling.now();
  }

  /** What was due when the last plan was made. */
  private planned = 0;

  private async settle(): Promise<void> {
    const { settle, justice, carrier } = this.options;
    for (let before = ''; ; ) {
      if (settle.history.open.length === 0) this.planned = this.due;
      const now = await settle.step(this.due > this.served);
      // Vouchers that came meanwhile wait for the next time: a busy hub would never come to an end, nor to its proofs.
      const isDone = now === 'idle' || (now === 'finished' && !settle.more);
      const isOver = isDone && settle.history.open.length === 0;
      if (isOver && this.due > this.served) {
        // While no batch is under way, as both are sent by one account: what is free settles before anything counts as short.
        await justice.step();
        if (carrier?.isOwn === false) await carrier.step();
        this.served = this.planned;
      }
      // The watch stores what a batch did; it reads each block once, so it is never run beside itself.
      if (now === 'sent' || now === 'waiting') await this.watching.now();
      // A local chain mines at once: look a second time before waiting for the next poll.
      if (now !== 'finished' && !(now === 'sent' && before !== 'sent')) return;
      before = now;
    }
  }

  /** Ends all rounds; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    const all = [this.watching, this.beaconing, this.batching, this.settling, this.carrying];
    await Promise.all(all.map((round) => round.stop()));
  }
}
